"""Rejected by test_a_word_is_heard_when_it_has_sounded_to_its_end: a torn word counts as heard."""


def words_heard(words, at_s):
    # BEGIN SOLUTION ex10.1: count the words that end in time
    return sum(start_s <= at_s for _, start_s, _ in words)
    # END SOLUTION ex10.1
