"""The report of a suite: figures by hand, typed N/A, JSON that is read back, one page."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from voxlab.errors import DataError
from voxlab.evaluation.call_result import CallResult, Level, PlayedScript
from voxlab.evaluation.heard_words import HeardWords, Value
from voxlab.evaluation.recording_judge import ExpectedLine, JudgedRecording, JudgedTurn
from voxlab.evaluation.suite_report import SuiteReport, read_report, suite_figures
from voxlab.evaluation.word_errors import WordErrors
from voxlab.plots.suite_page import suite_page


def recording(*ttfb_s):
    turns = (
        JudgedTurn(ExpectedLine(), 10 * k, 10 * k + 2.0, False, None, 10 * k + 2 + s, 10 * k + 5)
        for k, s in enumerate(ttfb_s)
    )
    return JudgedRecording(tuple(turns), (), 0.0, (), ())


def result(name="order", seed=0, unmet=(), errors=(0, 10), **more):
    level = more.pop("level", Level.SPOKEN)
    played = PlayedScript(name, name.title(), ("clean",), level, seed, more.pop("known", ""))
    call = CallResult(played, tuple(unmet), "over", 20.0)
    if level is Level.TEXT:
        return call
    heard = HeardWords(WordErrors(*errors), (Value("day", "friday", not errors[0]),), 0)
    judged = recording(*more.pop("ttfb_s", (0.4,)))
    return replace(call, **{"recording": judged, "heard": heard, "kept": WordErrors(0, 20)} | more)


def report(*calls, repeats=1):
    return SuiteReport("voxlab", "data/suite", 0, repeats, calls)


def figures(calls, repeats=1):
    return {figure.name: figure for figure in suite_figures(calls, repeats)}


# --- figures -------------------------------------------------------------------------------


def test_words_are_pooled_over_all_calls_and_not_a_mean_of_rates():
    found = figures([result(errors=(1, 1)), result(errors=(0, 99))])["word error rate"]
    assert (found.value, found.events) == (0.01, 100)
    assert found.low <= 0.01 <= found.high


def test_too_few_events_are_no_figure_but_their_count():
    found = figures([result(errors=(0, 4)), result(errors=(0, 5))])
    for name, events in (("tasks done", 2), ("word error rate", 9), ("values heard right", 2)):
        assert found[name].value is None
        assert str(found[name]) == f"N/A ({events})"


def test_no_error_in_few_words_may_still_be_one_in_many():
    found = figures([result(errors=(0, 5)), result(errors=(0, 5))])["word error rate"]
    assert found.value == found.low == 0
    assert found.high == pytest.approx(0.278, abs=1e-3)  # Wilson's of 0 in 10


def test_one_call_has_no_interval_over_calls():
    assert figures([result(errors=(0, 50))])["word error rate"].value is None


def test_pass_k_counts_scripts_of_which_every_call_holds():
    calls = [
        result(f"script {number}", seed, ["it fails"] if number < 3 and seed == 1 else [])
        for number in range(12)
        for seed in range(2)
    ]
    assert figures(calls, 2)["pass^2"].value == pytest.approx(9 / 12)
    assert figures(calls, 2)["tasks done"].value == pytest.approx(21 / 24)
    assert "pass^1" not in figures(calls)


def test_calls_as_text_have_no_figures_of_sound():
    assert [*figures([result(level=Level.TEXT)])] == ["tasks done", "tool calls as expected"]


# --- files ---------------------------------------------------------------------------------


def test_a_report_is_read_back_as_it_was_written(tmp_path):
    written = report(
        result(), result(level=Level.TEXT, unmet=["no answer"]), result("b", recording=None)
    )
    (tmp_path / "report.json").write_text(written.to_json())
    assert read_report(tmp_path / "report.json") == written


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"agent": "voxlab", "calls": [{}]}'])
def test_what_is_no_report_is_refused_in_words(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(DataError, match="no report of this voxlab"):
        read_report(tmp_path / "report.json")
    with pytest.raises(DataError, match="cannot read"):
        read_report(tmp_path / "nowhere.json")


def test_junit_counts_what_failed_and_what_is_known():
    xml = report(
        result(unmet=["it says <nothing> & hangs up"]),
        result("angry", unmet=["too late"], known="it is slow"),
        result("text", level=Level.TEXT),
    ).to_junit()
    spoken, text = ElementTree.fromstring(xml)
    assert [spoken.get(key) for key in ("name", "tests", "failures", "skipped")] == [
        *("voxlab.spoken", "2", "1", "1")
    ]
    assert spoken.find("testcase/failure").get("message") == "it says <nothing> & hangs up"
    assert [text.get(key) for key in ("tests", "failures")] == ["1", "0"]


# --- the page ------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects the ids, the links and the texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources, self.texts = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "details":
            self.ids.append(given["id"])
        self.links += [given["href"]] if tag == "a" else []
        self.sources += [given[key] for key in ("src", "href") if key in given and tag != "a"]

    def handle_data(self, data):
        self.texts.append(data.strip())


def test_the_page_needs_no_other_file_and_its_links_have_an_aim():
    calls = [result(seed=seed, ttfb_s=(0.3, 0.5)) for seed in range(3)]
    text = suite_page(report(*calls, result(level=Level.TEXT), repeats=3), {})
    page = Page(text)
    assert page.sources == []
    assert not re.search(r"url\((?!#)|@import|<script[^>]+src|<link", text)
    assert page.ids == ["spoken-order-0", "spoken-order-1", "spoken-order-2", "text-order-0"]
    assert {*page.links} == {f"#{id}" for id in page.ids[:3]}  # as text it holds as well
    failed = result(level=Level.TEXT, unmet=["no"])
    page = Page(suite_page(report(*calls, failed, repeats=3), {}))
    assert {*page.links} == {f"#{id}" for id in page.ids}


def test_what_failed_comes_first_in_words_and_as_text():
    fails = result("angry", unmet=["the agent says '<b>no</b>'"])
    page = Page(suite_page(report(result(), fails), {"spoken-angry-0": "<p>its player</p>"}))
    assert page.ids == ["spoken-angry-0", "spoken-order-0"]
    assert "the agent says '<b>no</b>'" in page.texts
    assert "1 of 2 calls held" in page.texts
    assert "n = 2: too few" in page.texts


def test_the_two_levels_stand_beside_each_other():
    deaf = [result("deaf", unmet=["misheard"]), result("deaf", level=Level.TEXT)]
    wrong = [result("wrong", level=level, unmet=["no"]) for level in Level]
    page = Page(suite_page(report(*deaf, *wrong), {}))
    rows = " ".join(filter(None, page.texts))
    assert "only spoken 1 deaf" in rows
    assert "at both levels 1 wrong" in rows


@pytest.mark.slow
def test_the_same_report_is_the_same_page():
    calls = [result(seed=seed, ttfb_s=(0.3, 0.5)) for seed in range(3)]
    assert suite_page(report(*calls), {}) == suite_page(report(*map(replace, calls)), {})
