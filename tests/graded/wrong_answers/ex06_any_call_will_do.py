"""Rejected by test_each_fault_is_named_and_no_other: it takes the right tool at any place."""

from voxlab.text import plain_words


def find_faults(events, tool, arguments, word):
    # BEGIN SOLUTION ex06.2: the first call, its arguments, all messages of the assistant
    calls = [e for e in events if e["type"] == "function_call" and e["name"] == tool]
    faults = [] if calls else ["tool"]
    if calls and calls[0]["arguments"] != arguments:
        faults.append("arguments")
    messages = [e for e in events if e["type"] == "message" and e["role"] == "assistant"]
    if not any(word in plain_words(message["text"]) for message in messages):
        faults.append("answer")
    return faults
    # END SOLUTION ex06.2
