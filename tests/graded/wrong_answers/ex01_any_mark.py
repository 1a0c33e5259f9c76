"""Rejected by test_a_stop_ends_a_sentence_unless_it_belongs_to_a_word: the printed rule."""


def is_sentence_end(before, after):
    # BEGIN SOLUTION ex01.1: does the text end in a mark?
    return before.rstrip().endswith((".", "!", "?", ",", ":"))
    # END SOLUTION ex01.1
