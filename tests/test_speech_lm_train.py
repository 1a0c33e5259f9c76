"""Training learns, repeats and stops; files that are damaged are refused; the reader speaks."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch

from voxlab import data
from voxlab.errors import CodecError, DataError, ModelError
from voxlab.speech_lm import comparison, digits
from voxlab.speech_lm.digits import DigitReading, Readings
from voxlab.speech_lm.network import LMConfig, SpeechLM
from voxlab.speech_lm.reader import DigitReader, load_weights, save_weights
from voxlab.speech_lm.train import Plan, Trainer, evaluate, main, run

torch.set_num_threads(1)
SMALL = LMConfig(stages=2, codes=8, width=16, heads=2, layers=1, depth_layers=1, positions=60)
SHORT = Plan(items=4, rate=5e-3, warm_up=2)


def counting(number):
    """Return a reading in which each digit d is three frames of the codes d % 8 and -d % 8."""
    row = np.repeat([int(digit) for digit in number], 3)
    codes = np.stack([row % 8, -row % 8]).astype(np.int32)
    return DigitReading(number, codes, tuple(range(0, len(row), 3)))


TOY = Readings.of([counting(number) for number in digits.numbers(2)])


def trained(steps, plan=SHORT, config=SMALL):
    trainer = Trainer(TOY.train, config, plan)
    return trainer, [progress.loss for progress in run(trainer, steps=steps)]


# --- training ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["flattened", "parallel", "delay", "depth"])
def test_a_short_training_lowers_the_loss_on_numbers_it_never_saw(pattern):
    config = LMConfig(**asdict(SMALL) | {"pattern": pattern})
    trainer = Trainer(TOY.train, config, SHORT)
    before = sum(evaluate(trainer.averaged, TOY.unseen))
    for _ in run(trainer, steps=25):
        pass
    assert sum(evaluate(trainer.averaged, TOY.unseen)) < before - 0.5


def test_the_same_seed_repeats_and_another_does_not():
    first, losses = trained(3)
    torch.rand(5)  # somebody else's draws do not matter
    second, again = trained(3)
    assert losses == again
    for one, other in zip(first.averaged.parameters(), second.averaged.parameters(), strict=True):
        assert torch.equal(one, other)
    assert trained(3, Plan(seed=1, items=4))[1] != losses


def test_a_training_that_is_stopped_leaves_a_whole_model_and_goes_on_from_there():
    trainer = Trainer(TOY.train, SMALL, SHORT)
    for progress in run(trainer, steps=10):
        if progress.steps == 3:
            break
    assert trainer.steps == 3
    assert np.isfinite(evaluate(trainer.averaged, TOY.unseen)).all()
    rest = [progress.steps for progress in run(trainer, steps=5)]
    assert rest == [4, 5]
    for one, other in zip(
        trainer.averaged.parameters(), trained(5)[0].averaged.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_a_training_ends_when_its_seconds_are_spent():
    trainer = Trainer(TOY.train, SMALL, SHORT)
    *_, last = run(trainer, seconds=0.02)
    assert last.seconds >= 0.02
    assert last.steps == trainer.steps


def test_there_must_be_something_to_train_on():
    with pytest.raises(CodecError, match="nothing to train on"):
        Trainer((), SMALL)


@pytest.mark.slow
def test_the_command_trains_and_says_how_well(tmp_path, capsys, monkeypatch):
    out, shipped = tmp_path / "reader.npz", digits.load()
    few = Readings(shipped.train[:8], shipped.unseen[:4])
    monkeypatch.setattr(digits, "load", lambda: few)
    assert main(["--steps", "1", "--pattern", "parallel", "--out", str(out)]) == 0
    assert "unseen numbers:" in capsys.readouterr().out
    assert load_weights(out).config.pattern == "parallel"


# --- the readings --------------------------------------------------------------------------


def test_no_training_reading_has_a_pair_that_is_kept_for_testing():
    pairs = [number for number in digits.numbers(2) if digits.is_unseen(number)]
    assert len(pairs) == 20
    assert {pair[0] for pair in pairs} == {pair[1] for pair in pairs} == set("0123456789")
    readings = digits.load()
    for reading in readings.train:
        assert not any(pair in reading.number for pair in pairs)
    for reading in readings.unseen:
        assert any(pair in reading.number for pair in pairs)
    assert len({reading.number for reading in readings.unseen}) == len(readings.unseen) >= 100


def test_the_shipped_readings_are_codes_that_the_codec_has_and_digits_begin_in_order():
    readings = digits.load()
    for reading in (*readings.train, *readings.unseen):
        assert reading.codes.shape[0] == digits.STAGES
        assert list(reading.starts) == sorted(set(reading.starts))
        assert len(reading.starts) == len(reading.number)
        assert reading.starts[-1] < reading.codes.shape[1]


def test_readings_survive_the_file(tmp_path):
    rng = np.random.default_rng(0)
    readings = [
        DigitReading("47", rng.integers(1024, size=(4, 9)).astype(np.int32), (0, 4)),
        DigitReading("470", rng.integers(1024, size=(4, 3)).astype(np.int32), (0, 1, 2)),
    ]
    digits.save(tmp_path / "some.npz", readings)
    loaded = digits.load(tmp_path / "some.npz").train
    assert [(each.number, each.starts) for each in loaded] == [("47", (0, 4)), ("470", (0, 1, 2))]
    for one, other in zip(loaded, readings, strict=True):
        assert (one.codes == other.codes).all()


@pytest.mark.parametrize("keep", [0, 100, 100_000])
def test_readings_that_are_cut_short_are_refused(tmp_path, keep):
    file = tmp_path / "digits.npz"
    file.write_bytes(data.path(digits.READINGS).read_bytes()[:keep])
    with pytest.raises(DataError, match="holds no readings"):
        digits.load(file)


def test_readings_with_codes_out_of_range_are_refused(tmp_path):
    digits.save(tmp_path / "bad.npz", [DigitReading("47", np.full((4, 3), 1024, np.int32), (0, 1))])
    with pytest.raises(DataError, match="the codec 0 to 1023"):
        digits.load(tmp_path / "bad.npz")


@pytest.mark.parametrize("number", ["4", "4711", "", "4?", "४७"])
def test_only_two_and_three_digits_can_be_read(number):
    with pytest.raises(CodecError, match="two or three digits"):
        digits.text_tokens(number)


# --- the shipped model ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader():
    return DigitReader()


def test_the_shipped_model_knows_unseen_numbers_better_than_chance(reader):
    few = digits.load().unseen[:4]
    by_stage = evaluate(reader.network, few)
    assert sum(by_stage) < 0.6 * digits.STAGES * np.log(digits.CODEBOOK_SIZE)
    assert list(by_stage) == sorted(by_stage), "the first code is the easiest"


@pytest.mark.slow
def test_the_reader_streams_what_it_reads_at_once(reader):
    whole = reader.read("four seven", np.random.default_rng(0))
    parts = [*reader.stream("47", np.random.default_rng(0))]
    np.testing.assert_allclose(np.concatenate(parts), whole.samples, atol=1e-4)
    assert 0.5 < whole.duration_s < 2.5


def test_a_reader_needs_the_codec_that_its_model_was_made_for(reader):
    with pytest.raises(ModelError, match="not made together"):
        DigitReader(SpeechLM(SMALL), reader.codec)


def test_a_model_that_says_nothing_gives_no_frames(reader):
    network = SpeechLM(LMConfig(width=8, heads=1, layers=1, depth_layers=1))
    with torch.no_grad():
        network.bias[digits.END] = 1e9
    mute = DigitReader(network, reader.codec)
    assert mute.codes("47", np.random.default_rng(0)).shape == (4, 0)


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "weights.npz"
    torch.manual_seed(0)
    save_weights(file, SpeechLM(SMALL))
    return file


def test_weights_survive_the_file_to_16_bits(weights):
    torch.manual_seed(0)
    saved = SpeechLM(SMALL).state_dict()
    loaded = load_weights(weights).state_dict()
    for name, tensor in saved.items():
        torch.testing.assert_close(loaded[name], tensor.half().float())


@pytest.mark.parametrize("keep", [0, 10, 3000])
def test_weights_that_are_cut_short_are_refused(weights, keep):
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(ModelError, match="does not hold a speech language model"):
        load_weights(weights)


@pytest.mark.parametrize(
    "sizes",
    [{"width": 32}, {"pattern": "delay"}, {"pattern": "sideways"}, {"stages": 0}, {"more": 1}],
)
def test_weights_of_another_shape_than_they_say_are_refused(weights, sizes):
    with np.load(weights) as arrays:
        changed = dict(arrays)
    changed["config"] = np.array(json.dumps(asdict(SMALL) | sizes))
    np.savez(weights, **changed)
    with pytest.raises(ModelError, match=r"voxlab\.speech_lm\.train"):
        load_weights(weights)


def test_missing_weights_say_what_to_do(monkeypatch, tmp_path):
    shutil.copytree(data.folder() / "shop", tmp_path / "shop")
    monkeypatch.setenv("VOXLAB_DATA", str(tmp_path))
    with pytest.raises(ModelError, match="git checkout data"):
        DigitReader()


# --- the comparison ------------------------------------------------------------------------


def test_the_comparison_tells_of_every_pattern_on_the_same_numbers():
    found = comparison.load()
    unseen = digits.load().unseen
    assert set(found.patterns) == {"flattened", "parallel", "delay", "depth"}
    assert len(found.heard_codec) == len(found.heard_reader) == len(unseen) >= 100
    for each in found.patterns.values():
        assert len(each.heard) == len(unseen)
        assert sum(each.nats_at(each.steps)) == pytest.approx(sum(each.nats))
        assert each.steps >= found.equal_steps


@pytest.mark.parametrize("steps", [1, 10**6])
def test_what_was_not_measured_is_not_made_up(steps):
    with pytest.raises(DataError, match="nothing is known"):
        comparison.load().patterns["depth"].nats_at(steps)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"date": 1', '{"patterns": {}}'])
def test_a_damaged_comparison_is_refused(tmp_path, text):
    (tmp_path / "bad.json").write_text(text, "utf-8")
    with pytest.raises(DataError, match="holds no comparison"):
        comparison.load(tmp_path / "bad.json")
