"""What an agent does that hears itself, or a noise: it falls silent although nobody speaks."""

from voxlab.evaluation.turn_times import speech_spans
from voxlab.timeline import Timeline

YIELDS_WITHIN_S = 1.5  # of a word of the caller: an agent that stops later has heard something else


def count_false_interruptions(timeline: Timeline) -> int:
    """Return how often the agent fell silent in mid-reply although the caller said nothing.

    The caller's speech is the script's. A stop counts if the reply was then dropped or taken up
    again, see `agent`, `interrupted` and `resumed`.
    """
    caller = speech_spans(timeline, "caller")
    agent = speech_spans(timeline, "agent")
    starts_s = [*(start_s for start_s, _ in agent[1:]), timeline.duration_s]
    outcomes_s = [
        event.at_s for event in timeline.select("agent") if event.kind in ("interrupted", "resumed")
    ]
    false = 0
    for (_, stop_s), next_s in zip(agent, starts_s, strict=False):
        was_cut = any(stop_s <= at_s <= next_s for at_s in outcomes_s)
        for_caller = any(s <= stop_s and stop_s - YIELDS_WITHIN_S <= e for s, e in caller)
        false += was_cut and not for_caller and stop_s < timeline.duration_s
    return false
