"""Training: the same seed gives the same weights, a break changes nothing, the loss falls."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import data
from voxlab.audio import mix, noise
from voxlab.codec import augment, corpus
from voxlab.codec.adversarial import AdversarialTrainer, Adversary
from voxlab.codec.batches import Crops
from voxlab.codec.corpus import Speaker
from voxlab.codec.losses import EnvelopeLoss
from voxlab.codec.mini import MiniCodec
from voxlab.codec.network import MiniConfig
from voxlab.codec.perceptual_metrics import stoi
from voxlab.codec.split import Clip
from voxlab.codec.train import STATE, WEIGHTS, Plan, Trainer, main, run
from voxlab.errors import DataError, ModelError
from voxlab.models.wheels import sha256

torch.set_num_threads(1)
RATE_HZ = 16_000
SMALL = MiniConfig(width=12, hidden=16, features=6, stages=2, codes=8)
SHORT = Plan(steps=6, items=2, crop=3200, unquantized=2, k_means_batches=2, warm_up=2)


def voice(pitch_hz, seconds, seed):
    """Return something like speech: harmonics that come and go, int16 at 16 kHz."""
    rng, time_s = np.random.default_rng(seed), np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    partials = [np.sin(2 * np.pi * pitch_hz * n * time_s) / n for n in range(1, 9)]
    loudness = np.interp(time_s, np.arange(0, seconds + 1, 0.2), rng.random(int(seconds * 5) + 5))
    return np.round(4000 * loudness * sum(partials)).astype(np.int16)


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory):
    place = tmp_path_factory.mktemp("corpus")
    speakers = [Speaker(name, "train", "here", "MIT", "us") for name in ("low", "high")]
    speakers += [Speaker("new", "unseen", "here", "MIT", "us")]
    speakers += [Speaker("band", "music", "here", "MIT", "us")]
    recordings = [
        (
            Clip(speaker.name, "en", f"clip-{number}"),
            voice(100 + 60 * index, 2, 10 * index + number),
        )
        for index, speaker in enumerate(speakers)
        for number in range(4 * index, 4 * index + 4)
    ]
    corpus.save(place, recordings, speakers, ["clip-0"])
    return corpus.load(place)


@pytest.fixture(scope="module")
def crops(small_corpus):
    return Crops.of(small_corpus, SHORT.crop)


def trained(crops, plan=SHORT):
    trainer = Trainer(crops, plan, SMALL)
    while not trainer.finished:
        trainer.step()
    return trainer


def weights_of(trainer):
    state = trainer.network.state_dict() | trainer.quantizer.state_dict()
    return {name: tensor.clone() for name, tensor in state.items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


# --- a run ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_short_run_repeated_gives_identical_weights_and_another_seed_gives_others(crops):
    first = weights_of(trained(crops))
    torch.rand(3)  # whatever else draws from the global generator must not matter
    assert_equal(first, weights_of(trained(crops)))
    other = weights_of(trained(crops, dataclasses.replace(SHORT, seed=1)))
    assert not torch.equal(first["codebooks"], other["codebooks"])


@pytest.mark.slow
@pytest.mark.parametrize("break_after", [1, 4])  # before k-means and after it
def test_a_run_that_was_broken_off_ends_as_if_it_had_not_been(crops, tmp_path, break_after):
    first = Trainer(crops, SHORT, SMALL)
    for _ in range(break_after):
        first.step()
    first.save(tmp_path)
    second = Trainer(crops, SHORT, SMALL)
    second.load(tmp_path / STATE)
    assert second.steps_done == break_after
    for _ in run(second, tmp_path):
        pass
    assert_equal(weights_of(second), weights_of(trained(crops)))


@pytest.mark.slow
def test_what_a_run_leaves_is_a_codec(crops, tmp_path):
    trainer = Trainer(crops, SHORT, SMALL)
    assert len(list(run(trainer, tmp_path))) == 1
    codec = MiniCodec(tmp_path / WEIGHTS)
    sound = corpus.Audio(crops.batch(1, np.random.default_rng(0))[0], RATE_HZ)
    assert codec.decode(codec.encode(sound)).samples.shape == sound.samples.shape
    assert (tmp_path / "log.csv").read_text().startswith("step,hours,loss")


@pytest.mark.slow
def test_the_loss_falls(crops):
    plan = dataclasses.replace(SHORT, steps=40, unquantized=30, rate=5e-3)
    trainer = Trainer(crops, plan, SMALL)
    losses = [trainer.step().loss for _ in range(25)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


@pytest.mark.slow
def test_a_run_that_starts_from_trained_weights_goes_on_where_they_are(crops, tmp_path):
    first = Trainer(crops, SHORT, SMALL)
    for _ in run(first, tmp_path):
        pass
    plan = dataclasses.replace(SHORT, seed=1, rate=1e-6, start=sha256(tmp_path / WEIGHTS))
    second = Trainer(crops, plan, SMALL)
    second.start_from(tmp_path / WEIGHTS)
    before = weights_of(second)
    second.step()
    for name, tensor in first.network.state_dict().items():
        assert torch.allclose(before[name], tensor, atol=1e-3, rtol=1e-3)  # 16-bit floats
        assert torch.allclose(second.network.state_dict()[name], before[name], atol=2e-6)
    assert torch.allclose(before["codebooks"], first.quantizer.codebooks, atol=1e-3, rtol=1e-3)
    frames = plan.items * plan.crop / RATE_HZ * 50
    assert before["uses"].sum(1).tolist() == pytest.approx([frames, frames], rel=0.02)
    assert torch.allclose(before["sums"], before["codebooks"] * before["uses"][..., None])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (AdversarialTrainer, {"adversarial": True}),
        (Trainer, {"decoder_alone": True, "envelopes": 2.0, "crop": 8000}),
    ],
    ids=["adversarial", "envelopes"],
)
def test_training_the_decoder_alone_keeps_the_codes_and_goes_on_after_a_break(
    small_corpus, tmp_path, kind, options
):
    plan = dataclasses.replace(SHORT, steps=4, **options)
    crops = Crops.of(small_corpus, plan.crop)
    Trainer(crops, SHORT, SMALL).save(tmp_path)
    start = tmp_path / WEIGHTS
    plan = dataclasses.replace(plan, start=sha256(start))
    whole, broken, rest = (kind(crops, plan, SMALL) for _ in range(3))
    for trainer in (whole, broken):
        trainer.start_from(start)
    before = weights_of(whole)
    while not whole.finished:
        whole.step()
    after = weights_of(whole)
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"decoder"}
    broken.step()
    broken.save(tmp_path)
    rest.load(tmp_path / STATE)
    while not rest.finished:
        rest.step()
    assert_equal(weights_of(rest), after)


@pytest.mark.slow
@pytest.mark.parametrize("snr_db", [-5, 5, 20])
def test_the_distance_of_envelopes_is_what_stoi_lacks(snr_db):
    pytest.importorskip("pystoi")
    speech = data.prompts("en")[0].audio.resample(RATE_HZ)
    noisy = mix(speech, noise("pink", speech.duration_s, RATE_HZ, np.random.default_rng(0)), snr_db)
    measure = EnvelopeLoss(RATE_HZ)
    clean, bad = (torch.tensor(sound.samples)[None] for sound in (speech, noisy))
    assert 1 - measure(bad, clean).item() == pytest.approx(stoi(speech, noisy), abs=0.03)
    assert measure(clean / 2, clean).item() == pytest.approx(0, abs=1e-3)


@pytest.mark.slow
def test_an_adversary_learns_to_tell_noise_from_a_voice_and_passes_it_no_more(crops):
    voices = torch.from_numpy(crops.batch(2, np.random.default_rng(0)))
    noise = torch.randn(voices.shape, generator=torch.Generator().manual_seed(0)) * voices.std()
    torch.manual_seed(0)
    adversary = Adversary()
    optimizer = torch.optim.Adam(adversary.parameters(), 3e-3)
    guess, judged = adversary.tell_apart(noise, voices).item(), adversary.judge(noise, voices)
    for _ in range(30):
        optimizer.zero_grad()
        adversary.tell_apart(noise, voices).backward()
        optimizer.step()
    assert guess == pytest.approx(2, abs=0.2)
    assert adversary.tell_apart(noise, voices).item() < 1
    assert adversary.judge(noise, voices) > judged
    assert adversary.judge(voices, voices) < adversary.judge(noise, voices)


def test_weights_of_another_network_are_no_start(crops, tmp_path):
    Trainer(crops, SHORT, SMALL).save(tmp_path)
    other = dataclasses.replace(SMALL, width=16)
    with pytest.raises(ModelError, match=r"width=12.*not of.*width=16"):
        Trainer(crops, SHORT, other).start_from(tmp_path / WEIGHTS)


def test_a_state_of_another_plan_is_refused(crops, tmp_path):
    Trainer(crops, SHORT, SMALL).save(tmp_path)
    with pytest.raises(ModelError, match="another --out"):
        Trainer(crops, dataclasses.replace(SHORT, seed=9), SMALL).load(tmp_path / STATE)


def test_a_damaged_state_is_refused(crops, tmp_path):
    (tmp_path / STATE).write_bytes(b"PK nonsense")
    with pytest.raises(ModelError, match="no state of a training"):
        Trainer(crops, SHORT, SMALL).load(tmp_path / STATE)


def test_the_learning_rate_rises_then_falls_to_a_fiftieth():
    rates = [Plan().rate_at(step) for step in range(0, Plan().steps + 1, 100)]
    top = int(np.argmax(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.02 * Plan().rate)


@pytest.mark.parametrize("option", ["--adversarial", "--decoder-alone"])
def test_training_a_decoder_alone_from_nothing_is_refused(capsys, option):
    with pytest.raises(SystemExit, match="2"):
        main([option])
    assert "--start" in capsys.readouterr().err.splitlines()[-1]


def test_the_command_says_how_to_fetch_the_corpus(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path))
    with pytest.raises(SystemExit, match="2"):
        main(["--steps", "1", "--threads", "1"])
    assert "codec_corpus.py" in capsys.readouterr().err


# --- the corpus and its crops --------------------------------------------------------------


def test_a_corpus_is_read_as_it_was_saved(small_corpus):
    parts = small_corpus.split()
    assert [clip.name for clip in parts.held_out] == ["clip-0"]
    assert {clip.speaker for clip in parts.unseen} == {"new"}
    assert {clip.speaker for clip in small_corpus.music()} == {"band"}
    clip = parts.train[-1]
    expected = voice(160, 2, 17)
    assert np.array_equal(small_corpus.samples(clip), expected)
    assert np.allclose(small_corpus.audio(clip).samples, expected / 32768)


def test_a_corpus_whose_sound_is_cut_short_is_refused(small_corpus, tmp_path):
    corpus.save(tmp_path, [(Clip("a", "en", "b"), np.ones(50, np.int16))], [], [])
    (tmp_path / corpus.SOUND).write_bytes(b"\0" * 98)
    with pytest.raises(DataError, match="49 samples, its index tells of 50"):
        corpus.load(tmp_path)


def test_test_clips_are_never_cropped_for_training(small_corpus, crops):
    of_training = sum(clip.samples for clip in small_corpus.split().train)
    assert sum(speech.size for speech in crops.speech) == of_training


@pytest.mark.slow
def test_crops_are_finite_and_within_full_scale_whatever_is_drawn(crops):
    batch = crops.batch(60, np.random.default_rng(0))
    assert batch.shape == (60, SHORT.crop)
    assert batch.dtype == np.float32
    assert np.abs(batch).max() <= 1


def test_crops_longer_than_the_recordings_are_refused(small_corpus):
    with pytest.raises(DataError, match="make the crops shorter"):
        Crops.of(small_corpus, 10 * RATE_HZ)


# --- augmentation --------------------------------------------------------------------------


def loudest_hz(samples):
    return np.abs(np.fft.rfft(samples * np.hanning(samples.size))).argmax() * RATE_HZ / samples.size


@given(st.floats(0.6, 1.6))
@settings(max_examples=20)
def test_playing_faster_raises_every_frequency_by_as_much(speed):
    time_s = np.arange(augment.needed(8000, speed)) / RATE_HZ
    played = augment.play(np.sin(2 * np.pi * 1000 * time_s).astype(np.float32), 8000)
    assert loudest_hz(played) == pytest.approx(1000 * speed, rel=0.01)
    assert np.abs(played).max() == pytest.approx(1, abs=0.1)


def test_a_tilt_changes_the_colour_by_its_decibels():
    rng = np.random.default_rng(0)
    hiss = rng.standard_normal(augment.needed(16_000, 1.0)).astype(np.float32)
    tilted = augment.play(hiss, 16_000, np.array([0.0, -20.0]))
    power = np.abs(np.fft.rfft(tilted)) ** 2
    ends_db = 10 * np.log10(power[:400].mean() / power[-400:].mean())
    assert ends_db == pytest.approx(19, abs=2)


def vowel(pitch_hz, formant_hz):
    partials = np.arange(pitch_hz, 7000, pitch_hz)
    gains = np.exp(-(((partials - formant_hz) / 400) ** 2)) + 0.01
    time_s = np.arange(8000) / RATE_HZ
    return np.sum(gains[:, None] * np.sin(2 * np.pi * partials[:, None] * time_s), 0) / 8


def centre_hz(samples):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power @ np.arange(power.size) / power.sum()) * RATE_HZ / samples.size


def test_shifting_formants_moves_the_envelope_and_not_the_pitch():
    before = vowel(150, 1500).astype(np.float32)
    after = augment.shift_formants(before, 1.25)
    assert centre_hz(after) == pytest.approx(1500 * 1.25, rel=0.07)
    bins = np.abs(np.fft.rfft(after))
    tops = np.argsort(bins)[-5:] * RATE_HZ / after.size
    assert np.abs(tops / 150 - np.round(tops / 150)).max() < 0.03  # harmonics of 150 Hz still


def test_a_whisper_keeps_the_formant_and_loses_the_pitch():
    spoken = vowel(150, 1500).astype(np.float32)
    whispered = augment.whisper(spoken, np.random.default_rng(0))
    assert centre_hz(whispered) == pytest.approx(1500, rel=0.15)

    def peakiness(samples):
        power = np.abs(np.fft.rfft(samples)) ** 2
        return power.max() / power.sum()

    assert peakiness(whispered) < 0.3 * peakiness(spoken)


def test_a_room_adds_echoes_after_the_sound_and_none_before():
    click = np.zeros(8000, np.float32)
    click[1000] = 1
    wet = augment.reverberate(click, 0.2, RATE_HZ, np.random.default_rng(0))
    assert np.abs(wet[:1000]).max() < 1e-6
    early, late = np.abs(wet[1001:1800]).mean(), np.abs(wet[3000:4200]).mean()
    assert early > 5 * late > 0
