"""The beta shim over a socket: its events are the beta's, and what fragment 39.1.1a does works."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets
from openai.types.beta.realtime import realtime_server_event as beta_events
from realtime_client import TURN, weather_call
from realtime_sockets import BETA, LONG, MODEL, append, run, scripted

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.serving.realtime.engines import offline_engines
from voxlab.serving.realtime.transport.server import ServerOptions, serving
from voxlab.text import spoken_words

Event = dict[str, Any]


def strictly_beta(raw: str) -> Event:
    """Return an event that the openai package's beta models accept, with every field known.

    The models list old names of the model, and not yet the names of functions in their events.
    """
    event: Event = json.loads(raw)
    if event["type"] == "response.function_call_arguments.done":
        assert event.pop("name")
    if "session" in event:
        assert event["session"].pop("object") == "realtime.session"
        assert event["session"].pop("expires_at")
    models = {}
    for model in beta_events.RealtimeServerEvent.__origin__.__args__:  # type: ignore[attr-defined]
        models[model.model_fields["type"].annotation.__args__[0]] = model
    return validated_beta(event, models)


def validated_beta(event: Event, models: dict[str, Any]) -> Event:
    parsed = models[event["type"]].model_validate_json(json.dumps(event), strict=True)
    assert not unknown_fields(parsed), event
    return event


def unknown_fields(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in unknown_fields(item)]
    if not hasattr(value, "model_extra"):
        return []
    below = [getattr(value, name) for name in value.model_fields_set]
    return [*(value.model_extra or {}), *unknown_fields(below)]


@pytest.mark.slow
def test_every_event_of_the_beta_shim_is_one_of_the_betas():
    async def talk() -> set[str]:
        answers = [["One moment.", weather_call()], "Text.", LONG]
        options = ServerOptions(allows_beta=True)
        protocols = ["realtime", "openai-insecure-api-key.test", "openai-beta.realtime-v1"]
        async with (
            serving(scripted(*answers), options) as server,
            websockets.connect(server.url + MODEL, subprotocols=protocols) as ws,
        ):
            kinds = set()

            async def see(kind: str) -> Event:
                async for raw in ws:
                    event = strictly_beta(raw)
                    kinds.add(event["type"])
                    if event["type"] == kind:
                        return event
                raise AssertionError(kind)

            settings = {
                "modalities": ["text", "audio"],
                "voice": "echo",
                "temperature": 0.7,
                "input_audio_format": "pcm16",
                "output_audio_format": "g711_ulaw",
                "input_audio_transcription": {"model": "whisper-1"},
                "max_response_output_tokens": 500,
                "turn_detection": {"type": "server_vad", "threshold": 0.5},
            }
            await ws.send(json.dumps({"type": "session.update", "session": settings}))
            told = (await see("session.updated"))["session"]
            assert told["output_audio_format"] == "g711_ulaw"
            assert told["max_response_output_tokens"] == 500
            assert told["modalities"] == ["text", "audio"]
            await ws.send(append(TURN))
            await see("rate_limits.updated")
            part = {"type": "text", "text": "Earlier."}
            item = {"type": "message", "role": "assistant", "content": [part]}
            await ws.send(json.dumps({"type": "conversation.item.create", "item": item}))
            request = {"modalities": ["text"], "max_response_output_tokens": 50}
            await ws.send(json.dumps({"type": "response.create", "response": request}))
            await see("response.done")
            await ws.send(json.dumps({"type": "response.create"}))
            await see("response.audio.delta")
            await ws.send(json.dumps({"type": "response.cancel"}))
            await see("response.done")
            await ws.send(json.dumps({"type": "session.update", "session": {"voice": 3}}))
            await see("error")
            return kinds

    kinds = run(talk())
    assert not [kind for kind in kinds if "output_audio" in kind or "output_text" in kind]
    assert {
        "conversation.item.created",
        "response.audio.delta",
        "response.audio_transcript.done",
        "response.text.delta",
        "response.output_item.done",
        "response.function_call_arguments.done",
        "conversation.item.input_audio_transcription.completed",
    } <= kinds


LOOKUP = {"type": "function", "name": "lookup_order", "description": "Find an order."}
LOOKUP["parameters"] = {"type": "object", "properties": {"order_id": {"type": "string"}}}
FLAT = {"modalities": ["text", "audio"], "voice": "alloy", "instructions": "Help Acme's callers."}
FLAT |= {"tools": [LOOKUP], "turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}


async def as_39_1_1a(url: str, question: Audio) -> tuple[Audio, list[Event]]:
    """Send and read, event for event, what fragment 39.1.1a does; return the sound and the calls.

    As printed, a tool's answer is followed by response.create at once, within its own response.
    The microphone is a recording, and we stop where the fragment listens for ever.
    """
    pieces, calls = [], []
    speech = audio.concatenate([question.resample(24_000), audio.silence(1.0, 24_000)])
    async with websockets.connect(url, additional_headers=BETA) as ws:
        await ws.send(json.dumps({"type": "session.update", "session": FLAT}))
        await ws.send(append(audio.to_pcm16(speech.samples)))
        while True:
            match event := json.loads(await ws.recv()):
                case {"type": "response.audio.delta", "delta": delta}:
                    pieces.append(audio.from_pcm16(base64.b64decode(delta)))
                case {"type": "response.function_call_arguments.done", "call_id": call_id}:
                    calls.append({"name": event["name"], **json.loads(event["arguments"])})
                    order = {"id": "12345", "status": "shipped", "items": 2, "total": 40.0}
                    output = {"type": "function_call_output", "call_id": call_id}
                    output["output"] = json.dumps(order)
                    created = {"type": "conversation.item.create", "item": output}
                    for answer in (created, {"type": "response.create"}):
                        await ws.send(json.dumps(answer))
                case {"type": "response.done"} if pieces:
                    return Audio(np.concatenate(pieces), 24_000), calls


@pytest.mark.slow
def test_the_chapters_fragment_holds_a_conversation_from_wav_to_wav(tmp_path: Path):
    async def talk() -> tuple[Audio, list[Event]]:
        question = audio.read(data.path("callers/heart/order_where.wav"))
        async with serving(offline_engines(), ServerOptions(allows_beta=True)) as server:
            url = server.url + "?model=gpt-4o-realtime-preview"
            return await as_39_1_1a(url, question)

    spoken, calls = run(talk())
    audio.write(tmp_path / "answer.wav", spoken)
    from voxlab.providers.moonshine import MoonshineSTT

    said = MoonshineSTT().recognize(audio.read(tmp_path / "answer.wav"))
    assert calls == [{"name": "lookup_order", "order_id": "12345"}]
    # the voice reads the number digit by digit; then the recogniser writes "state-assipped"
    assert "1 2 3 4 5" in " ".join(spoken_words(said))
    assert "items" in said.lower()
