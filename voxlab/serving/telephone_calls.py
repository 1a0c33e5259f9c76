"""A call of a telephone server, whichever protocol brought it."""

import logging

from voxlab.agents.calls import Party, hold_call, line_rate_hz
from voxlab.timeline import Call


async def hold_telephone_call(
    agent: Party, caller: Party, log: logging.Logger, name: str, *, lag_s: float, limit_s: float
) -> Call:
    """Hold a call at the agent's rate, and log how it ended.

    log: the server's. name: of the call in the log. lag_s, limit_s: see `hold_call`.
    """
    rate_hz = line_rate_hz(agent)
    call = await hold_call(agent, caller, lag_s=lag_s, limit_s=limit_s, rate_hz=rate_hz)
    timeline = call.timeline
    log.info("call %s: %s, after %.1f s", name, timeline.end_reason, timeline.duration_s)
    return call
