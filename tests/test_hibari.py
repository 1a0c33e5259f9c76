"""What the synthesiser says can be played at once, is understood, and every word has its time."""

import asyncio
import re
from copy import copy
from dataclasses import replace

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import models
from voxlab.audio import Audio, audible_span, concatenate, silence
from voxlab.clock import run_virtual
from voxlab.errors import ModelError, ProviderError
from voxlab.providers import hibari
from voxlab.providers.hibari import PITCHES, RATE_HZ, SENTENCE_PAUSE_S, HibariTTS, cost_s
from voxlab.providers.moonshine import MoonshineSTT

pytestmark = pytest.mark.slow

BOOKING = "I'd like to book a table for 4 people at 7:30 p.m. on 3/4/2024, please."
THREE = "Your order has shipped. It arrives on Tuesday! Is there anything else?"


@pytest.fixture(scope="module")
def tts():
    return HibariTTS()


@pytest.fixture(scope="module")
def stt():
    return MoonshineSTT(partial_every_s=None)


async def speeches(tts, text):
    return [speech async for speech in tts.synthesize(text)]


def letters(text):
    return re.sub(r"[^a-z ]", "", text.lower())


def test_the_words_are_those_that_were_written(tts):
    assert [word.text for word in tts.speak(BOOKING).words] == BOOKING.split()


def test_word_times_are_monotone_and_inside_the_speech(tts):
    for speech in run_virtual(speeches(tts, f"{THREE} {BOOKING}")):
        edges = [edge for word in speech.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] <= speech.duration_s == pytest.approx(speech.audio.duration_s)
        assert all(word.end_s > word.start_s for word in speech.words)


def test_a_number_takes_the_time_of_the_words_it_is_read_as(tts):
    spans = {word.text: word.end_s - word.start_s for word in tts.speak(BOOKING).words}
    assert spans["3/4/2024,"] > spans["7:30"] > spans["4"] > spans["a"]


def test_up_to_a_words_end_that_word_is_heard_and_not_the_next(tts, stt):
    """Cut there and the recogniser, which guesses at half a word, is right about most cuts."""
    text = "please cancel my appointment on Friday and book a table for Sunday evening"
    speech, sure, cuts = tts.speak(text), 0, 0
    for count in range(3, len(speech.words)):
        cut = speech.audio.between(0.0, speech.words[count - 1].end_s)
        heard = letters(stt.recognize(concatenate([cut, silence(0.3, RATE_HZ)]))).split()
        sure += len(heard) == count
        cuts += 1
        assert abs(len(heard) - count) <= 1
    assert sure >= 0.6 * cuts


def test_words_after_a_pause_start_when_the_sound_starts(tts):
    """At a comma the truth is plain: the sound begins anew. Energy tells when."""
    for text in ("Yes, please call.", "On Monday, take the bus.", "I know, but she does not."):
        speech = tts.speak(text)
        comma = next(i for i, word in enumerate(speech.words) if word.text.endswith(","))
        middle_s = (speech.words[comma].end_s + speech.words[comma + 1].start_s) / 2
        rest = speech.audio.between(middle_s, speech.duration_s)
        onset_s = middle_s + audible_span(rest)[0]
        assert speech.words[comma + 1].start_s == pytest.approx(onset_s, abs=0.08)


def test_one_speech_a_sentence_in_order(tts):
    pieces = run_virtual(speeches(tts, THREE))
    assert [piece.text for piece in pieces] == [
        "Your order has shipped.",
        "It arrives on Tuesday!",
        "Is there anything else?",
    ]
    assert " ".join(word.text for piece in pieces for word in piece.words) == THREE


def test_every_speech_starts_with_sound(tts):
    for speech in run_virtual(speeches(tts, THREE)):
        assert audible_span(speech.audio)[0] == 0.0


def test_a_pause_separates_sentences_and_none_ends_the_text(tts):
    *inner, last = run_virtual(speeches(tts, THREE))
    for speech in inner:
        quiet_s = speech.duration_s - audible_span(speech.audio)[1]
        assert quiet_s == pytest.approx(SENTENCE_PAUSE_S, abs=0.011)
    assert last.duration_s - audible_span(last.audio)[1] < 0.011


def test_speaking_at_once_is_speaking_piece_by_piece(tts):
    whole, pieces = tts.speak(THREE), run_virtual(speeches(tts, THREE))
    joined = concatenate([piece.audio for piece in pieces])
    assert np.array_equal(whole.audio.samples, joined.samples)
    assert [word.text for word in whole.words] == THREE.split()
    first = len(pieces[0].words)
    assert whole.words[first].start_s == pytest.approx(
        pieces[0].duration_s + pieces[1].words[0].start_s
    )


def test_the_same_text_gives_the_same_bytes(tts):
    first, second = tts.speak(BOOKING), HibariTTS().speak(BOOKING)
    assert first.audio.samples.tobytes() == second.audio.samples.tobytes()
    assert first.words == second.words


def test_another_seed_gives_another_noise(tts):
    assert not np.array_equal(
        tts.speak("Yes.").audio.samples, HibariTTS(seed=1).speak("Yes.").audio.samples
    )


def test_calls_side_by_side_sound_as_they_do_alone(tts):
    texts = [f"Caller {n}, you are number {n * 7}." for n in range(6)]

    async def together():
        return await asyncio.gather(*(speeches(tts, text) for text in texts))

    for text, pieces in zip(texts, asyncio.run(together()), strict=True):
        alone = run_virtual(speeches(tts, text))
        assert [p.audio.samples.tobytes() for p in pieces] == [
            p.audio.samples.tobytes() for p in alone
        ]


def test_making_speech_takes_virtual_time(tts):
    async def timed():
        made = await speeches(tts, THREE)
        return made, asyncio.get_running_loop().time()

    made, took_s = run_virtual(timed())
    assert took_s == pytest.approx(sum(cost_s(speech) for speech in made))


@pytest.mark.parametrize("text", ["", "   \n", "...", "?!", "🙂", "— 🙂 —", '"', "你好"])
def test_a_text_without_words_yields_nothing(tts, text):
    assert run_virtual(speeches(tts, text)) == []
    empty = tts.speak(text)
    assert (empty.duration_s, empty.audio.samples.size, empty.words) == (0.0, 0, ())


@pytest.mark.parametrize(
    "text", ["🙂 Hello world", "Well — yes", "Hello 🙂🙂 there", "It is 5 % off"]
)
def test_marks_that_are_not_spoken_stay_with_their_neighbour(tts, text):
    assert " ".join(word.text for word in tts.speak(text).words) == text


@settings(max_examples=40)
@given(text=st.text(alphabet=st.sampled_from("ab e7:$.,!?-—'\"&%/@#🙂é([\n\0"), max_size=30))
def test_no_text_breaks_the_voice_or_loses_a_word(tts, text):
    for speech in run_virtual(speeches(tts, text)):
        assert " ".join(word.text for word in speech.words) == " ".join(speech.text.split())
        assert speech.words[-1].end_s <= speech.duration_s + 1e-9


def test_a_number_too_long_to_read_is_a_provider_error(tts):
    with pytest.raises(ProviderError, match="cannot say '1111"):
        tts.speak("1" * 200 + "st")


def test_a_long_text_is_spoken_to_its_end(tts):
    text = " ".join(["and then we walked to the river"] * 30)  # 960 characters, no stop
    pieces = run_virtual(speeches(tts, text))
    assert [w.text for piece in pieces for w in piece.words] == text.split()
    assert all(len(piece.text) <= hibari.LONGEST_CHARS for piece in pieces)


def test_the_recogniser_understands_the_voice(tts, stt):
    texts = [
        "Please hold the line while I check your account.",
        "The next train to Boston leaves in twenty minutes.",
        "I am sorry, that table is already taken.",
    ]
    heard = [letters(stt.recognize(tts.speak(text).audio)) for text in texts]
    heard = [text.replace("20", "twenty") for text in heard]
    assert jiwer.wer([letters(text) for text in texts], heard) < 0.05


def test_a_model_that_was_not_fetched_is_a_model_error(monkeypatch, tmp_path):
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="Run: voxlab models"):
        HibariTTS(threads=3)


def test_a_damaged_model_is_a_model_error(monkeypatch, tmp_path):
    (tmp_path / "damaged").write_bytes(b"\1a" * 100)
    monkeypatch.setattr(models, "path", lambda *_: tmp_path / "damaged")
    with pytest.raises(ModelError, match="voxlab models --verify"):
        HibariTTS(threads=3)


def test_the_audio_is_mono_at_24_khz_and_within_full_scale(tts):
    sound = tts.speak(THREE).audio
    assert isinstance(sound, Audio)
    assert sound.rate_hz == RATE_HZ == 24_000
    assert 0.05 < np.abs(sound.samples).max() <= 1.0


def pitch_hz(audio):
    """The median pitch of the voiced frames, by autocorrelation."""
    sound, found = audio.resample(16_000).samples, []
    for start in range(0, sound.size - 1024, 512):
        frame = sound[start : start + 1024] * np.hanning(1024)
        likeness = np.fft.irfft(np.abs(np.fft.rfft(frame, 2048)) ** 2)[:178]  # down to 90 Hz
        lag = 40 + int(likeness[40:].argmax())
        if np.mean(frame**2) > 1e-3 and likeness[lag] > 0.5 * likeness[0]:
            found.append(16_000 / lag)
    return float(np.median(found))


def test_each_voice_has_its_pitch_and_takes_as_long(tts):
    own = tts.in_voice("heart").speak(BOOKING)
    assert np.array_equal(own.audio.samples, tts.speak(BOOKING).audio.samples)
    for voice, ratio in PITCHES.items():
        other = tts.in_voice(voice).speak(BOOKING)
        assert pitch_hz(other.audio) / pitch_hz(own.audio) == pytest.approx(ratio, rel=0.08), voice
        assert other.duration_s == pytest.approx(own.duration_s, rel=0.16)
        assert other.words[-1].end_s <= other.duration_s + 1 / RATE_HZ


def test_a_sentence_that_is_said_again_is_not_made_again(tts):
    class Counted:
        runs = 0

        def run(self, *inputs):
            self.runs += 1
            return tts._engine.network.run(*inputs)

    counted, voice = Counted(), copy(tts)
    voice._engine = replace(tts._engine, network=counted)
    first, again = (voice.speak("Thank you. Goodbye. Thank you.") for _ in range(2))
    assert counted.runs == 3  # the last "Thank you." has no pause after it
    assert first == replace(again, audio=first.audio)
    assert np.array_equal(first.audio.samples, again.audio.samples)
    voice.in_voice("verse").speak("Goodbye.")
    assert counted.runs == 4


@pytest.mark.parametrize("speed", [0.5, 1.5])
def test_a_voice_speaks_slower_and_faster(tts, speed):
    own, other = tts.speak(BOOKING), tts.in_voice("marin", speed).speak(BOOKING)
    assert other.duration_s * speed == pytest.approx(own.duration_s, rel=0.15)
    assert pitch_hz(other.audio) == pytest.approx(pitch_hz(own.audio), rel=0.08)


@pytest.mark.parametrize(("voice", "speed"), [("nobody", 1.0), ("marin", 9.0)])
def test_a_voice_that_is_not_there_is_named(tts, voice, speed):
    with pytest.raises(ProviderError, match=f"no voice '{voice}' at speed {speed}"):
        tts.in_voice(voice, speed)
