"""The tools that dialogues for training are about: Acme's, and those of many other trades."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from voxlab.providers.protocols import ToolSpec
from voxlab.providers.rule_based.language_model import QUESTIONS
from voxlab.providers.rule_based.phrases import phrase
from voxlab.providers.smollm.dialogues import Trade, phrases
from voxlab.providers.smollm.moves import question

SHOP_KINDS = {  # of the arguments of Acme's tools
    "order_id": "digits5",
    "email": "email",
    "city": "shop_city",
    "day": "day",
    "time": "time",
    "customer": "surname",
    "party_size": "people",
}
SHOP_ARGUMENTS = {  # (needed, optional), as the shop's tools have them
    "lookup_order": ((), ("order_id", "email")),
    "check_shipping": (("order_id",), ()),
    "return_order": (("order_id",), ()),
    "book_table": (("day", "time", "party_size"), ("customer",)),
    "change_reservation": (("customer",), ("day", "time", "party_size")),
    "cancel_reservation": (("customer",), ()),
    "get_weather": (("city", "day"), ()),
    "talk_to_person": ((), ()),
}
DOES = {  # the first line of each function of the shop
    "lookup_order": "Look up an order by its id, or by the email of the customer.",
    "check_shipping": (
        "Check where an order is, with carrier, tracking number and expected arrival."
    ),
    "return_order": "Start the return of a delivered order.",
    "book_table": "Book a table at the restaurant.",
    "change_reservation": "Change the day, time or number of people of a reservation.",
    "cancel_reservation": "Cancel a reservation.",
    "get_weather": "Get the weather forecast of a city for a day.",
    "talk_to_person": "Hand the caller over to a person.",
}


SMALL_WORDS = {
    *("a", "an", "the", "of", "for", "to", "in", "on", "at", "by", "with", "from", "and", "or"),
    *("as", "that", "is", "are", "was", "its", "it"),
}
VAGUE_NAMES = ("what", "which", "item", "name", "target", "wanted")  # of things
OTHER_NAMES = {  # of arguments that are no things, by kind
    "day": ("day", "date_wanted", "when", "on", "visit_day"),
    "time": ("time", "at", "start_time", "hour"),
    "digits": ("number", "id", "code", "reference", "account"),
    "phone": ("phone", "phone_number", "callback_number", "mobile"),
    "count": ("count", "how_many", "quantity", "number_of"),
    "people": ("people", "guests", "how_many", "persons"),
    "money": ("amount", "sum", "price", "limit"),
    "email": ("email", "mail_to", "email_address"),
    "surname": ("name", "last_name", "who", "family_name"),
    "first_name": ("name", "person", "who", "recipient"),
    "city": ("city", "place", "town", "destination"),
    "address": ("address", "where", "street", "location"),
}


@cache
def shop() -> Trade:
    """Return Acme's tools, and what callers say for them."""
    specs = {
        name: _spec(name, DOES[name], {each: SHOP_KINDS[each] for each in (*needs, *may)}, needs)
        for name, (needs, may) in SHOP_ARGUMENTS.items()
    }
    kinds = {
        name: {each: SHOP_KINDS[each] for each in (*needs, *may)}
        for name, (needs, may) in SHOP_ARGUMENTS.items()
    }
    return Trade(specs, kinds, phrases("training_shop")["wishes"])


@cache
def others() -> Mapping[str, Any]:
    """Return the tools of other trades: training_tools.yaml, then training_things.yaml."""
    return {**phrases("training_tools"), **phrases("training_things")}


def other_trade(rng: np.random.Generator, names: Sequence[str], renamed: float = 0.0) -> Trade:
    """Return the tools of some of the other trades; descriptions are drawn.

    renamed: how likely a tool, or an argument, has another name than in the file.
    """
    specs, kinds, says = dict[str, ToolSpec](), {}, {}
    for trade in names:
        for name, tool in others()[trade].items():
            drawn = int(rng.integers(len(tool["does"])))
            does = tool["does"][drawn] + ("." if rng.random() < 0.5 else "")
            arguments = {each.rstrip("?"): kind for each, kind in tool["args"].items()}
            needs = [each for each in tool["args"] if not each.endswith("?")]
            called = name
            if rng.random() < renamed:  # after the other description, in other words
                other = _name_after(tool["does"][drawn - 1], rng)
                taken = {*others()[trade], *(each.name for each in specs.values())}
                called = name if other in taken else other
            shown = _argument_names(arguments, renamed, rng)
            known_as = {shown[each]: kind for each, kind in arguments.items()}
            specs[name] = _spec(called, does, known_as, [shown[each] for each in needs])
            kinds[name], says[name] = arguments, tool["says"]
    return Trade(specs, kinds, says)


def _argument_names(
    kinds: Mapping[str, str], renamed: float, rng: np.random.Generator
) -> dict[str, str]:
    """Return a name for each of a tool's arguments, its own or another. kinds: of each."""
    shown = {each: each for each in kinds}
    for each, kind in kinds.items():
        other = _argument_name(kind, rng)
        if rng.random() < renamed and other not in shown.values():
            shown[each] = other
    return shown


def _name_after(does: str, rng: np.random.Generator) -> str:
    """Return a name for a tool: the first words of what it does, the small ones left out."""
    words = [word for word in re.findall("[a-z]+", does.lower()) if word not in SMALL_WORDS]
    return "_".join(words[: int(rng.integers(2, 4))])


def _argument_name(kind: str, rng: np.random.Generator) -> str:
    """Draw a name for an argument: of its kind, or one that tells little."""
    names = (*OTHER_NAMES.get(re.sub(r"\d", "", kind), (kind, f"{kind}_name", *VAGUE_NAMES)),)
    return names[int(rng.integers(len(names)))]


def draw_names(rng: np.random.Generator, count: int, without: Sequence[str] = ()) -> list[str]:
    """Draw some trades' names: half of the time of those alone whose tools are about things."""
    pool = phrases("training_things") if rng.random() < 0.5 else others()
    names = [name for name in pool if name not in without]
    return [str(name) for name in rng.choice(names, count, replace=False)]


def instructions_for(names: Sequence[str], rng: np.random.Generator) -> str:
    """Return what such an agent may be told; "" for nothing."""
    trade = names[0].replace("_", " ")
    ways = (
        *("", "Be brief.", "You answer the telephone.", f"You are the voice agent of a {trade}."),
        f"You help callers of a {trade}. Answer in one or two short spoken sentences.",
    )
    return ways[int(rng.integers(len(ways)))]


def ask(name: str, rng: np.random.Generator) -> str:
    """Return a question for a value, as the agent or another one would ask it."""
    if name in QUESTIONS or rng.random() < 0.6:
        return question(name)
    words = name.replace("_", " ")
    ways = (f"Which {words}?", f"And the {words}?", f"Please tell me the {words}.")
    return ways[int(rng.integers(len(ways)))]


def tell(tool: str, arguments: Mapping[str, Any], rng: np.random.Generator) -> tuple[str, bool]:
    """Return what the agent says of a tool's result, and whether it went wrong.

    The shop's results are made up, and put into words as in a call.
    """
    draw = int(rng.integers(1000))
    if tool in SHOP_RESULTS and rng.random() < 0.25:
        errors = {
            "order_id": f"no order found for {arguments.get('order_id')}",
            "time": f"no table on Friday at {arguments.get('time')}; free on Friday: 18:00, 20:30",
            "customer": f"no reservation under the name {arguments.get('customer')}",
            "city": "no forecast for it",
        }
        wrong = [error for name, error in errors.items() if name in arguments]
        if wrong:
            return phrase(tool, arguments, {"error": wrong[0]}), True
    if tool in SHOP_RESULTS:
        return phrase(
            tool, arguments, SHOP_RESULTS[tool] | dict(arguments) | {"id": "48213"}
        ), False
    ways = ("That is done.", "Done.", "Here is what I found: 3.", f"I found {draw}.", "All right.")
    return ways[int(rng.integers(len(ways)))], False


SHOP_RESULTS: dict[str, dict[str, Any]] = {
    "lookup_order": {"status": "shipped", "total": 59.5, "item_count": 2},
    "check_shipping": {"status": "in transit", "carrier": "Blue Van", "eta": "Friday"}
    | {"tracking_number": "BV91"},
    "return_order": {"refund": 64.0},
    "book_table": {},
    "change_reservation": {"day": "Friday", "time": "19:00", "party_size": 4},
    "cancel_reservation": {"day": "Friday", "time": "19:00"},
    "get_weather": {"forecast": "sunny", "temperature_c": 21, "said_day": "Friday"},
    "talk_to_person": {},
}


def _spec(name: str, does: str, kinds: Mapping[str, str], needs: Sequence[str]) -> ToolSpec:
    properties = {each: _schema(each, kind) for each, kind in kinds.items()}
    return ToolSpec(
        name, does, {"type": "object", "properties": properties, "required": list(needs)}
    )


def _schema(name: str, kind: str) -> dict[str, str]:
    if kind in ("count", "people"):
        return {"type": "integer", "description": "number of people"}
    if kind == "time":
        return {"type": "string", "description": "24 hour, HH:MM"}
    digits = re.fullmatch(r"digits(\d)|phone", kind)
    return {"type": "string", "description": "digits" if digits else kind.replace("_", " ")}
