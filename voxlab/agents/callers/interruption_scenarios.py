"""Ways to speak over the agent: what should come of each, and what came of it in a call.

The table is data/interruptions.yaml; its head says what an entry holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from voxlab import data
from voxlab.agents.callers.script import CallScript, parse_script
from voxlab.agents.callers.script_sounds import SOUNDS
from voxlab.data.yaml_files import read_yaml
from voxlab.timeline import Timeline

PATIENCE_S = 5.0  # of the caller: longer than the agent takes to answer


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """What comes of an interruption.

    then: "goes on" without a pause, "resumes" after one, "answers", "is silent" or "hands over".
    means: what each interruption is taken for. words: at which word the agent falls silent each
    time, "" if it is not speaking just then. reply: what it says last.
    """

    then: str
    means: tuple[str, ...]
    words: tuple[str, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A call in which somebody speaks, or something sounds, over the agent.

    wanted: what should come of it; its reply is a few words. If its `means` are empty it does not
    matter whether the agent pauses before it goes on.
    """

    id: str
    script: CallScript
    wanted: ScenarioOutcome

    @property
    def is_before_the_reply(self) -> bool:
        """Whether the caller speaks while the agent thinks; one with a head start hardly does."""
        return self.id.endswith("_while_it_thinks")

    def is_met_by(self, outcome: ScenarioOutcome) -> bool:
        """Tell whether the caller got what they wanted, whatever it was taken for."""
        if self.wanted.reply not in outcome.reply:
            return False
        if not self.wanted.means:
            return outcome.then in ("goes on", "resumes")
        return (outcome.then, outcome.words) == (self.wanted.then, self.wanted.words)


# --- the table -----------------------------------------------------------------------------


@cache
def load_scenarios() -> dict[str, Scenario]:
    """Return all of data/interruptions.yaml by their ids."""
    table = read_yaml(data.path("interruptions.yaml"))
    return {id: _scenario(id, entry) for id, entry in table.items()}


def _scenario(id: str, entry: Mapping[str, Any]) -> Scenario:
    over = list(zip(_list(entry, "say"), _list(entry, "at"), strict=True))
    lines = [{"say": entry["ask"]}] if "ask" in entry else []
    for number, (say, at) in enumerate(over):
        what = "sound" if say in SOUNDS else "say"
        lines.append({"id": f"over{number}", "at": at, what: say})
    script = parse_script(
        {
            "title": id.replace("_", " "),
            "voice": entry.get("voice"),
            "background": entry.get("background"),
            "patience_s": PATIENCE_S,
            "lines": lines,
        }
    )
    means, words = (tuple(_list(entry, key)) for key in ("means", "words"))
    wanted = ScenarioOutcome(entry["then"], means, words, str(entry.get("reply", "")))
    return Scenario(id, script, wanted)


def _list(entry: Mapping[str, Any], key: str) -> list[str]:
    value = entry.get(key, [])
    return [*map(str, value)] if isinstance(value, list) else [str(value)]


# --- what came of it -----------------------------------------------------------------------


def read_outcome(timeline: Timeline) -> ScenarioOutcome:
    """Return what came of the interruptions in a call."""
    pauses = [e.at_s for e in timeline.select("turn", "state") if e.data["now"] == "interrupted"]
    means = [str(e.data["meaning"]) for e in timeline.select("turn", "interruption")]
    said = [str(event.data["text"]) for event in timeline.select("agent", "said")]
    return ScenarioOutcome(
        then=_then(timeline, pauses[-1]) if pauses else "goes on",
        means=tuple(means),
        words=tuple(_word_at(timeline, at_s) for at_s in pauses),
        reply=said[-1] if said else "",
    )


def _then(timeline: Timeline, paused_s: float) -> str:
    """Tell what the agent does after a pause."""
    (end,) = timeline.select("transport", "call_ended")
    later = {event.kind for event in timeline.select("agent") if event.at_s > paused_s}
    if "handed" in end.data["reason"]:
        return "hands over"
    if "resumed" in later:
        return "resumes"
    return "answers" if "speech_started" in later else "is silent"


def _word_at(timeline: Timeline, at_s: float) -> str:
    """Return the word that a pause cuts: the first that does not end before it."""
    begun = [event for event in timeline.select("agent", "sentence") if event.at_s < at_s]
    spoken = begun[-1].data["words"] if begun else []
    left = [text for text, _, end_s in spoken if begun[-1].at_s + end_s > at_s]
    return str(left[0]).strip(".,!?") if left else ""
