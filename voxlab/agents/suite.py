"""A suite: call scripts that say what should come of them, and one of them held.

scripts = load_suite()
held = hold_script("booking", scripts["booking"], make_agent)
evaluation.expected_outcome.find_unmet(held)
"""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from voxlab import data
from voxlab.agents.callers.script import CallScript, load_script
from voxlab.agents.calls import Party, play
from voxlab.agents.shop import shop_tools
from voxlab.agents.tools import Tool, ToolFault, with_faults
from voxlab.data.expectations import ExpectedCall, HeldScript, ShopState
from voxlab.errors import ScriptError

CONDITIONS = (
    *("clean", "cafe", "car", "telephone", "packet loss", "echo", "noise", "second voice"),
    *("hesitation", "correction", "barge-in", "backchannel", "silence", "two questions"),
    *("wrong number", "double digits", "tool fails", "tool is slow", "hangs up", "angry"),
    *("real person", "not understood", "whisper", "human", "another language"),
)
AGENTS = ("voxlab", "realtime", "livekit", "pipecat")

MakeAgent = Callable[[sqlite3.Connection, Mapping[str, ToolFault]], Party]


def load_suite(folder: str | Path | None = None) -> dict[str, CallScript]:
    """Return the scripts of a folder by their names, those of data/suite by default.

    Raises ScriptError if there is none, one says nothing of what to expect, or its expectation
    cannot come true.
    """
    folder = data.path("suite") if folder is None else Path(folder)
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ScriptError(f"no call scripts in {folder}: data/suite holds some to start from")
    scripts = {}
    for file in files:
        scripts[file.stem] = load_script(file)
        try:
            check_expectation(scripts[file.stem])
        except ScriptError as error:
            raise ScriptError(f"{file}: {error}") from error
    return scripts


def check_expectation(script: CallScript) -> None:
    """Refuse a script of a suite whose expectation the shop and its tools cannot meet.

    The tool calls that it expects are made on a fresh shop, in their order; where they are
    complete, the shop must then be the one that it expects. Of alternatives the first counts.
    Raises ScriptError.
    """
    if script.expect is None:
        raise ScriptError("a script of a suite needs `expect`: what should come of the call")
    if not script.conditions or not {*script.conditions} <= {*CONDITIONS}:
        got, known = [*script.conditions], ", ".join(CONDITIONS)
        raise ScriptError(f"conditions: got {got}, needs some of {known}")
    if script.known and not (isinstance(script.known, dict) and {*script.known} <= {*AGENTS}):
        raise ScriptError(
            f"known: got {script.known!r}, needs why, for some of {', '.join(AGENTS)}"
        )
    database = data.shop()
    tools = {tool.spec.name: tool for tool in with_faults(shop_tools(database), script.faults)}
    if unknown := sorted({*script.faults} - {*tools}):
        raise ScriptError(f"tools: no tool {unknown[0]!r}; there are {', '.join(tools)}")
    is_complete = True
    for call in (*script.expect.calls, *script.expect.never_calls):
        _check_tools(call, tools)
    for call in script.expect.calls:
        is_complete &= _do(call, tools)
    differences = ShopState.of(database).differences(script.expect.shop)
    if is_complete and differences:
        done = ", ".join(map(str, script.expect.calls)) or "no tool call"
        raise ScriptError(f"expect: contradiction: after {done}: {'; '.join(differences)}")


def _check_tools(call: ExpectedCall, tools: Mapping[str, Tool]) -> None:
    for name in call.names:
        if name not in tools:
            raise ScriptError(f"expect: no tool {name!r}; there are {', '.join(tools)}")
        known = tools[name].spec.parameters["properties"]
        if unknown := sorted({*call.arguments} - {*known}):
            raise ScriptError(
                f"expect: {name} has no argument {unknown[0]!r}: {', '.join(known) or 'none'}"
            )


def _do(call: ExpectedCall, tools: Mapping[str, Tool]) -> bool:
    """Call a tool that writes; False if an argument that it needs is left open."""
    tool = tools[call.names[0]]
    needed: list[str] = tool.spec.parameters["required"]
    if tool.only_reads:
        return True
    if not {*needed} <= {*call.arguments}:
        return False
    with contextlib.suppress(ValueError, RuntimeError):  # refused, or at fault: nothing changes
        tool.function(**call.arguments)
    return True


def hold_script(name: str, script: CallScript, make_agent: MakeAgent, **how: Any) -> HeldScript:
    """Hold the call of a suite's script with an agent that has a fresh shop to itself.

    make_agent: takes the shop's database and the faults of its tools. how: see `play`.
    Raises ScriptError if the script does not say what to expect.
    """
    if script.expect is None:
        raise ScriptError(f"{name} needs `expect`: what should come of the call")
    database = data.shop()
    call = play(script, make_agent(database, script.faults), **how)
    return HeldScript(name, script.expect, call, ShopState.of(database))
