"""Acme Corp, the business that our agent works for: its database, its tools, its agent."""

import functools
import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from voxlab import data
from voxlab.agents.pipeline.agent import PipelineAgent
from voxlab.agents.pipeline.options import GREETING, PipelineOptions
from voxlab.agents.tools import Tool, ToolFault, with_faults
from voxlab.providers.protocols import Providers, ToolSpec
from voxlab.turn_taking.manager import TurnOptions

if TYPE_CHECKING:
    from voxlab.agents.realtime.agent import RealtimeAgent
    from voxlab.agents.realtime.connection import Connect
    from voxlab.agents.realtime.settings import RealtimeOptions, RealtimeSettings

TABLE_HINT = "say which weekday, time (24 hour, HH:MM) and how many people"


def shop_agent(
    providers: Providers | None = None,
    options: PipelineOptions | None = None,
    database: sqlite3.Connection | None = None,
    faults: Mapping[str, ToolFault] | None = None,
) -> PipelineAgent:
    """Return Acme's agent on a database of its own.

    providers: the offline engines if None. database: `voxlab.data.shop()` if None. faults: of the
    systems behind the tools, by the tools' names.
    """
    if providers is None:
        from voxlab.providers.offline import offline

        providers = offline()
    tools = with_faults(shop_tools(database or data.shop()), faults or {})
    return PipelineAgent(providers, tools, options)


def fixed_silence_agent(silence_s: float) -> PipelineAgent:
    """Return Acme's agent without a judge of finished sentences: so much silence ends a turn."""
    from voxlab.providers.offline import offline

    turns = TurnOptions(silence_s=silence_s, greeting=GREETING)
    return shop_agent(replace(offline(), end_of_turn=None), PipelineOptions(turns=turns))


def shop_realtime_agent(
    connect: "Connect",
    settings: "RealtimeSettings | None" = None,
    options: "RealtimeOptions | None" = None,
    database: sqlite3.Connection | None = None,
    faults: Mapping[str, ToolFault] | None = None,
) -> "RealtimeAgent":
    """Return Acme's agent behind a realtime connection, the twin of `shop_agent`.

    connect: `in_memory(providers)` of `voxlab.serving.realtime.transport.in_memory` for a session
    of our own, `voxlab.agents.realtime.connection.to_server(base_url)` for a server.
    """
    from voxlab.agents.realtime.agent import RealtimeAgent

    tools = with_faults(shop_tools(database or data.shop()), faults or {})
    return RealtimeAgent(connect, tools, settings, options)


def _text(description: str) -> dict[str, str]:
    return {"type": "string", "description": description}


def _tool(
    function: Callable[..., Any], required: Sequence[str], optional: Sequence[str] = (), **how: Any
) -> Tool:
    """Make a tool of a documented function; every argument is described in ARGUMENTS."""
    description = (function.__doc__ or "").strip().splitlines()[0]
    properties = {name: ARGUMENTS[name] for name in (*required, *optional)}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(ToolSpec(function.__name__, description, parameters), function, **how)


ARGUMENTS: dict[str, dict[str, str]] = {
    "order_id": _text("five digits"),
    "email": _text("the customer's email address"),
    "city": _text("name of a city"),
    "day": _text("a weekday, today, tonight or tomorrow"),
    "time": _text("24 hour, HH:MM"),
    "customer": _text("the name the reservation is under"),
    "party_size": {"type": "integer", "description": "number of people"},
}


def shop_tools(database: sqlite3.Connection) -> list[Tool]:
    """Return the tools of Acme Corp: orders, shipping, returns, reservations, weather, a person.

    database: as `voxlab.data.shop()` makes it; its changes last as long as the connection.
    """
    shop, lock = Shop(database), threading.Lock()
    tools = [
        _tool(shop.lookup_order, (), ("order_id", "email"), only_reads=True),
        _tool(shop.check_shipping, ("order_id",), only_reads=True),
        _tool(shop.return_order, ("order_id",)),
        _tool(shop.book_table, ("day", "time", "party_size"), ("customer",)),
        _tool(shop.change_reservation, ("customer",), ("day", "time", "party_size")),
        _tool(shop.cancel_reservation, ("customer",)),
        _tool(shop.get_weather, ("city", "day"), only_reads=True),
        _tool(shop.talk_to_person, (), latency_s=0.0, ends_call=True),
    ]
    return [replace(tool, function=_alone(tool.function, lock)) for tool in tools]


def _alone(function: Callable[..., Any], lock: threading.Lock) -> Callable[..., Any]:
    """Return a function that waits for the others of its lock.

    Tools run in threads, side by side: their transactions would mix on the one connection.
    """

    @functools.wraps(function)
    def locked(**arguments: Any) -> Any:
        with lock:
            return function(**arguments)

    return locked


def _digits(order_id: object) -> str:
    """Return an order's number without the marks and spaces that people and models put in it."""
    return re.sub(r"[\s#.,-]", "", str(order_id))


def _people(said: Any) -> int:
    try:
        people = int(said)
    except (TypeError, ValueError, OverflowError):
        people = 0
    if people < 1:
        raise ValueError(f"no party of {said!r}: {TABLE_HINT}")
    return people


class Shop:
    """The business behind the tools. Every method returns data for the model to put into words."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.row_factory = sqlite3.Row

    def _rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._database.execute(query, values)]

    def _day(self, said: str) -> str:
        rows = self._rows("SELECT day FROM calendar WHERE said = ?", said)
        if not rows:
            raise ValueError(f"no day {said!r}: {TABLE_HINT}")
        return str(rows[0]["day"])

    def _reservation(self, customer: str) -> dict[str, Any]:
        """Return the latest reservation under a name."""
        rows = self._rows(
            "SELECT * FROM reservations WHERE customer = ? AND status = 'booked' ORDER BY id DESC",
            customer,
        )
        if not rows:
            raise ValueError(f"no reservation under the name {customer}")
        return rows[0]

    def _free_table(self, day: str, time: str, party_size: int) -> dict[str, Any]:
        """Return the smallest free table, or raise ValueError saying when there is one."""
        free = self._rows(
            """SELECT slots.time, tables.id FROM slots JOIN tables ON seats >= ?
               WHERE slots.day = ? AND NOT EXISTS (
                   SELECT 1 FROM reservations AS r WHERE r.table_id = tables.id
                   AND r.day = slots.day AND r.time = slots.time AND r.status = 'booked')
               ORDER BY seats, tables.id""",
            party_size,
            day,
        )
        for table in free:
            if table["time"] == time:
                return table
        times = sorted({table["time"] for table in free})
        raise ValueError(
            f"no table on {day} at {time}; free on {day}: {', '.join(times) or 'none'}"
        )

    def lookup_order(self, order_id: str = "", email: str = "") -> dict[str, Any]:
        """Look up an order by its id, or by the email of the customer."""
        column, value = ("id", _digits(order_id)) if order_id else ("email", email)
        rows = self._rows(f"SELECT * FROM orders WHERE {column} = ? ORDER BY id DESC", value)
        if not rows:
            raise ValueError(f"no order found for {value or 'nothing given'}")
        return rows[0]

    def check_shipping(self, order_id: str) -> dict[str, Any]:
        """Check where an order is, with carrier, tracking number and expected arrival."""
        order = self.lookup_order(order_id)
        rows = self._rows("SELECT * FROM shipping WHERE order_id = ?", order["id"])
        return (
            rows[0] if rows else {"order_id": order["id"], "status": order["status"], "eta": None}
        )

    def return_order(self, order_id: str) -> dict[str, Any]:
        """Start the return of a delivered order."""
        order = self.lookup_order(order_id)
        if order["status"] != "delivered":
            raise ValueError(f"order {order['id']} is {order['status']}, not delivered")
        with self._database:
            self._database.execute(
                "UPDATE orders SET status = 'returned' WHERE id = ?", [order["id"]]
            )
        return {"order_id": order["id"], "status": "returned", "refund": order["total"]}

    def book_table(
        self, day: str, time: str, party_size: int, customer: str = ""
    ) -> dict[str, Any]:
        """Book a table at the restaurant.

        Without a customer's name the guest gets a number, which the result tells.
        """
        weekday, people = self._day(day), _people(party_size)
        table = self._free_table(weekday, time, people)
        with self._database:
            row = self._database.execute(
                "INSERT INTO reservations (customer, day, time, party_size, table_id, status) "
                "VALUES (?, ?, ?, ?, ?, 'booked')",
                [customer, weekday, time, people, table["id"]],
            )
            customer = customer or f"Guest {row.lastrowid}"
            self._database.execute(
                "UPDATE reservations SET customer = ? WHERE id = ?", [customer, row.lastrowid]
            )
        return {"day": weekday, "time": time, "party_size": people, "customer": customer}

    def change_reservation(
        self, customer: str, day: str = "", time: str = "", party_size: int | None = None
    ) -> dict[str, Any]:
        """Change the day, time or number of people of a reservation."""
        old = self._reservation(customer)
        if not (day or time or party_size):
            raise ValueError("nothing to change: say a new day, time or number of people")
        people = old["party_size"] if party_size is None else party_size
        with self._database:  # rolls back, so that the old table is kept when no other is free
            self._database.execute(
                "UPDATE reservations SET status = 'cancelled' WHERE id = ?", [old["id"]]
            )
            return self.book_table(day or old["day"], time or old["time"], people, old["customer"])

    def cancel_reservation(self, customer: str) -> dict[str, Any]:
        """Cancel a reservation."""
        old = self._reservation(customer)
        with self._database:
            self._database.execute(
                "UPDATE reservations SET status = 'cancelled' WHERE id = ?", [old["id"]]
            )
        return {"customer": customer, "day": old["day"], "time": old["time"], "status": "cancelled"}

    def get_weather(self, city: str, day: str) -> dict[str, Any]:
        """Get the weather forecast of a city for a day."""
        weekday = self._day(day)
        rows = self._rows("SELECT * FROM weather WHERE city = ? AND day = ?", city, weekday)
        if not rows:
            raise ValueError(f"no forecast for {city} on {weekday}")
        return {**rows[0], "said_day": day}

    def talk_to_person(self) -> dict[str, Any]:
        """Hand the caller over to a person."""
        return {"queue": "service", "status": "connecting"}
