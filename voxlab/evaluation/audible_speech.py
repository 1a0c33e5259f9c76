"""Where does somebody speak in a recording? To within some milliseconds, from its sound alone.

A VAD knows speech from other sounds, but in frames of 32 ms, and in noise it misses soft
beginnings; the level knows when a sound begins, but not what it is. So the level gives the sounds
that are louder than the room, and those count in which the VAD hears speech. A channel that holds
nothing but one voice, such as an agent's, needs no VAD.
"""

import numpy as np
from numpy.typing import NDArray

from voxlab.audio import Audio, Samples, levels_db
from voxlab.vad.endpointing import SpeechSegment
from voxlab.vad.silero import FRAME_S, FRAME_SIZE, RATE_HZ, speech_probabilities

HOP_S = 0.004
AUDIBLE_DB = -55.0  # of full scale: what is softer nobody hears on a telephone
NOISE_SHARE = 99.9  # per cent of the hops without speech that are no louder than the noise
PAUSE_S = 0.3  # a shorter silence lies within a stretch of speech
SHORTEST_S = 0.06  # what is shorter is a click
AROUND_S = 0.5  # of what the VAD calls speech: more of it may lie there
SPEECH = 0.5
SETTLING_FRAMES = 31  # 1 s, before and after a sound


def audible_speech(audio: Audio, *, is_one_voice: bool = False) -> list[SpeechSegment]:
    """Return the stretches of speech, with silences of PAUSE_S and more between them.

    is_one_voice: nothing else is in the recording; all that is audible is speech then. Raises
    AudioError if the recording is not at 16 kHz or has no whole frame.
    """
    size = round(HOP_S * RATE_HZ)
    levels = levels_db(audio.samples[: audio.samples.size // size * size].reshape(-1, size))
    if is_one_voice:
        return _joined(levels > AUDIBLE_DB)
    speech = [
        SpeechSegment(first * FRAME_S, end * FRAME_S)
        for first, end in _runs(_probabilities(audio, levels > AUDIBLE_DB) >= SPEECH)
    ]
    quiet = np.ones(levels.size, bool)
    for each in speech:
        near_s = each.start_s - AROUND_S, each.end_s + AROUND_S
        quiet[max(0, round(near_s[0] / HOP_S)) : round(near_s[1] / HOP_S)] = False
    if quiet.any():
        noise_db = float(np.percentile(levels[quiet], NOISE_SHARE, method="higher"))
    else:
        noise_db = AUDIBLE_DB
    sounds = _joined(levels > max(AUDIBLE_DB, noise_db))
    return [sound for sound in sounds if any(shared_s(sound, each) > 0 for each in speech)]


def _probabilities(audio: Audio, audible: NDArray[np.bool_]) -> Samples:
    """Return what the VAD says of each frame, without asking it about long silences.

    audible: of each hop. Its memory has settled in the silence that is left around the sounds.
    """
    if audio.samples.size < FRAME_SIZE:
        return speech_probabilities(audio)  # it refuses that
    hops = round(FRAME_S / HOP_S)
    count = -(-audio.samples.size // FRAME_SIZE)
    frames = np.zeros((count, FRAME_SIZE), np.float32)
    frames.ravel()[: audio.samples.size] = audio.samples
    sounds = np.zeros(count * hops, np.bool_)
    sounds[: audible.size] = audible
    near = np.ones(2 * SETTLING_FRAMES + 1)
    heard = np.convolve(sounds.reshape(count, hops).any(axis=1), near)
    asked = heard[SETTLING_FRAMES : SETTLING_FRAMES + count] > 0
    asked[0] = True  # another rate is refused, whatever sounds
    probabilities = np.zeros(count, np.float32)
    probabilities[asked] = speech_probabilities(Audio(frames[asked].ravel(), audio.rate_hz))
    return probabilities


def shared_s(one: SpeechSegment, other: SpeechSegment) -> float:
    """Return for how long two stretches sound together, in seconds."""
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and one past the last of each run of True."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return [(int(first), int(end)) for first, end in changes.reshape(-1, 2)]


def _joined(loud: NDArray[np.bool_]) -> list[SpeechSegment]:
    """Return the stretches of loud hops, with no pause in them and longer than a click."""
    joined: list[tuple[int, int]] = []
    for first, end in _runs(loud):
        if joined and (first - joined[-1][1]) * HOP_S < PAUSE_S:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((first, end))
    return [
        SpeechSegment(first * HOP_S, end * HOP_S)
        for first, end in joined
        if (end - first) * HOP_S >= SHORTEST_S
    ]
