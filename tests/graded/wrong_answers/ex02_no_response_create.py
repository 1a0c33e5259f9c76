"""Rejected by test_a_call_is_answered_with_its_output_and_a_response_create: silence."""
# ruff: noqa: F821


def answers(response):
    # BEGIN SOLUTION ex02.5: an output for each call, then one response.create if there was a call
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    outputs = []
    for call in calls:
        result = run_tool(call["name"], call["arguments"])
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": result}
        outputs.append({"type": "conversation.item.create", "item": item})
    return outputs
    # END SOLUTION ex02.5
