"""Rejected by test_a_stop_ends_a_sentence_unless_it_belongs_to_a_word: "Dr." ends one here."""


def is_sentence_end(before, after):
    # BEGIN SOLUTION ex01.1: a stop before white space
    return after.isspace() and before.rstrip("\"')]’”»").endswith((".", "!", "?", "…"))
    # END SOLUTION ex01.1
