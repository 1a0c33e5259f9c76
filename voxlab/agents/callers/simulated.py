"""The simulated caller: plays a call script against an agent, hears the agent, and reacts to it."""

import asyncio
import math
from collections.abc import Iterable

import numpy as np

from voxlab import audio
from voxlab.agents.callers.script import CallScript, Moment, ScriptLine
from voxlab.agents.line import Line
from voxlab.providers.protocols import Speech
from voxlab.text import plain_words
from voxlab.timeline import Event

HANG_UP = "hang_up"  # what waits when all lines are said
LISTENS_S = 2.0  # so long after its last word the caller takes it that the agent has answered
SOFT_END_S = 0.1  # of a word, too soft to be heard on a telephone: it counts as said


class Caller:
    """Says each line of a script at its moment, then hangs up.

    One line follows the other. A line's moment counts from the line before it: "after the agent
    stops" means the first time the agent is silent for so long after that line was said.
    A caller who hears nothing for patience_s seconds gives up. One who `wants` something of the
    answer goes on when it has been said; until then they answer what the agent asks, say the line
    again or in other words, and at last give up, see `Temper`.
    """

    def __init__(self, script: CallScript) -> None:
        self.script = script

    async def run(self, line: Line) -> None:
        """Hold the caller's side of the call until its end."""
        hearing = _Hearing(line)
        rng = np.random.default_rng(self.script.temper.seed)
        end = line.subscribe(hearing.note)
        try:
            for script_line in self.script.lines:
                if not await self._reached(script_line.at, script_line.id, hearing):
                    return self._give_up(line, script_line.id)
                await _say(script_line.id, script_line.utterance, hearing)
                if not await self._content(script_line, hearing, rng):
                    return await self._lose_patience(script_line.id, hearing)
            if not await self._reached(self.script.hang_up, HANG_UP, hearing):
                return self._give_up(line, HANG_UP)
            line.record("caller", "hung_up")
            line.hang_up("the caller hung up")
        finally:
            end()

    async def _reached(self, moment: Moment, waiting: str, hearing: "_Hearing") -> bool:
        """Wait for a moment; False if patience ran out first. waiting: the line, or HANG_UP."""
        line, due_s = hearing.line, None
        try:
            while True:
                due_s = hearing.due_s(moment)
                gives_up_s = hearing.quiet_since_s() + self.script.patience_s
                if due_s is None and not hearing.speaking and line.reached(gives_up_s):
                    hearing.record_vain_wait(moment, waiting)
                    return False
                if due_s is not None and line.reached(due_s):
                    return True
                until_s = due_s if due_s is not None else gives_up_s
                await hearing.news(None if due_s is None and hearing.speaking else until_s)
        except asyncio.CancelledError:  # the call is over
            if due_s is None and waiting != HANG_UP:
                hearing.record_vain_wait(moment, waiting)
            raise

    async def _content(
        self, script_line: ScriptLine, hearing: "_Hearing", rng: np.random.Generator
    ) -> bool:
        """React until the agent has said what the line wants; False if all tries were in vain."""
        temper, wants = self.script.temper, script_line.wants
        ways = [*script_line.rephrased]
        answers, tries = dict(temper.answers), 1
        while wants and not await self._listen(wants, hearing, LISTENS_S + rng.random()):
            said = hearing.said_since()
            asked = next((each for each in answers if hearing.has_heard(each)), None)
            if asked:
                why, speech = "asked", answers.pop(asked)
            elif tries == temper.tries:
                return False
            else:
                why, tries = "not understood" if said else "no answer", tries + 1
                speech = ways.pop(rng.integers(len(ways))) if ways else script_line.utterance
            hearing.line.record("caller", "reacted", line=script_line.id, why=why, said=said)
            await _say(script_line.id, speech, hearing)
        return True

    async def _listen(self, wants: tuple[str, ...], hearing: "_Hearing", listens_s: float) -> bool:
        """Hear the answer out; True as soon as something that is wanted has been said.

        The agent has answered when it is silent for listens_s; without a word of it the caller
        waits for patience_s.
        """
        while True:
            due_s = min(filter(None, map(hearing.heard_words, wants)), default=math.inf)
            if hearing.line.reached(due_s):
                return True
            waits_s = listens_s if hearing.said_since() else self.script.patience_s
            until_s = math.inf if hearing.speaking else hearing.quiet_since_s() + waits_s
            if hearing.line.reached(until_s):
                return False
            until_s = min(due_s, until_s)
            await hearing.news(None if math.isinf(until_s) else until_s)

    async def _lose_patience(self, waiting: str, hearing: "_Hearing") -> None:
        """Say the last words, and hang up."""
        line, temper = hearing.line, self.script.temper
        if temper.last_words is not None:
            await _say(waiting, temper.last_words, hearing)
        line.record("caller", "gave_up", line=waiting, tries=temper.tries)
        line.hang_up(f"the caller gave up: {waiting} was not understood {temper.tries} times")

    def _give_up(self, line: Line, waiting: str) -> None:
        line.record("caller", "gave_up", line=waiting, patience_s=self.script.patience_s)
        line.hang_up(f"the caller gave up after {self.script.patience_s:g} s of silence")


async def _say(name: str, utterance: Speech, hearing: "_Hearing") -> None:
    """Speak a line: lay its sound on the line and note its first and last audible moment."""
    line = hearing.line
    hearing.since_start_s = start_s = line.now_s
    first_s, last_s = 0.0, utterance.duration_s
    if utterance.audio is not None:
        first_s, last_s = audio.audible_span(utterance.audio)
        line.user.lay(start_s, utterance.audio)
    await line.wait_until(start_s + first_s)
    line.record("caller", "speech_started", line=name, text=utterance.text)
    await line.wait_until(start_s + last_s)
    line.record("caller", "speech_stopped", line=name)
    hearing.ended_s[name] = hearing.since_end_s = line.now_s


class _Hearing:
    """What the caller has heard of the agent so far."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._news = asyncio.Event()
        self.since_start_s = -math.inf  # when the caller's latest line began
        self.since_end_s = 0.0  # ... and ended
        self.ended_s: dict[str, float] = {}
        self.speaking = False
        self._starts_s: list[float] = []
        self._stops_s: list[float] = []
        self._said: list[tuple[str, float, float]] = []  # word, when said, its sentence's begin

    def note(self, event: Event) -> None:
        """Hear an event of the agent."""
        if event.source != "agent":
            return
        if event.kind == "speech_started":
            self.speaking = True
            self._starts_s.append(event.at_s)
        elif event.kind == "speech_stopped":
            self.speaking = False
            self._stops_s.append(event.at_s)
            # what was cut off is not said; a telephone notices a stop late, after the next begin
            self._said = [
                (word, at_s, began_s)
                for word, at_s, began_s in self._said
                if at_s <= event.at_s + SOFT_END_S or began_s > event.at_s
            ]
        elif event.kind == "sentence":
            for text, _, end_s in event.data["words"]:
                said_s = event.at_s + end_s
                self._said += [(word, said_s, event.at_s) for word in plain_words(text)]
        else:
            return
        self._news.set()

    async def news(self, until_s: float | None) -> None:
        """Wait for the next thing heard, but not longer than until_s."""
        self._news.clear()
        deadline = None if until_s is None else self.line.loop_time(until_s)
        try:
            async with asyncio.timeout_at(deadline):
                await self._news.wait()
        except TimeoutError:
            pass

    def quiet_since_s(self) -> float:
        """Return when somebody was last heard."""
        return max([self.since_end_s, *self._stops_s[-1:]])

    def record_vain_wait(self, moment: Moment, waiting: str) -> None:
        """Note that a moment has not come, and what the agent said instead of it."""
        said = self.said_since()
        self.line.record("caller", "waited", line=waiting, moment=str(moment), said=said)

    def said_since(self) -> str:
        """Return what the agent has said since the caller's last line."""
        return " ".join(
            word for word, at_s, _ in self._said if self.since_end_s <= at_s <= self.line.now_s
        )

    def has_heard(self, wordings: Iterable[str]) -> bool:
        """Tell whether the agent has said one of these since the caller's last line."""
        known_s = map(self.heard_words, wordings)
        return any(at_s is not None and self.line.reached(at_s) for at_s in known_s)

    def due_s(self, moment: Moment) -> float | None:
        """Return when a line with this moment is to be said, as far as is known now."""
        at_s = self._happened_s(moment)
        return None if at_s is None else at_s + moment.delay_s

    def _happened_s(self, moment: Moment) -> float | None:
        match moment.what:
            case "the call starts":
                return 0.0
            case "line ends":
                return self.ended_s[moment.name]
            case "the agent says":
                return self.heard_words(moment.name)
            case "the agent starts to speak":
                return next((at_s for at_s in self._starts_s if at_s > self.since_start_s), None)
            case "the agent stops":
                fresh = self._stops_s and self._stops_s[-1] >= self.since_end_s
                return self._stops_s[-1] if fresh and not self.speaking else None

    def heard_words(self, phrase: str) -> float | None:
        """Return when the phrase was, or will be, said in full since the caller's last line."""
        wanted = plain_words(phrase)
        known = [(word, at_s) for word, at_s, _ in self._said if at_s >= self.since_end_s]
        words = [word for word, _ in known]
        for start in range(len(words) - len(wanted) + 1):
            if words[start : start + len(wanted)] == wanted:
                return known[start + len(wanted) - 1][1]
        return None
