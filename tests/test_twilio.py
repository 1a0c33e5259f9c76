"""Calls over Twilio's media streams: both ends in virtual time."""

import numpy as np
import pytest
from telephone_parties import SID, Silent, Speaker, level_at, tone

from voxlab import data
from voxlab.agents.callers.remote import LAG_S
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import hold_call, play
from voxlab.agents.shop import shop_agent
from voxlab.agents.sockets import socket_pair
from voxlab.agents.telephone.twilio_caller import TwilioCaller
from voxlab.agents.telephone.twilio_phone import OverTwilio, StreamOptions
from voxlab.clock import run_virtual
from voxlab.errors import TelephonyError
from voxlab.evaluation.turn_times import interruptions, transcript
from voxlab.telephony.g711 import MULAW
from voxlab.telephony.twilio import Connected, Dtmf, Media, Start, Stop, from_twilio

# --- both ends, in virtual time -------------------------------------------------------------


def hold(agent, caller=None, **options):
    return run_virtual(hold_call(OverTwilio(agent, **options), caller or Silent()))


def test_the_caller_hears_a_second_of_the_agent_as_a_second():
    call = hold(Speaker((1.0, tone(440))))
    envelope = np.abs(call.agent.samples) > 0.05
    loud_s = np.flatnonzero(envelope) / 16000
    assert loud_s[-1] - loud_s[0] == pytest.approx(1.0, abs=0.01)
    assert 1.0 < loud_s[0] < 1.0 + 0.03 + 0.06  # the network's way, and frames
    assert level_at(call, 440, 1.2, 1.9) == pytest.approx(20 * np.log10(0.3), abs=0.5)


def test_after_a_clear_not_one_sample_of_the_old_reply_is_heard_again():
    call = hold(Speaker((1.0, tone(440, 3.0)), (1.5, None), (1.8, tone(1000)), until_s=4.0))
    assert level_at(call, 440, 1.2, 1.45) > -15
    assert level_at(call, 440, 1.65, 1.8) < -80  # silence
    assert level_at(call, 440, 1.95, 2.8) < -70  # the new reply alone
    assert level_at(call, 1000, 1.95, 2.8) > -15


def test_the_last_sound_comes_through_though_it_fills_no_message():
    call = hold(Speaker((1.0, tone(440, 0.333))))
    loud_s = np.flatnonzero(np.abs(call.agent.samples) > 0.05) / 16000
    assert loud_s[-1] - loud_s[0] == pytest.approx(0.333, abs=0.01)


def test_marks_tell_how_far_behind_the_caller_hears():
    call = hold(Speaker((1.0, tone(440, 2.0))), delay_s=0.1)
    behind_s = [event.data["behind_s"] for event in call.timeline.select("transport", "played")]
    assert len(behind_s) > 10
    assert all(0.2 <= each <= 0.26 for each in behind_s)  # there and back, and frames


def test_a_mark_that_comes_back_from_a_clear_counts_as_not_heard():
    call = hold(Speaker((1.0, tone(440, 3.0)), (1.5, None), until_s=3.0))
    played = call.timeline.select("transport", "played")
    assert max(event.at_s for event in played) < 1.5 + 0.15


@pytest.mark.slow
def test_a_caller_on_the_telephone_is_understood_and_may_interrupt():
    call = play(load_script(data.path("calls/barge_in.yaml")), OverTwilio(shop_agent()))
    ended = call.timeline.select("transport", "call_ended")[-1].data["reason"]
    assert ended == "the caller hung up"
    said = " ".join(text for _, who, text in transcript(call.timeline) if who == "agent")
    assert "on Tuesday" in said
    (cut,) = interruptions(call.timeline)
    assert cut.yield_s < 0.5
    assert "See you then" in cut.unheard


def test_a_call_over_twilio_repeats_to_the_sample():
    one, other = (hold(Speaker((0.5, tone(440)), (1.0, None), (1.3, tone(660)))) for _ in range(2))
    assert one.timeline.to_json() == other.timeline.to_json()
    np.testing.assert_array_equal(one.agent.samples, other.agent.samples)


def test_with_both_tracks_the_agent_does_not_hear_itself():
    heard = []

    class Listener(Speaker):
        async def run(self, line):
            await super().run(line)
            heard.append(line.heard(0, round(3 * line.rate_hz)))

    hold(Listener((0.5, tone(440, 2.0))), options=StreamOptions(both_tracks=True))
    assert np.abs(heard[0]).max() < 1e-3


# --- a peer that misbehaves -----------------------------------------------------------------


def end_of(*messages, then_silent=False):
    """Return why a call ends whose Twilio sends these messages after `start`."""

    async def main():
        near, far = socket_pair()
        for number, message in enumerate([Connected(), Start(SID, "CA1"), *messages]):
            text = message if isinstance(message, str) else from_twilio(message, number, SID)
            await near.send(text)
        if not then_silent:
            near.close()
        caller = TwilioCaller(far)
        await caller.start()
        call = await hold_call(Speaker(until_s=60.0), caller, lag_s=LAG_S)
        return call, call.timeline.select("transport", "call_ended")[-1].data["reason"]

    return run_virtual(main())


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((Stop(),), "the caller hung up"),
        ((), "connection to Twilio closed"),
        (("{",), "no JSON"),
        ((Start(SID, "CA2"),), "a second start"),
        (("x" * 10_000_000,), "10000000 characters"),
        (('{"event": "media", "media": {"payload": "!"}}',), "no base64"),
    ],
)
def test_a_stream_that_breaks_ends_its_call_with_the_reason(messages, reason):
    assert reason in end_of(*messages)[1]


def test_a_stop_that_never_comes_ends_the_call_after_a_while():
    call, reason = end_of(then_silent=True)
    assert "no sound came from Twilio for 5 s" in reason
    assert call.timeline.duration_s == pytest.approx(5.0, abs=0.5)


def test_a_jump_of_the_counter_is_noted_and_the_call_goes_on():
    sound = MULAW.encode(np.zeros(160, np.float32))
    call, reason = end_of(Media(sound, chunk=1), Media(sound, chunk=4), Stop())
    (gap,) = call.timeline.select("transport", "gap")
    assert (gap.data, reason) == ({"expected": 2, "got": 4}, "the caller hung up")


def test_a_key_is_told_once():
    call, _ = end_of(Dtmf("5"), Stop())
    assert [event.data for event in call.timeline.select("caller", "key")] == [{"digit": "5"}]


@pytest.mark.parametrize(
    ("first", "complaint"),
    [(Media(b""), "media before start"), (Stop(), "stop before start"), ("[1]", "text 'event'")],
)
def test_a_stream_that_does_not_begin_with_start_is_refused(first, complaint):
    async def main():
        near, far = socket_pair()
        await near.send(first if isinstance(first, str) else from_twilio(first, 1, SID))
        await TwilioCaller(far).start()

    with pytest.raises(TelephonyError, match=complaint):
        run_virtual(main())


def test_a_peer_that_says_nothing_is_not_waited_for_for_ever():
    async def main():
        await TwilioCaller(socket_pair()[1]).start()

    with pytest.raises(TelephonyError, match="no start within 5 s"):
        run_virtual(main())
