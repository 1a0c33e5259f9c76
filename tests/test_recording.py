"""A sentence of one's own: recorded by the browser, kept in a file; else there is a fallback."""

import numpy as np
import pytest

from voxlab import audio
from voxlab.audio import Audio
from voxlab.widgets import record
from voxlab.widgets.recording import FILE, RATE_HZ

OURS = Audio(np.zeros(RATE_HZ), RATE_HZ)


def spoken(rate_hz, duration_s=1.0):
    """Return a second of something audible, between two silences."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    tone = Audio(0.3 * np.sin(2 * np.pi * 300 * time_s), rate_hz)
    return audio.concatenate([audio.silence(0.2, rate_hz), tone, audio.silence(0.2, rate_hz)])


def send(widget, sound):
    """Send a recording as recording.js does."""
    content = {"kind": "recording", "rate_hz": sound.rate_hz}
    widget._receive(widget, content, [memoryview(sound.samples.astype("<f4").tobytes())])


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("notebooks", "exercises"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_recording_the_fallback_is_heard_and_used(project):
    widget = record(OURS)
    assert widget.audio == OURS
    assert widget.player.startswith("<audio")
    assert "recording of ours" in widget.message


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_a_recording_at_the_browsers_rate_is_there_at_16_khz(project, rate_hz):
    send(widget := record(OURS), spoken(rate_hz))
    assert widget.audio.rate_hz == RATE_HZ
    assert widget.audio.duration_s == pytest.approx(1.4, abs=0.001)
    spectrum = np.abs(np.fft.rfft(widget.audio.samples))
    assert spectrum.argmax() / widget.audio.duration_s == pytest.approx(300, abs=1)


def test_a_recording_serves_the_next_lesson(project):
    send(record(OURS), spoken(48_000))
    again = record(OURS)
    assert again.audio == audio.read(project / FILE)
    assert "This is yours" in again.message


@pytest.mark.parametrize("sound", [audio.silence(2.0, 48_000), spoken(48_000, 0.1)])
def test_silence_is_told_and_does_not_replace_what_is_there(project, sound):
    send(widget := record(OURS), spoken(48_000))
    kept = widget.audio
    send(widget, sound)
    assert widget.audio == kept
    np.testing.assert_allclose(audio.read(project / FILE).samples, kept.samples, atol=1e-4)
    assert "Nobody is heard" in widget.message


def test_a_damaged_file_gives_way_to_the_fallback(project):
    (project / FILE).parent.mkdir()
    (project / FILE).write_bytes(b"RIFF")
    widget = record(OURS)
    assert widget.audio == OURS
    assert "recording of ours" in widget.message
