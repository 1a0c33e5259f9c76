"""The mini codec that ships: streams, bounds, bad input, damaged weights, and how it sounds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.codec.base import Codec, bitrate_of, round_trip
from voxlab.codec.mini import WEIGHTS, MiniCodec, load_weights, save_weights
from voxlab.codec.network import MiniConfig, MiniNetwork
from voxlab.errors import AudioError, CodecError, ModelError
from voxlab.models.torch_threads import inference

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def codec():
    return MiniCodec()


@pytest.fixture(scope="module")
def speech():
    return data.prompts("en")[0].audio.between(0.0, 3.0)


def cuts_of(total, cuts):
    return [cut % (total + 1) for cut in sorted(cuts, key=lambda cut: cut % (total + 1))]


def edges(total, sizes):
    """Return where pieces end whose sizes repeat in turn."""
    ends = np.cumsum(np.resize(sizes, total // min(sizes) + 1))
    return ends[ends < total]


# --- what it is ----------------------------------------------------------------------------


def test_it_is_a_codec_of_half_a_kilobit_to_four(codec):
    assert isinstance(codec, Codec)
    assert [bitrate_of(codec, stages) for stages in (1, 2, 8)] == [500, 1000, 4000]
    assert codec.latency_s == pytest.approx(0.05)


def test_the_weights_take_eight_megabytes_at_most_and_have_card_and_licence_beside_them():
    file = data.path(WEIGHTS)
    assert file.stat().st_size <= 8_000_000
    assert "CC-BY-SA-3.0" in (file.parent / "README.md").read_text("utf-8")
    assert (file.parent / "LICENSE").is_file()


def test_codes_are_int32_of_stages_by_frames_the_last_frame_filled_up(codec):
    codes = codec.encode(Audio(np.zeros(321, np.float32), RATE_HZ))
    assert codes.shape == (8, 2)
    assert codes.dtype == np.int32
    assert codec.decode(codes).samples.shape == (640,)


# --- streams -------------------------------------------------------------------------------


@given(st.integers(1, 16_000), st.lists(st.integers(0, 16_000), max_size=6))
@settings(max_examples=15)
def test_codes_of_a_stream_are_those_of_the_whole(codec, speech, samples, cuts):
    clip = speech.samples[8_000 : 8_000 + samples]
    encoder = codec.encoder()
    parts = [encoder.push(part) for part in np.split(clip, cuts_of(samples, cuts))]
    streamed = np.concatenate([*parts, encoder.finish()], axis=1)
    padded = np.pad(clip, (0, -samples % 320))
    with inference():
        latents = codec.network.encode(torch.from_numpy(padded)[None])[0].numpy()
    # two codewords may be equally near: then either is right, and the latents tell
    decoded = codec.quantizer.decode(streamed)
    whole = codec.quantizer.decode(codec.quantizer.encode(latents))
    assert np.abs(decoded - whole).max(initial=0) < 1e-4


@given(st.integers(1, 60), st.lists(st.integers(0, 60), max_size=6), st.integers(1, 8))
@settings(max_examples=15)
def test_sound_of_a_stream_is_that_of_the_whole_within_one_in_ten_thousand(
    codec, frames, cuts, stages
):
    codes = np.random.default_rng(frames).integers(0, 1024, (stages, frames)).astype(np.int32)
    decoder = codec.decoder()
    parts = [decoder.push(part) for part in np.split(codes, cuts_of(frames, cuts), axis=1)]
    streamed = np.concatenate([*parts, decoder.finish()])
    with inference():
        latents = torch.from_numpy(codec.quantizer.decode(codes))[None]
        whole = codec.network.decode(latents)[0].numpy()
    assert streamed.shape == whole.shape
    assert np.abs(streamed - whole).max() < 1e-4


@pytest.mark.slow
@given(st.integers(1, 16_000), st.lists(st.integers(100, 2_000), min_size=1, max_size=4))
@settings(max_examples=10)
def test_pieces_as_a_call_has_them_give_the_codes_and_the_sound_of_the_file(
    codec, speech, samples, sizes
):
    clip = speech.samples[8_000 : 8_000 + samples]
    codes = codec.encode(Audio(clip, RATE_HZ))
    encoder, decoder = codec.encoder(), codec.decoder()
    parts = [encoder.push(part) for part in np.split(clip, edges(samples, sizes))]
    streamed = np.concatenate([*parts, encoder.finish()], axis=1)
    assert np.array_equal(streamed, codes)
    frames = edges(codes.shape[1], [size // 300 + 1 for size in sizes])
    sound = [decoder.push(part) for part in np.split(codes, frames, axis=1)]
    sound = np.concatenate([*sound, decoder.finish()])
    assert np.abs(sound - codec.decode(codes).samples).max() < 1e-4


@pytest.mark.slow
def test_a_recording_longer_than_a_pass_is_the_same_as_in_one(codec, speech):
    long = audio.concatenate([speech] * 8)
    codes = codec.encode(long)
    with inference():
        latents = codec.network.encode(torch.tensor(long.samples)[None])[0].numpy()
        whole = codec.network.decode(torch.from_numpy(codec.quantizer.decode(codes))[None])[0]
    assert np.mean(codes == codec.quantizer.encode(latents)) > 0.999
    assert np.abs(codec.decode(codes).samples - whole.numpy()).max() < 1e-4


def test_a_stream_gives_each_frame_fifteen_milliseconds_after_its_end(codec):
    encoder = codec.encoder(stages=2)
    assert encoder.push(np.zeros(320 + 239, np.float32)).shape == (2, 0)
    assert encoder.push(np.zeros(1, np.float32)).shape == (2, 1)


def test_a_stream_that_ended_takes_no_more(codec):
    encoder, decoder = codec.encoder(), codec.decoder()
    assert encoder.finish().shape == (8, 0)
    assert decoder.finish().shape == (0,)
    with pytest.raises(CodecError, match="ended"):
        encoder.push(np.zeros(1, np.float32))
    with pytest.raises(CodecError, match="ended"):
        decoder.finish()


def test_two_streams_of_one_codec_do_not_hear_each_other(codec, speech):
    first, second = codec.encoder(), codec.encoder()
    parts = []
    for part in np.split(speech.samples[:9600], 6):
        parts.append(first.push(part))
        second.push(-part[::-1].copy())
    alone = codec.encode(Audio(speech.samples[:9600], RATE_HZ))
    assert np.array_equal(np.concatenate([*parts, first.finish()], axis=1), alone)


# --- how it sounds -------------------------------------------------------------------------


@pytest.mark.slow
def test_more_stages_sound_better_on_a_phrase_that_no_training_heard(codec, speech):
    pytest.importorskip("pystoi")
    from voxlab.codec.perceptual_metrics import stoi

    scores = [stoi(speech, round_trip(codec, speech, stages)) for stages in (1, 2, 4, 8)]
    assert scores == sorted(scores)
    assert scores[-1] > 0.9


def test_silence_stays_silent_and_clipped_sound_stays_finite(codec):
    assert audio.level_db(round_trip(codec, audio.silence(0.5, RATE_HZ))) < -45
    square = np.sign(np.sin(np.arange(8000) / 10)).astype(np.float32)
    assert np.abs(round_trip(codec, Audio(square, RATE_HZ)).samples).max() < 10


def test_a_round_trip_keeps_rate_and_length(codec):
    telephone = Audio(np.zeros(4001, np.float32), 8000)
    made = round_trip(codec, telephone, stages=1)
    assert (made.rate_hz, made.samples.size) == (8000, 4001)


# --- what it refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "rate_hz", "reason"),
    [
        (np.zeros(100), 8000, r"resample\(16000\)"),
        (np.zeros(0), RATE_HZ, "empty"),
        (np.full(100, 2000.0), RATE_HZ, "16-bit"),
    ],
)
def test_recordings_that_do_not_fit_are_refused(codec, samples, rate_hz, reason):
    with pytest.raises(AudioError, match=reason):
        codec.encode(Audio(samples, rate_hz))


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.full(9, np.nan), "NaN"),
        (np.zeros((2, 9)), "one channel"),
        (np.zeros(9, np.int16), "int16"),
    ],
)
def test_pushed_samples_that_do_not_fit_are_refused(codec, samples, reason):
    with pytest.raises(AudioError, match=reason):
        codec.encoder().push(samples)


@pytest.mark.parametrize("stages", [0, 9])
def test_stages_out_of_range_are_refused(codec, stages):
    with pytest.raises(CodecError, match="1 to 8"):
        codec.encoder(stages)


@pytest.mark.parametrize("codes", [np.full((8, 2), 1024), np.zeros((9, 2), int), np.zeros((8, 2))])
def test_codes_out_of_range_are_refused(codec, codes):
    with pytest.raises(CodecError):
        codec.decode(codes)
    with pytest.raises(CodecError):
        codec.decoder().push(codes)


# --- its weights ---------------------------------------------------------------------------

SMALL = MiniConfig(width=12, hidden=16, features=6, stages=2, codes=8)


CODEBOOKS = np.random.default_rng(0).standard_normal((2, 8, 6)).astype(np.float32)


@pytest.fixture
def small(tmp_path) -> Path:
    file = tmp_path / "small.npz"
    save_weights(file, MiniNetwork(SMALL), CODEBOOKS)
    return file


def test_weights_come_back_as_they_were_saved_in_half_precision(small):
    network, codebooks = load_weights(small)
    assert network.config == SMALL
    assert codebooks.shape == (2, 8, 6)
    assert MiniCodec(small).encode(Audio(np.zeros(640), RATE_HZ)).shape == (2, 2)


def test_a_codec_of_other_sizes_streams_as_well(small, speech):
    codec = MiniCodec(small)
    clip = speech.samples[:6_400]
    encoder, decoder = codec.encoder(), codec.decoder()
    codes = [encoder.push(part) for part in np.split(clip, 20)]
    codes = np.concatenate([*codes, encoder.finish()], axis=1)
    assert np.array_equal(codes, codec.encode(Audio(clip, RATE_HZ)))
    sound = [decoder.push(frame[:, None]) for frame in codes.T]
    sound = np.concatenate([*sound, decoder.finish()])
    assert np.abs(sound - codec.decode(codes).samples).max() < 1e-4


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_weights_file_that_is_cut_short_is_refused(small, share):
    content = small.read_bytes()
    small.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=r"small\.npz.*git checkout"):
        MiniCodec(small)


def test_a_weights_file_with_a_flipped_byte_is_refused(small):
    content = bytearray(small.read_bytes())
    content[len(content) // 2] ^= 0xFF
    small.write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"small\.npz"):
        MiniCodec(small)


def test_a_missing_weights_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"nothing\.npz"):
        MiniCodec(tmp_path / "nothing.npz")


@pytest.mark.parametrize("change", ["codebooks", "leave", "extra"])
def test_weights_of_another_shape_are_refused(small, change):
    with np.load(small) as file:
        arrays = dict(file)
    if change == "codebooks":
        arrays["codebooks"] = arrays["codebooks"][:, :4]
    elif change == "leave":
        arrays["encoder.leave.weight"] = arrays["encoder.leave.weight"][:3]
    else:
        arrays["encoder.other"] = np.zeros(2)
    np.savez(small, **arrays)
    with pytest.raises(ModelError, match=r"small\.npz"):
        MiniCodec(small)


def test_a_file_that_would_run_code_is_refused(small):
    arrays = {"config": np.array([{"rate_hz": 1}], dtype=object)}
    np.savez(small, **arrays)
    with pytest.raises(ModelError, match="allow_pickle"):
        MiniCodec(small)
