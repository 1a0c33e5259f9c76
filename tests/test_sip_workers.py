"""SIP calls that a front sends to workers: real sockets, real signals, telephones of others."""

import asyncio
import os
import re
import sys
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from sip_peers import SDP, Baresip, expect, needs_baresip, needs_extra, needs_sipp, send, sipp
from telephone_parties import Silent, end_reason, tone, usual_level
from worker_calls import OFTEN, PATIENCE_S, run, workers
from worker_process import Echo

from voxlab import audio
from voxlab.agents.calls import hold_call
from voxlab.agents.telephone.sip_phone import SipPhone
from voxlab.cli import main as voxlab
from voxlab.errors import VoxlabError
from voxlab.providers.scripted import ScriptedTTS
from voxlab.serving.workers import FrontOptions, Limits, WorkerOptions
from voxlab.serving.workers.joining import stay_joined
from voxlab.serving.workers.sip import serving_sip_front, serving_sip_worker
from voxlab.timeline import Call

pytestmark = [pytest.mark.slow, needs_extra]


@asynccontextmanager
async def front_and_worker(most_calls=1, keep=lambda start, call: None, tells_front=True):
    """A front and one worker, both in this process; yields (front, worker)."""
    options = FrontOptions(calls=OFTEN)
    async with serving_sip_front(options) as front:
        options = WorkerOptions(
            elsewhere=front.sip_url * tells_front, limits=Limits(most_calls, most_lag_s=9.0)
        )
        make = lambda start: Echo()  # noqa: E731
        async with serving_sip_worker(make, ScriptedTTS(), keep, options) as worker:
            joining = asyncio.create_task(
                stay_joined(worker, front.url, front._options.worker_token)
            )
            await front.joined(os.getpid())
            yield front, worker
            joining.cancel()


class Phone:
    """A telephone that calls a front and says a tone until `is_enough`."""

    def __init__(self, url, is_enough):
        self.answered = asyncio.Event()
        self._phone, self._is_enough = SipPhone(url), is_enough

    async def hold(self):
        """Return the call, when it is over."""

        def note(event):
            if event.kind == "answered":
                self.answered.set()

        return await hold_call(self._phone, self, on_event=note)

    @property
    def port(self):
        """Where the telephone was sent."""
        return self._phone.call.dialog.remote_addr[1]

    async def run(self, line):
        line.user.lay(0.0, tone(440, PATIENCE_S))
        await self._is_enough.wait()


async def line_with(process, pattern):
    """Return the match of the first line of a process that has a pattern."""
    lines = []
    while not (found := re.search(pattern, "".join(lines[-1:]))):
        lines.append((await process.stdout.readline()).decode())
        assert lines[-1], "".join(lines)
    return found


def ports(front):
    """Return the port of each worker."""
    return {int(load.url.rpartition(":")[2]) for load in front.loads}


def test_a_rolling_restart_in_the_middle_of_three_sip_calls_loses_no_packet_either_way(tmp_path):
    async def main():
        async with workers("sip", tmp_path, 1, most_calls=3) as (front, started):
            old, is_enough = ports(front), asyncio.Event()
            phones = [Phone(front.sip_url, is_enough) for _ in range(4)]
            *early, late = phones
            async with asyncio.TaskGroup() as group:
                holding = [group.create_task(phone.hold()) for phone in early]
                await asyncio.gather(*(phone.answered.wait() for phone in early))
                assert Counter(phone.port for phone in early) == dict.fromkeys(old, 3)
                await started.restart()
                holding.append(group.create_task(late.hold()))
                await late.answered.wait()
                assert late.port not in old
                await asyncio.sleep(1.0)
                is_enough.set()
            return [task.result() for task in holding]

    near = run(main())
    far = [Call.load(folder) for folder in tmp_path.iterdir()]
    assert Counter(map(end_reason, near)) == {"the caller left": 4}
    assert Counter(map(end_reason, far)) == {"the caller hung up": 4}
    for call in [*near, *far]:
        (media,) = call.timeline.select("transport", "media")
        assert media.data["received"] > 40
        assert media.data["lost"] == 0
    for call in near[:3]:  # the late one is short
        heard = call.agent.between(0.6, call.timeline.duration_s - 0.1)
        assert usual_level(heard, 440) > -20


def test_the_command_sends_callers_on_while_it_drains_and_the_deadline_ends_its_calls(tmp_path):
    async def main():
        is_enough = asyncio.Event()
        async with front_and_worker() as (other, _):
            command = ["serve", "worker", "--protocol", "sip", "--port", "0", "--processes", "1"]
            command += ["--providers", "scripted", "--drain-limit", "0.5", "--verbose"]
            command += ["--elsewhere", other.sip_url, "--out", tmp_path]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "voxlab", *command),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            port = (await line_with(process, r"at sip:127.0.0.1:(\d+)"))[1]
            url = (await line_with(process, r"(sip:agent@\S+)  http"))[1]
            one, two = Phone(url, is_enough), Phone(url, is_enough)
            holding = asyncio.create_task(one.hold())
            await one.answered.wait()
            assert one.port == int(port)
            process.terminate()
            await line_with(process, "draining: 1 calls are on")
            sent_on = asyncio.create_task(two.hold())
            await two.answered.wait()
            assert {two.port} == ports(other)
            call = await holding
            is_enough.set()
            await sent_on
            await process.communicate()
            assert process.returncode == 0
            return call

    near = run(main())
    assert end_reason(near) == "the agent hung up"  # by BYE
    far = Call.load(next(tmp_path.iterdir())).timeline
    assert far.end_reason == "the worker was stopped"
    said = far.select("agent", "said")[-1]
    assert said.data["text"].endswith("Goodbye.")
    assert said.at_s < far.select("transport", "call_ended")[0].at_s


def test_who_finds_all_lines_busy_is_told_at_once_and_gets_the_next_free_one():
    async def main():
        async with front_and_worker(most_calls=1) as (front, _):
            is_enough = asyncio.Event()
            first, third = Phone(front.sip_url, is_enough), Phone(front.sip_url, is_enough)
            holding = asyncio.create_task(first.hold())
            await first.answered.wait()
            refused = await hold_call(SipPhone(front.sip_url), Silent())
            is_enough.set()
            await holding
            return refused, await third.hold()

    refused, third = run(main())
    assert "503 All lines are busy (1 calls). Please try again in 5 s." in end_reason(refused)
    assert refused.timeline.duration_s < 1.0
    assert end_reason(third) == "the caller left"


def test_an_address_opens_once_and_only_where_a_call_was_placed():
    async def main():
        async with front_and_worker(most_calls=2, tells_front=False) as (front, worker):
            is_enough = asyncio.Event()
            url = await front.place()
            first = Phone(url, is_enough)
            holding = asyncio.create_task(first.hold())
            await first.answered.wait()
            calls = [
                await hold_call(SipPhone(each), Silent(), limit_s=5.0)
                for each in (url, url.replace("sip:", "sip:x"))
            ]
            worker.drain()
            calls.append(await hold_call(SipPhone(url), Silent()))
            is_enough.set()
            await holding
            return map(end_reason, calls)

    again, unknown, draining = run(main())
    assert "refused: 404" in again
    assert "refused: 404" in unknown
    assert "refused: 503 This worker is being stopped" in draining


def test_who_calls_a_worker_without_a_place_is_sent_to_the_front_and_gets_one():
    async def main():
        async with front_and_worker() as (_, worker):
            is_enough = asyncio.Event()
            phone = Phone(worker.url.replace("sip:", "sip:agent@"), is_enough)
            holding = asyncio.create_task(phone.hold())
            await phone.answered.wait()
            assert worker.load.active == 1
            is_enough.set()
            return await holding

    assert end_reason(run(main())) == "the caller left"


# --- telephones that other people wrote -----------------------------------------------------


def header(name, pattern):
    """Return what a scenario of sipp expects of a header of a response."""
    return (
        f'<action><ereg regexp="{pattern}" search_in="hdr" header="{name}:" check_it="true" '
        'assign_to="1"/><log message="[$1]"/></action>'
    )


@needs_sipp
def test_sipp_reads_where_the_call_is_and_when_to_try_again(tmp_path):
    invite, ack = send(1, "INVITE", SDP.format(payload_type=0)), send(1, "ACK", repeat=False)
    trying = expect(100).replace("/>", ' optional="true"/>')

    async def main():
        async with front_and_worker() as (front, worker):
            at = worker.url.removeprefix("sip:")
            for status, expected in (
                (302, header("Contact", f"sip:[A-Za-z0-9_-]+@{at}")),  # takes the one place
                (503, header("Retry-After", "^ *5$")),
            ):
                answer = f'<recv response="{status}">{expected}</recv>'
                await sipp(tmp_path, front.sip_url, invite, trying, answer, ack)

    run(main())


@needs_baresip
def test_baresip_follows_to_the_worker_and_is_heard_there(tmp_path):
    recording = tmp_path / "sound.wav"
    audio.write(recording, tone(440, 5.0).resample(16000))

    async def main():
        calls = asyncio.Queue()
        keep = lambda start, call: calls.put_nowait(call)  # noqa: E731
        async with (
            front_and_worker(keep=keep) as (front, worker),
            Baresip(tmp_path, recording, "g722/16000") as peer,
        ):
            peer.do("dial", front.sip_url)
            await asyncio.sleep(1.5)
            assert worker.load.active == 1
            peer.do("hangup")
            return await calls.get()

    call = run(main())
    assert end_reason(call) == "the caller hung up"
    assert usual_level(call.user.between(0.4, 0.9), 440) == pytest.approx(-10.5, abs=1)


# --- what SIP cannot do ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [["--public-url", "sip:127.0.0.1:1"], ["--elsewhere", "http://127.0.0.1:1/calls"]]
)
def test_what_sip_callers_cannot_be_told_is_refused(capsys, given):
    assert voxlab(["serve", "worker", "--protocol", "sip", *given]) == 2
    assert given[0] in capsys.readouterr().err


def test_a_key_that_sip_callers_cannot_give_is_refused():
    async def main():
        async with serving_sip_front(FrontOptions(key="secret")):
            pass

    with pytest.raises(VoxlabError, match="cannot give a key"):
        run(main())
