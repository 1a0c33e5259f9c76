"""Silero's probabilities: equal to the package's own, however they are asked for."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from voxlab import audio, models
from voxlab.audio import Audio
from voxlab.errors import AudioError, ModelError, VoxlabError
from voxlab.models import fetching
from voxlab.vad import silero
from voxlab.vad.endpointing import speech_segments
from voxlab.vad.silero import FRAME_SIZE, SileroBatch, SileroVAD, speech_probabilities

TEXT = "I would like a table for two, please. Tomorrow at eight, if you have one left."
EXACT = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module", autouse=True)
def fetched_models(tmp_path_factory):
    """Have Silero's network, should the installed package hold another one than ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        models.fetch(["silero"])
        yield


@pytest.fixture(scope="module")
def speech():
    """A second of room, two spoken sentences, a second of room; 16 kHz, 22 dB above the noise."""
    import hibari

    voice = Audio(hibari.Hibari()(TEXT, seed=0), 24_000).resample(16_000)
    pause = audio.silence(1.0, 16_000)
    call = audio.concatenate([pause, voice, pause])
    room = audio.noise("pink", call.duration_s, 16_000, np.random.default_rng(0))
    return audio.mix(call, room, snr_db=22)


@pytest.fixture(scope="module")
def silero_vad_package():
    """The package's own network, as its own loop calls it: Audio -> float32 (frames,)."""
    import torch

    threads = torch.get_num_threads()
    with warnings.catch_warnings():  # silero-vad 6.2.3 loads TorchScript, which torch deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        import silero_vad

        network = silero_vad.load_silero_vad()

    def probabilities(recording):
        network.reset_states()
        rate_hz = recording.rate_hz
        frames = torch.from_numpy(audio.frames(recording, rate_hz * FRAME_SIZE // 16_000))
        with torch.no_grad():
            return np.array([network(frame, rate_hz).item() for frame in frames], np.float32)

    yield probabilities
    torch.set_num_threads(threads)  # importing silero_vad sets it to one


def noise(seed, duration_s=1.0):
    """Return noise of a random colour and loudness, with a gap of digital silence."""
    rng = np.random.default_rng(seed)
    sound = audio.noise(rng.choice(["white", "pink", "car", "clicks"]), duration_s, 16_000, rng)
    samples = sound.samples * np.float32(10 ** rng.uniform(-3, 1))
    samples[samples.size // 3 : samples.size // 2] = 0
    return Audio(samples, 16_000)


def streamed(stream, recording):
    """Return the stream's probability of each frame of a recording."""
    size = recording.rate_hz * FRAME_SIZE // 16_000
    return np.array([stream.probability(frame) for frame in audio.frames(recording, size)])


@pytest.mark.slow
def test_a_recording_has_silero_s_own_probabilities(speech, silero_vad_package):
    np.testing.assert_allclose(speech_probabilities(speech), silero_vad_package(speech), **EXACT)


@pytest.mark.slow
def test_a_stream_has_silero_s_own_probabilities(speech, silero_vad_package):
    np.testing.assert_allclose(
        streamed(SileroVAD().stream(), speech), silero_vad_package(speech), **EXACT
    )


@pytest.mark.slow
def test_a_telephone_s_stream_has_silero_s_own_probabilities_at_8_khz(speech, silero_vad_package):
    for recording in (speech.resample(8_000), noise(1).resample(8_000)):
        heard = streamed(SileroVAD(8_000).stream(), recording)
        np.testing.assert_allclose(heard, silero_vad_package(recording), **EXACT)


def test_a_rate_that_silero_has_no_network_for_is_refused():
    with pytest.raises(VoxlabError, match="16000 or 8000 Hz, not 24000"):
        SileroVAD(24_000)
    with pytest.raises(AudioError, match=r"float32 \(256,\) in \[-1, 1\] at 8000 Hz"):
        SileroVAD(8_000).stream().probability(np.zeros(FRAME_SIZE, np.float32))


@pytest.mark.slow
def test_each_stream_of_a_batch_has_silero_s_own_probabilities(speech, silero_vad_package):
    count = 60
    starts = [0, 7_777, 40_000]
    calls = [Audio(speech.samples[s : s + count * FRAME_SIZE], 16_000) for s in starts]
    frames = np.stack([audio.frames(call, FRAME_SIZE) for call in calls])
    batch = SileroBatch(len(calls))
    heard = np.stack([batch.probabilities(frames[:, i]) for i in range(count)], axis=1)
    np.testing.assert_allclose(
        heard, np.stack([silero_vad_package(call) for call in calls]), **EXACT
    )


@pytest.mark.slow
def test_noise_and_digital_silence_have_silero_s_own_probabilities(silero_vad_package):
    for recording in (noise(1), noise(2), audio.silence(0.5, 16_000)):
        np.testing.assert_allclose(
            speech_probabilities(recording), silero_vad_package(recording), **EXACT
        )


@pytest.mark.slow
def test_speech_is_found_where_it_is_heard(speech):
    first_s, last_s = audio.audible_span(speech, threshold_db=-30)
    segments = speech_segments(speech_probabilities(speech))
    assert segments[0].start_s < first_s < segments[0].end_s
    assert segments[-1].start_s < last_s < segments[-1].end_s
    assert segments[0].start_s > 0.5
    assert segments[-1].end_s < speech.duration_s - 0.4


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_a_file_and_a_batch_agree(seed):
    recording = noise(seed)
    whole = speech_probabilities(recording)
    batch = SileroBatch(2)
    frames = audio.frames(recording, FRAME_SIZE)
    together = np.stack([batch.probabilities(np.stack([f, f[::-1]])) for f in frames])
    np.testing.assert_allclose(streamed(SileroVAD().stream(), recording), whole, **EXACT)
    np.testing.assert_allclose(together[:, 0], whole, **EXACT)


def test_what_comes_later_never_changes_an_earlier_probability():
    recording = noise(0)
    start = speech_probabilities(recording.between(0, 0.32))
    np.testing.assert_allclose(start, speech_probabilities(recording)[:10], rtol=0, atol=1e-6)


def test_a_long_recording_is_cut_into_passes_without_a_seam(monkeypatch):
    recording = noise(3)
    whole = speech_probabilities(recording)
    monkeypatch.setattr(silero, "CHUNK_FRAMES", 7)
    np.testing.assert_allclose(speech_probabilities(recording), whole, rtol=0, atol=1e-6)


def test_the_last_frame_is_padded_with_silence():
    recording = noise(4).between(0, 0.1)
    padded = Audio(audio.frames(recording, FRAME_SIZE).ravel(), 16_000)
    assert speech_probabilities(recording).shape == (4,)
    np.testing.assert_array_equal(speech_probabilities(recording), speech_probabilities(padded))


def test_streams_of_one_detector_do_not_hear_each_other():
    detector = SileroVAD()
    alone = [streamed(detector.stream(), noise(seed, 0.3)) for seed in (5, 6)]
    first, second = detector.stream(), detector.stream()
    frames = [audio.frames(noise(seed, 0.3), FRAME_SIZE) for seed in (5, 6)]
    for index, (a, b) in enumerate(zip(*frames, strict=True)):
        assert first.probability(a) == alone[0][index]
        assert second.probability(b) == alone[1][index]


def test_a_refused_frame_leaves_a_stream_as_it_was():
    frames = audio.frames(noise(7, 0.3), FRAME_SIZE)
    disturbed, calm = SileroVAD().stream(), SileroVAD().stream()
    for frame in frames:
        with pytest.raises(AudioError):
            disturbed.probability(np.full(FRAME_SIZE, np.nan, np.float32))
        assert disturbed.probability(frame) == calm.probability(frame)


def test_resetting_a_stream_of_a_batch_makes_it_fresh_and_leaves_the_others():
    frames = np.stack([audio.frames(noise(8, 0.3), FRAME_SIZE)] * 3)
    batch, undisturbed = SileroBatch(3), SileroBatch(3)
    for index in range(5):
        before = undisturbed.probabilities(frames[:, index])
        np.testing.assert_array_equal(batch.probabilities(frames[:, index]), before)
    batch.reset(1)
    after = batch.probabilities(frames[:, 5])
    fresh = SileroBatch(3).probabilities(frames[:, 5])
    expected = undisturbed.probabilities(frames[:, 5])
    expected[1] = fresh[1]
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-6)


def test_a_frame_may_be_read_only_float64_or_a_view():
    samples = np.linspace(-0.5, 0.5, 2 * FRAME_SIZE, dtype=np.float64)[::2]
    samples.flags.writeable = False
    plain = samples.astype(np.float32)
    expected = SileroVAD().stream().probability(plain)
    assert SileroVAD().stream().probability(samples) == expected
    batch = SileroBatch(1).probabilities(samples[None])
    np.testing.assert_allclose(batch, expected, **EXACT)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros(480, np.float32), r"float32 \(480,\), need .* \(512,\)"),
        (np.zeros((2, 512), np.float32), r"float32 \(2, 512\), need .* \(512,\)"),
        (np.zeros(0, np.float32), r"\(0,\), need"),
        (np.zeros(512, np.int16), "int16 .*divide 16-bit samples by 32768"),
        ([0.0] * 512, r"list \(512,\), need a numpy array"),
        (np.full(512, 3000.0, np.float32), "reach 3000, full scale is 1"),
        (np.full(512, np.inf, np.float32), "512 of 512 samples are NaN or infinite"),
    ],
)
def test_a_frame_that_is_not_one_is_refused(frame, message):
    with pytest.raises(AudioError, match=message):
        SileroVAD().stream().probability(frame)


def test_a_batch_tells_which_stream_sent_nonsense():
    frames = np.zeros((4, FRAME_SIZE), np.float32)
    frames[2, 7] = np.nan
    with pytest.raises(AudioError, match=r"1 of 2048 samples .* index \[2, 7\]"):
        SileroBatch(4).probabilities(frames)
    with pytest.raises(AudioError, match=r"\(4, 512\), need .* \(3, 512\)"):
        SileroBatch(3).probabilities(np.zeros((4, FRAME_SIZE), np.float32))
    with pytest.raises(VoxlabError, match="0 streams hears nobody"):
        SileroBatch(0)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (audio.silence(1.0, 8_000), r"at 8000 Hz, .*audio\.resample\(16000\)"),
        (audio.silence(0.0, 16_000), r"too short \(0 samples\)"),
        (Audio(np.zeros(1), 16_000), r"too short \(1 samples\): Silero needs a frame of 512"),
        (Audio(np.full(512, 20_000.0), 16_000), "reach 20000, full scale is 1"),
    ],
)
def test_a_recording_that_cannot_be_used_is_refused(recording, message):
    with pytest.raises(AudioError, match=message):
        speech_probabilities(recording)


def test_a_missing_model_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("VOXLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(fetching, "installed", lambda *_: None)  # nor does the package hold it
    with pytest.raises(ModelError, match="voxlab models"):
        SileroVAD()


@pytest.fixture
def three_threads():
    """Let torch use three threads, a number that nobody else sets."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_torch_s_threads_random_state_and_gradients_are_left_alone():
    import torch

    silero._network.cache_clear()
    random_state = torch.get_rng_state().clone()
    speech_probabilities(audio.silence(0.1, 16_000))
    SileroBatch(1).probabilities(np.zeros((1, FRAME_SIZE), np.float32))
    assert torch.get_num_threads() == 3
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.is_grad_enabled()


@pytest.mark.slow
def test_importing_the_module_loads_no_network_library():
    code = (
        "import sys, voxlab.vad.silero; print({'torch', 'onnx', 'onnxruntime'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
