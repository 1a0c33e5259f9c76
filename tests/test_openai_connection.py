"""Key and address of an OpenAI-compatible server: where they come from, and what is refused."""

import contextlib
import subprocess
import sys
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai_server import HELLO, Request, Wire, collect, run, says, serving

from voxlab.errors import ProviderError
from voxlab.providers.openai.connection import KEPT_OPEN_S
from voxlab.providers.openai.speech import OpenAILLM, OpenAISTT, OpenAITTS, connect

pytestmark = pytest.mark.usefixtures("no_openai_settings")


@pytest.mark.parametrize("make", [OpenAILLM, OpenAISTT, OpenAITTS])
@pytest.mark.parametrize("key", [None, "", " "])
def test_without_key_and_address_the_error_says_how_to_bring_one(
    make: Any, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setenv("OPENAI_BASE_URL", key)
    with pytest.raises(ProviderError, match=r"OPENAI_API_KEY.*offline providers need neither"):
        make()


def test_key_and_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> Request:
        async with serving(says("ok")) as server:
            monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test\n")
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            async with OpenAILLM() as llm:
                await collect(llm.stream(HELLO, []))
            return server.requests[0]

    assert run(scene()).headers["authorization"] == "Bearer sk-of-a-test"


def test_a_key_alone_goes_to_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    assert str(connect().base_url) == "https://api.openai.com/v1/"


@pytest.mark.parametrize("key", ["sk-geheim\nb", "sk-geheim-schlüssel", "sk-geheim 2"])
def test_a_key_that_no_header_can_carry_is_an_error_that_keeps_it_secret(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ProviderError, match=r"OPENAI_API_KEY .* copy it again") as caught:
        connect()
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["localhost:8000", "ftp://localhost/v1", "http://", "http://a:b:c/v1"]
)
def test_an_address_that_is_none_is_an_error(address: str) -> None:
    with pytest.raises(ProviderError, match=r"is not an address.*http://localhost"):
        connect(address)


def test_errors_name_the_address_without_its_password() -> None:
    async def scene() -> None:
        async with serving() as server:
            url = server.url.replace("http://", "http://ann:geheim@")
        async with connect(url, max_retries=0) as client:
            await collect(OpenAILLM("m", client=client).stream(HELLO, []))

    with pytest.raises(ProviderError, match=r"m at http://127\.0\.0\.1:\d+/v1/,") as caught:
        run(scene())
    assert "geheim" not in str(caught.value)


def test_a_client_and_an_address_together_are_an_error() -> None:
    with pytest.raises(ProviderError, match="needs one of them"):
        OpenAILLM(client=AsyncOpenAI(api_key="k"), base_url="http://localhost/v1")


def test_a_shared_client_stays_open_and_an_own_one_is_closed() -> None:
    async def scene() -> tuple[bool, bool]:
        async with connect("http://localhost/v1") as client:
            async with OpenAILLM(client=client):
                pass
            shared = client.is_closed()
        async with OpenAILLM(base_url="http://localhost/v1") as llm:
            pass
        return shared, llm.client.is_closed()

    assert run(scene()) == (False, True)


@pytest.mark.slow
def test_voxlab_itself_does_not_load_the_openai_package() -> None:
    code = "import voxlab, voxlab.providers.protocols, sys; print('openai' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


LISTS = [
    ("200 OK", "application/json", b'{"object": "list", "data": []}'),
    ("200 OK", "application/json", b"null"),
    ("200 OK", "text/html", b"<p>a web page</p>"),
    ("200 OK", "text/event-stream", b"data: [DONE]\n\n"),
    ("404 Not Found", "application/json", b"{}"),
]


@pytest.mark.parametrize(("status", "kind", "body"), LISTS)
def test_a_connection_that_was_warmed_up_carries_the_first_request(
    status: str, kind: str, body: bytes
) -> None:
    async def models(wire: Wire) -> None:
        await wire.answer(status, kind, body)

    async def scene() -> tuple[int, list[str]]:
        async with serving(models, says("ok")) as server, OpenAILLM(base_url=server.url) as llm:
            with contextlib.suppress(ProviderError):
                await llm.warm_up()
            await collect(llm.stream(HELLO, []))
            return server.connections, [request.path for request in server.requests]

    assert run(scene()) == (1, ["/v1/models", "/v1/chat/completions"])


def test_an_idle_connection_is_kept_for_longer_than_an_answer_lasts() -> None:
    pool = connect("http://localhost:1/v1")._client._transport._pool  # type: ignore[attr-defined]
    assert pool._keepalive_expiry == KEPT_OPEN_S >= 60
