"""What a small model's answer makes the agent do: call a tool, ask for a value, or say something.

The model names a tool and copies the caller's words. Here words become values, by the parsers of
the rules; words that no caller said, or that name no value, are dropped, and what is then missing
is asked for. So a wrong answer can choose a wrong tool or a wrong value of the caller's, and never
a value that neither a caller nor a tool has told.
"""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voxlab.providers.protocols import Message, ToolCall, ToolSpec
from voxlab.providers.rule_based.language_model import HELP as HELP_WITH_THE_SHOP
from voxlab.providers.rule_based.language_model import (
    HINTS,
    OR_A_PERSON,
    QUESTIONS,
    times_asked,
)
from voxlab.providers.rule_based.slots import ANSWERS, FINDERS, digit_runs, find_slots
from voxlab.text import normalise

CHANGES = {"change_reservation"}  # tools of which one optional argument is needed at least
FOR_THE_EVENING = r"\b(?:tables?|reservations?|dinner|restaurant)\b"  # a tool's description
LATE = r"\b2[123][:.]\d\d|(?<!good )\b(?:evening|night|tonight)\b|p\.? ?m\b"
REPLIES = {  # what the model writes, and phrasings of what is said for it
    "hello": ("Hello! What can I do for you?", "Hello again! How can I help?"),
    "goodbye": ("Thank you for calling. Goodbye!",),
    "thanks": ("You're welcome. Is there anything else?", "My pleasure. Anything else?"),
    "cannot": ("I'm sorry, I can't do that on this line.", "I'm afraid that is not possible here."),
    "never mind": ("All right. Is there anything else?", "Okay. Anything else?"),
    "wait": ("Okay, I'm listening.", "Take your time."),
}
OTHER_QUESTIONS = {  # beside the rules' QUESTIONS
    "order_id": ("Could you tell me the order number, please?",),
    "city": ("Which city would you like to know about?",),
    "day": ("Which day would you like?",),
    "time": ("What time would you like?",),
    "party_size": ("How many people will come?",),
    "customer": ("Under which name is the reservation?",),
}
HELP, REPEAT = "help", "repeat"  # these depend on the tools, and on what was said
SHOP, TOLD_AT_MOST = ("lookup_order", "check_shipping", "book_table", "get_weather"), 4
KINDS = (*REPLIES, HELP, REPEAT)


@dataclass(frozen=True, slots=True)
class Ask:
    """A value that has to be asked for before a tool can be called; values: those that are told."""

    tool: str
    name: str
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)


Move = ToolCall | Ask | str  # a kind of reply is a str


def read_answer(answer: str, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Move:
    """Return the move that a model's answer makes: JSON with one tool, or the kind of a reply.

    An answer that is neither counts as `help`.
    """
    kind = answer.strip().strip(".!").lower()
    if kind in KINDS:
        return kind
    try:
        ((name, words),) = json.loads(answer).items()
    except (ValueError, AttributeError):
        return HELP
    return read_call(name, words, messages, tools) if isinstance(words, dict) else HELP


def read_call(
    name: str, words: Mapping[str, Any], messages: Sequence[Message], tools: Sequence[ToolSpec]
) -> Move:
    """Return the move that a call of the model makes; `help` if there is no such tool."""
    spec = next((tool for tool in tools if tool.name == name), None)
    return HELP if spec is None else fill_call(spec, words, messages)


def fill_call(
    spec: ToolSpec, words: Mapping[str, Any], messages: Sequence[Message]
) -> ToolCall | Ask:
    """Return the call with the values that the caller's words name, or what to ask for first."""
    properties: Mapping[str, Any] = spec.parameters.get("properties", {})
    required: Sequence[str] = spec.parameters.get("required", ())
    said = [message.text for message in messages if message.role == "user"]
    is_for_the_evening = re.search(FOR_THE_EVENING, spec.description.lower()) is not None
    values = {}
    for name, schema in properties.items():
        told = str(words.get(name, ""))
        source = next((text for text in said if _is_in(told, text)), None)
        value = read_value(name, schema, told) if told and source is not None else None
        if source is not None and not is_for_the_evening:
            value = _before_noon(value, source)
        if value not in (None, "", 0):
            values[name] = value
    for name in required:  # a guest's number, which the tool gave and no caller said
        if name not in values and (known := _from_results(name, messages)):
            values[name] = known
    missing = [name for name in required if name not in values]
    if not required and properties and not values:
        missing = [next(iter(properties))]
    if spec.name in CHANGES and not missing and not {*values} - {*required}:
        missing = ["change"]
    if missing:
        return Ask(spec.name, missing[0], values)
    return ToolCall(f"call_{len(messages)}", spec.name, values)


def read_value(name: str, schema: Mapping[str, Any], words: str) -> Any:
    """Return the value that words name; None, "" or 0 if they name none.

    name: those of the shop have parsers of their own. schema: of the argument; its type and its
    description tell what is meant.

    >>> read_value("phone", {"description": "six digits"}, "five five oh, one two three")
    '550123'
    >>> read_value("bags", {"type": "integer"}, "two bags"), read_value("dish", {}, "the soup")
    (2, 'the soup')
    """
    told = f"{name} {schema.get('description', '')}".lower()
    if "enum" in schema:
        named = (each for each in schema["enum"] if _is_in(str(each).replace("_", " "), words))
        return max(named, key=lambda each: len(str(each)), default=None)
    said = normalise(words)
    if name not in FINDERS:
        name = next((kind for sign, kind in KINDS_BY_SIGN if re.search(sign, told)), "")
    if schema.get("type") in ("integer", "number") and name != "party_size":
        return ANSWERS["party_size"](said)
    if name == "digits":
        return "".join(digit_runs(said))
    if name in FINDERS:
        return find_slots(said, name).get(name) or (ANSWERS[name](said) if name in ANSWERS else "")
    return words.strip(" .,!?")


KINDS_BY_SIGN = (  # how an argument's name or description tells what it is
    (r"\bdigits?\b|phone|number of the|\bpin\b", "digits"),
    (r"e-?mail", "email"),
    (r"hh:mm|\btime\b", "time"),
    (r"\bday\b|weekday", "day"),
)


def ways_to_reply(
    kind: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
) -> tuple[str, ...]:
    """Return what the agent may say in a plain reply: phrasings that were not its last words.

    >>> ways_to_reply("thanks", [Message("assistant", "My pleasure. Anything else?")], [])
    ("You're welcome. Is there anything else?",)
    >>> ways_to_reply("help", [], [ToolSpec("find", "Find a book."), ToolSpec("end", "End it.")])
    ('Here is what I can do: find a book; end it. What would you like?',)
    """
    last = next((m.text for m in reversed(messages) if m.role == "assistant" and m.text), "")
    if kind == REPEAT and last:
        return (last,)
    if kind in REPLIES:
        return tuple(words for words in REPLIES[kind] if words != last) or REPLIES[kind]
    if {tool.name for tool in tools} >= {*SHOP}:
        return (HELP_WITH_THE_SHOP,)
    does = (re.split(r"[,.]", tool.description)[0].strip() for tool in tools[:TOLD_AT_MOST])
    told = "; ".join(f"{each[:1].lower()}{each[1:]}" for each in does if each)
    return (f"Here is what I can do: {told}. What would you like?" if told else "How can I help?",)


def ways_to_ask(name: str, messages: Sequence[Message] = ()) -> tuple[str, ...]:
    """Return phrasings of the question for a value; other ones when it was just asked.

    >>> ways_to_ask("day")
    ('For which day?', 'Which day would you like?')
    >>> ways_to_ask("bike_number", [Message("assistant", "Please tell me the bike number.")])
    ('I still need the bike number. What is it?',)
    """
    words = name.replace("_", " ")
    rounds: list[tuple[str, ...]]
    if name in QUESTIONS:
        hint = HINTS[name]
        first = QUESTIONS[name], *OTHER_QUESTIONS.get(name, ())
        rounds = [first, (hint,), (f"{hint} {OR_A_PERSON}",)]
    else:
        first = f"What is the {words}, please?", f"Please tell me the {words}."
        rounds = [first, (f"I still need the {words}. What is it?",)]
    asked = times_asked([*itertools.chain(*rounds)], messages)
    return rounds[min(asked, len(rounds) - 1)]


def question(name: str) -> str:
    """Return the first question for a value."""
    return ways_to_ask(name)[0]


def _is_in(words: str, text: str) -> bool:
    """Tell whether a text has these whole words, one after the other."""
    return f" {_comparable(words)} " in f" {_comparable(text)} "


def _comparable(text: str) -> str:
    return " ".join(re.findall(r"\w+", normalise(text)))


def _before_noon(value: Any, said: str) -> Any:
    """Return nine to twelve o'clock as of the morning, where the caller said no evening.

    The parser reads all times for tables. Seven and eight stay in the evening.

    >>> _before_noon("22:30", "At half past ten."), _before_noon("22:30", "At 10:30 p.m.")
    ('10:30', '22:30')
    """
    late = re.fullmatch(r"(2[123])(:\d\d)", str(value))
    if late is None or re.search(LATE, said.lower()):
        return value
    return f"{int(late[1]) - 12:02d}{late[2]}"


def _from_results(name: str, messages: Sequence[Message]) -> Any:
    """Return what the latest tool's result says for a name."""
    for message in reversed(messages):
        if message.role == "tool":
            try:
                result = json.loads(message.text)
            except ValueError:
                continue
            if isinstance(result, dict) and name in result:
                return result[name]
    return None
