"""How a tool's result is put into spoken words: the rules say the first of several phrasings."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Result = Mapping[str, Any]
IS_RIGHT = "is that right?"


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a result: its values in spoken words, and sentences that hold all of them.

    ways: sentences with a {name} for each value.
    """

    ways: tuple[str, ...]
    values: Result = field(default_factory=dict)


def phrase(tool: str, arguments: Result, result: Result) -> str:
    """Return one or two spoken sentences for a tool's result, or for its error.

    >>> phrase("check_shipping", {}, {"order_id": "70316", "status": "processing", "eta": None})
    'Order 7 0 3 1 6 is still processing. It has not been shipped yet.'
    >>> phrase("get_weather", {}, {"sky": "clear", "high_c": 21})
    'Here is what I found: sky clear, high c 21.'
    """
    return phrasings(tool, arguments, result)[0]


def phrasings(tool: str, arguments: Result, result: Result) -> tuple[str, ...]:
    """Return all ways to say what `phrase` says: other words, the same values.

    >>> phrasings("cancel_reservation", {}, {"day": "Friday", "time": "19:30"})[2]
    'I have cancelled the reservation on Friday at 7 30.'
    """
    told = tell(tool, arguments, result)
    return tuple(way.format(**told.values) for way in told.ways)


def tell(tool: str, arguments: Result, result: Result) -> Told:
    """Return what is told of a tool's result, or of its error."""
    if "error" in result:
        return _error(tool, arguments, str(result["error"]))
    words = PHRASES.get(tool)
    try:
        return words(result) if words else Told(("That is done.",))
    except (KeyError, TypeError, ValueError, AttributeError):  # a tool of that name, not the shop's
        return Told(("{found}",), {"found": list_found(result)})


def list_found(result: Result) -> str:
    """Return a sentence with every name and value of a result.

    >>> list_found({"sky": "clear", "high_c": 21})
    'Here is what I found: sky clear, high c 21.'
    """
    found = (f"{name.replace('_', ' ')} {value}" for name, value in result.items())
    return f"Here is what I found: {', '.join(found)}."


def read_back(values: Result) -> str:
    """Return the question whether values are right that a tool is to write.

    >>> read_back({"day": "Friday", "time": "19:30", "party_size": 3})
    'For 3 people, on Friday, at 7 30: is that right?'
    """
    words: dict[str, Callable[[Any], str]] = {
        "order_id": lambda value: f"order {_spelled(value)}",
        "customer": lambda value: f"the reservation under {value}",
        "party_size": lambda value: f"for {_people(value)}",
        "day": _when,
        "time": lambda value: f"at {_hour(value)}",
    }
    told = ", ".join(say(values[name]) for name, say in words.items() if name in values)
    return f"{told[:1].upper()}{told[1:]}: {IS_RIGHT}"


def _spelled(order_id: str) -> str:
    return " ".join(order_id)


def _hour(time: str) -> str:
    hour, minute = (int(part) for part in time.split(":"))
    spoken = str(hour - 12 if hour > 12 else hour)
    return f"{spoken} {minute:02d}" if minute else f"{spoken} o'clock"


def _dollars(amount: float) -> str:
    whole, cents = divmod(round(amount * 100), 100)
    return f"{whole} dollars" + (f" and {cents} cents" if cents else "")


def _people(count: int) -> str:
    return f"{count} people" if count > 1 else "one person"


def _order(result: Result) -> Told:
    count = result["item_count"]
    values = {
        "order": _spelled(result["id"]),
        "status": result["status"],
        "items": f"{count} items" if count > 1 else "one item",
        "total": _dollars(result["total"]),
    }
    ways = (
        "Order {order} is {status}. It has {items}, for a total of {total}.",
        "Your order {order} is {status}. It has {items}, for a total of {total}.",
        "I found it: order {order} is {status}. It has {items}, for a total of {total}.",
    )
    return Told(ways, values)


def _shipping(result: Result) -> Told:
    values = {"order": _spelled(result["order_id"])}
    if not result.get("carrier"):
        values |= {"status": result["status"]}
        if result["status"] != "processing":
            return Told(_your_order("is {status}."), values)
        return Told(_your_order("is still {status}. It has not been shipped yet."), values)
    values |= {"carrier": result["carrier"], "tracking": " ".join(result["tracking_number"])}
    tracking = "The tracking number is {tracking}."
    if result["status"] == "delivered":
        values |= {"when": result["eta"]}
        return Told(_your_order(f"was delivered {{when}} by {{carrier}}. {tracking}"), values)
    values |= {"when": _when(result["eta"])}
    state = "is delayed" if result["status"] == "delayed" else "is on its way"
    return Told(_your_order(f"{state} with {{carrier}} and arrives {{when}}. {tracking}"), values)


def _your_order(rest: str) -> tuple[str, ...]:
    return tuple(
        f"{start} {{order}} {rest}" for start in ("Order", "Your order", "I found it: order")
    )


def _when(eta: str) -> str:
    return f"on {eta}" if eta.endswith("day") and " " not in eta and eta != "today" else eta


def _return(result: Result) -> Told:
    ways = (
        "The return of order {order} is registered. You will get {refund} back.",
        "I have registered the return of order {order}. You will get {refund} back.",
    )
    order, refund = _spelled(result["order_id"]), _dollars(result["refund"])
    return Told(ways, {"order": order, "refund": refund})


def _booked(result: Result) -> Told:
    ways = (
        "Your table for {people} is booked on {day} at {time}. See you then!",
        "I have booked a table for {people} on {day} at {time}. See you then!",
        "All right, a table for {people} is booked on {day} at {time}. See you then!",
    )
    people, time = _people(result["party_size"]), _hour(result["time"])
    return Told(ways, {"people": people, "day": result["day"], "time": time})


def _cancelled(result: Result) -> Told:
    ways = (
        "The reservation on {day} at {time} is cancelled.",
        "Your reservation on {day} at {time} is cancelled.",
        "I have cancelled the reservation on {day} at {time}.",
    )
    return Told(ways, {"day": result["day"], "time": _hour(result["time"])})


def _weather(result: Result) -> Told:
    day = result["said_day"]
    values = {
        "city": result["city"],
        "when": day if day in ("today", "tonight", "tomorrow") else f"on {day}",
        "forecast": result["forecast"],
        "degrees": result["temperature_c"],
    }
    rest = "{when} is {forecast}, with {degrees} degrees Celsius."
    return Told((f"In {{city}} the forecast {rest}", f"The forecast for {{city}} {rest}"), values)


def _person(result: Result) -> Told:
    ways = (
        "Of course. I am connecting you with a colleague now.",
        "Sure. I am connecting you with a colleague now.",
    )
    return Told(ways)


PHRASES: dict[str, Callable[[Result], Told]] = {
    "lookup_order": _order,
    "check_shipping": _shipping,
    "return_order": _return,
    "book_table": _booked,
    "change_reservation": _booked,
    "cancel_reservation": _cancelled,
    "get_weather": _weather,
    "talk_to_person": _person,
}


def _error(tool: str, arguments: Result, error: str) -> Told:
    if error.startswith("no order found"):
        number = arguments.get("order_id")
        asked = f" {_spelled(number)}" if number else " for that email address"
        ways = (
            "I can't find an order{asked}. Could you check the number?",
            "I'm sorry, I see no order{asked}. Could you check the number?",
        )
        return Told(ways, {"asked": asked})
    if error.startswith("no table"):
        free = error.partition(": ")[2]
        times = [_hour(t) for t in free.split(", ") if ":" in t]
        if times:
            ways = (
                "I'm sorry, we have no table then. There is one at {times}.",
                "We have no table then, I'm afraid. There is one at {times}.",
            )
            return Told(ways, {"times": " or ".join(times)})
        ways = (
            "I'm sorry, we have no table for you on that day. Would another day work?",
            "We have no table for you on that day, I'm afraid. Would another day work?",
        )
        return Told(ways)
    if error.startswith("no reservation"):
        ways = ("I can't find a reservation {whose}.", "I'm sorry, I see no reservation {whose}.")
        return Told(ways, {"whose": error.removeprefix("no reservation ")})
    if error.startswith("no forecast"):
        return Told(("I have no forecast for that. I know the weather up to Friday.",))
    if match := re.search(r"is (\w+), not delivered", error):
        ways = (
            "That order is {status}. Only a delivered order can be returned.",
            "I'm sorry, that order is {status}. Only a delivered order can be returned.",
        )
        return Told(ways, {"status": match[1]})
    return Told(("I'm sorry, the system does not answer at the moment. Please try again later.",))
