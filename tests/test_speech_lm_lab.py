"""What lesson 04 shows: tokens drawn at their ids, a training with a Stop button, a probe."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.audio import Audio
from voxlab.codec import augment
from voxlab.codec.mini import MiniCodec
from voxlab.errors import CodecError
from voxlab.plots import (
    plot_comparison,
    plot_joint_tokens,
    plot_learning,
    plot_patterns,
    plot_votes,
)
from voxlab.speech_lm import comparison, digits, patterns
from voxlab.speech_lm.digits import DigitReading
from voxlab.speech_lm.network import LMConfig
from voxlab.speech_lm.style import WhisperProbe
from voxlab.speech_lm.train import Plan, Trainer
from voxlab.speech_lm.vocabulary import JointVocabulary
from voxlab.widgets import live_training

SMALL = LMConfig(stages=2, codes=8, width=16, heads=2, layers=1, depth_layers=1, positions=60)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


# --- figures -------------------------------------------------------------------------------


def test_every_code_is_drawn_at_its_id_and_every_word_at_its_frame():
    joint = JointVocabulary(5, stages=2, codebook_size=10)
    ids = joint.audio_ids(np.array([[1, 2, 3], [4, 5, 6]]))
    sound = Audio(np.sin(np.arange(960) / 9), 16_000)
    tokens = plot_joint_tokens(sound, {0: "four", 2: "seven"}, ids, joint).axes[1]
    drawn = [line.get_ydata() for line in tokens.lines if len(line.get_xdata()) == 3]
    np.testing.assert_array_equal(drawn, ids)
    assert [text.get_text().strip() for text in tokens.texts] == ["four", "seven"]
    assert tokens.texts[1].get_position()[0] == pytest.approx(0.04)


def test_the_drawn_patterns_number_the_positions_that_the_patterns_take():
    axes = plot_patterns(frames=3, stages=2).axes
    for ax in axes:
        name, _, count = ax.get_title().partition(": ")
        assert count == f"{patterns.positions(name, 3, 2)} positions"
        labels = [text.get_text().partition(".")[0] for text in ax.texts]
        assert max(map(int, labels)) == patterns.positions(name, 3, 2)
    assert [text.get_text() for text in axes[2].texts] == ["1", "2", "3", "2", "3", "4"]


def test_the_comparison_shows_each_pattern_and_the_codec_alone():
    found = comparison.load()
    steps, seconds, heard = plot_comparison(found).axes
    assert [text.get_text() for text in steps.get_legend().get_texts()] == list(found.patterns)
    assert len(seconds.lines) == len(found.patterns)
    assert [label.get_text() for label in heard.get_yticklabels()] == list(found.patterns)


def test_a_learning_curve_has_a_line_a_codebook_as_long_as_the_training():
    ax = plot_learning(np.ones((200, 3)) * [1, 2, 3])
    assert [line.get_ydata()[-1] for line in ax.lines] == pytest.approx([1, 2, 3])
    assert ax.lines[0].get_xdata()[-1] == 200


# --- training in the notebook --------------------------------------------------------------


def trainer_of(reading="47"):
    codes = np.arange(12).reshape(2, 6) % 8
    return Trainer([DigitReading(reading, codes.astype(np.int32), (0, 3))], SMALL, Plan(items=2))


def parts_of(training):
    bar, button, text = training.children[0].children
    return bar, button, text


def test_the_training_fills_its_bar_and_says_when_it_is_done():
    training = live_training(trainer_of(), seconds=0.05)
    trainer = training.wait()
    bar, button, text = parts_of(training)
    assert bar.value == bar.max == 0.05
    assert button.disabled
    assert text.value == f"done after {trainer.steps} steps"
    assert len(training.losses) == trainer.steps


def test_the_stop_button_ends_the_training_after_its_step():
    training = live_training(trainer_of(), seconds=1e6)
    _, button, text = parts_of(training)
    button.click()
    trainer = training.wait()
    assert trainer.steps >= 1
    assert text.value.startswith("stopped")


def test_what_breaks_in_the_thread_reaches_the_reader():
    trainer = trainer_of()
    trainer.config = None
    training = live_training(trainer, seconds=1)
    with pytest.raises(AttributeError):
        training.wait()
    assert parts_of(training)[2].value.startswith("failed")


# --- the probe -----------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=30)
def test_votes_of_equal_shares_cancel_and_swapping_the_kinds_swaps_the_sign(seed, stages):
    rng = np.random.default_rng(seed)
    one, other = rng.integers(6, size=(2, stages, 9))
    votes = WhisperProbe.learn([one], [other], 6).votes
    np.testing.assert_allclose(WhisperProbe.learn([other], [one], 6).votes, -votes)
    np.testing.assert_array_equal(WhisperProbe.learn([one], [one], 6).votes, 0)


def test_the_probe_asks_only_the_stages_it_is_given():
    probe = WhisperProbe(np.array([[1.0, -1.0], [5.0, 0.0]]))
    np.testing.assert_array_equal(probe.by_frame(np.array([[0, 1]])), [1, -1])
    np.testing.assert_array_equal(probe.by_frame(np.array([[0, 1], [0, 1]])), [6, -1])
    assert probe.whispers(np.array([[0, 1], [0, 1]]))
    assert not probe.whispers(np.array([[1]]))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: WhisperProbe.learn([], [np.zeros((1, 1), int)], 2), "both kinds"),
        (lambda: WhisperProbe.learn([np.array([[2]])], [np.array([[0]])], 2), "0 to 1"),
        (lambda: WhisperProbe.learn([np.zeros((1, 1), int)], [np.zeros((2, 1), int)], 2), "stages"),
        (lambda: WhisperProbe(np.zeros((1, 2))).by_frame(np.zeros((2, 1), int)), "1 to 1"),
    ],
)
def test_what_a_probe_cannot_use_is_refused(ask, message):
    with pytest.raises(CodecError, match=message):
        ask()


@pytest.mark.slow
def test_a_whispered_number_is_told_from_a_spoken_one_by_its_codes():
    codec, rng, pairs = MiniCodec(), np.random.default_rng(0), []
    for reading in digits.load().unseen[:12:2]:
        sound = codec.decode(reading.codes)
        hushed = Audio(augment.whisper(sound.samples, rng), sound.rate_hz)
        pairs.append((codec.encode(sound, 4), codec.encode(hushed, 4)))
    probe = WhisperProbe.learn(*zip(*pairs[:4], strict=True), codec.codebook_size)
    for spoken, hushed in pairs[4:]:
        assert not probe.whispers(spoken)
        assert probe.whispers(hushed)
    ax = plot_votes(sound, probe.by_frame(pairs[-1][0]))
    assert len(ax.patches) == pairs[-1][0].shape[1]
