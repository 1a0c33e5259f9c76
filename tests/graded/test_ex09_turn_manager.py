"""Exercise 9: the turn manager, by strips and by recorded calls (see calls/make.py)."""

import json
import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

from voxlab.grading import graded
from voxlab.grading.expect import expect
from voxlab.vad.silero import FRAME_S

NEAR = 3  # frames: the agent in the recording decides with timers and asks for two loud frames


def feed(manager, strip, start=0):
    """Feed a strip such as "..SS." to a manager; return [(frame, what, ...), ...]."""
    return [
        (frame, *action)
        for frame, letter in enumerate(strip, start)
        for action in manager.on_frame(frame, letter == "S")
    ]


# --- recorded calls ------------------------------------------------------------------------


def recorded(name):
    """Return a recorded call: what its file says, and the caller's channel as a strip."""
    file = Path(__file__).parent / "calls" / f"{name}.json"
    call = SimpleNamespace(**json.loads(file.read_text("utf-8")))
    call.strip = "".join(".S"[index % 2] * length for index, length in enumerate(call.runs))
    return call


def feed_until_commit(manager, call, start):
    """Feed a recorded call from a frame on until the manager commits; return what it did."""
    events = []
    for frame in range(start, len(call.strip)):
        events += feed(manager, call.strip[frame], frame)
        if events and events[-1][1] == "commit":
            break
    return events


def hold(manager, call):
    """Hold a recorded call with a manager; return [(frame, what, ...), ...].

    The exercise has a function like this; but what decides over points is not the submission's.
    """
    events, replies = [], iter(call.replies)
    starts, ends = call.greeting[0], sum(call.greeting)
    for frame, letter in enumerate(call.strip):
        if frame == starts:
            manager.on_reply_started()
        if frame == ends:
            manager.on_reply_finished()
            expect(manager.state, "listening", f"{call.title!r}: the state after the reply")
        for event in feed(manager, letter, frame):
            events.append(event)
            thinks, speaks = next(replies, (math.inf, 0)) if event[1] == "commit" else (math.inf, 0)
            starts, ends = frame + thinks, frame + thinks + speaks
    return events


def frames_of(segment_s):
    """Return the whole frames of a segment in seconds."""
    start_s, end_s = segment_s
    return range(math.ceil(start_s / FRAME_S), math.floor(end_s / FRAME_S))


def are_near(frames, others):
    """Tell whether as many things happened, at about the same time."""
    return len(frames) == len(others) and all(
        abs(frame - other) <= NEAR for frame, other in zip(frames, others, strict=True)
    )


def stretches(frames):
    """Return the stretches of consecutive frames, as text: ["93 to 117", "120 to 159"]."""
    breaks = [index for index, (a, b) in enumerate(pairwise(frames), 1) if b != a + 1]
    pieces = [frames[start:end] for start, end in pairwise([0, *breaks, len(frames)])]
    return [f"{piece[0]} to {piece[-1]}" for piece in pieces if piece]


# --- ex09.1 --------------------------------------------------------------------------------


@graded(
    "ex09.1",
    points=1,
    hint="The first frame of speech takes manager.recent along; from then on every frame belongs "
    "to the turn, until manager.silent has reached manager.silence.",
)
def test_a_turn_is_one_stretch_with_its_pauses(exercise):
    for preroll, silence, words in (
        (2, 4, "...SSS..SS"),
        (2, 4, "S"),
        (3, 5, ".S....S....S"),
        (0, 3, "....SS.S..SSS"),
    ):
        strip = words + silence * "."
        first, last = max(0, strip.index("S") - preroll), len(strip) - 1
        got = feed(exercise.TurnManager(preroll=preroll, silence=silence), strip)
        expected = [(last, "commit", list(range(first, last + 1)))]
        expect(got, expected, f"{strip} with preroll={preroll}, silence={silence}")
    expect(feed(exercise.TurnManager(), 50 * "."), [], "nobody speaks")


@graded(
    "ex09.1",
    points=1,
    hint="In a recording the pauses between words are short and many: none of their frames may be "
    "missing from the commit, and none may end the turn before manager.silence frames in a row.",
    hidden=True,
)
def test_the_turns_of_recorded_callers_are_complete(exercise):
    for name in ("cafe", "order_number", "second_thought"):
        call = recorded(name)
        for before, commit in pairwise([0, *call.commits]):
            first = call.strip.index("S", before)
            events = feed_until_commit(exercise.TurnManager(), call, first - 20)
            expect([event[1] for event in events], ["commit"], f"{call.title!r}")
            at, _, frames = events[0]
            expect([at], [commit], f"{call.title!r}: the frame of the commit", are_near)
            expect(len(stretches(frames)), 1, f"{call.title!r}: stretches {stretches(frames)}")
            for segment in map(frames_of, call.segments_s):
                missing = sorted(set(segment) - set(frames)) if first < segment[-1] < commit else []
                expect(stretches(missing), [], f"{call.title!r}: frames that the commit lacks")


# --- ex09.2 --------------------------------------------------------------------------------


@graded(
    "ex09.2",
    points=1,
    hint="The frame that interrupts is the first that we are sure of, not the first of the word: "
    "the turn begins with manager.recent, then that frame; the state is listening.",
)
def test_an_interruption_keeps_its_first_sound(exercise):
    for preroll, silent, kept in ((3, 5, [2, 3, 4, 5]), (2, 30, [28, 29, 30]), (4, 1, [0, 1])):
        manager = exercise.TurnManager(preroll=preroll)
        manager.on_reply_started()
        strip = silent * "." + "S"
        told = f"{strip} over the agent, preroll={preroll}"
        expect(feed(manager, strip), [(silent, "stop_speaking")], told)
        expect([manager.state, manager.turn], ["listening", kept], f"{told}: state and turn")


@graded(
    "ex09.2",
    points=1,
    hint="Recorded callers interrupt with soft first sounds, some of them the greeting: the commit "
    "must hold the VAD's whole segment, which begins before its first loud frame.",
    hidden=True,
)
def test_a_recorded_interruption_is_committed_whole(exercise):
    for name in ("barge_in", "first_call", "hesitation", "real_person"):
        call = recorded(name)
        for stop in call.stops:
            manager = exercise.TurnManager()
            manager.on_reply_started()
            events = feed_until_commit(manager, call, stop - 25)
            expect([event[1] for event in events], ["stop_speaking", "commit"], f"{call.title!r}")
            there = [stop, min(frame for frame in call.commits if frame > stop)]
            expect([event[0] for event in events], there, f"{call.title!r}: the frames", are_near)
            frames = events[-1][2]
            segment = next(s for s in call.segments_s if stop in frames_of(s))
            missing = sorted(set(frames_of(segment)) - set(frames))
            expect(stretches(missing), [], f"{call.title!r}: frames that the commit lacks")
            expect(len(stretches(frames)), 1, f"{call.title!r}: stretches {stretches(frames)}")


# --- ex09.3 --------------------------------------------------------------------------------


@graded("ex09.3", points=1, hint='When the agent has finished, the state is "listening".')
def test_a_reply_that_ends_gives_the_floor_back(exercise):
    manager = exercise.TurnManager()
    for reply in ("first", "second"):
        manager.on_reply_started()
        expect(feed(manager, 5 * "."), [], "silence while the agent speaks")
        manager.on_reply_finished()
        expect(manager.state, "listening", f"the state after the {reply} reply")


@graded(
    "ex09.3",
    points=1,
    hint="A voice that was stopped reports its end late: look at the state first, and touch "
    "nothing if the agent does not speak any more.",
)
def test_the_late_end_of_a_reply_changes_nothing(exercise):
    manager = exercise.TurnManager(silence=4)
    for strip, start, state in (("SS", 0, "listening"), ("....", 2, "thinking")):
        feed(manager, strip, start)
        turn = manager.turn
        manager.on_reply_finished()
        told = f"state and turn after an old reply's end, while {state}"
        expect([manager.state, manager.turn], [state, turn], told)


# --- ex09.4 --------------------------------------------------------------------------------


@graded(
    "ex09.4",
    points=1,
    hint="Every frame that is heard while the agent thinks goes into manager.turn, silent ones "
    "too; the first of speech cancels the reply, and the state is listening again.",
)
def test_speech_while_thinking_joins_the_turn(exercise):
    for thinking, preroll in ((2, 10), (0, 2), (30, 2)):
        manager = exercise.TurnManager(preroll=preroll, silence=4)
        strip = "SS...." + 2 * (thinking * "." + "S.S....")
        events = feed(manager, strip)
        got = [event[:2] for event in events]
        expected = [(5, "commit")]
        for _ in range(2):
            cancel = expected[-1][0] + thinking + 1
            expected += [(cancel, "cancel_reply"), (cancel + 6, "commit")]
        expect(got, expected, f"{strip} with silence=4")
        for at, _, frames in events[::2]:
            expect(stretches(frames), [f"0 to {at}"], f"{strip}: the frames of the commit")


@graded(
    "ex09.4",
    points=1,
    hint="All four parts work together here: somewhere in a whole call a frame is lost or is "
    "answered twice. Draw a call of your own, with a line while the agent thinks.",
    hidden=True,
)
def test_every_frame_of_speech_is_answered_once(exercise):
    for name in ("second_thought", "minute", "real_person"):
        call = recorded(name)
        manager = exercise.TurnManager()
        events = hold(manager, call)
        for what, there in (
            ("commit", call.commits),
            ("stop_speaking", call.stops),
            ("cancel_reply", call.cancels),
        ):
            got = [event[0] for event in events if event[1] == what]
            expect(got, there, f"{call.title!r}: the frames of {what}", are_near)
        answered = []
        for event, following in pairwise([*events, (math.inf, "")]):
            if event[1] != "commit":
                continue
            expect(len(stretches(event[2])), 1, f"{call.title!r}: stretches {stretches(event[2])}")
            expect(event[2][-1], event[0], f"{call.title!r}: the last frame of a commit")
            if following[1] != "cancel_reply":
                answered.append(event[2])
        counts = {frame: 0 for frame, letter in enumerate(call.strip) if letter == "S"}
        for frame in [frame for frames in (*answered, manager.turn) for frame in frames]:
            if frame in counts:
                counts[frame] += 1
        for what, times in (("no", 0), ("several", 2)):
            frames = [frame for frame, count in counts.items() if min(count, 2) == times]
            expect(stretches(frames), [], f"{call.title!r}: frames with {what} answers")
