"""The shop's tools, against the real database: what they find, change and refuse."""

import asyncio
import functools
import json
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxlab import data
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.agents.shop import Shop, fixed_silence_agent, shop_agent, shop_tools
from voxlab.agents.tools import Toolbox
from voxlab.clock import run_blocking, run_real, run_virtual
from voxlab.providers.protocols import ToolCall
from voxlab.providers.scripted import ScriptedLLM, scripted


@pytest.fixture
def database():
    return data.shop()


@pytest.fixture
def use(database):
    """Call a tool by its name and return its result as data."""
    toolbox = Toolbox(shop_tools(database))

    def run(name, **arguments):
        return json.loads(run_virtual(toolbox.run(ToolCall("1", name, arguments))))

    return run


def rows(database, query):
    return [tuple(row) for row in database.execute(query)]


# --- orders ---------------------------------------------------------------------------------


def test_every_order_is_found_by_its_id_and_as_its_row_is(database, use):
    orders = [dict(row) for row in database.execute("SELECT * FROM orders")]
    assert len(orders) == 12
    assert [use("lookup_order", order_id=order["id"]) for order in orders] == orders


@pytest.mark.parametrize("order_id", ["#12345", "12 345", "1-2-3-4-5", "12,345", 12345])
def test_an_order_is_found_however_its_number_is_written(use, order_id):
    assert use("lookup_order", order_id=order_id)["customer"] == "Anna Lopez"
    assert use("check_shipping", order_id=order_id)["order_id"] == "12345"


def test_an_order_is_found_by_email_in_any_case(use):
    assert use("lookup_order", email="Grace.Kim@Example.com")["id"] == "70316"


def test_the_id_decides_if_an_email_is_given_too(use):
    order = use("lookup_order", order_id="12345", email="anna.lopez@example.com")
    assert order["id"] == "12345"  # she has another one, with a higher number


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"order_id": "99999"}, "no order found for 99999"),
        ({"email": "nobody@example.com"}, "no order found for nobody@example.com"),
        ({}, "no order found for nothing given"),
        ({"order_id": "' OR 1=1 --"}, "no order found for 'OR1=1"),
    ],
)
def test_an_unknown_order_is_an_error(use, arguments, error):
    assert use("lookup_order", **arguments) == {"error": error}


def test_shipping_comes_from_its_table_and_an_order_without_a_parcel_has_only_a_status(use):
    assert use("check_shipping", order_id="30592") == {
        "order_id": "30592",
        "carrier": "Blue Van",
        "tracking_number": "BV9153",
        "status": "delayed",
        "eta": "next Tuesday",
    }
    assert use("check_shipping", order_id="48213") == {
        "order_id": "48213",
        "status": "processing",
        "eta": None,
    }
    assert use("check_shipping", order_id="11111") == {"error": "no order found for 11111"}


def test_a_delivered_order_is_returned_once_and_the_database_knows(database, use):
    returned = use("return_order", order_id="70316")
    assert returned == {"order_id": "70316", "status": "returned", "refund": 45.98}
    assert rows(database, "SELECT status FROM orders WHERE id = '70316'") == [("returned",)]
    assert use("return_order", order_id="70316") == {
        "error": "order 70316 is returned, not delivered"
    }


def test_an_order_on_its_way_is_not_returned(database, use):
    assert use("return_order", order_id="12345") == {
        "error": "order 12345 is shipped, not delivered"
    }
    assert rows(database, "SELECT status FROM orders WHERE id = '12345'") == [("shipped",)]


# --- tables ---------------------------------------------------------------------------------


BOOKED = "SELECT customer, day, time, party_size, table_id FROM reservations WHERE id > 14"


def test_the_smallest_table_that_is_free_is_booked(database, use):
    # Friday at seven: tables 1 (two seats) and 3 (four seats) are taken.
    for people in (2, 2, 4, 1):
        use("book_table", day="Friday", time="19:00", party_size=people)
    assert [row[4] for row in rows(database, BOOKED)] == [2, 4, 5]
    assert use("book_table", day="Friday", time="19:00", party_size=1) == {
        "error": "no table on Friday at 19:00; free on Friday: 18:00, 20:30"
    }


def test_a_booking_is_stored_and_a_guest_without_a_name_gets_a_number(database, use):
    assert use("book_table", day="tomorrow", time="18:00", party_size="3", customer="Lind") == {
        "day": "Tuesday",
        "time": "18:00",
        "party_size": 3,
        "customer": "Lind",
    }
    assert use("book_table", day="friday", time="18:00", party_size=2)["customer"] == "Guest 16"
    assert rows(database, BOOKED) == [
        ("Lind", "Tuesday", "18:00", 3, 3),
        ("Guest 16", "Friday", "18:00", 2, 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"day": "someday"}, "no day 'someday'"),
        ({"time": "23:00"}, "no table on Friday at 23:00; free on Friday: 18:00, 19:00, 20:30"),
        ({"time": "7 pm"}, "no table on Friday at 7 pm; free on Friday"),
        ({"party_size": 7}, "no table on Friday at 18:00; free on Friday: none"),
        ({"day": "Sunday"}, "no table on Sunday at 18:00; free on Sunday: none"),
        ({"party_size": 0}, "no party of 0"),
        ({"party_size": -2}, "no party of -2"),
        ({"party_size": "four"}, "no party of 'four'"),
        ({"party_size": float("inf")}, "no party of inf"),
        ({"party_size": [4]}, "no party of \\[4\\]"),
        ({"time": {"hour": 7}}, "no table on Friday at {'hour': 7}"),
        ({"customer": {"name": "Lind"}}, "Error binding parameter|type 'dict'"),
    ],
)
def test_a_booking_that_cannot_be_says_why_and_changes_nothing(database, use, arguments, error):
    before = rows(database, "SELECT * FROM reservations")
    booking = {"day": "Friday", "time": "18:00", "party_size": 2} | arguments
    result = use("book_table", **booking)
    with pytest.raises(ValueError, match=error):
        raise ValueError(result["error"])
    assert rows(database, "SELECT * FROM reservations") == before


def test_a_change_moves_the_reservation_and_frees_the_old_table(database, use):
    changed = use("change_reservation", customer="rossi", day="Tuesday", party_size=2)
    assert changed == {"day": "Tuesday", "time": "19:00", "party_size": 2, "customer": "Rossi"}
    assert rows(database, "SELECT status FROM reservations WHERE id = 6") == [("cancelled",)]
    assert rows(database, BOOKED) == [("Rossi", "Tuesday", "19:00", 2, 1)]


def test_a_change_may_keep_its_own_table(database, use):
    for _ in range(2):  # fill the other tables that seat four on Friday at seven
        use("book_table", day="Friday", time="19:00", party_size=4)
    assert use("change_reservation", customer="Rossi", party_size=3)["party_size"] == 3


def test_a_change_to_a_full_evening_keeps_the_old_table(database, use):
    before = rows(database, "SELECT * FROM reservations")
    assert use("change_reservation", customer="Rossi", day="Saturday") == {
        "error": "no table on Saturday at 19:00; free on Saturday: 18:00, 20:30"
    }
    assert rows(database, "SELECT * FROM reservations") == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"customer": "Nobody", "day": "Friday"}, "no reservation under the name Nobody"),
        ({"customer": "Stein", "day": "Friday"}, "no reservation under the name Stein"),
        ({"customer": "Rossi"}, "nothing to change"),
        ({"customer": "Rossi", "party_size": "many"}, "no party of 'many'"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(use, arguments, error):
    assert error in use("change_reservation", **arguments)["error"]


def test_the_latest_reservation_under_a_name_is_meant(database, use):
    use("book_table", day="Thursday", time="18:00", party_size=2, customer="Rossi")
    assert use("cancel_reservation", customer="Rossi")["day"] == "Thursday"
    assert use("cancel_reservation", customer="Rossi")["day"] == "Friday"
    assert "error" in use("cancel_reservation", customer="Rossi")


def test_a_cancelled_table_can_be_booked_again(use):
    assert "error" in use("book_table", day="Saturday", time="19:00", party_size=6)
    use("cancel_reservation", customer="Silva")
    assert "error" not in use("book_table", day="Saturday", time="19:00", party_size=6)


DAYS = st.sampled_from(["Monday", "Tuesday", "tonight", "Saturday", "Sunday"])
TIMES = st.sampled_from(["18:00", "19:00", "20:30", "21:00"])
BOOKING = st.tuples(st.just("book_table"), DAYS, TIMES, st.integers(0, 7))
CHANGE = st.tuples(st.just("change_reservation"), DAYS, TIMES, st.integers(0, 7))
CANCEL = st.tuples(st.just("cancel_reservation"))
NAMES = st.sampled_from(["Lind", "Rossi", "Morgan", "Ahmed"])


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.tuples(NAMES, BOOKING | CHANGE | CANCEL), max_size=25))
def test_no_sequence_of_calls_seats_two_parties_at_a_table_or_one_at_too_small_a_table(steps):
    database = data.shop()
    tools = {tool.spec.name: tool.function for tool in shop_tools(database)}
    for customer, (name, *values) in steps:
        before = database.execute("SELECT count(*) FROM reservations").fetchone()[0]
        given = dict(zip(("day", "time", "party_size"), values, strict=False))
        try:
            tools[name](customer=customer, **given)
        except ValueError:
            assert database.execute("SELECT count(*) FROM reservations").fetchone()[0] == before
    assert not database.in_transaction
    seats = "SELECT count(*) FROM reservations JOIN tables ON tables.id = table_id WHERE "
    assert rows(database, seats + "status = 'booked' AND seats < party_size") == [(0,)]
    twice = "SELECT 1 FROM reservations WHERE status = 'booked' GROUP BY table_id, day, time "
    assert rows(database, twice + "HAVING count(*) > 1") == []


# --- the rest of the shop -------------------------------------------------------------------


def test_the_forecast_is_found_for_a_day_as_people_say_it(use):
    assert use("get_weather", city="new york", day="tomorrow") == {
        "city": "New York",
        "day": "Tuesday",
        "forecast": "sunny",
        "temperature_c": 27,
        "said_day": "tomorrow",
    }
    assert use("get_weather", city="Lisbon", day="Monday") == {
        "error": "no forecast for Lisbon on Monday"
    }


def test_each_agent_has_a_shop_of_its_own_unless_it_is_given_one(database):
    agents = [shop_agent(scripted([], ScriptedLLM([])), database=database) for _ in range(2)]
    agents.append(shop_agent(scripted([], ScriptedLLM([]))))
    order = ToolCall("1", "return_order", {"order_id": "70316"})
    results = [json.loads(run_virtual(agent.tools.run(order))) for agent in agents]
    assert [result.get("status") for result in results] == ["returned", None, "returned"]


@pytest.mark.slow  # its engines are loaded
def test_an_agent_of_fixed_silence_asks_no_judge():
    agent = fixed_silence_agent(0.3)
    assert agent.providers.end_of_turn is None
    assert agent.options.turns == replace(PipelineOptions().turns, silence_s=0.3)


def test_the_shop_works_in_another_thread_as_jupyter_needs_it(use):
    results = []
    thread = threading.Thread(target=lambda: results.append(use("lookup_order", order_id="12345")))
    thread.start()
    thread.join()
    assert results[0]["id"] == "12345"


# --- functions as readers write them --------------------------------------------------------


def test_two_bookings_at_the_same_time_do_not_share_a_transaction(database, monkeypatch):
    """A change that is refused gives the old table back, whoever books while it looks for one."""
    booked, look = threading.Event(), Shop._free_table

    def look_slowly(shop, day, time, people):
        if day == "Saturday":
            booked.wait(0.02)
        return look(shop, day, time, people)

    monkeypatch.setattr(Shop, "_free_table", look_slowly)
    tools = {tool.spec.name: tool.function for tool in shop_tools(database)}

    def book():
        tools["book_table"](day="Friday", time="18:00", party_size=2)
        booked.set()

    async def main():
        change = functools.partial(tools["change_reservation"], customer="Rossi", day="Saturday")
        refused = asyncio.create_task(run_blocking(change))
        await asyncio.gather(refused, run_blocking(book), return_exceptions=True)
        return refused.exception()

    assert "no table on Saturday" in str(run_real(main()))
    assert rows(database, "SELECT status FROM reservations WHERE id = 6") == [("booked",)]
    assert len(rows(database, BOOKED)) == 1


def test_the_model_is_told_every_tool_with_its_arguments_described(database):
    specs = {spec.name: spec for spec in Toolbox(shop_tools(database)).specs}
    assert len(specs) == 8
    assert specs["book_table"].description == "Book a table at the restaurant."
    assert specs["book_table"].parameters["required"] == ["day", "time", "party_size"]
    for spec in specs.values():
        json.dumps(spec.parameters)
        assert all(field["description"] for field in spec.parameters["properties"].values())
