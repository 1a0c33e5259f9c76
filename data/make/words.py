"""Make data/words/: words by one person, to put callers' sentences together from.

    python data/make/words.py

Fetches the clips that data/words/words.yaml names from Debian's package
asterisk-core-sounds-en-g722 (version 1.6.1-1). Running it again gives the same bytes.
"""

import tempfile
from pathlib import Path

import debian
from prompts import CHANGES, CREDITS

from voxlab.data.yaml_files import read_yaml

WORDS = Path(__file__).resolve().parents[1] / "words"
PACKAGE = "asterisk-core-sounds-en-g722"

if __name__ == "__main__":
    for stale in WORDS.glob("*.flac"):
        stale.unlink()
    with tempfile.TemporaryDirectory() as work:
        files = debian.unpack(PACKAGE, Path(work))
        recordings = files / "usr/share/asterisk/sounds/en_US_f_Allison"
        for clip in read_yaml(WORDS / "words.yaml"):
            source = recordings / f"{clip.replace('digits-', 'digits/')}.g722"
            debian.keep_as_flac(source, WORDS / f"{clip}.flac")
        changes = CHANGES.format(language="en", package=PACKAGE)
        (WORDS / "CREDITS").write_text(f"{CREDITS['en']}\n{changes}", "utf-8")
        licence = CREDITS["en"].rsplit("License: ", 1)[1]
        text = debian.licence_text(files / f"usr/share/doc/{PACKAGE}/copyright", licence)
        (WORDS / "LICENSE").write_text(text, "utf-8")
    print(f"words: {len(list(WORDS.glob('*.flac')))} clips")
