"""Write data/language_model/blind_heard.yaml: the blind test sets' callers as Moonshine hears them.

    python data/make/blind_heard.py

Every text that a caller says is spoken by Hibari, in one of its voices, and recognised. Running it
again on the same machine gives the same file.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from voxlab.data.yaml_files import read_yaml
from voxlab.providers.hibari import PITCHES, HibariTTS
from voxlab.providers.moonshine import MoonshineSTT

FOLDER = Path(__file__).resolve().parents[1] / "language_model"
HEAD = "# What a caller says: what Moonshine hears of it. Made by data/make/blind_heard.py.\n"


def callers_texts(turns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what callers say in turns of a blind set, and before them."""
    for turn in turns:
        yield from (before["caller"] for before in turn.get("after", ()) if "caller" in before)
        yield turn["says"]


def hear(texts: Sequence[str]) -> dict[str, str]:
    """Return what the recogniser writes for each text; the voices take turns."""
    voice, recogniser, voices = HibariTTS(), MoonshineSTT(partial_every_s=None), [*PITCHES]
    heard = {}
    for number, text in enumerate(texts):
        sound = voice.in_voice(voices[number % len(voices)]).speak(text).audio
        heard[text] = recogniser.recognize(sound) if sound else ""
    return heard


def main() -> None:
    """Read the blind sets, hear their callers, write the file."""
    shop = read_yaml(FOLDER / "blind_shop.yaml").values()
    own = (domain["turns"] for domain in read_yaml(FOLDER / "blind_tools.yaml").values())
    texts = dict.fromkeys(text for turns in (*shop, *own) for text in callers_texts(turns))
    with (FOLDER / "blind_heard.yaml").open("w", encoding="utf-8") as file:
        file.write(HEAD)
        yaml = YAML()
        yaml.width = 4096
        yaml.dump(hear([*texts]), file)


if __name__ == "__main__":
    main()
