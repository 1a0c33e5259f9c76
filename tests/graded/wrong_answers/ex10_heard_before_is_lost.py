"""Rejected by test_scenario_4_a_correction_after_an_um_is_answered: only the last part is kept."""
# ruff: noqa: F821


def fall_silent(handler, now_s):
    # BEGIN SOLUTION ex10.3: part the words where the sound is now, and be silent
    count = words_heard(handler.words, now_s - handler.since_s)
    handler.heard, handler.rest = handler.words[:count], handler.words[count:]
    handler.state = "interrupted"
    return [("be_silent",)]
    # END SOLUTION ex10.3
