"""The rule-based model puts results and errors of tools into words."""

import json

import pytest

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.agents.tools import Toolbox
from voxlab.clock import run_virtual
from voxlab.providers.protocols import ToolCall
from voxlab.providers.rule_based.phrases import phrase


def result_of(tool, **arguments):
    call = ToolCall("1", tool, arguments)
    text = run_virtual(Toolbox(shop_tools(data.shop())).run(call))
    return phrase(tool, arguments, json.loads(text))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            {"tool": "lookup_order", "order_id": "61847"},
            "Order 6 1 8 4 7 is shipped. It has one item, for a total of 19 dollars and 99 cents.",
        ),
        (
            {"tool": "lookup_order", "order_id": "25960"},
            "Order 2 5 9 6 0 is delivered. It has 2 items, for a total of 64 dollars.",
        ),
        (
            {"tool": "check_shipping", "order_id": "12345"},
            "Order 1 2 3 4 5 is on its way with Parcel Express and arrives on Friday. "
            "The tracking number is P X 4 4 7 1.",
        ),
        (
            {"tool": "check_shipping", "order_id": "30592"},
            "Order 3 0 5 9 2 is delayed with Blue Van and arrives next Tuesday. "
            "The tracking number is B V 9 1 5 3.",
        ),
        (
            {"tool": "check_shipping", "order_id": "61847"},
            "Order 6 1 8 4 7 is on its way with Swift Post and arrives tomorrow. "
            "The tracking number is S P 2 1 1 4.",
        ),
        (
            {"tool": "check_shipping", "order_id": "70316"},
            "Order 7 0 3 1 6 was delivered last Thursday by Swift Post. "
            "The tracking number is S P 2 0 8 6.",
        ),
        ({"tool": "check_shipping", "order_id": "83421"}, "Order 8 3 4 2 1 is cancelled."),
        (
            {"tool": "return_order", "order_id": "70316"},
            "The return of order 7 0 3 1 6 is registered. "
            "You will get 45 dollars and 98 cents back.",
        ),
        (
            {"tool": "return_order", "order_id": "16629"},
            "That order is returned. Only a delivered order can be returned.",
        ),
        (
            {"tool": "lookup_order", "email": "nobody@example.com"},
            "I can't find an order for that email address. Could you check the number?",
        ),
        (
            {"tool": "book_table", "day": "Friday", "time": "18:00", "party_size": 1},
            "Your table for one person is booked on Friday at 6 o'clock. See you then!",
        ),
        (
            {"tool": "book_table", "day": "Friday", "time": "18:00", "party_size": 9},
            "I'm sorry, we have no table for you on that day. Would another day work?",
        ),
        (
            {"tool": "cancel_reservation", "customer": "Kim"},
            "The reservation on Monday at 8 30 is cancelled.",
        ),
        (
            {"tool": "cancel_reservation", "customer": "Nobody"},
            "I can't find a reservation under the name Nobody.",
        ),
        (
            {"tool": "get_weather", "city": "Paris", "day": "tonight"},
            "In Paris the forecast tonight is light rain, with 16 degrees Celsius.",
        ),
        (
            {"tool": "get_weather", "city": "Paris", "day": "Sunday"},
            "I have no forecast for that. I know the weather up to Friday.",
        ),
        ({"tool": "talk_to_person"}, "Of course. I am connecting you with a colleague now."),
        (
            {"tool": "book_table", "day": "someday", "time": "18:00", "party_size": 2},
            "I'm sorry, the system does not answer at the moment. Please try again later.",
        ),
    ],
)
def test_results_and_errors_are_put_into_words(call, words):
    assert result_of(**call) == words


def test_an_unknown_tool_is_reported_without_details():
    assert phrase("water_plants", {}, {"litres": 3}) == "That is done."
