"""The places that callers call from: the same speech in a cafe, in a car, on a telephone line.

Speech whose times are known is mixed with noise whose level is known, so that what a detector
finds there can be counted as right or wrong (`vad_costs`).
Source: the warning of section 39.1.5; hold music, keyboard clicks and background conversations are
its examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.errors import AudioError
from voxlab.telephony import g711
from voxlab.vad.endpointing import SpeechSegment

ROOMS = ("clean", "cafe", "colleague", "car", "keyboard", "hold music", "telephone")
TALKERS = 8  # in the cafe; a single one is the colleague at the next desk
PAUSES_S = (2.0, 5.0)  # from one turn to the next
TELEPHONE_BAND_HZ = (300.0, 3400.0)


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A caller's side of a call, and when their turns truly are."""

    audio: Audio
    turns: tuple[SpeechSegment, ...]


def lay_scene(recordings: Sequence[Audio], rng: np.random.Generator) -> Scene:
    """Lay clean recordings, a turn each, one after the other, with pauses of 2 to 5 s.

    All are made equally loud. Each turn is true from its first audible sample to its last.
    Raises AudioError if there is none, one is silent, or their rates differ.
    """
    if not recordings:
        raise AudioError("a scene of no recordings: pass one at least, such as data.prompts()")
    pieces, turns, now_s = [], [], 0.0
    for recording in recordings:
        spoken = audio.trim(recording)
        if not spoken.samples.size:
            raise AudioError(
                f"nobody is heard in {recording.duration_s:.3f} s: a turn needs {audio.AUDIBLE_DB} "
                "dB at least, record it louder"
            )
        gain = 10 ** ((audio.SPEECH_DB - audio.level_db(spoken)) / 20)
        pause = audio.silence(rng.uniform(*PAUSES_S), recording.rate_hz)
        pieces += [pause, Audio(np.float32(gain) * spoken.samples, recording.rate_hz)]
        start_s = now_s + pause.duration_s
        now_s = start_s + spoken.duration_s
        turns.append(SpeechSegment(start_s, now_s))
    pieces.append(audio.silence(PAUSES_S[0], recordings[0].rate_hz))
    return Scene(audio.concatenate(pieces), tuple(turns))


def move_to_room(scene: Scene, room: str, snr_db: float, rng: np.random.Generator) -> Scene:
    """Return a scene in another place; its turns are as long as before.

    room: one of ROOMS. snr_db: how much louder the caller is than the place, while they speak; on
    the telephone it is the hiss of the line. Raises AudioError if the room is unknown, or nobody
    speaks.
    """
    if room not in ROOMS:
        raise AudioError(f"no room {room!r}: there are {', '.join(ROOMS)}")
    if room == "clean":
        return scene
    speaking_s = sum(turn.end_s - turn.start_s for turn in scene.turns)
    if not speaking_s:
        raise AudioError("nobody speaks in the scene: there is no level to compare the room with")
    share_db = 10 * float(np.log10(speaking_s / scene.audio.duration_s))  # mix also counts pauses
    background = _background(room, scene.audio, rng)
    mixed = audio.mix(scene.audio, background, snr_db + share_db)
    return replace(scene, audio=send_by_telephone(mixed) if room == "telephone" else mixed)


def _background(room: str, caller: Audio, rng: np.random.Generator) -> Audio:
    """Return what is heard in a room beside the caller, of the same length."""
    duration_s, rate_hz = caller.duration_s, caller.rate_hz
    if room in ("cafe", "colleague"):
        return audio.babble(_talkers(TALKERS if room == "cafe" else 1, rng), duration_s, rng)
    if room == "hold music":
        music = audio.read(data.path("music/hold.flac")).resample(rate_hz)
        return Audio(np.roll(music.samples, int(rng.integers(music.samples.size))), rate_hz)
    kind = {"car": "car", "keyboard": "clicks", "telephone": "white"}[room]
    return audio.noise(kind, duration_s, rate_hz, rng)


def _talkers(count: int, rng: np.random.Generator) -> list[Audio]:
    """Return people who talk without end, in languages that no scene of ours is in."""
    prompts = [prompt.audio for name in ("fr", "it", "ru") for prompt in data.prompts(name)]
    order = rng.permutation(len(prompts))
    return [audio.concatenate([prompts[i] for i in order[n::count]]) for n in range(count)]


def send_by_telephone(sound: Audio) -> Audio:
    """Return a sound as a telephone line carries it: 300 to 3400 Hz, 8 kHz, 8 bits of mu-law.

    It comes back at the rate it had.
    """
    if not sound.samples.size:
        return sound
    spectrum = np.fft.rfft(sound.samples)
    frequency_hz = np.fft.rfftfreq(sound.samples.size, 1 / sound.rate_hz)
    low_hz, high_hz = TELEPHONE_BAND_HZ
    spectrum[(frequency_hz < low_hz) | (frequency_hz > high_hz)] = 0
    samples = np.fft.irfft(spectrum, sound.samples.size).astype(np.float32)
    narrow = Audio(samples, sound.rate_hz)
    line = g711.MULAW.encode(narrow.resample(g711.RATE_HZ).samples)
    received = Audio(g711.MULAW.decode(line), g711.RATE_HZ).resample(sound.rate_hz)
    return Audio(np.resize(received.samples, sound.samples.size), sound.rate_hz)
