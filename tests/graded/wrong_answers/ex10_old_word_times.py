"""Rejected by test_scenario_2_uh_huh_twice_and_at_the_end_loses_no_word: the rest's old times."""
# ruff: noqa: F821


def decide(handler, now_s, text, lasted_s):
    # BEGIN SOLUTION ex10.5: ask what was meant; say the rest, or drop it and keep what was heard
    what = meaning(text, lasted_s)
    if what == "go on" and handler.rest:
        handler.words, handler.rest = handler.rest, []
        handler.state, handler.since_s = "speaking", now_s
        return [("speak", joined(handler.words))]
    remember(handler)
    handler.state = "thinking" if what == "answer" else "listening"
    if what != "answer":
        return []
    handler.history.append(("user", text))
    return [("answer", text)]
    # END SOLUTION ex10.5
