"""How did a call go? Judged by what is heard in its recording, whoever held it.

The two channels give stretches of speech; they give the turns, and the turns give times and
outcomes. Where the caller's script is known, it says which sound is one turn and what it was; else
a turn is speech with no long pause in it, and everything takes the floor. Nothing here believes an
agent's own report.

Source: the panel of tau-voice (arXiv 2603.13686): response latency and rate, yield latency and
rate, interruptions by the agent, selectivity. Recovery from an interruption is our own definition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from voxlab.data.expectations import Kind
from voxlab.errors import VoxlabError
from voxlab.evaluation.audible_speech import audible_speech, shared_s
from voxlab.evaluation.recording_faults import recording_faults
from voxlab.timeline import Call
from voxlab.vad.endpointing import SpeechSegment

WINDOW_S = 2.0  # a reply or a silence that comes later does not count as one
IGNORES_S = 1.0  # who goes on for so long has ignored a backchannel
RECOVERS_S, RECOVERS_WITH_TOOL_S = 3.0, 5.0  # from the interruption's end to the new reply
SAME_TURN_S = 1.0  # a shorter pause of the caller does not end a turn, if the agent is silent in it
DEAD_AIR_S = 3.0  # a longer silence makes callers ask whether anybody is there


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """What a line of the caller's script is. needs_tool: its answer takes a tool's time."""

    kind: Kind = Kind.REQUEST
    needs_tool: bool = False


@dataclass(frozen=True, slots=True)
class JudgedTurn:
    """One thing that the caller said, and what the agent did. Seconds of the recording.

    over_agent: it began while the agent spoke. silent_s: when the agent fell silent then, None if
    it was silent already. reply_s, reply_end_s: when what the agent then begins to say begins and
    ends, up to the caller's next turn; None if it says nothing.
    """

    line: ExpectedLine
    start_s: float
    end_s: float
    over_agent: bool
    silent_s: float | None
    reply_s: float | None
    reply_end_s: float | None

    @property
    def takes_the_floor(self) -> bool:
        """Whether the agent should listen and answer."""
        return self.line.kind is Kind.REQUEST

    @property
    def ttfb_s(self) -> float | None:
        """From the caller's last audible moment to the agent's first; None if it cut in."""
        return None if self.reply_s is None or self.cut_in else self.reply_s - self.end_s

    @property
    def total_s(self) -> float | None:
        """From the caller's last audible moment to the agent's last; None as for ttfb_s."""
        is_timed = self.reply_end_s is not None and not self.cut_in
        return self.reply_end_s - self.end_s if is_timed else None  # type: ignore[operator]

    @property
    def cut_in(self) -> bool:
        """Whether the agent began to speak before the caller was done."""
        return self.reply_s is not None and self.reply_s < self.end_s

    @property
    def is_answered(self) -> bool:
        """Whether the agent spoke within the window after the caller's end."""
        return self.reply_s is not None and self.reply_s - self.end_s <= WINDOW_S

    @property
    def yield_s(self) -> float | None:
        """From the caller's first sound over the agent to the agent's last."""
        return None if self.silent_s is None else self.silent_s - self.start_s

    @property
    def yielded(self) -> bool:
        """Whether the agent that was spoken over fell silent within the window."""
        return self.yield_s is not None and self.yield_s <= WINDOW_S

    @property
    def ignored(self) -> bool:
        """Whether the agent went on as if nothing had been said."""
        return self.yield_s is None or self.yield_s > IGNORES_S

    @property
    def recovered(self) -> bool:
        """Whether the agent that was spoken over yielded, and soon made a new reply."""
        limit_s = RECOVERS_WITH_TOOL_S if self.line.needs_tool else RECOVERS_S
        return self.yielded and self.reply_s is not None and self.reply_s - self.end_s <= limit_s


@dataclass(frozen=True, slots=True)
class JudgedRecording:
    """What is heard in a recording of a call.

    turns: of the caller. agent: the agent's stretches of speech. talk_over_s: both spoke.
    dead_air: silences of more than DEAD_AIR_S that the agent owed a word in. faults: what is wrong
    with the recording itself, in words.
    """

    turns: tuple[JudgedTurn, ...]
    agent: tuple[SpeechSegment, ...]
    talk_over_s: float
    dead_air: tuple[SpeechSegment, ...]
    faults: tuple[str, ...]


def judge_recording(call: Call, lines: Sequence[ExpectedLine] = ()) -> JudgedRecording:
    """Judge the recording of a call.

    The timeline is asked for nothing but the caller's own lines, and may be empty. lines: what they
    are, in the order in which they were said; all of them take the floor by default.
    Raises VoxlabError if the call has no sound, or more lines were said than there are.
    """
    if call.user is None or call.agent is None:
        raise VoxlabError("a call without sound: hold it with engines that make sound")
    user = audible_speech(call.user)
    agent = audible_speech(call.agent, is_one_voice=True)
    turns = _turns_of_script(call, user) or _turns_by_pauses(user, agent)
    if lines and len(turns) > len(lines):
        raise VoxlabError(f"{len(turns)} lines were said, and {len(lines)} are expected: which is?")
    known = [*lines, *[ExpectedLine()] * len(turns)]
    judged = tuple(
        _judge(line, turn, after, agent)
        for line, (turn, after) in zip(known, pairwise([*turns, None]), strict=False)
        if turn is not None
    )
    return JudgedRecording(
        judged,
        tuple(agent),
        sum(shared_s(one, other) for one in user for other in agent),
        tuple(_dead_air(judged, agent, call.user.duration_s)),
        recording_faults(call, user, agent),
    )


def _turns_of_script(call: Call, user: Sequence[SpeechSegment]) -> list[SpeechSegment]:
    """Return what is audible of each of the caller's lines; none if nobody tells of lines."""
    edges = [event for event in call.timeline.select("caller") if "speech" in event.kind]
    lines = [
        SpeechSegment(start.at_s, stop.at_s)
        for start, stop in pairwise(edges)
        if start.kind == "speech_started"
    ]
    turns = []
    for line in lines:
        heard = [each for each in user if shared_s(each, line) > 0]
        if not heard:
            continue
        turn = SpeechSegment(heard[0].start_s, heard[-1].end_s)
        if any(shared_s(turn, other) > 0 for other in lines if other != line):
            # lines that follow each other without a pause: only the script tells them apart
            turn = SpeechSegment(max(turn.start_s, line.start_s), min(turn.end_s, line.end_s))
        turns.append(turn)
    return turns


def _turns_by_pauses(
    user: Sequence[SpeechSegment], agent: Sequence[SpeechSegment]
) -> list[SpeechSegment]:
    turns: list[SpeechSegment] = []
    for stretch in user:
        last = turns[-1] if turns else None
        if (
            last
            and stretch.start_s - last.end_s < SAME_TURN_S
            and not any(last.end_s <= each.start_s < stretch.start_s for each in agent)
        ):
            turns[-1] = SpeechSegment(last.start_s, stretch.end_s)
        else:
            turns.append(stretch)
    return turns


def _judge(
    line: ExpectedLine,
    turn: SpeechSegment,
    after: SpeechSegment | None,
    agent: Sequence[SpeechSegment],
) -> JudgedTurn:
    """Judge one turn; what the agent begins before the next turn answers this one."""
    spoken_over = next((s for s in agent if s.start_s < turn.start_s < s.end_s), None)
    replies = [
        s
        for s in agent
        if turn.start_s <= s.start_s and (after is None or s.start_s < after.start_s)
    ]
    return JudgedTurn(
        line,
        turn.start_s,
        turn.end_s,
        spoken_over is not None,
        spoken_over.end_s if spoken_over else None,
        replies[0].start_s if replies else None,
        replies[-1].end_s if replies else None,
    )


def _dead_air(
    turns: Sequence[JudgedTurn], agent: Sequence[SpeechSegment], end_s: float
) -> list[SpeechSegment]:
    """Return the long silences between a turn that asks for an answer and the next sound."""
    starts_s = sorted([s.start_s for s in agent] + [t.start_s for t in turns] + [end_s])
    silences = []
    for turn in turns:
        next_s = next(at_s for at_s in starts_s if at_s > turn.end_s or at_s == end_s)
        is_owed = turn.takes_the_floor and not any(s.start_s < turn.end_s < s.end_s for s in agent)
        if is_owed and next_s - turn.end_s > DEAD_AIR_S:
            silences.append(SpeechSegment(turn.end_s, next_s))
    return silences
