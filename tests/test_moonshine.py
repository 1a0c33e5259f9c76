"""The recogniser hears what the synthesiser says, whole, once, and on both clocks."""

import asyncio
import itertools
import re
import threading
from dataclasses import replace

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remembered import remembered

from voxlab import audio, data, models
from voxlab.audio import Audio, babble, concatenate, noise, silence
from voxlab.clock import run_virtual
from voxlab.errors import ModelError, ProviderError
from voxlab.providers import moonshine
from voxlab.providers.hibari import HibariTTS
from voxlab.providers.moonshine import LONGEST_S, MoonshineSTT, cost_s
from voxlab.providers.protocols import MayEnd, Transcript

pytestmark = pytest.mark.slow

SENTENCES = (
    "What is the weather in Paris tomorrow?",
    "No wait, I meant Tuesday.",
    "Can I talk to a real person?",
    "I would like to book a table for four people.",
    "Please cancel my appointment on Friday.",
    "How much does it cost to ship a package to London?",
    "Could you repeat that, please?",
    "I forgot my password and I can't log in.",
    "Turn on the lights in the kitchen.",
    "I want to return these shoes because they are too small.",
)


def words(text):
    return re.sub(r"[^a-z' ]", "", text.lower().replace("-", ""))


@pytest.fixture(scope="module")
def stt():
    return MoonshineSTT()


@pytest.fixture(scope="module")
def spoken():
    """Each sentence as 24 kHz audio."""
    tts = HibariTTS()
    return [tts.speak(sentence).audio for sentence in SENTENCES]


@pytest.fixture(scope="module")
def long_speech(spoken):
    """Three quarters of a minute of speech with pauses of half a second."""
    pause = silence(0.5, 24_000)
    return concatenate([piece for speech in spoken * 2 for piece in (speech, pause)]), SENTENCES * 2


async def in_frames(recording, frame_s=0.02):
    size = round(frame_s * recording.rate_hz)
    for start in range(0, recording.samples.size, size):
        yield Audio(recording.samples[start : start + size], recording.rate_hz)


async def transcripts(stt, recording):
    return [transcript async for transcript in stt.transcribe(in_frames(recording))]


def test_what_the_synthesiser_says_is_recognised(stt, spoken):
    heard = [stt.recognize(speech) for speech in spoken]
    assert jiwer.wer([words(s) for s in SENTENCES], [words(h) for h in heard]) < 0.02


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_any_rate_is_understood(stt, spoken, rate_hz):
    heard = stt.recognize(spoken[3].resample(rate_hz))
    assert words(heard) == words(SENTENCES[3])


def test_loudness_does_not_matter(stt, spoken):
    quiet = Audio(spoken[3].samples * 0.001, 24_000)
    assert words(stt.recognize(quiet)) == words(SENTENCES[3])


def test_speech_that_is_cut_off_sharply_is_heard_as_well_as_with_silence_around(stt, spoken):
    tight = spoken[8].between(*audio.audible_span(spoken[8]))
    assert words(stt.recognize(tight)) == words(SENTENCES[8])


def test_the_decoder_stops_by_itself_at_a_snippet_of_a_word(stt, spoken, monkeypatch):
    written = []  # (tokens, limit): without margins it writes "do do do ..." to the limit
    recognise = moonshine._Network.recognise

    def noted(self, recording, draft=(), run=None):
        heard = recognise(self, recording, draft, run)
        natural = int(recording.duration_s * moonshine.TOKENS_PER_S)
        written.append((len(heard.tokens), natural + moonshine.SPARE_TOKENS))
        return heard

    monkeypatch.setattr(moonshine._Network, "recognise", noted)
    for start_s in np.arange(0.2, 3.0, 0.15):
        stt.recognize(spoken[9].between(start_s, start_s + 0.15))
    assert written
    assert all(tokens < longest for tokens, longest in written)


def test_margins_are_added_only_where_there_is_sound():
    sound = noise("white", 1.0, 16_000, np.random.default_rng(0))
    late = concatenate([silence(0.3, 16_000), sound])
    assert moonshine._with_margins(sound).duration_s == pytest.approx(1.4)
    assert moonshine._with_margins(late).duration_s == pytest.approx(1.5)


@pytest.mark.parametrize("duration_s", [2.0, 8.0])  # the longer ones get a second look
@pytest.mark.parametrize("kind", ["white", "pink", "car", "clicks"])
def test_noise_is_not_taken_for_words(stt, kind, duration_s):
    assert stt.recognize(noise(kind, duration_s, 16_000, np.random.default_rng(0))) == ""


def test_hold_music_and_a_cafe_are_not_taken_for_words(stt):
    voices = [data.utterance(name, "heart").audio for name in ("order_where", "joke", "repeat")]
    cafe = babble([voice.resample(16_000) for voice in voices * 3], 8.0, np.random.default_rng(0))
    music = audio.read(data.path("music/hold.flac")).between(0.0, 8.0)
    assert [stt.recognize(cafe), stt.recognize(music)] == ["", ""]


def test_a_second_look_finds_the_words_that_the_decoder_would_not_begin():
    stt = MoonshineSTT(partial_every_s=None)  # this recording, with this much silence around it
    margin = silence(0.25, 16_000)
    said = concatenate([margin, data.utterance("go_on", "espeak").audio, margin])
    assert words(stt.recognize(said)) in ("ok go on", "okay go on")
    assert run_virtual(transcripts(stt, said))[-1].text == stt.recognize(said)


@pytest.fixture(params=data.VOICES)
def unbegun(request):
    """Two questions; their decoder gives up before the first word."""
    pause = silence(1.5, 16_000)
    asked = [data.utterance(name, request.param) for name in ("weather_tomorrow", "order_where")]
    return concatenate([pause, *(s for u in asked for s in (u.audio.resample(16_000), pause))])


def test_a_second_look_at_a_longer_piece_finds_all_its_words(stt, unbegun):
    assert stt._text(unbegun).text == ""
    heard = words(stt.recognize(unbegun))
    assert heard.startswith("what is the weather in paris tomorrow where is my order")


@pytest.mark.parametrize("unbegun", ["espeak"], indirect=True)
def test_each_piece_of_a_long_recording_gets_its_second_look(unbegun):
    stt = MoonshineSTT(partial_every_s=None)
    stt._text, stt._second_text = remembered(stt._text), remembered(stt._second_text)
    whole = concatenate([unbegun] * 5)
    assert whole.duration_s > LONGEST_S
    heard = stt.recognize(whole)
    assert heard.count("What is the weather in Paris tomorrow?") == 5
    assert run_virtual(transcripts(stt, whole))[-1].text == heard


@pytest.mark.parametrize("duration_s", [0.0, 0.001, 0.05, 0.1, 0.2, 3.0, 8.0])
def test_silence_of_any_length_gives_no_words(stt, duration_s):
    assert stt.recognize(silence(duration_s, 24_000)) == ""


def test_partial_transcripts_come_first_and_one_final_last(stt, spoken):
    often = MoonshineSTT(partial_every_s=1.0)
    heard = run_virtual(transcripts(often, spoken[9]))
    assert [transcript.is_final for transcript in heard] == [False] * (len(heard) - 1) + [True]
    assert len(heard) >= 3
    assert heard[-1].text == stt.recognize(spoken[9])


def test_partial_transcripts_tell_only_what_changed(stt, spoken):
    waiting = concatenate([spoken[1], silence(4.0, 24_000)])
    texts = [transcript.text for transcript in run_virtual(transcripts(stt, waiting))][:-1]
    assert all(one != next_one for one, next_one in itertools.pairwise(texts))


def test_partial_transcripts_can_be_switched_off(spoken):
    stt = MoonshineSTT(partial_every_s=None)
    assert [t.is_final for t in run_virtual(transcripts(stt, spoken[9]))] == [True]


def test_a_segment_without_audio_still_gets_its_final_transcript(stt):
    assert run_virtual(transcripts(stt, silence(0.0, 16_000))) == [Transcript("", is_final=True)]


def test_both_clocks_give_the_same_transcripts(stt, spoken):
    virtual = run_virtual(transcripts(stt, spoken[6]))
    assert (
        asyncio.run(transcripts(stt, spoken[6]))
        == virtual
        == run_virtual(transcripts(stt, spoken[6]))
    )


def test_recognising_takes_virtual_time(spoken):
    stt = MoonshineSTT(partial_every_s=None, drafts=False)

    async def timed():
        await transcripts(stt, spoken[6])
        return asyncio.get_running_loop().time()

    assert run_virtual(timed()) == pytest.approx(cost_s(spoken[6].duration_s))


def test_partial_transcripts_of_a_long_segment_take_at_most_half_of_the_time(stt, monkeypatch):
    nothing = moonshine.Recognised("")
    monkeypatch.setattr(moonshine._Network, "recognise", lambda *_: nothing)
    monkeypatch.setattr(moonshine._Network, "insist", lambda *_: nothing)
    speech_s = 20.0

    async def arriving():
        for _ in range(round(speech_s / 0.1)):
            await asyncio.sleep(0.1)
            yield noise("pink", 0.1, 16_000, np.random.default_rng(0))

    async def timed():
        async for _ in stt.transcribe(arriving()):
            pass
        return asyncio.get_running_loop().time()

    busy_s = run_virtual(timed()) - speech_s  # here hearing and recognising take turns
    assert cost_s(speech_s) < busy_s < speech_s / 2 + cost_s(speech_s)


def test_many_calls_at_once_hear_what_each_hears_alone(stt, spoken):
    async def together():
        return await asyncio.gather(*(transcripts(stt, speech) for speech in spoken[:4]))

    alone = [stt.recognize(speech) for speech in spoken[:4]]
    assert [heard[-1].text for heard in asyncio.run(together())] == alone


def test_nothing_of_a_long_recording_is_lost(long_speech):
    recording, sentences = long_speech
    assert recording.duration_s > 1.5 * LONGEST_S
    in_stream = MoonshineSTT(partial_every_s=None)
    in_stream._text = remembered(in_stream._text)  # other pieces would not be known yet
    heard = in_stream.recognize(recording)
    assert jiwer.wer(words(" ".join(sentences)), words(heard)) < 0.03
    assert run_virtual(transcripts(in_stream, recording))[-1].text == heard


@settings(max_examples=25)
@given(duration_s=st.floats(0, 120), seed=st.integers(0, 9))
def test_the_pieces_of_a_recording_are_the_recording(duration_s, seed):
    recording = noise("white", duration_s, 1000, np.random.default_rng(seed))
    pieces = list(moonshine._pieces(recording))
    assert np.array_equal(concatenate(pieces).samples, recording.samples)
    assert all(piece.duration_s <= LONGEST_S for piece in pieces)


def test_a_long_recording_is_cut_in_its_pause():
    before, after = (noise("white", s, 8000, np.random.default_rng(0)) for s in (23.0, 16.0))
    first, *_ = moonshine._pieces(concatenate([before, silence(1.0, 8000), after]))
    assert 23.0 < first.duration_s < 24.0


@given(tokens=st.lists(st.integers(3, 6), max_size=40))
def test_cutting_a_loop_leaves_a_beginning_without_one(tokens):
    kept = moonshine._without_loop(tokens)
    assert kept == tokens[: len(kept)]
    assert moonshine._without_loop(kept) == kept
    assert kept or not tokens


@pytest.mark.parametrize("cut_s", [0.6, 1.0, 1.3, 1.7, 2.1, 2.6])
def test_half_a_sentence_is_not_told_twice(stt, spoken, cut_s):
    heard = words(stt.recognize(spoken[9].between(0.0, cut_s))).split()
    assert heard[: len(heard) // 2] != heard[len(heard) // 2 :] or len(heard) < 4
    assert len(heard) <= 2 + 5 * cut_s


def test_a_rate_that_changes_within_a_segment_is_a_provider_error(stt):
    async def mixed():
        yield silence(0.1, 16_000)
        yield silence(0.1, 8_000)

    async def hear():
        return [t async for t in stt.transcribe(mixed())]

    with pytest.raises(ProviderError, match="from 16000 to 8000 Hz"):
        run_virtual(hear())


def test_a_recognition_that_nobody_waits_for_any_more_stops(stt, monkeypatch):
    begun, stopped, runs = threading.Event(), threading.Event(), []

    def work(self, recording, draft=(), run=None):
        runs.append(run)
        begun.set()
        assert stopped.wait(10)
        return moonshine.Recognised("")

    async def give_up():
        hearing = asyncio.create_task(transcripts(stt, silence(1.0, 16_000)))
        await asyncio.to_thread(begun.wait, 10)
        assert not runs[0].terminate
        hearing.cancel()
        await asyncio.wait([hearing])
        assert runs[0].terminate
        stopped.set()

    monkeypatch.setattr(moonshine._Network, "recognise", work)
    asyncio.run(give_up())
    monkeypatch.undo()
    run = stt._network.run_options()
    run.terminate = True
    with pytest.raises(ProviderError, match="terminate"):
        stt._text(silence(1.0, 16_000), (), run)


def test_a_failing_engine_is_a_provider_error(stt, monkeypatch):
    def fail(self, recording, draft=(), run=None):
        raise RuntimeError("no memory")

    monkeypatch.setattr(moonshine._Network, "recognise", fail)
    with pytest.raises(ProviderError, match=r"cannot recognise 1\.0 s at 16000 Hz: no memory"):
        stt.recognize(silence(1.0, 16_000))


def test_a_model_that_was_not_fetched_is_a_model_error(monkeypatch, tmp_path):
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="Run: voxlab models"):
        MoonshineSTT(threads=3)


def test_a_damaged_model_is_a_model_error(monkeypatch, tmp_path):
    (tmp_path / "damaged").write_bytes(b"\1a" * 100)
    monkeypatch.setattr(models, "path", lambda *_: tmp_path / "damaged")
    with pytest.raises(ModelError, match="voxlab models --verify"):
        MoonshineSTT(threads=3)


# --- drafts and guesses --------------------------------------------------------------------


def check_drafts(stt, recording):
    """A draft of any age changes nothing but the number of steps; a right one leaves one."""
    fresh = stt._text(recording)
    right = stt._text(recording, fresh.tokens)
    assert (right.text, right.tokens, right.steps) == (fresh.text, fresh.tokens, 1)
    early = stt._text(recording.between(0.0, 0.6 * recording.duration_s))
    grown = stt._text(recording, early.tokens)
    assert (grown.text, grown.tokens) == (fresh.text, fresh.tokens)
    assert grown.steps <= fresh.steps
    return fresh, grown


@pytest.mark.parametrize("name", ["order_where", "book_table", "hesitate_order"])
def test_a_draft_changes_the_time_and_nothing_else(stt, name):
    recording = data.utterance(name).audio.resample(16_000)
    fresh, grown = check_drafts(stt, recording)
    assert grown.cost_s(recording.duration_s) < fresh.cost_s(recording.duration_s)


def test_a_draft_of_other_words_is_overruled(stt):
    asked, other = (data.utterance(name).audio for name in ("order_where", "weather_tomorrow"))
    assert stt._text(asked, stt._text(other).tokens) == replace(
        stt._text(asked),
        steps=stt._text(asked, stt._text(other).tokens).steps,
        drafted=len(stt._text(other).tokens),
    )


@pytest.mark.slow
def test_every_recording_is_heard_the_same_with_a_draft(stt):
    for name in list(data.utterances())[::4]:
        for voice in data.VOICES:
            check_drafts(stt, data.utterance(name, voice).audio.resample(16_000))


def test_a_guess_is_what_was_said_so_far_and_the_final_text_is_that_of_the_whole(stt):
    order, more = (data.utterance(name).audio for name in ("order_where", "weather_tomorrow"))
    order, more = order.resample(16_000), more.resample(16_000)

    async def with_doubts():
        async for frame in in_frames(order):
            yield frame
        yield MayEnd()
        yield MayEnd()  # nothing new: the same again, at once
        async for frame in in_frames(more):
            yield frame
        yield MayEnd()
        async for frame in in_frames(silence(0.2, 16_000)):
            yield frame

    async def hear():
        return [transcript async for transcript in stt.transcribe(with_doubts())]

    heard = run_virtual(hear())
    guesses = [transcript.text for transcript in heard if transcript.is_guess]
    whole = concatenate([order, more, silence(0.2, 16_000)])
    assert guesses[0] == guesses[1] == stt.recognize(order)
    assert heard[-1].text == stt.recognize(whole)
    assert words(guesses[2]) == words(heard[-1].text)
