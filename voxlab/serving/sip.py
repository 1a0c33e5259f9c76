"""A server that answers SIP calls: each is held by an agent of its own.

    async with serving_sip(shop_agent) as server:
        print(server.url)  # sip:agent@127.0.0.1:5060

Anybody who reaches the port may call: there are no passwords, so it listens on this machine only
unless it is told otherwise. For calls from outside put a provider's trunk or a PBX before it.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxlab.agents.calls import Party
from voxlab.agents.datagrams import Network
from voxlab.agents.telephone.agent import LANGUAGE
from voxlab.agents.telephone.rtp_link import LOST_S
from voxlab.agents.telephone.sip_caller import LAG_S, SipCaller
from voxlab.agents.telephone.sip_endpoint import (
    BUSY,
    EndpointOptions,
    SipEndpoint,
    sip_endpoint,
)
from voxlab.errors import TelephonyError
from voxlab.serving.telephone_calls import hold_telephone_call
from voxlab.timeline import Call, Event

if TYPE_CHECKING:
    from aiosipua import IncomingCall

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SipOptions:
    """How the server runs.

    port: of SIP, 0 for any that is free; the sound of each call has a port of its own. codecs:
    names of those to offer and take, by default all that work here. most_calls: at the same time,
    the next is refused. limit_s: of each call; lost_s: a call ends after so long without sound.
    """

    host: str = "127.0.0.1"
    port: int = 0
    codecs: Sequence[str] = ()
    most_calls: int = 20
    limit_s: float = 900.0
    lost_s: float = LOST_S


@dataclass(frozen=True, slots=True)
class SipStart:
    """What is known of a call as it begins; whoever calls chose all of it but the codec.

    parameters: "language", the first of the INVITE's Accept-Language, where it has one.
    """

    call_id: str
    caller: str
    codec: str
    parameters: Mapping[str, str]

    @property
    def name(self) -> str:
        """The Call-ID as a name that a folder may have: by it both sides find a call in logs."""
        return re.sub(r"[^A-Za-z0-9@-]", "_", self.call_id)[:64]


class SipHost:
    """Answers who calls; see `serving_sip`."""

    def __init__(
        self,
        endpoint: SipEndpoint,
        make_agent: Callable[[SipStart], Party],
        options: SipOptions,
        on_call: Callable[[SipStart, Call], None],
    ) -> None:
        self._endpoint = endpoint
        self._make_agent = make_agent
        self._options = options
        self._on_call = on_call
        self._calls = 0

    async def take(
        self, dialog: "IncomingCall", on_event: Callable[[Event], None] | None = None
    ) -> None:
        """Answer a call and hold it until it is over, or refuse it when there are enough.

        on_event: is told of everything as it happens.
        """
        if self._calls >= self._options.most_calls:
            log.warning("refused a call: there are %d already", self._calls)
            self._endpoint.refuse(dialog, BUSY)
            return
        self._calls += 1
        try:
            await self._hold(dialog, on_event)
        finally:
            self._calls -= 1

    async def _hold(self, dialog: "IncomingCall", on_event: Callable[[Event], None] | None) -> None:
        try:
            sip_call = await self._endpoint.answer(dialog)
        except TelephonyError as error:
            log.warning("refused a call: %s", error)
            return
        try:
            start = _start(dialog, sip_call.link.codec)
            log.info("call %s begins with %s", start.name, start.codec)
            agent, limit_s = self._make_agent(start), self._options.limit_s
            caller, name = SipCaller(sip_call), start.name
            call = await hold_telephone_call(
                agent, caller, log, name, lag_s=LAG_S, limit_s=limit_s, on_event=on_event
            )
        finally:
            sip_call.hang_up()
        self._on_call(start, call)


def _start(dialog: "IncomingCall", codec: str) -> SipStart:
    languages = re.match(r"\s*([A-Za-z0-9-]+)", dialog.invite.get_header("accept-language") or "")
    parameters = {LANGUAGE: languages[1]} if languages else {}
    return SipStart(dialog.call_id, dialog.caller, codec, parameters)


@dataclass(frozen=True)
class SipServer:
    """A server that runs. url: of the agent."""

    url: str


@asynccontextmanager
async def serving_sip(
    make_agent: Callable[[SipStart], Party],
    options: SipOptions | None = None,
    on_call: Callable[[SipStart, Call], None] = lambda start, call: None,
    network: Network | None = None,
) -> AsyncIterator[SipServer]:
    """Answer SIP calls until the block ends; calls that are on then are hung up.

    make_agent: returns who answers, given what the call says of itself. on_call: is told of each
    call when it is over. Raises TelephonyError if the extra is missing, VoxlabError if the port is
    taken.
    """
    options = options or SipOptions()
    where = EndpointOptions(options.host, options.port, options.codecs, options.lost_s)
    async with sip_endpoint(where, network) as endpoint:
        host = SipHost(endpoint, make_agent, options, on_call)
        async with taking_calls(endpoint, host.take):
            yield SipServer(endpoint.url)


@asynccontextmanager
async def taking_calls(
    endpoint: SipEndpoint, take: Callable[["IncomingCall"], Coroutine[None, None, None]]
) -> AsyncIterator[None]:
    """Give each call that comes in a task of its own; those that are left at the end are ended."""
    calls: set[asyncio.Task[None]] = set()

    def begin(dialog: "IncomingCall") -> None:
        task = asyncio.get_running_loop().create_task(take(dialog))
        calls.add(task)
        task.add_done_callback(calls.discard)

    endpoint.on_call = begin
    try:
        yield
    finally:
        left = tuple(calls)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
