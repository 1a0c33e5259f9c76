"""The sounds that a call script names: what is said, what is heard around it, and the line.

Speech is a recording, or is spoken by the offline voice when the script is read.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from voxlab import audio, data
from voxlab.agents.line import RATE_HZ
from voxlab.audio import Audio
from voxlab.data.yaml_files import check_keys
from voxlab.errors import ScriptError, VoxlabError
from voxlab.providers.protocols import Speech
from voxlab.telephony.echo import Echo
from voxlab.telephony.network_conditions import NetworkConditions
from voxlab.telephony.simulated_line import TelephoneCoder, carry
from voxlab.text import plain_words
from voxlab.vad.acoustic_scenes import send_by_telephone

BACKGROUND = {"noise": "pink", "snr_db": 20, "seed": 0}
BACKGROUND_S = 10.0  # noise is made for so long and then looped
COLLEAGUES = "it"  # the language of the one who is heard from the next desk
NETWORK = {"loss": 0.0, "burst": 1.0, "seed": 0}
ECHO = {"delay_s": 0.15, "level_db": -30, "decay_s": 0.0, "cancelled": False}
MARGIN_S = 0.05  # of silence before and after what is spoken
BETWEEN_WORDS_S = 0.06
HUMAN = "human"  # the voice of the one who recorded data/words
FRAME, POLES = 512, 18  # of the linear prediction in a whisper, at 16 kHz
SILENT_ENERGY = 1e-7  # of a frame: there is nothing to whisper
WHISPER_DB = -15.0  # a whisper is so much softer than speech


def read_number(entry: Mapping[str, Any], key: str, default: float, low: float = 0.0) -> float:
    """Return a number above low. Raises ScriptError for anything else."""
    value = entry.get(key, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low < value < 1e6:
        what = "a positive number of seconds" if low == 0 else f"a number above {low:g}"
        raise ScriptError(f"{key} is {value!r}: needs {what}")
    return float(value)


# --- speech --------------------------------------------------------------------------------


def read_speech(entry: Mapping[str, Any], voice: str, folder: Path) -> Speech:
    """Return what a line says. folder: of recordings that `say` names by their file."""
    say, speak, text = entry.get("say"), entry.get("speak"), str(entry.get("text") or "")
    if "sound" in entry:
        noise = make_sound(str(entry["sound"]))
        said = Speech(f"({entry['sound']})", noise.duration_s, noise)
    elif speak is not None:
        said = speak_text(speak, voice, read_number(entry, "speed", 1.0))
    elif say is None:
        if not text or "lasts_s" not in entry:
            raise ScriptError("needs `say`, or `text` and `lasts_s`")
        return Speech(text, read_number(entry, "lasts_s", 0.0))
    elif Path(str(say)).suffix:
        recording = audio.read(folder / str(say))
        said = Speech(text, recording.duration_s, recording)
    else:
        known = data.utterance(str(say), voice)
        said = Speech(known.text, known.audio.duration_s, known.audio)
    if said.audio is None:
        return said
    sound = whisper(said.audio) if entry.get("whispered") else said.audio
    gain = np.float32(10 ** (read_number(entry, "gain_db", 0.0, low=-100) / 20))
    return Speech(said.text, sound.duration_s, Audio(sound.samples * gain, sound.rate_hz))


def speak_text(speak: object, voice: str, speed: float = 1.0) -> Speech:
    """Return a text spoken by a voice of Hibari, or put together from a person's words ("human").

    speak: the text, or a list of texts and of pauses in seconds. Raises ScriptError for anything
    else, DataError if the person has no such words, ProviderError if there is no such voice.
    """
    pieces = tuple(speak) if isinstance(speak, list) else (speak,)
    if not any(map(_is_text, pieces)):
        raise ScriptError(f"speak: {speak!r} has no words")
    sound = _speak_pieces(pieces, voice, speed)
    return Speech(" ".join(filter(_is_text, pieces)), sound.duration_s, sound)


def _is_text(piece: object) -> TypeGuard[str]:
    return isinstance(piece, str)


@cache
def _speak_pieces(pieces: tuple[object, ...], voice: str, speed: float) -> Audio:
    margin, sounds = audio.silence(MARGIN_S, RATE_HZ), []
    for piece in pieces:
        if _is_text(piece):
            sounds += _put_together(piece) if voice == HUMAN else [_synthesize(piece, voice, speed)]
        elif isinstance(piece, int | float) and 0 < piece < 60:
            sounds.append(audio.silence(piece, RATE_HZ))
        else:
            raise ScriptError(f"speak: {piece!r} is no text and no pause in seconds")
    return audio.concatenate([margin, *sounds, margin])


def _synthesize(text: str, voice: str, speed: float) -> Audio:
    from voxlab.providers.hibari import HibariTTS

    spoken = HibariTTS().in_voice(voice, speed).speak(text)
    if spoken.audio is None or not spoken.duration_s:
        raise ScriptError(f"speak: {text!r} gives no sound: write it in other words")
    return _at_level(audio.trim(spoken.audio.resample(RATE_HZ)))


def _put_together(text: str) -> list[Audio]:
    """Return a text in a person's recorded words, the longest known phrase first."""
    known, sounds = data.words(), []
    left = plain_words(text)
    while left:
        sizes = (n for n in range(len(left), 0, -1) if " ".join(left[:n]) in known)
        size = next(sizes, 0)
        if not size:
            raise ScriptError(f"speak: nobody says {left[0]!r}; there are {', '.join(known)}")
        word = known[" ".join(left[:size])].audio
        sounds += [_at_level(audio.trim(word)), audio.silence(BETWEEN_WORDS_S, RATE_HZ)]
        left = left[size:]
    return sounds[:-1]


def _at_level(sound: Audio) -> Audio:
    gain = 10 ** ((audio.SPEECH_DB - audio.level_db(sound)) / 20)
    gain = min(gain, 0.9 / np.abs(sound.samples).max())
    return Audio(sound.samples * np.float32(gain), sound.rate_hz)


def whisper(sound: Audio) -> Audio:
    """Return speech as if whispered: the mouth's filter on noise, not on the voice's pulses.

    Linear prediction gives the filter of each 32 ms, which is as loud as it was; all of it is then
    WHISPER_DB softer. A real whisper also has higher formants, so this is an easy one.
    Source: Makhoul 1975 (linear prediction).
    """
    rng = np.random.default_rng(0)
    window = np.hanning(FRAME + 1)[:-1]
    padded = np.pad(sound.samples.astype(np.float64), FRAME)
    whispered = np.zeros(padded.size)
    distance = np.abs(np.subtract.outer(range(POLES), range(POLES)))
    for start in range(0, padded.size - FRAME, FRAME // 2):
        frame = padded[start : start + FRAME] * window
        lags = np.correlate(frame, frame, "full")[FRAME - 1 : FRAME + POLES]
        if lags[0] < SILENT_ENERGY:
            continue
        matrix = lags[distance] + 1e-4 * lags[0] * np.eye(POLES)  # a little noise keeps it stable
        inverse = np.append(1.0, -np.linalg.solve(matrix, lags[1:]))
        noise = np.fft.rfft(rng.standard_normal(FRAME)) / np.fft.rfft(inverse, FRAME)
        breath = np.fft.irfft(noise) * window
        whispered[start : start + FRAME] += np.sqrt(lags[0] / np.sum(breath**2)) * breath
    gain = 10 ** (WHISPER_DB / 20)
    return Audio((gain * whispered[FRAME:-FRAME]).astype(np.float32), sound.rate_hz)


# --- what sounds besides speech ------------------------------------------------------------


def make_sound(name: str) -> Audio:
    """Return a sound that is no speech of the caller, as loud as they speak; see SOUNDS.

    Raises ScriptError if there is no such sound.
    """
    if name not in SOUNDS:
        raise ScriptError(f"no sound {name!r}: there are {', '.join(SOUNDS)}")
    return _at_level(SOUNDS[name](np.random.default_rng(0)).resample(RATE_HZ))


def _cough(rng: np.random.Generator) -> Audio:
    """Make two bursts of breath, each with a sharp beginning."""
    bursts = [audio.noise("pink", length_s, RATE_HZ, rng) for length_s in (0.25, 0.35)]
    first, second = (
        Audio(b.samples * np.geomspace(1, 0.03, b.samples.size, dtype=np.float32), RATE_HZ)
        for b in bursts
    )
    return audio.concatenate([first, audio.silence(0.12, RATE_HZ), second])


SOUNDS: dict[str, Callable[[np.random.Generator], Audio]] = {
    "cough": _cough,
    "hiss": lambda rng: audio.noise("white", 0.8, RATE_HZ, rng),
    "keyboard": lambda rng: audio.noise("clicks", 2.0, RATE_HZ, rng),
    "hold music": lambda rng: audio.read(data.path("music/hold.flac")).between(5.0, 7.0),
    "half a syllable": lambda rng: audio.trim(data.utterance("order_where").audio).between(0, 0.15),
}


# --- around it -----------------------------------------------------------------------------


def read_background(entry: Any) -> Audio | None:
    """Make the sound at the caller's end, snr_db below the level of the recordings."""
    if entry is None:
        return None
    check_keys(entry, [*BACKGROUND], "background")
    kind, snr_db = (entry.get(key, BACKGROUND[key]) for key in ("noise", "snr_db"))
    if not isinstance(snr_db, int | float) or not -100 < snr_db < 100:
        raise ScriptError(f"background: snr_db is {snr_db!r}: needs decibels, try 20")
    rng = np.random.default_rng(_seed(entry, "background"))
    if kind == "cafe":
        sound = audio.babble([prompt.audio for prompt in data.prompts("en")], BACKGROUND_S, rng)
    elif kind == "colleague":
        talk = audio.concatenate([prompt.audio for prompt in data.prompts(COLLEAGUES)])
        sound = audio.babble([talk], talk.duration_s, rng)
    elif kind == "music":
        sound = audio.read(data.path("music/hold.flac"))
    else:
        try:
            sound = audio.noise(str(kind), BACKGROUND_S, 16_000, rng)
        except VoxlabError as error:
            raise ScriptError(f"background: {error}, cafe, colleague or music") from error
    gain = 10 ** ((audio.SPEECH_DB - snr_db - audio.level_db(sound)) / 20)
    return Audio(sound.samples * np.float32(gain), sound.rate_hz)


def _seed(entry: Mapping[str, Any], where: str) -> int:
    seed = entry.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ScriptError(f"{where}: seed is {seed!r}: needs a whole number, 0 or more")
    return seed


def read_echo(entry: Any) -> Echo | None:
    """Return how the agent's voice comes back from the caller's end."""
    if entry is None:
        return None
    check_keys(entry, [*ECHO], "echo")
    level_db = read_number(entry, "level_db", ECHO["level_db"], low=-100)
    decay_s = read_number(entry, "decay_s", ECHO["decay_s"], low=-1e-9)
    cancelled = entry.get("cancelled", ECHO["cancelled"])
    if not isinstance(cancelled, bool):
        raise ScriptError(f"echo: cancelled is {cancelled!r}: needs true or false")
    delay_s = read_number(entry, "delay_s", ECHO["delay_s"])
    return Echo(delay_s, level_db, decay_s, cancelled)


# --- the line ------------------------------------------------------------------------------


class TelephoneLine:
    """A telephone line from the caller to the agent: its band, its codec, packets that are lost.

    The same seed gives the same losses, an utterance after the other.
    """

    def __init__(self, conditions: NetworkConditions, seed: int) -> None:
        self._conditions = conditions
        self._rng = np.random.default_rng(seed)

    def carry(self, sound: Audio) -> Audio:
        """Return a sound as the agent's end receives it."""
        narrow = send_by_telephone(sound)
        if not self._conditions.loss:
            return narrow
        return carry(narrow, TelephoneCoder(), self._conditions, self._rng).audio


def read_line(entry: Any) -> TelephoneLine | None:
    """Return the telephone line of `{loss: 0.05, burst: 2, seed: 0}`; {} for a good one."""
    if entry is None:
        return None
    check_keys(entry, [*NETWORK], "telephone")
    loss = read_number(entry, "loss", NETWORK["loss"], low=-1e-9)
    burst = read_number(entry, "burst", NETWORK["burst"])
    try:
        conditions = NetworkConditions(loss, burst)
    except VoxlabError as error:
        raise ScriptError(f"telephone: {error}") from error
    return TelephoneLine(conditions, _seed(entry, "telephone"))
