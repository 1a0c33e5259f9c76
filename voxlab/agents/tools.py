"""What a voice agent can do besides talk: tools, functions with a schema.

Their results are plain data, for the model to put into words. `shop.py` has the tools of Acme.
"""

import asyncio
import inspect
import itertools
import json
import sqlite3
import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from voxlab.clock import run_blocking
from voxlab.providers.protocols import ToolCall, ToolSpec

OTHER_THREAD = "can only be used in that same thread"  # sqlite3's words
UNFINISHED = '{"error": "the user interrupted before there was a result"}'
NO_ANSWER = '{"error": "the system does not answer"}'
LATE_ANSWER = '{{"error": "no answer within {:g} s; whether the system did it is not known"}}'


TIMES_KEPT = 20  # of each tool


class Recorder(Protocol):
    """Notes what happens when: a line, or a reply that is kept back."""

    def record(self, source: str, kind: str, **data: Any) -> object:
        """Note that something happens now."""
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the agent can do.

    function: called with the model's arguments; returns data that JSON can hold. One that blocks
    (a query, a request) gets a thread of its own, so that the call goes on; an `async def` is
    awaited.
    latency_s: how long the system behind it takes (the chapter's reservation call: under 0.5), on
    top of what the function takes; in virtual time that is all that it takes.
    ends_call: the agent hangs up once the reply to it is spoken.
    only_reads: it changes nothing, so that it may run for a turn that the user has not ended yet,
    and its result may be thrown away.
    """

    spec: ToolSpec
    function: Callable[..., Any]
    latency_s: float = 0.4
    ends_call: bool = False
    only_reads: bool = False

    @property
    def is_async(self) -> bool:
        """Whether the function is an `async def`."""
        return inspect.iscoroutinefunction(self.function)

    async def run(self, arguments: Mapping[str, Any], limit_s: float | None = None) -> Any:
        """Call the function; what goes wrong is a result too, for the model to talk about.

        An argument of None counts as not given: models fill in optional ones that way.
        limit_s: see `clock.run_blocking`.
        """
        await asyncio.sleep(self.latency_s)
        given = {name: value for name, value in arguments.items() if value is not None}
        known = self.spec.parameters.get("properties", {})
        required = self.spec.parameters.get("required", ())
        missing = [name for name in required if given.get(name, "") == ""]
        unknown = sorted(set(given) - set(known))
        if missing or unknown:
            return {"error": f"missing arguments {missing}, unknown {unknown}, known: {[*known]}"}
        try:
            return await self._call(given, limit_s)
        except (sqlite3.Error, ValueError, TypeError) as error:
            return {"error": str(error)}

    async def _call(self, given: Mapping[str, Any], limit_s: float | None) -> Any:
        if self.is_async:
            return await self.function(**given)
        try:
            result = await run_blocking(partial(self.function, **given), limit_s=limit_s)
        except sqlite3.ProgrammingError as error:
            if OTHER_THREAD not in str(error):
                raise
            result = self._call_here(given)  # the refused query has done nothing yet
        return await result if inspect.isawaitable(result) else result

    def _call_here(self, given: Mapping[str, Any]) -> Any:
        """Call the function in the loop's thread, where its database was most likely opened."""
        try:
            return self.function(**given)
        except sqlite3.ProgrammingError as error:
            if OTHER_THREAD not in str(error):
                raise
            hint = "open the database with sqlite3.connect(path, check_same_thread=False)"
            raise RuntimeError(f"{error} Tools run in threads: {hint}") from error


@dataclass(frozen=True, slots=True)
class ToolFault:
    """How the system behind a tool is at fault.

    takes_s: its latency, None for the tool's own. fails: so many runs break before one works.
    """

    takes_s: float | None = None
    fails: int = 0


def with_faults(tools: Sequence[Tool], faults: Mapping[str, ToolFault]) -> list[Tool]:
    """Return the tools, those named with the faults of the systems behind them."""
    return [_at_fault(tool, faults.get(tool.spec.name, ToolFault())) for tool in tools]


def _at_fault(tool: Tool, fault: ToolFault) -> Tool:
    runs = itertools.count(1)

    def break_first(**arguments: Any) -> Any:
        if next(runs) <= fault.fails:
            raise RuntimeError(f"the system behind {tool.spec.name} is down")
        return tool.function(**arguments)

    latency_s = tool.latency_s if fault.takes_s is None else fault.takes_s
    function = break_first if fault.fails else tool.function
    return replace(tool, function=function, latency_s=latency_s)


class Toolbox:
    """The tools of an agent, by name."""

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._took_s: dict[str, deque[float]] = {}  # how long each took, the latest times

    @property
    def specs(self) -> list[ToolSpec]:
        """What the model is told."""
        return [tool.spec for tool in self._tools.values()]

    async def run(self, call: ToolCall, limit_s: float | None = None) -> str:
        """Run a tool and return its result as JSON text, or an error that names the tools.

        limit_s: see `clock.run_blocking`.
        """
        tool = self._tools.get(call.name)
        if tool is None:
            return json.dumps({"error": f"no tool {call.name!r}; there are {[*self._tools]}"})
        return json.dumps(await tool.run(call.arguments, limit_s), ensure_ascii=False)

    def only_reads(self, call: ToolCall) -> bool:
        """Tell whether a tool changes nothing; one that is not there does not."""
        tool = self._tools.get(call.name)
        return tool is None or (tool.only_reads and not tool.ends_call)

    def expected_s(self, call: ToolCall) -> float:
        """Return how long a tool takes: the median of its latest times, at first what it says."""
        tool = self._tools.get(call.name)
        if call.name in self._took_s:
            return statistics.median(self._took_s[call.name])
        return tool.latency_s if tool else 0.0

    async def run_noted(self, call: ToolCall, line: Recorder, timeout_s: float) -> tuple[str, bool]:
        """Run a tool and note that on the line; return its result, and whether it ends the call.

        A tool that breaks or takes too long has a result too, which says so.
        """
        arguments, begun_s = dict(call.arguments), asyncio.get_running_loop().time()
        line.record("tool", "started", id=call.id, name=call.name, arguments=arguments)
        ends_call, limit = False, asyncio.timeout(timeout_s)
        try:
            async with limit:
                result = await self.run(call, timeout_s)
            ends_call = self.ends_call(call, result)
        except Exception as error:  # a tool is the user's code: the call goes on without it
            result, said = NO_ANSWER, f"{type(error).__name__}: {error}"
            if limit.expired():
                result = LATE_ANSWER.format(timeout_s)
                said = f"TimeoutError: no result within {timeout_s:g} s; {self._fate(call)}"
            line.record("tool", "failed", id=call.id, error=said)
        took_s = self._took_s.setdefault(call.name, deque(maxlen=TIMES_KEPT))
        took_s.append(asyncio.get_running_loop().time() - begun_s)
        line.record("tool", "finished", id=call.id, name=call.name, result=result)
        return result, ends_call

    def _fate(self, call: ToolCall) -> str:
        """Say what becomes of a tool that has outlived its limit."""
        if self._tools[call.name].is_async:
            return "the tool was cancelled"
        return "if its function has begun, it runs on in its thread, and the result is dropped"

    def ends_call(self, call: ToolCall, result: str) -> bool:
        """Tell whether the agent hangs up after this tool, which must not have gone wrong."""
        tool = self._tools.get(call.name)
        if tool is None or not tool.ends_call:
            return False
        data = json.loads(result)
        return not (isinstance(data, dict) and "error" in data)
