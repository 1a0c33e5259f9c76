"""Make data/music/hold.flac: the first minute of a piece of hold music, with credit and licence.

    python data/make/music.py

Takes Debian's package asterisk-moh-opsound-g722 (version 2.03-1.1). Running it again gives the
same bytes.
"""

import tempfile
from pathlib import Path

import debian

MUSIC = Path(__file__).resolve().parents[1] / "music"
PACKAGE = "asterisk-moh-opsound-g722"
PIECE = "macroform-the_simplicity"

CREDITS = f"""\
Copyright (C) 2009 Paul Shuler (Macroform) <paulshuler@gmail.com>
{PIECE} - Paul Shuler (Macroform) - http://macroform.bandcamp.com/
Distributed under the Creative Commons Attribution-ShareAlike 3.0 license through explicit
permission from its author.
The license can be found at: http://creativecommons.org/licenses/by-sa/3.0/
Source: http://downloads.asterisk.org/pub/telephony/sounds/ by way of Debian's package
  {PACKAGE} 2.03-1.1
Changes: decoded from G.722, cut to the first minute, the last second faded out, stored as FLAC,
  16 kHz, 16 bit. The result is under the same licence.
"""

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        files = debian.unpack(PACKAGE, Path(work))
        recording = files / "usr/share/asterisk/moh" / f"{PIECE}.g722"
        debian.keep_as_flac(recording, MUSIC / "hold.flac", limit_s=60)
    (MUSIC / "CREDITS").write_text(CREDITS, "utf-8")
    print("music/hold.flac")
