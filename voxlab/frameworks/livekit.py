"""LiveKit Agents with voxlab's engines: STT, LLM and TTS plugins, and a line instead of a room.

`AgentSession` takes turns and keeps the history. What it asks of an engine goes to `CallEngines`.
"""

import json
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, APIError, llm, stt, tts, types, utils
from livekit.agents.voice import io
from livekit.agents.voice.transcription.synchronizer import TranscriptSynchronizer

from voxlab.agents.line import Line
from voxlab.agents.pipeline.options import GREETING, INSTRUCTIONS
from voxlab.agents.tools import Tool
from voxlab.agents.utterance import Played
from voxlab.audio import Audio, from_pcm16, to_pcm16
from voxlab.errors import ProviderError
from voxlab.frameworks.engines import VOICE_HZ, CallEngines, FrameworkAgent, Mouth, to_message
from voxlab.providers.protocols import Message, ToolCall, ToolSpec, Word
from voxlab.sentences import SentenceChunker
from voxlab.turn_taking.manager import State


class LiveKitAgent(FrameworkAgent):
    """A voice agent on LiveKit Agents, offline, in real time. settings: of `AgentSession`."""

    async def run(self, line: Line) -> None:
        """Hold one call; ends when the line is closed or this task is cancelled."""
        engines = CallEngines(self.providers, self.tools, line)
        session: AgentSession = AgentSession(**make_plugins(engines), **self.settings)
        chain = {"next_in_chain_audio": LineOutput(engines), "next_in_chain_text": None}
        spoken = TranscriptSynchronizer(**chain)  # the history keeps what was spoken, by its guess
        session.input.audio = LineInput(engines)
        session.output.audio = spoken.audio_output
        session.output.transcription = spoken.text_output
        note_events(session, engines)
        try:
            await session.start(make_agent(engines))
            session.say(GREETING)
            await line.closed.wait()
        finally:
            await session.aclose()
            await spoken.aclose()


def make_plugins(engines: CallEngines) -> dict[str, Any]:
    """Return our engines as arguments of `AgentSession`."""
    return {"stt": EngineSTT(engines), "llm": EngineLLM(engines), "tts": EngineTTS(engines)}


def make_agent(engines: CallEngines) -> Agent:
    """Return the agent: its instructions and its tools, wherever it is heard."""
    tools = [_as_tool(tool, engines) for tool in engines.tools]
    return Agent(instructions=INSTRUCTIONS, tools=tools)


def note_events(session: AgentSession, engines: CallEngines) -> None:
    """Put on the timeline what only the session knows: speech, turns, states and the history."""

    def note_user(event: Any) -> None:
        if "speaking" in (event.old_state, event.new_state):
            engines.note_user(event.new_state == "speaking")

    def note_agent(event: Any) -> None:
        states = {each.value: each for each in State}  # others: initializing, idle
        engines.note_state(states.get(event.new_state, State.LISTENING), event.type)

    def note_item(event: Any) -> None:
        if event.item.type == "message":
            engines.note_history(event.item.role, event.item.text_content or "")

    def note_close(event: Any) -> None:
        if event.error is not None:
            engines.line.fail("agent", getattr(event.error, "error", RuntimeError(event.error)))

    session.on("user_state_changed", note_user)
    session.on("agent_state_changed", note_agent)
    session.on("conversation_item_added", note_item)
    session.on("close", note_close)


@contextmanager
def _as_api_errors() -> Iterator[None]:
    """Let an engine's failure be one that LiveKit knows: it asks no engine twice."""
    try:
        yield
    except ProviderError as error:
        raise APIError(str(error), retryable=False) from error


def _as_tool(tool: Tool, engines: CallEngines) -> Any:
    """Return a tool of ours as LiveKit's function tool."""
    spec = tool.spec
    schema = {"name": spec.name, "description": spec.description, "parameters": spec.parameters}

    @llm.function_tool(raw_schema=schema)
    async def call_tool(raw_arguments: dict[str, object]) -> str:
        return await engines.use(ToolCall(utils.shortuuid("call_"), spec.name, raw_arguments))

    return call_tool


class EngineSTT(stt.STT):
    """Speech to text: whole segments, which LiveKit's VAD cuts out."""

    def __init__(self, engines: CallEngines) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._engines = engines

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        frame = utils.merge_frames(buffer)
        with _as_api_errors():
            sound = Audio(from_pcm16(bytes(frame.data)), frame.sample_rate)
            text = await self._engines.hear(sound)
        heard = [stt.SpeechData(language="en", text=text)]
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=heard)


class EngineLLM(llm.LLM):
    """Text to text, with tools."""

    def __init__(self, engines: CallEngines) -> None:
        super().__init__()
        self.engines = engines

    def chat(
        self,
        *,
        chat_ctx: Any,
        tools: Any = None,
        conn_options: Any = types.DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> "EngineLLMStream":
        """Answer the conversation."""
        return EngineLLMStream(
            self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options
        )


class EngineLLMStream(llm.LLMStream):
    """One answer of the model."""

    async def _run(self) -> None:
        known = llm.ToolContext(self._tools).parse_function_tools("openai", strict=False)
        tools = [ToolSpec(**each["function"]) for each in known]
        id, messages = utils.shortuuid("answer_"), _messages(self._chat_ctx)
        with _as_api_errors():
            async with aclosing(self._llm.engines.answer(messages, tools)) as parts:
                async for part in parts:
                    delta = llm.ChoiceDelta(role="assistant", **_content(part))
                    self._event_ch.send_nowait(llm.ChatChunk(id=id, delta=delta))


def _content(part: str | ToolCall) -> dict[str, Any]:
    if isinstance(part, str):
        return {"content": part}
    arguments = json.dumps(dict(part.arguments))
    call = llm.FunctionToolCall(name=part.name, arguments=arguments, call_id=part.id)
    return {"tool_calls": [call]}


def _messages(context: llm.ChatContext) -> list[Message]:
    """Return LiveKit's history as our messages."""
    messages = []
    for item in context.items:
        if item.type == "message":
            messages.append(to_message(item.role, item.text_content or ""))
        elif item.type == "function_call":
            call = ToolCall(item.call_id, item.name, json.loads(item.arguments))
            messages.append(Message("assistant", "", tool_calls=(call,)))
        elif item.type == "function_call_output":
            messages.append(Message("tool", item.output, tool_call_id=item.call_id))
    return messages


class EngineTTS(tts.TTS):
    """Text to speech, sentence by sentence, with the time of each word."""

    def __init__(self, engines: CallEngines) -> None:
        can = tts.TTSCapabilities(streaming=True, aligned_transcript=True)
        super().__init__(capabilities=can, sample_rate=VOICE_HZ, num_channels=1)
        self.engines = engines

    def synthesize(
        self, text: str, *, conn_options: Any = types.DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak a text."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(self, *, conn_options: Any = types.DEFAULT_API_CONNECT_OPTIONS) -> "EngineTTSStream":
        """Speak a text that is still being written."""
        return EngineTTSStream(tts=self, conn_options=conn_options)


class EngineTTSStream(tts.SynthesizeStream):
    """One reply, spoken while it is written."""

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=VOICE_HZ,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        chunker, self._spoken_s = SentenceChunker(), 0.0
        with _as_api_errors():
            async for text in self._input_ch:
                is_flush = isinstance(text, self._FlushSentinel)
                for sentence in chunker.flush() if is_flush else chunker.feed(text):
                    await self._speak(sentence, output_emitter)
            for sentence in chunker.flush():
                await self._speak(sentence, output_emitter)
        output_emitter.end_segment()

    async def _speak(self, sentence: str, emitter: tts.AudioEmitter) -> None:
        self._mark_started()
        async with aclosing(self._tts.engines.speak(sentence)) as pieces:
            async for piece in pieces:
                for word in piece.words:
                    begin_s, end_s = self._spoken_s + word.start_s, self._spoken_s + word.end_s
                    timed = types.TimedString(f"{word.text} ", start_time=begin_s, end_time=end_s)
                    emitter.push_timed_transcript(timed)
                if piece.audio is not None:
                    emitter.push(to_pcm16(piece.audio.resample(VOICE_HZ).samples))
                emitter.flush()  # the next piece begins a frame of its own, with its words
                self._spoken_s += piece.duration_s


class LineInput(io.AudioInput):
    """What the user says, in frames as a room would send them."""

    def __init__(self, engines: CallEngines) -> None:
        super().__init__(label="line")
        self._rate_hz = engines.line.rate_hz
        self._frames = engines.frames()

    async def __anext__(self) -> rtc.AudioFrame:
        samples = await anext(self._frames)
        return rtc.AudioFrame(to_pcm16(samples), self._rate_hz, 1, samples.size)


class LineOutput(io.AudioOutput):
    """Plays what the agent says on the line, and tells LiveKit how much of it was played."""

    def __init__(self, engines: CallEngines) -> None:
        can = io.AudioOutputCapabilities(pause=True)
        super().__init__(label="line", capabilities=can, next_in_chain=None, sample_rate=None)
        self._mouth = Mouth(
            engines, lambda: self.on_playback_started(created_at=time.time()), self._tell_end
        )
        self._captured_s = 0.0  # of this segment
        self._is_cleared = False  # of a segment that was interrupted, the rest is dropped

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Lay a frame on the line, after what is there."""
        await super().capture_frame(frame)
        if self._is_cleared:
            return
        since_s = self._captured_s
        words = [
            Word(text.strip(), max(0.0, text.start_time - since_s), text.end_time - since_s)
            for text in frame.userdata.get(types.USERDATA_TIMED_TRANSCRIPT, ())
        ]
        self._mouth.play(from_pcm16(bytes(frame.data)), frame.sample_rate, words)
        self._captured_s += frame.duration

    def flush(self) -> None:
        """Nothing more comes of this segment."""
        super().flush()
        self._mouth.complete()
        self._captured_s, self._is_cleared = 0.0, False

    def clear_buffer(self) -> None:
        """Fall silent for good: the user has interrupted."""
        self._is_cleared = self._captured_s > 0
        for played in self._mouth.interrupt():
            self._tell_end(played, interrupted=True)

    def pause(self) -> None:
        """Fall silent until it is known whether the user interrupts."""
        super().pause()
        self._mouth.pause()

    def resume(self) -> None:
        """Go on after a false interruption."""
        super().resume()
        self._mouth.resume()

    def _tell_end(self, played: Played, interrupted: bool = False) -> None:
        position_s = max(0.0, played.heard_s)
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)
