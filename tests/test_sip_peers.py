"""SIP calls over UDP, most with telephones that other people wrote; in real time, a few seconds."""

import asyncio
import contextlib

import pytest
from sip_peers import (
    SDP,
    Baresip,
    call_steps,
    expect,
    needs_baresip,
    needs_extra,
    needs_sipp,
    send,
    sipp,
)
from telephone_parties import Silent, Speaker, end_reason, tone, usual_level

from voxlab import audio
from voxlab.agents.calls import hold_call
from voxlab.agents.telephone.sip_phone import SipPhone
from voxlab.cli import main
from voxlab.clock import run_real
from voxlab.evaluation.turn_times import interruptions
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.serving.sip import SipOptions, serving_sip
from voxlab.telephony.g711 import ALAW, MULAW
from voxlab.timeline import Call

pytestmark = [pytest.mark.slow, needs_extra]


@contextlib.asynccontextmanager
async def answering(agent, **options):
    """Serve an agent; yield (url, a queue of each call's start and record)."""
    calls = asyncio.Queue()

    def keep(start, call):
        calls.put_nowait((start, call))

    async with serving_sip(lambda start: agent, SipOptions(**options), keep) as server:
        yield server.url, calls


# --- sipp ----------------------------------------------------------------------------------


@needs_sipp
@pytest.mark.parametrize(("law", "payload_type"), [(MULAW, 0), (ALAW, 8)])
def test_sipp_is_heard_in_both_laws(tmp_path, law, payload_type):
    recording = tmp_path / ("sound.ul" if law is MULAW else "sound.al")
    recording.write_bytes(law.encode(tone(440, 1.0).resample(8000).samples))

    async def main():
        async with answering(Silent()) as (url, calls):
            await sipp(tmp_path, url, *call_steps(payload_type, recording, 1.2))
            return await calls.get()

    start, call = run_real(main())
    assert start.codec == ("PCMU" if law is MULAW else "PCMA")
    assert end_reason(call) == "the caller hung up"
    assert usual_level(call.user.between(0.3, 0.9), 440) == pytest.approx(-10.5, abs=1)


@needs_sipp
def test_sipp_is_told_that_all_lines_are_busy(tmp_path):
    refused = send(1, "INVITE", SDP.format(payload_type=0)), expect(100, 486)

    async def main():
        async with answering(Silent(), most_calls=0) as (url, _):
            await sipp(tmp_path, url, *refused, send(1, "ACK", repeat=False))

    run_real(main())


@needs_sipp
def test_sipp_is_hung_up_on_in_time(tmp_path):
    call = call_steps(0, "", 0)[:3]
    bye = '<recv request="BYE"/><send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n'
    bye += "[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>"

    async def main():
        async with answering(Speaker(until_s=0.3)) as (url, calls):
            await sipp(tmp_path, url, *call, bye)
            return (await calls.get())[1]

    assert end_reason(run_real(main())) == "the agent is done"


# --- baresip -------------------------------------------------------------------------------


@needs_baresip
@pytest.mark.parametrize(("codec", "rate_hz"), [("g722/16000", 16000), ("pcma", 8000)])
def test_baresip_speaks_presses_a_key_holds_and_hangs_up(tmp_path, codec, rate_hz):
    recording = tmp_path / "sound.wav"
    audio.write(recording, tone(440, 5.0).resample(rate_hz))

    async def main():
        agent = Speaker((0.0, tone(1000, 9.0)), until_s=9.0)
        async with answering(agent) as (url, calls), Baresip(tmp_path, recording, codec) as peer:
            for command, params, then_s in (
                ("dial", url, 1.2),
                ("sndcode", "5", 0.5),
                ("hold", "", 0.6),
                ("resume", "", 0.6),
                ("hangup", "", 0.1),
            ):
                peer.do(command, params)
                await asyncio.sleep(then_s)
            return (*await calls.get(), audio.read(peer.heard()))

    start, call, heard = run_real(main())
    assert start.codec == codec.partition("/")[0].upper()
    assert end_reason(call) == "the caller hung up"
    assert usual_level(call.user.between(0.4, 0.9), 440) == pytest.approx(-10.5, abs=1)
    assert [event.data for event in call.timeline.select("caller", "key")] == [{"digit": "5"}]
    states = [e.kind for e in call.timeline.select("transport") if e.kind in ("held", "resumed")]
    assert states == ["held", "resumed"]
    assert usual_level(heard.between(0.3, 0.9), 1000) == pytest.approx(-10.5, abs=1)


@needs_baresip
def test_baresip_answers_our_telephone(tmp_path):
    recording = tmp_path / "sound.wav"
    audio.write(recording, tone(440, 3.0).resample(16000))

    async def main():
        async with Baresip(tmp_path, recording, "g722/16000") as peer:
            phone = SipPhone(peer.url)
            return await hold_call(phone, Silent(), limit_s=1.5)

    call = run_real(main())
    (answered,) = call.timeline.select("transport", "answered")
    assert answered.data == {"codec": "G722"}
    assert usual_level(call.agent.between(0.6, 1.4), 440) == pytest.approx(-10.5, abs=1)


# --- both ends ours ------------------------------------------------------------------------

SCRIPT = """
title: An order over SIP
lines:
  - {id: order, say: order_where, at: 0.8 s after the agent starts to speak}
hang_up: 0.6 s after the agent says "shipped"
"""


def test_the_command_holds_a_call_over_sip_that_is_understood_and_interrupted(tmp_path, capsys):
    (tmp_path / "script.yaml").write_text(SCRIPT)
    assert (
        main(["call", str(tmp_path / "script.yaml"), "--over", "sip", "--out", str(tmp_path)]) == 0
    )
    assert "the caller hung up" in capsys.readouterr().out
    call = Call.load(tmp_path)
    (cut,) = interruptions(call.timeline)
    assert cut.heard.startswith("Hello")
    answered_s = call.timeline.select("tool", "started")[0].at_s
    heard = MoonshineSTT().recognize(call.agent.between(answered_s, call.timeline.duration_s))
    assert "is shipped" in heard
    assert call.timeline.select("transport", "answered")[0].data == {"codec": "G722"}
