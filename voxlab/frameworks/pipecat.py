"""Pipecat with voxlab's engines: STT, LLM and TTS services, and a line instead of a transport.

Pipecat's own aggregators detect speech and the end of a turn, interrupt, and keep the history. What
it asks of an engine goes to `CallEngines`; what it hears and says is on the line.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames import frames
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators import llm_response_universal as aggregators
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallFromLLM, FunctionCallParams, LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_mute import AlwaysUserMuteStrategy
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from voxlab.agents.line import Line
from voxlab.agents.pipeline.options import GREETING, INSTRUCTIONS
from voxlab.audio import Audio, from_pcm16, to_pcm16
from voxlab.errors import ProviderError
from voxlab.frameworks.engines import VOICE_HZ, CallEngines, FrameworkAgent, Mouth, to_message
from voxlab.providers.protocols import Message, ToolCall, Word
from voxlab.turn_taking.manager import State

CHUNK = VOICE_HZ // 25  # samples that Pipecat writes at once: audio_out_10ms_chunks is 4
PREROLL_S, LEAD_S = 0.12, 0.2  # of sound in a browser's buffer: to begin, and at most
STT_P99_S = 0.6  # longest wait for a transcript after a segment of 8 s, see moonshine.cost_s


class PipecatAgent(FrameworkAgent):
    """A voice agent on Pipecat, offline; a party of a call in real time.

    settings: of Silero as its VAD, and mutes_user_while_speaking for half duplex.
    """

    async def run(self, line: Line) -> None:
        """Hold one call; ends when the line is closed or this task is cancelled."""
        engines = CallEngines(self.providers, self.tools, line)
        instructions: Any = {"role": "system", "content": INSTRUCTIONS}
        schemas = [
            FunctionSchema(
                spec.name,
                spec.description,
                spec.parameters["properties"],
                spec.parameters["required"],
            )
            for spec in engines.toolbox.specs
        ]
        settings = {**self.settings}
        mutes = [AlwaysUserMuteStrategy()] if settings.pop("mutes_user_while_speaking", 0) else []
        vad = SileroVADAnalyzer(params=VADParams(**settings))
        user = aggregators.LLMUserAggregatorParams(vad_analyzer=vad, user_mute_strategies=mutes)
        context = LLMContext([instructions], ToolsSchema(standard_tools=schemas))
        pair = aggregators.LLMContextAggregatorPair(context, user_params=user)
        _note_turns(pair, engines)
        stages = [
            LineInput(engines),
            EngineSTTService(engines),
            pair.user(),
            EngineLLMService(engines),
            EngineTTSService(engines),
            LineOutput(engines),
            pair.assistant(),
        ]
        params = PipelineParams(audio_in_sample_rate=line.rate_hz, audio_out_sample_rate=VOICE_HZ)
        worker = PipelineWorker(Pipeline(stages), params=params, cancel_on_idle_timeout=False)
        await (runner := WorkerRunner(handle_sigint=False)).add_workers(worker)
        await worker.queue_frame(frames.TTSSpeakFrame(GREETING))
        running = asyncio.create_task(runner.run())
        closed = asyncio.create_task(line.closed.wait())
        try:
            await asyncio.wait((running, closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
            await asyncio.gather(worker.cancel(), running)


def _note_turns(pair: Any, engines: CallEngines) -> None:
    """Put on the timeline what only the aggregators know: turns, and what the history keeps."""

    async def note_user(_: object, message: Any) -> None:
        engines.note_history("user", message.content)
        engines.note_state(State.THINKING, "on_user_turn_message_added")

    async def note_agent(_: object, message: Any) -> None:
        if message.content or message.interrupted:  # cut in its first sentence it keeps nothing
            engines.note_history("assistant", message.content)

    pair.user().add_event_handler("on_user_turn_message_added", note_user)
    pair.assistant().add_event_handler("on_assistant_turn_stopped", note_agent)


class EngineSTTService(SegmentedSTTService):
    """Speech to text: whole segments, which Pipecat's VAD cuts out."""

    wants_wav_segments = False  # but bare samples

    def __init__(self, engines: CallEngines) -> None:
        settings = STTSettings(model=None, language=None)
        super().__init__(settings=settings, ttfs_p99_latency=STT_P99_S)
        self._engines = engines

    async def run_stt(self, audio: bytes) -> AsyncGenerator[frames.Frame | None, None]:
        """Hear one segment."""
        try:
            text = await self._engines.hear(Audio(from_pcm16(audio), self.sample_rate))
        except ProviderError as error:
            yield frames.ErrorFrame(str(error))
            return
        if text:
            yield frames.TranscriptionFrame(text, "user", time_now_iso8601())


class EngineLLMService(LLMService):
    """Text to text, with tools."""

    def __init__(self, engines: CallEngines) -> None:
        nothing = {each.name: None for each in fields(LLMSettings) if each.init}  # of a vendor's
        super().__init__(settings=LLMSettings(**nothing))
        self._engines = engines
        self.register_function(None, self._use_tool)  # whichever it is

    async def _use_tool(self, asked: FunctionCallParams) -> None:
        call = ToolCall(asked.tool_call_id, asked.function_name, asked.arguments)
        await asked.result_callback(json.loads(await self._engines.use(call)))

    async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
        """Answer a conversation; hand on everything else."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, frames.LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(frames.LLMFullResponseStartFrame())
        try:
            await self._answer(frame.context)
        except ProviderError as error:
            await self.push_error(str(error), exception=error)
        finally:
            await self.push_frame(frames.LLMFullResponseEndFrame())

    async def _answer(self, context: LLMContext) -> None:
        calls = []
        tools = self._engines.toolbox.specs
        async with aclosing(self._engines.answer(_messages(context), tools)) as parts:
            async for part in parts:
                if isinstance(part, str):
                    await self._push_llm_text(part)
                else:
                    calls.append(FunctionCallFromLLM(part.name, part.id, part.arguments, context))
        if calls:
            await self.run_function_calls(calls)


def _messages(context: LLMContext) -> list[Message]:
    """Return Pipecat's history, which is in OpenAI's format, as our messages."""
    messages = []
    for message in context.get_messages():
        asked = [(call["id"], call["function"]) for call in message.get("tool_calls", ())]
        calls = tuple(ToolCall(id, f["name"], json.loads(f["arguments"])) for id, f in asked)
        tools = {"tool_calls": calls, "tool_call_id": message.get("tool_call_id", "")}
        messages.append(to_message(message["role"], message.get("content") or "", **tools))
    return messages


@dataclass
class SpokenWordsFrame(frames.DataFrame):
    """The words of the sound that follows, with their times: Pipecat's audio carries none."""

    words: tuple[Word, ...] = ()


class EngineTTSService(TTSService):
    """Text to speech, sentence by sentence, with the time of each word."""

    def __init__(self, engines: CallEngines) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=VOICE_HZ,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self._engines = engines

    async def run_tts(
        self, text: str, context_id: str
    ) -> AsyncGenerator[frames.Frame | None, None]:
        """Speak a sentence; each piece begins a chunk of its own, after its words."""
        try:
            async with aclosing(self._engines.speak(text)) as pieces:
                async for piece in pieces:
                    if piece.audio is None:
                        continue
                    samples = piece.audio.resample(VOICE_HZ).samples
                    padded = np.pad(samples, (0, -samples.size % CHUNK))
                    yield SpokenWordsFrame(piece.words)
                    yield frames.TTSAudioRawFrame(
                        to_pcm16(padded), VOICE_HZ, 1, context_id=context_id
                    )
        except ProviderError as error:
            yield frames.ErrorFrame(str(error))


class LineInput(BaseInputTransport):
    """What the user says, in frames as a transport would send them."""

    def __init__(self, engines: CallEngines) -> None:
        super().__init__(TransportParams(audio_in_enabled=True))
        self._engines = engines
        self._feeding: asyncio.Task[None] | None = None

    async def start(self, frame: frames.StartFrame) -> None:
        """Begin to listen."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._feeding = self.create_task(self._feed())

    async def cleanup(self) -> None:
        """Listen no more."""
        if self._feeding is not None:
            await self.cancel_task(self._feeding)
        await super().cleanup()

    async def _feed(self) -> None:
        rate_hz = self._engines.line.rate_hz
        async for samples in self._engines.frames():
            await self.push_audio_frame(frames.InputAudioRawFrame(to_pcm16(samples), rate_hz, 1))


class LineOutput(BaseOutputTransport):
    """Plays what the agent says on the line, as fast as it sounds."""

    def __init__(self, engines: CallEngines) -> None:
        super().__init__(TransportParams(audio_out_enabled=True))
        self._engines, self._line = engines, engines.line
        self._mouth = Mouth(engines, preroll_s=PREROLL_S)
        self._words: tuple[Word, ...] = ()
        self._end_s = 0.0  # of what is on the line

    async def start(self, frame: Any) -> None:
        """Begin to play."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_transport_frame(self, frame: frames.Frame) -> None:
        """Take the words of the next sound."""
        if isinstance(frame, SpokenWordsFrame):
            self._words = frame.words

    async def write_audio_frame(self, frame: frames.OutputAudioRawFrame) -> bool:
        """Lay a chunk on the line, and wait until the next one is needed."""
        words, self._words = self._words, ()
        self._mouth.play(from_pcm16(frame.audio), frame.sample_rate, words)
        self._end_s = max(self._end_s, self._line.now_s) + CHUNK / VOICE_HZ
        await self._line.wait_until(self._end_s - LEAD_S)
        return True

    async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
        """Fall silent when the user interrupts; note when they speak."""
        match frame:
            case frames.InterruptionFrame():
                self._words, self._end_s = (), 0.0
                self._mouth.interrupt()
            case frames.VADUserStartedSpeakingFrame():
                self._engines.note_user(is_speaking=True)
            case frames.VADUserStoppedSpeakingFrame():
                self._engines.note_user(is_speaking=False)
        await super().process_frame(frame, direction)

    async def push_frame(
        self, frame: frames.Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Note when the agent begins and ends to speak, as Pipecat sees it."""
        match frame, direction:
            case frames.BotStartedSpeakingFrame(), FrameDirection.DOWNSTREAM:
                self._engines.note_state(State.SPEAKING, type(frame).__name__)
            case frames.BotStoppedSpeakingFrame(), FrameDirection.DOWNSTREAM:
                self._engines.note_state(State.LISTENING, type(frame).__name__)
                self._mouth.complete()
        await super().push_frame(frame, direction)
