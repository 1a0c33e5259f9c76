"""Rejected by test_only_fillers_let_the_agent_go_on: "Yes, but when?" begins with a filler."""
# ruff: noqa: F821


def meaning(text, lasted_s=1.0):
    # BEGIN SOLUTION ex10.2: look for a stop, then for fillers, then for a grunt
    words = plain(text)
    if " ".join(words) in STOPS:
        return "stop"
    is_grunt = lasted_s < SHORT_S and SHORT.isdisjoint(words)
    return "go on" if not words or not FILLERS.isdisjoint(words) or is_grunt else "answer"
    # END SOLUTION ex10.2
