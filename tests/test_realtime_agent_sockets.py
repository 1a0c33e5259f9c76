"""The realtime agent over a real socket and from the command line."""

import asyncio

import pytest
from realtime_agent_calls import (
    QUESTION,
    SILENT,
    EchoLLM,
    ReadingLLM,
    asks,
    engines,
    events,
    script,
    told,
    tool,
)
from realtime_models import server_models, validated

from voxlab.agents.calls import hold_call
from voxlab.agents.line import Line
from voxlab.agents.realtime.agent import RealtimeAgent
from voxlab.agents.realtime.connection import to_server
from voxlab.agents.realtime.settings import GREETING, RealtimeSettings, ServerVAD
from voxlab.cli import main
from voxlab.clock import run_virtual
from voxlab.serving.realtime.transport.in_memory import in_memory
from voxlab.serving.realtime.transport.server import ServerOptions, serving
from voxlab.timeline import Call

# --- over a socket --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_call_over_a_real_socket_with_the_openai_client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "right")
    llm = ReadingLLM([asks("look"), "It is clear today, all day long."])
    until = '0.1 s after the agent says "clear"'
    short = script((QUESTION, "0.1 s after the call starts"), until=until)

    async def main() -> Call:
        options = ServerOptions(key="right")
        async with serving(lambda: engines(llm), options) as server:
            agent = RealtimeAgent(
                to_server(server.http_url),
                [tool("look", lambda city: f"clear in {city}", 0.05)],
                RealtimeSettings(turn_detection=ServerVAD(silence_s=0.2)),
                SILENT,
            )
            from voxlab.agents.callers.simulated import Caller

            call = await hold_call(agent, Caller(short), limit_s=20.0)
            async with asyncio.timeout(5):
                while server.connections:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.01)
            return call

    call = asyncio.run(main())
    assert events(call, "transport", "call_ended") == [{"reason": "the caller hung up"}]
    assert events(call, "tool", "finished")[0]["result"] == '"clear in Paris"'
    assert told(call)[-1][1].startswith("It is clear")
    models = server_models()
    received = events(call, "transport", "received")
    assert {data["event"]["type"] for data in received} <= set(models)


@pytest.mark.parametrize(
    ("key", "model", "said"),
    [("wrong", "gpt-realtime", "check OPENAI_API_KEY"), ("right", "gpt-4", "use a realtime model")],
)
def test_a_wrong_key_and_a_wrong_model_are_told_as_such(monkeypatch, key, model, said):
    monkeypatch.setenv("OPENAI_API_KEY", key)

    async def main() -> Call:
        options = ServerOptions(key="right")
        async with serving(lambda: engines(EchoLLM()), options) as server:
            agent = RealtimeAgent(to_server(server.http_url, model))

            class Waits:
                async def run(self, line: Line) -> None:
                    await line.closed.wait()

            return await hold_call(agent, Waits(), limit_s=10.0)

    call = asyncio.run(main())
    (failed,) = events(call, "transport", "failed")
    assert said in failed["error"]
    assert "ProviderError" in failed["error"]


def test_the_link_carries_what_the_sdk_accepts():
    """The in-memory socket is no looser than the real one: strict models on the raw frames."""

    async def main() -> list[str]:
        frames: list[str] = []
        async with in_memory(engines(EchoLLM()))() as connection:
            frames.append((await connection.recv_bytes()).decode())
            await connection.response.create()
            while '"response.done"' not in frames[-1]:
                frames.append((await connection.recv_bytes()).decode())
        return frames

    kinds = [validated(frame)["type"] for frame in run_virtual(main())]
    assert kinds[0] == "session.created"
    assert "response.output_audio.delta" in kinds


# --- the command ----------------------------------------------------------------------------


WITHOUT_SOUND = """
title: On paper
lines:
  - {text: "Where is my order, one two three four five?", lasts_s: 2.5}
"""


@pytest.mark.slow
def test_the_command_holds_a_call_with_the_realtime_agent(tmp_path, capsys):
    """A call without sound: the script says when somebody speaks, and no model is needed."""
    (tmp_path / "call.yaml").write_text(WITHOUT_SOUND)
    command = ["call", str(tmp_path / "call.yaml"), "--agent", "realtime", "--out", str(tmp_path)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert f"agent   {GREETING}" in out
    assert "One moment, let me look that up. Order 1 2 3 4 5 is shipped." in out
    assert "the caller hung up" in out
    assert Call.load(tmp_path).user is None


@pytest.mark.parametrize(
    ("extra", "said"), [([], "add --live"), (["--live"], "set OPENAI_API_KEY")]
)
def test_the_command_without_a_key_or_in_virtual_time_says_what_it_needs(
    tmp_path, monkeypatch, capsys, extra, said
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    (tmp_path / "call.yaml").write_text(WITHOUT_SOUND)
    command = ["call", str(tmp_path / "call.yaml"), "--agent", "realtime", "--providers", "openai"]
    assert main([*command, *extra]) == 2
    assert said in capsys.readouterr().err
