"""Hold a call: bring a caller and an agent together on one line until somebody hangs up."""

import asyncio
import traceback
from typing import Protocol

from voxlab.agents.line import Line
from voxlab.audio import Audio
from voxlab.timeline import Call


class Party(Protocol):
    """Somebody on the line: a caller, a person at a microphone, an agent."""

    async def run(self, line: Line) -> None:
        """Take part in the call until it ends; cancelled when the other side hangs up."""
        ...


async def hold_call(
    agent: Party, caller: Party, *, background: Audio | None = None, limit_s: float = 300.0
) -> Call:
    """Return the call that the two hold with each other, complete up to its end however it ends.

    background: sound at the caller's end. limit_s: the line is cut then.
    A party that fails ends the call; the timeline tells who and why (transport, `failed`).
    No task is left behind.
    """
    line = Line(background=background)
    line.record("transport", "call_started")
    async with asyncio.TaskGroup() as group:
        parties = [
            group.create_task(_attend(line, party, name))
            for party, name in ((agent, "agent"), (caller, "caller"))
        ]
        try:
            async with asyncio.timeout(limit_s):
                await line.closed.wait()
        except TimeoutError:
            line.hang_up(f"the call reached its limit of {limit_s:g} s")
        for party in parties:
            party.cancel()
    return line.call()


async def _attend(line: Line, party: Party, name: str) -> None:
    try:
        await party.run(line)
        line.hang_up(f"the {name} left")
    except Exception as error:  # whatever it is, the record up to here must not be lost
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        what = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
        line.record("transport", "failed", who=name, error=what, trace=trace)
        line.hang_up(f"the {name} failed: {what}")
