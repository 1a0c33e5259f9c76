"""A language model without a model: rules that understand the shop's calls, offline and exactly.

It answers in the same protocol as a real one: it sees only the messages and the tools' schemas,
streams its words at a hosted model's pace, and asks for tools. Everything it knows of the call it
reads from the conversation, so it keeps no state and a call can be continued from its history.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxlab.providers.base import Message, TextDelta, ToolCall, ToolSpec
from voxlab.providers.phrases import phrase
from voxlab.providers.scripted import paced

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = {word: str(digit) for digit, word in enumerate(DIGIT_WORDS)} | {"oh": "0"}
NUMBERS = DIGITS | {"ten": "10", "eleven": "11", "twelve": "12"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = ("today", "tonight", "tomorrow", *WEEKDAYS)
CITIES = ("Paris", "London", "New York", "Berlin", "Madrid", "Rome", "Chicago", "Tokyo", "Boston")
HELP = "I can help with orders, shipping, reservations and the weather. What would you like?"


@dataclass(frozen=True, slots=True)
class Intent:
    """What the user wants: a tool, what must be known for it, and how it is recognised."""

    tool: str
    pattern: str
    needs: tuple[str, ...]


# The first pattern that is found in the user's words wins.
INTENTS = (
    Intent("talk_to_person", r"\b(real person|human|operator|representative|someone real)\b", ()),
    Intent("get_weather", r"\b(weather|rain|sunny|forecast|snow|temperature)\b", ("city", "day")),
    Intent("cancel_reservation", r"\bcancel\b.*\b(reservation|table|booking)\b", ("customer",)),
    Intent(
        "change_reservation", r"\b(change|move)\b.*\b(reservation|booking|table)\b", ("customer",)
    ),
    Intent("book_table", r"\b(table|reservation|reserve)\b", ("day", "time", "party_size")),
    Intent("return_order", r"\b(return|send back|refund)\b", ("order_id",)),
    Intent(
        "check_shipping", r"\b(package|parcel|tracking|shipp\w+|arrive|deliver\w*)\b", ("order_id",)
    ),
    Intent("lookup_order", r"\border\b", ("order_id",)),
)
QUESTIONS = {
    "order_id": "Sure. What is your order number?",
    "city": "For which city?",
    "day": "For which day?",
    "time": "At what time?",
    "party_size": "For how many people?",
    "customer": "What name is the reservation under?",
}
SMALL_TALK = (
    (r"\b(repeat|say that again|pardon)\b", None),  # None: say the last reply again
    (r"\b(good ?bye|bye|that's all)\b", "Thank you for calling Acme. Goodbye!"),
    (r"\b(stop|hold on|wait)\b", "Okay, I'm listening."),
    (r"\b(hello|hi)\b", "Hello! What can I do for you?"),
    (r"^(no|no thank you|no thanks)\b", "All right. Is there anything else?"),
    (r"^(yes|yes please|yeah|okay|sure)\b", "Great. What would you like?"),
    (r"\bthank", "You're welcome. Is there anything else?"),
    (r"\bjoke\b", "I only know about orders, tables and the weather, and none of it is funny."),
)


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


def decide(messages: Sequence[Message], tools: set[str]) -> str | ToolCall:
    """Return what to say next, or the tool to ask for. Pure: reads only the conversation."""
    if messages and messages[-1].role == "tool":
        return _report(messages)
    said = _normalise(_last(messages, "user"))
    intent = _intent_of(said)
    if intent is None and (small := _small_talk(said, messages)):
        return small
    slots = _slots(said)
    if intent is None:
        intent = _open_intent(messages)
        if intent is None or not slots:
            return HELP
        slots = _earlier_slots(messages, intent) | slots
        if intent.tool == "book_table" and _is_booked(messages):
            intent, slots = _correction(messages, slots)
    elif not re.search(r"\bnew\b", said):
        slots = _known_order(messages) | slots if "order_id" in intent.needs else slots
    return _ask_or_call(intent, slots, tools, len(messages))


def _ask_or_call(
    intent: Intent, slots: Mapping[str, Any], tools: set[str], count: int
) -> str | ToolCall:
    if intent.tool not in tools:
        return "I'm sorry, I can't do that on this line."
    missing = [name for name in intent.needs if name not in slots]
    if "order_id" in missing and "email" in slots:
        missing, intent = [], Intent("lookup_order", "", ("email",))
    if missing:
        return QUESTIONS[missing[0]]
    wanted = {*intent.needs, *OPTIONAL.get(intent.tool, ())}
    arguments = {name: value for name, value in slots.items() if name in wanted}
    return ToolCall(f"call_{count}", intent.tool, arguments)


OPTIONAL = {
    "book_table": ("customer",),
    "change_reservation": ("day", "time", "party_size"),
}


def _report(messages: Sequence[Message]) -> str:
    """Put the result of the last tool into words."""
    results = {message.tool_call_id: message.text for message in messages if message.role == "tool"}
    call = next(m for m in reversed(messages) if m.tool_calls).tool_calls[-1]
    return phrase(call.name, call.arguments, json.loads(results[call.id]))


def _last(messages: Sequence[Message], role: str) -> str:
    return next((m.text for m in reversed(messages) if m.role == role and m.text), "")


def _normalise(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[^\w@.':+ ]", " ", text.lower().replace("’", "'"))).strip()


def _intent_of(said: str) -> Intent | None:
    return next((intent for intent in INTENTS if re.search(intent.pattern, said)), None)


def _small_talk(said: str, messages: Sequence[Message]) -> str | None:
    for pattern, answer in SMALL_TALK:
        if re.search(pattern, said) and not _slots(said):
            return answer or _last(messages, "assistant") or HELP
    return None


def _open_intent(messages: Sequence[Message]) -> Intent | None:
    """Return what the conversation was last about."""
    for message in reversed(messages):
        if message.role == "user" and (intent := _intent_of(_normalise(message.text))):
            return intent
    return None


def _earlier_slots(messages: Sequence[Message], intent: Intent) -> dict[str, Any]:
    """Collect what the user has told since the conversation turned to this intent."""
    slots: dict[str, Any] = {}
    for message in reversed(messages[:-1]):
        if message.role != "user":
            continue
        said = _normalise(message.text)
        slots = _slots(said) | slots
        if _intent_of(said) == intent:
            break
    return slots


def _known_order(messages: Sequence[Message]) -> dict[str, Any]:
    """Return the order that the conversation has been about so far, if any."""
    for message in reversed(messages):
        for call in message.tool_calls:
            if "order_id" in call.arguments:
                return {"order_id": call.arguments["order_id"]}
    return {}


def _is_booked(messages: Sequence[Message]) -> bool:
    """Tell whether the last table that was asked for has been booked."""
    calls = {call.id: call for message in messages for call in message.tool_calls}
    done = [m for m in messages if m.role == "tool" and calls[m.tool_call_id].name == "book_table"]
    return bool(done) and "error" not in json.loads(done[-1].text)


def _correction(
    messages: Sequence[Message], slots: Mapping[str, Any]
) -> tuple[Intent, dict[str, Any]]:
    """The table is booked already: what comes now changes that reservation."""
    change = next(intent for intent in INTENTS if intent.tool == "change_reservation")
    new = _slots(_normalise(_last(messages, "user")))
    return change, {"customer": slots.get("customer", "Guest"), **new}


def _slots(said: str) -> dict[str, Any]:
    """Find the values that a sentence names."""
    found = {name: find(said) for name, find in FINDERS.items()}
    return {name: value for name, value in found.items() if value}


def _order_id(said: str) -> str:
    runs = re.sub(r"[.,\- ]+", " ", said).split()
    digits, best = "", ""
    for word in [*runs, ""]:
        piece = DIGITS.get(word, word if word.isdigit() else "")
        digits = digits + piece if piece else ""
        best = digits if len(digits) == 5 else best
    return best


def _email(said: str) -> str:
    spoken = re.sub(r" at (?=[\w ]+( dot |\.))", "@", said)
    match = re.search(r"[\w.+ -]+@[\w. -]+", spoken)
    if not match:
        return ""
    address = re.sub(r"\s*(\bdot\b|\.)\s*", ".", match[0]).strip(" .")
    user, _, host = address.partition("@")
    return f"{user.split()[-1]}@{host.replace(' ', '')}" if user.split() else ""


def _city(said: str) -> str:
    return next((city for city in CITIES if city.lower() in said), "")


def _day(said: str) -> str:
    """Return the last day named: who corrects himself means the last one."""
    days: list[str] = re.findall(rf"\b({'|'.join(DAYS)})\b", said)
    last = days[-1] if days else ""
    return last.capitalize() if last in WEEKDAYS else last


def _time(said: str) -> str:
    number = rf"(\d{{1,2}}|{'|'.join(NUMBERS)})"
    if match := re.search(rf"\bhalf past {number}\b", said):
        return _evening(match[1], "30")
    if match := re.search(rf"\b{number}[: ](\d\d|thirty|fifteen)\b", said):
        return _evening(match[1], {"thirty": "30", "fifteen": "15"}.get(match[2], match[2]))
    match = re.search(rf"\b(?:at|for) {number}(?! (?:people|persons|guests))\b", said)
    return _evening(match[1], "00") if match and "at " in match[0] else ""


def _evening(hour: str, minutes: str) -> str:
    """Tables are booked for the evening: seven is 19:00."""
    value = int(NUMBERS.get(hour, hour))
    return f"{value + 12 if value < 12 else value:02d}:{minutes}"


def _party_size(said: str) -> int:
    number = rf"(\d{{1,2}}|{'|'.join(NUMBERS)})"
    found = re.findall(rf"\b{number} (?:people|persons|guests)\b", said)
    found = found or re.findall(rf"\b(?:table|party) (?:for|of) {number}\b", said)
    return int(NUMBERS.get(found[-1], found[-1])) if found else 0


def _customer(said: str) -> str:
    match = re.search(r"\b(?:name is|name's|under|for mr|for mrs|this is) (\w+)\b", said)
    return match[1].capitalize() if match else ""


FINDERS: dict[str, Callable[[str], Any]] = {
    "order_id": _order_id,
    "email": _email,
    "city": _city,
    "day": _day,
    "time": _time,
    "party_size": _party_size,
    "customer": _customer,
}
