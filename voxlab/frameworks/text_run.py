"""The chapter's CustomerServiceAgent on LiveKit's own test harness: text in, events out.

    python -m voxlab.frameworks.text_run "Where is order 12345?"

Fragment 39.1.2a with its two tools inside the class and each `return` where it is reached. The
harness, `AgentSession.run`, gives what the model said and which tools it called, as one line of
JSON. There is no sound in it, no VAD and no turn.
"""

import asyncio
import json
import sqlite3
import sys
from typing import Any

from livekit.agents import Agent, AgentSession, function_tool

from voxlab import data
from voxlab.agents.line import Line
from voxlab.agents.shop import Shop
from voxlab.frameworks.engines import CallEngines
from voxlab.frameworks.livekit import EngineLLM
from voxlab.providers.protocols import Providers
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted


class CustomerServiceAgent(Agent):
    """Looks up orders and parcels in the shop's database."""

    def __init__(self, database: sqlite3.Connection) -> None:
        super().__init__(
            instructions="You are a customer service agent for Acme Corp. Keep responses concise."
        )
        self._shop = Shop(database)

    @function_tool
    async def lookup_order(self, order_id: str) -> str:
        """Look up order details by order ID."""
        return _answer(self._shop.lookup_order, order_id)

    @function_tool
    async def check_shipping(self, order_id: str) -> str:
        """Check the current shipping status of an order."""
        return _answer(self._shop.check_shipping, order_id)


def _answer(look_up: Any, order_id: str) -> str:
    try:
        return json.dumps(look_up(order_id))
    except ValueError as error:  # the model tells the caller what is wrong
        return json.dumps({"error": str(error)})


async def run_texts(texts: list[str]) -> list[list[dict[str, Any]]]:
    """Return the events of each turn: function_call, function_call_output, message."""
    spare = scripted([], RuleLLM())
    engines = CallEngines(Providers(spare.stt, RuleLLM(), spare.tts), (), Line())
    runs = []
    async with AgentSession(
        llm=EngineLLM(engines), vad=None, turn_handling={"turn_detection": None}
    ) as session:
        await session.start(CustomerServiceAgent(data.shop()))
        for text in texts:
            result = await session.run(user_input=text)
            runs.append([_plain(event.item) for event in result.events])
    return runs


def _plain(item: Any) -> dict[str, Any]:
    if item.type == "message":
        return {"type": "message", "role": item.role, "text": item.text_content}
    if item.type == "function_call":
        return {"type": item.type, "name": item.name, "arguments": json.loads(item.arguments)}
    return {"type": item.type, "name": item.name, "output": item.output}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run_texts(sys.argv[1:]))))
