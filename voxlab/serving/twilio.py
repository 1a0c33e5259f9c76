"""A server for Twilio's media streams: each WebSocket is a call, held by an agent of its own.

    async with serving_twilio(shop_agent) as server:
        print(server.url)  # ws://127.0.0.1:43210/media

Twilio first asks a web hook what to do with a call; GET /voice answers that it should open a stream
here. A language in the web hook's query, /voice?language=es for one of your numbers, becomes a
parameter of the stream, so that `make_agent` knows it. With an auth token, only requests that
Twilio has signed are answered.
Source: Twilio's documentation, "TwiML Voice: <Stream>" and "Security: validating requests".
"""

import base64
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl
from xml.sax.saxutils import quoteattr

from websockets.asyncio.server import Server, ServerConnection
from websockets.http11 import Request, Response

from voxlab.agents.callers.remote import LAG_S
from voxlab.agents.calls import Party
from voxlab.agents.telephone.agent import LANGUAGE
from voxlab.agents.telephone.twilio_caller import TwilioCaller
from voxlab.errors import TelephonyError
from voxlab.serving.http import is_same
from voxlab.serving.sockets import WebSocket, listen, respond_content
from voxlab.serving.telephone_calls import hold_telephone_call
from voxlab.telephony.twilio import LONGEST_MESSAGE, Start
from voxlab.timeline import Call, Event

MEDIA_PATH, VOICE_PATH = "/media", "/voice"
MESSAGES_AHEAD = 64
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TwilioOptions:
    """How the server runs.

    port: 0 for any that is free. public_url: how Twilio reaches it, such as wss://example.com;
    by default the address that it listens on. auth_token: of the Twilio account; None: no request
    needs a signature. most_calls: at the same time, the next is refused. limit_s: of each call.
    """

    host: str = "127.0.0.1"
    port: int = 0
    public_url: str = ""
    auth_token: str | None = None
    most_calls: int = 20
    limit_s: float = 900.0


def sign(url: str, auth_token: str) -> str:
    """Return the signature of a request without a body, X-Twilio-Signature.

    url: as Twilio calls it, with its query.
    """
    digest = hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def twiml(url: str, parameters: Mapping[str, str]) -> str:
    """Return the answer to a web hook: open a stream to url, and tell it these parameters."""
    told = "".join(
        f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>"
        for name, value in parameters.items()
    )
    stream = f"<Stream url={quoteattr(url)}>{told}</Stream>"
    return f'<?xml version="1.0" encoding="UTF-8"?><Response><Connect>{stream}</Connect></Response>'


def is_signed(request: Request, base: str, auth_token: str | None) -> bool:
    """Tell whether Twilio has signed a request; without a token every request counts as signed.

    base: the address of this server before the path, as Twilio calls it.
    """
    if auth_token is None:
        return True
    expected = sign(base + request.path, auth_token)
    return is_same(request.headers.get("X-Twilio-Signature", ""), expected)


def answer_web_hook(connection: ServerConnection, request: Request, url: str) -> Response:
    """Answer a web hook with the stream to open, which gets the language of the hook's query."""
    asked = dict(parse_qsl(request.path.partition("?")[2]))  # Twilio adds its own to ours
    told = {name: asked[name] for name in (LANGUAGE,) if name in asked}
    return respond_xml(connection, twiml(url, told))


def respond_xml(connection: ServerConnection, said: str) -> Response:
    """Return a response of TwiML."""
    return respond_content(connection, said, "text/xml")


class TwilioHost:
    """Answers Twilio."""

    def __init__(
        self,
        make_agent: Callable[[Start], Party],
        options: TwilioOptions,
        on_call: Callable[[Start, Call], None],
    ) -> None:
        self._make_agent = make_agent
        self._options = options
        self._on_call = on_call
        self._calls = 0
        self.address = ""

    @property
    def url(self) -> str:
        """The address of the WebSocket, as Twilio calls it."""
        return (self._options.public_url.rstrip("/") or f"ws://{self.address}") + MEDIA_PATH

    def route(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer the web hook, let signed requests for a stream in, refuse the rest."""
        path = request.path.partition("?")[0]
        if path not in (MEDIA_PATH, VOICE_PATH):
            said = f"No such path here: {VOICE_PATH} gives TwiML, {MEDIA_PATH} takes a stream.\n"
            return connection.respond(HTTPStatus.NOT_FOUND, said)
        base = self.url.removesuffix(MEDIA_PATH)
        if path == VOICE_PATH:  # the same host, asked by HTTP
            base = base.replace("ws", "http", 1)
        if not is_signed(request, base, self._options.auth_token):
            log.warning("refused a request without Twilio's signature: %s", path)
            return connection.respond(HTTPStatus.FORBIDDEN, "Not signed by Twilio.\n")
        if path == VOICE_PATH:
            return answer_web_hook(connection, request, self.url)
        if self._calls >= self._options.most_calls:
            log.warning("refused a call: there are %d already", self._calls)
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "All lines are busy.\n")
        return None

    async def hold(
        self, connection: ServerConnection, on_event: Callable[[Event], None] | None = None
    ) -> None:
        """Hold one call. on_event: is told of everything as it happens."""
        caller = TwilioCaller(WebSocket(connection))
        self._calls += 1
        try:
            start = await caller.start()
            log.info("call %s begins", start.call_sid)
            agent, limit_s = self._make_agent(start), self._options.limit_s
            call = await hold_telephone_call(
                agent, caller, log, start.call_sid, lag_s=LAG_S, limit_s=limit_s, on_event=on_event
            )
        except TelephonyError as error:
            log.warning("a stream that did not begin: %s", error)
            return
        finally:
            self._calls -= 1
        self._on_call(start, call)


@dataclass(frozen=True)
class TwilioServer:
    """A server that runs. url: of its WebSocket; voice_url: the web hook for a Twilio number."""

    url: str
    voice_url: str
    _server: Server


@asynccontextmanager
async def serving_twilio(
    make_agent: Callable[[Start], Party],
    options: TwilioOptions | None = None,
    on_call: Callable[[Start, Call], None] = lambda start, call: None,
) -> AsyncIterator[TwilioServer]:
    """Answer Twilio until the block ends; calls that are on then are ended.

    make_agent: returns who answers a call, given what Twilio says of it. on_call: is told of each
    call when it is over. Raises VoxlabError if the port is taken.
    """
    options = options or TwilioOptions()
    host = TwilioHost(make_agent, options, on_call)
    server = await listen(
        host.hold,
        options.host,
        options.port,
        process_request=host.route,
        max_size=LONGEST_MESSAGE,
        max_queue=MESSAGES_AHEAD,
    )
    async with server:
        host.address = f"{options.host}:{server.sockets[0].getsockname()[1]}"
        voice_url = host.url.removesuffix(MEDIA_PATH).replace("ws", "http", 1) + VOICE_PATH
        yield TwilioServer(host.url, voice_url, server)
