"""What a listener hears of data/readings.yaml: amounts, signs, digits, telephone numbers, markup.

    python benchmarks/readings.py [--json]

Each text is spoken and heard again by Moonshine: words that are wrong, missing or added against
what should be said. hibari-tts alone reads the text with its own rules, voxlab rewrites it first;
eSpeak NG alone and with us, if voxlab[espeak] is installed. The recogniser mishears a word now and
then, and writes some otherwise ("p m"): the last kind, plain words, shows how many.
"""

import json
import sys
from collections.abc import Callable, Mapping

from hibari import Hibari

from voxlab import data
from voxlab.audio import Audio
from voxlab.data.yaml_files import read_yaml
from voxlab.errors import ProviderError
from voxlab.evaluation.word_errors import word_errors
from voxlab.providers import espeak
from voxlab.providers.hibari import HibariTTS
from voxlab.providers.moonshine import MoonshineSTT

Speak = Callable[[str], Audio | None]


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    readings: Mapping[str, list[list[str]]] = read_yaml(data.path("readings.yaml"))
    recogniser, voices = MoonshineSTT(partial_every_s=None), find_voices()
    print(f"{'words wrong of words said':28}" + "".join(f"{name:>16}" for name in voices))
    totals = dict.fromkeys(voices, 0)
    words = 0
    for kind, pairs in readings.items():
        pairs = [pair for pair in pairs if pair[1]]
        wrong = {name: errors(pairs, speak, recogniser) for name, speak in voices.items()}
        said = sum(word_errors(spoken, "").words for _, spoken in pairs)
        cells = (f"{wrong[name]} of {said}" for name in voices)
        print(f"{kind:28}" + "".join(f"{cell:>16}" for cell in cells))
        totals = {name: totals[name] + wrong[name] for name in voices}
        words += said
    rates = {f"{name.replace('+', '_')}_wer": count / words for name, count in totals.items()}
    print(f"{'all':28}" + "".join(f"{rate:>16.1%}" for rate in rates.values()))
    if "--json" in sys.argv[1:]:
        print(json.dumps(rates))


def find_voices() -> dict[str, Speak]:
    """Return each voice by its name: "+ours" reads what voxlab made of the text."""
    alone, ours = Hibari(), HibariTTS()
    voices: dict[str, Speak] = {
        "hibari": lambda text: Audio(alone(text), alone.sample_rate),
        "hibari+ours": lambda text: ours.speak(text).audio,
    }
    try:
        robot = espeak.EspeakTTS()
    except ProviderError:
        return voices
    raw = robot.voice, robot.words_per_minute
    return voices | {
        "espeak": lambda text: espeak._synthesize(text, *raw)[0],
        "espeak+ours": lambda text: robot.speak(text).audio,
    }


def errors(pairs: list[list[str]], speak: Speak, recogniser: MoonshineSTT) -> int:
    """Return how many words are heard wrong of what should be said."""
    wrong = 0
    for written, spoken in pairs:
        sound = speak(written)
        heard = recogniser.recognize(sound) if sound and sound.duration_s > 0 else ""
        wrong += word_errors(spoken, heard).errors
    return wrong


if __name__ == "__main__":
    main()
