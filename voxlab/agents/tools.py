"""What a voice agent can do besides talk: tools, functions with a schema.

Their results are plain data, for the model to put into words. `shop.py` has the tools of Acme.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxlab.agents.line import Line
from voxlab.providers.protocols import ToolCall, ToolSpec


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the agent can do.

    function: called with the model's arguments; returns data that JSON can hold.
    latency_s: how long the system behind it takes (the chapter's reservation call: under 0.5).
    ends_call: the agent hangs up once the reply to it is spoken.
    """

    spec: ToolSpec
    function: Callable[..., Any]
    latency_s: float = 0.4
    ends_call: bool = False

    async def run(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function; what goes wrong is a result too, for the model to talk about.

        An argument of None counts as not given: models fill in optional ones that way.
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
            return self.function(**given)
        except (sqlite3.Error, ValueError, TypeError) as error:
            return {"error": str(error)}


class Toolbox:
    """The tools of an agent, by name."""

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}

    @property
    def specs(self) -> list[ToolSpec]:
        """What the model is told."""
        return [tool.spec for tool in self._tools.values()]

    async def run(self, call: ToolCall) -> str:
        """Run a tool and return its result as JSON text, or an error that names the tools."""
        tool = self._tools.get(call.name)
        if tool is None:
            return json.dumps({"error": f"no tool {call.name!r}; there are {[*self._tools]}"})
        return json.dumps(await tool.run(call.arguments), ensure_ascii=False)

    async def run_noted(self, call: ToolCall, line: Line, timeout_s: float) -> tuple[str, bool]:
        """Run a tool and note that on the line; return its result, and whether it ends the call.

        A tool that breaks or takes too long has a result too, which says so.
        """
        arguments = dict(call.arguments)
        line.record("tool", "started", id=call.id, name=call.name, arguments=arguments)
        ends_call = False
        try:
            async with asyncio.timeout(timeout_s):
                result = await self.run(call)
            ends_call = self.ends_call(call, result)
        except Exception as error:  # a tool is the user's code: the call goes on without it
            result = '{"error": "the system does not answer"}'
            line.record("tool", "failed", id=call.id, error=f"{type(error).__name__}: {error}")
        line.record("tool", "finished", id=call.id, name=call.name, result=result)
        return result, ends_call

    def ends_call(self, call: ToolCall, result: str) -> bool:
        """Tell whether the agent hangs up after this tool, which must not have gone wrong."""
        tool = self._tools.get(call.name)
        if tool is None or not tool.ends_call:
            return False
        data = json.loads(result)
        return not (isinstance(data, dict) and "error" in data)
