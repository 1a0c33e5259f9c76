"""The end of a turn: how long to wait before answering. The less finished it looks, the longer.

Two signals: the words ("my order number is, um") and how the sentence falls, which a small
network judges (`providers.smart_turn`). A fixed wait is the same for "Yes." and for "I'd like a
table on": the compromise that section 39.1.5 of the chapter calls brutal.
"""

import math
import re
from dataclasses import dataclass

from voxlab.errors import VoxlabError
from voxlab.text import plain_words

# Words after which nobody is done: they ask for another word.
_UNFINISHED = frozenset(
    plain_words(
        "a an the my your his her its our their this these some any every "
        "and or but so because if that which who whose when while than "
        "to of in on at for from with by about into between until near under over "
        "is are was were am be been i'm it's i'd i'll i've you're we're they're "
        "can could will would shall should may might must do does did have has had "
        "um umm uh ah er erm hmm like"
    )
)
# The same where the recogniser has set a full stop: some sentences do end in "on" or "is".
_UNFINISHED_AT_A_STOP = frozenset(plain_words("um umm uh ah er erm hmm the a my and or because"))
# Whole answers: too short for a network that judges how a sentence falls.
_COMPLETE = frozenset(
    plain_words(
        "yes yeah yep yup no nope okay ok sure right good thanks bye goodbye hello hi stop wait "
        "cancel correct exactly maybe nothing please"
    )
)


@dataclass(frozen=True, slots=True)
class EndOfTurnOptions:
    """How much silence ends a turn, by how it looks.

    finished_s: words and sound both look finished. unsure_s: the words do, the sound does not.
    unfinished_s: the words ask for more. threshold: the network's probability that counts as yes.
    Raises VoxlabError if a silence is negative, or the three are out of order.
    """

    finished_s: float = 0.3
    unsure_s: float = 0.9
    unfinished_s: float = 1.6
    threshold: float = 0.5

    def __post_init__(self) -> None:
        silences_s = (self.finished_s, self.unsure_s, self.unfinished_s)
        if not all(0 <= silence_s < math.inf for silence_s in silences_s):
            raise VoxlabError(f"silences of {silences_s} s: need seconds, 0 or more")
        if sorted(silences_s) != list(silences_s):
            raise VoxlabError(
                f"finished_s, unsure_s, unfinished_s are {silences_s}, out of order: the less "
                "finished a turn looks, the longer the wait; try 0.3, 0.9, 1.6"
            )
        if not 0 < self.threshold < 1:
            raise VoxlabError(f"threshold is {self.threshold}, needs 0 to 1: try 0.5")


def silence_needed_s(text: str, probability: float, options: EndOfTurnOptions) -> float:
    """Return how long the caller must be silent before the turn counts as ended.

    text: what was said so far; probability: that the sound is of somebody who is done.

    >>> silence_needed_s("Where is my order?", 0.99, EndOfTurnOptions())
    0.3
    >>> silence_needed_s("My order number is, um", 0.99, EndOfTurnOptions())
    1.6
    """
    if looks_unfinished(text):
        return options.unfinished_s
    if probability >= options.threshold or is_whole_answer(text):
        return options.finished_s
    return options.unsure_s


def looks_unfinished(text: str) -> bool:
    """Tell whether the words ask for another one: "I'd like a table on".

    >>> looks_unfinished("I'd like a table on, uh,"), looks_unfinished("That's what I came for.")
    (True, False)
    """
    words = plain_words(text)
    if not words:
        return False
    if re.search(r"(,|-|—|…|\.\.\.)\s*$", text):  # the recogniser heard it go on
        return not is_whole_answer(text)
    stopped = re.search(r"[.!?][\"')]*\s*$", text) is not None
    return words[-1] in (_UNFINISHED_AT_A_STOP if stopped else _UNFINISHED)


def is_whole_answer(text: str) -> bool:
    """Tell whether the last sentence is an answer that stands by itself: "Yes, please".

    >>> is_whole_answer("Thanks, that's all. Goodbye."), is_whole_answer("Yes, I would like")
    (True, False)
    """
    words = plain_words(re.split(r"[.!?]\s+", text.strip())[-1])
    return 0 < len(words) <= 3 and all(word in _COMPLETE for word in words)
