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
_MOMENT = r"( (a|one|just a) (minute|moment|second|sec)| a little)"
_STOP = re.compile(
    r"(please |just |okay |ok |no |oh |hey |i said |(can|could|would|will) you (please |just )?)*"
    r"(stop( it| that| talking| there| right there| now| already)?|"
    rf"wait{_MOMENT}?|(hold (on|it|up)|hang on){_MOMENT}?|"
    r"(just )?(a|one) (moment|minute|second|sec)|give me (a|one) (moment|minute|second|sec)|"
    rf"(be )?(quiet|silent)( for{_MOMENT})?|hush|sh+|silence|whoa|"
    r"(that's )?enough( already)?|shut up|never ?mind|forget it|cancel that|pause)"
    rf"( please| now| there| stop| wait{_MOMENT}?| hold on| hang on| whoa| sh+)*"
)
WANTS_A_PERSON = (
    r"^(?!.*\b(don't|do not|not|without) (\w+ ){0,6}(person|human|operator)\b).*"
    r"(\b((real|actual|live) (person|human|agent|people)|human being|"
    r"(talk|speak) (to|with) (a |an |some|the |your )?(person|human|someone|somebody|one|manager|"
    r"supervisor|agent|operator|representative)|(someone|somebody|anyone|anybody) real|"
    r"put me through|(transfer|connect) me|"
    r"(need|want|get me|give me) (a |an |the |your )?(supervisor|manager|operator|representative|"
    r"human|agent|person)|"
    r"(don't want to talk|not talking|don't want to speak) (to|with) (a |this )?"
    r"(robot|machine|computer|bot))\b|"
    r"^(a |an |the )?(agent|operator|representative|supervisor|human|real person)( please)?$)"
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
