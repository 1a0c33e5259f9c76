"""What did the user mean by speaking over the agent? A few patterns decide.

A backchannel ("uh huh") signals listening: the agent goes on at the word where it stopped. All
else takes the floor. Source: exercise 19.7.3 of the chapter; the term is Yngve's (1970).
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from voxlab.text import plain_words, without_sound_marks


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


@dataclass(frozen=True, slots=True)
class ListeningWords:
    """What listeners say to let the other go on: single words, whole phrases, and words of no.

    floor: sounds like listening and is a no, such as "uh-uh".
    """

    words: frozenset[str]
    phrases: frozenset[str]
    floor: frozenset[str]


@cache
def listening_words() -> ListeningWords:
    """Return the words of all languages of listening_words.toml."""
    file = files("voxlab.turn_taking").joinpath("listening_words.toml")
    languages = tomllib.loads(file.read_text("utf-8")).values()
    return ListeningWords(
        frozenset(word for each in languages for word in plain_words(each["words"])),
        frozenset(" ".join(plain_words(p)) for each in languages for p in each["phrases"]),
        frozenset(sound for each in languages for sound in each.get("floor", ())),
    )


_ANSWER = frozenset(
    plain_words(
        "yes yeah yea yep yup ok okay sure right fine perfect exactly great good absolutely "
        "definitely"
    )
)
_MOMENT = r"( (a|one|half a|just (a|one)) (minute|moment|mo|second|sec|bit)| a little)"
_ASKED = (
    r"(please |just |okay |ok |no |oh |hey |yeah |right |well |sorry |i said |you can |"
    r"(can|could|would|will) you (please |just )?|i need you to )*"
)
_STOP = re.compile(
    rf"{_ASKED}(stop( it| that| talking| speaking|( right)? there| now| already| for{_MOMENT})?|"
    rf"(wait|hold|pause)( up| on| it| there| for)?{_MOMENT}?|"
    rf"(hold on|hang on|bear with me|excuse me)( there)?( for)?{_MOMENT}?|"
    r"hold your horses|time ?out|not now|half a (minute|second|sec)|"
    r"(just )?(a|one) (moment|minute|second|sec)|"
    r"(i (just )?need|give me|gimme)( just)? (a|one) (moment|minute|second|sec)( to \w+)?|"
    r"let me( just)? (think|check|look|see|find|get|grab|write|finish|speak|talk|stop you)\b.*|"
    rf"(be )?(quiet|silent)( for{_MOMENT})?|hush|shush|sh+|silence|whoa|zip it|slow down there|"
    r"don't (talk|interrupt)( me)?|i('m| am) (still )?(talking|speaking)|"
    r"(that's |that is |i've heard )?enough( of that| already)?|that('ll| will) do|shut (up|it)|"
    r"never ?mind( that)?|forget (it|that|about it)|skip (it|that|this)|cancel that)"
    rf"( please| now| there| stop| wait{_MOMENT}?| hold on| hang on| whoa| sh+| already| okay)*"
)
_PERSON = (
    r"(person|human( being)?|operator|manager|supervisor|agent|representative|rep|"
    r"member of staff|colleague|employee|adviser|advisor)"
)
WANTS_A_PERSON = (
    rf"^(?!.*\b(don't|do not|not|without) (\w+ ){{0,6}}{_PERSON}\b).*"
    r"(\b((real|actual|live|proper) (person|human|agent|people|operator)|human being|"
    r"(talk|speak|talking|speaking) (to|with) (a |an |some |the |your )?"
    rf"({_PERSON}|someone|somebody|one|boss|staff|sales|support|customer (service|care|support))|"
    r"(someone|somebody|anyone|anybody) (real|human|else)( there)?|"
    r"(put|pass|hand) me (through|over|on)( to)?|(transfer|connect) me|"
    r"(need|want|like|get|get me|give me|have|is there) (a |an |the |your |any )?"
    rf"(real |live |actual )?{_PERSON}|"
    r"(not|don't want to|hate|instead of|tired of|sick of) (be )?(talk|speak)?(ing)? ?(to|with)? ?"
    r"(a |this |these |your )?(robot|machine|computer|bot|recording)s?)\b|"
    rf"^(oh |just |please |the |a |an )*(real |live )?({_PERSON}|customer (service|care|support)|"
    r"front desk|human beings?|live support)( please| now)*$)"
)
_CORRECTION = re.compile(
    r"^((oh |um |uh |er |sorry |wait |hold on |okay |ok |ah |oops |hmm )*"
    r"(no|nope|nah|not|actually|sorry|wrong|incorrect|negative)\b)"
    r"(?! (could|can|would|what|way|i (didn't|did not|missed)( (quite )?(hear|catch|get))))|"
    r"\b(i meant|i mean|i said|i asked for|instead|rather|"
    r"(that's|that is|it's|it is|this is) (not|wrong)|"
    r"(isn't|wasn't|is not) (what|right|it|the|my)|i (didn't|never|did not) (say|said|mean|ask)|"
    r"(got|have|had|heard|understood) (it|that|me|this|the \w+|my \w+) (all )?wrong|"
    r"mis(heard|understood|spoke)|scratch that|strike that|i take that back|"
    r"my (mistake|bad)|on second thoughts?|other way (a)?round|not quite|"
    r"not (that|this|the)|make (it|that)|change (it|that) to|correction)\b"
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
    text = without_sound_marks(text)
    words = plain_words(text)
    said = " ".join(words)
    if not words:
        return Meaning.NOISE
    listening = listening_words()
    if text.strip(" .,!?").casefold() in listening.floor:
        return Meaning.CORRECTION  # a no
    if re.search(WANTS_A_PERSON, said):
        return Meaning.HANDOVER
    if _STOP.fullmatch(said):
        return Meaning.STOP
    if _lets_go_on(words, listening):
        answers = _ends_a_question(unheard) and not _ANSWER.isdisjoint(words)
        return Meaning.REQUEST if answers else Meaning.BACKCHANNEL
    if _CORRECTION.search(said):
        return Meaning.CORRECTION
    is_grunt = lasted_s < _SHORT_S and _SHORT_WORDS.isdisjoint(words)
    return Meaning.BACKCHANNEL if is_grunt else Meaning.REQUEST


def _lets_go_on(words: list[str], listening: ListeningWords) -> bool:
    """Tell whether words are made of listening words and phrases, from the first to the last."""
    reached = {0}
    for end in range(1, len(words) + 1):
        starts = [start for start in range(max(0, end - 5), end) if start in reached]
        if any(
            " ".join(words[start:end]) in listening.phrases
            or (end - start == 1 and words[start] in listening.words)
            for start in starts
        ):
            reached.add(end)
    return len(words) in reached


def _ends_a_question(unheard: str) -> bool:
    return unheard.rstrip().endswith("?") and len(unheard.split()) <= _NEARLY_SAID_WORDS


def count_confusions(utterances: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
    """Return how often each meaning is taken for each: by the right one, then by the one given.

    utterances: texts by the name of their meaning, as a part of data/short_utterances.yaml.

    >>> count_confusions({"stop": ["Stop!", "Uh huh."]})["stop"]["backchannel"]
    1
    """
    table = {right: dict.fromkeys(map(str, Meaning), 0) for right in utterances}
    for right, texts in utterances.items():
        for text in texts:
            table[right][str(classify(text))] += 1
    return table
