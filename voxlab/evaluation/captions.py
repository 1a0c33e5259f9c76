"""The words of a call with their times: as captions, WebVTT and Audacity labels.

Sources: WebVTT, W3C Candidate Recommendation of 2019, 4 "Syntax"; Audacity manual, "Label Tracks".
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from voxlab.evaluation.mishearing import find_misheard, match_heard
from voxlab.evaluation.turn_times import turn_times
from voxlab.timeline import Timeline

ROUNDING_S = 1e-6  # of sums of times
SHORTEST_S = 0.01  # of a cue or label; WebVTT wants an end after the start
TimedWord = tuple[str, float, float]  # the word, from, to: seconds from the start of the call


@dataclass(frozen=True, slots=True)
class Caption:
    """What was said from start_s to end_s, in seconds from the start of the call.

    who: "caller" or "agent". text: the caller's words by the script, where it is known, else what
    was recognised; the agent's as far as they were heard. heard: what the recogniser made of the
    caller's words, None if that is not told; misheard: it sounds different. words: the agent's,
    with their times; unheard: those of the sentence that an interruption cut off.
    """

    start_s: float
    end_s: float
    who: str
    text: str
    heard: str | None = None
    misheard: bool = False
    words: tuple[TimedWord, ...] = ()
    unheard: str = ""

    def __str__(self) -> str:
        if self.misheard:
            return f"{self.text} [heard: {self.heard or 'nothing'}]"
        return self.text + " —" * bool(self.unheard)


def captions(timeline: Timeline) -> list[Caption]:
    """Return what both said, in order of time: the caller's turns and the agent's sentences."""
    said = [*_caller_captions(timeline), *_agent_captions(timeline)]
    return sorted(said, key=lambda caption: caption.start_s)


def _caller_captions(timeline: Timeline) -> list[Caption]:
    differs = find_misheard(timeline)
    heard = {said[-1].start_s: text for said, text in match_heard(timeline)} | differs
    return [
        Caption(
            turn.start_s,
            turn.end_s,
            "caller",
            turn.text,
            heard=heard.get(turn.start_s),
            misheard=turn.start_s in differs,
        )
        for turn in turn_times(timeline)
    ]


def _agent_captions(timeline: Timeline) -> list[Caption]:
    found = []
    stops_s = [event.at_s for event in timeline.select("agent", "speech_stopped")]
    for sentence in timeline.select("agent", "sentence"):
        start_s = sentence.at_s
        words = [
            (str(w), start_s + from_s, start_s + to_s) for w, from_s, to_s in sentence.data["words"]
        ]
        stop_s = min((s for s in stops_s if s >= start_s), default=timeline.duration_s)
        heard = [word for word in words if word[2] <= stop_s + ROUNDING_S]
        end_s = min(stop_s, words[-1][2] if words else start_s)
        text = " ".join(word for word, _, _ in heard)
        unheard = " ".join(word for word, _, _ in words[len(heard) :])
        found.append(Caption(start_s, end_s, "agent", text, words=(*heard,), unheard=unheard))
    return found


def to_webvtt(said: Sequence[Caption]) -> str:
    """Return captions in WebVTT, a cue each, with who speaks as its voice.

    >>> print(to_webvtt([Caption(0.5, 62.0, "caller", "A & B?")]), end="")
    WEBVTT
    <BLANKLINE>
    00:00:00.500 --> 00:01:02.000
    <v Caller>A &amp; B?
    """
    cues = [
        f"{_clock(c.start_s)} --> {_clock(max(c.end_s, c.start_s + SHORTEST_S))}\n"
        f"<v {c.who.title()}>{html.escape(_one_line(c), quote=False)}\n"
        for c in said
        if c.text.split()
    ]
    return "\n".join(["WEBVTT\n", *cues])


def to_audacity_labels(said: Sequence[Caption]) -> str:
    r"""Return captions as Audacity's labels: start and end in seconds and a text, tabs between.

    >>> to_audacity_labels([Caption(0.5, 2.0, "agent", "Hello.")])
    '0.500000\t2.000000\tagent: Hello.\n'
    """
    return "".join(
        f"{c.start_s:.6f}\t{max(c.end_s, c.start_s):.6f}\t{c.who}: {_one_line(c)}\n"
        for c in said
        if c.text.split()
    )


def _one_line(caption: Caption) -> str:
    return " ".join(str(caption).split())


def _clock(at_s: float) -> str:
    """Return a time as WebVTT writes it: 00:00:12.345."""
    minutes, milliseconds = divmod(round(1000 * max(at_s, 0.0)), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
