"""Sounds to test with: a tone, and any recording of 16 bits."""

import numpy as np
from hypothesis import strategies as st

from voxlab.audio import Audio

RATE_HZ = 16_000


def sixteen_bit(content):
    """Return the samples in raw bytes, float32 (samples,): bytes are quick to draw, to shrink."""
    return np.frombuffer(content[: len(content) // 2 * 2], "<i2").astype(np.float32) / 32768


recordings = st.binary(min_size=2, max_size=300).map(sixteen_bit)


def tone(frequency_hz=440.0, duration_s=0.5, rate_hz=RATE_HZ, level=0.5):
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return Audio(level * np.sin(2 * np.pi * frequency_hz * time_s), rate_hz)


def rng(seed=0):
    return np.random.default_rng(seed)
