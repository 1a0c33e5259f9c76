"""Make data/prompts/: human telephone prompts in five languages, with credits and licences.

    python data/make/prompts.py

Fetches the clips that data/prompts/transcripts.yaml names from Debian's packages
asterisk-core-sounds-*-g722 (version 1.6.1-1). Running it again gives the same bytes.
"""

import tempfile
from pathlib import Path

import debian

from voxlab.data.yaml_files import read_yaml

PROMPTS = Path(__file__).resolve().parents[1] / "prompts"

# The notices of the package's copyright file, which its licences ask to keep intact.
CREDITS = {
    "en": """\
Copyright: 2003-2010, Allison Smith
Recorded by: Allison Smith (http://www.theivrvoice.com)
Financial contributions by: Digium, Inc. (http://www.digium.com)
License: CC-BY-SA-3.0""",
    "fr": """\
Copyright: 2006-2008, June Wallack
Recorded by: June Wallack (http://www.junewallack.com)
Translated into French by: Clod Patry <cpatry@gmail.com>,
  Kristopher Lalletti <kris@syneo.ca>, June Wallack
Financial contributions by: Digium, Inc. (http://www.digium.com),
  Unlimitel (http://www.unlimitel.ca), BGM Informatique (www.bgm.qc.ca)
License: CC-BY-SA-3.0""",
    "it": """\
Copyright: 2012 Carlo Flora, <http://www.segreterietelefoniche.it>
Recorded by: Carlo Flora (http://www.carloflora.com)
Voice available making an order here: http://www.segreterietelefoniche.it
Translated by: Silvia Petrin (traduttore@segreterietelefoniche.it)
The text was translated from original English distributed from http://www.digium.com
License: CC-BY-3.0""",
    "ru": """\
Copyright: 2010, Maxim
Provided by: Maxim Topal (http://www.ivrvoice.ru)
License: CC-BY-3.0""",
}
CREDITS["es"] = CREDITS["en"]  # the copyright file puts both under one notice

CHANGES = """\
Title: Asterisk Core Sounds ({language}), from http://downloads.asterisk.org/pub/telephony/asterisk/
  by way of Debian's package {package} 1.6.1-1
Changes: decoded from G.722 and stored as FLAC, 16 kHz, 16 bit; nothing else was changed.
The full text of the licence is in the file LICENSE beside this one.
"""


def make(language: str, clips: list[str], work: Path) -> None:
    """Fetch one language's package, and write its clips, CREDITS and LICENSE."""
    package = f"asterisk-core-sounds-{language}-g722"
    files = debian.unpack(package, work / language)
    (recordings,) = (files / "usr/share/asterisk/sounds").iterdir()
    target = PROMPTS / language
    for stale in target.glob("*.flac"):
        stale.unlink()
    for clip in clips:
        debian.keep_as_flac(recordings / source_name(clip), target / f"{clip}.flac")
    changes = CHANGES.format(language=language, package=package)
    (target / "CREDITS").write_text(f"{CREDITS[language]}\n{changes}", "utf-8")
    licence = CREDITS[language].rsplit("License: ", 1)[1]
    text = debian.licence_text(files / f"usr/share/doc/{package}/copyright", licence)
    (target / "LICENSE").write_text(text, "utf-8")


def source_name(clip: str) -> str:
    """Return a clip's file in the package: follow-me prompts lie in a folder of their own."""
    return clip.replace("followme-", "followme/") + ".g722"


if __name__ == "__main__":
    transcripts = read_yaml(PROMPTS / "transcripts.yaml")
    with tempfile.TemporaryDirectory() as work:
        for language, entry in transcripts.items():
            make(language, list(entry["clips"]), Path(work))
            print(f"prompts/{language}: {len(entry['clips'])} clips")
