"""Values in the words of callers, as recognisers write them: numbers, times, names of things."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from voxlab import data
from voxlab.data.yaml_files import read_yaml
from voxlab.text import DIGIT_WORDS, say_number

Draw = Callable[[np.random.Generator], str]


@cache
def _listed() -> Mapping[str, Sequence[str]]:
    listed: Mapping[str, Sequence[str]] = read_yaml(
        data.path("language_model/training_values.yaml")
    )
    return listed


def draw(kind: str, rng: np.random.Generator) -> str:
    """Draw a value of a kind, as a caller says it.

    >>> draw("city", np.random.default_rng(0)) in _listed()["city"]
    True
    """
    if kind.startswith("digits"):
        return _digits(int(kind.removeprefix("digits")), rng)
    if kind in DRAWN:
        return DRAWN[kind](rng)
    return _one_of(_listed()[kind], rng)


def _one_of(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _number(number: int) -> str:
    return say_number(number).replace("-", " ")


def _digits(count: int, rng: np.random.Generator) -> str:
    digits = [int(digit) for digit in rng.integers(0, 10, count)]
    if rng.random() < 0.25:  # people's numbers have more repeats than chance gives
        digits[1] = digits[0]
    written = "".join(map(str, digits))
    style = rng.random()
    if style < 0.3:
        return written
    if style < 0.5:
        return _one_of((" ", "-", ", "), rng).join(written)
    if style < 0.6 and count > 3:
        at = int(rng.integers(2, count - 1))
        return f"{written[:at]}{_one_of((' ', '-', ','), rng)}{written[at:]}"
    zero = _one_of(("zero", "oh", "oh"), rng)
    words, at = list[str](), 0
    while at < count:
        word = DIGIT_WORDS[digits[at]] if digits[at] else zero
        if digits[at : at + 2] == [digits[at]] * 2 and rng.random() < 0.6:
            words, at = [*words, f"double {word}"], at + 2
        elif at + 2 <= count and digits[at] > 1 and rng.random() < 0.12:
            words, at = [*words, _number(10 * digits[at] + digits[at + 1])], at + 2
        else:
            words, at = [*words, word], at + 1
    return _one_of((" ", " ", ", "), rng).join(words)


def _count(rng: np.random.Generator) -> str:
    number = int(rng.choice([1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10, 12, 14, 15, 20, 25, 30, 45, 60]))
    return str(number) if rng.random() < 0.4 else _number(number)


def _people(rng: np.random.Generator) -> str:
    number = int(rng.choice([1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 10]))
    said = str(number) if rng.random() < 0.35 else _number(number)
    if number == 1:
        return _one_of(("just me", "one person", "one", "only me"), rng)
    if number == 2 and rng.random() < 0.25:
        return _one_of(("me and my wife", "me and my friend", "my mother and me", "a couple"), rng)
    return f"{said}{_one_of(('', '', ' people', ' people', ' persons', ' guests', ' of us'), rng)}"


def _time(rng: np.random.Generator) -> str:
    hour = int(rng.choice([8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6, 6, 7, 7, 7, 8, 8, 9]))
    minute = int(rng.choice([0, 0, 0, 0, 15, 30, 30, 45, 20, 50]))
    part = _one_of(
        ("", "", "", "", " pm", " p.m.", " in the evening", " am", " in the morning"), rng
    )
    style = rng.random()
    if style < 0.35:
        mark = _one_of((":", ":", "."), rng)
        return f"{hour}{mark}{minute:02d}{part}" if minute or style < 0.2 else f"{hour}{part}"
    after = _number(hour % 12 + 1)
    if minute == 0:
        return _number(hour) + _one_of((" o'clock", "", "", part), rng)
    spoken = {
        15: (f"quarter past {_number(hour)}", f"a quarter past {_number(hour)}"),
        30: (f"half past {_number(hour)}", f"{_number(hour)} thirty"),
        45: (f"quarter to {after}", f"a quarter to {after}"),
        20: (f"twenty past {_number(hour)}", f"{_number(hour)} twenty"),
        50: (f"ten to {after}", f"{_number(hour)} fifty"),
    }
    return _one_of(spoken[minute], rng) + (part if rng.random() < 0.5 else "")


def _money(rng: np.random.Generator) -> str:
    amount = int(rng.choice([5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90]))
    said = str(amount) if rng.random() < 0.5 else _number(amount)
    return _one_of((f"{said} euros", f"{said} dollars", f"${amount}", f"{said} pounds", said), rng)


def _email(rng: np.random.Generator) -> str:
    first = draw("first_name", rng).lower()
    last = draw("surname", rng).lower()
    domain = _one_of(("example", "mail", "post", "office"), rng)
    end = _one_of(("com", "com", "org", "net"), rng)
    if rng.random() < 0.35:
        return f"{first}{_one_of(('.', '_', ''), rng)}{last}@{domain}.{end}"
    mark = _one_of((" dot ", " underscore ", " "), rng)
    return f"{first}{mark}{last} at {domain} dot {end}"


def _address(rng: np.random.Generator) -> str:
    number = int(rng.integers(1, 99))
    said = str(number) if rng.random() < 0.7 else _number(number)
    return f"{said} {draw('street', rng).removeprefix('the ')}"


def _letters(count: int, rng: np.random.Generator) -> str:
    return "".join(chr(65 + int(letter)) for letter in rng.integers(0, 26, count))


def _flight(rng: np.random.Generator) -> str:
    return f"{_letters(2, rng)}{_one_of((' ', ''), rng)}{rng.integers(10, 2000)}"


def _plate(rng: np.random.Generator) -> str:
    last = _letters(int(rng.integers(0, 3)), rng)
    return f"{_letters(2, rng)} {rng.integers(10, 999)} {last}".strip()


DRAWN: Mapping[str, Draw] = {
    "count": _count,
    "people": _people,
    "time": _time,
    "money": _money,
    "email": _email,
    "address": _address,
    "flight": _flight,
    "plate": _plate,
    "phone": lambda rng: _digits(int(rng.integers(6, 9)), rng),
}
