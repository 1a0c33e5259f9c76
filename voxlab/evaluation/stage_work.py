"""Work of a stage: what began, gave its first output and ended, read off the timeline in pairs."""

from collections.abc import Iterator
from dataclasses import dataclass

from voxlab.timeline import Event, Timeline

STAGES = {  # stage: source, kind that begins, kind of the first output, kind that ends
    "STT": ("stt", "started", "partial", "final"),
    "LLM": ("llm", "request", "first_token", "done"),
    "tools": ("tool", "started", "finished", "finished"),
    "TTS": ("tts", "request", "first_audio", "done"),
}
SPECULATIVE = ("LLM", "tools", "TTS")  # what a dropped reply takes with it
VOICE = {"voice": ("agent", "speech_started", "speech_started", "speech_stopped")}


@dataclass(frozen=True, slots=True)
class StageWork:
    """One piece of work of a stage, from begun to end_s, in seconds from the start of the call.

    first: its first output, last: its result or its failure; None if it gave none.
    """

    stage: str
    begun: Event
    first: Event | None
    last: Event | None
    end_s: float

    @property
    def outcome(self) -> str:
        """How it ended: "done", "failed", or "dropped" at a barge-in or the call's end."""
        if self.last is None:
            return "dropped"
        return "failed" if self.last.kind == "failed" else "done"

    @property
    def first_output_s(self) -> float | None:
        """Seconds from its begin to its first output; None if there was none."""
        return None if self.first is None else self.first.at_s - self.begun.at_s


def find_work(timeline: Timeline, stage: str) -> Iterator[StageWork]:
    """Yield the work of a stage, or of the agent's "voice", as it ends; the unfinished comes last.

    What was begun for a reply that was dropped ends when that is told: an engine that is cancelled
    says nothing more.
    """
    source, begins, gives, ends = (STAGES | VOICE)[stage]
    running: list[list[Event]] = []
    speculated_s = 0.0
    for event in timeline:
        match event.source, event.kind:
            case "turn", "speculated":
                speculated_s = event.at_s
            case "turn", "dropped" if stage in SPECULATIVE:
                for run in [run for run in running if run[0].at_s >= speculated_s]:
                    running.remove(run)
                    yield _as_work(stage, run, event.at_s)
            case _ if event.source != source:
                continue
            case _, kind if kind == begins:
                running.append([event])
            case _, kind if running and kind in (gives, ends, "failed"):
                same = [run for run in running if run[0].data.get("id") == event.data.get("id")]
                run = (same or running)[0]
                run.append(event)
                if kind in (ends, "failed"):
                    running.remove(run)
                    yield _as_work(stage, run, event.at_s)
    cuts_s = [event.at_s for event in timeline.select("agent", "interrupted")]
    for run in running:
        later_s = [at_s for at_s in cuts_s if at_s >= run[-1].at_s]
        yield _as_work(stage, run, min([*later_s, timeline.duration_s]))


def _as_work(stage: str, run: list[Event], end_s: float) -> StageWork:
    _, _, gives, ends = (STAGES | VOICE)[stage]
    first = next((event for event in run if event.kind == gives), None)
    last = run[-1] if run[-1].kind in (ends, "failed") else None
    return StageWork(stage, run[0], first, last, end_s)
