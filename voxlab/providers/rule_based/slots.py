"""Which values a sentence names: order number, email address, city, day, time, people, customer.

Recognisers write the same words in many ways ("7:30", "seven thirty", "half past 7"), and callers
correct themselves ("not two people, four people"): the last value that is not denied counts. A
part is never taken for the whole, and of two ("four or five") none: then the agent asks.
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
ANOTHER_DAY = (
    "".join(  # behind these, another day is meant
        f"(?<!{words} )"
        for words in ("after", "before", "next", "last", "from", "except", "day but")
    )
    + "(?<!week on )"
)
CITIES = ("Paris", "London", "New York", "Berlin", "Madrid", "Rome", "Chicago", "Tokyo", "Boston")

UNDER_100 = rf"(?:{'|'.join(TENS)})(?: (?:{'|'.join(DIGIT_WORDS[1:])}))?|{'|'.join(NUMBER_WORDS)}"
LARGER = "".join(  # not behind these: there it is a part of another number
    f"(?<!{word} )"
    for word in (*TENS, "hundred", "hundred and", "thousand", "thousand and", "minus", "half")
)
ONLY_BEGUN = r"(?! (?:hundred|thousand|million|dozen|point|and a half))(?![:.]\d)"
UNCUT = rf"{LARGER}(?<!\d[:.])(?:\d{{1,2}}(?!\d)|(?:{UNDER_100})\b){ONLY_BEGUN}"
NUMBER = f"({UNCUT})"
THOUSANDS = (  # (thousands, hundreds, the rest)
    rf"\b(\d{{1,2}}|{UNDER_100}) thousand(?:,? (?:and )?(\d|{'|'.join(DIGIT_WORDS)}) hundred)?"
    rf"(?:,? (?:and )?(\d{{1,2}}|{UNDER_100}))?\b"
)
MINUTE = (
    rf"(?:(?:{'|'.join(TENS[:4])})(?: (?:{'|'.join(DIGIT_WORDS[1:])}))?|"
    rf"{'|'.join(NUMBER_WORDS[10:20])}|(?:oh|o|zero) (?:{'|'.join(DIGIT_WORDS[1:])}))"
)
TO_THE_HOUR = r"(?:five|ten|twenty|twenty five|5|10|20|25)(?: minutes)?"
PEOPLE = r"(?:people|persons?|guests?|of us|adults?|child|children|kids?)"
SPELLED_PEOPLE = (
    (r"\bhalf a dozen\b", "6 people"),
    (r"\ba dozen\b", "12 people"),
    (r"\b(?:just|only) me\b(?! and)", "1 person"),
    (r"\b(?:me and my \w+|my \w+ and (?:i|me)|a couple(?! of))\b", "2 people"),
)
CLOCK = r"(?:o'clock|p\.? ?m\b|in the evening)"
MORNING = r"(?:a\.? ?m\b\.?|in the morning)"
AGAIN = r"(?:no|sorry|i mean|i meant|actually|or rather|rather|make it)(?: wait| sorry| no)*"
HESITATION = r"\b(?:um+|uh+|er+|erm|hmm+)\b"
WHEN = rf"(?:(?:half|quarter) (?:past|to) )?{UNCUT}(?: {MINUTE}| o'clock)?"
EITHER = "|".join(  # "four or five people": which? To be asked
    rf"\b(?:{value})(?: {PEOPLE})? or (?:(?:on|for|at|order) )?(?:{value})\b"
    for value in (r"\d{1,2}[:.]\d\d", WHEN, r"\d+", "|".join(DAYS))
)
DENIED = rf"\bnot (?:(?:on|at|for|to|in) )?\w+(?: {PEOPLE})?"
MARKS = {"dot": ".", r"\.": ".", "underscore": "_", "(?:dash|hyphen)": "-", "plus": "+"}
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
    said = re.sub(EITHER, " ", said)
    found = {name: find(said) for name, find in FINDERS.items()}
    found = {name: value for name, value in found.items() if value}
    if not found and expected in ANSWERS:
        answer = ANSWERS[expected](re.sub(AROUND_AN_ANSWER, " ", said).strip())
        return {expected: answer} if answer else {}
    return found


def is_doubtful(said: str) -> bool:
    """Tell whether normalised words name values that are better read back before they count.

    They were corrected in the same breath, or some are only heard as numbers.

    >>> is_doubtful("for two no three people"), is_doubtful("order one two for one five")
    (True, True)
    >>> is_doubtful("a table for four at seven")
    False
    """
    corrected = (
        rf"\b{value} {AGAIN} (?:(?:on|for|at) )?{value}\b"
        for value in (NUMBER, rf"(?:{'|'.join(DAYS)})")
    )
    digit = rf"(?:\d+|{'|'.join(DIGITS)})"
    misheard = rf"\b{digit} (?:{'|'.join(HOMOPHONES)}) {digit}\b"
    return any(re.search(pattern, said) for pattern in (*corrected, misheard))


def _order_id(said: str) -> str:
    """Find five digits, in one or as people say them: "four double two", "thirteen", "oh".

    A run of more or fewer digits is no order number: a part is never taken for the whole. Ten are
    one if they are five said twice.
    """
    runs = [run[:5] if run == 2 * run[:5] else run for run in digit_runs(said)]
    found = [run for run in runs if len(run) == 5]
    return found[-1] if found else ""


def digit_runs(said: str) -> list[str]:
    """Return the digits that stand side by side in normalised words, a text for each run.

    >>> digit_runs("it's four double two or 19")
    ['422', '19']
    >>> digit_runs("forty eight thousand two hundred and thirteen")
    ['48213']
    """
    said = re.sub(THOUSANDS, _in_figures, said)
    words = re.split(r"[.,:\s]+", said)
    digits = [_digits_of(words, n) for n in range(len(words))]
    for n, word in enumerate(words):  # "to" is a two only where digits stand on both sides
        around = digits[n - 1 : n] + digits[n + 1 : n + 2]
        if word in HOMOPHONES and len(around) == 2 and all(around):
            digits[n] = HOMOPHONES[word]
    return ["".join(run) for is_digits, run in itertools.groupby(digits, bool) if is_digits]


def _in_figures(number: re.Match[str]) -> str:
    """Return thousands, hundreds and the rest as one number in figures."""
    parts = (
        sum(int(VALUES.get(word, word)) for word in (part or "0").split())
        for part in number.groups()
    )
    return str(sum(part * size for part, size in zip(parts, (1000, 100, 1), strict=True)))


def _digits_of(words: list[str], n: int) -> str:
    """Return the digits that a word among others stands for; "" for none."""
    word, *after = words[n : n + 2]
    doubled = DIGITS.get(after[0], after[0]) if after else ""
    if word in TIMES and re.fullmatch("[0-9]", doubled):
        return doubled * (TIMES[word] - 1)
    if word in DIGITS:
        return DIGITS[word]
    if re.fullmatch("[0-9]+", word):
        return word
    if word in TENS:
        tens = str(VALUES[word])
        ends_here = n + 1 == len(words) or words[n + 1] not in DIGIT_WORDS[1:]
        return tens if ends_here else tens[0]  # "forty eight" is 48
    return str(VALUES.get(word, ""))


def _email(said: str) -> str:
    """Find an address, written or spoken: "grace dot kim at example dot com".

    "" if a word before it may be a part of it: another customer may have the shorter address.
    """
    written = said
    for word, mark in MARKS.items():
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
    found = re.findall(rf"{ANOTHER_DAY}\b({'|'.join(DAYS)})\b(?! week)", said)
    last = str(found[-1]) if found else ""
    return last.capitalize() if last in WEEKDAYS else last


def _time(said: str) -> str:
    """Find a time of day; the forms that say most are tried first."""
    digit = "|".join(DIGITS)
    said = re.sub(rf"\b(?:(?:{digit}|\d) ){{4,}}(?:{digit}|\d)\b", " ", said)  # an order number
    if re.search(r"\b(?:noon|midday)\b", said):
        return "12:00"
    forms: tuple[tuple[str, int | None], ...] = (  # the pattern of the hour; the minutes
        (r"\b(\d{1,2})[:.](\d\d)\b", None),
        (rf"\bhalf past {NUMBER}\b", 30),
        (rf"\bquarter past {NUMBER}\b", 15),
        (rf"\bquarter to {NUMBER}\b", -15),
        (rf"\b(?:at|around|about|by) {NUMBER} ({MINUTE})\b(?! {PEOPLE})", None),
        (rf"\b({'|'.join(NUMBER_WORDS[1:13])}|\d{{1,2}}) ({MINUTE})\b(?! {PEOPLE})", None),
        (rf"\bat {NUMBER} (\d\d)\b", None),
        (rf"\b{NUMBER} ?(?:{CLOCK}|{MORNING})", 0),
        (rf"\b(?:at|around|about|by) {NUMBER}\b(?! {PEOPLE})", 0),
    )
    is_morning = bool(re.search(rf"(?:\d|{UNDER_100}) ?a\.? ?m\b|(?<!good )\bmorning\b", said))
    relative = rf"(?<!from )\b({TO_THE_HOUR}) (to|before|past|after) {NUMBER}\b(?! {PEOPLE})"
    if found := re.search(relative, said):
        past = _count(found[1].removesuffix(" minutes"))
        return _clock(_count(found[3]), -past if found[2] in ("to", "before") else past, is_morning)
    for form, minutes in forms:
        if matches := list(re.finditer(form, said)):
            last = matches[-1]
            minutes = _count(last[2]) if minutes is None else minutes
            return _clock(_count(last[1]), minutes, is_morning)
    return ""


def _clock(hour: int, minutes: int, is_morning: bool = False) -> str:
    """Return HH:MM; "" for no time of day. Tables are booked for the evening: seven is 19:00."""
    if not 0 < hour < 24 or minutes > 59 or (is_morning and hour > 12):
        return ""
    at_minutes = 60 * hour + minutes
    if is_morning:
        at_minutes %= 12 * 60
    elif at_minutes < 12 * 60:
        at_minutes += 12 * 60
    return f"{at_minutes // 60:02d}:{at_minutes % 60:02d}"


def _party_size(said: str) -> int:
    for words, people in SPELLED_PEOPLE:
        said = re.sub(words, people, said)
    both = rf"\b{NUMBER} {PEOPLE} (?:and|plus|with) {NUMBER} {PEOPLE}\b"
    if groups := re.search(both, said):  # "two adults and three children"
        return _count(groups[1]) + _count(groups[2])
    found = re.findall(rf"\b{NUMBER} {PEOPLE}\b", said)
    found = found or re.findall(rf"\b(?:for|party of) {NUMBER}\b(?!:| ?{CLOCK}| {MINUTE})", said)
    return _count(found[-1]) if found else 0


def _customer(said: str) -> str:
    """Find the last word of a name: reservations are kept by surname."""
    name = rf"(?!{NO_NAME})([^\W\d_][\w']*)"
    match = re.search(rf"\b{BEFORE_A_NAME}\.? {name}(?: {name})?", said)
    return (match[2] or match[1]).capitalize() if match else ""


def _count(word: str) -> int:
    figures = ("0" if each in ("oh", "o") else each for each in word.split())
    return sum(VALUES[each] if each in VALUES else int(each) for each in figures)


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
    "time": lambda said: _clock(_count(number), 0) if (number := _bare_number(said)) else "",
    "party_size": lambda said: _count(number) if (number := _bare_number(said)) else 0,
    "customer": lambda said: _bare_name(said).split(" ")[-1].capitalize(),
}
