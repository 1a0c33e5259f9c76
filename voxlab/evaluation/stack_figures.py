"""One call with several stacks, by one ruler: how quick each is, and how true its history is.

Times are of our own clock and of the sound on the line, whatever a framework tells of itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median

from voxlab.evaluation.captions import captions
from voxlab.evaluation.stage_times import stage_times
from voxlab.evaluation.turn_times import interruptions
from voxlab.evaluation.word_errors import WordErrors, word_errors
from voxlab.timeline import Timeline


@dataclass(frozen=True, slots=True)
class StackFigures:
    """A stack in one call; times are medians in seconds, None where there is nothing to measure.

    end_of_turn_s: from the caller's last sound to the decision that the turn is over.
    first_audio_s: from there to the agent's next sound. barge_in_s: from the caller's first sound
    over the agent to its silence, where it did stop for that. interrupted, resumed: how often the
    caller spoke over it, and how often it went on. cut_in: it began to speak before the caller was
    done. kept_errors: words of its history that were not heard, and words heard that it has not.
    kept_words: heard. requests, dropped: to the language model, and those of them beyond one for
    each turn and each result of a tool: begun too early, or answered again; None where the model is
    behind a server.
    """

    end_of_turn_s: float | None
    first_audio_s: float | None
    barge_in_s: float | None
    interrupted: int
    resumed: int
    cut_in: int
    kept_errors: int
    kept_words: int
    requests: int | None
    dropped: int | None


def measure_stack(timeline: Timeline) -> StackFigures:
    """Return the figures of one call."""
    turns = [turn for turn in stage_times(timeline) if turn.audible_s is not None]
    waits_s = [turn.since_user_s() for turn in turns if not turn.cut_in]
    cuts = interruptions(timeline)
    kept = kept_errors(timeline)
    requests = len(timeline.select("llm", "request")) or None
    needed = len(timeline.select("turn", "commit")) + len(timeline.select("tool", "finished"))
    return StackFigures(
        end_of_turn_s=_median(wait["decided"] for wait in waits_s),
        first_audio_s=_median(wait["audible"] for wait in waits_s),
        barge_in_s=_median(cut.yield_s for cut in cuts if cut.resumed or cut.unheard),
        interrupted=len(cuts),
        resumed=sum(cut.resumed for cut in cuts),
        cut_in=sum(turn.cut_in for turn in turns),
        kept_errors=kept.errors,
        kept_words=kept.words,
        requests=requests,
        dropped=max(0, requests - needed) if requests else None,
    )


def kept_errors(timeline: Timeline) -> WordErrors:
    """Return how the agent's history differs from what was heard of the agent, in words.

    Our agents keep what they have `said`; a framework tells what it has `kept`. Heard is a word
    that has sounded to its end.
    """
    heard = " ".join(each.text for each in captions(timeline) if each.who == "agent")
    kept = timeline.select("agent", "kept") or timeline.select("agent", "said")
    return word_errors(heard, " ".join(str(event.data["text"]) for event in kept))


def stack_table(figures: Mapping[str, StackFigures]) -> str:
    """Return the stacks side by side, a row for each figure."""
    columns = [asdict(each) for each in figures.values()]
    width = max(14, *(len(name) + 2 for name in figures))
    lines = [f"{'the whole call':36}" + "".join(f"{name:>{width}}" for name in figures)]
    for key, title in ROWS.items():
        cells = [f"{_told(column[key]):>{width}}" for column in columns]
        lines.append(f"{title:36}{''.join(cells)}")
    return "\n".join(lines)


ROWS = {
    "end_of_turn_s": "last sound to end of turn (s)",
    "first_audio_s": "last sound to first audio (s)",
    "barge_in_s": "barge-in to silence (s)",
    "interrupted": "spoken over",
    "resumed": "  went on after it",
    "cut_in": "began before the caller was done",
    "kept_errors": "words of the history that are wrong",
    "kept_words": "  of words heard",
    "requests": "requests to the language model",
    "dropped": "  of them dropped",
}


def _told(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _median(values_s: Iterable[float | None]) -> float | None:
    known = [value for value in values_s if value is not None]
    return float(median(known)) if known else None
