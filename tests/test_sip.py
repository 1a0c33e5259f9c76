"""SIP calls with both ends in virtual time: sound, keys, hold, refusals, and how a call ends."""

import asyncio
import sys

import numpy as np
import pytest
from telephone_parties import Doing, Silent, Speaker, end_reason, level_at, level_of, tone

from voxlab.agents.calls import hold_call
from voxlab.agents.datagrams import MemoryNetwork
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.telephone.sip_caller import SipCaller
from voxlab.agents.telephone.sip_endpoint import EndpointOptions, sip_endpoint
from voxlab.agents.telephone.sip_phone import OverSip, SipPhone
from voxlab.clock import run_virtual
from voxlab.errors import VoxlabError, missing_extra
from voxlab.providers.protocols import Providers
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxlab.serving.sip import SipOptions, serving_sip
from voxlab.telephony import sdp
from voxlab.telephony.codecs import available_codecs
from voxlab.turn_taking.manager import TurnOptions

parse_sdp = pytest.importorskip("aiosipua.sdp", reason=missing_extra("sip")).parse_sdp

every_codec = pytest.mark.parametrize("codec", available_codecs())


def hold(agent, caller=None, codecs=(), network=None):
    """Return the call of a caller with an agent over SIP, as the caller's line tells of it."""
    network = network or MemoryNetwork(0.03)
    over = OverSip(agent, options=EndpointOptions(codecs=codecs), network=network)
    return run_virtual(hold_call(over, caller or Silent()))


def both_ends(agent, caller, options=None, network=None, phone_options=None, until_s=4.0):
    """Return (the caller's call, the agent's call) over a server.

    caller: a party, or {when: what it does with its telephone}; that one hangs up at until_s.
    """
    network = network or MemoryNetwork(0.03)
    calls = []

    async def main():
        def keep(start, call):
            calls.append(call)

        async with serving_sip(lambda start: agent, options, keep, network) as server:
            phone = SipPhone(server.url, phone_options, network)
            if isinstance(caller, dict):
                doing = Doing(
                    *((at_s, lambda line, do=do: do(phone)) for at_s, do in caller.items()),
                    until_s=until_s,
                )
            else:
                doing = caller
            call = await hold_call(phone, doing)
            await asyncio.sleep(30.0)  # what is on its way arrives, or is given up
            return call

    near = run_virtual(main())
    return near, (calls[0] if calls else None)


def heard_s(call):
    """Return when the caller hears the agent first and last."""
    loud = np.flatnonzero(np.abs(call.agent.samples) > 0.05) / 16000
    return loud[0], loud[-1]


# --- sound ---------------------------------------------------------------------------------


@every_codec
def test_the_caller_hears_a_second_of_the_agent_as_a_second(codec):
    call = hold(Speaker((1.0, tone(440))), codecs=(codec,))
    first, last = heard_s(call)
    assert last - first == pytest.approx(1.0, abs=0.01)
    assert 1.0 < first < 1.0 + 0.03 + 0.08  # the network's way, a packet, the jitter buffer
    assert level_at(call, 440, 1.2, 1.9) == pytest.approx(20 * np.log10(0.3), abs=0.5)
    assert call.timeline.select("transport", "answered")[0].data == {"codec": codec}


def test_after_an_interruption_not_one_sample_of_the_old_reply_is_heard_again():
    call = hold(Speaker((1.0, tone(440, 3.0)), (1.5, None), (1.8, tone(1000)), until_s=4.0))
    assert level_at(call, 440, 1.2, 1.45) > -15
    assert level_at(call, 440, 1.65, 1.8) < -80  # silence
    assert level_at(call, 440, 1.95, 2.8) < -70  # the new reply alone
    assert level_at(call, 1000, 1.95, 2.8) > -15


def test_the_agent_hears_the_caller_as_they_speak():
    caller = Doing((1.0, lambda line: line.user.lay(1.0, tone(440))), until_s=3.0)
    _, call = both_ends(Silent(), caller)
    assert level_of(call.user.between(1.3, 1.9), 440) == pytest.approx(-10.5, abs=0.5)
    assert np.abs(call.user.between(0.0, 0.9).samples).max() < 1e-3


def test_a_call_in_virtual_time_repeats_to_the_sample():
    def once():
        network = MemoryNetwork(0.03, loss=0.05, seed=1)
        return hold(Speaker((0.5, tone(440)), (1.0, None), (1.3, tone(660))), network=network)

    one, other = once(), once()
    assert one.timeline.to_json() == other.timeline.to_json()
    np.testing.assert_array_equal(one.agent.samples, other.agent.samples)


def test_what_comes_before_the_answer_is_heard():
    """Early media: a recorded announcement, while it still rings."""

    async def main():
        network = MemoryNetwork(0.03)
        async with sip_endpoint(network=network) as endpoint:

            async def ring(dialog):
                early = await endpoint._open("127.0.0.1")
                answer = parse_sdp(sdp.write(early.answer(dialog.invite.text)))
                dialog.ringing(early_sdp=answer)
                line = hold_call(Speaker((0.0, tone(440, 0.5)), until_s=3.0), SipCaller(early))
                announcing = asyncio.create_task(line)
                await asyncio.sleep(1.0)
                dialog.accept(answer)
                await announcing

            tasks = []
            endpoint.on_call = lambda dialog: tasks.append(asyncio.create_task(ring(dialog)))
            return await hold_call(SipPhone(endpoint.url, None, network), Doing(until_s=2.0))

    call = run_virtual(main())
    (answered,) = call.timeline.select("transport", "answered")
    assert heard_s(call)[1] < answered.at_s
    assert level_at(call, 440, 0.2, 0.5) > -15


# --- keys ----------------------------------------------------------------------------------


def keys(*digits, source):
    """Return steps that press keys one after the other."""
    return [
        (1.0 + 0.05 * n, lambda line, digit=digit: line.record(source, "key", digit=digit))
        for n, digit in enumerate(digits)
    ]


def test_each_key_of_the_caller_is_heard_once_and_in_order():
    _, call = both_ends(Silent(), Doing(*keys(*"557#", source="caller")))
    told = call.timeline.select("caller", "key")
    assert "".join(event.data["digit"] for event in told) == "557#"


def test_the_agent_may_press_keys():
    call, _ = both_ends(Doing(*keys(*"12", source="agent")), Silent())
    assert [event.data["digit"] for event in call.timeline.select("agent", "key")] == ["1", "2"]


# --- hold ----------------------------------------------------------------------------------


def test_on_hold_nothing_is_sent_and_nothing_is_heard_until_the_call_is_taken_back():
    hold_and_back = {
        1.0: lambda phone: phone.call.hold(),
        2.0: lambda phone: phone.call.take_back(),
    }
    near, far = both_ends(Speaker((0.0, tone(440, 4.0)), until_s=9.0), hold_and_back)
    assert [e.kind for e in far.timeline.select("transport") if e.kind in ("held", "resumed")] == [
        "held",
        "resumed",
    ]
    assert level_at(near, 440, 0.3, 0.9) > -15
    assert level_at(near, 440, 1.3, 1.9) < -80
    assert level_at(near, 440, 2.4, 3.5) > -15


def test_what_the_agent_says_on_hold_does_not_count_as_heard():
    lags_s = []
    look = [(at_s, lambda line: lags_s.append(line.find_heard_lag_s())) for at_s in (0.9, 1.9, 2.9)]
    caller = {
        1.0: lambda phone: phone.call.hold(),
        2.0: lambda phone: phone.call.take_back(),
    }
    both_ends(Doing(*look, until_s=9.0), caller)
    assert lags_s == pytest.approx([0.01, 0.92, 0.01], abs=0.03)  # their clock began 50 ms later


def test_an_agent_waits_through_a_hold_and_goes_on_where_it_was():
    minute = {
        0.5: lambda phone: phone.call.hold(),
        60.0: lambda phone: phone.call.take_back(),
    }
    voice = ScriptedTTS(words_per_s=2)
    agent = PipelineAgent(
        Providers(ScriptedSTT([]), ScriptedLLM([]), voice),
        options=PipelineOptions(turns=TurnOptions(greeting="One two three four five.")),
    )
    _, far = both_ends(agent, minute, until_s=64.0)
    assert end_reason(far) == "the caller hung up"
    told = far.timeline.select("agent", "speech_started")
    assert [e.at_s for e in told] == pytest.approx([0.0, 60.0], abs=0.2)
    assert [e.data["text"] for e in far.timeline.select("agent", "said")] == [
        "One two three four five."
    ]


def test_a_long_hold_does_not_count_as_silence():
    caller = {1.0: lambda phone: phone.call.hold()}
    _, far = both_ends(Silent(), caller, SipOptions(lost_s=2.0))
    assert end_reason(far) == "the caller hung up"
    assert far.timeline.duration_s == pytest.approx(4.0, abs=0.1)


# --- refusals ------------------------------------------------------------------------------


def test_a_call_too_many_is_busy():
    near, far = both_ends(Silent(), Silent(), SipOptions(most_calls=0))
    assert "refused: 486 Busy Here" in end_reason(near)
    assert far is None


def test_a_call_without_a_common_codec_is_refused():
    options = EndpointOptions(codecs=("PCMA",))
    near, far = both_ends(Silent(), Silent(), SipOptions(codecs=("PCMU",)), None, options)
    assert "refused: 488 Not Acceptable Here" in end_reason(near)
    assert far is None


def test_an_address_where_nobody_answers_is_given_up():
    phone = SipPhone("sip:agent@127.0.0.1:5", None, MemoryNetwork(0.03))
    call = run_virtual(hold_call(phone, Silent()))
    assert "nobody answers at sip:agent@127.0.0.1:5" in end_reason(call)
    assert call.timeline.duration_s == pytest.approx(32, abs=0.5)  # 64 times T1


def test_a_port_that_is_taken_is_refused():
    async def main():
        network = MemoryNetwork()
        options = EndpointOptions(port=5060)
        async with sip_endpoint(options, network), sip_endpoint(options, network):
            pass

    with pytest.raises(VoxlabError, match="5060 is taken"):
        run_virtual(main())


# --- the end -------------------------------------------------------------------------------


def test_the_caller_hangs_up_in_the_middle_of_a_reply():
    near, far = both_ends(Speaker((0.5, tone(440, 3.0)), until_s=9.0), Doing(until_s=1.5))
    assert (end_reason(near), end_reason(far)) == ("the caller left", "the caller hung up")
    assert far.timeline.duration_s == pytest.approx(1.5, abs=0.2)


def test_the_agent_hangs_up():
    near, far = both_ends(Speaker(until_s=1.0), Silent())
    assert (end_reason(near), end_reason(far)) == ("the agent hung up", "the agent is done")


def test_a_caller_who_vanishes_is_missed_after_a_while():
    network = MemoryNetwork(0.03)
    vanish = Doing((1.0, lambda line: setattr(network, "loss", 1.0)))
    _, far = both_ends(Silent(), vanish, SipOptions(lost_s=5.0), network)
    assert end_reason(far) == "no packet came from the other side for 5 s"
    assert far.timeline.duration_s == pytest.approx(6.0, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_network_that_loses_every_third_datagram_loses_no_call(seed):
    network = MemoryNetwork(0.03, loss=1 / 3, seed=seed)
    near, far = both_ends(Silent(), Doing(until_s=12.0), None, network)
    assert near.timeline.select("transport", "answered")
    assert end_reason(near) == "the caller left"
    assert far is not None


def test_without_the_extra_the_sentence_that_installs_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiosipua", None)
    assert "pip install" in end_reason(hold(Silent()))
