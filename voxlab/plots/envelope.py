"""The envelope of a voice, for waveforms in pictures and in the player."""

import numpy as np

from voxlab.audio import Audio, Samples, frames

PEAKS_PER_S = 50  # of a picture
QUIETEST = 0.05  # a voice below this peak is not drawn as if it were loud


def peaks(voice: Audio, per_s: int) -> Samples:
    """Return the loudest of each 1/per_s s, float (n,), of the loudest of all or of QUIETEST."""
    if not voice.samples.size:
        return np.zeros(0, np.float32)
    loudest = np.abs(frames(voice, max(1, voice.rate_hz // per_s))).max(axis=1)
    return np.asarray(loudest / max(float(loudest.max()), QUIETEST), np.float32)
