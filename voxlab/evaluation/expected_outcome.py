"""What of an expectation a call does not meet, in words."""

from collections.abc import Iterator

from voxlab.data.expectations import ENDS, Expectation, ExpectedCall, HeldScript, says
from voxlab.timeline import Event, Timeline


def find_unmet(held: HeldScript) -> tuple[str, ...]:
    """Return a sentence for each thing that should have come of a call, and did not.

    What the agent says is what was heard of it; its tool calls are those that had a result.
    """
    timeline, expect = held.call.timeline, held.expect
    return (
        *_unsaid(timeline, expect),
        *_uncalled(timeline, expect),
        *held.shop.differences(expect.shop),
        *_other_end(timeline, expect),
        *(event.failure for event in timeline.failures),
    )


def _unsaid(timeline: Timeline, expect: Expectation) -> Iterator[str]:
    said = " ".join(str(event.data["text"]) for event in timeline.select("agent", "said"))
    for wordings in expect.says:
        if not says(said, wordings):
            yield f"the agent never says {' or '.join(map(repr, wordings))}"
    for never in expect.never_says:
        if says(said, [never]):
            yield f"the agent says {never!r}"


def _uncalled(timeline: Timeline, expect: Expectation) -> Iterator[str]:
    finished = {event.data["id"] for event in timeline.select("tool", "finished")}
    made = [each for each in timeline.select("tool", "started") if each.data["id"] in finished]
    left = iter(made)
    for call in expect.calls:
        if not any(_is(call, each) for each in left):
            yield (
                f"{call} is not called"
                if not any(_is(call, each) for each in made)
                else (f"{call} is called too early")
            )
    for never in expect.never_calls:
        if any(_is(never, each) for each in made):
            yield f"{never} is called"


def _is(call: ExpectedCall, event: Event) -> bool:
    return call.is_met_by(event.data["name"], event.data["arguments"])


def _other_end(timeline: Timeline, expect: Expectation) -> Iterator[str]:
    if not timeline.end_reason.startswith(ENDS[expect.ends]):
        yield f"the call ends otherwise: {timeline.end_reason}"
