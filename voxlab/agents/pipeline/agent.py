"""The pipeline agent: VAD, STT, language model with tools, and TTS, overlapped and interruptible.

Source: chapter 39.1.4 (LatencyOptimizedVoiceAgent), with what its fragment leaves out: each
segment is recognised as soon as the user pauses, sentences are synthesised and played in order,
a barge-in stops everything at once, and the history keeps only what was spoken.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from voxlab.agents.line import RATE_HZ, Line
from voxlab.agents.pipeline.history import History
from voxlab.agents.pipeline.listening import AudioEar, Ear, EdgeEar
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.pipeline.preparation import Preparation
from voxlab.agents.pipeline.reading_ahead import ReadingAhead
from voxlab.agents.pipeline.reply import PlayedReply
from voxlab.agents.pipeline.segment import Segment
from voxlab.agents.playback import Playback
from voxlab.agents.tools import Tool, Toolbox
from voxlab.agents.utterance import Played
from voxlab.audio import Audio
from voxlab.errors import ProviderError, ProviderTimeout
from voxlab.providers.protocols import EndOfTurn, Providers
from voxlab.providers.stream_guard import judged
from voxlab.text import without_sound_marks
from voxlab.turn_taking import events, manager
from voxlab.turn_taking.events import Timer
from voxlab.turn_taking.interruptions import Meaning
from voxlab.turn_taking.manager import Turn

FRAGILE_REPLIES = 2  # so many replies in a row without a voice, and the agent hangs up


class PipelineAgent:
    """A voice agent built from parts that can be swapped one by one.

    providers: see `voxlab.providers`; tools: what it can do (`shop_tools`). It holds any number
    of calls, one after the other or side by side.
    """

    def __init__(
        self,
        providers: Providers,
        tools: Sequence[Tool] = (),
        options: PipelineOptions | None = None,
    ) -> None:
        self.providers = providers
        self.tools = Toolbox(tools)
        self.options = options or PipelineOptions()

    @property
    def rate_hz(self) -> int:
        """The rate of the line that it hears on, without resampling: its VAD's."""
        return self.providers.vad.rate_hz if self.providers.vad else RATE_HZ

    async def run(self, line: Line) -> None:
        """Hold one call; ends when the line is closed or this task is cancelled."""
        await _Session(self, line).run()


class _Session:
    """One call of a PipelineAgent: feeds the turn manager and carries out its actions.

    Everything runs in one event loop: `post` handles an event, and the events that this causes,
    completely before anything else can happen.
    """

    def __init__(self, agent: PipelineAgent, line: Line) -> None:
        self._agent = agent
        self._options = agent.options
        self._line = line
        self._turn = Turn()
        self._turn_options = replace(
            agent.options.turns, speculates=agent.options.head_start.preemptive
        )
        self._turns_committed = 0
        self._silent_since_s = 0.0  # the user's last sound, as far as the VAD knows
        self._turn_since_s: float | None = None  # where the turn's sound begins
        self._judging: asyncio.Task[None] | None = None
        self._events: deque[events.TurnEvent] = deque()
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._playback = Playback(
            line,
            self._agent_started,
            self._finish_reply,
            self._note_heard,
            pause_s=agent.options.reply.sentence_pause_s,
        )
        self._heard: list[str] = []  # of this reply
        self._history = History(agent.options.instructions)
        self._segment: Segment | None = None
        self._hearing = asyncio.Lock()  # segments are recognised one after the other
        self._reply: PlayedReply | None = None
        self._speculation: PlayedReply | None = None
        self._prepared = Preparation(agent.providers, agent.options, line)
        self._mute_replies = 0
        self._reading: ReadingAhead

    async def run(self) -> None:
        vad = self._agent.providers.vad
        doubts = self._options.head_start.speculative_stt
        options = self._options.vad
        ear: Ear = AudioEar(vad, options, doubts) if vad else EdgeEar(options, doubts)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                llm, tools = self._agent.providers.llm, self._agent.tools.specs
                self._reading = ReadingAhead(llm, tools, self._tasks)
                self._tasks.create_task(self._listen(ear))
                self._read_ahead()
                self.post(events.CallStarted())
                self._tasks.create_task(self._prepared.run())
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._cancel_reply()

    # --- events in -------------------------------------------------------------------------

    def post(self, event: events.TurnEvent) -> None:
        """Let something happen: step the turn manager and do what it says, in order."""
        self._events.append(event)
        if len(self._events) > 1:  # called while an earlier event is handled: it waits its turn
            return
        # an event leaves the queue last: what its actions post meanwhile only joins the queue
        while self._events:
            was = self._turn.state
            self._turn, actions = manager.step(self._turn, self._events[0], self._turn_options)
            if self._turn.state != was:
                why = type(self._events[0]).__name__
                self._line.record("turn", "state", was=was, now=self._turn.state, why=why)
            for action in actions:
                self._perform(action)
            self._events.popleft()

    async def _listen(self, ear: Ear) -> None:
        async for heard in ear.listen(self._line):
            if isinstance(heard, events.UserStopped):
                self._silent_since_s = self._line.now_s - heard.silent_s
            if isinstance(heard, events.UserQuiet):
                self._silent_since_s = self._line.now_s - self._options.vad.doubt_s
            if isinstance(heard, events.UserWentOn) and self._segment is not None:
                self._segment.go_on()
            if not isinstance(heard, Audio):
                self.post(heard)
            elif self._segment is not None:
                self._segment.push(heard)

    # --- actions out -----------------------------------------------------------------------

    def _perform(self, action: events.Action) -> None:
        match action:
            case events.OpenSegment():
                self._open_segment()
            case events.CloseSegment():
                self._close_segment()
            case events.GuessWords():
                if self._segment is not None:
                    self._segment.may_end()
            case events.JudgeEnd():
                self._judge_end()
            case events.EndTurnAfter(silence_s):
                self._start_timer(Timer.END_OF_TURN, self._silent_since_s + silence_s)
            case events.StartTimer(timer, delay_s):
                self._start_timer(timer, self._line.now_s + delay_s)
            case events.StopTimer(timer):
                self._stop_timer(timer)
            case events.Reply(text):
                self._commit(text)
                self._answer(self._make_reply(text))
            case events.StartSpeculation(text):
                self._speculate(text)
            case events.KeepSpeculation(text):
                self._keep_speculation(text)
            case events.DropSpeculation():
                self._drop_speculation()
            case events.Say(text):
                self._answer(self._make_reply("", says=text))
            case events.Pause():
                self._playback.pause()
            case events.Resume():
                self._turn_since_s = None
                self._line.record("agent", "resumed")
                self._playback.resume()
            case events.CancelReply():
                self._cancel_reply()
            case events.HangUp(reason):
                self._line.hang_up(reason)

    def _start_timer(self, timer: Timer, at_s: float) -> None:
        self._stop_timer(timer)
        end = events.SilenceElapsed() if timer is Timer.END_OF_TURN else events.UserIdle()
        self._timers[timer] = self._line.call_at(max(at_s, self._line.now_s), self.post, end)

    def _stop_timer(self, timer: Timer) -> None:
        if timer in self._timers:
            self._timers.pop(timer).cancel()

    # --- hearing ---------------------------------------------------------------------------

    def _open_segment(self) -> None:
        if self._judging is not None:
            self._judging.cancel()  # the user goes on: what was to be judged is over
        vad = self._options.vad
        since_s = self._line.now_s - vad.min_speech_s  # the first sound, as far as we know
        if self._turn_since_s is None:
            self._turn_since_s = since_s - vad.padding_s
        self._segment = Segment(since_s, self._options.stt_timeout_s, self._reply)
        self._tasks.create_task(self._recognise(self._segment))
        self._read_ahead()

    def _judge_end(self) -> None:
        judge = self._agent.providers.end_of_turn
        if judge is not None and self._turn_since_s is not None:
            rate_hz = self._line.rate_hz
            start, end = (round(at_s * rate_hz) for at_s in (self._turn_since_s, self._line.now_s))
            turn = Audio(self._line.heard(max(0, start), end), rate_hz)
            self._judging = self._tasks.create_task(self._judge(judge, turn))

    async def _judge(self, judge: EndOfTurn, turn: Audio) -> None:
        """Tell the turn manager whether the turn sounds finished; not, if the judge fails."""
        try:
            probability = await judged(judge, turn)
        except ProviderError as error:
            self._line.record("turn", "failed", error=str(error))
            return
        self._line.record("turn", "judged", probability=round(probability, 4))
        self.post(events.EndJudged(probability))

    def _close_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    async def _recognise(self, segment: Segment) -> None:
        """Tell the turn manager what was said in a segment; segments keep their order.

        A recogniser that has done, or failed, before the segment ends is heard when it ends.
        """
        async with self._hearing:
            try:
                text: str | None = await self._transcript(segment)
                self._line.record("stt", "final", text=text)
            except ProviderError as error:
                text = None
                self._line.record("stt", "failed", error=str(error))
            await segment.closed.wait()
        if text is None:
            self.post(events.HearingFailed())
        else:
            meaning = self._meaning(text, segment)
            if self._turn.state is manager.State.INTERRUPTED:
                self._line.record("turn", "interruption", text=text, meaning=meaning)
            self.post(events.Transcribed(text, meaning))
            segment.reassure(text)

    def _meaning(self, text: str, segment: Segment) -> Meaning:
        """Return what words mean that are said over the agent."""
        if self._turn.state is not manager.State.INTERRUPTED:
            return Meaning.REQUEST
        if segment.asks_for_presence(text):
            return Meaning.BACKCHANNEL
        lasted_s = self._silent_since_s - segment.since_s
        return self._options.classify(text, self._playback.unheard, lasted_s)

    async def _transcript(self, segment: Segment) -> str:
        self._line.record("stt", "started")
        stream = segment.transcripts(self._agent.providers.stt)
        try:
            async with segment.limit, contextlib.aclosing(stream):
                segment.expect_final()
                async for transcript in stream:
                    if transcript.is_final:
                        return without_sound_marks(transcript.text)
                    if transcript.is_guess:
                        self._guess(transcript.text, segment)
                    else:
                        self._line.record("stt", "partial", text=transcript.text)
                        self._read_ahead(transcript.text)
        except TimeoutError as error:
            limit_s = self._options.stt_timeout_s
            raise ProviderTimeout(f"no final transcript within {limit_s:g} s") from error
        raise ProviderError("the recogniser ended without a final transcript")

    def _guess(self, text: str, segment: Segment) -> None:
        """Tell the turn manager what was said if it was all; not if speech has gone on since."""
        if segment.guess_holds:
            self._line.record("stt", "guess", text=text)
            text = without_sound_marks(text)
            self.post(events.Guessed(text, self._meaning(text, segment)))

    def _read_ahead(self, text: str = "") -> None:
        """Let the model read what was said up to now, text included, if it can."""
        if self._options.head_start.reads_ahead:
            said = " ".join(filter(None, [*self._turn.unanswered, *self._turn.texts, text]))
            self._reading.begin(self._make_reply(said).messages)

    # --- speaking --------------------------------------------------------------------------

    def _commit(self, text: str, **about: object) -> None:
        self._turns_committed += 1
        self._line.record("turn", "commit", turn=self._turns_committed, text=text, **about)
        self._history.commit(text)
        self._turn_since_s = None

    def _make_reply(self, text: str, says: str = "") -> PlayedReply:
        """Return a reply to the user's turn, or one that says a fixed text, not yet begun."""
        heard = " ".join(filter(None, [*self._heard, self._playback.heard]))
        messages, asked = self._history.request(text, self._reply, heard)
        return PlayedReply(
            line=self._line,
            providers=self._agent.providers,
            tools=self._agent.tools,
            playback=self._playback,
            options=self._options.reply,
            messages=messages,
            asked=asked,
            text=says,
            fallback=self._prepared.apology,
            filler=self._prepared.filler,
            early_filler=self._options.head_start.early_filler,
        )

    def _answer(self, reply: PlayedReply) -> None:
        self._reading.stop()
        self._reply = reply
        reply.release()
        reply.task = self._tasks.create_task(reply.run(self._finish_reply))

    def _speculate(self, text: str) -> None:
        """Begin to answer a turn that is not committed; nothing of it leaves the reply."""
        self._line.record("turn", "speculated", text=text)
        self._reading.stop()
        self._speculation = reply = self._make_reply(text)
        reply.task = self._tasks.create_task(reply.run(self._finish_reply))

    def _keep_speculation(self, text: str) -> None:
        """Let out what was prepared; if a provider failed over it, nobody need know: try again."""
        speculation, fresh = self._speculation, self._make_reply(text)
        if speculation is None or not speculation.can_stand_for(fresh):
            self._drop_speculation()
            self._commit(text)
            self._answer(fresh)
            return
        self._commit(text, begun_s=speculation.begun_s)
        self._reply, self._speculation = speculation, None
        speculation.asked = fresh.asked  # as finally heard
        speculation.release()
        self._finish_reply()  # if all of it was there, and was nothing

    def _drop_speculation(self) -> None:
        speculation, self._speculation = self._speculation, None
        if speculation is not None:
            speculation.cancel()
            self._line.record("turn", "dropped", **speculation.made())

    def _agent_started(self) -> None:
        if self._reply is not None:
            self._reply.audible = True
        self.post(events.AgentStarted())

    def _note_heard(self, played: Played) -> None:
        self._heard += [played.heard] if played.heard else []

    def _stop_playing(self) -> tuple[str, str]:
        """Fall silent; return what was heard of the reply, and what was not."""
        stopped = self._playback.stop()
        heard = [*self._heard, *(played.heard for played in stopped)]
        self._heard.clear()
        return " ".join(filter(None, heard)), " ".join(p.unheard for p in stopped if p.unheard)

    def _finish_reply(self) -> None:
        """The reply is over once all its speech is made and played."""
        reply = self._reply
        if reply is None or not reply.complete or not self._playback.idle:
            return
        self._reply = None
        heard, _ = self._stop_playing()  # and if it is paused, it is no more
        if self._history.finish(reply, heard):
            self._line.record("agent", "said", text=heard)
        self._mute_replies = self._mute_replies + 1 if reply.voice_failed else 0
        self.post(events.AgentFinished())
        if self._mute_replies >= FRAGILE_REPLIES:
            self._line.hang_up("the agent has lost its voice: see the failed events of tts")
        elif reply.ends_call:
            self._line.hang_up("the agent handed the caller over")

    def _cancel_reply(self) -> None:
        """Stop thinking and speaking; what nobody heard has not been said."""
        reply, self._reply = self._reply, None
        heard, unheard = self._stop_playing()
        if reply is None:  # nothing was being said
            return
        reply.cancel()
        self._line.record("agent", "interrupted", heard=heard, unheard=unheard)
        if self._history.cut_off(reply, heard):
            self._line.record("agent", "said", text=heard)
