"""Sentence chunking: speech synthesis starts with a complete sentence while the rest is written.

Most stops are decided at the white space after them. A stop that may belong to its word ("No.",
"Inc.", "a.m.", "J.") waits for the next word: "No. 6 is sold out" is one sentence. Where a doubt
remains we do not cut: a late cut costs time, a wrong one costs the sense.
Source: chapter 39.1.4, sentence-sized chunks; its printed test for a boundary (the text ends in
one of . ! ? , :) also cuts "$4." from "50" and "Dr." from "Smith". The stops of other scripts are
Unicode's Sentence_Terminal (UAX #29). data/sentences.yaml holds texts with their known cuts.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words written with a stop; with a capital, the word counts only if it has one ("Gen. Lee").
NEVER_LAST = _words(  # something always follows them: a name, an example, a number
    "dr mr mrs ms mx messrs prof Rev Hon Gen Col Capt Cpt Cmdr Lt Sgt Maj Sen Rep Gov Pres Mt Ft "
    "e.g i.e a.k.a p.s p.p.s n.b vs cf viz approx ca "
    "Fr Hr bzw vgl z.b d.h evtl ggf inkl med mme mlle env dra sra srta lic sig dott ing dhr mevr "
    "проф акад"
)
MAY_BE_LAST = _words(  # a capital after them begins a sentence; so it does after "hrs" and "Ltd"
    "a.m p.m etc inc corp co bros ave esq no nos art fig figs sec vol ext apt ed min max oz "
    "usw n° nº núm руб"
)
SELDOM_LAST = _words(  # only a word that begins sentences does: "the U.S. They", not "U.S. Army"
    "st sr jr dept univ assn tel ph.d al incl excl orig est temp abb kath evang ud uds ee uu admón "
    "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun "
    "Ene Abr Ago Dic Lun Mié Jue Vie Sáb ул"
)
ABBREVIATIONS = frozenset(filter(str.islower, NEVER_LAST))
_STARTERS = _words(
    "a all also an and another any anything are ask at both bring but buy call can check come "
    "could did do does don each everybody everyone first for from go good has have he here his how "
    "however i if in is it its just later let many maybe my nobody not now of on once one only or "
    "our perhaps please ring see several shall she should since so some sorry thank thanks that "
    "the their then there these they this those to today together tomorrow we were what when where "
    "which who why will with would yes yesterday you your"
)
_AFTER_A_TIME = _words(  # "at 9 a.m. Monday", "at 6 p.m. EST"
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december est edt cst cdt mst mdt pst pdt gmt utc "
    "cet cest bst eastern central pacific mountain"
)
_BEFORE_AN_ORDINAL = _words("am im der die das den dem des vom zum zur beim bis ab")  # am 3. Mai

_SPACED = ".!?…"  # stops that white space must follow
_UNSPACED = "。！？｡؟۔।॥։።፧။។"  # stops of scripts that may do without
_CLOSING = "\"'’”“«»)]}*_`~」』）】》〉〕"
_OPENING = "\"'‘“„«»¿¡([{*_`~#>"
_EMOJI = "\U0001f000-\U0001faff\u2600-\u27bf\u200d\ufe0f"
_STOP = (
    rf"(?P<stop>[{_SPACED}{_UNSPACED}]+|(?<=[\u0370-\u03ff\u1f00-\u1fff]);)"  # the Greek "?" is ;
    rf"(?P<closing>(?:\]\([^\s)]*\)|\[\d+\]|</\w+>|[{re.escape(_CLOSING)}{_EMOJI}])*)"
)
_CLAUSE = r"(?P<clause>[,;:،](?=\s)|[，；：、])"
_MARK = re.compile(rf"{_STOP}|{_CLAUSE}|(?P<line>\n)")
_HALF_CLOSING = re.compile(r"\[\d*|</?\w*")  # of "[1]", "</b>"
_ASIAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u1000-\u109f\u1780-\u17ff"
_HIRAGANA = "\u3041-\u309f"
_ITEM = re.compile(r"\d{1,3}|[A-Za-z]|[ivx]{1,4}|[IVX]{1,4}")  # the number of a list's item
_ORDINAL = re.compile(r"0?[1-9]|[12][0-9]|3[01]")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]{1,2}")
_CONSONANTS = re.compile("[b-df-hj-np-tv-xz]{2,5}|[бвгджзйклмнпрстфхцчшщ]{2,5}", re.IGNORECASE)
_LONGEST_STARTER = max(map(len, _STARTERS | _AFTER_A_TIME))


class SentenceChunker:
    """Cuts a stream of text deltas into pieces that can be spoken one by one.

    A piece ends at the end of a sentence, of an item in a list, or of a line. The first piece may
    end at a comma once it has first_clause_chars characters: the sooner it is spoken, the shorter
    the wait. A text that does not stop is cut at a comma, or else before the word that would make
    it longer than max_chars, and so is a word longer than that.
    How the text is cut into deltas makes no difference. Joined by single spaces the pieces give
    the text again, its white space folded (scripts without spaces: joined by nothing).

    >>> chunker = SentenceChunker()
    >>> chunker.feed("No. 6 costs $4.50. Anything el")
    ['No. 6 costs $4.50.']
    >>> chunker.feed("se?"), chunker.flush()
    ([], ['Anything else?'])
    """

    def __init__(self, first_clause_chars: int = 40, max_chars: int = 300) -> None:
        if max_chars < 1:
            raise ValueError(f"max_chars is {max_chars}, needs 1 or more: 300 is a long sentence")
        self.first_clause_chars = first_clause_chars
        self.max_chars = max_chars
        self._text = ""  # what no piece has taken yet; white space is one space or one new line
        self._pieces = 0

    def feed(self, delta: str) -> list[str]:
        """Take the next characters; return the pieces that they complete."""
        self._text = re.sub(r"\s+", _fold, self._text + delta).lstrip()
        return self._cut(is_all=False)

    def flush(self) -> list[str]:
        """Return what is left when the text is complete: mostly one piece, or none."""
        pieces = self._cut(is_all=True)
        return [*pieces, self._take(len(self._text))] if self._text.strip() else pieces

    def _cut(self, is_all: bool) -> list[str]:
        pieces = []
        while (cut := self._boundary(is_all)) is not None:
            pieces.append(self._take(cut))
        return pieces

    def _take(self, cut: int) -> str:
        piece, self._text = self._text[:cut], self._text[cut:].lstrip()
        self._pieces += 1
        return " ".join(piece.split())

    def _boundary(self, is_all: bool) -> int | None:
        """Return where the next piece ends, as if the text had come character by character."""
        for mark in _MARK.finditer(self._text):
            end = mark.end()
            if mark["stop"] and self._is_quoted(end) and self._text.startswith(" »", end):
                end += 2  # « Viens. »
            if end > self.max_chars:
                break
            ends = self._ends_at(mark, end, is_all)
            if ends is None:  # what follows will tell; until then no later mark counts
                return None
            if ends:
                return end
        if len(self._text) <= self.max_chars:
            return None
        return _longest(self._text[: self.max_chars + 1])

    def _ends_at(self, mark: re.Match[str], end: int, is_all: bool) -> bool | None:
        """Tell whether a piece ends at a mark; None if more of the text must be known."""
        before, after = self._text[: mark.start()], self._text[end:]
        if not after or (after.isspace() and self._is_quoted(end)):
            return None
        if mark["clause"]:
            return not self._pieces and end >= self.first_clause_chars
        follows = _Following(after, is_all)
        if mark["line"]:
            return _ends_line(before, follows)
        return _ends_sentence(before, mark["stop"], self._text[mark.end("stop") : end], follows)

    def _is_quoted(self, end: int) -> bool:
        return self._text.count("«", 0, end) > self._text.count("»", 0, end)


def split_words(text: str) -> list[str]:
    """Return the words of a text; in scripts without spaces, what stands between two marks.

    Where a sentence ends, a word ends, so that the words of sentences add up to those of the text.

    >>> split_words("It left. 你好。今天，好！")
    ['It', 'left.', '你好。', '今天，', '好！']
    """
    return re.findall(rf"[^\s]*?[{_UNSPACED}，；：、][^\w\s]*(?=\w)|\S+", text)


def _fold(space: re.Match[str]) -> str:
    return "\n" if "\n" in space[0] or "\r" in space[0] else " "


def _longest(text: str) -> int:
    """Return where to cut a text that is one character too long: at a comma, a space, its end."""
    clauses = [match.end() for match in re.finditer(_CLAUSE, text)]
    if clauses and len(text) / 2 < clauses[-1] < len(text):
        return clauses[-1]
    return max(text.rfind(" "), text.rfind("\n")) + 1 or len(text) - 1


@dataclass(frozen=True, slots=True)
class _Following:
    """What follows a mark, as far as it is known; is_all: nothing more will come."""

    text: str
    is_all: bool

    @property
    def first(self) -> str:
        """The first visible character that opens no quote or bracket; "" if none is there."""
        return self.text.lstrip(_OPENING + " \n")[:1]

    @property
    def word(self) -> str | None:
        """The first word in small letters, with a stop if it has one; None if it may go on."""
        text = self.text.lstrip(_OPENING + " \n")
        word = "".join(itertools.takewhile(str.isalpha, text))
        if word == text and not self.is_all and len(word) <= _LONGEST_STARTER:
            return None
        return word.lower() + "." * text[len(word) :].startswith(".")


def _ends_line(before: str, follows: _Following) -> bool | None:
    """Tell whether a line is a piece: not if the next one goes on in small letters."""
    if not _has_word(before) or _ITEM.fullmatch(before.strip(_OPENING + " .)")):  # "1." alone
        return False
    if not follows.text[0].islower():
        return True
    if re.fullmatch(r"[a-z]{1,4}[.)]?", follows.text) and not follows.is_all:
        return None
    return bool(re.match(r"[a-z]{1,4}[.)]\s", follows.text))  # "b) coffee"


def _ends_sentence(before: str, stop: str, closing: str, follows: _Following) -> bool | None:
    """Tell whether a sentence ends at a stop and the quotes and brackets that it closes."""
    after = follows.text
    if not _has_word(before) or (closing and before[-1] in "[("):  # "[...]"
        return False
    if not after[0].isspace():
        half = _HALF_CLOSING.fullmatch(after) or (closing[-1:] == "]" and after[0] == "(")
        return None if half and not follows.is_all else _ends_unspaced(stop, closing, after[0])
    if stop == ".":
        return _ends_at_full_stop(before, closing, follows)
    is_name = stop == "!" and before.split()[1:] and before.split()[-1][0].isupper()  # "Yahoo! is"
    if (closing and stop[-1] in _SPACED) or stop[-1] in ".…" or is_name:
        # "Well... let me see", '"Who?" he asked'
        return not follows.first.islower() if follows.first or follows.is_all else None
    return True


def _ends_unspaced(stop: str, closing: str, first: str) -> bool:
    """Tell whether a stop without white space after it ends a sentence: "你好。你", "$4.50"."""
    if closing and re.match(f"[{_HIRAGANA}]", first):  # 「行こう。」と言った
        return False
    if stop[-1] in _UNSPACED:
        return first not in "，、；：,;:)"
    return (stop[-1] in "!?" or closing != "") and re.match(f"[{_ASIAN}]", first) is not None


class _Stop(Enum):
    """What a full stop may be, by the word that has it."""

    OF_THE_WORD = "Dr. Smith"
    SELDOM_AN_END = "the U.S. Army"
    MAYBE_AN_END = "from Acme Inc."
    OF_A_NUMBER = "the 3. of May"
    END = "It has left."


def _kind_of_stop(word: str, ahead: Sequence[str]) -> _Stop:
    """Return what a full stop after a word may be. ahead: the words before it."""
    before, last = ["", "", *ahead][-2:]
    if _is_in(word, NEVER_LAST) or _numbers_an_item(word, ahead):
        return _Stop.OF_THE_WORD
    if _ORDINAL.fullmatch(word):
        is_german = last.lower() in _BEFORE_AN_ORDINAL and before != "I"
        return _Stop.OF_THE_WORD if is_german else _Stop.OF_A_NUMBER
    is_pronoun = word.lower() == "i" and not (before and last[0].isupper())  # not "Albert I."
    if word.lower() in MAY_BE_LAST or is_pronoun:
        return _Stop.MAYBE_AN_END
    is_letter = len(word) == 1 and word.upper() != word.lower()
    if is_letter or _is_in(word, SELDOM_LAST) or _INITIALS.fullmatch(word):
        return _Stop.SELDOM_AN_END
    return _Stop.MAYBE_AN_END if _CONSONANTS.fullmatch(word) else _Stop.END


def _numbers_an_item(word: str, ahead: Sequence[str]) -> bool:
    """Tell whether a number or letter before a stop is a list's: the first, or the next one."""
    if not _ITEM.fullmatch(word):
        return False
    ahead = [*filter(_has_word, ahead)]  # no bullets
    if not ahead or (ahead[-1][-1] == ":" and word.lower() in "1ai"):  # "Two steps: 1. Open it."
        return True
    first = re.match(r"\d{1,3}(?=[.)])", ahead[0].lstrip(_OPENING))  # "1. Shirts 2. Hats"
    return first is not None and word == str(int(first[0]) + 1)


def _ends_at_full_stop(before: str, closing: str, follows: _Following) -> bool | None:
    """Tell whether a full stop before white space ends a sentence, or belongs to its word."""
    if before[-1] == " ":  # "I mean . . . not now"
        return not (follows.first.islower() or follows.first == ".") if follows.first else None
    *ahead, last = before.split()
    word = re.split("[-–—/]", last)[-1].lstrip(_OPENING)
    kind = _kind_of_stop(word, ahead)
    if kind is _Stop.OF_THE_WORD or (kind is _Stop.END and not closing):
        return kind is _Stop.END
    first = follows.first
    if not first:
        return True if follows.is_all else None
    if first.islower():  # "etc. are cheap", but "So do I. really" and "No. we are closed"
        return word.lower() == "i" or (word.lower() == "no" and not ahead)
    if kind in (_Stop.OF_A_NUMBER, _Stop.END):
        return True
    if first.isdigit():
        return False
    return word.lower() == "no" or _begins_sentence(follows.word, word, kind)


def _begins_sentence(following: str | None, word: str, kind: _Stop) -> bool | None:
    """Tell whether the next word begins a sentence, after a word that is written with a stop."""
    if following is None:
        return None
    name = following.rstrip(".")
    is_short_form = len(name) == 1 or name in MAY_BE_LAST or _CONSONANTS.fullmatch(name)
    if following != name and is_short_form:  # "J. R. Smith", "Acme Co. Ltd."
        return False
    if word.lower() in ("a.m", "p.m"):
        return name not in _AFTER_A_TIME
    return kind is _Stop.MAYBE_AN_END or name in _STARTERS


def _has_word(text: str) -> bool:
    return any(map(str.isalnum, text))


def _is_in(word: str, known: frozenset[str]) -> bool:
    return word.lower() in known or (word[:1].isupper() and word.capitalize() in known)
