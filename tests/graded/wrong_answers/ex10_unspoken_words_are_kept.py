"""Rejected by test_the_history_keeps_what_was_heard: the history keeps all that was written."""
# ruff: noqa: F821


def remember(handler):
    # BEGIN SOLUTION ex10.4: one entry with the words that were heard, if there are any
    if handler.heard:
        handler.history.append(("agent", joined([*handler.heard, *handler.rest])))
    handler.heard, handler.rest = [], []
    # END SOLUTION ex10.4
