"""What was said against what was heard: the caller's real words beside the recogniser's."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voxlab.evaluation.turn_times import TurnTimes, turn_times
from voxlab.text import spoken_words
from voxlab.timeline import Event, Timeline

JOINS_S = 2.0  # speech without a transcript of its own may be heard together with what soon follows


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """What a recogniser wrote at at_s; it began at began_s. since_s: its text before, or 0."""

    text: str
    since_s: float
    began_s: float
    at_s: float


def find_misheard(timeline: Timeline) -> dict[float, str]:
    """Return what the recogniser made of each thing that it heard as something else.

    By the time at which the caller began to say it, see `turn_times`; "" for what was missed.
    Texts are compared as they sound, see `spoken_words`. Empty if the caller's words are not known.
    """
    found: dict[float, str] = {}
    for said, heard in match_heard(timeline):
        found |= _compare(said, heard)
    return found


def match_heard(
    timeline: Timeline, texts: Sequence[RecognisedText] | None = None
) -> Iterator[tuple[list[TurnTimes], str]]:
    """Yield things that the caller said close together, and what the recogniser made of them.

    texts: all that were recognised by default. Nothing if the caller's words are not known, or if
    nothing was recognised.
    """
    recognised = recognised_texts(timeline)
    if not recognised or not timeline.select("caller", "speech_started"):
        return
    results = recognised if texts is None else texts
    together: list[TurnTimes] = []
    heard: list[RecognisedText] = []
    said = turn_times(timeline)
    for turn, after in zip(said, [*said[1:], None], strict=False):
        until_s = after.start_s if after else math.inf
        begun = [each for each in results if turn.start_s <= each.began_s < until_s]
        heard += begun
        together.append(turn)
        if after and begun and begun[-1].at_s > until_s and not _begun_in(results, after):
            continue  # the recogniser took both for one
        if heard or min(until_s, timeline.duration_s) > turn.end_s + JOINS_S:
            yield together, " ".join(each.text for each in heard if each.text)
            together, heard = [], []


def _begun_in(texts: Sequence[RecognisedText], turn: TurnTimes) -> bool:
    return any(turn.start_s <= each.began_s <= turn.end_s + JOINS_S for each in texts)


def recognised_texts(timeline: Timeline) -> list[RecognisedText]:
    """Return all that the recogniser made of the call, in order."""
    begun: list[Event] = []
    found: list[RecognisedText] = []
    for event in timeline.select("stt"):
        if event.kind == "started":
            begun.append(event)
        elif event.kind in ("final", "failed"):
            same = [each for each in begun if each.data.get("id") == event.data.get("id")]
            if same:
                begun.remove(same[0])
            began_s = (same[0] if same else event).at_s
            since_s = found[-1].at_s if found else 0.0
            text = str(event.data.get("text") or "")
            found.append(RecognisedText(text, since_s, began_s, event.at_s))
    return found


def _compare(said: Sequence[TurnTimes], heard: str) -> dict[float, str]:
    """Return what was heard at the last of some things said close together, if it differs."""
    *missed, last = said
    if _sound_alike(" ".join(turn.text for turn in said), heard):
        return {}
    found = {turn.start_s: "" for turn in missed}
    return found if _sound_alike(last.text, heard) else {**found, last.start_s: heard}


def _sound_alike(one: str, other: str) -> bool:
    return "".join(spoken_words(one)) == "".join(spoken_words(other))
