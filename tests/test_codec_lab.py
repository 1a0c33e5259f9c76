"""The codec lab: a codec taken apart, what is measured with numpy alone, figures and sliders."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.codec import augment
from voxlab.codec.inspection import latents_of, learned_quantizer, residual_levels_db, sound_of
from voxlab.codec.mini import MiniCodec
from voxlab.codec.quantizer import ResidualQuantizer, nearest_code
from voxlab.codec.spectrum import periodicity, spectral_distance_db, spectrogram_db
from voxlab.errors import AudioError, CodecError
from voxlab.plots import plot_cells, plot_code_use, plot_ladder, plot_spectrograms
from voxlab.plots.residual_stages import GRID, ResidualStages, borders, plot_residual_stages
from voxlab.widgets import explore_quantizer

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="module")
def codec() -> MiniCodec:
    return MiniCodec()


@pytest.fixture(scope="module")
def voice() -> Audio:
    return next(p.audio for p in data.prompts("en") if p.id == "vm-sorry").between(0, 1.5)


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((400, 2)) * (5, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def quantizer(cloud) -> ResidualQuantizer:
    return learned_quantizer(cloud, 3, 8, np.random.default_rng(1))


# --- a codec taken apart -------------------------------------------------------------------


def test_each_learned_stage_leaves_less_of_what_it_learned_from(quantizer, cloud):
    levels_db = residual_levels_db(quantizer, cloud)
    assert levels_db[0] == 0
    assert (np.diff(levels_db) < -3).all(), levels_db


def test_the_same_generator_learns_the_same_codebooks(quantizer, cloud):
    again = learned_quantizer(cloud, 3, 8, np.random.default_rng(1))
    assert np.array_equal(again.codebooks, quantizer.codebooks)


def test_more_codewords_than_points_are_refused(cloud):
    with pytest.raises(CodecError, match="8 points at least"):
        learned_quantizer(cloud[:7], 1, 8, np.random.default_rng(0))


@pytest.mark.slow
def test_the_parts_put_together_are_the_codec(codec, voice):
    codes = codec.encode(voice)
    latents = latents_of(codec, voice)
    assert np.mean(codec.quantizer.encode(latents) == codes) > 0.999
    made = sound_of(codec, codec.quantizer.decode(codes))
    np.testing.assert_allclose(made.samples, codec.decode(codes).samples, atol=1e-4)


def test_levels_are_those_of_the_residuals(codec):
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((50, codec.quantizer.features)).astype(np.float32)
    last = vectors - codec.quantizer.decode(codec.quantizer.encode(vectors))
    want_db = 10 * np.log10(last.var(0).sum() / vectors.var(0).sum())
    assert residual_levels_db(codec.quantizer, vectors)[-1] == pytest.approx(want_db, abs=1e-3)


@pytest.mark.parametrize("shape", [(0, 64), (5, 63), (64,)])
def test_the_decoder_refuses_what_are_no_latents(codec, shape):
    with pytest.raises(CodecError, match="the decoder needs"):
        sound_of(codec, np.zeros(shape, np.float32))


def test_latents_need_sound_at_the_codecs_rate(codec):
    with pytest.raises(AudioError, match="resample"):
        latents_of(codec, audio.silence(1, 8000))


# --- what spectra tell ---------------------------------------------------------------------


def sine(hz: float, rate_hz: int = 16_000, seconds: float = 0.5) -> Audio:
    return Audio(np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz), rate_hz)


@given(st.integers(3, 100), st.sampled_from([8000, 16_000, 24_000]))
@settings(max_examples=15)
def test_a_full_sine_is_at_its_bin_with_0_db(bin_of_sine, rate_hz):
    levels_db = spectrogram_db(sine(bin_of_sine * 31.25, rate_hz))
    assert (levels_db.argmax(1) == bin_of_sine).all()
    np.testing.assert_allclose(levels_db.max(1), 0, atol=0.1)


def test_a_spectrogram_is_numpys_transform_of_each_window_under_a_hann_window(voice):
    windows = np.lib.stride_tricks.sliding_window_view(voice.samples, 512)[::128]
    hann = np.hanning(512)
    levels_db = 20 * np.log10(np.maximum(abs(np.fft.rfft(windows * hann)) * 2 / hann.sum(), 1e-9))
    np.testing.assert_allclose(spectrogram_db(voice), np.maximum(levels_db, -90), atol=1e-6)


def test_a_spectrogram_has_a_moment_every_8_ms():
    assert spectrogram_db(audio.silence(1, 16_000)).shape == (1 + (16_000 - 512) // 128, 257)
    with pytest.raises(AudioError, match="too short"):
        spectrogram_db(audio.silence(0.03, 16_000))


def test_distance_is_the_difference_of_levels(voice):
    assert spectral_distance_db(voice, voice) == 0
    louder = Audio(voice.samples * 2, voice.rate_hz)
    assert spectral_distance_db(voice, louder) == pytest.approx(6.02, abs=0.01)
    with pytest.raises(AudioError, match="compare equals"):
        spectral_distance_db(voice, voice.between(0, 1))


def test_what_is_missing_counts_as_30_db_below_the_strongest(voice):
    silent = audio.silence(voice.duration_s, voice.rate_hz)
    assert 5 < spectral_distance_db(voice, silent) < 30


def test_a_hum_is_periodic_a_hiss_is_not_and_a_whisper_is_between(voice):
    rng = np.random.default_rng(3)
    pulses = np.zeros(8000, np.float32)
    pulses[::100] = 0.5
    hiss = audio.noise("white", 0.5, 16_000, rng)
    whisper = Audio(augment.whisper(voice.samples, rng), voice.rate_hz)
    hum, spoken, whispered, hissed = (
        np.median(periodicity(each)) for each in (Audio(pulses, 16_000), voice, whisper, hiss)
    )
    assert hum > 0.95
    assert spoken > 0.8
    assert hissed < whispered < 0.5


def test_silence_has_no_moment_to_be_periodic():
    assert periodicity(audio.silence(1, 16_000)).size == 0


@pytest.mark.slow
def test_the_codec_keeps_a_whisper_a_whisper(codec, voice):
    whisper = Audio(augment.whisper(voice.samples, np.random.default_rng(4)), voice.rate_hz)
    spoken, whispered = (codec.decode(codec.encode(each, 1)) for each in (voice, whisper))
    assert np.median(periodicity(spoken)) > np.median(periodicity(whispered)) + 0.3


# --- figures -------------------------------------------------------------------------------


def test_borders_are_where_codes_change(quantizer):
    reach = 8.0
    pixels = borders(quantizer, reach)
    side = np.linspace(-reach, reach, GRID, dtype=np.float32)
    row = np.stack([side, np.full(GRID, side[123])], 1)
    changes = (np.diff(quantizer.encode(row), axis=1) != 0).any(0)
    assert changes.any()
    assert (pixels[123, :, 3][changes] > 0).all()
    inside = pixels[..., 3] == 0
    assert inside.mean() > 0.5


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


@pytest.mark.slow
def test_the_figure_names_the_codes_and_what_they_miss(quantizer, cloud):
    point = np.array([[4.0, -1.5]], np.float32)
    codes = quantizer.encode(point, 2)
    miss = np.linalg.norm(point - quantizer.decode(codes))
    found = texts(plot_residual_stages(quantizer, cloud, point[0], 2))
    first, second = codes[:, 0]
    assert f"code {first}-{second}: 6 bits, misses by {miss:.2f}" in found
    assert f"stage 2: code {second}" in found
    assert "stage 3: not sent" in found


@pytest.mark.slow
def test_a_moved_point_gives_the_picture_of_a_fresh_one(quantizer, cloud):
    moved, fresh = (ResidualStages(quantizer, cloud, Figure(dpi=50)) for _ in range(2))
    moved.update((-6.0, 3.0))
    before = moved.png()
    moved.update((4.0, -1.5), 2)
    fresh.update((4.0, -1.5), 2)
    assert moved.png() == fresh.png() != before


@pytest.mark.slow
def test_sliders_move_the_point_and_switch_stages_off(quantizer, cloud):
    sliders, image = explore_quantizer(quantizer, cloud, (1.0, 1.0)).children
    x, y, stages = sliders.children
    seen = [bytes(image.value)]
    for slider, value in ((x, 3.0), (y, -2.0), (stages, 1)):
        slider.value = value
        seen.append(bytes(image.value))
    assert len(set(seen)) == 4
    assert all(png.startswith(b"\x89PNG") for png in seen)
    assert (stages.min, stages.max) == (1, 3)


def test_cells_carry_the_numbers_of_their_codes(quantizer, cloud):
    ax = plot_cells(quantizer.codebooks[0], cloud, Figure().subplots())
    for text in ax.texts:
        place = np.array([text.get_position()], np.float32)
        assert str(nearest_code(place, quantizer.codebooks[0])[0]) == text.get_text()
    assert len(ax.texts) == 8


@pytest.mark.slow
def test_spectrograms_share_their_axes_and_no_label_overlaps(voice):
    figure = plot_spectrograms({"a": voice, "b": voice.between(0, 1), "c": voice})
    figure.canvas.draw()
    *rows, _ = figure.axes
    assert len({ax.get_xlim() for ax in rows}) == 1
    assert [ax.get_title(loc="left") for ax in rows] == ["a", "b", "c"]
    boxes = [ax.get_tightbbox() for ax in rows]
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def test_a_ladder_has_a_line_for_each_codec_and_a_rung_for_each_bitrate():
    ax = plot_ladder({"mini": [(500, 0.7), (1000, 0.8)], "G.711": [(64_000, 0.99)]}, "STOI")
    assert [line.get_label() for line in ax.lines] == ["mini", "G.711"]
    assert ax.lines[0].get_xydata().tolist() == [[0.5, 0.7], [1.0, 0.8]]
    assert ax.get_ylabel() == "STOI"


def test_code_use_is_drawn_from_the_most_frequent_down():
    ax = plot_code_use({"stage 1": np.array([1, 0, 3])})
    assert ax.lines[0].get_ydata().tolist() == [0.75, 0.25, 0.0]
    assert ax.lines[0].get_label() == "stage 1: 2 of 3 codes used"
