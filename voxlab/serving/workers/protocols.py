"""What a worker's calls speak: the servers that exist, each as one function that holds a call."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from websockets.asyncio.server import ServerConnection

from voxlab.agents.calls import Party
from voxlab.providers.protocols import TTS
from voxlab.serving.realtime.engines import Engines
from voxlab.serving.twilio import MEDIA_PATH, MESSAGES_AHEAD, TwilioHost, TwilioOptions
from voxlab.serving.workers.goodbye import LeavesWithGoodbye
from voxlab.serving.workers.watching import Tell
from voxlab.telephony.twilio import LONGEST_MESSAGE, Start
from voxlab.timeline import Call

REALTIME, TWILIO, SIP = "realtime", "twilio", "sip"
PATHS = {REALTIME: "/v1/realtime", TWILIO: MEDIA_PATH}
CALLS = "/calls/"


def call_address(protocol: str, url: str, call: str) -> str:
    """Return the address of one call. url: the worker's.

    >>> call_address("realtime", "ws://127.0.0.1:8091", "call-1")
    'ws://127.0.0.1:8091/calls/call-1/v1/realtime'
    >>> call_address("sip", "sip:127.0.0.1:5061", "call-1")
    'sip:call-1@127.0.0.1:5061'
    """
    if protocol == SIP:
        return url.replace(":", f":{call}@", 1)
    return f"{url}{CALLS}{call}{PATHS[protocol]}"


@dataclass(frozen=True)
class CallProtocol:
    """How a worker's calls are held.

    path: of a call, behind the call's own address. hold: holds the call of a connection, and tells
    of its events as they happen; it lets the call end with a goodbye when the worker leaves.
    largest_message: in bytes; messages_ahead:
    read before they are handled; options: of websockets' `serve` besides.
    """

    path: str
    hold: Callable[[ServerConnection, Tell], Awaitable[None]]
    largest_message: int
    messages_ahead: int
    options: dict[str, Any]


MakeProtocol = Callable[[asyncio.Event], CallProtocol]  # the event: all calls must end


def twilio_calls(
    make_agent: Callable[[Start], Party],
    tts: TTS,
    on_call: Callable[[Start, Call], None] = lambda start, call: None,
) -> MakeProtocol:
    """Return calls of Twilio's streams. tts: says goodbye; the rest is `serving_twilio`'s."""

    def make(leaving: asyncio.Event) -> CallProtocol:
        def answer(start: Start) -> Party:
            return LeavesWithGoodbye(make_agent(start), tts, leaving)

        host = TwilioHost(answer, TwilioOptions(), on_call)
        return CallProtocol(PATHS[TWILIO], host.hold, LONGEST_MESSAGE, MESSAGES_AHEAD, {})

    return make


def realtime_calls(engines: Engines) -> MakeProtocol:
    """Return sessions of the Realtime protocol. engines: of one session, see `serving`."""
    from voxlab.serving.realtime.protocol import client_events
    from voxlab.serving.realtime.transport import server

    client_events.check({"type": "response.cancel"})  # loads the SDK's models: no session waits

    def make(leaving: asyncio.Event) -> CallProtocol:
        options = server.ServerOptions()
        options = replace(options, session=replace(options.session, leaving=leaving))
        return CallProtocol(
            PATHS[REALTIME],
            server.RealtimeHost(engines, options).hold,
            server.LARGEST_FRAME,
            server.FRAMES_AHEAD,
            {"select_subprotocol": server.subprotocol},
        )

    return make
