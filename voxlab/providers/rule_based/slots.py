"""Which values a sentence names: order number, email address, city, day, time, people, customer.

Recognisers write the same words in many ways ("7:30", "seven thirty", "half past 7"), and callers
correct themselves ("not two people, four people"): the last value that is not denied counts.
"""

import itertools
import re
from collections.abc import Callable
from typing import Any

from voxlab.text import DIGIT_WORDS, NUMBER_WORDS

DIGITS = {word: str(digit) for digit, word in enumerate(DIGIT_WORDS)} | {"oh": "0", "o": "0"}
MINUTES = {"fifteen": 15, "thirty": 30, "forty five": 45}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = ("today", "tonight", "tomorrow", *WEEKDAYS)
CITIES = ("Paris", "London", "New York", "Berlin", "Madrid", "Rome", "Chicago", "Tokyo", "Boston")

NUMBER = rf"(\d{{1,2}}|{'|'.join(NUMBER_WORDS)})"
PEOPLE = r"(?:people|persons?|guests?|of us)"
CLOCK = r"(?:o'clock|p\.? ?m\b|in the evening)"
HESITATION = r"\b(?:um+|uh+|er+|erm|hmm+)\b"
DENIED = rf"\bnot (?:(?:on|at|for|to|in) )?\w+(?: {PEOPLE})?"
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
    said = " ".join(re.sub(f"{HESITATION}|{DENIED}", " ", said).split())
    found = {name: find(said) for name, find in FINDERS.items()}
    found = {name: value for name, value in found.items() if value}
    if not found and expected in ANSWERS:
        answer = ANSWERS[expected](re.sub(AROUND_AN_ANSWER, " ", said).strip())
        return {expected: answer} if answer else {}
    return found


def _order_id(said: str) -> str:
    """Find five digits, in one or said one by one: "1-2-3-4-5", "one two three four five"."""
    words = re.split(r"[.,:\s]+", said)
    digits = [DIGITS.get(word, word if re.fullmatch("[0-9]+", word) else "") for word in words]
    runs = [list(run) for is_digits, run in itertools.groupby(digits, bool) if is_digits]
    found = [number for run in runs for number in (*run, "".join(run)) if len(number) == 5]
    return found[-1] if found else ""


def _email(said: str) -> str:
    """Find an address, written or spoken: "grace dot kim at example dot com"."""
    written = re.sub(r"\s+(?:dot|\.)\s+", ".", said)
    found = re.findall(r"([\w.+-]+)(?:\s*@\s*| at )((?:[\w-]+\.)+[a-z]{2,})\b", written)
    return "@".join(found[-1]) if found else ""


def _city(said: str) -> str:
    found = re.findall(rf"\b({'|'.join(CITIES)})\b", said, re.IGNORECASE)
    return str(found[-1]).title() if found else ""


def _day(said: str) -> str:
    found = re.findall(rf"(?<!after )\b({'|'.join(DAYS)})\b", said)
    last = str(found[-1]) if found else ""
    return last.capitalize() if last in WEEKDAYS else last


def _time(said: str) -> str:
    """Find a time of day; the forms that say most are tried first."""
    forms: tuple[tuple[str, int | None], ...] = (  # the pattern of the hour; the minutes
        (r"\b(\d{1,2})[:.](\d\d)\b", None),
        (rf"\bhalf past {NUMBER}\b", 30),
        (rf"\bquarter past {NUMBER}\b", 15),
        (rf"\bquarter to {NUMBER}\b", -15),
        (rf"\b{NUMBER} ({'|'.join(MINUTES)})\b", None),
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
    found = found or re.findall(
        rf"\b(?:for|party of) {NUMBER}\b(?!:| ?{CLOCK}| (?:{'|'.join(MINUTES)}))", said
    )
    return _count(found[-1]) if found else 0


def _customer(said: str) -> str:
    """Find the last word of a name: reservations are kept by surname."""
    name = rf"(?!{NO_NAME})([^\W\d_][\w']*)"
    match = re.search(rf"\b{BEFORE_A_NAME}\.? {name}(?: {name})?", said)
    return (match[2] or match[1]).capitalize() if match else ""


def _count(word: str) -> int:
    return MINUTES.get(word) or (NUMBER_WORDS.index(word) if word in NUMBER_WORDS else int(word))


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
