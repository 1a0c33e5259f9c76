"""The worker's end of its connection to the front: reports go up, calls to be placed come down."""

import asyncio
import json
import logging

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voxlab.errors import VoxlabError
from voxlab.serving.workers.watching import NewsReader
from voxlab.serving.workers.worker import Worker

JOIN_PATH = "/join"
REPORTS_EVERY_S = 0.1  # at most
AGAIN_S = 1.0
log = logging.getLogger(__name__)


async def stay_joined(worker: Worker, front_url: str, token: str) -> None:
    """Report to a front, and place the calls that it asks for; join again whenever it comes back.

    The calls that are on need no front. Raises VoxlabError if the front does not know the token.
    """
    headers = {"Authorization": f"Bearer {token}"}
    while True:
        try:
            url = front_url.rstrip("/").replace("http", "ws", 1) + JOIN_PATH
            async with connect(url, additional_headers=headers, proxy=None) as connection:
                await _work(worker, connection)
        except InvalidStatus as error:
            if error.response.status_code == 401:
                raise VoxlabError(
                    f"{front_url} does not know this worker: both need the same token in "
                    "VOXLAB_WORKER_TOKEN"
                ) from error
        except (OSError, ConnectionClosed, TimeoutError):
            pass
        log.warning("the front is not there: joining again in %g s", AGAIN_S)
        await asyncio.sleep(AGAIN_S)


async def _work(worker: Worker, connection: ClientConnection) -> None:
    changed = asyncio.Event()
    changed.set()
    worker.on_change = changed.set
    reader = NewsReader(worker.live)

    async def report() -> None:
        while True:
            await changed.wait()
            changed.clear()
            report = {"load": worker.load.to_json(), "news": reader.read()}
            await connection.send(json.dumps(report))
            await asyncio.sleep(REPORTS_EVERY_S)

    reporting = asyncio.create_task(report())
    try:
        async for message in connection:
            call = json.loads(message)["place"]
            refused = worker.place(call)
            answer = {"call": call, "refused": worker.explain(refused) if refused else ""}
            await connection.send(json.dumps({**answer, "load": worker.load.to_json()}))
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
