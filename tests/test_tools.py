"""Functions as tools of an agent: arguments, failures, time limits."""

import asyncio
import functools
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from voxlab.agents.line import Line
from voxlab.agents.tools import Tool, Toolbox
from voxlab.clock import run_real, run_virtual
from voxlab.providers.protocols import ToolCall, ToolSpec

# --- tools in general -----------------------------------------------------------------------


ECHO = ToolSpec(
    "echo",
    "Say it again.",
    {
        "properties": {"text": {"type": "string"}, "times": {"type": "integer"}},
        "required": ["text"],
    },
)


def echo(text, times=1):
    return text * times


def run(tool, name, **arguments):
    return json.loads(run_virtual(Toolbox([tool]).run(ToolCall("1", name, arguments))))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "missing arguments ['text'], unknown [], known: ['text', 'times']"),
        ({"text": ""}, "missing arguments ['text'], unknown [], known: ['text', 'times']"),
        ({"text": None}, "missing arguments ['text'], unknown [], known: ['text', 'times']"),
        (
            {"text": "a", "twice": True},
            "missing arguments [], unknown ['twice'], known: ['text', 'times']",
        ),
    ],
)
def test_wrong_arguments_are_told_to_the_model(arguments, error):
    assert run(Tool(ECHO, echo), "echo", **arguments) == {"error": error}


def test_zero_is_an_argument_and_null_is_none():
    assert run(Tool(ECHO, echo), "echo", text="a", times=0) == ""
    assert run(Tool(ECHO, echo), "echo", text="a", times=None) == "a"
    assert run(Tool(ECHO, lambda text: text), "echo", text=0) == 0


def test_an_unknown_tool_is_an_error_that_names_those_there_are():
    assert run(Tool(ECHO, echo), "ehco") == {"error": "no tool 'ehco'; there are ['echo']"}


def test_a_tool_without_parameters_needs_no_schema():
    assert run(Tool(ToolSpec("now", "Tell the time."), lambda: "noon"), "now") == "noon"


@pytest.mark.parametrize(
    "error", [ValueError("no"), TypeError("no"), sqlite3.OperationalError("no")]
)
def test_what_a_tool_refuses_is_a_result(error):
    def refuse():
        raise error

    assert run(Tool(ToolSpec("now", ""), refuse), "now") == {"error": "no"}


def test_a_tool_takes_its_time():
    async def timed():
        await Toolbox([Tool(ECHO, echo, latency_s=0.75)]).run(ToolCall("1", "echo", {"text": "a"}))
        return asyncio.get_running_loop().time()

    assert run_virtual(timed()) == 0.75


# --- functions as readers write them --------------------------------------------------------


CLOCKS = pytest.mark.parametrize("clock", [run_real, run_virtual])


def noted(clock, function, timeout_s=1.0):
    """Run a function as a tool; return its result, when that came, and the tool's events."""

    async def main():
        line = Line()
        toolbox = Toolbox([Tool(ToolSpec("work", ""), function, latency_s=0.0)])
        result, _ = await toolbox.run_noted(ToolCall("1", "work", {}), line, timeout_s)
        return json.loads(result), line.now_s, line.timeline.select("tool")

    return clock(main())


async def slowly():
    await asyncio.sleep(0.01)
    return "slow"


class Service:
    async def __call__(self):
        return await slowly()


@CLOCKS
@pytest.mark.parametrize(
    "function", [slowly, functools.partial(slowly), lambda: slowly(), Service(), Service().__call__]
)
def test_an_async_tool_is_awaited(clock, function):
    result, at_s, _ = noted(clock, function)
    assert result == "slow"
    assert clock is run_real or at_s == 0.01


def test_a_tool_that_blocks_does_not_stop_the_call():
    """Only a loop that goes on beside the tool opens the gate that the tool waits for."""
    gate = threading.Event()

    async def main():
        asyncio.get_running_loop().call_later(0.001, gate.set)
        return await Toolbox([Tool(ToolSpec("work", ""), lambda: gate.wait(5), 0.0)]).run(
            ToolCall("1", "work", {})
        )

    assert run_real(main()) == "true"


@CLOCKS
def test_a_tool_that_blocks_for_too_long_is_given_up_and_that_is_said(clock):
    gate = threading.Event()
    try:
        result, at_s, events = noted(clock, gate.wait, timeout_s=0.02)
    finally:
        gate.set()
    assert result == {"error": "no answer within 0.02 s; whether the system did it is not known"}
    assert clock is run_real or at_s == 0.02
    assert [event.kind for event in events] == ["started", "failed", "finished"]
    assert events[1].data["error"] == (
        "TimeoutError: no result within 0.02 s; if its function has begun, it runs on in its "
        "thread, and the result is dropped"
    )


@CLOCKS
def test_an_async_tool_that_takes_too_long_is_cancelled_and_that_is_said(clock):
    ended = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    result, _, events = noted(clock, forever, timeout_s=0.02)
    assert "0.02 s" in result["error"]
    assert ended == ["cancelled"]
    assert events[1].data["error"].endswith("within 0.02 s; the tool was cancelled")


@CLOCKS
def test_a_timeout_of_the_tools_own_is_an_error_like_any_other(clock):
    def refused():
        raise TimeoutError("timed out")

    result, _, events = noted(clock, refused)
    assert result == {"error": "the system does not answer"}
    assert events[1].data["error"] == "TimeoutError: timed out"


@CLOCKS
def test_a_tool_may_use_a_database_that_was_opened_outside_of_it(clock):
    """SQLite refuses the tool's own thread, so that the query is made in the loop's."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE prices (item TEXT, price REAL)")
    database.execute("INSERT INTO prices VALUES ('tea', 2.5)")
    result, _, events = noted(clock, lambda: database.execute("SELECT * FROM prices").fetchall())
    assert result == [["tea", 2.5]]
    assert [event.kind for event in events] == ["started", "finished"]
    database.close()


@CLOCKS
def test_a_database_that_no_thread_of_ours_may_use_is_a_failure_that_names_the_cure(clock):
    with ThreadPoolExecutor(1) as jupyter:  # alive, or another thread could get its number
        database = jupyter.submit(sqlite3.connect, ":memory:").result()
        result, _, events = noted(clock, lambda: database.execute("SELECT 1").fetchall())
        jupyter.submit(database.close).result()
    assert result == {"error": "the system does not answer"}
    assert "check_same_thread=False" in events[1].data["error"]


@pytest.mark.parametrize(
    ("name", "result", "ends"),
    [
        ("bye", '"done"', True),
        ("bye", "null", True),
        ("bye", '{"error": "nobody is there"}', False),
        ("echo", '"a"', False),
        ("unknown", '{"error": "no tool"}', False),
    ],
)
def test_only_a_tool_that_worked_ends_the_call(name, result, ends):
    toolbox = Toolbox([Tool(ECHO, echo), Tool(ToolSpec("bye", ""), str, ends_call=True)])
    assert toolbox.ends_call(ToolCall("1", name, {}), result) is ends
