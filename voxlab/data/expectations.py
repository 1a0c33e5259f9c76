"""What should come of a call: what the agent hears, says and does, and what the shop holds then.

    expect:
      says: [shipped, Friday | on its way]     # each is said, in one of its wordings
      never_says: [delivered]
      calls:                                   # in this order; reading calls may come between
        - lookup_order | check_shipping: {order_id: "12345"}
      never_calls: [book_table]
      shop: unchanged                          # or what is different, see `_parse_shop`
      means: {uh: backchannel}                 # of the lines that do not take the floor
      ends: the caller hangs up                # or one of ENDS

The words to be recognised are those of the caller's lines that take the floor. An expectation is
what a good agent does, whatever ours does; `agents.suite` tries it on the shop.
"""

import re
import reprlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from voxlab.data.yaml_files import check_keys
from voxlab.errors import DataError
from voxlab.text import spoken_words
from voxlab.timeline import Call

KEYS = ("says", "never_says", "calls", "never_calls", "shop", "means", "ends")
SHOP_KEYS = ("orders", "booked", "cancelled")
TABLE_KEYS = ("day", "time", "party_size", "customer")
ENDS = {  # how a call may end: how its last event begins to tell why
    "the caller hangs up": "the caller hung up",
    "the caller gives up": "the caller gave up",
    "the agent hands over": "the agent handed the caller over",
}
HANGS_UP, HANDS_OVER = "the caller hangs up", "the agent hands over"
A_PERSON = "talk_to_person"
GUEST = r"Guest \d+"  # who books without a name


class Kind(StrEnum):
    """What a sound of the caller was meant as."""

    REQUEST = "request"  # takes the floor: a question, an answer, a correction, "stop"
    BACKCHANNEL = "backchannel"  # "uh huh": the agent goes on
    NOISE = "noise"  # a cough, a second voice in the room: the agent goes on


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """A tool call: one of these names, with these arguments at least."""

    names: tuple[str, ...]
    arguments: Mapping[str, Any]

    def is_met_by(self, name: str, arguments: Mapping[str, Any]) -> bool:
        """Tell whether a tool call is this one; "Order 123-45" and "order 12345" are the same."""
        same = (
            _letters(arguments.get(key)) == _letters(value) for key, value in self.arguments.items()
        )
        return name in self.names and all(same)

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{' or '.join(self.names)}({arguments})"


@dataclass(frozen=True, order=True, slots=True)
class Booking:
    """A table that is booked; a guest without a name has none."""

    day: str
    time: str
    party_size: int
    customer: str = ""

    def __str__(self) -> str:
        who = self.customer or "a guest"
        return f"a table for {self.party_size} on {self.day} at {self.time}, for {who}"


@dataclass(frozen=True, slots=True)
class ShopState:
    """What the shop's owner cares about: the orders' states, and the tables that are booked.

    How an agent came there does not count: booked anew or changed, which table, which number.
    """

    orders: Mapping[str, str]
    booked: tuple[Booking, ...]

    @staticmethod
    def of(database: sqlite3.Connection) -> "ShopState":
        """Read a shop's database, as `voxlab.data.shop` makes it."""
        orders = database.execute("SELECT id, status FROM orders ORDER BY id")
        booked = database.execute(
            "SELECT day, time, party_size, customer FROM reservations WHERE status = 'booked'"
        )
        tables = (
            Booking(day, time, size, "" if re.fullmatch(GUEST, who) else who)
            for day, time, size, who in map(tuple, booked)
        )
        return ShopState(dict(map(tuple, orders)), tuple(sorted(tables)))

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "ShopState":
        """Return a shop that another process has told as plain data."""
        booked = (Booking(**each) for each in plain["booked"])
        return ShopState(plain["orders"], tuple(booked))

    def differences(self, wanted: "ShopState") -> list[str]:
        """Return in words how this shop is another one than is wanted."""
        orders = [
            f"order {id} is {self.orders[id]}, not {status}"
            for id, status in wanted.orders.items()
            if self.orders[id] != status
        ]
        missing, added = [*wanted.booked], []
        for booking in self.booked:
            if booking in missing:
                missing.remove(booking)
            else:
                added.append(booking)
        return [
            *orders,
            *(f"{booking} should be booked" for booking in missing),
            *(f"{booking} should not be booked" for booking in added),
        ]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should come of a call. See the module's docstring.

    says: for each thing that must be said, the wordings that will do. kinds: of the lines, by id.
    """

    shop: ShopState
    says: tuple[tuple[str, ...], ...] = ()
    never_says: tuple[str, ...] = ()
    calls: tuple[ExpectedCall, ...] = ()
    never_calls: tuple[ExpectedCall, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    ends: str = HANGS_UP


@dataclass(frozen=True, slots=True)
class HeldScript:
    """What came of a suite's script: the call, and what the shop holds after it."""

    name: str
    expect: Expectation
    call: Call
    shop: ShopState


def says(said: str, wordings: Sequence[str]) -> bool:
    """Tell whether one of the wordings is said in a text, word by word as they sound.

    >>> says("It costs $12.50.", ["12 dollars and 50 cents"])
    True
    """
    spoken = f" {' '.join(spoken_words(said))} "
    return any(f" {' '.join(spoken_words(wording))} " in spoken for wording in wordings)


def split_wordings(text: object) -> tuple[str, ...]:
    """Return the wordings of "18 | six"."""
    return tuple(part.strip() for part in str(text).split("|"))


# --- reading -------------------------------------------------------------------------------


def parse_expectation(
    entry: Any, lines: Sequence[str], database: sqlite3.Connection
) -> Expectation:
    """Make an expectation of plain data. lines: ids of the script; database: the shop before.

    Raises DataError for what cannot be understood, and for what cannot be met because two parts
    contradict each other.
    """
    check_keys(entry, KEYS, "expect")
    if "shop" not in entry:
        raise DataError("expect: needs `shop`: unchanged, or what is different after the call")
    expected = Expectation(
        shop=_parse_shop(entry["shop"], ShopState.of(database)),
        says=tuple(map(split_wordings, _list(entry, "says"))),
        never_says=tuple(map(str, _list(entry, "never_says"))),
        calls=tuple(_calls(entry, "calls")),
        never_calls=tuple(_calls(entry, "never_calls")),
        kinds=_kinds(entry.get("means") or {}, lines),
        ends=str(entry.get("ends", HANGS_UP)),
    )
    _refuse_contradictions(expected)
    return expected


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    value = entry.get(key) or []
    if not isinstance(value, list):
        raise DataError(f"expect: {key} is {reprlib.repr(value)}, needs a list: [...]")
    return value


def _calls(entry: Mapping[str, Any], key: str) -> Iterator[ExpectedCall]:
    for call in _list(entry, key):
        if isinstance(call, str):
            yield ExpectedCall(split_wordings(call), {})
        elif isinstance(call, dict) and len(call) == 1:
            ((names, arguments),) = call.items()
            if not isinstance(arguments, dict):
                raise DataError(f"expect: {key}: {names} needs arguments, such as {{day: Friday}}")
            yield ExpectedCall(split_wordings(names), arguments)
        else:
            raise DataError(f"expect: {key}: got {reprlib.repr(call)}, needs TOOL: {{arguments}}")


def _kinds(entry: Any, lines: Sequence[str]) -> dict[str, Kind]:
    check_keys(entry, lines, "expect: means")
    for line, kind in entry.items():
        if kind not in [*Kind]:
            raise DataError(f"expect: means: {line} is {kind!r}, needs one of {', '.join(Kind)}")
    return {line: Kind(kind) for line, kind in entry.items()}


def _parse_shop(entry: Any, before: ShopState) -> ShopState:
    """Return the shop after the call, of "unchanged" or of what is different.

    {orders: {"70316": returned}, booked: [{day: Friday, time: "19:00", party_size: 4}],
    cancelled: [Morgan]}
    """
    if entry == "unchanged":
        return before
    check_keys(entry, SHOP_KEYS, "expect: shop")
    orders = {**before.orders}
    for id, status in (entry.get("orders") or {}).items():
        if str(id) not in orders:
            raise DataError(f"expect: shop: no order {id!r} (write its digits in quotes)")
        if orders[str(id)] == status:
            raise DataError(f"expect: shop: order {id} is {status} before the call: leave it out")
        orders[str(id)] = str(status)
    booked = [*before.booked]
    for customer in entry.get("cancelled") or []:
        theirs = [booking for booking in booked if booking.customer == customer]
        if not theirs:
            raise DataError(f"expect: shop: no table is booked for {customer!r} before the call")
        booked.remove(theirs[-1])
    for table in entry.get("booked") or []:
        check_keys(table, TABLE_KEYS, "expect: shop: booked")
        try:
            booked.append(Booking(**table))
        except TypeError as error:
            raise DataError("expect: shop: a table booked needs day, time, party_size") from error
    return ShopState(orders, tuple(sorted(booked)))


def _refuse_contradictions(expected: Expectation) -> None:
    for wordings in expected.says:
        for never in expected.never_says:
            if all(says(wording, [never]) for wording in wordings):
                told = " | ".join(wordings)
                raise DataError(f"expect: contradiction: {told!r} has to be said, {never!r} never")
    for call in expected.calls:
        for banned in expected.never_calls:
            if all(banned.is_met_by(name, call.arguments) for name in call.names):
                raise DataError(f"expect: contradiction: {call} is to be called, {banned} never")
    if expected.ends not in ENDS:
        raise DataError(f"expect: ends is {expected.ends!r}, needs one of {', '.join(ENDS)}")
    asks = any(A_PERSON in call.names for call in expected.calls)
    if asks != (expected.ends == HANDS_OVER):
        raise DataError(
            f"expect: contradiction: {A_PERSON} is {'' if asks else 'not '}called, and "
            f"{expected.ends}: a call that is handed over has both"
        )


def _letters(value: object) -> str:
    return re.sub(r"\W", "", str(value)).casefold()
