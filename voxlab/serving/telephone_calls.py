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
    timeline = call.timeline
    log.info("call %s: %s, after %.1f s", name, timeline.end_reason, timeline.duration_s)
    return call
