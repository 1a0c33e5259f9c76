"""Call scripts: what can be written, and how a mistake is explained."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxlab import audio, data
from voxlab.agents.callers.script import (
    Moment,
    load_script,
    parse_moment,
    parse_script,
)
from voxlab.audio import Audio
from voxlab.errors import ScriptError
from voxlab.text import plain_words


def line(text="Hello.", lasts_s=1.0, **more):
    return {"text": text, "lasts_s": lasts_s, **more}


def order(*lines):
    return [each.id for each in parse_script({"lines": list(lines)}).lines]


@pytest.fixture
def refused(tmp_path):
    """Write a call script, load it, and return the one line that explains what is wrong."""

    def load(text):
        file = tmp_path / "call.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ScriptError) as caught:
            load_script(file)
        message = str(caught.value)
        assert message.startswith(str(file))
        assert "\n" not in message
        return message.removeprefix(str(file))

    return load


# --- moments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0 s after the call starts", Moment(0.0, "the call starts")),
        ("0.8 s after the agent starts to speak", Moment(0.8, "the agent starts to speak")),
        (" 12 s after the agent stops ", Moment(12.0, "the agent stops")),
        ('1.5 s after the agent says "on Friday"', Moment(1.5, "the agent says", "on Friday")),
        ("0.25 s after line order ends", Moment(0.25, "line ends", "order")),
    ],
)
def test_a_moment_is_written_as_people_say_it_and_printed_so_again(text, moment):
    assert parse_moment(text) == moment
    assert parse_moment(str(moment)) == moment


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.8 s after the agent sneezes", "unknown event 'the agent sneezes'"),
        ("0.8 s after the agent says", "unknown event 'the agent says'"),
        ("0.8 s after line ends", "unknown event 'line ends'"),
        ("0.8 s after the line ends", "unknown event 'the line ends'"),
        ('1 s after the agent says ""', "unknown event"),
        ('1 s after the agent says " ?! "', "no words to wait for"),
        ("-1 s after the agent stops", "is no moment"),
        ("soon after the agent stops", "is no moment"),
        ("1 second after the agent stops", "is no moment"),
        ("0.8 s before the agent stops", "is no moment"),
        ("", "is no moment"),
        (None, "is no moment"),
        (0.8, "is no moment"),
        (["0.8 s after the call starts"], "is no moment"),
    ],
)
def test_an_unknown_moment_is_refused_with_the_grammar(text, reason):
    with pytest.raises(ScriptError, match=re.escape(reason)) as caught:
        parse_moment(text)
    assert "0.8 s after WHAT" in str(caught.value)


EVENTS = st.sampled_from(["the call starts", "the agent starts to speak", "the agent stops"])
NAMES = st.from_regex(r"[\w?]*\w", fullmatch=True)
SAYS = NAMES.map(lambda words: f'the agent says "{words} {words}"')
ENDS = NAMES.map(lambda name: f"line {name} ends")


@pytest.mark.slow
@given(st.integers(0, 100_000).map(lambda ms: ms / 1000), EVENTS | SAYS | ENDS)
def test_every_moment_of_the_grammar_is_read_and_printed_so_again(delay_s, event):
    moment = parse_moment(f"{delay_s} s after {event}")
    assert moment.delay_s == delay_s
    assert str(moment) == f"{delay_s:g} s after {event}"
    assert parse_moment(str(moment)).what == moment.what


def test_words_are_compared_without_punctuation_and_capitals():
    assert plain_words("It’s 7:30 -- “Friday”!") == ["it's", "7", "30", "friday"]


# --- scripts -------------------------------------------------------------------------------


def test_a_script_without_sound_has_texts_durations_and_defaults():
    script = parse_script({"lines": [line("Where is it?", 1.5), line("Bye.", 1, id="end")]})
    first, second = script.lines
    assert (first.id, first.utterance.text, first.utterance.duration_s) == (
        "1",
        "Where is it?",
        1.5,
    )
    assert (second.id, str(second.at)) == ("end", "0.6 s after the agent stops")
    assert (script.title, script.about) == ("A call", "")
    assert (str(script.hang_up), script.patience_s, script.limit_s) == (
        "1 s after the agent stops",
        8.0,
        300.0,
    )
    assert (script.background, script.has_sound) == (None, False)


def test_keys_that_are_left_blank_count_as_not_given():
    script = parse_script(
        {"title": None, "about": None, "voice": None, "background": None, "lines": [line()]}
    )
    assert (script.title, script.about, script.background) == ("A call", "", None)


def test_one_line_moves_and_all_else_stays():
    script = load_script(data.path("calls/first_call.yaml"))
    moved = script.with_line_at("weather", '0 s after the agent says "items"')
    changed = [one.id for one, other in zip(script.lines, moved.lines, strict=True) if one != other]
    assert changed == ["weather"]
    assert moved.with_line_at("weather", str(script.lines[1].at)) == script
    with pytest.raises(ScriptError, match=r"no line 'wether'; there are .*weather"):
        script.with_line_at("wether", "1 s after the agent stops")


def test_a_recording_beside_the_script_is_said_with_its_text(tmp_path):
    tone = Audio(np.full(8000, 0.5, np.float32), 16_000)
    audio.write(tmp_path / "hello.wav", tone)
    (tmp_path / "call.yaml").write_text(
        "title: Mine\n"
        "lines:\n"
        "  - {say: hello.wav, text: Hello there., at: 0 s after the call starts}"
    )
    script = load_script(tmp_path / "call.yaml")
    (said,) = script.lines
    assert (script.title, said.utterance.text, said.utterance.duration_s) == (
        "Mine",
        "Hello there.",
        0.5,
    )
    assert said.utterance.audio.samples.size == 8000
    assert script.has_sound


def test_a_script_is_silent_if_one_line_is(tmp_path):
    audio.write(tmp_path / "hello.wav", audio.silence(0.5, 16_000))
    script = parse_script({"lines": [{"say": "hello.wav"}, line()]}, tmp_path)
    assert not script.has_sound


@pytest.mark.parametrize("name", ["minute_without_sound"])
def test_the_scripts_of_the_data_can_be_read(name):
    script = load_script(data.path(f"calls/{name}.yaml"))
    assert len(script.lines) == 8


@pytest.mark.parametrize(
    ("noise", "snr_db"), [("pink", 20), ("white", 10.5), ("car", 0), ("clicks", -3)]
)
def test_the_background_lies_below_the_speech_by_the_ratio(noise, snr_db):
    entry = {"noise": noise, "snr_db": snr_db, "seed": 3}
    sound = parse_script({"background": entry, "lines": [line()]}).background
    assert audio.level_db(sound) == pytest.approx(-25 - snr_db, abs=0.01)
    again = parse_script({"background": entry, "lines": [line()]}).background
    other = parse_script({"background": entry | {"seed": 4}, "lines": [line()]}).background
    np.testing.assert_array_equal(sound.samples, again.samples)
    assert not np.array_equal(sound.samples, other.samples)


# --- the order of lines --------------------------------------------------------------------


def test_lines_are_said_in_the_order_in_which_they_are_written():
    after_first = {"at": "5 s after line 1 ends"}
    assert order(line(), line(), line()) == ["1", "2", "3"]
    assert order(line(), line(**after_first), line(), line(**after_first)) == ["1", "2", "3", "4"]


def test_a_line_comes_after_the_one_it_names():
    assert order(line(), line(at="1 s after line 3 ends"), line(at="1 s after line 1 ends")) == [
        "1",
        "3",
        "2",
    ]
    assert order(line(at="1 s after line 2 ends"), line(at="2 s after the call starts")) == [
        "2",
        "1",
    ]


@pytest.mark.slow
@given(st.permutations(range(6)))
def test_any_chain_of_lines_is_said_from_its_beginning(written):
    def at(number):
        return f"1 s after line n{number - 1} ends" if number else "1 s after the call starts"

    lines = [line(id=f"n{number}", at=at(number)) for number in written]
    assert order(*lines) == [f"n{number}" for number in range(6)]


@pytest.mark.parametrize(
    ("lines", "circle"),
    [
        ([line(at="1 s after line 1 ends")], "1 waits for 1"),
        (
            [line(), line(id="b", at="1 s after line c ends"), line(id="c")],
            "(b waits for c waits for b|c waits for b waits for c)",
        ),
        (
            [
                line(id="x", at="1 s after line z ends"),
                line(id="y", at="1 s after line x ends"),
                line(id="z", at="1 s after line y ends"),
            ],
            "(x waits for z waits for y waits for x|y waits for x|z waits for y)",
        ),
    ],
)
def test_lines_that_wait_for_each_other_are_named(lines, circle):
    with pytest.raises(ScriptError, match=f"in a circle: .*{circle}"):
        parse_script({"lines": lines})


# --- mistakes ------------------------------------------------------------------------------

HEAD = "lines:\n  - {text: Hello., lasts_s: 1}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ": script: got None, needs keys title, about, voice"),
        ("hello", ": script: got 'hello', needs keys"),
        ("- 1\n- 2", ": script: got [1, 2], needs keys"),
        ("lines:", ": lines is empty: a caller says at least one thing"),
        ("lines: []", ": lines is empty"),
        ("lines: {say: hello}", ": lines is {'say': 'hello'}, needs a list"),
        ("title: x", ": lines is empty"),
        ("lines: [hello]", ": line 1: got 'hello', needs keys id, say, text"),
        ("titel: x\n" + HEAD, ": script: unknown key 'titel'; did you mean title?"),
        ("zzz: x\n" + HEAD, ": script: unknown key 'zzz'; known: title, about"),
        ("1: x\n" + HEAD, ": script: unknown key 1; known"),
        (HEAD + "  - {sya: order_check}", ": line 2: unknown key 'sya'; did you mean say?"),
        (HEAD + "  - {}", ": line 2: needs `say`, or `text` and `lasts_s`"),
        (HEAD + "  - {id: x, text: Hello.}", ": line x: needs `say`, or"),
        (HEAD + "  - {id: x, text: , lasts_s: 1}", ": line x: needs `say`, or"),
        (HEAD + "  - {id: x, text: Hi, lasts_s: 0}", ": line x: lasts_s is 0: needs a positive"),
        (HEAD + "  - {text: Hi, lasts_s: -1}", ": line 2: lasts_s is -1"),
        (HEAD + "  - {text: Hi, lasts_s: true}", ": line 2: lasts_s is True"),
        (HEAD + "  - {text: Hi, lasts_s: long}", ": line 2: lasts_s is 'long'"),
        (HEAD + "  - {text: Hi, lasts_s: .nan}", ": line 2: lasts_s is nan"),
        (HEAD + "  - {text: Hi, lasts_s: .inf}", ": line 2: lasts_s is inf"),
        (HEAD + "patience_s: 0", ": patience_s is 0: needs a positive number of seconds"),
        (HEAD + "limit_s: [300]", ": limit_s is [300]: needs a positive"),
        (
            HEAD + "  - {id: x, text: Hi, lasts_s: 1, at: 1 s after the agent sneezes}",
            ": line x: unknown event 'the agent sneezes'",
        ),
        (HEAD + "  - {text: Hi, lasts_s: 1, at: }", ": line 2: None is no moment"),
        (HEAD + "hang_up: now", ": hang_up: 'now' is no moment"),
        (HEAD + "hang_up: 1 s after line 7 ends", ": hang_up: no line '7'; there are 1"),
        (
            HEAD + "  - {text: Hi, lasts_s: 1, at: 1 s after line 7 ends}",
            ": line 2: no line '7'; there are 1, 2",
        ),
        (
            HEAD + "  - {id: 1, text: Hi, lasts_s: 1}",
            ": line ids must differ: 1 stands more than once",
        ),
        (HEAD + "  - {say: order_chek}", ": line 2: no utterance 'order_chek': did you mean"),
        (HEAD + "  - {say: order_check, voice: harp}", ": line 2: no voice 'harp'"),
        (HEAD + "  - {say: missing.wav}", ": line 2: no recording at "),
        (HEAD + "background: cafe", ": background: got 'cafe', needs keys noise, snr_db, seed"),
        (HEAD + "background: {noise: rain}", ": background: no noise 'rain': use one of"),
        (HEAD + "background: {snr_db: loud}", ": background: snr_db is 'loud': needs decibels"),
        (HEAD + "background: {snr_db: .nan}", ": background: snr_db is nan"),
        (HEAD + "background: {seed: x}", ": background: seed is 'x': needs a whole number"),
        (HEAD + "background: {seed: -1}", ": background: seed is -1"),
        (HEAD + "background: {volume: 3}", ": background: unknown key 'volume'"),
        ("lines: [", ", line 1 is not YAML: "),
        ("a: b: c", ", line 1 is not YAML: mapping values are not allowed here"),
        ("{1: 2, [3]: 4}", ": script: unknown key 1"),
        ("lines: [{say: stop}]\nlines: [{say: stop}]", ', line 2: found duplicate key "lines"'),
        (b"\xff\xfe\x00", " is not YAML: "),
        (b"lines: \x00", " is not YAML: "),
    ],
)
def test_a_mistake_is_explained_in_one_line_with_file_and_place(refused, text, reason):
    assert refused(text).startswith(reason)


def test_a_long_mistake_is_not_repeated_in_full(refused):
    assert len(refused("'" + 10_000 * "hello " + "'")) < 300


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a recording we can read"),
        (b"RIFF and then nothing", "is not a recording we can read"),
    ],
)
def test_an_unreadable_recording_is_refused(tmp_path, refused, content, reason):
    (tmp_path / "hello.wav").write_bytes(content)
    message = refused("lines:\n  - {id: greeting, say: hello.wav}")
    assert message.startswith(": line greeting: ")
    assert reason in message


def test_a_truncated_recording_is_refused(tmp_path, refused):
    audio.write(tmp_path / "hello.wav", audio.silence(1.0, 16_000))
    (tmp_path / "hello.wav").write_bytes((tmp_path / "hello.wav").read_bytes()[:9000])
    assert "truncated, its header promises" in refused("lines:\n  - {say: hello.wav}")


def test_a_recording_with_damaged_samples_is_refused(tmp_path, refused):
    import soundfile

    samples = np.array([0.0, np.nan, 0.5], np.float32)
    soundfile.write(tmp_path / "hello.wav", samples, 16_000, subtype="FLOAT")
    assert "NaN or infinite" in refused("lines:\n  - {say: hello.wav}")


def test_a_missing_script_says_where_there_are_some(tmp_path):
    with pytest.raises(ScriptError, match=r"no call script at .*: data/calls holds some"):
        load_script(tmp_path / "call.yaml")
    with pytest.raises(ScriptError, match="no call script at"):
        load_script(tmp_path)


def test_yes_and_no_are_words_and_a_question_needs_no_quotes(tmp_path):
    audio.write(tmp_path / "mine.wav", audio.silence(0.5, 16_000))
    text = """lines:
  - {id: yes, say: just_yes}
  - {id: no, say: just_no, at: 0.5 s after line yes ends}
  - {say: mine.wav, text: Where is my order?}
"""
    (tmp_path / "mine.yaml").write_text(text)
    lines = load_script(tmp_path / "mine.yaml").lines
    assert [line.id for line in lines] == ["yes", "no", "3"]
    assert lines[2].utterance.text == "Where is my order?"
