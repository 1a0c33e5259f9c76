"""Rejected by test_an_order_that_is_there_is_told: the chapter's indentation.

The second return stands inside the `if`, so an order that is there is None.
"""


def lookup_order(orders, order_id):
    # BEGIN SOLUTION ex06.1: keep the digits; one return for a missing order, one for the other
    digits = "".join(filter(str.isdigit, order_id))
    order = orders.get(digits)
    if order is None:
        return f"No order found with ID {digits}."
        return f"Order {digits}: {order['item_count']} items, status: {order['status']}."
    # END SOLUTION ex06.1
