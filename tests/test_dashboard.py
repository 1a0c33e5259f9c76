"""The live dashboard: who may watch, and what the page is told."""

import json
from contextlib import suppress

import pytest
import websockets
from test_workers import one_call, run
from websockets.exceptions import InvalidStatus

from voxlab.serving.workers import watching
from voxlab.serving.workers.front import FrontOptions, serving_front


def watch(url, token):
    """Return the connection of a watcher."""
    headers = {"Authorization": f"Bearer {token}"}
    url = url.replace("http", "ws") + "/watch"
    return websockets.connect(url, additional_headers=headers, proxy=None)


@pytest.mark.parametrize("token", ["wrong", ""])
def test_only_who_has_the_token_watches_a_worker_or_a_front(token):
    async def main():
        async with (
            one_call(token="right") as (worker, _),
            one_call() as (private, _),
            serving_front("twilio", FrontOptions(worker_token="right")) as front,
        ):
            for url in (worker.url, private.url, front.url):
                with pytest.raises(InvalidStatus, match="401"):
                    await watch(url, token)

    run(main())


def test_a_watcher_too_many_is_refused_and_one_who_leaves_makes_room(monkeypatch):
    monkeypatch.setattr(watching, "MOST_WATCHERS", 1)

    async def main():
        async with one_call(token="right") as (worker, _):
            async with watch(worker.url, "right") as watcher:
                told = json.loads(await watcher.recv())["workers"]["1"]
                assert (told["load"]["active"], told["calls"][0]["name"]) == (1, "call")
                with pytest.raises(InvalidStatus, match="503"):
                    await watch(worker.url, "right")
            while True:  # until the worker has seen them go
                with suppress(InvalidStatus):
                    await (await watch(worker.url, "right")).close()
                    return

    run(main())
