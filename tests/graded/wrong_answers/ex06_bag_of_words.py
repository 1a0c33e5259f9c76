"""Rejected by test_the_words_from_the_first_difference_on_were_never_heard: order is lost."""

from voxlab.text import plain_words


def never_heard(kept, heard):
    # BEGIN SOLUTION ex06.3: walk along both while they agree
    sounded = set(plain_words(heard))
    return [word for word in plain_words(kept) if word not in sounded]
    # END SOLUTION ex06.3
