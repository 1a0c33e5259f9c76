"""Which values a sentence names: order number, email address, city, day, time, people, customer.

Recognisers write the same words in many ways ("7:30", "seven thirty", "half past 7"), and callers
correct themselves ("not two people, four people"): the last value that is not denied counts.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from voxlab.text import DIGIT_WORDS, NUMBER_WORDS, TENS, VALUES

DIGITS = {word: str(digit) for digit, word in enumerate(DIGIT_WORDS)}
DIGITS |= {"oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0"}
HOMOPHONES = {"to": "2", "too": "2", "for": "4", "fore": "4", "won": "1", "ate": "8"}
TIMES = {"double": 2, "triple": 3, "treble": 3}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = ("today", "tonight", "tomorrow", *WEEKDAYS)
CITIES = ("Paris", "London", "New York", "Berlin", "Madrid", "Rome", "Chicago", "Tokyo", "Boston")

UNDER_100 = rf"(?:{'|'.join(TENS)})(?: (?:{'|'.join(DIGIT_WORDS[1:])}))?|{'|'.join(NUMBER_WORDS)}"
LARGER = "".join(  # not behind these: there it is a part of a larger number
    f"(?<!{word} )" for word in (*TENS, "hundred", "hundred and", "thousand")
)
NUMBER = rf"{LARGER}(\d{{1,2}}|{UNDER_100})"
MINUTE = rf"(?:(?:{'|'.join(TENS[:4])})(?: (?:{'|'.join(DIGIT_WORDS[1:])}))?|ten|fifteen)"
PEOPLE = r"(?:people|persons?|guests?|of us)"
CLOCK = r"(?:o'clock|p\.? ?m\b|in the evening)"
MORNING = r"(?:a\.? ?m\b\.?|in the morning)"
AGAIN = r"(?:no|sorry|i mean|i meant|actually|or rather|rather|make it)(?: wait| sorry| no)*"
HESITATION = r"\b(?:um+|uh+|er+|erm|hmm+)\b"
DENIED = rf"\bnot (?:(?:on|at|for|to|in) )?\w+(?: {PEOPLE})?"
BEFORE_AN_ADDRESS = (
    r"is|it's|its|email|mail|address|to|under|with|use|be|by|for|my|the|and|or|yes|sure"
)
BEFORE_A_NAME = r"(?:name is|name's|under the name of|under the name|under|\bmrs?|\bms)"
NO_NAME = r"(?:the|my|a|and|or|but|so|for|on|at|to|please|thanks|thank)\b"
AROUND_AN_ANSWER = (
    r"\b(?:please|thanks|it's|it is|it'll be|i'm|this is|that's|for|in|the|mrs?|ms|well|name)\b"
)


def find_slots(said: str, expected: str = "") -> dict[str, Any]:
    """Return the values that normalised words name, by slot.

    expected: the slot that was just asked for; the bare answer to it ("Seven.") counts too.

    >>> find_slots("a table for two on friday at half past seven")
    {'day': 'Friday', 'time': '19:30', 'party_size': 2}
    >>> find_slots("four please", expected="party_size")
    {'party_size': 4}
    """
    said = unicodedata.normalize("NFKC", said)
    said = " ".join(re.sub(f"{HESITATION}|{DENIED}", " ", said).split())
    for value in (NUMBER, rf"({'|'.join(DAYS)})"):  # "for two, no, three": the last one counts
        again = rf"\b{value} {AGAIN} (?:(?:on|for|at) )?(?={value}\b)"
        said = re.sub(again, "", said)
    found = {name: find(said) for name, find in FINDERS.items()}
    found = {name: value for name, value in found.items() if value}
    if not found and expected in ANSWERS:
        answer = ANSWERS[expected](re.sub(AROUND_AN_ANSWER, " ", said).strip())
        return {expected: answer} if answer else {}
    return found


def _order_id(said: str) -> str:
    """Find five digits, in one or as people say them: "four double two", "thirteen", "oh".

    A run of more or fewer digits is no order number: a part is never taken for the whole.
    """
    words = re.split(r"[.,:\s]+", said)
    digits = [_digits_of(words, n) for n in range(len(words))]
    for n, word in enumerate(words):  # "to" is a two only where digits stand on both sides
        around = digits[n - 1 : n] + digits[n + 1 : n + 2]
        if word in HOMOPHONES and len(around) == 2 and all(around):
            digits[n] = HOMOPHONES[word]
    runs = ["".join(run) for is_digits, run in itertools.groupby(digits, bool) if is_digits]
    found = [run for run in runs if len(run) == 5]
    return found[-1] if found else ""


def _digits_of(words: list[str], n: int) -> str:
    """Return the digits that a word among others stands for; "" for none, " " if it only helps."""
    word, before = words[n], words[n - 1] if n else ""
    if word in TIMES and n + 1 < len(words) and words[n + 1] in DIGITS:
        return DIGITS[words[n + 1]] * (TIMES[word] - 1)
    if word in DIGITS:
        return DIGITS[word]
    if re.fullmatch("[0-9]+", word):
        return word
    if word in TENS:
        tens = str(VALUES[word])
        ends_here = n + 1 == len(words) or words[n + 1] not in DIGIT_WORDS[1:]
        return tens if ends_here else tens[0]  # "forty eight" is 48
    return str(VALUES[word]) if word in VALUES and before else ""


def _email(said: str) -> str:
    """Find an address, written or spoken: "grace dot kim at example dot com".

    "" if a word before it may be a part of it: another customer may have the shorter address.
    """
    written = said
    for word, mark in (("dot", "."), (r"\.", "."), ("underscore", "_"), ("(?:dash|hyphen)", "-")):
        written = re.sub(rf"\s+{word}\s+", mark, written)
    written = re.sub(r"\b(?:\w )+\w\b(?= at |@)", lambda m: m[0].replace(" ", ""), written)
    pattern = r"(?:(\S+) )?\b([\w.+-]+)(?:\s*@\s*| at )((?:[\w-]+\.)+[a-z]{2,})\b"
    found = re.findall(pattern, written)
    if not found or (found[-1][0] and not re.fullmatch(BEFORE_AN_ADDRESS, found[-1][0])):
        return ""
    return "@".join(found[-1][1:])


def _city(said: str) -> str:
    found = re.findall(rf"\b({'|'.join(CITIES)})\b", said, re.IGNORECASE)
    return str(found[-1]).title() if found else ""


def _day(said: str) -> str:
    found = re.findall(rf"(?<!after )\b({'|'.join(DAYS)})\b", said)
    last = str(found[-1]) if found else ""
    return last.capitalize() if last in WEEKDAYS else last


def _time(said: str) -> str:
    """Find a time of day; the forms that say most are tried first."""
    morning = rf"\b{NUMBER}(?:[: .]?(\d\d))? ?{MORNING}"
    if found := list(re.finditer(morning, said)):
        past = int(found[-1][2] or 0)
        return f"{_count(found[-1][1]) % 12:02d}:{past:02d}" if past < 60 else ""
    forms: tuple[tuple[str, int | None], ...] = (  # the pattern of the hour; the minutes
        (r"\b(\d{1,2})[:.](\d\d)\b", None),
        (rf"\bhalf past {NUMBER}\b", 30),
        (rf"\bquarter past {NUMBER}\b", 15),
        (rf"\bquarter to {NUMBER}\b", -15),
        (rf"\b(?:at|around|about|by) {NUMBER} ({MINUTE})\b(?! {PEOPLE})", None),
        (rf"\b({'|'.join(NUMBER_WORDS[1:13])}|\d{{1,2}}) ({MINUTE})\b(?! {PEOPLE})", None),
        (rf"\bat {NUMBER} (\d\d)\b", None),
        (rf"\b{NUMBER} ?{CLOCK}", 0),
        (rf"\b(?:at|around|about|by) {NUMBER}\b(?! {PEOPLE})", 0),
    )
    for form, minutes in forms:
        if found := list(re.finditer(form, said)):
            match = found[-1]
            return _evening(match[1], _count(match[2]) if minutes is None else minutes)
    return ""


def _evening(hour: str, minutes: int) -> str:
    """Tables are booked for the evening: seven is 19:00."""
    at_minutes = 60 * _count(hour) + minutes
    if at_minutes < 12 * 60:
        at_minutes += 12 * 60
    hours, minutes = divmod(at_minutes, 60)
    return f"{hours:02d}:{minutes:02d}" if hours < 24 else ""


def _party_size(said: str) -> int:
    found = re.findall(rf"\b{NUMBER} {PEOPLE}\b", said)
    found = found or re.findall(rf"\b(?:for|party of) {NUMBER}\b(?!:| ?{CLOCK}| {MINUTE})", said)
    return _count(found[-1]) if found else 0


def _customer(said: str) -> str:
    """Find the last word of a name: reservations are kept by surname."""
    name = rf"(?!{NO_NAME})([^\W\d_][\w']*)"
    match = re.search(rf"\b{BEFORE_A_NAME}\.? {name}(?: {name})?", said)
    return (match[2] or match[1]).capitalize() if match else ""


def _count(word: str) -> int:
    return sum(VALUES[each] if each in VALUES else int(each) for each in word.split())


def _bare_number(said: str) -> str:
    found = re.findall(rf"\b{NUMBER}\b", said)
    return str(found[-1]) if found else ""


def _bare_name(said: str) -> str:
    words = said.rstrip(".").split()
    return " ".join(words) if len(words) <= 2 and all(map(str.isalpha, words)) else ""


FINDERS: dict[str, Callable[[str], Any]] = {
    "order_id": _order_id,
    "email": _email,
    "city": _city,
    "day": _day,
    "time": _time,
    "party_size": _party_size,
    "customer": _customer,
}
ANSWERS: dict[str, Callable[[str], Any]] = {  # what counts when just this was asked for
    "city": lambda said: _bare_name(said).title(),
    "time": lambda said: _evening(number, 0) if (number := _bare_number(said)) else "",
    "party_size": lambda said: _count(number) if (number := _bare_number(said)) else 0,
    "customer": lambda said: _bare_name(said).split(" ")[-1].capitalize(),
}
