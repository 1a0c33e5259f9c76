#!/usr/bin/env bash
# aiosipua 0.7.1: what does a user agent server do with an INVITE that comes twice?
#
# Over UDP a caller repeats its INVITE until a response comes, so a lost or late "100 Trying" makes
# the same INVITE arrive again (RFC 3261, 17.1.1.2). One would guess that the repetition, which has
# the same branch, is answered with the last response again (17.2.1). It is a new call: on_invite is
# told again, and the second 180 has another tag, so that the caller sees two dialogs. After the 200
# the same INVITE gets 481, and the caller would take the call for refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q aiosipua==0.7.1
cat > "$folder/repeat.py" <<'PYTHON'
import asyncio

import aiosipua
from aiosipua import SipMessage, SipUAS

INVITE = "\r\n".join([
    "INVITE sip:alice@127.0.0.1 SIP/2.0",
    "Via: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK1",
    "From: <sip:bob@127.0.0.1>;tag=1",
    "To: <sip:alice@127.0.0.1>",
    "Call-ID: one@127.0.0.1",
    "CSeq: 1 INVITE",
    "Contact: <sip:bob@127.0.0.1:6000>",
    "Max-Forwards: 70",
    "Content-Length: 0",
    "", "",
])


class Wire:
    """A transport that notes what is sent."""

    local_addr, reliable, on_message = ("127.0.0.1", 5060), False, None

    def __init__(self):
        self.sent = []

    async def start(self):
        pass

    def send(self, message, address):
        self.sent.append((message.status_code, message.to_addr.tag))

    def send_reply(self, response):
        self.send(response, None)


async def main():
    wire, calls = Wire(), []
    server = SipUAS(wire)
    server.on_invite = lambda call: (calls.append(call), call.ringing())
    await server.start()
    for _ in range(2):
        wire.on_message(SipMessage.parse(INVITE), ("127.0.0.1", 6000))
    tags = {tag for status, tag in wire.sent if status == 180}
    calls[-1].accept()
    wire.on_message(SipMessage.parse(INVITE), ("127.0.0.1", 6000))
    after = wire.sent[-1][0]
    print("aiosipua", aiosipua.__version__)
    print(f"one INVITE, twice: {len(calls)} calls, 180 with {len(tags)} tags")
    print(f"the same INVITE after the 200: {after}")
    return (len(calls), len(tags), after) == (2, 2, 481)


raise SystemExit(0 if asyncio.run(main()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/repeat.py"
