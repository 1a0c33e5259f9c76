"""The page that plays a call, and its captions in other formats."""

import base64
import html
import io
import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import IPython
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

from voxlab import data
from voxlab.agents.callers.script import load_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_agent
from voxlab.audio import Audio
from voxlab.evaluation.call_lanes import STAGES, Interval, call_lanes
from voxlab.evaluation.captions import Caption, captions, to_audacity_labels, to_webvtt
from voxlab.notebook import show_calls_as_players
from voxlab.plots.envelope import peaks
from voxlab.plots.player import call_frame, call_page, in_rows
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.timeline import Call, Event, Timeline

BREAKS_OUT = "</script><b>&amp;\"'<!--"


@pytest.fixture(scope="module")
def call():
    script = load_script(data.path("calls/minute_without_sound.yaml"))
    texts = [line.utterance.text for line in script.lines]
    return play(script, shop_agent(scripted(texts, RuleLLM())))


class Page(HTMLParser):
    """A page's tags, and the text of its script with data."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.data, self._in_data = [], [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._in_data = ("id", "call") in attrs

    def handle_endtag(self, tag):
        self._in_data = False

    def handle_data(self, data):
        self.data += data * self._in_data

    @property
    def call(self):
        return json.loads(self.data)


def tone(frequency_hz, rate_hz=16000):
    times_s = np.arange(rate_hz // 2) / rate_hz
    return Audio(0.3 * np.sin(2 * np.pi * frequency_hz * times_s).astype(np.float32), rate_hz)


# --- the page ------------------------------------------------------------------------------


def test_every_interval_and_every_word_of_a_call_is_in_its_page(call):
    shown = Page(call_page(call)).call
    lanes = {name: each for name, each in call_lanes(call.timeline).items() if each}
    assert list(shown["lanes"]) == list(lanes)
    for name, intervals in lanes.items():
        without_rows = [
            {k: v for k, v in each.items() if k != "row"} for each in shown["lanes"][name]
        ]
        assert without_rows == [asdict(each) for each in intervals]
    said = [asdict(caption) for caption in captions(call.timeline)]
    assert shown["captions"] == json.loads(json.dumps(said))
    assert {each["who"] for each in said} == {"caller", "agent"}


def test_no_text_of_a_call_breaks_out_of_its_page():
    events = [
        Event(1.0, "caller", "speech_started", {"text": BREAKS_OUT}),
        Event(2.0, "caller", "speech_stopped"),
        Event(3.0, "llm", "failed", {"error": BREAKS_OUT}),
    ]
    plain, odd = (
        Page(call_page(Call(Timeline()))),
        Page(call_page(Call(Timeline(events)), BREAKS_OUT)),
    )
    assert odd.tags == [*plain.tags[:8], *odd.tags[8:]]
    assert odd.tags.count("script") == plain.tags.count("script") == 2
    assert "b" not in odd.tags
    assert odd.call["captions"][0]["text"] == BREAKS_OUT
    assert BREAKS_OUT in odd.call["failures"][0]["what"]


def test_the_page_needs_no_network(call):
    page = Page(call_page(call))
    loaded = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert loaded == []
    assert not re.search(r"@import|url\(|fetch\(|https?:", call_page(call))


def test_the_page_plays_the_caller_on_the_left_and_the_agent_on_the_right():
    loud = Audio(np.clip(3 * tone(700).samples, -1, 1), 16000)
    shown = Page(call_page(Call(Timeline(), tone(300), loud))).call
    content = base64.b64decode(shown["sound"].removeprefix("data:audio/ogg;base64,"))
    samples, rate_hz = soundfile.read(io.BytesIO(content))
    assert shown["duration_s"] == len(samples) / rate_hz == 0.5
    spectra = np.abs(np.fft.rfft(samples, axis=0))
    assert (2 * spectra.argmax(axis=0)).tolist() == [300, 700]  # Hz, of 0.5 s
    assert {who: len(drawn) for who, drawn in shown["voices"].items()} == {
        "caller": 25,
        "agent": 25,
    }


def test_a_call_without_sound_is_a_page_without_sound():
    shown = Page(call_page(Call(Timeline([Event(2.0, "transport", "call_ended", {})])))).call
    assert (shown["sound"], shown["duration_s"]) == ("", 2.0)
    assert shown["voices"] == {"caller": [], "agent": []}


def test_a_frame_holds_the_whole_page(call):
    (page,) = re.findall(r'srcdoc="([^"]*)"', call_frame(call))
    assert html.unescape(page) == call_page(call, title="")


def test_a_notebook_shows_a_call_as_its_player(monkeypatch):
    formatter = DisplayFormatter()
    shell = SimpleNamespace(display_formatter=formatter)
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    show_calls_as_players()
    shown, _ = formatter.format(Call(Timeline()))
    assert shown["text/html"] == call_frame(Call(Timeline()))


def test_the_envelope_follows_the_level_and_leaves_the_quiet_quiet():
    voice = Audio(np.repeat([0.0, 0.25, 0.5], 160).astype(np.float32), 8000)
    assert peaks(voice, 50).tolist() == [0.0, 0.5, 1.0]
    assert peaks(Audio(voice.samples / 100, 8000), 50).max() == pytest.approx(0.1)
    assert peaks(Audio([], 8000), 50).size == 0


times_s = st.floats(0, 60)


@given(st.lists(st.tuples(times_s, times_s)))
def test_bars_of_one_row_never_cover_each_other(spans):
    intervals = [Interval(*sorted(span), "", "", "") for span in spans]
    placed = list(in_rows(intervals))
    assert sorted(each.start_s for each, _ in placed) == sorted(each.start_s for each in intervals)
    for index, (each, row) in enumerate(placed):
        assert all(other.end_s <= each.start_s for other, its in placed[:index] if its == row)


# --- lanes ---------------------------------------------------------------------------------


def test_each_work_of_a_stage_is_one_interval_that_says_how_long_it_took(call):
    lanes = call_lanes(call.timeline)
    for lane, (source, begins, *_) in STAGES.items():
        begun = call.timeline.select(source, begins)
        assert [each.start_s for each in lanes[lane]] == [event.at_s for event in begun]
        assert all(re.search(r"(done|dropped) after \d+ ms", each.about) for each in lanes[lane])


def test_turns_cover_the_call_without_gaps(call):
    turns = call_lanes(call.timeline)["turn"]
    assert turns[0].start_s == 0
    assert turns[-1].end_s == call.timeline.duration_s
    assert all(one.end_s == after.start_s for one, after in pairwise(turns))


def test_a_tool_that_fails_and_a_model_that_is_cut_off_say_so():
    events = [
        Event(1.0, "llm", "request"),
        Event(1.2, "llm", "first_token"),
        Event(1.5, "agent", "interrupted", {"heard": "", "unheard": "Yes."}),
        Event(2.0, "tool", "started", {"id": "1", "name": "find", "arguments": {"order": 7}}),
        Event(2.1, "tool", "started", {"id": "2", "name": "weather"}),
        Event(2.5, "tool", "finished", {"id": "2", "result": "sunny"}),
        Event(3.0, "tool", "failed", {"id": "1", "error": "no order found"}),
    ]
    lanes = call_lanes(Timeline(events))
    (model,) = lanes["LLM"]
    assert (model.end_s, model.about.rpartition(", ")[2]) == (1.5, "dropped after 500 ms.")
    assert "first token after 200 ms" in model.about
    told = {each.label: (each.kind, each.about) for each in lanes["tools"]}
    assert told["find"][0] == "failed"
    assert told["find"][1].endswith(
        'find({"order": 7}) at work, failed after 1000 ms: no order found.'
    )
    assert told["weather"][1].endswith("done after 400 ms. Result: “sunny”")


# --- captions ------------------------------------------------------------------------------


def interrupted_call():
    words = [["Your", 0.0, 0.4], ["order", 0.4, 0.9], ["arrives.", 0.9, 1.6]]
    return Timeline(
        [
            Event(1.0, "caller", "speech_started", {"text": "Where is it?"}),
            Event(1.1, "stt", "started"),
            Event(2.0, "caller", "speech_stopped"),
            Event(2.2, "stt", "final", {"text": "Wear this hat."}),
            Event(3.0, "agent", "speech_started"),
            Event(3.0, "agent", "sentence", {"text": "Your order arrives.", "words": words}),
            Event(4.0, "agent", "speech_stopped"),
            Event(9.0, "transport", "call_ended"),
        ]
    )


def test_captions_tell_what_was_said_heard_and_cut_off():
    asked, answered = captions(interrupted_call())
    assert (asked.text, asked.heard, asked.misheard) == ("Where is it?", "Wear this hat.", True)
    assert str(asked) == "Where is it? [heard: Wear this hat.]"
    assert (answered.text, answered.unheard) == ("Your order", "arrives.")
    assert (answered.start_s, answered.end_s, str(answered)) == (3.0, 4.0, "Your order —")


CUE = re.compile(
    r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d{3})\n"
    r"<v (Caller|Agent)>([^\n<]+)"
)
said = st.lists(
    st.builds(
        Caption,
        start_s=st.floats(0, 1e5),
        end_s=st.floats(0, 1e5),
        who=st.sampled_from(["caller", "agent"]),
        text=st.text(max_size=20),
    ),
    max_size=4,
)


def cue_seconds(hours, minutes, seconds, milliseconds):
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(milliseconds) / 1000


@given(said)
def test_webvtt_is_a_header_and_cues_whose_text_is_never_taken_for_a_tag_or_a_time(said):
    header, *cues = to_webvtt(said).removesuffix("\n").split("\n\n")
    told = [each for each in said if each.text.split()]
    assert header.strip() == "WEBVTT"
    assert len(cues) == len(told)
    for cue, caption in zip(cues, told, strict=True):
        *times, who, text = CUE.fullmatch(cue).groups()
        start_s, end_s = cue_seconds(*times[:4]), cue_seconds(*times[4:])
        assert start_s == pytest.approx(caption.start_s, abs=0.001)
        assert start_s < end_s
        assert who.lower() == caption.who
        assert "-->" not in text
        assert html.unescape(text) == html.unescape(
            " ".join(caption.text.split()).replace("&", "&amp;")
        )


@given(said)
def test_audacity_gets_a_line_a_caption_with_two_times_and_a_text(said):
    told = [each for each in said if each.text.split()]
    lines = to_audacity_labels(said).split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(told)
    for line, caption in zip(lines, told, strict=True):
        start_s, end_s, text = line.split("\t")
        assert float(start_s) == pytest.approx(caption.start_s, abs=1e-6)
        assert float(start_s) <= float(end_s)
        assert text == f"{caption.who}: {' '.join(caption.text.split())}"
