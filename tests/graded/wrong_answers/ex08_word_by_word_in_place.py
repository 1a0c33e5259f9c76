"""Rejected by test_words_are_replaced_left_out_or_added_at_the_least_cost: all shift."""


def word_errors(said, heard):
    # BEGIN SOLUTION ex08.5: compare the words at the same place
    wrong = sum(one != other for one, other in zip(said, heard, strict=False))
    return wrong + abs(len(said) - len(heard))
    # END SOLUTION ex08.5
