"""The suite: every script's expectation is consistent, and contradictions are refused in words."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from voxlab import audio, data
from voxlab.agents.callers.script import parse_script
from voxlab.agents.callers.script_sounds import speak_text, whisper
from voxlab.agents.line import RATE_HZ, Line
from voxlab.agents.shop import Shop, shop_agent, shop_tools
from voxlab.agents.suite import CONDITIONS, check_expectation, hold_script, load_suite
from voxlab.agents.tools import ToolFault, with_faults
from voxlab.audio import Audio
from voxlab.clock import run_virtual
from voxlab.data.expectations import Booking, ExpectedCall, HeldScript, Kind, ShopState
from voxlab.errors import ScriptError
from voxlab.evaluation.call_result import Level, PlayedScript, judge_call
from voxlab.evaluation.expected_outcome import count_calls, find_unmet
from voxlab.telephony.echo import Echo
from voxlab.timeline import Call, Event, Timeline

LINE = {"id": "ask", "text": "Where is it?", "lasts_s": 1.0}
SCRIPTS = sorted(data.path("suite").glob("*.yaml"))


def script(expect, **more):
    return parse_script({"lines": [LINE], "conditions": ["clean"], "expect": expect, **more})


@cache
def suite():
    return load_suite()


@pytest.mark.slow
def test_the_suite_is_its_folder_and_consistent_with_the_shop_and_its_tools():
    assert list(suite()) == [file.stem for file in SCRIPTS]  # load_suite refuses any other
    for name, read in suite().items():
        assert read.has_sound, name
        assert read.about, name
        assert all(line.utterance.text for line in read.lines), name


@pytest.mark.slow
def test_every_condition_has_scripts_and_ten_have_a_persons_voice():
    count = Counter(condition for read in suite().values() for condition in read.conditions)
    assert len(suite()) >= 40
    assert set(count) == set(CONDITIONS)
    assert count["human"] >= 10


@pytest.mark.slow
def test_the_readme_lists_the_scripts_of_each_condition():
    readme = data.path("README.md").read_text("utf-8")
    table = readme.partition("<!-- suite -->")[2].partition("<!-- /suite -->")[0]
    rows = re.findall(r"^\| ([\w -]+) \| (\d+) \| (.+) \|$", table, re.M)
    listed = {condition: re.findall(r"\w+", scripts) for condition, _, scripts in rows}
    assert listed == {
        condition: [name for name, read in suite().items() if condition in read.conditions]
        for condition in CONDITIONS
    }
    assert [int(count) for _, count, _ in rows] == [len(names) for names in listed.values()]


def pipeline(database, faults):
    return shop_agent(None, None, database, faults)


@pytest.mark.slow
def test_a_reactive_caller_and_the_agent_hold_the_same_call_to_the_byte():
    name = "angry_about_a_package"
    calls = [hold_script(name, suite()[name], pipeline) for _ in range(2)]
    assert [find_unmet(held) for held in calls] == [(), ()]
    first, second = (held.call for held in calls)
    assert [e.data["why"] for e in first.timeline.select("caller", "reacted")] == ["asked"]
    assert first.timeline.to_json() == second.timeline.to_json()
    assert (first.user, first.agent) == (second.user, second.agent)


# --- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "reason"),
    [
        ("nothing", "expect: got 'nothing', needs keys says, never_says, calls"),
        ({}, "expect: needs `shop`"),
        ({"shop": "the same"}, "expect: shop: got 'the same', needs keys orders, booked"),
        ({"shop": "unchanged", "say": []}, "expect: unknown key 'say'; did you mean says?"),
        ({"shop": "unchanged", "says": "Friday"}, "expect: says is 'Friday', needs a list"),
        ({"shop": {"orders": {"11111": "returned"}}}, "expect: shop: no order '11111'"),
        (
            {"shop": {"orders": {"70316": "delivered"}}},
            "expect: shop: order 70316 is delivered before the call: leave it out",
        ),
        ({"shop": {"cancelled": ["Nobody"]}}, "no table is booked for 'Nobody' before the call"),
        ({"shop": {"booked": [{"day": "Friday"}]}}, "a table booked needs day, time, party_size"),
        ({"shop": "unchanged", "calls": [{"book_table": 4}]}, "calls: book_table needs arguments"),
        ({"shop": "unchanged", "calls": [7]}, "calls: got 7, needs TOOL: {arguments}"),
        ({"shop": "unchanged", "means": {"aks": "noise"}}, "unknown key 'aks'; did you mean ask?"),
        ({"shop": "unchanged", "means": {"ask": "song"}}, "ask is 'song', needs one of request"),
        ({"shop": "unchanged", "ends": "well"}, "ends is 'well', needs one of the caller hangs up"),
    ],
)
def test_an_expectation_that_cannot_be_read_is_refused_with_what_is_needed(expect, reason):
    with pytest.raises(ScriptError, match=re.escape(reason)):
        script(expect)


FRIDAY = {"day": "Friday", "time": "18:00", "party_size": 2}


@pytest.mark.parametrize(
    ("expect", "reason"),
    [
        (
            {"shop": "unchanged", "says": ["on Friday | Friday"], "never_says": ["Friday"]},
            "contradiction: 'on Friday | Friday' has to be said, 'Friday' never",
        ),
        (
            {
                "shop": "unchanged",
                "calls": [{"lookup_order": {"order_id": "12345"}}],
                "never_calls": ["lookup_order | check_shipping"],
            },
            "contradiction: lookup_order(order_id=12345) is to be called, lookup_order or",
        ),
        (
            {"shop": "unchanged", "ends": "the agent hands over"},
            "contradiction: talk_to_person is not called, and the agent hands over",
        ),
        (
            {"shop": "unchanged", "calls": ["talk_to_person"]},
            "contradiction: talk_to_person is called, and the caller hangs up",
        ),
        (
            {"shop": "unchanged", "calls": [{"book_table": FRIDAY}]},
            "contradiction: after book_table(day=Friday, time=18:00, party_size=2): a table for 2 "
            "on Friday at 18:00, for a guest should not be booked",
        ),
        (
            {"shop": {"booked": [FRIDAY]}},
            "contradiction: after no tool call: a table for 2 on Friday at 18:00, for a guest "
            "should be booked",
        ),
        (
            {"shop": {"orders": {"12345": "returned"}}, "calls": ["lookup_order"]},
            "contradiction: after lookup_order(): order 12345 is shipped, not returned",
        ),
    ],
)
def test_an_expectation_that_contradicts_itself_or_the_shop_is_refused(expect, reason):
    with pytest.raises(ScriptError, match=re.escape(reason)):
        check_expectation(script(expect))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"conditions": ["sunny"]}, "conditions: got ['sunny'], needs some of"),
        ({"conditions": []}, "conditions: got [], needs some of"),
        ({"known": {"siri": "no idea"}}, "known: got {'siri': 'no idea'}, needs why, for some of"),
        ({"tools": {"fly": {"fails": 1}}}, "tools: no tool 'fly'; there are lookup_order"),
        ({"tools": {"book_table": {"sleeps": 1}}}, "unknown key 'sleeps'; known: takes_s, fails"),
        ({"tools": {"book_table": {"takes_s": -1}}}, "takes_s is -1: needs a positive"),
        ({"echo": {"delay_s": 0}}, "delay_s is 0: needs a positive number of seconds"),
        ({"telephone": {"loss": 1.5}}, "telephone: NetworkConditions(loss=1.5"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(more, reason):
    with pytest.raises(ScriptError, match=re.escape(reason)):
        check_expectation(script({"shop": "unchanged"}, **more))


def test_a_script_without_an_expectation_is_not_of_a_suite(tmp_path):
    with pytest.raises(ScriptError, match=r"no call scripts in .*: data/suite holds some"):
        load_suite(tmp_path)
    (tmp_path / "call.yaml").write_text("lines: [{text: Hello., lasts_s: 1}]")
    with pytest.raises(ScriptError, match=r"call\.yaml: a script of a suite needs `expect`"):
        load_suite(tmp_path)


# --- echo ----------------------------------------------------------------------------------


def test_an_echo_is_the_agents_voice_later_and_softer():
    async def hear():
        line = Line(echo=Echo(0.1, -20.0))
        line.agent.lay(0.05, Audio(np.linspace(-1, 1, 1600, dtype=np.float32), RATE_HZ))
        return [line.heard(start, start + 512) for start in range(0, 8192, 512)]

    heard = np.concatenate(run_virtual(hear()))
    wanted = np.zeros(8192, np.float32)
    wanted[2400:4000] = 0.1 * np.linspace(-1, 1, 1600)
    np.testing.assert_allclose(heard, wanted, atol=1e-7)


# --- the shop's state ----------------------------------------------------------------------


def test_how_a_table_came_to_be_booked_does_not_count():
    corrected, direct = data.shop(), data.shop()
    guest = Shop(corrected).book_table("Friday", "19:00", 4)["customer"]
    Shop(corrected).change_reservation(guest, day="Tuesday")
    Shop(direct).book_table("Tuesday", "19:00", 4)
    assert ShopState.of(corrected) == ShopState.of(direct) != ShopState.of(data.shop())


def test_differences_name_what_is_missing_and_what_is_too_much():
    before = ShopState.of(data.shop())
    wanted = ShopState(before.orders | {"70316": "returned"}, before.booked[1:])
    assert before.differences(wanted) == [
        "order 70316 is delivered, not returned",
        f"{before.booked[0]} should not be booked",
    ]
    assert (
        ShopState(before.orders, ()).differences(
            ShopState(before.orders, (Booking("Friday", "19:00", 2),) * 2)
        )
        == ["a table for 2 on Friday at 19:00, for a guest should be booked"] * 2
    )


# --- what came of a call -------------------------------------------------------------------


def held(expect, *events, reason="the caller hung up"):
    ended = Event(9.0, "transport", "call_ended", {"reason": reason})
    told = script(expect).expect
    call = Call(Timeline([*events, ended]))
    return HeldScript("call", told, call, ShopState.of(data.shop()))


def tool(at_s, name, **arguments):
    id = f"call_{at_s}"
    begun = {"id": id, "name": name, "arguments": arguments}
    return (
        Event(at_s, "tool", "started", begun),
        Event(at_s + 0.1, "tool", "finished", {"id": id, "name": name, "result": "{}"}),
    )


SAID = Event(5.0, "agent", "said", {"text": "It arrives on Friday, for $12.50."})
SHIPPING, LOOKUP = (
    tool(1.0, "check_shipping", order_id="123-45"),
    tool(2.0, "lookup_order", order_id="12345"),
)


@pytest.mark.parametrize(
    ("expect", "events", "unmet"),
    [
        ({"says": ["12 dollars and 50 cents", "friday | today"]}, [SAID], ()),
        ({"says": ["Fri"]}, [SAID], ("the agent never says 'Fri'",)),
        ({"never_says": ["arrives on"]}, [SAID], ("the agent says 'arrives on'",)),
        ({"calls": [{"check_shipping | x": {"order_id": "12345"}}, "lookup_order"]}, None, ()),
        (
            {"calls": ["lookup_order", "check_shipping"]},
            None,
            ("check_shipping() is called too early",),
        ),
        ({"calls": ["get_weather"]}, None, ("get_weather() is not called",)),
        ({"calls": ["get_weather", "lookup_order"]}, None, ("get_weather() is not called",)),
        (
            {"never_calls": [{"lookup_order": {"order_id": "12345"}}]},
            None,
            ("lookup_order(order_id=12345) is called",),
        ),
        ({"calls": ["lookup_order"]}, [LOOKUP[0]], ("lookup_order() is not called",)),
        (
            {},
            [Event(3.0, "stt", "failed", {"error": "no network"})],
            ("stt failed: no network",),
        ),
    ],
)
def test_what_is_not_met_is_told_in_words(expect, events, unmet):
    events = [*SHIPPING, *LOOKUP] if events is None else events
    assert find_unmet(held({"shop": "unchanged", **expect}, *events)) == unmet


def test_as_text_what_was_cut_off_counts_as_said():
    cut = Event(
        4.0, "agent", "interrupted", {"heard": "Order 12345 is", "unheard": "shipped. Bye."}
    )
    part = Event(4.0, "agent", "said", {"text": "Order 12345 is"})
    told = held({"shop": "unchanged", "says": ["is shipped"], "never_says": ["bye"]}, cut, part)
    assert find_unmet(told) == ("the agent never says 'is shipped'",)
    assert find_unmet(told, by_text=True) == ()


def test_tool_calls_are_counted_in_their_order():
    calls = ["get_weather", "lookup_order", "check_shipping"]
    told = held({"shop": "unchanged", "calls": calls}, *SHIPPING, *LOOKUP)
    assert count_calls(told) == (3, 1, 2)  # lookup_order came last


def test_another_end_than_the_expected_one_is_told():
    gone = held({"shop": "unchanged"}, reason="the caller gave up after 8 s of silence")
    assert find_unmet(gone) == ("the call ends otherwise: the caller gave up after 8 s of silence",)


def test_arguments_are_the_same_however_they_are_written():
    call = ExpectedCall(("book_table",), {"day": "Friday", "party_size": 4})
    assert call.is_met_by("book_table", {"day": "friday", "party_size": "4", "time": "19:00"})
    assert not call.is_met_by("book_table", {"day": "Friday"})
    assert not call.is_met_by("lookup_order", {"day": "Friday", "party_size": 4})


def test_a_line_means_a_request_unless_the_script_says_otherwise():
    read = script({"shop": "unchanged", "means": {"ask": "backchannel"}})
    assert read.expect.kinds == {"ask": Kind.BACKCHANNEL}


# --- tools at fault ------------------------------------------------------------------------


def test_a_tool_at_fault_is_slow_and_breaks_as_often_as_it_is_told():
    faults = {"get_weather": ToolFault(takes_s=3.0, fails=2)}
    weather = {tool.spec.name: tool for tool in with_faults(shop_tools(data.shop()), faults)}
    slow = weather["get_weather"]
    assert slow.latency_s == 3.0
    for _ in range(2):
        with pytest.raises(RuntimeError, match="get_weather is down"):
            slow.function(city="Paris", day="Monday")
    assert slow.function(city="Paris", day="Monday")["forecast"] == "light rain"
    assert weather["book_table"].latency_s == 0.4


@pytest.mark.slow
def test_a_call_in_which_nobody_spoke_is_judged():
    sound = Audio(np.zeros(RATE_HZ, np.float32), RATE_HZ)
    silent = held({"shop": "unchanged"})
    silent = replace(silent, call=Call(silent.call.timeline, sound, sound))
    played = PlayedScript("call", "A call", ("clean",), Level.SPOKEN, 0)
    assert judge_call(played, silent).holds


# --- sounds --------------------------------------------------------------------------------


def test_a_line_may_be_a_sound_and_an_unknown_one_is_refused():
    read = parse_script({"lines": [{"sound": "cough"}]})
    assert read.lines[0].utterance.text == "(cough)"
    with pytest.raises(ScriptError, match="line 1: no sound 'sneeze': there are cough, hiss"):
        parse_script({"lines": [{"sound": "sneeze"}]})


def test_a_persons_words_are_put_together_the_longest_phrase_first():
    said = speak_text("The number I have is four, eight", "human")
    words = [data.words()[text].audio for text in ("the number i have is", "four", "eight")]
    spoken_s = sum(audio.trim(word).duration_s for word in words)
    assert said.audio.duration_s == pytest.approx(spoken_s + 0.1 + 2 * 0.06, abs=0.001)
    with pytest.raises(ScriptError, match="nobody says 'weasel'; there are zero, one"):
        speak_text("four weasel", "human")


def test_a_whisper_has_no_pitch_and_the_loudness_of_each_moment():
    voice = data.utterance("order_where").audio
    whispered = whisper(voice)
    assert whispered.duration_s == voice.duration_s
    softer_db = audio.level_db(voice) - audio.level_db(whispered)
    assert softer_db == pytest.approx(15, abs=2)
    assert pitch_strength(voice) > 0.6 > 0.45 > pitch_strength(whispered)


def pitch_strength(sound):
    """How alike the loudest 60 ms are to themselves a period of 70 to 300 Hz later, at most."""
    samples, size = sound.samples.astype(float), 960
    starts = range(0, samples.size - 2 * size, 160)
    start = max(starts, key=lambda at: np.sum(samples[at : at + size] ** 2))
    part = samples[start : start + 2 * size]
    lags = range(RATE_HZ // 300, RATE_HZ // 70)
    alike = (np.corrcoef(part[:size], part[lag : lag + size])[0, 1] for lag in lags)
    return max(alike)
