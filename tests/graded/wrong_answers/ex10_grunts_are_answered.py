"""Rejected by test_what_a_recogniser_makes_of_sounds_is_understood: a grunt is a question."""
# ruff: noqa: F821


def meaning(text, lasted_s=1.0):
    # BEGIN SOLUTION ex10.2: look for a stop, then for fillers, then for a grunt
    words = plain(text)
    if " ".join(words) in STOPS:
        return "stop"
    return "go on" if FILLERS.issuperset(words) or words == ["oh", "her"] else "answer"
    # END SOLUTION ex10.2
