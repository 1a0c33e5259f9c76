"""Rejected by test_several_calls_are_answered_with_one_response_create: as in fragment 39.1.1a."""
# ruff: noqa: F821


def answers(response):
    # BEGIN SOLUTION ex02.5: an output for each call, then one response.create if there was a call
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    outputs = []
    for call in calls:
        result = run_tool(call["name"], call["arguments"])
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": result}
        outputs.append({"type": "conversation.item.create", "item": item})
        outputs.append({"type": "response.create"})
    return outputs
    # END SOLUTION ex02.5
