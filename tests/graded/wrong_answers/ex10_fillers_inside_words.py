"""Rejected by test_only_fillers_let_the_agent_go_on: "number" has an "um" in it."""
# ruff: noqa: F821


def meaning(text, lasted_s=1.0):
    # BEGIN SOLUTION ex10.2: look for a stop, then for fillers, then for a grunt
    words = plain(text)
    if " ".join(words) in STOPS:
        return "stop"
    is_grunt = lasted_s < SHORT_S and SHORT.isdisjoint(words)
    is_filler = not words or any(filler in text.lower() for filler in ("um", "uh", "ok", "thank"))
    return "go on" if is_filler or is_grunt else "answer"
    # END SOLUTION ex10.2
