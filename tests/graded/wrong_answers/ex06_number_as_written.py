"""Rejected by test_a_number_is_found_however_it_is_written: it trusts the model's spelling."""


def lookup_order(orders, order_id):
    # BEGIN SOLUTION ex06.1: keep the digits; one return for a missing order, one for the other
    order = orders.get(order_id)
    if order is None:
        return f"No order found with ID {order_id}."
    return (
        f"Order {order_id}: {order['item_count']} items, total ${order['total']:.2f}, "
        f"status: {order['status']}."
    )
    # END SOLUTION ex06.1
