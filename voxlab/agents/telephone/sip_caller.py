"""The agent's end of a SIP call: a caller who is on the telephone."""

from voxlab.agents.line import Line
from voxlab.agents.telephone.rtp_link import LineEnd
from voxlab.agents.telephone.sip_endpoint import SipCall
from voxlab.audio import Audio, Samples

LAG_S = 0.02  # how late a frame may be laid before the ear misses it; see Line.lag_s


class _AgentsEnd:
    """The agent is sent, the caller is laid on the line. See rtp_link.LineEnd."""

    we, they = "agent", "caller"

    def __init__(self, line: Line) -> None:
        self.line = line

    def said(self, start: int, end: int) -> Samples:
        return self.line.agent.between(start, end)

    def hear(self, at_s: float, sound: Samples) -> None:
        self.line.user.lay(at_s, Audio(sound, self.line.rate_hz))


class SipCaller:
    """Takes part in a call through SIP; hold the call with LAG_S, and hang up when it is over.

    call: answered before.
    """

    def __init__(self, call: SipCall) -> None:
        self._call = call

    async def run(self, line: Line) -> None:
        """Carry both voices until the line is closed, the caller hangs up or is gone.

        Only what has been sent counts as heard: on hold, nothing. How long a packet travels is not
        known; it is a few hundredths of a second.
        """
        line.find_heard_lag_s = lambda: line.now_s - self._call.link.sent_to_s
        await carry(self._call, _AgentsEnd(line))


async def carry(call: SipCall, end: LineEnd) -> None:
    """Carry a call's sound, and let the line end when the other side ends the call."""

    def hang_up(why: str) -> None:
        end.line.hang_up(f"the {end.they} {why}")

    call.on_over = hang_up
    if call.ended:
        hang_up(call.ended)
    await call.link.run(end)
