"""Exercise 6: a tool, a test on the harness's events, and what that test cannot hear."""

import numpy as np

from voxlab.grading import graded
from voxlab.grading.expect import compare, expect

WORDS = ("your", "table", "is", "booked", "on", "friday", "at", "seven")
RIGHT = {"type": "function_call", "name": "lookup_order", "arguments": {"order_id": "12345"}}
OUTPUT = {"type": "function_call_output", "name": "lookup_order", "output": "shipped"}


def said(text, role="assistant"):
    return {"type": "message", "role": role, "text": text}


@graded(
    "ex06.1",
    points=1,
    hint="Each order that is there needs a return of its own, outside the `if`.",
)
def test_an_order_that_is_there_is_told(exercise):
    orders = {"12345": {"item_count": 3, "total": 86.5, "status": "shipped"}}
    expected = "Order 12345: 3 items, total $86.50, status: shipped."
    expect(exercise.lookup_order(orders, "12345"), expected, "lookup_order(orders, '12345')")
    missing = exercise.lookup_order(orders, "54321")
    expect(missing, "No order found with ID 54321.", "lookup_order(orders, '54321')")


@graded(
    "ex06.1",
    points=1,
    hint="Keep the digits of what the model wrote, and nothing else.",
    hidden=True,
)
def test_a_number_is_found_however_it_is_written(exercise):
    orders = {"30592": {"item_count": 1, "total": 240.0, "status": "delayed"}}
    for written in ("#30592", "3 0 5 9 2", "order 30592.", "30592"):
        expected = "Order 30592: 1 items, total $240.00, status: delayed."
        expect(exercise.lookup_order(orders, written), expected, f"with order_id={written!r}")


@graded(
    "ex06.2",
    points=1,
    hint="Only the first function_call counts; its arguments only if it is the right tool; and "
    "only what the assistant says is an answer.",
)
def test_each_fault_is_named_and_no_other(exercise):
    cases = [
        ([RIGHT, OUTPUT, said("It is SHIPPED.")], []),
        ([OUTPUT, said("It is shipped.")], ["tool"]),
        ([{**RIGHT, "arguments": {"order_id": "1"}}, said("Shipped!")], ["arguments"]),
        ([{**RIGHT, "name": "other", "arguments": {}}, RIGHT, said("shipped")], ["tool"]),
        ([RIGHT, OUTPUT, said("I do not know.")], ["answer"]),
        ([RIGHT, said("shipped?", role="user"), said("Yes.")], ["answer"]),
        ([RIGHT, said("One moment."), said("It is shipped.")], []),
        ([], ["tool", "answer"]),
    ]
    for events, faults in cases:
        found = exercise.find_faults(events, "lookup_order", {"order_id": "12345"}, "shipped")
        expect(found, faults, f"find_faults({events}, ...)")


@graded(
    "ex06.3",
    points=1,
    hint="Go along both while the words agree; what is left of the history was not heard so.",
)
def test_the_words_from_the_first_difference_on_were_never_heard(exercise):
    rng = np.random.default_rng(6)
    cases = [
        ("Booked on Friday at seven.", "Booked on Friday"),
        ("", "Booked on"),
        ("Booked on Tuesday, see you.", "booked on Friday, see you"),
        ("Friday, Friday at seven", "Friday"),
    ]
    for _ in range(60):
        kept = rng.choice(WORDS, rng.integers(0, 7)).tolist()
        heard = kept[: rng.integers(0, len(kept) + 1)] + rng.choice(WORDS, 1).tolist()
        cases.append((" ".join(kept), " ".join(heard)))

    def run(kept, heard):
        words = [word.strip(".,").lower() for word in kept.split()]
        sounded = [word.strip(".,").lower() for word in heard.split()]
        same = [a == b for a, b in zip(words, sounded, strict=False)]
        count = same.index(False) if False in same else len(same)
        return exercise.never_heard(kept, heard), words[count:]

    compare("never_heard", cases, run)


@graded(
    "ex06.4",
    points=1,
    hint="Look at where the agent begins. Where the caller begins over the agent, nobody cut in.",
)
def test_a_turn_is_cut_into_where_the_agent_begins_within_it(exercise):
    rng = np.random.default_rng(4)

    def spans():
        edges = np.sort(rng.choice(60, 2 * rng.integers(0, 4), replace=False)) / 4
        return [(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    cases = [([(1.0, 4.0), (6.0, 7.0)], [(3.2, 3.4), (5.0, 6.5)]), ([(1.0, 2.0)], [(0.0, 3.0)])]
    cases += [(spans(), spans()) for _ in range(60)]

    def run(caller, agent):
        starts = [start for start, _ in agent]
        expected = [
            k for k, (start, end) in enumerate(caller) if [s for s in starts if start < s < end]
        ]
        return exercise.cut_into(caller, agent), expected

    compare("cut_into", cases, run)
