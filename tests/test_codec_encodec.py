"""EnCodec behind our protocol: on weights of our own, for the real ones lie on another host."""

import hashlib
import socket

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab.audio import Audio
from voxlab.codec import encodec
from voxlab.codec.base import Codec, bitrate_of
from voxlab.codec.encodec import EnCodec
from voxlab.errors import AudioError, CodecError, ModelError

RATE_HZ = 24_000


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of the real shape with random numbers, and how its checksum begins."""
    import warnings

    from encodec.model import EncodecModel

    torch.set_num_threads(1)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(0)
        model = EncodecModel.encodec_model_24khz(pretrained=False)
        for layer in model.quantizer.vq.layers:
            torch.nn.init.normal_(layer.codebook, std=0.1)
    file = tmp_path_factory.mktemp("weights") / encodec.FILE
    torch.save(model.state_dict(), file)
    return file, hashlib.sha256(file.read_bytes()).hexdigest()[:8]


@pytest.fixture(scope="module")
def codec(weights):
    file, start = weights
    return EnCodec(file, sha256_start=start)


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def cuts_of(total, cuts):
    return sorted(cut % (total + 1) for cut in cuts)


@pytest.mark.slow
def test_it_sends_what_the_paper_says(codec):
    assert isinstance(codec, Codec)
    assert codec.stages == 32
    rates = [bitrate_of(codec, stages) for stages in (2, 4, 8, 16, 32)]
    assert rates == [1500, 3000, 6000, 12_000, 24_000]
    frames = codec.encode(Audio(noise(RATE_HZ), RATE_HZ), stages=1).shape[1]
    assert frames == codec.frame_rate_hz


@pytest.mark.slow
def test_codes_and_sound_are_those_of_the_package(codec):
    clip = noise(8000)
    codec.model.set_target_bandwidth(6.0)
    with torch.no_grad():
        ((expected, _),) = codec.model.encode(torch.from_numpy(clip)[None, None])
        sound = codec.model.decode([(expected, None)])[0, 0].numpy()
    codes = codec.encode(Audio(clip, RATE_HZ), stages=8)
    assert np.array_equal(codes, expected[0].numpy())
    assert np.allclose(codec.decode(codes).samples, sound, atol=1e-5)


@pytest.mark.slow
@given(st.integers(1, 9000), st.lists(st.integers(0, 9000), max_size=3))
@settings(max_examples=5)
def test_streams_give_what_the_whole_gives(codec, samples, cuts):
    clip = noise(samples, seed=samples)
    whole = codec.encode(Audio(clip, RATE_HZ), stages=4)
    encoder, decoder = codec.encoder(stages=4), codec.decoder()
    parts = [encoder.push(part) for part in np.split(clip, cuts_of(samples, cuts))]
    codes = np.concatenate([*parts, encoder.finish()], axis=1)
    assert codes.shape == whole.shape
    assert np.mean(codes == whole) > 0.99  # two codewords may be equally near
    parts = np.split(whole, cuts_of(whole.shape[1], cuts), axis=1)
    sound = np.concatenate([*map(decoder.push, parts), decoder.finish()])
    assert np.abs(sound - codec.decode(whole).samples).max() < 1e-4


@pytest.mark.slow
def test_what_does_not_fit_is_refused(codec):
    with pytest.raises(AudioError, match=r"resample\(24000\)"):
        codec.encode(Audio(noise(100), 16_000))
    with pytest.raises(CodecError, match="1 to 32"):
        codec.encode(Audio(noise(100), RATE_HZ), stages=33)
    with pytest.raises(CodecError, match="1024"):
        codec.decode(np.full((2, 3), 1024))


def test_a_file_with_another_checksum_is_refused(weights):
    with pytest.raises(ModelError, match=r"damaged or another file.*d7cc33bc"):
        EnCodec(weights[0])


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    file = tmp_path / encodec.FILE
    file.write_bytes(b"not weights")
    start = hashlib.sha256(b"not weights").hexdigest()[:8]
    with pytest.raises(ModelError, match="does not hold EnCodec's weights"):
        EnCodec(file, sha256_start=start)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no file .*nowhere"):
        EnCodec(tmp_path / "nowhere.th")


def test_without_the_host_the_error_says_where_to_put_the_file(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]  # nobody answers there once it is closed
    monkeypatch.setattr(encodec, "HOST", f"http://127.0.0.1:{port}/")
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=rf"put it at {tmp_path}.*MiniCodec"):
        EnCodec()


def test_a_host_that_gives_another_file_is_not_believed(tmp_path, monkeypatch):
    page = tmp_path / encodec.FILE
    page.write_text("log in to this network first")
    monkeypatch.setattr(encodec, "HOST", f"{tmp_path.as_uri()}/")
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="wrong SHA-256"):
        EnCodec()
    assert [*(tmp_path / "cache").rglob("*.th")] == []


def test_what_the_host_gives_is_kept(weights, tmp_path, monkeypatch):
    file, start = weights
    monkeypatch.setattr(encodec, "HOST", f"{file.parent.as_uri()}/")
    monkeypatch.setattr(encodec, "SHA256_START", start)
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path))
    kept = encodec.fetch()
    assert kept.read_bytes() == file.read_bytes()
    monkeypatch.setattr(encodec, "HOST", "http://127.0.0.1:9/")
    assert encodec.fetch() == kept
