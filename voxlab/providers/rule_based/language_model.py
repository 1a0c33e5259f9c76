"""A language model without a model: rules that understand the shop's calls, offline and exactly.

It answers in the same protocol as a real one: it sees only the messages and the tools' schemas,
streams its words at a hosted model's pace, and asks for tools. Everything it knows of the call it
reads from the conversation, so it keeps no state and a call can be continued from its history.

Three steps, as in the dialogue systems before language models: what is the conversation about
(`topic_of`), what is still missing for it, and how is that said (`decide`).
"""

import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voxlab.providers.protocols import (
    FREE_CHOICE,
    Message,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from voxlab.providers.rule_based.phrases import IS_RIGHT, phrase, read_back
from voxlab.providers.rule_based.slots import digit_runs, find_slots, is_doubtful
from voxlab.providers.scripted import paced
from voxlab.text import normalise
from voxlab.turn_taking.interruptions import WANTS_A_PERSON

HELP = "I can help with orders, shipping, reservations and the weather. What would you like?"
CANNOT = "I'm sorry, I can't do that on this line."
EXACTLY = re.compile(r'exactly these words: "(.+)"')  # the one instruction that rules can obey


@dataclass(frozen=True, slots=True)
class Intent:
    """What the caller wants: a tool, how the wish is recognised, and what the tool is told.

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


ORDER_DIGITS = 5
ORDER = {"needs": ("order_id",), "may": ("email",)}  # the email also finds the order
TABLE = ("day", "time", "party_size")

# The first pattern that is found in the caller's words wins.
INTENTS = (
    Intent("talk_to_person", WANTS_A_PERSON),
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
        r"\b(table|reservation|reserve|(to|can i|can we|please) book)\b",
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
HINTS = {  # when the answer to the question was of no use
    "order_id": "An order number has five digits. Please say them one by one.",
    "city": "I know the weather of cities such as Paris, London or New York. Which one is it?",
    "day": "I can see the next seven days. Please say today, tomorrow, or a day such as Friday.",
    "time": "Please say a time such as seven o'clock, or half past seven.",
    "party_size": "Please say how many people come, such as four people.",
    "customer": "Please say just the surname that the reservation is under.",
    "change": "Please say a new day, a new time, or how many people come.",
}
OR_A_PERSON = "Or say: a real person."
# A tool's error tells which value was wrong and has to be said anew.
WRONG_VALUES = (
    (r"no order", "order_id"),
    (r"no reservation", "customer"),
    (r"no forecast", "city"),
    (r"no table.* none$", "day"),
    (r"no table", "time"),
)
WRITES = ("return_order", "book_table", "change_reservation", "cancel_reservation")
INTERRUPTED = "interrupted"  # in the error of a tool that the caller did not wait for

CORRECTION = r"\b(no wait|i meant?|actually|instead|rather|sorry)\b"
NEVER_MIND = r"^(no|no thanks?( you)?|never mind|forget it)\b\W*$"
YES = r"^(yes|yeah|yep|okay|ok|sure|right|uh huh|m+ ?hm+|correct|exactly|that's (right|correct))\b"
NO = r"^(no|nope|nah|wrong|that's (not right|wrong))\b"
SMALL_TALK = (
    (r"\b(good ?bye?|bye|that's all)\b", "Thank you for calling Acme. Goodbye!"),
    (r"\b(stop|hold on|wait|one moment)\b", "Okay, I'm listening."),
    (r"^(hello|hi)\b", "Hello! What can I do for you?"),
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
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tool_choice: ToolChoice = FREE_CHOICE,
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """Yield the answer to the conversation; it never calls two tools at once."""
        answer = decide(messages, {tool.name for tool in tools})
        if tool_choice.required and tools and isinstance(answer, str):
            answer = _required_call(messages, tools)
        async for part in paced([answer], self.first_token_s, self.token_s):
            yield part


# --- what the conversation is about --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Topic:
    """What the caller wants, as far as the messages tell.

    slots: the values told for the intent. told: the caller's latest words added something.
    done: the tool has given an answer. wrong: the value that it refused. in_doubt: the values are
    to be read back before they are written. order_id, customer: the order and the reservation that
    the call was about last, so that "it" can be understood. begun: digits of an order number whose
    rest has not been said yet.
    """

    intent: Intent | None = None
    slots: Mapping[str, Any] = field(default_factory=dict)
    told: bool = False
    done: bool = False
    wrong: str = ""
    in_doubt: bool = False
    order_id: str = ""
    customer: str = ""
    begun: str = ""

    @property
    def relevant(self) -> tuple[str, ...]:
        """The values that say something about the intent."""
        return self.intent.slots if self.intent else ()

    @property
    def missing(self) -> str:
        """The value that has to be asked for next; "" for none."""
        if self.intent is None or self.done or self.wrong:
            return self.wrong
        for name in self.intent.needs:
            if name not in self.slots and not (name == "order_id" and "email" in self.slots):
                return name
        incomplete = self.intent.any_of and not set(self.intent.any_of) & set(self.slots)
        return "change" if incomplete else ""


def topic_of(messages: Sequence[Message]) -> Topic:
    """Read the conversation from its start and return what it is about now."""
    topic, calls, is_read_back = Topic(), dict[str, ToolCall](), False
    for message in messages:
        calls |= {call.id: call for call in message.tool_calls}
        if message.role == "assistant" and message.text:
            is_read_back = message.text.endswith(IS_RIGHT)
        if message.role == "user":
            said = normalise(message.text)
            topic = _after_read_back(topic, said) if is_read_back else _after_words(topic, said)
        elif message.role == "tool" and message.tool_call_id in calls:
            topic = _after_result(topic, calls[message.tool_call_id], _result(message))
    return topic


def _after_read_back(topic: Topic, said: str) -> Topic:
    """The caller was asked whether the values are right: yes, no, or better ones."""
    if not find_slots(said) and re.search(YES, said):
        return replace(topic, in_doubt=False, told=True)
    if not find_slots(said) and re.search(NO, said):
        needs = topic.intent.needs if topic.intent else ()
        return replace(topic, wrong="change" if "day" in topic.relevant else needs[0], told=True)
    return _after_words(topic, said)


def _after_words(topic: Topic, said: str) -> Topic:
    named = next((intent for intent in INTENTS if re.search(intent.pattern, said)), None)
    open_still = not topic.done or re.search(CORRECTION, said)
    goes_on = named is None or (named is topic.intent and open_still)
    values = find_slots(said, topic.missing if goes_on else "")
    begun = _begun_number(topic, said, values)
    if is_joined := len(begun) == ORDER_DIGITS:
        values, begun = {"order_id": begun}, ""
    if named is None and not set(values) & set(topic.relevant):
        named = next((BY_TOOL[BY_VALUE[name]] for name in values if name in BY_VALUE), None)
        goes_on = named is None
    if named is not None and not goes_on:
        topic = _new_topic(topic, named, values, said)
    elif re.search(NEVER_MIND, said):
        return Topic(order_id=topic.order_id, customer=topic.customer)
    else:
        topic = _more(topic, values, told=named is not None)
    is_in_doubt = topic.in_doubt or is_joined or is_doubtful(said)
    return replace(topic, in_doubt=topic.told and is_in_doubt, begun=begun)


def _begun_number(topic: Topic, said: str, values: Mapping[str, Any]) -> str:
    """Return the digits of an order number said so far, over turns that the caller paused between.

    A digit alone may be a word ("one moment"), and with too many the caller has begun anew.
    """
    if values and topic.missing != "order_id":
        return ""
    run = next((run for run in reversed(digit_runs(said)) if 1 < len(run) < ORDER_DIGITS), "")
    return topic.begun + run if run and len(topic.begun + run) <= ORDER_DIGITS else run


def _new_topic(topic: Topic, intent: Intent, values: Mapping[str, Any], said: str) -> Topic:
    """The caller wants something else; "it" is the order or reservation spoken of before."""
    slots = {name: value for name, value in values.items() if name in intent.slots}
    other = re.search(r"\b(new|another|other|different)\b", said)
    if "order_id" in intent.needs and not slots and topic.order_id and not other:
        slots["order_id"] = topic.order_id
    if "customer" in intent.needs and topic.customer:
        slots.setdefault("customer", topic.customer)
    return replace(topic, intent=intent, slots=slots, told=True, done=False, wrong="")


def _more(topic: Topic, values: Mapping[str, Any], told: bool) -> Topic:
    """The caller goes on about the topic: a missing value, another one, or a correction."""
    new = {name: value for name, value in values.items() if name in topic.relevant}
    intent, kept = topic.intent, dict(topic.slots)
    if topic.done and intent in (BY_TOOL["book_table"], BY_TOOL["change_reservation"]):
        new.pop("customer", None)
        intent, kept = BY_TOOL["change_reservation"], {"customer": topic.customer}
    if "email" in new:
        kept.pop("order_id", None)
    if not new:
        return replace(topic, told=told)
    return replace(topic, intent=intent, slots=kept | new, told=True, done=False, wrong="")


def _after_result(topic: Topic, call: ToolCall, result: Mapping[str, Any]) -> Topic:
    if "error" in result:
        error = str(result["error"])
        wrong = next((name for text, name in WRONG_VALUES if re.search(text, error)), "")
        return replace(topic, wrong=wrong)
    order_id = result.get("id") if call.name == "lookup_order" else result.get("order_id")
    topic = replace(topic, order_id=str(order_id or topic.order_id))
    if call.name in ("book_table", "change_reservation", "cancel_reservation"):
        cancelled = call.name == "cancel_reservation"
        topic = replace(topic, customer="" if cancelled else str(result.get("customer", "")))
    if topic.intent is not None and call.name == topic.intent.tool:
        return replace(topic, done=True)
    found = {"order_id": topic.order_id} if call.name == "lookup_order" else {}
    return replace(topic, slots={**topic.slots, **found})


# --- what to do about it -------------------------------------------------------------------


def decide(messages: Sequence[Message], tools: set[str]) -> str | ToolCall:
    """Return what to say next, or the tool to ask for. Pure: reads only the conversation."""
    if told := EXACTLY.search(_last(messages, "system")):
        return told[1]
    topic = topic_of(messages)
    last = messages[-1] if messages else Message("user", "")
    if last.role == "tool":
        call, result = _call_of(messages, last), _result(last)
        error = str(result.get("error", ""))
        refused = error and INTERRUPTED not in error
        if topic.intent is None or topic.done or topic.missing or refused:
            return phrase(call.name, call.arguments, result)
    elif not topic.told:
        return _small_talk(messages, _question(topic.missing, messages))
    return _ask_or_call(topic, tools, messages)


def _question(missing: str, messages: Sequence[Message]) -> str:
    """Ask for a value, in other words after an answer of no use; "" if none is missing."""
    if not missing:
        return ""
    ways = (QUESTIONS[missing], HINTS[missing], f"{HINTS[missing]} {OR_A_PERSON}")
    return reword(ways, messages)


def reword(ways: Sequence[str], messages: Sequence[Message]) -> str:
    """Return a question's next wording: the one after those that were just asked, or the last."""
    return ways[min(times_asked(ways, messages), len(ways) - 1)]


def times_asked(ways: Sequence[str], messages: Sequence[Message]) -> int:
    """Return how often the agent has just asked a question, in any of its wordings."""
    said = (message.text for message in reversed(messages) if message.role == "assistant")
    return sum(1 for _ in itertools.takewhile(ways.__contains__, said))


def _ask_or_call(topic: Topic, tools: set[str], messages: Sequence[Message]) -> str | ToolCall:
    if topic.missing:
        got_on = bool(find_slots(normalise(_last(messages, "user"))))
        return QUESTIONS[topic.missing] if got_on else _question(topic.missing, messages)
    tool = topic.intent.tool if topic.intent else ""
    known = {name: value for name, value in topic.slots.items() if name in topic.relevant}
    email = known.pop("email", "")
    if email and "order_id" not in known:  # find the order first
        tool, known = "lookup_order", {"email": email}
    if topic.in_doubt and tool in WRITES and tool in tools:
        return read_back(known)
    return ToolCall(f"call_{len(messages)}", tool, known) if tool in tools else CANNOT


def _required_call(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> ToolCall:
    """Call the tool of the topic, or else the first one, with what is known of its parameters."""
    topic = topic_of(messages)
    wanted = topic.intent.tool if topic.intent else ""
    tool = next((tool for tool in tools if tool.name == wanted), tools[0])
    known = tool.parameters.get("properties", {})
    arguments = {name: value for name, value in topic.slots.items() if name in known}
    return ToolCall(f"call_{len(messages)}", tool.name, arguments)


def _small_talk(messages: Sequence[Message], question: str) -> str:
    """Answer words that ask for nothing; then come back to the question that is open."""
    said = normalise(_last(messages, "user"))
    if re.search(REPEAT, said):
        return _last(messages, "assistant") or HELP
    for pattern, answer in SMALL_TALK:
        if re.search(pattern, said):
            return answer
    if re.search(YES, said):
        return question or "Great. What would you like?"
    return question or HELP


def _last(messages: Sequence[Message], role: str) -> str:
    return next((m.text for m in reversed(messages) if m.role == role and m.text), "")


def _call_of(messages: Sequence[Message], answer: Message) -> ToolCall:
    calls = {call.id: call for message in messages for call in message.tool_calls}
    return calls.get(answer.tool_call_id, ToolCall(answer.tool_call_id, "", {}))


def _result(message: Message) -> Mapping[str, Any]:
    """Read a tool's result; one that is no JSON object tells these rules nothing."""
    try:
        result = json.loads(message.text)
    except ValueError:
        return {}
    return result if isinstance(result, dict) else {}
