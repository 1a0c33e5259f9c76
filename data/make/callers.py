"""Make data/callers/: every utterance of utterances.yaml by two voices, as 16-bit WAV at 16 kHz.

    python data/make/callers.py

Needs the models (voxlab models) and the extra voice (pip install 'voxlab[espeak]'). Running it
again on the same machine gives the same bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hibari import SAMPLE_RATE, Hibari
from torchaudio.functional import resample

from voxlab import audio
from voxlab.audio import Audio
from voxlab.data.yaml_files import read_yaml
from voxlab.providers.espeak import EspeakTTS
from voxlab.providers.hibari import HibariTTS
from voxlab.providers.protocols import Speech

CALLERS = Path(__file__).resolve().parents[1] / "callers"
RATE_HZ = 16_000
LEVEL_DB = -25.0  # of the parts that sound, so that both voices are equally loud
PEAK = 0.9
MARGIN_S = 0.05  # of silence before and after
ESPEAK_WORDS_PER_MINUTE = 160

Voice = Callable[[str, float], Audio]  # a text, how many times faster -> its sound


def heart(text: str, speed: float) -> Audio:
    """Speak with the default voice."""
    if speed == 1:
        return sound_of(HibariTTS().speak(text))
    return Audio(Hibari()(text, speed=speed, seed=0), SAMPLE_RATE)  # the provider has one speed


def sound_of(speech: Speech) -> Audio:
    """Return the sound of a speech that must have one."""
    if speech.audio is None or not speech.duration_s:
        raise SystemExit(f"{speech.text!r} gives no sound: write it in other words")
    return speech.audio


def espeak(text: str, speed: float) -> Audio:
    """Speak with espeak-ng."""
    pace = round(ESPEAK_WORDS_PER_MINUTE * speed)
    return sound_of(EspeakTTS("en-us", words_per_minute=pace).speak(text))


def pieces(entry: Mapping[str, Any], voice: Voice) -> Iterator[Audio]:
    """Yield what an utterance is made of: speech, trimmed and at one level, and pauses."""
    for piece in entry.get("pieces", [entry.get("text")]):
        if isinstance(piece, str):
            yield at_level(audio.trim(at_rate(voice(piece, entry.get("speed", 1)))))
        else:
            yield audio.silence(piece["pause_s"], RATE_HZ)


def at_rate(sound: Audio) -> Audio:
    """Return a sound at RATE_HZ, through a gentle filter like those of cheap hardware.

    With a sharp one (soxr) Moonshine hears "to-morrow" and "No weight" in these voices: its word
    error rate on them is 4.1% instead of 0.9%, a low-pass before it changes nothing.
    """
    waveform = torch.from_numpy(sound.samples.copy())
    return Audio(resample(waveform, sound.rate_hz, RATE_HZ).numpy(), RATE_HZ)


def at_level(sound: Audio) -> Audio:
    """Return a sound at LEVEL_DB, or quieter where its peak would pass PEAK."""
    gain = 10 ** ((LEVEL_DB - audio.level_db(sound)) / 20)
    gain = min(gain, PEAK / float(np.abs(sound.samples).max()))
    return Audio(sound.samples * np.float32(gain), sound.rate_hz)


def make(name: str, voice: Voice, utterances: Mapping[str, Any]) -> None:
    """Write every utterance by one voice, and remove recordings of others."""
    folder = CALLERS / name
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.wav"):
        stale.unlink()
    margin = audio.silence(MARGIN_S, RATE_HZ)
    for id, entry in utterances.items():
        whole = audio.concatenate([margin, *pieces(entry, voice), margin])
        audio.write(folder / f"{id}.wav", whole)
    print(f"callers/{name}: {len(utterances)} utterances")


if __name__ == "__main__":
    utterances = read_yaml(CALLERS / "utterances.yaml")
    make("heart", heart, utterances)
    make("espeak", espeak, utterances)
