"""Rejected by test_stop_means_stop_and_a_grunt_means_nothing: "Can you stop it?" is a question."""
# ruff: noqa: F821


def meaning(text, lasted_s=1.0):
    # BEGIN SOLUTION ex10.2: look for a stop, then for fillers, then for a grunt
    words = plain(text)
    if "stop" in words or " ".join(words) in STOPS:
        return "stop"
    is_grunt = lasted_s < SHORT_S and SHORT.isdisjoint(words)
    return "go on" if FILLERS.issuperset(words) or is_grunt else "answer"
    # END SOLUTION ex10.2
