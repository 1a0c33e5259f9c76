"""What an agent did at each thing that the caller said, or at a noise: it stopped, it went on ...

The same lines, said to several agents, show what each makes of an "uh huh", of a pause in a
sentence, of noise, and of a caller who speaks while a tool runs.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from voxlab.evaluation.captions import captions
from voxlab.evaluation.turn_times import interruptions, speech_spans
from voxlab.timeline import Event, Timeline

SAID_CHARS = 60  # of what it said then, in a table


@dataclass(frozen=True, slots=True)
class Reaction:
    """What an agent did from one line of the caller to the next; times in seconds.

    line, text: the line's name in the script, and its words.
    while_tool: a tool of the agent ran as the line began.
    silent_after_s: from the line's first sound until the agent was silent, None if it was not
    speaking or did not stop. went_on_after_s: then, if it took its reply up again.
    spoke_over: the agent was speaking as the line began. cut_in_s: how long it spoke before the
    caller was done. turns: what it took the line for. answered_after_s: from the caller's last
    sound to the agent's next one, None if none came. said: in that time, by the agent.
    """

    line: str
    text: str
    while_tool: bool
    spoke_over: bool
    silent_after_s: float | None
    went_on_after_s: float | None
    cut_in_s: float | None
    turns: int
    answered_after_s: float | None
    said: str

    def in_words(self) -> str:
        """Say it in a line."""
        told = ["while its tool ran"] if self.while_tool else []
        if self.silent_after_s is not None:
            told.append(f"silent after {self.silent_after_s:.2f} s")
        elif self.spoke_over:
            told.append("spoke on")
        if self.cut_in_s is not None:
            told.append(f"cut in for {self.cut_in_s:.2f} s")
        if self.went_on_after_s is not None:
            told.append(f"went on {self.went_on_after_s:.2f} s later")
        if self.turns or not self.spoke_over:
            told.append(f"{self.turns} turn{'s' * (self.turns != 1)}")
        if self.answered_after_s is not None:
            said = textwrap.shorten(self.said, SAID_CHARS, placeholder=" ...")
            told.append(f'{self.answered_after_s:+.2f} s "{said}"')
        elif self.went_on_after_s is None and (self.turns or self.silent_after_s is not None):
            told.append("no answer")
        return ", ".join(told)


def find_reactions(timeline: Timeline) -> list[Reaction]:
    """Return the agent's reaction to each line of the script, in order."""
    starts = timeline.select("caller", "speech_started")
    spans = speech_spans(timeline, "caller")
    until_s = [*(start_s for start_s, _ in spans[1:]), timeline.duration_s]
    return [
        _react(timeline, str(event.data.get("line", "")), str(event.data["text"]), span, next_s)
        for event, span, next_s in zip(starts, spans, until_s, strict=False)
    ]


def _react(
    timeline: Timeline, line: str, text: str, span: tuple[float, float], until_s: float
) -> Reaction:
    start_s, end_s = span
    agent = speech_spans(timeline, "agent")
    cut = next((cut for cut in interruptions(timeline) if cut.at_s == start_s), None)
    stopped = cut is not None and (cut.resumed or bool(cut.unheard))
    silent_s = start_s + cut.yield_s if cut is not None else -math.inf
    later = [(s, e) for s, e in agent if start_s < s < until_s]
    went_on_s = later.pop(0)[0] if cut is not None and cut.resumed and later else None
    early = next(((s, e) for s, e in later if s < end_s), None)
    answers_s = [s for s, _ in later if s >= end_s]
    turns = [e for e in timeline.select("turn", "commit") if start_s < e.at_s <= until_s]
    said = (c for c in captions(timeline) if c.who == "agent" and end_s <= c.start_s < until_s)
    return Reaction(
        line=line,
        text=text,
        while_tool=_runs_a_tool(timeline, start_s),
        spoke_over=cut is not None,
        silent_after_s=silent_s - start_s if stopped else None,
        went_on_after_s=None if went_on_s is None else went_on_s - silent_s,
        cut_in_s=None if early is None else min(early[1], end_s) - early[0],
        turns=len(turns),
        answered_after_s=answers_s[0] - end_s if answers_s else None,
        said=" ".join(caption.text for caption in said),
    )


def _runs_a_tool(timeline: Timeline, at_s: float) -> bool:
    """Tell whether a tool ran; what was cancelled ran up to the turn of the caller's next line."""
    runs = timeline.select("tool")
    ends_s = {event.data["id"]: event.at_s for event in runs if event.kind != "started"}
    for event in runs:
        if event.kind == "started" and event.at_s <= at_s:
            spoke_s = _first_after(event.at_s, timeline.select("caller", "speech_started"))
            taken_s = _first_after(spoke_s, timeline.select("turn", "commit"))
            if at_s < ends_s.get(event.data["id"], taken_s):
                return True
    return False


def _first_after(at_s: float, events: Iterable[Event]) -> float:
    return next((event.at_s for event in events if event.at_s > at_s), math.inf)


def reaction_table(reactions: Mapping[str, Sequence[Reaction]]) -> str:
    """Return what each agent did at each line of one script, a block for each line."""
    found = {name: {each.line: each for each in done} for name, done in reactions.items()}
    lines = {line: each.text for done in found.values() for line, each in done.items()}
    width = 3 + max(map(len, found))
    rows = []
    for line, text in lines.items():
        rows.append(f"\n{line}: {text}")
        for name, done in found.items():
            told = done[line].in_words() if line in done else "the call had ended"
            rows.append(f"  {f'{name}:':{width}}{told}")
    return "\n".join(rows).lstrip()
