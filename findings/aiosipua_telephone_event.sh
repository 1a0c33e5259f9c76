#!/usr/bin/env bash
# aiosipua 0.7.1: which payload type does an answer give to telephone events (keys, RFC 4733)?
#
# An offer says "96 telephone-event/8000". One would guess that the answer says 96: where a
# codec had a payload type in the offer, the answer should use the same (RFC 3264, 6.1). It says 101,
# the default of negotiate_sdp's argument dtmf_payload_type, whatever was offered. The answer tells
# the other side which number to send us, so a telephone that keeps to its own 96 presses keys that
# a receiver of 101 never hears. Give negotiate_sdp the offer's number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q aiosipua==0.7.1
cat > "$folder/answer.py" <<'PYTHON'
import aiosipua
from aiosipua.sdp import negotiate_sdp, parse_sdp

OFFER = """v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 0 96
a=rtpmap:0 PCMU/8000
a=rtpmap:96 telephone-event/8000
a=fmtp:96 0-15
"""
answer, chosen = negotiate_sdp(parse_sdp(OFFER), "192.0.2.2", 5000)
print("aiosipua", aiosipua.__version__)
print("offered: m=audio 4000 RTP/AVP 0 96")
print("answered: m=audio 5000 RTP/AVP", *answer.audio.formats)
raise SystemExit(0 if answer.audio.formats == ["0", "101"] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/answer.py"
