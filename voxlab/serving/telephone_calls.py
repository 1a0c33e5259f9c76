"""A call of a telephone server, whichever protocol brought it."""

import logging
from typing import Any

from voxlab.agents.calls import Party, hold_call, line_rate_hz
from voxlab.timeline import Call


async def hold_telephone_call(
    agent: Party, caller: Party, log: logging.Logger, name: str, **options: Any
) -> Call:
    """Hold a call at the agent's rate, and log how it ended.

    log: the server's. name: of the call in the log. options: of `hold_call` besides.
    """
    call = await hold_call(agent, caller, rate_hz=line_rate_hz(agent), **options)
    log.info("call %s: %s", name, tell_end(call))
    return call


def tell_end(call: Call) -> str:
    """Return why and when a call ended, for a log: without details, which may quote the caller."""
    reason = call.timeline.end_reason.partition(":")[0]
    return f"{reason}, after {call.timeline.duration_s:.1f} s"
