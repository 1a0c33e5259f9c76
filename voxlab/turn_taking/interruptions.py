"""Interruptions: what the caller means by speaking over the agent. A few patterns decide.

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
    """Why the caller spoke over the agent."""

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

    before: words that may stand before such a word, as in "that's great". floor: sounds like
    listening and is a no, such as "uh-uh".
    """

    words: frozenset[str]
    before: frozenset[str]
    phrases: frozenset[str]
    floor: frozenset[str]


@cache
def listening_words() -> ListeningWords:
    """Return the words of all languages of listening_words.toml."""
    file = files("voxlab.turn_taking").joinpath("listening_words.toml")
    languages = tomllib.loads(file.read_text("utf-8")).values()
    return ListeningWords(
        frozenset(word for each in languages for word in plain_words(each["words"])),
        frozenset(word for each in languages for word in plain_words(each.get("before", ""))),
        frozenset(" ".join(plain_words(p)) for each in languages for p in each["phrases"]),
        frozenset(sound for each in languages for sound in each.get("floor", ())),
    )


_ANSWER = frozenset(
    plain_words(
        "yes yeah yea yep yup ok okay sure right fine perfect exactly great good absolutely "
        "definitely"
    )
)
_FIRST = (  # what people put before it, and behind it
    r"(?:(?:um|uh|er|erm|oh|ah|ugh|hey|look|listen|just|please|okay|ok|alright|all right|right|"
    r"well|yeah|sorry|i said|oh my god|for (?:crying out loud|god's sake|heaven's sake)) )*"
)
_LAST = (
    r"(?: (?:please|now|already|okay|ok|mate|love|dear|man|sir|madam|thanks|thank you|will you|"
    r"would you|if possible|for (?:god's|heaven's) sake))*"
)
_MOMENT = (
    r"((just )?(a|one|two|half a|a couple of|a few|five) "
    r"(moments?|minutes?|seconds?|secs?|mos?|bit|mins?)|a little)"
)
_ASKED = r"((can|could|would|will) you (please |just )*|you can |i need you to )?"
_STOP = re.compile(
    rf"{_FIRST}{_ASKED}"
    rf"((stop|quit)( it| that| (talk|speak|yapp|go)ing( on)?|( right)? there)?( for {_MOMENT})?|"
    rf"(wait|hold|pause|hold on|hang on|bear with me|excuse me)( up| on| it| there| for)?"
    rf"( {_MOMENT})?|hold your horses|time ?out|not now|slow down there|"
    rf"{_MOMENT}|(i (just )?need|give me|gimme) {_MOMENT}( to \w+)?|"
    rf"(hold on|hang on|one moment|{_MOMENT}|bear with me) "
    r"(i'm just|i just need to|someone's|somebody's|there's some|let me) .*|"
    r"let me( just)? (think|check|look|see|find|get|grab|write|finish|(speak|talk)(?! (to|with))|"
    r"stop you)\b.*|(can i|let me) get a word in|let me speak|"
    rf"(be )?(just )?(be )?(quiet|silent)( for)?( {_MOMENT})?|hush|shush|sh+|silence|whoa|zip it|"
    r"don't (talk|interrupt)( me)?|i('m| am) (still )?(talking|speaking)|"
    r"(that's |that is |i've heard )?enough( of that)?|that('ll| will) do|shut (up|it)|"
    r"never ?mind( that)?|forget (it|that|about it)|skip (it|that|this)|cancel that)"
    rf"( (there|stop|wait|hold on|hang on|whoa|sh+|{_MOMENT}))*{_LAST}"
)
_PERSON = (
    r"(person|human( being)?|operator|manager|supervisor|agent|representative|rep|owner|boss|staff|"
    r"colleague|employee|adviser|advisor|sales|support|customer (service|care|support)|front desk)"
)
_A = r"(a |an |some |the |your |any |one of (the|your) )?((real|actual|live|proper) )?"
WANTS_A_PERSON = (
    rf"^(?!.*\b(don't|do not|not|without) (\w+ ){{0,6}}{_PERSON}\b).*"
    r"(\b((real|actual|live|proper) (person|human|agent|people|operator)|human being|"
    rf"(talk|speak|talking|speaking) (to|with) {_A}({_PERSON}|someone|somebody|one)|"
    r"(someone|somebody|anyone|anybody) (real|human|else)( there)?|"
    r"(someone|somebody|anyone|anybody) (i can|to) (talk|speak) (to|with)|"
    r"get me (someone|somebody)|(put|pass|hand) (me )?(through|over|on to)|(transfer|connect) me|"
    r"put (\w+ ){1,4}on$|"
    rf"(need|want|like|get|get me|give me|have|is there) {_A}{_PERSON}|"
    rf"is your {_PERSON} (there|in|around|available)|"
    r"(not|don't want to|hate|instead of|tired of|sick of) "
    r"(be )?(talk|speak)?(ing)? ?(to|with)? ?(a |this |these |your )?"
    r"(robot|machine|computer|bot|recording)s?)\b|"
    rf"^{_FIRST}{_A}({_PERSON}|human beings?|live support)( {_PERSON})?{_LAST}$)"
)
_CORRECTION = re.compile(
    r"^((oh|um|uh|er|sorry|wait|hold on|okay|ok|ah|oops|hmm) )*"
    r"(no|nope|nah|not|actually|sorry|incorrect|negative)\b"
    r"(?! (could|can|would|what|way|i (didn't|did not|missed)( (quite )?(hear|catch|get))))|"
    r"^(?!.*\b(what|anything|something)('s| is)? wrong).*\bwrong\b(?! with)|"
    r"\b(i meant|i mean|i said|i asked for|instead|rather|(that's|that is|it's|it is|this is) not|"
    r"(isn't|wasn't|is not) (what|right|it|the|my)|"
    r"i (didn't|never|did not) (say|said|mean|ask|order|want|book)|mis(heard|understood|spoke)|"
    r"(scratch|strike) that|i take that back|my (mistake|bad)|on second thoughts?|"
    r"other way (a)?round|not quite|not (that|this|the)|make (it|that)|change (it|that) to|"
    r"correction)\b|"
    r"\b(it's|it is|ends in|that's|spelled|spelt) .*\b(not|without) (\w+ )?\w+$"
)
_PRESENCE = re.compile(
    rf"{_FIRST}((hello|hi|hey) )*"
    r"((are )?you (still )?(there|here|with me|on the line|listening)|"
    r"(is )?(anybody|anyone|somebody|someone) (still )?(there|here)|"
    r"(can|do) you (still )?hear me|(did i lose|have i lost) you|hello)"
    rf"( (hello|are you (still )?there))*{_LAST}"
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
    """Return what the caller meant.

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
    said = _without_repeats(" ".join(plain_words(text)))
    words = said.split()
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


def asks_for_presence(text: str) -> bool:
    """Tell whether the caller only asks if the agent is still there.

    >>> [asks_for_presence(text) for text in ("Are you still there?", "Is Tuesday still there?")]
    [True, False]
    """
    said = _without_repeats(" ".join(plain_words(without_sound_marks(text))))
    return bool(_PRESENCE.fullmatch(said))


def _without_repeats(said: str) -> str:
    """Return words without what was begun again: "could you could you wait wait" once each."""
    return re.sub(r"\b(\w[\w' ]*?)(?: \1)+\b", r"\1", said)


def _lets_go_on(words: list[str], listening: ListeningWords) -> bool:
    """Tell whether words are made of listening words and phrases, from the first to the last."""
    reached = {0}
    for end in range(1, len(words) + 1):
        starts = [start for start in range(max(0, end - 5), end) if start in reached]
        if any(
            " ".join(words[start:end]) in listening.phrases
            or (
                words[end - 1] in listening.words
                and listening.before.issuperset(words[start : end - 1])
            )
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
