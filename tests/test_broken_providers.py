"""Ten broken providers and more: each call ends with an apology or a clear line, and its record.

BROKEN is the list that we keep: a new way in which an engine was seen to fail gets a line here.
"""

import asyncio
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from voxlab.agents.callers.script import parse_script
from voxlab.agents.calls import play
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.realtime.agent import RealtimeAgent
from voxlab.agents.realtime.settings import RealtimeOptions
from voxlab.audio import Audio
from voxlab.cli import reports
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers, Speech, TextDelta, ToolCall, Transcript, Word
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT
from voxlab.serving.realtime.engines import LevelVAD
from voxlab.serving.realtime.transport.in_memory import in_memory
from voxlab.timeline import Call
from voxlab.turn_taking.manager import TurnOptions

TEXT = "Your order left this morning."
RATE_HZ = 24_000


def gives(*items, then=None):
    """Return a method that gives these, each after 0.1 s of the call's virtual time.

    then: what it raises at the end; True to wait for ever.
    """

    async def stream(*_):
        for item in items:
            await asyncio.sleep(0.1)
            yield item() if callable(item) else item
        if isinstance(then, Exception):
            raise then
        if then:
            await asyncio.Event().wait()

    return stream


def refuses(error):
    def open_stream(*_):
        raise error

    return open_stream


class Broken:
    """A provider of any kind with one broken method."""

    rate_hz, frame_size = 16_000, 512

    def __init__(self, does):
        self.transcribe = self.stream = self.synthesize = self.probability = does


class DeafVAD(Broken):
    """A VAD whose every stream gives `value`, or raises it."""

    def __init__(self, value):
        self.value = value
        self.stream = lambda: Broken(self.answer)

    def answer(self, _):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class AsyncJudge(DeafVAD):
    """A judge of turns that gives `value`, or raises it."""

    async def probability(self, turn):
        return self.answer(turn)


class SoundTTS:
    """Makes a tone for each sentence: the voice of what is not broken."""

    async def synthesize(self, text):
        wave = 0.2 * np.sin(np.arange(RATE_HZ) * 0.05).astype(np.float32)
        yield Speech(text, 1.0, Audio(wave, RATE_HZ))


def raw_sound():
    return Speech(TEXT, 1.0, np.zeros(RATE_HZ, np.float32))


WRONG_KEY = ProviderError("401: the key is not valid; set OPENAI_API_KEY to one that is")
TOO_MANY = ProviderError("429: too many requests; wait 20 s")
NO_SPEECH = ProviderError("404: this server makes no speech")
DOWN = ConnectionRefusedError("nobody listens at 127.0.0.1:9")

# name: (which part, how it is broken, what the failure must tell)
BROKEN = {
    "recogniser: wrong key": ("stt", Broken(refuses(WRONG_KEY)), "401: the key is not valid"),
    "recogniser: never a final": (
        "stt",
        Broken(gives(Transcript("Wh", False), then=True)),
        "21.58 s|no final transcript within 4 s",
    ),
    "recogniser: ends without a final": ("stt", Broken(gives()), "without a final transcript"),
    "recogniser: text, no transcript": (
        "stt",
        Broken(gives("Where is it?")),
        "the recogniser gave 'Where is it\\?', and Transcript was needed",
    ),
    "recogniser: no text": ("stt", Broken(gives(lambda: Transcript(None, True))), "text is None"),
    "model: too many requests": ("llm", Broken(gives(then=TOO_MANY)), "429: too many requests"),
    "model: nobody listens": ("llm", Broken(refuses(DOWN)), "nobody listens at 127.0.0.1:9"),
    "model: not a word": ("llm", Broken(gives()), "no text, no tool|no words, no tool"),
    "model: hangs amid a sentence": (
        "llm",
        Broken(gives(TextDelta("Your or"), then=True)),
        "the language model gave nothing for (6|20) s",
    ),
    "model: text, no delta": (
        "llm",
        Broken(gives("It left.")),
        "the language model gave 'It left.', and TextDelta or ToolCall was needed",
    ),
    "model: arguments as a string": (
        "llm",
        Broken(gives(lambda: ToolCall("1", "look", '{"city": "Rome"}'))),
        'arguments are \'{"city": "Rome"}\': a dict was needed',
    ),
    "model: tools for ever": (
        "llm",
        Broken(gives(ToolCall("1", "fly", {}))),
        "no answer after 5 rounds of tools",
    ),
    "voice: a server without speech": ("tts", Broken(refuses(NO_SPEECH)), "404: this server"),
    "voice: silence for ever": ("tts", Broken(gives(then=True)), "gave nothing for (4|20) s"),
    "voice: nothing at all": ("tts", Broken(gives()), "returned nothing for 'Your order left"),
    "voice: bytes, no speech": ("tts", Broken(gives(b"\0\0")), "and Speech was needed"),
    "voice: an array, no audio": ("tts", Broken(gives(raw_sound)), "an Audio was needed"),
    "voice: not a number of seconds": (
        "tts",
        Broken(gives(lambda: Speech(TEXT, math.nan))),
        "duration_s is nan, and seconds from 0 on were needed",
    ),
    "voice: word times that are none": (
        "tts",
        Broken(gives(lambda: Speech(TEXT, 1.0, None, (Word("Your", math.nan, 1.0),)))),
        "the start of 'Your' is nan",
    ),
    "voice: breaks amid a sentence": (
        "tts",
        Broken(gives(lambda: Speech(TEXT, 0.5, Audio(np.full(12_000, 0.2), RATE_HZ)), then=DOWN)),
        "nobody listens at 127.0.0.1:9",
    ),
    "VAD: raises": ("vad", DeafVAD(RuntimeError("no input 'sr'")), "the VAD failed: .* 'sr'"),
    "VAD: not a number": ("vad", DeafVAD(math.nan), "the VAD gave nan"),
    "VAD: per cent": ("vad", DeafVAD(97.0), "97.0, and a number from 0 to 1 was needed"),
}


def providers_with(part, broken):
    working = Providers(
        ScriptedSTT(["Where is it?", "Hello?"], final_s=0.1),
        ScriptedLLM([TEXT, TEXT], first_token_s=0.1),
        SoundTTS(),
        LevelVAD(),
    )
    return replace(working, **{part: broken})


def pipeline(providers):
    return PipelineAgent(providers, (), PipelineOptions(turns=TurnOptions(user_idle_s=99)))


def realtime(providers):
    return RealtimeAgent(in_memory(providers), options=RealtimeOptions(greeting=""))


def calling():
    """A caller who asks, and asks again after half a minute."""
    asks = [{"text": "Where is it?", "at": "0.5 s after the call starts", "lasts_s": 1}]
    asks.append({"text": "Hello?", "at": "30 s after the call starts", "lasts_s": 1})
    script = parse_script({"lines": asks, "hang_up": "20 s after line 2 ends", "patience_s": 99})
    loud = Audio(np.full(16_000, 0.3), 16_000)
    lines = [replace(line, utterance=replace(line.utterance, audio=loud)) for line in script.lines]
    return replace(script, lines=tuple(lines))


@pytest.mark.slow
@pytest.mark.parametrize("agent", [pipeline, realtime])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_provider_is_apologised_for_or_named_and_the_record_is_whole(
    name, agent, tmp_path, capsys
):
    part, broken, cause = BROKEN[name]
    call = play(calling(), agent(providers_with(part, broken)))
    reports.print_failures(call)
    assert re.search(cause, capsys.readouterr().out)
    assert reports.exit_status(call) == 1
    call.save(tmp_path)
    assert Call.load(tmp_path).timeline.to_json() == call.timeline.to_json()
    said = [event.data["text"] for event in call.timeline.select("agent", "said")]
    reason = call.timeline.select("transport", "call_ended")[0].data["reason"]
    if agent is pipeline and part in ("stt", "llm"):
        assert said == [TurnOptions().not_heard if part == "stt" else ReplyOptions().apology] * 2
        assert reason == "the caller hung up"
    elif agent is pipeline:
        assert reason.startswith(("the agent has lost its voice", "the agent failed: "))


def test_an_end_of_turn_judge_that_fails_in_any_way_leaves_the_plain_silence():
    for value in (RuntimeError("no session"), math.nan, None, 2.0):
        providers = replace(providers_with("vad", LevelVAD()), end_of_turn=AsyncJudge(value))
        call = play(calling(), pipeline(providers))
        assert [event.data["text"] for event in call.timeline.select("agent", "said")] == [TEXT] * 2
        assert call.timeline.select("turn", "failed")
