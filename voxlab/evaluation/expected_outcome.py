"""What of an expectation a call does not meet, in words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from voxlab.data.expectations import ENDS, Expectation, ExpectedCall, HeldScript, says
from voxlab.timeline import Event, Timeline


class ToolCalls(NamedTuple):
    """How many tool calls a script expects, how many of them were made, and how many in all."""

    expected: int
    met: int
    made: int


def find_unmet(held: HeldScript, *, by_text: bool = False) -> tuple[str, ...]:
    """Return a sentence for each thing that should have come of a call, and did not.

    What the agent says is what was heard of it; its tool calls are those that had a result.
    by_text: nothing was heard, so that what it has to say counts although it was cut off.
    """
    timeline, expect = held.call.timeline, held.expect
    return (
        *_unsaid(timeline, expect, by_text),
        *_uncalled(timeline, expect),
        *held.shop.differences(expect.shop),
        *_other_end(timeline, expect),
        *(event.failure for event in timeline.failures),
    )


def _unsaid(timeline: Timeline, expect: Expectation, by_text: bool) -> Iterator[str]:
    said = " ".join(str(event.data["text"]) for event in timeline.select("agent", "said"))
    cut = [event.data for event in timeline.select("agent", "interrupted")] if by_text else []
    meant = " ".join([said, *(f"{each['heard']} {each['unheard']}" for each in cut)])
    for wordings in expect.says:
        if not says(meant, wordings):
            yield f"the agent never says {' or '.join(map(repr, wordings))}"
    for never in expect.never_says:
        if says(said, [never]):
            yield f"the agent says {never!r}"


def _uncalled(timeline: Timeline, expect: Expectation) -> Iterator[str]:
    made = _made(timeline)
    for call, is_met in zip(expect.calls, _met(expect, made), strict=True):
        if not is_met:
            is_early = any(_is(call, each) for each in made)
            yield f"{call} is called too early" if is_early else f"{call} is not called"
    for never in expect.never_calls:
        if any(_is(never, each) for each in made):
            yield f"{never} is called"


def count_calls(held: HeldScript) -> ToolCalls:
    """Return how many tool calls were expected, how many of them made, and how many in all."""
    made = _made(held.call.timeline)
    return ToolCalls(len(held.expect.calls), sum(_met(held.expect, made)), len(made))


def _made(timeline: Timeline) -> list[Event]:
    finished = {event.data["id"] for event in timeline.select("tool", "finished")}
    return [each for each in timeline.select("tool", "started") if each.data["id"] in finished]


def _met(expect: Expectation, made: Sequence[Event]) -> list[bool]:
    """Return for each expected call whether it was made after those before it that were."""
    met, after = [], 0
    for call in expect.calls:
        place = next((i for i in range(after, len(made)) if _is(call, made[i])), None)
        met.append(place is not None)
        after = after if place is None else place + 1
    return met


def _is(call: ExpectedCall, event: Event) -> bool:
    return call.is_met_by(event.data["name"], event.data["arguments"])


def _other_end(timeline: Timeline, expect: Expectation) -> Iterator[str]:
    if not timeline.end_reason.startswith(ENDS[expect.ends]):
        yield f"the call ends otherwise: {timeline.end_reason}"
