"""SIP telephones that other people wrote, as processes on this machine: sipp and baresip."""

import asyncio
import contextlib
import itertools
import json
import random
import shutil
import socket
from importlib.util import find_spec

import pytest

from voxlab.errors import missing_extra

HOST = "127.0.0.1"
needs_extra = pytest.mark.skipif(find_spec("aiosipua") is None, reason=missing_extra("sip"))


def needs(program, package):
    """Return a mark that skips where a program is missing, with the sentence that installs it."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"needs {program}: apt-get install {package}"
    )


needs_sipp = needs("sipp", "sip-tester")
needs_baresip = needs("baresip", "baresip-core")


def free_port(neighbours=0):
    """Return a port that is free now over UDP and TCP, as the next ones are.

    It is below those that a system lends to clients, so that none of them takes it meanwhile.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        kinds = socket.SOCK_DGRAM, socket.SOCK_STREAM
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for each, kind in itertools.product(range(port, port + neighbours + 1), kinds):
                stack.enter_context(socket.socket(socket.AF_INET, kind)).bind((HOST, each))
            return port


async def run(*command, within_s=15.0, cwd=None):
    """Run a program; return (its exit status, what it wrote)."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(within_s):
            written, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, written.decode(errors="replace")


# --- sipp ----------------------------------------------------------------------------------

HEAD = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:agent@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: {number} {method}
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
"""
SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP {payload_type}
"""


def send(number, method, body="Content-Length: 0\n\n", repeat=True):
    """Return a step that sends a request."""
    text = f"{method} sip:agent@[remote_ip]:[remote_port] SIP/2.0\n"
    text += HEAD.format(number=number, method=method) + body
    start = '<send retrans="500">' if repeat else "<send>"
    return f"{start}<![CDATA[\n{text}]]></send>"


def expect(*responses):
    """Return steps that wait for the last of the responses; the others may come before."""
    early = "".join(f'<recv response="{each}" optional="true"/>' for each in responses[:-1])
    return f'{early}<recv response="{responses[-1]}" rrs="true"/>'


def call_steps(payload_type, recording, speaks_s):
    """Return the steps of a call in which sipp plays a recording and hangs up."""
    return (
        send(1, "INVITE", SDP.format(payload_type=payload_type)),
        expect(100, 180, 200),
        send(1, "ACK", repeat=False),
        f'<nop><action><exec rtp_stream="{recording},1,{payload_type}"/></action></nop>',
        f'<pause milliseconds="{round(1000 * speaks_s)}"/>',
        send(2, "BYE"),
        expect(200),
    )


async def sipp(folder, url, *steps):
    """Let sipp call an agent by some steps. Raises AssertionError if it is not satisfied."""
    scenario = folder / "scenario.xml"
    scenario.write_text(f'<?xml version="1.0"?><scenario name="x">{"".join(steps)}</scenario>')
    errors = folder / "errors.log"
    status, written = await run(
        *("sipp", url.partition("@")[2], "-sf", scenario, "-m", 1, "-i", HOST, "-mi", HOST),
        *("-p", free_port(), "-nostdin", "-trace_err", "-error_file", errors),
    )
    assert status == 0, errors.read_text() if errors.is_file() else written


# --- baresip -------------------------------------------------------------------------------


class Baresip:
    """A baresip that plays a recording; `do` gives it a command of its menu."""

    def __init__(self, folder, recording, codec):
        port = free_port(neighbours=2)  # the next one is its SIP over TLS
        self.folder, self._control = folder, port + 2
        self.url = f"sip:bare@{HOST}:{port}"
        (folder / "config").write_text(
            "module_path /usr/lib/baresip/modules\n"
            f"sip_listen {HOST}:{port}\nctrl_tcp_listen {HOST}:{self._control}\n"
            f"audio_source aufile,{recording}\naudio_player aufile,{folder}/none.wav\n"
            f"snd_path {folder}\n"
            + "".join(f"module {name}.so\n" for name in ("g711", "g722", "aufile", "sndfile"))
            + "module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n"
        )
        account = f"<{self.url}>;regint=0;answermode=auto;audio_codecs={codec}"
        (folder / "accounts").write_text(account + "\n")
        (folder / "contacts").touch()

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(self.folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    _, self._writer = await asyncio.open_connection(HOST, self._control)
                    return self
                except OSError:
                    await asyncio.sleep(0.05)

    async def __aexit__(self, *_):
        self._writer.close()
        self._process.terminate()
        await self._process.wait()

    def do(self, command, params=""):
        """Give a command, such as dial, hold, resume, sndcode or hangup."""
        text = json.dumps({"command": command, "params": params})
        self._writer.write(f"{len(text)}:{text},".encode())

    def heard(self):
        """Return the file with what it heard."""
        (found,) = self.folder.glob("dump*-dec.wav")
        return found
