"""The part of a LiveKit server that workers speak to: it takes one on and sends it to a room.

What happens in a room, WebRTC, is not there: whoever knocks at its door is noted and sent away.
"""

from aiohttp import WSMsgType, web
from livekit.api import AccessToken, TokenVerifier, VideoGrants
from livekit.protocol import agent, models

KEY, SECRET = "devkey", "a secret of thirty-two bytes or more"
ROOM = "support-1"


class LiveKitEndpoint:
    """Serves /agent and /rtc on a port of this machine.

    worker: the worker's claims. knocked: resolved with the claims of who wants to enter the room.
    """

    def __init__(self, knocked):
        self.worker, self.registered, self.knocked = None, None, knocked

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/agent", self._take_on)
        app.router.add_get("/rtc{tail:.*}", self._open)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _take_on(self, request):
        _, token = request.headers["Authorization"].split()
        self.worker = TokenVerifier(KEY, SECRET).verify(token)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        job = agent.Job(id="job-1", type=agent.JT_ROOM, room=models.Room(sid="RM_1", name=ROOM))
        async for each in socket:
            if each.type is not WSMsgType.BINARY:
                break
            said = agent.WorkerMessage.FromString(each.data)
            match said.WhichOneof("message"):
                case "register":
                    self.registered = said.register
                    taken = agent.RegisterWorkerResponse(worker_id="worker-1")
                    await self._send(socket, register=taken)
                    await self._send(socket, availability=agent.AvailabilityRequest(job=job))
                case "availability" if said.availability.available:
                    grants = VideoGrants(room_join=True, room=ROOM, agent=True)
                    name = said.availability.participant_identity
                    to_room = AccessToken(KEY, SECRET).with_identity(name).with_grants(grants)
                    work = agent.JobAssignment(job=job, token=to_room.to_jwt(), url=self.url)
                    await self._send(socket, assignment=work)
        return socket

    async def _send(self, socket, **message):
        await socket.send_bytes(agent.ServerMessage(**message).SerializeToString())

    async def _open(self, request):
        token = request.query.get("access_token") or request.headers["Authorization"].split()[1]
        if not self.knocked.done():
            self.knocked.set_result(TokenVerifier(KEY, SECRET).verify(token))
        return web.Response(status=404, text="no room behind this door")
