"""The second voice: every word has its time, and the same text always sounds the same."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.audio import audible_span
from voxlab.clock import run_virtual
from voxlab.errors import ProviderError
from voxlab.providers.espeak import EspeakTTS

pytest.importorskip("espeakng_loader", reason="the extra voxlab[espeak] is not installed")

BOOKING = "I'd like a table for 4 at 7:30 p.m. — tonight, please."


@pytest.fixture(scope="module")
def tts():
    return EspeakTTS()


async def speeches(tts, text):
    return [speech async for speech in tts.synthesize(text)]


def test_the_words_are_those_that_were_written(tts):
    assert " ".join(word.text for word in tts.speak(BOOKING).words) == BOOKING


def test_word_times_are_monotone_and_fill_the_speech(tts):
    speech = tts.speak(BOOKING)
    edges = [edge for word in speech.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == (0.0, pytest.approx(speech.duration_s))


def test_the_first_sample_is_audible(tts):
    assert audible_span(tts.speak(BOOKING).audio)[0] == 0.0


def test_the_same_text_gives_the_same_bytes_whatever_was_said_before(tts):
    first = tts.speak(BOOKING)
    EspeakTTS("en", words_per_minute=200).speak("Something else entirely.")
    second = tts.speak(BOOKING)
    assert first.audio.samples.tobytes() == second.audio.samples.tobytes()
    assert first.words == second.words


def test_voices_and_speeds_differ(tts):
    fast = EspeakTTS(words_per_minute=260).speak(BOOKING)
    assert fast.duration_s < 0.8 * tts.speak(BOOKING).duration_s
    other = EspeakTTS("en-us+f3").speak(BOOKING)
    assert not np.array_equal(other.audio.samples, tts.speak(BOOKING).audio.samples)


def test_one_speech_a_sentence(tts):
    pieces = run_virtual(speeches(tts, "Hello there. How are you?"))
    assert [piece.text for piece in pieces] == ["Hello there.", "How are you?"]


@pytest.mark.parametrize("text", ["", "  ", "...", "?!"])
def test_a_text_without_words_yields_nothing(tts, text):
    assert run_virtual(speeches(tts, text)) == []
    assert tts.speak(text).duration_s == 0.0


@settings(max_examples=30)
@given(text=st.text(alphabet=st.sampled_from("ab e7:$.,!—'\"&🙂é<[\n\0"), max_size=20))
def test_no_text_breaks_the_voice_or_loses_a_word(tts, text):
    words = tts.speak(text).words
    assert not words or " ".join(word.text for word in words) == " ".join(text.split())


def test_an_unknown_voice_is_a_provider_error():
    with pytest.raises(ProviderError, match="no voice 'nonsense'"):
        EspeakTTS("nonsense").speak("Hello.")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ProviderError, match=r"pip install .*\[espeak\]'"):
        EspeakTTS()
