"""Rejected by test_scenario_5_stop_is_silence_until_she_speaks_again: the agent answers "stop"."""
# ruff: noqa: F821


def decide(handler, now_s, text, lasted_s):
    # BEGIN SOLUTION ex10.5: ask what was meant; say the rest, or drop it and keep what was heard
    if meaning(text, lasted_s) == "go on" and handler.rest:
        handler.words, handler.rest = from_zero(handler.rest), []
        handler.state, handler.since_s = "speaking", now_s
        return [("speak", joined(handler.words))]
    remember(handler)
    if meaning(text, lasted_s) == "go on":
        handler.state = "listening"
        return []
    handler.state = "thinking"
    handler.history.append(("user", text))
    return [("answer", text)]
    # END SOLUTION ex10.5
