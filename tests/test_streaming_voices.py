"""Voices that stream, and stall: whatever is remembered as heard has really sounded.

Each word sounds at a level of its own, so that the recording tells which words were on the line.
"""

import asyncio
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxlab.agents.callers.script import parse_script
from voxlab.agents.calls import play
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.pipeline.reply import ReplyOptions
from voxlab.agents.realtime.agent import RealtimeAgent
from voxlab.agents.realtime.settings import RealtimeOptions, RealtimeSettings
from voxlab.agents.spoken_words import FASTEST_CHARS_PER_S, SLOWEST_CHARS_PER_S
from voxlab.audio import Audio
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers, Speech, TextDelta, Word
from voxlab.providers.scripted import ScriptedSTT
from voxlab.serving.realtime.conversation import Conversation, Item, Sound
from voxlab.serving.realtime.protocol.audio_formats import FORMATS
from voxlab.serving.realtime.transport.in_memory import in_memory
from voxlab.turn_taking.interruptions import Meaning
from voxlab.turn_taking.manager import TurnOptions

RATE_HZ = 24_000
LINE_HZ = 16_000
STEP = 1 / 80  # between the levels of two words
TEXT = "I am told that. A wonderful harbour opened near our town. One day."
BYE = "Goodbye."
BYE_NUMBER = 20  # its level is that of a twentieth word
EDGE_S = 0.004  # of a word that the resampler rounds off
HELD_BACK_S = 0.03  # more than it holds back


@dataclass
class StallingTTS:
    """A voice that makes its sound piece by piece, and waits before each piece.

    words_s: how long each word lasts; of a voice that tells no times, in proportion to its
    characters. breaks_after: it fails after so many pieces.
    """

    words_s: list[float]
    pieces_s: list[float]
    waits_s: list[float]
    is_timed: bool
    breaks_after: int = 10**9
    made: int = 0  # pieces

    async def synthesize(self, text):
        texts = text.split()
        if text == BYE:  # no word of the story may be taken for it
            numbers = range(BYE_NUMBER, BYE_NUMBER + 1)
        else:
            story = TEXT.split()  # a reply that is thrown away may be spoken again
            starts = [at for at in range(len(story)) if story[at : at + len(texts)] == texts]
            numbers = range(starts[0], starts[0] + len(texts))
        sizes = [round(self.words_s[number % len(self.words_s)] * RATE_HZ) for number in numbers]
        levels = np.array([(1 + number) * STEP for number in numbers], np.float32)
        samples, ends_s = np.repeat(levels, sizes), np.cumsum(sizes) / RATE_HZ
        starts_s = [0.0, *ends_s[:-1]]
        words = tuple(map(Word, texts, map(float, starts_s), map(float, ends_s)))
        at = 0
        while at < samples.size:
            await asyncio.sleep(self.waits_s[self.made % len(self.waits_s)])
            if self.made == self.breaks_after:
                raise ProviderError("the voice broke")
            size = round(self.pieces_s[self.made % len(self.pieces_s)] * RATE_HZ)
            piece = Audio(samples[at : at + size], RATE_HZ)
            told = words if self.is_timed and not at else ()
            yield Speech("" if at else text, piece.duration_s, piece, told)
            self.made, at = self.made + 1, at + size


class Storyteller:
    """Tells the story once; says goodbye to who interrupts. Keeps what it has read."""

    def __init__(self):
        self.read = []

    async def stream(self, messages, tools):
        self.read.append(list(messages))
        await asyncio.sleep(0.2)
        yield TextDelta(BYE if "Wait." in messages[-1].text else TEXT)


def sounded(call, sizes_s):
    """Return how many words, from the first on, have sounded so long in a recording."""
    if call.agent is None:
        return 0
    levels = np.rint(call.agent.samples / STEP).astype(int)
    counts = np.bincount(levels.clip(0), minlength=len(sizes_s) + 2)
    whole = [counts[n + 1] >= (size_s - EDGE_S) * LINE_HZ for n, size_s in enumerate(sizes_s)]
    return whole.index(False) if False in whole else len(whole)


DURATIONS = st.lists(st.floats(0.1, 0.6), min_size=13, max_size=13)
PIECES = st.lists(st.floats(0.02, 0.9), min_size=1, max_size=6)
WAITS = st.lists(st.sampled_from([0.0, 0.0, 0.05, 0.3, 1.0, 2.5]), min_size=1, max_size=6)
PACES = st.floats(SLOWEST_CHARS_PER_S, 25.0)


@st.composite
def voices(draw):
    is_timed = draw(st.booleans())
    lengths = [len(word) + 1 for word in TEXT.split()]
    if is_timed:  # no faster than anybody speaks: a Realtime agent is told no times
        fastest_s = [length / FASTEST_CHARS_PER_S for length in lengths]
        words_s = list(map(max, draw(DURATIONS), fastest_s))
    else:
        pace = draw(PACES)
        words_s = [length / pace for length in lengths]
    return StallingTTS(words_s, draw(PIECES), draw(WAITS), is_timed)


def calling(at_s):
    """A caller who asks, and speaks over the answer at_s after the call starts."""
    lines = [{"text": "Tell me.", "at": "0.5 s after the call starts", "lasts_s": 0.5}]
    lines.append({"text": "Wait.", "at": f"{at_s:.3f} s after the call starts", "lasts_s": 0.5})
    return parse_script({"lines": lines, "hang_up": "4 s after line 2 ends", "patience_s": 99})


def pipeline(voice, llm, meaning=Meaning.REQUEST):
    return PipelineAgent(
        Providers(ScriptedSTT(["Tell me.", "Wait."]), llm, voice),
        (),
        PipelineOptions(
            turns=TurnOptions(user_idle_s=99),
            reply=ReplyOptions(filler="", apology=""),
            classify=lambda *_: meaning,
        ),
    )


def realtime(voice, llm):
    providers = Providers(ScriptedSTT(["Tell me.", "Wait."]), llm, voice)
    options = RealtimeOptions(greeting="", failures=1)
    return RealtimeAgent(in_memory(providers), (), RealtimeSettings(turn_detection=None), options)


def said(call):
    """Return the words that the agent has said, but for the goodbye."""
    texts = [event.data["text"] for event in call.timeline.select("agent", "said")]
    return " ".join(texts).removesuffix(BYE).split()


def assert_remembered(call, llm, voice):
    """What was said, and what the model has read, are the first words, and all have sounded."""
    truth = sounded(call, voice.words_s)
    read = [" ".join(m.text for m in each if m.role == "assistant") for each in llm.read]
    for remembered in (said(call), *map(str.split, read)):
        assert remembered == TEXT.split()[: len(remembered)]
        assert len(remembered) <= truth
    if not call.timeline.select("agent", "interrupted"):
        assert said(call) in ([], TEXT.split())
    assert call.timeline.select("transport", "call_ended")[0].data["reason"] == "the caller hung up"


CALLS = settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
BARGE_IN = st.floats(1.5, 12.0)


@pytest.mark.slow
@CALLS
@given(voices(), BARGE_IN)
def test_a_pipeline_remembers_no_word_that_did_not_sound(voice, at_s):
    llm = Storyteller()
    call = play(calling(at_s), pipeline(voice, llm))
    assert_remembered(call, llm, voice)
    if voice.is_timed:  # to the word: when the next one sounds, it is remembered
        assert len(said(call)) >= sounded(call, [HELD_BACK_S] * len(voice.words_s)) - 1


@pytest.mark.slow
@CALLS
@given(voices(), BARGE_IN)
def test_a_realtime_agent_and_its_server_remember_no_word_that_did_not_sound(voice, at_s):
    llm = Storyteller()
    assert_remembered(play(calling(at_s), realtime(voice, llm)), llm, voice)


@pytest.mark.slow
@CALLS
@given(voices(), BARGE_IN)
def test_a_pipeline_that_goes_on_after_a_grunt_says_every_word_and_remembers_all(voice, at_s):
    call = play(calling(at_s), pipeline(voice, Storyteller(), Meaning.BACKCHANNEL))
    assert len(said(call)) <= sounded(call, voice.words_s)
    if call.timeline.select("turn", "state")[-1].data["why"] == "AgentFinished":
        assert said(call) == TEXT.split()
        assert sounded(call, voice.words_s) == len(said(call))


@pytest.mark.slow
@CALLS
@given(voices(), st.integers(1, 8), st.sampled_from([pipeline, realtime]))
def test_of_a_sentence_whose_voice_broke_only_words_that_sounded_are_remembered(
    voice, pieces, agent
):
    voice.breaks_after = pieces
    call = play(calling(60.0), agent(voice, Storyteller()))
    assert said(call) == TEXT.split()[: len(said(call))]
    assert len(said(call)) <= sounded(call, voice.words_s)


def test_a_server_does_not_remember_the_last_word_of_speech_that_was_broken_off():
    """Even if all of the sound that there is was heard: nobody knows how the word goes on."""
    for status, remembered in (("completed", "One two"), ("incomplete", "One")):
        data = {"id": "i", "type": "message", "role": "assistant", "status": status}
        data["content"] = [{"type": "output_audio", "transcript": ""}]
        item = Item(data, {0: Sound(FORMATS["audio/pcm"], bytearray())})
        for text in ("One", " two"):
            item.say(text, bytes(4800))
        conversation = Conversation("c")
        conversation.insert(item)
        conversation.truncate("i", 0, 200)
        assert item.text() == remembered
