"""Renew the generated parts of data/README.md: the tables of files and of the suite's scripts.

    python data/make/readme.py

Run it after any change of a file below callers/, prompts/, words/, music/, shop/, codec/ or
speech_lm/, or of a script of suite/.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import soundfile

from voxlab.agents.suite import CONDITIONS
from voxlab.data.yaml_files import read_yaml

DATA = Path(__file__).resolve().parents[1]
FOLDERS = ("callers", "prompts", "words", "music", "shop", "codec", "speech_lm")

OURS = "MIT, as the project"
ASTERISK = "Debian asterisk-core-sounds-{}-g722 1.6.1-1"
ORIGINS = {  # folder: source, licence, credit
    "callers": ("written for voxlab", OURS, "voxlab"),
    "callers/heart": ("hibari-tts 0.2.1, voice heart", OURS, "voxlab, by Hibari (Apache-2.0)"),
    "callers/espeak": ("espeak-ng 1.52, voice en-us", OURS, "voxlab, by eSpeak NG"),
    "prompts": ("written and checked for voxlab, after Debian's lists", "as the clips", "voxlab"),
    "prompts/en": (ASTERISK.format("en"), "CC-BY-SA-3.0", "Allison Smith, Digium"),
    "prompts/es": (ASTERISK.format("es"), "CC-BY-SA-3.0", "Allison Smith, Digium"),
    "prompts/fr": (ASTERISK.format("fr"), "CC-BY-SA-3.0", "June Wallack; see CREDITS"),
    "prompts/it": (ASTERISK.format("it"), "CC-BY-3.0", "Carlo Flora; see CREDITS"),
    "prompts/ru": (ASTERISK.format("ru"), "CC-BY-3.0", "Maxim Topal, ivrvoice.ru"),
    "words": (ASTERISK.format("en"), "CC-BY-SA-3.0", "Allison Smith, Digium"),
    "music": ("Debian asterisk-moh-opsound-g722 2.03-1.1", "CC-BY-SA-3.0", "Macroform"),
    "codec": (
        "python -m voxlab.codec.train",
        "CC-BY-SA-3.0",
        "voxlab; the speakers in codec/README.md",
    ),
    "speech_lm": (
        "the commands in speech_lm/README.md",
        "CC-BY-SA-3.0",
        "voxlab; Allison Smith, Digium",
    ),
    "shop": ("written for voxlab; people and numbers are invented", OURS, "voxlab"),
}


def replace_section(name: str, lines: list[str], readme: Path = DATA / "README.md") -> None:
    """Put lines between the markers "<!-- name -->" and "<!-- /name -->" of a README."""
    before, opening, rest = readme.read_text("utf-8").partition(f"<!-- {name} -->\n")
    _, closing, after = rest.partition(f"<!-- /{name} -->\n")
    if not opening or not closing:
        raise SystemExit(f"{readme} has no lines <!-- {name} --> and <!-- /{name} -->: add them")
    readme.write_text(before + opening + "\n".join(lines) + "\n" + closing + after, "utf-8")


def row(file: Path) -> str:
    """Return a file's line of the table."""
    source, licence, credit = ORIGINS[file.parent.relative_to(DATA).as_posix()]
    rate, duration = "", ""
    if file.suffix in (".wav", ".flac"):
        info = soundfile.info(file)
        rate, duration = f"{info.samplerate / 1000:g} kHz", f"{info.duration:.2f} s"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    name = file.relative_to(DATA).as_posix()
    return f"| {name} | {source} | {licence} | {credit} | {rate} | {duration} | `{digest}` |"


def files() -> list[Path]:
    """Return every file that the table lists, in order."""
    found = (file for folder in FOLDERS for file in sorted((DATA / folder).rglob("*")))
    return [file for file in found if file.is_file()]


def suite_rows() -> list[str]:
    """Return the suite's table: each condition with its scripts, those with a person's voice bold.

    A script with several conditions stands at each of them.
    """
    scripts = {file.stem: read_yaml(file) for file in sorted((DATA / "suite").glob("*.yaml"))}
    by_condition: dict[str, list[str]] = {}
    for name, script in scripts.items():
        shown = f"**{name}**" if "human" in script["conditions"] else name
        for condition in script["conditions"]:
            by_condition.setdefault(condition, []).append(shown)
    return [
        f"| {condition} | {len(by_condition[condition])} | {', '.join(by_condition[condition])} |"
        for condition in CONDITIONS
    ]


def voice_rows() -> list[str]:
    """Return in how many of the suite's scripts each voice speaks for the caller."""
    count: Counter[str] = Counter()
    for file in (DATA / "suite").glob("*.yaml"):
        script = read_yaml(file)
        said = [line for line in script["lines"] if "sound" not in line]
        count.update({_voice(line, script.get("voice", "heart")) for line in said})
    return [f"| {voice} | {scripts} |" for voice, scripts in count.most_common()]


def _voice(line: Mapping[str, str], default: str) -> str:
    """Return who says a line; the prompts that it may name are by persons."""
    is_prompt = line.get("say", "").startswith("../prompts")
    return "human" if is_prompt else line.get("voice", default)


if __name__ == "__main__":
    rows = suite_rows()
    replace_section("suite", ["| condition | scripts | names |", "|---" * 3 + "|", *rows])
    replace_section("voices", ["| voice | scripts |", "|---" * 2 + "|", *voice_rows()])
    header = "| file | source | licence | credit | rate | duration | SHA-256 |"
    replace_section("files", [header, "|---" * 7 + "|", *map(row, files())])
    spoken = read_yaml(DATA / "callers/utterances.yaml")
    size = sum(file.stat().st_size for file in files())
    print(f"README.md: {len(files())} files, {size / 1e6:.1f} MB, {len(spoken)} utterances")
