"""The sounds that a call script names: what is said, what is heard around it, and the line.

Speech is a recording, or is spoken by the offline voice when the script is read.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from voxlab import audio, data
from voxlab.agents.line import RATE_HZ, Echo
from voxlab.audio import Audio
from voxlab.data.expectations import check_keys
from voxlab.errors import ScriptError, VoxlabError
from voxlab.providers.protocols import Speech
from voxlab.telephony.network_conditions import NetworkConditions
from voxlab.telephony.simulated_line import TelephoneCoder, carry
from voxlab.vad.acoustic_scenes import send_by_telephone

BACKGROUND = {"noise": "pink", "snr_db": 20, "seed": 0}
BACKGROUND_S = 10.0  # noise is made for so long and then looped
COLLEAGUES = "it"  # the language of the one who is heard from the next desk
NETWORK = {"loss": 0.0, "burst": 1.0, "seed": 0}
ECHO = {"delay_s": 0.15, "level_db": -30}
MARGIN_S = 0.05  # of silence before and after what is spoken


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
    if speak is not None:
        pieces = tuple(speak) if isinstance(speak, list) else (speak,)
        sound = speak_pieces(pieces, voice, read_number(entry, "speed", 1.0))
        said = " ".join(piece for piece in pieces if isinstance(piece, str))
    elif say is None:
        if not text or "lasts_s" not in entry:
            raise ScriptError("needs `say`, or `text` and `lasts_s`")
        return Speech(text, read_number(entry, "lasts_s", 0.0))
    elif Path(str(say)).suffix:
        sound, said = audio.read(folder / str(say)), text
    else:
        known = data.utterance(str(say), voice)
        sound, said = known.audio, known.text
    return Speech(said, sound.duration_s, _softened(sound, entry))


def _softened(sound: Audio, entry: Mapping[str, Any]) -> Audio:
    if "gain_db" not in entry:
        return sound
    gain = 10 ** (read_number(entry, "gain_db", 0.0, low=-100) / 20)
    return Audio(sound.samples * np.float32(gain), sound.rate_hz)


@cache
def speak_pieces(pieces: Sequence[str | float], voice: str, speed: float) -> Audio:
    """Return texts spoken by a voice of Hibari, and pauses of so many seconds between them.

    Raises ScriptError for anything else, ProviderError if there is no such voice.
    """
    from voxlab.providers.hibari import HibariTTS

    teller = HibariTTS().in_voice(voice, speed)
    margin, sounds = audio.silence(MARGIN_S, RATE_HZ), []
    for piece in pieces:
        if isinstance(piece, str) and (spoken := teller.speak(piece)).audio is not None:
            sounds.append(_at_level(audio.trim(spoken.audio.resample(RATE_HZ))))
        elif isinstance(piece, int | float) and 0 < piece < 60:
            sounds.append(audio.silence(piece, RATE_HZ))
        else:
            raise ScriptError(f"speak: {piece!r} is no text and no pause in seconds")
    return audio.concatenate([margin, *sounds, margin])


def _at_level(sound: Audio) -> Audio:
    gain = 10 ** ((audio.SPEECH_DB - audio.level_db(sound)) / 20)
    gain = min(gain, 0.9 / float(np.abs(sound.samples).max()))
    return Audio(sound.samples * np.float32(gain), sound.rate_hz)


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
    return Echo(read_number(entry, "delay_s", ECHO["delay_s"]), level_db)


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
