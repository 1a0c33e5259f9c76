"""Hold a call: bring a caller and an agent together on one line until somebody hangs up."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from voxlab.agents.callers.script import CallScript
from voxlab.agents.callers.simulated import Caller
from voxlab.agents.line import RATE_HZ, Line
from voxlab.audio import Audio
from voxlab.clock import run_real, run_virtual
from voxlab.telephony.echo import Echo
from voxlab.timeline import Call, Event


class Party(Protocol):
    """Somebody on the line: a caller, a person at a microphone, an agent."""

    async def run(self, line: Line) -> None:
        """Take part in the call until it ends; cancelled when the other side hangs up."""
        ...


def line_rate_hz(agent: Party) -> int:
    """Return the rate of the line that an agent hears best on: its VAD's, or else 16 kHz."""
    rate_hz: int = getattr(agent, "rate_hz", RATE_HZ)
    return rate_hz


def play(
    script: CallScript,
    agent: Party,
    *,
    live: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> Call:
    """Return the call that a script's caller holds with an agent.

    In virtual time, where it takes far less than its length and repeats bit for bit, or live.
    """
    call = hold_call(
        agent,
        Caller(script),
        background=script.background,
        echo=script.echo,
        limit_s=script.limit_s,
        on_event=on_event,
        rate_hz=line_rate_hz(agent),
    )
    return run_real(call) if live else run_virtual(call)


async def hold_call(
    agent: Party,
    caller: Party,
    *,
    background: Audio | None = None,
    echo: Echo | None = None,
    limit_s: float = 300.0,
    lag_s: float = 0.0,
    on_event: Callable[[Event], None] | None = None,
    rate_hz: int = RATE_HZ,
) -> Call:
    """Return the call that the two hold with each other, complete up to its end however it ends.

    background: sound at the caller's end. echo: of the agent's voice, there. lag_s: see Line.
    limit_s: the line is cut then.
    on_event: told of everything as it happens. rate_hz: of the line, see `line_rate_hz`.
    A party that fails ends the call; the timeline tells who and why (transport, `failed`).
    No task is left behind.
    """
    line = Line(background=background, lag_s=lag_s, rate_hz=rate_hz, echo=echo)
    if on_event is not None:
        line.subscribe(on_event)
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
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():  # from outside: the call is over
            raise
        line.fail(name, error)
    except (KeyboardInterrupt, GeneratorExit):  # of the whole program
        raise
    except BaseException as error:  # whatever it is, the record up to here must not be lost
        line.fail(name, error)
