"""A language model without a model: rules that understand the shop's calls, offline and exactly.

It answers in the same protocol as a real one: it sees only the messages and the tools' schemas,
streams its words at a hosted model's pace, and asks for tools. Everything it knows of the call it
reads from the conversation, so it keeps no state and a call can be continued from its history.

Three steps, as in the dialogue systems before language models: what is the conversation about
(`topic_of`), what is still missing for it, and how is that said (`decide`).
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voxlab.providers.base import Message, TextDelta, ToolCall, ToolSpec
from voxlab.providers.phrases import phrase
from voxlab.providers.scripted import paced
from voxlab.providers.slots import find_slots, normalise

HELP = "I can help with orders, shipping, reservations and the weather. What would you like?"
CANNOT = "I'm sorry, I can't do that on this line."


@dataclass(frozen=True, slots=True)
class Intent:
    """What the user wants: a tool, how the wish is recognised, and what the tool is told.

    needs: must be known; any_of: one of these at least; may: told if known.
    """

    tool: str
    pattern: str
    needs: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    may: tuple[str, ...] = ()

    @property
    def slots(self) -> tuple[str, ...]:
        """All values that say something about this wish."""
        return (*self.needs, *self.any_of, *self.may)


ORDER = {"needs": ("order_id",), "may": ("email",)}  # the order can be found by the email, too
TABLE = ("day", "time", "party_size")

# The first pattern that is found in the user's words wins.
INTENTS = (
    Intent(
        "talk_to_person",
        r"\b(real person|human|operator|representative|(talk|speak) to (a |some)(one|body|person))\b",
    ),
    Intent(
        "get_weather",
        r"\b(weather|rain\w*|sunny|forecast|snow\w*|temperature)\b",
        needs=("city", "day"),
    ),
    Intent("cancel_reservation", r"\bcancel\b(?!.*\border)", needs=("customer",)),
    Intent(
        "change_reservation",
        r"\b(change|move)\b.*\b(reservation|booking|table)\b",
        needs=("customer",),
        any_of=TABLE,
    ),
    Intent(
        "book_table",
        r"\b(table|reservation|reserve|(to|like to|please) book)\b",
        needs=TABLE,
        may=("customer",),
    ),
    Intent("return_order", r"\b(return\w*|send back|refund)\b", **ORDER),
    Intent(
        "check_shipping",
        r"\b(package|parcel|track\w*|shipp\w+|arriv\w+|deliver\w*)\b",
        **ORDER,
    ),
    Intent("lookup_order", r"\border(s|ed)?\b", **ORDER),
)
BY_TOOL = {intent.tool: intent for intent in INTENTS}
BY_VALUE = {"order_id": "lookup_order", "email": "lookup_order", "city": "get_weather"}

QUESTIONS = {
    "order_id": "Sure. What is your order number?",
    "city": "For which city?",
    "day": "For which day?",
    "time": "At what time?",
    "party_size": "For how many people?",
    "customer": "What name is the reservation under?",
    "change": "What would you like to change: the day, the time or the number of people?",
}
# A tool's error tells which value was wrong and has to be said anew.
WRONG_VALUES = (
    (r"no order", ("order_id", "email")),
    (r"no reservation", ("customer",)),
    (r"no forecast", ("city",)),
    (r"no table.* none$", ("day",)),
    (r"no table", ("time",)),
)

CORRECTION = r"\b(no wait|i meant?|actually|instead|rather|sorry)\b"
NEVER_MIND = r"^(no|no thanks?( you)?|never mind|forget it)\b\W*$"
YES = r"^(yes|yeah|yep|okay|ok|sure|right|uh huh|mm hmm)\b"
SMALL_TALK = (
    (r"\b(good ?bye|bye|that's all)\b", "Thank you for calling Acme. Goodbye!"),
    (r"\b(stop|hold on|wait|one moment)\b", "Okay, I'm listening."),
    (NEVER_MIND, "All right. Is there anything else?"),
    (r"\bthank", "You're welcome. Is there anything else?"),
    (r"\bjoke\b", "I only know about orders, tables and the weather, and none of it is funny."),
)
REPEAT = r"\b(repeat|say that again|pardon|what did you say)\b"


class RuleLLM:
    """Understands calls about orders, shipping, reservations and weather by rules.

    first_token_s, token_s: the pace of a hosted model (chapter, Yuki: 0.2 and 0.02).
    """

    def __init__(self, first_token_s: float = 0.2, token_s: float = 0.02) -> None:
        self.first_token_s = first_token_s
        self.token_s = token_s

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """Yield the answer to the conversation."""
        answer = decide(messages, {tool.name for tool in tools})
        async for part in paced([answer], self.first_token_s, self.token_s):
            yield part


# --- what the conversation is about --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Topic:
    """What the user wants, as far as the messages tell.

    slots: the values told for the intent. told: the user's latest words added something.
    done: the tool has given an answer. order_id, customer: the order and the reservation that
    the call was about last, so that "it" can be understood.
    """

    intent: Intent | None = None
    slots: Mapping[str, Any] = field(default_factory=dict)
    told: bool = False
    done: bool = False
    order_id: str = ""
    customer: str = ""

    @property
    def missing(self) -> str:
        """The value that has to be asked for next; "" for none."""
        if self.intent is None or self.done:
            return ""
        for name in self.intent.needs:
            if name not in self.slots and not (name == "order_id" and "email" in self.slots):
                return name
        incomplete = self.intent.any_of and not set(self.intent.any_of) & set(self.slots)
        return "change" if incomplete else ""


def topic_of(messages: Sequence[Message]) -> Topic:
    """Read the conversation from its start: what is it about now?"""
    topic, calls = Topic(), dict[str, ToolCall]()
    for message in messages:
        calls |= {call.id: call for call in message.tool_calls}
        if message.role == "user":
            topic = _after_words(topic, normalise(message.text))
        elif message.role == "tool" and message.tool_call_id in calls:
            topic = _after_result(topic, calls[message.tool_call_id], _result(message))
    return topic


def _after_words(topic: Topic, said: str) -> Topic:
    named = next((intent for intent in INTENTS if re.search(intent.pattern, said)), None)
    goes_on = named in (None, topic.intent) and (not topic.done or re.search(CORRECTION, said))
    values = find_slots(said, topic.missing if goes_on else "")
    if named is not None and not goes_on:
        return _new_topic(topic, named, values, said)
    relevant = {n: v for n, v in values.items() if topic.intent and n in topic.intent.slots}
    if not relevant:
        by_value = next((BY_VALUE[name] for name in values if name in BY_VALUE), None)
        if named is None and by_value:
            return _new_topic(topic, BY_TOOL[by_value], values, said)
        given_up = named is None and re.search(NEVER_MIND, said)
        return replace(topic, told=named is not None, intent=None if given_up else topic.intent)
    if topic.done and set(TABLE) & set(topic.intent.slots if topic.intent else ()):
        return _change(topic, relevant)
    kept = {} if "email" in relevant else topic.slots
    return replace(topic, slots={**kept, **relevant}, told=True, done=False)
