"""Connections to a front that are opened again whenever they break.

A worker's own: reports go up, calls to be placed come down.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from voxlab.errors import VoxlabError
from voxlab.serving.workers.watching import NewsReader
from voxlab.serving.workers.worker import Worker

JOIN_PATH = "/join"
EXAMPLE_URL = "http://127.0.0.1:8090"
REPORTS_EVERY_S = 0.1  # at most
AGAIN_S = 1.0
log = logging.getLogger(__name__)


async def stay_joined(worker: Worker, front_url: str, token: str) -> None:
    """Report to a front, and place the calls that it asks for; join again whenever it comes back.

    The calls that are on need no front. Raises VoxlabError if the front does not know the token.
    """
    told: set[int] = set()  # calls whose end a front has been told, this one or the one before it
    await stay_connected(
        front_url, JOIN_PATH, token, lambda connection: _work(worker, connection, told)
    )


async def stay_connected(
    url: str, path: str, token: str, hold: Callable[[ClientConnection], Awaitable[None]]
) -> None:
    """Open a path of a front or worker, and again whenever the connection is lost.

    hold: does with a connection what it is for. Raises VoxlabError if the token is not known there.
    """
    headers = {"Authorization": f"Bearer {token}"}
    while True:
        why = "is not there"
        try:
            address = url.rstrip("/").replace("http", "ws", 1) + path
            async with connect(address, additional_headers=headers, proxy=None) as connection:
                await hold(connection)
        except InvalidStatus as error:
            if error.response.status_code == 401:
                raise VoxlabError(
                    f"{url} does not know our token: both sides need the same one in "
                    "VOXLAB_WORKER_TOKEN"
                ) from error
            said = (error.response.body or b"").decode("ascii", "replace").strip()
            why = f"answers {error.response.status_code}, {said[:100]!r}"
        except InvalidURI as error:
            raise VoxlabError(f"{url} is no address: needs one such as {EXAMPLE_URL}") from error
        except (OSError, ConnectionClosed, TimeoutError, InvalidHandshake):
            pass
        log.warning("%s %s: again in %g s", url, why, AGAIN_S)
        await asyncio.sleep(AGAIN_S)


async def work_until_stopped(worker: Worker, front_url: str, token: str) -> None:
    """Stay joined until the worker has drained. Raises VoxlabError as `stay_joined` does."""
    joining = asyncio.create_task(stay_joined(worker, front_url, token))
    stopping = asyncio.create_task(worker.stopped.wait())
    try:
        await asyncio.wait((joining, stopping), return_when=asyncio.FIRST_COMPLETED)
        if joining.done():
            joining.result()  # it ends only by an error
    finally:
        joining.cancel()
        stopping.cancel()


async def _work(worker: Worker, connection: ClientConnection, told: set[int]) -> None:
    changed = asyncio.Event()
    changed.set()
    worker.on_change = changed.set
    reader = NewsReader(worker.live)

    async def report() -> None:
        news = reader.read()
        calls = news["calls"] if news else []
        for call in calls:
            call["was_told"] = call["number"] in told
        await connection.send(json.dumps({"load": worker.load.to_json(), "news": news}))
        told.update(call["number"] for call in calls if call["is_over"])
        told.intersection_update(worker.live.calls)

    async def report_changes() -> None:
        while True:
            await changed.wait()
            changed.clear()
            await report()
            await asyncio.sleep(REPORTS_EVERY_S)

    reporting = asyncio.create_task(report_changes())
    try:
        async for message in connection:
            call = json.loads(message)["place"]
            refused = worker.place(call)
            answer = {"call": call, "refused": worker.explain(refused) if refused else ""}
            await connection.send(json.dumps({**answer, "load": worker.load.to_json()}))
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        with suppress(ConnectionClosed):  # of a worker that stops: how its last call ended
            await report()
