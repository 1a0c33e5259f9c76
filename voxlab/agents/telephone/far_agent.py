"""An agent that a telephone line is away, as the caller's line tells of it.

The agent holds the call on a line of its own. What it notes there stands on the caller's line too,
but for what only the caller's end can tell: when the agent is heard.
"""

from collections.abc import Callable, Collection

from voxlab.agents.line import Line
from voxlab.audio import AUDIBLE_DB, Audio, Samples, level_db
from voxlab.timeline import Event

FRAME_S = 0.02
QUIET_FRAMES = 25  # of the agent, before the caller hears that it has stopped
LOCAL = ("transport", "caller")  # sources whose events belong to one end of the line
AUDIBLE = ("speech_started", "speech_stopped")  # of the agent: told as the caller hears them


class AudibleAgent:
    """Notes on the caller's line when the agent begins to be heard and when it has stopped."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._quiet = 0  # frames since the agent was last loud
        self._is_speaking = False

    def hear(self, frame: Samples, rate_hz: int) -> None:
        """Listen to the 20 ms that begin now."""
        is_loud = level_db(Audio(frame, rate_hz)) > AUDIBLE_DB
        self._quiet = 0 if is_loud else self._quiet + 1
        if is_loud and not self._is_speaking:
            self._is_speaking = True
            self._line.record("agent", "speech_started")
        elif self._is_speaking and self._quiet >= QUIET_FRAMES:
            self._is_speaking = False
            stopped_s = self._line.now_s - (self._quiet - 1) * FRAME_S
            self._line.record_at(stopped_s, "agent", "speech_stopped")


def forward_to(
    line: Line, local_kinds: Collection[str], *, frames: int, delay_s: float = 0.0
) -> Callable[[Event], None]:
    """Return a listener for a line that begins now: it notes on the caller's line what happens.

    local_kinds: what is told of the agent's end of the telephone line. frames: of 20 ms that wait
    between the agent's line and the caller's ear; delay_s: of the network.
    """
    began_s = line.now_s

    def note(event: Event) -> None:
        if event.source in LOCAL and event.kind not in local_kinds:
            return
        if event.source == "agent" and event.kind in AUDIBLE:
            return
        if event.kind == "sentence":  # the caller hears it when it has come through
            heard_s = began_s + event.at_s + delay_s + frames * FRAME_S
            line.call_at(heard_s, line.record, event.source, event.kind, **event.data)
        else:
            line.record_at(began_s + event.at_s, event.source, event.kind, **event.data)

    return note
