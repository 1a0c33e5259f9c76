"""What did the user mean by speaking over the agent? A few patterns decide.

A backchannel ("uh huh") signals listening: the agent goes on at the word where it stopped. All
else takes the floor. Source: exercise 19.7.3 of the chapter; the term is Yngve's (1970).
"""

import re
from enum import StrEnum

from voxlab.text import plain_words


class Meaning(StrEnum):
    """Why the user spoke over the agent."""

    NOISE = "noise"  # no words: a cough, a door
    BACKCHANNEL = "backchannel"  # "uh huh", "yeah": go on
    STOP = "stop"  # "stop", "hold on": be silent
    HANDOVER = "handover"  # "I want to talk to a real person"
    CORRECTION = "correction"  # "no wait, I meant Tuesday"
    REQUEST = "request"  # a new question, or an answer

    @property
    def takes_the_floor(self) -> bool:
        """False if the agent may go on where it stopped."""
        return self not in (Meaning.NOISE, Meaning.BACKCHANNEL)


_BACKCHANNEL = frozenset(
    plain_words(
        "um uh er hm hmm mm mhm huh uhuh ah oh m aha yeah yep yes yup ok okay right sure alright "
        "cool great good nice fine perfect really wow exactly thanks i see got it go on thank you"
    )
)
_ANSWER = frozenset(
    plain_words("yes yeah yep yup ok okay sure right fine perfect exactly great good")
)
_STOP = re.compile(
    r"(please |just |okay |ok |no |oh )*"
    r"(stop( it| that| talking| there| now)?|wait( a (minute|moment|second|sec))?|"
    r"(hold (on|it)|hang on)( a (minute|moment|second|sec))?|one (moment|minute|second|sec)|"
    r"(be )?quiet|enough|that's enough|shut up|never ?mind|forget it|cancel that|pause)"
    r"( please| now| there| stop| wait)*"
)
WANTS_A_PERSON = (
    r"^(?!.*\b(don't|do not|not|without) (\w+ ){0,6}(person|human|operator)\b).*"
    r"\b((real|actual|live) (person|human|agent|people)|human( being)?|operator|representative|"
    r"(talk|speak) (to|with) (a |an |some|the |your )?(person|human|someone|somebody|one|manager|"
    r"supervisor|agent)|someone real|put me through|transfer me)\b"
)
_CORRECTION = re.compile(
    r"^((oh |um |uh |er |sorry |wait |hold on |okay |ok )*(no|nope|not|actually|sorry|wrong)\b)"
    r"(?! (could|can|would|what|i (didn't|did not|missed)))|"  # "Sorry, what?" corrects nothing
    r"\b(i meant|i mean|i said|instead|rather|that's (not|wrong)|that is (not|wrong)|"
    r"not (that|this|the)|make (it|that)|correction)\b"
)
_SHORT_WORDS = frozenset(  # what people do say in half a second to get a word in
    plain_words(
        "no nope not what why how who when where which help hello hey hi again repeat sorry pardon "
        "cancel back more less today tomorrow yesterday bye goodbye excuse me but and actually so"
    )
)
_SHORT_S = 0.6
_NEARLY_SAID_WORDS = 3


def classify(text: str, unheard: str = "", lasted_s: float = 1.0) -> Meaning:
    """Return what the user meant.

    text: what was said over the agent. unheard: what the agent had still to say: "yes" to the last
    words of a question is an answer, in the middle of a story it is a backchannel. lasted_s: how
    long it took to say; a recogniser makes words of any grunt ("uh huh" becomes "Oh, her."), so
    that something very short takes the floor only with words that people interrupt with.

    >>> [str(classify(text)) for text in ("Uh huh.", "Stop!", "No wait, I meant Tuesday.")]
    ['backchannel', 'stop', 'correction']
    >>> str(classify("Yes.", unheard="at seven?"))
    'request'
    """
    words = plain_words(text)
    said = " ".join(words)
    if not words:
        return Meaning.NOISE
    if re.search(WANTS_A_PERSON, said):
        return Meaning.HANDOVER
    if _STOP.fullmatch(said):
        return Meaning.STOP
    if set(words) <= _BACKCHANNEL and len(words) <= 5:
        answers = _ends_a_question(unheard) and not _ANSWER.isdisjoint(words)
        return Meaning.REQUEST if answers else Meaning.BACKCHANNEL
    if _CORRECTION.search(said):
        return Meaning.CORRECTION
    is_grunt = lasted_s < _SHORT_S and _SHORT_WORDS.isdisjoint(words)
    return Meaning.BACKCHANNEL if is_grunt else Meaning.REQUEST


def _ends_a_question(unheard: str) -> bool:
    return unheard.rstrip().endswith("?") and len(unheard.split()) <= _NEARLY_SAID_WORDS
