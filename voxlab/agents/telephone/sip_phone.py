"""The caller's telephone in a SIP call, and a call over SIP with both ends on this machine.

    call = play(script, OverSip(shop_agent()), live=True)

The caller's telephone rings the agent's, and both speak over UDP on 127.0.0.1; over a network in
memory the same call is held in virtual time.
"""

import asyncio
from typing import TYPE_CHECKING

from voxlab.agents.calls import Party, hold_call, line_rate_hz
from voxlab.agents.datagrams import Network, Udp
from voxlab.agents.line import Line
from voxlab.agents.telephone.far_agent import AudibleAgent, forward_to
from voxlab.agents.telephone.sip_caller import LAG_S, SipCaller, carry
from voxlab.agents.telephone.sip_endpoint import EndpointOptions, SipCall, SipEndpoint, sip_endpoint
from voxlab.audio import Audio, Samples
from voxlab.errors import TelephonyError

if TYPE_CHECKING:
    from aiosipua import IncomingCall

RINGS_S = 60.0
FRAMES_TO_EAR = 3  # one is filled before it is sent, two wait in the jitter buffer
FORWARDED = ("failed", "held", "resumed")  # of the agent's end, what the caller's line tells


class _CallersEnd:
    """The caller is sent, the agent is laid on the line. See rtp_link.LineEnd."""

    we, they = "caller", "agent"

    def __init__(self, line: Line) -> None:
        self.line = line
        self._audible = AudibleAgent(line)

    def said(self, start: int, end: int) -> Samples:
        return self.line.heard(start, end)

    def hear(self, at_s: float, sound: Samples) -> None:
        self.line.agent.lay(at_s, Audio(sound, self.line.rate_hz))
        self._audible.hear(sound, self.line.rate_hz)


class SipPhone:
    """The caller's telephone, which rings somebody: it takes the agent's place on the line.

    url: who is rung, such as sip:agent@127.0.0.1:5060. The keys that the caller presses (`key` of
    source caller) are sent.
    """

    def __init__(
        self, url: str, options: EndpointOptions | None = None, network: Network | None = None
    ) -> None:
        self._url = url
        self._options = options
        self._network = network
        self.call: SipCall | None = None

    async def run(self, line: Line) -> None:
        """Carry the call until either side ends it. Raises TelephonyError if nobody answers."""
        async with sip_endpoint(self._options, self._network) as endpoint:
            self.call = await endpoint.place(self._url)
            try:
                async with asyncio.TaskGroup() as group:
                    # what is heard while it rings (early media) is part of the call
                    carrying = group.create_task(carry(self.call, _CallersEnd(line)))
                    await self._wait_for_answer(self.call, line)
                    await carrying
            finally:
                self.call.hang_up()

    async def _wait_for_answer(self, call: SipCall, line: Line) -> None:
        try:
            async with asyncio.timeout(RINGS_S):
                await call.answered
        except TimeoutError:
            raise TelephonyError(f"nobody answered within {RINGS_S:g} s") from None
        line.record("transport", "answered", codec=call.link.codec)


class OverSip:
    """An agent that is reached by a SIP call, both ends on this machine.

    agent: who answers. options: of the caller's telephone; network: where both are; by default the
    machine's own, which knows real time only. It stands on a caller's line like the agent itself;
    what the agent notes stands on that line's timeline.
    """

    def __init__(
        self,
        agent: Party,
        *,
        options: EndpointOptions | None = None,
        network: Network | None = None,
    ) -> None:
        self._agent = agent
        self._options = options
        self._network = network or Udp()

    async def run(self, line: Line) -> None:
        """Hold the call."""
        async with sip_endpoint(network=self._network) as endpoint, asyncio.TaskGroup() as group:
            answering: list[asyncio.Task[None]] = []

            def answer(dialog: "IncomingCall") -> None:
                answering.append(group.create_task(self._answer(endpoint, dialog, line)))

            endpoint.on_call = answer
            await SipPhone(endpoint.url, self._options, self._network).run(line)
            for task in answering:
                task.cancel()

    async def _answer(self, endpoint: SipEndpoint, dialog: "IncomingCall", line: Line) -> None:
        """Hold the agent's end; what it notes goes to the caller's line."""
        note = forward_to(line, FORWARDED, frames=FRAMES_TO_EAR)
        call = await endpoint.answer(dialog)
        try:
            await hold_call(
                self._agent,
                SipCaller(call),
                lag_s=LAG_S,
                on_event=note,
                rate_hz=line_rate_hz(self._agent),
            )
        finally:
            call.hang_up()
