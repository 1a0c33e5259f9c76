"""Clients that other people wrote, against the server: LiveKit, Pipecat and OpenAI's agents for JS.

`make clients` runs them in an environment of their own; elsewhere they are skipped. The third one
needs Node.js, and @openai/agents-realtime in a folder that VOXLAB_AGENTS_JS names.
"""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad
from realtime_client import engines, quiet, tone, weather_call
from realtime_sockets import run

from voxlab.providers.scripted import Answer
from voxlab.serving.realtime.engines import Engines
from voxlab.serving.realtime.transport.server import serving

TURN = quiet(0.5) + tone(1.0) + quiet(1.0)
LONG = "A long answer that goes on and on. " * 20
AGENTS_JS = Path(os.environ.get("VOXLAB_AGENTS_JS", "node_modules_of_nobody"))

pytestmark = [
    pytest.mark.slow,
    # the clients' own, of libraries that change
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def scripted(*answers: Answer) -> Engines:
    return lambda: engines(answers, texts=["What is the weather in Paris?", "Stop."])


def weather_schema() -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in ("city", "day")}
    return {"type": "object", "properties": properties, "required": ["city", "day"]}


# --- LiveKit --------------------------------------------------------------------------------


def livekit() -> tuple[Any, Any, Any]:
    plugin = pytest.importorskip("livekit.plugins.openai", reason="make clients")
    from livekit import rtc
    from livekit.agents import llm

    return plugin.realtime.RealtimeModel, rtc, llm


def test_livekit_hears_a_turn_calls_a_tool_and_is_interrupted():
    realtime_model, rtc, llm = livekit()

    @llm.function_tool(
        raw_schema={"name": "get_weather", "description": "", "parameters": weather_schema()}
    )
    async def get_weather(raw_arguments: dict[str, object]) -> str:
        raise AssertionError("the session only reports the call")

    def frame(sound: bytes) -> Any:
        return rtc.AudioFrame(sound, 24_000, 1, len(sound) // 2)

    async def talk() -> None:
        answers = [["One moment. ", weather_call()], LONG, "Bye."]
        async with serving(scripted(*answers)) as server:
            detection = ServerVad(
                type="server_vad",
                silence_duration_ms=300,
                create_response=True,
                interrupt_response=True,
            )
            model = realtime_model(
                base_url=server.http_url, api_key="test", turn_detection=detection
            )
            session = model.session()
            generations: asyncio.Queue[Any] = asyncio.Queue()
            heard: asyncio.Queue[Any] = asyncio.Queue()
            errors: list[Any] = []
            session.on("generation_created", generations.put_nowait)
            session.on("input_audio_transcription_completed", heard.put_nowait)
            session.on("error", errors.append)
            await session.update_instructions("Be brief.")
            await session.update_tools([get_weather])
            for start in range(0, len(TURN), 4800):
                session.push_audio(frame(TURN[start : start + 4800]))
            first = await generations.get()
            messages = [message async for message in first.message_stream]
            said = "".join([text async for text in messages[0].text_stream])
            sound = [piece async for piece in messages[0].audio_stream]
            calls = [call async for call in first.function_stream]
            assert (await heard.get()).transcript == "What is the weather in Paris?"
            assert said == "One moment."
            assert sum(piece.duration for piece in sound) > 0.5
            assert json.loads(calls[0].arguments) == {"city": "Paris", "day": "tomorrow"}

            context = session.chat_ctx.copy()
            context.items.append(
                llm.FunctionCallOutput(
                    call_id=calls[0].call_id, name="get_weather", output="clear", is_error=False
                )
            )
            await session.update_chat_ctx(context)
            second = await session.generate_reply()
            message = await anext(aiter(second.message_stream))
            await anext(aiter(message.audio_stream))
            session.interrupt()
            session.truncate(
                message_id=message.message_id,
                modalities=["audio"],
                audio_end_ms=100,
                audio_transcript="A long",
            )
            third = await session.generate_reply()
            message = await anext(aiter(third.message_stream))
            assert "".join([text async for text in message.text_stream]) == "Bye."
            assert not errors
            await session.aclose()
            await model.aclose()

    run(talk())


# --- Pipecat --------------------------------------------------------------------------------


def test_pipecats_service_answers_a_turn_with_a_tool():
    pytest.importorskip("pipecat.services.openai.realtime", reason="make clients")
    from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
    from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
    from pipecat.frames.frames import (
        ErrorFrame,
        InputAudioRawFrame,
        LLMContextFrame,
        TTSAudioRawFrame,
        TTSTextFrame,
    )
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.runner import PipelineRunner
    from pipecat.pipeline.task import PipelineParams, PipelineTask
    from pipecat.processors.aggregators.llm_context import LLMContext
    from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
    from pipecat.services.openai.realtime.events import (
        AudioConfiguration,
        AudioInput,
        InputAudioTranscription,
        SessionProperties,
        TurnDetection,
    )
    from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService

    spoken, errors, calls = [], [], []
    done = asyncio.Event()

    class Sink(FrameProcessor):  # type: ignore[misc]
        async def process_frame(self, frame: Any, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, TTSAudioRawFrame):
                spoken.append(np.frombuffer(frame.audio, "<i2"))
            elif isinstance(frame, TTSTextFrame) and "clear" in frame.text:
                done.set()
            elif isinstance(frame, ErrorFrame):
                errors.append(frame)
            await self.push_frame(frame, direction)

    async def talk() -> None:
        async with serving(scripted(LONG, weather_call(), "It is clear in Paris.")) as server:
            properties = weather_schema()["properties"]
            tool = FunctionSchema("get_weather", "The weather", properties, ["city", "day"])
            turns = AudioInput(
                transcription=InputAudioTranscription(),
                turn_detection=TurnDetection(silence_duration_ms=300),
            )
            service = OpenAIRealtimeLLMService(
                api_key="test",
                base_url=server.url,
                settings=OpenAIRealtimeLLMService.Settings(
                    session_properties=SessionProperties(audio=AudioConfiguration(input=turns))
                ),
            )

            async def get_weather(call: Any) -> None:
                calls.append(call.arguments)
                await call.result_callback({"sky": "clear"})

            service.register_function("get_weather", get_weather)
            context = LLMContext(
                [{"role": "user", "content": "Hello."}], ToolsSchema(standard_tools=[tool])
            )
            pair = LLMContextAggregatorPair(context)
            sink = Sink()
            pipeline = Pipeline([pair.user(), service, sink, pair.assistant()])
            params = PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000)
            task = PipelineTask(pipeline, params=params, cancel_on_idle_timeout=False)
            runner = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
            await task.queue_frames([LLMContextFrame(context)])
            step = 960
            for start in range(0, len(TURN), step):
                sound = TURN[start : start + step]
                await task.queue_frame(InputAudioRawFrame(sound, 24_000, 1))
                await asyncio.sleep(0.002)
            await done.wait()
            await task.cancel()
            await runner

    run(talk())
    assert calls == [{"city": "Paris", "day": "tomorrow"}]
    assert sum(map(len, spoken)) > 9_600
    assert not errors


# --- OpenAI's agents for JavaScript ---------------------------------------------------------

SCRIPT = """
import { RealtimeAgent, RealtimeSession, tool, OpenAIRealtimeWebSocket }
    from '@openai/agents-realtime';
import { z } from 'zod';
const url = process.argv[2], errors = [], calls = [];
const weather = tool({
    name: 'get_weather', description: 'The weather',
    parameters: z.object({ city: z.string(), day: z.string() }),
    execute: async (asked) => { calls.push(asked); return JSON.stringify({ sky: 'clear' }); },
});
const agent = new RealtimeAgent({ name: 'A', instructions: 'Be brief.', tools: [weather] });
const transport = new OpenAIRealtimeWebSocket({ url, useInsecureApiKey: true });
const session = new RealtimeSession(agent, { transport, model: 'gpt-realtime' });
let bytes = 0, ends = 0, detection, interrupted = false;
session.on('error', (e) => errors.push(JSON.stringify(e)));
session.on('audio', (e) => { bytes += e.data.byteLength; });
session.on('audio_interrupted', () => { interrupted = true; });
session.on('transport_event', (e) => {
    if (e.type === 'session.updated') detection = e.session.audio.input.turn_detection.type;
    if (e.type === 'response.output_audio.delta' && ends === 2 && !interrupted) {
        session.interrupt();
    }
    if (e.type !== 'response.done') return;
    ends += 1;
    if (ends === 2) session.sendMessage('Tell me a story.');
    if (ends === 3) setTimeout(() => {
        const history = session.history.map((item) => [item.type, item.role ?? item.name]);
        console.log(JSON.stringify({ calls, bytes, errors, detection, interrupted, history }));
        process.exit(0);
    }, 200);
});
await session.connect({ apiKey: 'test', url });
session.sendMessage('What is the weather in Paris tomorrow?');
"""


@pytest.mark.skipif(
    not shutil.which("node") or not (AGENTS_JS / "node_modules/@openai/agents-realtime").is_dir(),
    reason="make clients, and Node.js",
)
def test_openais_agents_for_javascript_talk_call_a_tool_and_interrupt(tmp_path: Path):
    script = AGENTS_JS / "voxlab_client.mjs"
    script.write_text(SCRIPT)

    async def talk() -> dict[str, Any]:
        answers = [["One moment. ", weather_call()], "It is clear in Paris.", LONG]
        async with serving(scripted(*answers)) as server:
            node = await asyncio.create_subprocess_exec(
                "node",
                script.name,
                server.url + "?model=gpt-realtime",
                cwd=AGENTS_JS,
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await node.communicate()
            told: dict[str, Any] = json.loads(out.splitlines()[-1])
            return told

    told = run(talk())
    assert told["errors"] == []
    assert told["calls"] == [{"city": "Paris", "day": "tomorrow"}]
    assert told["detection"] == "semantic_vad"  # its default
    assert told["interrupted"]
    assert ["function_call", "get_weather"] in told["history"]
    assert told["bytes"] > 48_000
