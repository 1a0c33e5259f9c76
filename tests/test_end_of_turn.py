"""How long to wait: words, sound, and the network that judges it."""

import asyncio
import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.errors import VoxlabError
from voxlab.providers.smart_turn import COST_S, RATE_HZ, SmartTurn, log_mel
from voxlab.turn_taking.end_of_turn import (
    EndOfTurnOptions,
    is_whole_answer,
    looks_unfinished,
    silence_needed_s,
)

OPTIONS = EndOfTurnOptions()


@pytest.mark.parametrize(
    "text",
    [
        *("My order number is, um", "I'd like a table on, uh,", "Can you tell me the", "It's"),
        *("I want to return these shoes because", "A table for two and...", "My email is grace,"),
        *("My order number is um.", "I would like to know if"),
    ],
)
def test_words_that_ask_for_another_are_unfinished(text):
    assert looks_unfinished(text)
    assert silence_needed_s(text, 0.99, OPTIONS) == OPTIONS.unfinished_s


@pytest.mark.parametrize(
    "text",
    [
        *("Where is my order?", "It's four eight two one three.", "I'd like to check on my order"),
        *("That's what I came for.", "Is that the one you are looking at?", "Yes", ""),
    ],
)
def test_a_whole_sentence_is_not_unfinished(text):
    assert not looks_unfinished(text)


@pytest.mark.parametrize("id", data.utterances())
def test_no_utterance_of_our_callers_looks_unfinished(id):
    assert not looks_unfinished(data.utterance(id).text) or data.utterance(id).kind == "backchannel"


def test_the_sound_decides_where_the_words_look_finished():
    assert silence_needed_s("Where is my order?", 0.9, OPTIONS) == OPTIONS.finished_s
    assert silence_needed_s("Where is my order?", 0.1, OPTIONS) == OPTIONS.unsure_s


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "No, thanks.",
        "Okay",
        "Thanks, that's all. Goodbye.",
        "That's all. Good-bye",
        "Good.",
    ],
)
def test_a_short_answer_needs_no_judgement_of_its_sound(text):
    assert is_whole_answer(text)
    assert silence_needed_s(text, 0.01, OPTIONS) == OPTIONS.finished_s


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_more_finished_never_waits_longer(text, one, other):
    low, high = sorted((one, other))
    assert silence_needed_s(text, high, OPTIONS) <= silence_needed_s(text, low, OPTIONS)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"finished_s": -0.1}, "need seconds"),
        ({"unsure_s": math.nan}, "need seconds"),
        ({"unfinished_s": math.inf}, "need seconds"),
        ({"finished_s": 1.0}, "out of order"),
        ({"threshold": 1.0}, "needs 0 to 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, why):
    with pytest.raises(VoxlabError, match=why):
        EndOfTurnOptions(**options)


# --- the network ---------------------------------------------------------------------------


def test_the_spectrogram_is_that_of_a_plain_fourier_transform():
    """Against scipy's spectrogram: which of the 80 bands a tone falls into, and when."""
    rng = np.random.default_rng(0)
    samples = (0.01 * rng.standard_normal(4 * RATE_HZ)).astype(np.float32)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    samples[RATE_HZ : 2 * RATE_HZ] += 0.5 * np.sin(2 * np.pi * 1000 * time_s)
    mel = log_mel(samples)
    assert mel.shape == (80, 800)
    assert mel.dtype == np.float32
    assert mel.max() - mel.min() <= 2.0 + 1e-6  # eight decades, over four
    loud = mel[:, 550]  # 4 s of silence come first, the tone in the fifth second is at 5.5 s
    assert abs(int(loud.argmax()) - 15 * 80 / 45.2) < 3  # 1 kHz is 15 of 45.2 mels
    _, _, power = scipy.signal.stft(samples, RATE_HZ, nperseg=400, noverlap=240, padded=False)
    ours = mel.max(axis=0)[400:]
    theirs = np.log10(np.abs(power).max(axis=0) ** 2)[: ours.size]
    assert np.corrcoef(ours[5:-5], theirs[5:-5])[0, 1] > 0.97


@pytest.mark.slow  # loading torchaudio
def test_the_mel_spectrogram_is_torchaudios():
    import torch
    from torchaudio.transforms import MelSpectrogram

    rng = np.random.default_rng(2)
    samples = np.cumsum(rng.standard_normal(8 * RATE_HZ)).astype(np.float32)
    heard = (samples - samples.mean(dtype=np.float64)) / samples.std(dtype=np.float64)
    mel = MelSpectrogram(
        RATE_HZ, n_fft=400, hop_length=160, n_mels=80, norm="slaney", mel_scale="slaney"
    ).double()
    power = mel(torch.from_numpy(heard))[:, :800].numpy()
    levels = np.log10(np.maximum(power, 1e-10))
    expected = (np.maximum(levels, levels.max() - 8) + 4) / 4
    np.testing.assert_allclose(log_mel(samples), expected, atol=1e-4)  # its filters are float32


def test_only_the_last_eight_seconds_are_heard_and_their_level_does_not_matter():
    rng = np.random.default_rng(1)
    samples = rng.standard_normal(10 * RATE_HZ).astype(np.float32)
    np.testing.assert_array_equal(log_mel(samples), log_mel(samples[-8 * RATE_HZ :]))
    np.testing.assert_allclose(log_mel(samples), log_mel(0.1 * samples), atol=1e-3)


@pytest.mark.slow
def test_finished_questions_sound_more_finished_than_their_first_halves():
    judge, ids = SmartTurn(), ("order_where", "weather_tomorrow", "order_email", "real_person")
    for id in ids:
        sound = data.utterance(id).audio
        spoken = audio.trim(sound)
        half = audio.concatenate(
            [spoken.between(0, spoken.duration_s / 2), audio.silence(0.2, RATE_HZ)]
        )
        whole = audio.concatenate([spoken, audio.silence(0.2, RATE_HZ)])
        assert judge.judge(whole) > 0.5 > judge.judge(half), id


@pytest.mark.slow
def test_judging_takes_its_time_in_virtual_time():
    async def timed():
        probability = await SmartTurn().probability(Audio(np.zeros(RATE_HZ), RATE_HZ))
        return probability, asyncio.get_running_loop().time()

    probability, took_s = run_virtual(timed())
    assert 0 <= probability <= 1
    assert took_s == pytest.approx(COST_S)
