"""A telephone menu: the key decides, over the prompt or after it, on every kind of line."""

import pytest
from telephone_parties import Silent, Speaker, level_at, tone

from voxlab.agents.calls import hold_call
from voxlab.agents.telephone.menu import KeyingCaller, KeypadMenu
from voxlab.agents.telephone.twilio_phone import OverTwilio
from voxlab.clock import run_virtual
from voxlab.errors import TelephonyError

WAYS = {"direct": lambda agent: agent, "twilio": OverTwilio}


def menu():
    speaker = Speaker((0.0, tone(1000, 0.5)), until_s=9.0)
    return KeypadMenu(tone(440, 2.0), {"1": speaker, "2": Silent()}, tone(300, 0.4))


def hold(*presses, way="direct"):
    return run_virtual(hold_call(WAYS[way](menu()), KeyingCaller(presses, Silent())))


@pytest.mark.parametrize("way", WAYS)
def test_a_key_stops_the_prompt_and_its_agent_takes_over(way):
    call = hold((1.0, "1"), way=way)
    (chosen,) = call.timeline.select("agent", "chosen")
    assert chosen.data == {"digit": "1"}
    assert [event.data["digit"] for event in call.timeline.select("caller", "key")] == ["1"]
    assert level_at(call, 440, 0.3, 0.9) > -15
    assert level_at(call, 440, 1.3, 2.0) < -40
    assert level_at(call, 1000, 1.2, 1.45) > -15


def test_a_key_that_is_no_choice_is_told_and_the_prompt_comes_again():
    call = hold((1.0, "7"), (3.0, "1"))
    assert level_at(call, 300, 1.05, 1.35) > -15
    assert level_at(call, 440, 1.6, 2.9) > -15
    assert [event.at_s for event in call.timeline.select("agent", "chosen")] == [3.0]


def test_a_caller_who_presses_nothing_is_asked_three_times_and_then_hung_up_on():
    call = hold()
    ended = call.timeline.select("transport", "call_ended")[-1]
    assert ended.data["reason"] == "nothing was chosen from the menu"
    assert ended.at_s == pytest.approx(3 * (2.0 + 4.0))


def test_a_menu_is_on_a_line_of_its_agents_rate_and_they_agree():
    class Narrow(Silent):
        rate_hz = 8_000

    assert KeypadMenu(tone(440), {"1": Narrow()}, tone(300)).rate_hz == 8_000
    for choices in ({"1": Narrow(), "2": Silent()}, {}):
        with pytest.raises(TelephonyError, match="needs one rate"):
            KeypadMenu(tone(440), choices, tone(300))
