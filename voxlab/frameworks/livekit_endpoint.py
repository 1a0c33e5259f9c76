"""The part of a LiveKit server that workers speak to: it takes one on and offers it jobs.

What happens in a room, WebRTC, is not there: whoever knocks at its door is noted and sent away.
"""

import asyncio
from typing import Any

from aiohttp import WSMsgType, web
from livekit.api import AccessToken, TokenVerifier, VideoGrants
from livekit.protocol import agent, models

KEY, SECRET = "devkey", "a secret of thirty-two bytes or more"
ROOM = "support-1"


class LiveKitEndpoint:
    """Serves /agent and /rtc on a port of this machine.

    worker: the worker's claims; registered: what it said of itself, once it has. statuses: what it
    says of its room for jobs. knocked: the claims of who wants to enter the room.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.worker: Any = None
        self.registered: asyncio.Future[Any] = loop.create_future()
        self.knocked: asyncio.Future[Any] = loop.create_future()
        self.statuses: list[str] = []
        self._answers: dict[str, asyncio.Future[bool]] = {}
        self._socket = web.WebSocketResponse()
        self.url = ""

    async def __aenter__(self) -> "LiveKitEndpoint":
        app = web.Application()
        app.router.add_get("/agent", self._take_on)
        app.router.add_get("/rtc{tail:.*}", self._open)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def offer(self, name: str) -> bool:
        """Offer a job; return whether the worker takes it. Then it is sent to the room."""
        self._answers[name] = asyncio.get_running_loop().create_future()
        await self._send(availability=agent.AvailabilityRequest(job=self._job(name)))
        return await self._answers[name]

    async def _take_on(self, request: web.Request) -> web.WebSocketResponse:
        _, token = request.headers["Authorization"].split()
        self.worker = TokenVerifier(KEY, SECRET).verify(token)
        await self._socket.prepare(request)
        async for each in self._socket:
            if each.type is not WSMsgType.BINARY:
                break
            said = agent.WorkerMessage.FromString(each.data)
            match said.WhichOneof("message"):
                case "register":
                    await self._send(register=agent.RegisterWorkerResponse(worker_id="worker-1"))
                    self.registered.set_result(said.register)
                case "availability":
                    await self._assign(said.availability)
                case "update_worker":
                    self.statuses.append(agent.WorkerStatus.Name(said.update_worker.status))
        return self._socket

    async def _assign(self, answer: Any) -> None:
        self._answers[answer.job_id].set_result(answer.available)
        if answer.available:
            grants = VideoGrants(room_join=True, room=ROOM, agent=True)
            token = AccessToken(KEY, SECRET).with_identity(answer.participant_identity)
            to_room = token.with_grants(grants).to_jwt()
            job = self._job(answer.job_id)
            await self._send(assignment=agent.JobAssignment(job=job, token=to_room, url=self.url))

    @staticmethod
    def _job(name: str) -> Any:
        return agent.Job(id=name, type=agent.JT_ROOM, room=models.Room(sid="RM_1", name=ROOM))

    async def _send(self, **message: Any) -> None:
        await self._socket.send_bytes(agent.ServerMessage(**message).SerializeToString())

    async def _open(self, request: web.Request) -> web.Response:
        token = request.query.get("access_token") or request.headers["Authorization"].split()[1]
        if not self.knocked.done():
            self.knocked.set_result(TokenVerifier(KEY, SECRET).verify(token))
        return web.Response(status=404, text="no room behind this door")
