"""How numbers, signs and addresses are said in English: rules for `read_aloud`.

A rule is a pattern and what is said for a match, None if the match is something else after all.
Where two rules claim the same characters, the one that begins first counts, then the one that
stands first in ENGLISH: a date before a telephone number, that before a range.
"""

import re
from collections.abc import Callable, Mapping

from voxlab.text import DIGIT_WORDS, say_digits, say_number, say_ordinal

Match = re.Match[str]
SayMatch = Callable[[Match], str | None]
ReadingRule = tuple[re.Pattern[str], SayMatch]

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
MONEY: Mapping[str, tuple[str, str, str, str]] = {  # one and more of it, and of its hundredth
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "¢": ("cent", "cents", "", ""),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
}
CODES = {"US$": "$", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CHF": "CHF"}
SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
UNITS = {
    **{"km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "mi": "mile"},
    **{"kg": "kilogram", "g": "gram", "mg": "milligram", "lb": "pound", "lbs": "pound"},
    **{"l": "liter", "ml": "milliliter", "oz": "ounce", "min": "minute", "h": "hour"},
    **{"kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte"},
    **{"m²": "square meter", "m³": "cubic meter", "kWh": "kilowatt hour"},
    **{"km/h": "kilometer per hour", "mph": "mile per hour", "m/s": "meter per second"},
}
FRACTIONS = {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter"}
FRACTIONS |= {"3/4": "three quarters", "½": "one half", "¼": "one quarter", "¾": "three quarters"}
SIGNS = {"-": "minus ", "−": "minus ", "–": "minus ", "+": "plus "}
RELATIONS = {"~": "about ", "≈": "about ", "±": "plus or minus "}
RELATIONS |= {"≥": "at least ", "≤": "at most ", "<": "less than ", ">": "more than "}
IN_ADDRESSES = {".": " dot ", "/": " slash ", "-": " dash ", "_": " underscore ", "@": " at "}
IN_ADDRESSES |= {"+": " plus ", ":": " colon "}
_NAMED = re.compile(  # what is said digit by digit: codes always, other numbers from four digits on
    r"(?i)\b(?:(?P<code>code|pin|passcode|password|zip|postcode)|order|account|ticket|invoice|"
    r"booking|reservation|tracking|case|customer|member|card|number|id|reference|ref|serial|"
    r"confirmation)(?:\s+(?:number|no\.?|id|code|is|was))*\s*:?\s*\Z"
)


# --- numbers -------------------------------------------------------------------------------


def parse_decimal(number: str, symbol: str = "") -> tuple[int, str] | None:
    """Return a number's whole part and its decimals, as people of any country write it.

    >>> parse_decimal("1,234.50"), parse_decimal("1.234,50"), parse_decimal("12,5")
    ((1234, '50'), (1234, '50'), (12, '5'))
    >>> parse_decimal("1.999"), parse_decimal("1.999", "€"), parse_decimal("1.2.3")
    ((1, '999'), (1999, ''), None)
    """
    grouped = re.fullmatch(r"(\d{1,3}([.,' \u00a0\u202f])\d{3}(?:\2\d{3}){0,3})([.,]\d+)?", number)
    is_decimal = number.count(".") == 1 and "," not in number and symbol != "€"
    if grouped and not is_decimal and not (grouped[3] or "").startswith(grouped[2]):
        return int(re.sub(r"\D", "", grouped[1])), (grouped[3] or "")[1:]
    plain = re.fullmatch(r"(\d{0,15})(?:[.,](\d+))?", number)
    return (int(plain[1] or 0), plain[2] or "") if plain else None


def say_decimal(number: str, symbol: str = "") -> str | None:
    """Return a number in words, its decimals one by one; None if it is no number.

    >>> say_decimal("12,05")
    'twelve point zero five'
    """
    parts = parse_decimal(number, symbol)
    if parts is None:
        return None
    whole, decimals = parts
    point = ["point"] if decimals else []
    return " ".join([say_number(whole), *point, *(DIGIT_WORDS[int(digit)] for digit in decimals)])


def _amount(match: Match) -> str | None:
    symbol = CODES.get(match["symbol"].strip(), match["symbol"].strip())
    groups = match.groupdict("")
    sign, per = SIGNS.get(groups["sign"] or groups.get("minus", ""), ""), groups.get("per", "")
    last = groups["most"] or groups["number"]
    said = _money(last, symbol, groups.get("scale", ""))
    low = say_decimal(groups["number"], symbol)
    if said is None or low is None:
        return None
    return sign + (f"{low} to " if groups["most"] else "") + said + (" per " if per else "")


def _money(number: str, symbol: str, scale: str) -> str | None:
    """Say an amount in dollars and cents, or in millions."""
    one, many, cent, cents = MONEY[symbol]
    parts, said = parse_decimal(number, symbol), say_decimal(number, symbol)
    if parts is None or said is None:
        return None
    whole, decimals = parts
    if scale:
        return f"{said} {SCALES.get(scale.lower(), scale)} {many}"
    if len(decimals) > 2 or (decimals and not cent):
        return f"{said} {many}"
    hundredths = int(decimals.ljust(2, "0")) if decimals else 0
    amounts = [f"{say_number(whole)} {one if whole == 1 else many}"]
    small = [f"{say_number(hundredths)} {cent if hundredths == 1 else cents}"]
    kept = [*amounts[: bool(whole or not hundredths)], *small[: bool(hundredths)]]
    return " and ".join(kept)


def _quantity(one: Callable[[Match], str], many: Callable[[Match], str]) -> SayMatch:
    """Return a rule that says a number, or a range of two, and what it counts."""

    def say(match: Match) -> str | None:
        said = [say_decimal(number) for number in (match["number"], match["most"]) if number]
        if None in said:
            return None
        of = one if said == ["one"] else many
        sign = SIGNS.get(match["sign"] or "", "")
        return f"{sign}{' to '.join(map(str, said))} {of(match)}"

    return say


def _degrees(match: Match) -> str:
    return {"C": " Celsius", "F": " Fahrenheit"}.get(match["scale"] or "", "")


def _plural(match: Match) -> str:
    unit, per, whole = UNITS[match["unit"]].partition(" per ")
    return f"{unit}s{per}{whole}"


# --- dates and times -----------------------------------------------------------------------


def _date(year: str, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    century = "" if len(year) == 4 else "19" if int(year) > 50 else "20"
    return f"{MONTHS[month - 1]} {say_ordinal(day)}, {century}{year}"


def _american_date(match: Match) -> str | None:
    month, day = int(match[1]), int(match[2])
    return _date(match[3], *((month, day) if month <= 12 else (day, month)))


def _time(match: Match) -> str | None:
    hour, minute, half = int(match[1]), int(match[2]), match[3]
    if hour > 24 or minute > 59:
        return None
    if not minute and not half:
        return f"{say_number(hour)} o'clock" if hour <= 12 else f"{say_number(hour)} hundred"
    words = [say_number(hour)]
    if minute:
        words += (["oh"] if minute < 10 else []) + [say_number(minute)]
    return " ".join([*words, *([f"{half.lower()}.m."] if half else [])])


# --- digits and addresses ------------------------------------------------------------------


def _groups(match: Match) -> str:
    """Say each group of a telephone or card number by itself."""
    groups = ", ".join(map(say_digits, re.findall(r"\d+", match[0])))
    return f"plus {groups}" if match[0][0] == "+" else groups


def _identifier(match: Match) -> str:
    """Say letters and digits one by one: "BV9153"."""
    parts = re.findall(r"[A-Z]|\d+", match[0])
    said = (say_digits(part) if part.isdigit() else part for part in parts)
    return re.sub(r"\bA\b", "A.", " ".join(said))  # the letter, not the article


def _named_number(match: Match) -> str | None:
    digits, named = match[0], _NAMED.search(match.string, 0, match.start())
    is_code = named is not None and (named["code"] or len(digits) >= 4)
    return say_digits(digits) if is_code or (len(digits) >= 7 and digits[-3:] != "000") else None


def _scaled(match: Match) -> str | None:
    said = say_decimal(match[1])
    return said and f"{said} {SCALES[(match[2] or match[3]).lower()]}"


def _numbered(match: Match) -> str:
    return f"number {say_digits(match[1]) if len(match[1]) >= 4 else match[1]}"


def _version(match: Match) -> str | None:
    parts = match[2].split(".")
    if not match[1] and (len(parts) < 3 or all(len(part) == 3 for part in parts[1:])):
        return None
    is_address = len(parts) == 4 and all(int(part) < 256 for part in parts)
    said = [say_digits(part) if part[0] == "0" else say_number(int(part)) for part in parts]
    version = "version " if match[1] else ""
    return version + (" dot " if is_address else " point ").join(said)


def _address(match: Match) -> str:
    """Say an email or web address: without "https", without what follows a question mark."""
    address = re.sub(r"\Ahttps?://|\Awww\.|(?<=//)www\.", "", match[0])
    address = re.split("[?#]", address)[0].rstrip("/")
    return re.sub(r"[./_@+:-]", lambda mark: IN_ADDRESSES[mark[0]], address)


def _item(match: Match) -> str | None:
    """Say the number of an item in a list, where the text begins."""
    is_first = not any(map(str.isalnum, match.string[: match.start()]))
    return f"{say_number(int(match[1]))}," if is_first else None


def _iso_date(match: Match) -> str | None:
    return _date(match[1], int(match[2]), int(match[3]))


def _european_date(match: Match) -> str | None:
    return _date(match[3], int(match[2]), int(match[1]))


def _ratio(match: Match) -> str:
    return f"{say_number(int(match[1]))} to {say_number(int(match[2]))}"


def _dash(match: Match) -> str:
    return " minus " if "=" in match.string and match[0] == " - " else " to "


# --- the rules -----------------------------------------------------------------------------

_SIGN = r"(?P<sign>(?<![\w)\]%°€£¢-])[-−–+])?"
_NUMBER = r"(?:\d+(?:[.,'\u00a0\u202f]\d+)*|\.\d+)"
_FIRST = rf"(?P<number>(?<![\w.,])(?<!\d[-–]){_NUMBER})"
_MOST = rf"(?:\s?[-–]\s?(?P<most>{_NUMBER}))?"
_SPACED = r"(?<![\w.,])\d{1,3}(?: \d{3})+(?:,\d+)?"
_CODES = "|".join(map(re.escape, CODES))
_SYMBOL = rf"(?<!\w)(?P<symbol>[$€£¥₹]|(?:{_CODES})\s?)"
_SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|bn|[kKmMbB])\b)?"
_PER = r"(?P<per>/(?=(?:month|year|week|day|night|hour|minute|person|kg|km|GB)\b))?"
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_PATH = r"(?:/[^\s<>()\"']*[\w/])?"
_DOMAIN = r"(?:[a-z\d-]+\.)+(?:com|org|net|io|co|uk|de|eu|gov|edu|ai|dev)\b"
_PHONE = "|".join(
    (
        r"\+\d[\d ().-]{6,}\d",
        r"\(\d{3}\) ?\d{3}[-. ]\d{4}",
        r"(?:1[-. ])?\d{3}[-.]\d{3}[-.]\d{4}",
        r"\d{3} \d{3} \d{4}",
        r"\d{3}-\d{4}",
        r"0\d{2,4}(?:[ /-]\d{2,})+",
    )
)
_IDENTIFIER = (  # letters and two digits or more: "BV9153", "AB-1234"
    r"\b(?=[A-Z-]*\d[A-Z-]*\d)(?=[\d-]*[A-Z])(?=(?:[A-Z\d]-?){5})"
    r"(?:(?:(?<![A-Z])[A-Z]{1,3}(?![A-Z])|(?<!\d)\d+(?!\d))-?){2,}\b"
)


def _rule(pattern: str, say: SayMatch | str) -> ReadingRule:
    return re.compile(pattern), (lambda match: say) if isinstance(say, str) else say


ENGLISH: list[ReadingRule] = [
    _rule(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    _rule(r"(?:https?://|\bwww\.)[^\s<>()\"']*[\w/]", _address),
    _rule(rf"(?<![\w@./]){_DOMAIN}{_PATH}", _address),
    _rule(r"(?<![\d-])(\d{4})-(\d\d)-(\d\d)(?![\d-])", _iso_date),
    _rule(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)(?![\d/])", _american_date),
    _rule(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d|\.\d)", _european_date),
    _rule(r"(?<![\d:.])(\d{1,2}):(\d\d)(?::\d\d)?(?:\s?([AaPp])\.?[Mm]\b\.?)?(?![\d:])", _time),
    _rule(r"(?<![\d-])\d{4}(?:[ -]\d{4}){2,4}(?![\d-])", _groups),
    _rule(rf"(?<![\w.-])(?:{_PHONE})(?![\w-]|\.\d)", _groups),
    _rule(r"(?<![\w.])(v)?(\d{1,9}(?:\.\d{1,9})+)(?!\w|\.\d)", _version),
    _rule(
        rf"{_SIGN}{_SYMBOL}(?P<minus>[-−])?(?P<number>{_NUMBER})"
        rf"(?:\s?[-–]\s?(?:(?P=symbol))?(?P<most>{_NUMBER}))?{_SCALE}{_PER}",
        _amount,
    ),
    _rule(rf"{_SIGN}(?P<number>{_SPACED})(?P<most>)\s?(?P<symbol>[€£])", _amount),
    _rule(rf"{_SIGN}{_FIRST}{_MOST}\s?(?P<symbol>[€£¢]|(?:{_CODES})\b)", _amount),
    _rule(rf"{_SIGN}{_FIRST}{_MOST}\s?%", _quantity(lambda m: "percent", lambda m: "percent")),
    _rule(
        rf"{_SIGN}{_FIRST}{_MOST}\s?°(?:\s?(?P<scale>[CF])\b)?",
        _quantity(lambda m: f"degree{_degrees(m)}", lambda m: f"degrees{_degrees(m)}"),
    ),
    _rule(
        rf"{_SIGN}{_FIRST}{_MOST}\s?(?P<unit>{_UNIT})(?![\w/²³])",
        _quantity(lambda m: UNITS[m["unit"]], _plural),
    ),
    _rule(r"(?<![\w.,])(\d+(?:\.\d+)?)(?:(?<=[\d.]\d)([kKM])|([bB]n?))(?!\w)", _scaled),
    _rule(r"(?<!\w)#(\d+)(?!\w)", _numbered),
    _rule(r"(?<![\w.,:/-])0\d+(?![\w/:]|[.,]\d)", lambda m: say_digits(m[0])),
    _rule(r"(?<![\w.,:/#-])\d{2,}(?![\w/:%]|[.,]\d)", _named_number),
    _rule(_IDENTIFIER, _identifier),
    _rule(r"\b([Nn])o\.(?=\s?\d)", lambda m: f"{m[1]}umber"),
    _rule(r"№\s?(?=\d)", "number "),
    _rule(r"§\s?(?=\d)", "section "),
    _rule(r"\b([Ee])xt\.(?=\s?\d)", lambda m: f"{m[1]}xtension"),
    _rule(r"(?<!\w)(\d{1,3})[.)](?=\s)", _item),
    _rule(r"(?<![\d/])24/7(?![\d/])", "twenty-four seven"),
    _rule(r"(?<![\w./])(?:\d/\d|[½¼¾])(?![\w/]|\.\d)", lambda m: FRACTIONS.get(m[0])),
    _rule(r"(?<![\w./])(\d{1,3})/\1(?![\w/]|\.\d)", lambda m: f"{m[1]} out of {m[1]}"),
    _rule(r"(?<![\d:])(\d{1,2}):(\d)(?![\d:])", _ratio),
    _rule(r"(?<![\d.,])\d+,\d{1,2}(?![\d,]|\.\d)", lambda m: say_decimal(m[0])),
    _rule(r"(?<!\S)\.\d+(?!\w)", lambda m: say_decimal(m[0])),
    _rule(r"(?<=\d)\s?x\s?(?=\d)", " by "),
    _rule(r"(?<=\d)\s?[×*]\s?(?=\d)", " times "),
    _rule(r"(?<=[\w)])\s?=\s?(?=[\w(-])", " equals "),
    _rule(r"(?<=[\d)])\s?\+\s?(?=[\d(])", " plus "),
    _rule(r"(?<=[\d%°€£¢])\s?[-–]\s?(?=[$€£\d])", _dash),
    _rule(r"(?<![\w)\]-])[-−–+](?=\d)", lambda m: SIGNS[m[0]]),
    _rule(r"(?<=\d)x(?=\s)", " times"),
    _rule(r"(?<!\S)([~≈±≥≤]|(?<=\s)[<>])\s?(?=[$€£\d])", lambda m: RELATIONS[m[1]]),
    _rule(r"\s?&\s?", " and "),
    _rule(r"(?<!\S)@(?=\w)", "at "),
    _rule(r"\band/or\b", "and or"),
    _rule(r"\s?→\s?", " to "),
    _rule(r"(?<=\b[A-G])#(?!\w)", " sharp"),
    _rule(r"(?<!\w)#(?=[A-Za-z])", "hashtag "),
    _rule(r"(?<!\S)#+(?!\S)", ""),
]
