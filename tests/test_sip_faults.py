"""SIP peers that repeat themselves, send what is broken, or send sound from elsewhere."""

import asyncio
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_sip_peer import OFFER, SOUND_PORT, with_peer
from telephone_parties import Doing, end_reason, level_of, tone

from voxlab.agents.calls import hold_call
from voxlab.agents.datagrams import MemoryNetwork
from voxlab.agents.telephone.sip_phone import SipPhone
from voxlab.clock import run_virtual
from voxlab.errors import missing_extra
from voxlab.telephony import dtmf
from voxlab.telephony.g711 import MULAW
from voxlab.telephony.rtp import RtpPacket

pytest.importorskip("aiosipua", reason=missing_extra("sip"))


def test_an_invite_that_is_repeated_makes_one_call_and_is_answered_each_time():
    async def act(peer, network):
        for _ in range(3):
            peer.say("INVITE", OFFER)
            await asyncio.sleep(0.05)
        tags = {tag for text in peer.got for tag in re.findall(r"To: .*;tag=(\w+)", text)}
        peer.say("BYE", number=2, to_tag=tags.pop())
        return tags

    more_tags, peer, calls = with_peer(act)
    assert peer.statuses == [100, 180, 200, 200, 200, 200]
    assert not more_tags
    assert len(calls) == 1


def test_an_answer_is_repeated_until_it_is_acknowledged():
    async def act(peer, network):
        peer.say("INVITE", OFFER)
        await asyncio.sleep(4.0)
        before = peer.statuses.count(200)
        await peer.answered()
        await asyncio.sleep(10.0)
        return before, peer.statuses.count(200)

    (before, after), _, _ = with_peer(act)
    assert before == 4  # at 0, 0.5, 1.5 and 3.5 s
    assert after == before + 1  # the INVITE that `answered` repeats


def test_a_refusal_is_repeated_until_it_is_acknowledged():
    async def act(peer, network):
        peer.say("INVITE", OFFER)
        await asyncio.sleep(4.0)
        peer.say("ACK", branch="INVITE1")
        await asyncio.sleep(10.0)

    _, peer, _ = with_peer(act, most_calls=0)
    assert peer.statuses == [100, 486, 486, 486, 486]


def test_a_call_that_is_given_up_at_once_is_not_answered():
    async def act(peer, network):
        peer.say("INVITE", OFFER)
        peer.say("CANCEL", branch="INVITE1")

    _, peer, calls = with_peer(act)
    assert sorted(peer.statuses) == [100, 200, 487]  # 200 is the CANCEL's
    assert calls == []


@pytest.mark.parametrize(
    ("offer", "status"),
    [
        (OFFER.replace("AVP 0", "AVP 18"), 488),
        (OFFER.replace("AVP 0", "SAVP 0"), 488),
        (OFFER.replace("c=", "x"), 488),
        (OFFER.replace("4000", "x"), 400),
    ],
)
def test_an_offer_that_cannot_be_answered_is_refused_with_a_line_in_the_log(offer, status, caplog):
    async def act(peer, network):
        peer.say("INVITE", offer)

    _, peer, calls = with_peer(act)
    assert peer.statuses[-1] == status
    assert calls == []
    assert "refused a" in caplog.text


def called_without_an_offer(answer, agent=None, act=None):
    """Return (what act returns, the peer, the calls) of a peer whose offer is asked in the ACK."""

    async def ask(peer, network):
        peer.say("INVITE")
        await asyncio.sleep(0.1)
        offered = next(text for text in peer.got if text.startswith("SIP/2.0 200"))
        tag = re.search(r"To: .*;tag=(\w+)", offered)[1]
        if answer is not None:
            peer.say("ACK", answer, to_tag=tag)
        if act:
            await act(peer, tag, int(re.search(r"m=audio (\d+)", offered)[1]))
        await asyncio.sleep(40.0)

    return with_peer(ask, agent)


def test_a_caller_without_an_offer_gets_ours_and_answers_it_in_the_ack():
    arrived = []

    async def speak(peer, tag, port):
        peer.sound.on_datagram = lambda data, sender: arrived.append(RtpPacket.parse(data))
        await peer.play(port, tone(440, 1.0))
        peer.say("BYE", number=2, to_tag=tag)

    _, _, (call,) = called_without_an_offer(OFFER, act=speak)
    assert end_reason(call) == "the caller hung up"
    assert level_of(call.user.between(0.3, 0.9), 440) == pytest.approx(-10.5, abs=1)
    assert len(arrived) == pytest.approx(50, abs=3)
    assert {packet.payload_type for packet in arrived} == {0}


@pytest.mark.parametrize("answer", ["", OFFER.replace("AVP 0", "AVP 18"), "x", None])
def test_a_caller_who_never_answers_our_offer_well_is_hung_up_on(answer, caplog):
    _, peer, calls = called_without_an_offer(answer)
    assert calls == []
    assert "refused a call" in caplog.text
    if answer is not None:
        assert peer.got[-1].startswith("BYE")


def test_a_new_offer_that_cannot_be_answered_is_refused_and_the_call_goes_on():
    async def act(peer, network):
        tag, _ = await peer.answered()
        peer.say("INVITE", OFFER.replace("AVP 0", "AVP 18"), number=2, to_tag=tag)
        await asyncio.sleep(0.1)
        refused = peer.statuses[-1]
        peer.say("ACK", number=2, branch="INVITE2", to_tag=tag)
        peer.say("INVITE", "", number=3, to_tag=tag)
        await asyncio.sleep(0.1)
        peer.say("ACK", number=3, to_tag=tag)
        peer.say("BYE", number=4, to_tag=tag)
        return refused

    refused, peer, (call,) = with_peer(act)
    assert refused == 488
    assert peer.statuses[-2:] == [200, 200]  # an INVITE without an offer gets ours, then BYE
    assert end_reason(call) == "the caller hung up"


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_on_hold_no_packet_is_sent(direction):
    arrived = []

    async def act(peer, network):
        tag, _ = await peer.answered()
        peer.sound.on_datagram = lambda data, sender: arrived.append(RtpPacket.parse(data))
        counts = []
        for number, offer in ((2, OFFER + f"a={direction}\r\n"), (3, OFFER)):
            peer.say("INVITE", offer, number=number, to_tag=tag)
            await asyncio.sleep(0.1)
            peer.say("ACK", number=number, to_tag=tag)
            arrived.clear()
            await asyncio.sleep(1.0)
            counts.append(len(arrived))
        peer.say("BYE", number=4, to_tag=tag)
        return counts

    (held, back), peer, _ = with_peer(act)
    answers = [text for text in peer.got if "m=audio" in text]
    assert f"a={'recvonly' if direction == 'sendonly' else 'inactive'}" in answers[1]
    assert held == 0
    assert back == pytest.approx(50, abs=1)


def test_a_goodbye_of_another_call_ends_nothing():
    async def act(peer, network):
        tag, _ = await peer.answered()
        peer.say("BYE", number=2, to_tag="wrong")
        await asyncio.sleep(0.1)
        wrong = peer.statuses[-1]
        peer.say("BYE", number=2, branch="again", to_tag=tag)
        return wrong

    wrong, _, (call,) = with_peer(act)
    assert wrong == 481
    assert end_reason(call) == "the caller hung up"


def test_sound_from_another_address_is_not_heard_and_is_told_once(caplog):
    async def act(peer, network):
        tag, port = await peer.answered()
        stranger = await network.open("192.0.2.66", SOUND_PORT)
        async with asyncio.TaskGroup() as group:
            group.create_task(peer.play(port, tone(440, 2.0)))
            group.create_task(peer.play(port, tone(1000, 2.0), stranger, ssrc=8))
        peer.say("BYE", number=2, to_tag=tag)

    _, _, (call,) = with_peer(act)
    assert level_of(call.user.between(0.5, 1.5), 440) > -12
    assert level_of(call.user.between(0.5, 1.5), 1000) < -60
    assert caplog.text.count("192.0.2.66") == 1


def test_datagrams_that_are_no_sound_disturb_nothing():
    async def act(peer, network):
        tag, port = await peer.answered()
        rng = np.random.default_rng(0)
        playing = asyncio.create_task(peer.play(port, tone(440, 1.5)))
        for size in rng.integers(0, 300, 50):
            peer.sound.send(rng.bytes(size), ("127.0.0.1", port))
            peer.sound.send(
                RtpPacket(101, 1, 1, 7, rng.bytes(size % 6)).to_bytes(), ("127.0.0.1", port)
            )
            await asyncio.sleep(0.02)
        await playing
        peer.say("BYE", number=2, to_tag=tag)

    _, _, (call,) = with_peer(act)
    assert end_reason(call) == "the caller hung up"
    assert level_of(call.user.between(1.1, 1.4), 440) > -12


def test_with_a_peer_that_knows_no_events_keys_are_tones_both_ways():
    heard = []

    async def act(peer, network):
        tag, port = await peer.answered()
        peer.sound.on_datagram = lambda data, sender: heard.append(RtpPacket.parse(data).payload)
        samples = dtmf.tone("7", 0.1, 16000)
        await peer.play(port, tone(1, 0.2))
        await peer.play(port, type(tone(1))(samples, 16000), ssrc=8)
        await asyncio.sleep(0.8)
        peer.say("BYE", number=2, to_tag=tag)

    agent = Doing((0.3, lambda line: line.record("agent", "key", digit="4")))
    _, _, (call,) = with_peer(act, agent)
    assert [event.data["digit"] for event in call.timeline.select("caller", "key")] == ["7"]
    assert dtmf.ToneReceiver().feed(MULAW.decode(b"".join(heard))) == "4"


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=8), st.integers(0, 9)), max_size=9)
)
def test_whatever_comes_the_server_goes_on_answering(damages):
    async def act(peer, network):
        whole = []
        peer.send = lambda text: whole.append(text.encode())
        peer.say("INVITE", OFFER)
        del peer.send
        for place, put, dropped in damages:
            damaged = whole[0][:place] + put + whole[0][place + dropped :]
            peer._sip.send(damaged, peer.server)
        await asyncio.sleep(0.1)
        peer.got.clear()
        peer.say("OPTIONS")
        await asyncio.sleep(0.1)

    _, peer, _ = with_peer(act)
    assert 200 in peer.statuses


# --- our telephone calls a peer -------------------------------------------------------------

MOVED = "Contact: <sip:carol@127.0.0.1:6000>, <sip:dave@127.0.0.1:6000>\r\n"
ANSWER = "Contact: <sip:bob@127.0.0.1:6000;room=7>\r\nContent-Type: application/sdp\r\n"


def called(*statuses, moved=MOVED, holds=False):
    """Let our telephone call a peer that answers its INVITEs so; return (call, what it got)."""
    got, left = [], list(statuses)

    def reply(data, sender):
        text = data.decode()
        got.append(text)
        if text.startswith("ACK"):
            return
        status = left.pop(0) if text.startswith("INVITE") else 200
        head = [
            line + ";tag=9" if line.startswith("To:") and "tag" not in line else line
            for line in text.splitlines()
            if line.startswith(("Via", "From", "To", "Call-ID", "CSeq"))
        ]
        body = ANSWER + f"Content-Length: {len(OFFER)}\r\n\r\n{OFFER}"
        rest = "Content-Length: 0\r\n\r\n"
        if text.startswith("INVITE"):
            rest = {200: body, 302: moved + rest}.get(status, rest)
        socket.send("\r\n".join([f"SIP/2.0 {status} X", *head, rest]).encode(), sender)

    async def main():
        nonlocal socket
        network = MemoryNetwork(0.001)
        socket = await network.open("127.0.0.1", 6000)
        socket.on_datagram = reply
        phone = SipPhone("sip:bob@127.0.0.1:6000", None, network)
        steps = ((0.5, lambda line: phone.call.hold()),) if holds else ()
        call = await hold_call(phone, Doing(*steps, until_s=1.0))
        await asyncio.sleep(0.1)
        return call

    socket = None
    return run_virtual(main()), got


def test_a_refusal_is_acknowledged_once():
    call, got = called(486)
    assert [text.split()[0] for text in got] == ["INVITE", "ACK"]
    assert "refused: 486" in end_reason(call)


def test_a_call_that_is_redirected_goes_on_at_the_first_address_that_is_named():
    call, got = called(302, 200)
    assert [text.split()[:2] for text in got] == [
        ["INVITE", "sip:bob@127.0.0.1:6000"],
        ["ACK", "sip:bob@127.0.0.1:6000"],
        ["INVITE", "sip:carol@127.0.0.1:6000"],
        ["ACK", "sip:bob@127.0.0.1:6000;room=7"],
        ["BYE", "sip:bob@127.0.0.1:6000;room=7"],
    ]
    assert end_reason(call) == "the caller left"


def test_servers_that_send_a_call_to_each_other_are_left():
    call, got = called(*[302] * 9)
    assert [text.split()[0] for text in got] == ["INVITE", "ACK"] * 6
    assert "refused: 302" in end_reason(call)


@pytest.mark.parametrize("moved", ["", "Contact: <sips:carol@127.0.0.1:6000>\r\n"])
def test_a_redirection_that_leads_nowhere_is_a_refusal(moved):
    call, got = called(302, moved=moved)
    assert [text.split()[0] for text in got] == ["INVITE", "ACK"]
    assert "refused: 302" in end_reason(call)


def test_what_follows_the_answer_goes_to_the_address_that_it_names():
    call, got = called(200)
    assert [text.split()[:2] for text in got[1:]] == [
        ["ACK", "sip:bob@127.0.0.1:6000;room=7"],
        ["BYE", "sip:bob@127.0.0.1:6000;room=7"],
    ]
    assert end_reason(call) == "the caller left"


def test_a_hold_that_is_refused_leaves_the_call_as_it_was(caplog):
    call, got = called(200, 488, holds=True)
    assert [text.split()[0] for text in got] == ["INVITE", "ACK", "INVITE", "ACK", "BYE"]
    assert "a new offer was refused" in caplog.text
    assert not call.timeline.select("transport", "held")
