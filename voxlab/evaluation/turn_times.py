"""Response times and interruptions of a call, read off its timeline.

TTFB (time to first byte of audio) is what the caller feels: from the last audible moment of the
user's turn to the first audible moment of the reply. Source: chapter 39.1.1.
"""

import math
from dataclasses import dataclass

from voxlab.timeline import Timeline


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """One thing the caller said, and what became of it. Seconds from the start of the call.

    reply_s, reply_end_s: None if nobody answered. resumed: the agent took it for a backchannel
    and went on. cut_off: the agent began to reply before the caller was done.
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
        """Seconds from the caller's end to the reply; negative if the agent cut in."""
        return None if self.reply_s is None else self.reply_s - self.end_s


def turn_times(timeline: Timeline) -> list[TurnTimes]:
    """Return one entry for each thing the caller said, in order.

    The caller's speech is the script's if it is known, else what the VAD heard.
    """
    spoken = _user_spans(timeline)
    agent = speech_spans(timeline, "agent")
    resumed = [event.at_s for event in timeline.select("agent", "resumed")]
    turns = []
    for (start_s, end_s, text), after in zip(spoken, [*spoken[1:], None], strict=False):
        until_s = after[0] if after else math.inf
        replies = [(s, e) for s, e in agent if start_s < s <= until_s]
        went_on = any(start_s < at_s <= until_s for at_s in resumed)
        reply = None if went_on or not replies else replies[0]
        turns.append(
            TurnTimes(
                text=text,
                start_s=start_s,
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
    """The caller spoke over the agent at at_s, which fell silent yield_s seconds later.

    heard, unheard: the reply's words up to there and after it; resumed: it was taken up again.
    """

    at_s: float
    yield_s: float
    heard: str
    unheard: str
    resumed: bool


def interruptions(timeline: Timeline) -> list[Interruption]:
    """Return every time the caller began to speak while the agent was audible."""
    outcomes = [event for event in timeline.select("agent") if event.kind in OUTCOMES]
    agent = speech_spans(timeline, "agent")
    found = []
    for at_s, _, _ in _user_spans(timeline):
        ends_s = [end_s for start_s, end_s in agent if start_s <= at_s < end_s]
        if not ends_s:
            continue
        outcome = next((event for event in outcomes if event.at_s >= at_s), None)
        data = outcome.data if outcome else {}
        found.append(
            Interruption(
                at_s=at_s,
                yield_s=ends_s[0] - at_s,
                heard=str(data.get("heard", data.get("text", ""))),
                unheard=str(data.get("unheard", "")),
                resumed=outcome is not None and outcome.kind == "resumed",
            )
        )
    return found


OUTCOMES = ("interrupted", "resumed", "said")  # said: it was nearly over, and ended by itself


def speech_spans(timeline: Timeline, source: str) -> list[tuple[float, float]]:
    """Return (start_s, end_s) of each stretch of speech of a source."""
    spans: list[tuple[float, float]] = []
    start_s: float | None = None
    for event in timeline.select(source):
        if event.kind == "speech_started":
            start_s = event.data.get("speech_at_s", event.at_s)
        elif event.kind == "speech_stopped" and start_s is not None:
            spans.append((start_s, event.data.get("speech_at_s", event.at_s)))
            start_s = None
    if start_s is not None:  # the call ended in mid-speech
        spans.append((start_s, timeline.duration_s))
    return spans


def _user_spans(timeline: Timeline) -> list[tuple[float, float, str]]:
    """Return (start_s, end_s, text) of each thing that the caller said."""
    said = timeline.select("caller", "speech_started")
    source = "caller" if said else "vad"
    if not said:  # nobody knows the script; the recogniser gives one result a segment, in order
        said = [event for event in timeline.select("stt") if event.kind in ("final", "failed")]
    spans = speech_spans(timeline, source)
    texts = [str(event.data.get("text", "")) for event in said] + [""] * len(spans)
    return [(start_s, end_s, text) for (start_s, end_s), text in zip(spans, texts, strict=False)]


def transcript(timeline: Timeline) -> list[tuple[float, str, str]]:
    """Return who said what, as heard: (at_s, "caller" or "agent", text) in order.

    at_s: when the speech began. The caller's words are the script's if it is known, else
    what the agent recognised.
    """
    lines = [(start_s, "caller", text) for start_s, _, text in _user_spans(timeline) if text]
    starts_s = [start_s for start_s, _ in speech_spans(timeline, "agent")]
    before_s = -math.inf  # the end of the reply before
    for event in timeline.select("agent"):
        if event.kind == "said":
            began_s = next(
                (at_s for at_s in starts_s if before_s <= at_s <= event.at_s), event.at_s
            )
            lines.append((began_s, "agent", str(event.data["text"])))
        if event.kind == "said" or (event.kind == "interrupted" and not event.data["heard"]):
            before_s = event.at_s
    return sorted(lines)
