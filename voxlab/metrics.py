"""How good was the call? Response times and interruptions, read off the timeline.

TTFB (time to first byte of audio) is what the caller feels: from the last audible moment of the
user's turn to the first audible moment of the reply. Source: chapter 39.1.1.
"""

from dataclasses import dataclass

from voxlab.timeline import Event, Timeline


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """One thing the user said, and what became of it. Seconds from the start of the call.

    reply_s, reply_end_s: None if nobody answered. resumed: the agent took it for a backchannel
    and went on. cut_off: the agent began to reply before the user was done.
    """

    text: str
    start_s: float
    end_s: float
    reply_s: float | None
    reply_end_s: float | None
    resumed: bool
    cut_off: bool

    @property
    def ttfb_s(self) -> float | None:
        """Seconds from the user's end to the reply; negative if the agent cut in."""
        return None if self.reply_s is None else self.reply_s - self.end_s


def turn_times(timeline: Timeline) -> list[TurnTimes]:
    """Return one entry for each thing the user said, in order."""
    spoken = _spans(timeline, "caller")
    agent = _spans(timeline, "agent")
    resumed = [event.at_s for event in timeline.select("agent", "resumed")]
    turns = []
    for index, (start, end_s) in enumerate(spoken):
        until_s = spoken[index + 1][0].at_s if index + 1 < len(spoken) else float("inf")
        replies = [(s.at_s, e) for s, e in agent if start.at_s < s.at_s < until_s]
        went_on = any(start.at_s < at_s <= until_s for at_s in resumed)
        reply = None if went_on or not replies else replies[0]
        turns.append(
            TurnTimes(
                text=str(start.data.get("text", "")),
                start_s=start.at_s,
                end_s=end_s,
                reply_s=reply[0] if reply else None,
                reply_end_s=replies[-1][1] if reply else None,
                resumed=went_on,
                cut_off=bool(reply and reply[0] < end_s),
            )
        )
    return turns


@dataclass(frozen=True, slots=True)
class Interruption:
    """The user spoke over the agent at at_s, which fell silent yield_s seconds later.

    heard, unheard: the reply's words up to there and after it; resumed: it was taken up again.
    """

    at_s: float
    yield_s: float | None
    heard: str
    unheard: str
    resumed: bool


def interruptions(timeline: Timeline) -> list[Interruption]:
    """Return every time the user began to speak while the agent was audible."""
    found = []
    decisions = [e for e in timeline if e.source == "agent" and e.kind in DECISIONS]
    for start, _ in _spans(timeline, "caller"):
        spoken = [e for s, e in _spans(timeline, "agent") if s.at_s <= start.at_s < e]
        if not spoken:
            continue
        decision = next((e for e in decisions if e.at_s >= start.at_s), None)
        data = decision.data if decision else {}
        found.append(
            Interruption(
                at_s=start.at_s,
                yield_s=spoken[0] - start.at_s,
                heard=str(data.get("heard", "")),
                unheard=str(data.get("unheard", "")),
                resumed=decision is not None and decision.kind == "resumed",
            )
        )
    return found


DECISIONS = ("interrupted", "resumed")


def _spans(timeline: Timeline, source: str) -> list[tuple[Event, float]]:
    """Return (start event, end in seconds) of each stretch of speech of a source."""
    spans: list[tuple[Event, float]] = []
    start: Event | None = None
    for event in timeline.select(source):
        if event.kind == "speech_started":
            start = event
        elif event.kind == "speech_stopped" and start is not None:
            spans.append((start, event.at_s))
            start = None
    if start is not None:  # the call ended in mid-speech
        spans.append((start, timeline.duration_s))
    return spans


def transcript(timeline: Timeline) -> list[tuple[float, str, str]]:
    """Return who said what, as heard: (at_s, "user" or "agent", text) in order.

    The user's words are the caller's own if the script is known, else what the agent recognised.
    """
    lines = [
        (e.at_s, "user", str(e.data["text"])) for e in timeline.select("caller", "speech_started")
    ]
    if not lines:
        lines = [(e.at_s, "user", str(e.data["text"])) for e in timeline.select("turn", "commit")]
    starts = [start.at_s for start, _ in _spans(timeline, "agent")]
    for said in timeline.select("agent", "said"):
        before = [at_s for at_s in starts if at_s <= said.at_s]
        lines.append((before[-1] if before else said.at_s, "agent", str(said.data["text"])))
    return sorted(lines)
