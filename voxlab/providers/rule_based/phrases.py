"""How the rule-based model puts the result of a tool into spoken words."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Result = Mapping[str, Any]
IS_RIGHT = "is that right?"


def phrase(tool: str, arguments: Result, result: Result) -> str:
    """Return one or two spoken sentences for a tool's result, or for its error.

    >>> phrase("check_shipping", {}, {"order_id": "70316", "status": "processing", "eta": None})
    'Order 7 0 3 1 6 is still processing. It has not been shipped yet.'
    >>> phrase("get_weather", {}, {"sky": "clear", "high_c": 21})
    'Here is what I found: sky clear, high c 21.'
    """
    if "error" in result:
        return _error(tool, arguments, str(result["error"]))
    words = PHRASES.get(tool)
    try:
        return words(result) if words else "That is done."
    except (KeyError, TypeError, ValueError, AttributeError):  # a tool of that name, not the shop's
        return list_found(result)


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


def _order(result: Result) -> str:
    count = result["item_count"]
    items = f"{count} items" if count > 1 else "one item"
    return (
        f"Order {_spelled(result['id'])} is {result['status']}. "
        f"It has {items}, for a total of {_dollars(result['total'])}."
    )


def _shipping(result: Result) -> str:
    order = f"Order {_spelled(result['order_id'])}"
    if not result.get("carrier"):
        if result["status"] != "processing":
            return f"{order} is {result['status']}."
        return f"{order} is still processing. It has not been shipped yet."
    tracking = f"The tracking number is {' '.join(result['tracking_number'])}."
    if result["status"] == "delivered":
        return f"{order} was delivered {result['eta']} by {result['carrier']}. {tracking}"
    late = "is delayed" if result["status"] == "delayed" else "is on its way"
    return f"{order} {late} with {result['carrier']} and arrives {_when(result['eta'])}. {tracking}"


def _when(eta: str) -> str:
    return f"on {eta}" if eta.endswith("day") and " " not in eta and eta != "today" else eta


def _return(result: Result) -> str:
    order, refund = _spelled(result["order_id"]), _dollars(result["refund"])
    return f"The return of order {order} is registered. You will get {refund} back."


def _booked(result: Result) -> str:
    people, time = _people(result["party_size"]), _hour(result["time"])
    return f"Your table for {people} is booked on {result['day']} at {time}. See you then!"


def _cancelled(result: Result) -> str:
    return f"The reservation on {result['day']} at {_hour(result['time'])} is cancelled."


def _weather(result: Result) -> str:
    day, degrees = result["said_day"], result["temperature_c"]
    when = day if day in ("today", "tonight", "tomorrow") else f"on {day}"
    return (
        f"In {result['city']} the forecast {when} is {result['forecast']}, "
        f"with {degrees} degrees Celsius."
    )


def _person(result: Result) -> str:
    return "Of course. I am connecting you with a colleague now."


PHRASES: dict[str, Callable[[Result], str]] = {
    "lookup_order": _order,
    "check_shipping": _shipping,
    "return_order": _return,
    "book_table": _booked,
    "change_reservation": _booked,
    "cancel_reservation": _cancelled,
    "get_weather": _weather,
    "talk_to_person": _person,
}


def _error(tool: str, arguments: Result, error: str) -> str:
    if error.startswith("no order found"):
        number = arguments.get("order_id")
        asked = f" {_spelled(number)}" if number else " for that email address"
        return f"I can't find an order{asked}. Could you check the number?"
    if error.startswith("no table"):
        free = error.partition(": ")[2]
        times = [_hour(t) for t in free.split(", ") if ":" in t]
        if times:
            return f"I'm sorry, we have no table then. There is one at {' or '.join(times)}."
        return "I'm sorry, we have no table for you on that day. Would another day work?"
    if error.startswith("no reservation"):
        return f"I can't find a reservation {error.removeprefix('no reservation ')}."
    if error.startswith("no forecast"):
        return "I have no forecast for that. I know the weather up to Friday."
    if match := re.search(r"is (\w+), not delivered", error):
        return f"That order is {match[1]}. Only a delivered order can be returned."
    return "I'm sorry, the system does not answer at the moment. Please try again later."
