"""Rejected by test_the_agent_falls_silent_and_knows_where: not counted from the reply."""
# ruff: noqa: F821


def fall_silent(handler, now_s):
    # BEGIN SOLUTION ex10.3: part the words where the sound is now, and be silent
    count = words_heard(handler.words, now_s)
    handler.heard = [*handler.heard, *handler.words[:count]]
    handler.rest, handler.words = handler.words[count:], []
    handler.state = "interrupted"
    return [("be_silent",)]
    # END SOLUTION ex10.3
