"""The words of a text as code compares them, however a person, a model or a recogniser wrote them.

Three forms, each for its own question: `plain_words` (were these words said?), `normalise` (which
values are named?), `spoken_words` (how many words are wrong?). And numbers in English words.
"""

import re

NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
DIGIT_WORDS = NUMBER_WORDS[:10]
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
VALUES = {word: number for number, word in enumerate(NUMBER_WORDS)}
VALUES |= {word: 10 * number for number, word in enumerate(TENS, 2)}
SCALES = ("thousand", "million", "billion", "trillion")
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"}
_ORDINALS |= {"nine": "ninth", "twelve": "twelfth"}


def _fold(text: str) -> str:
    """Return a text in small letters, with straight apostrophes and today's spelling."""
    text = text.casefold().replace("’", "'")
    return re.sub(r"\bto-(day|night|morrow)\b", r"to\1", text)  # Moonshine reads old books


# Recognisers write what is no speech as subtitles do: [BLANK_AUDIO], (music), *coughs*.
# Words in round brackets may be words: only those of sounds count there. Between notes is a song.
_SOUNDS = (
    r"music|noise|silen|cough|laugh|sigh|breath|throat|applau|clap|inaudible|unintelligible|"
    r"static|beep|ring|typing|keyboard|door|wind|background|sneez|sniff|crosstalk|blank|bark|chatter|"
    r"traffic|siren|horn|footstep|click|rustl|hum|buzz|yawn|gasp|groan|crying|mumbl|chuckl|giggl|hiss"
)
_SOUND_MARKS = re.compile(
    rf"\[[^\]]*\]|<[^>]*>|\*[^*]+\*|\((?=[^)]*({_SOUNDS}))[^)]*\)|"
    r"[♪♫♬🎵🎶](?:[^♪♫♬🎵🎶]*[♪♫♬🎵🎶])?",
    re.IGNORECASE,
)
# What Whisper and its like write for silence: the subtitles of videos that nobody speaks in.
_INVENTED = re.compile(
    r"(thank you|thanks)( (very|so) much)? for (watching|viewing|your attention)|"
    r"(please )?((like|share) and )?subscribe( to (my|the|our) channel)?|"
    r"see you (in the )?next (video|time)|(subtitles|captions|transcribed|translated) by .*",
    re.IGNORECASE,
)


def same_words(text: str, other: str) -> bool:
    """Tell whether two texts have the same letters and digits in the same order.

    A recogniser that hears the same again may set another mark.

    >>> same_words("It's to-morrow, at 7:00", "It's tomorrow at 700."), same_words("No.", "Now.")
    (True, False)
    """
    spoken, same = (filter(str.isalnum, each.casefold()) for each in (text, other))
    return list(spoken) == list(same)


def without_sound_marks(text: str) -> str:
    """Return what a recogniser wrote without its marks for sounds that are no speech.

    >>> without_sound_marks("[inaudible] order number? (music playing)")
    'order number?'
    """
    said = " ".join(_SOUND_MARKS.sub(" ", text).split())
    return "" if _INVENTED.fullmatch(said.strip(" .!")) else said


def plain_words(text: str) -> list[str]:
    """Return the words of a text without punctuation and capitals.

    >>> plain_words("It's seven o'clock -- 'Friday'!")
    ["it's", 'seven', "o'clock", 'friday']
    """
    return re.findall(r"\w+(?:'\w+)*", _fold(text))


def normalise(text: str) -> str:
    """Return a text in small letters, with single spaces, and the marks that values have.

    >>> normalise("Uh-huh, it’s  Grace-Ann@Example.com, 7:30!")
    "uh huh it's grace-ann@example.com 7:30"
    """
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", _fold(text))  # "1,000" is one number
    plain = re.sub(r"[^\w@.':+-]", " ", plain)
    words = (word if "@" in word else word.replace("-", " ") for word in plain.split())
    return " ".join(" ".join(words).split())


def spoken_words(text: str) -> list[str]:
    """Return the words of a text as they are said, each digit of a number a word of its own.

    Hours, prices and email addresses become the same words, spoken or written.

    >>> " ".join(spoken_words("Order 4 82-13: $86.50, for twenty-one people, to-morrow at 8:30."))
    'order 4 8 2 1 3 8 6 dollars and 5 0 cents for 2 1 people tomorrow at 8 3 0'
    >>> " ".join(spoken_words("My e-mail is grace.kim@example.com"))
    'my email is grace dot kim at example dot com'
    """
    text = _fold(text).replace("e-mail", "email").replace("@", " at ")
    text = re.sub(r"(?<=[a-z])\.(?=[a-z])", " dot ", text)
    text = re.sub(r"\$(\d+)\.(\d\d)\b", r" \1 dollars and \2 cents ", text)
    text = re.sub(r"\$(\d+)", r" \1 dollars ", text)
    text = re.sub(rf"\b({'|'.join(TENS)})[ -]({'|'.join(DIGIT_WORDS[1:])})\b", _two_digits, text)
    text = re.sub(rf"\b({'|'.join(VALUES)})\b", lambda word: str(VALUES[word[0]]), text)
    return re.findall(r"[a-z']+|\d", text)


def say_number(number: int) -> str:
    """Return a whole number of 0 or more in words; from 10**15 on, its digits.

    >>> say_number(1234), say_number(1_000_020)
    ('one thousand two hundred thirty-four', 'one million twenty')
    """
    if number >= 1000 ** (len(SCALES) + 1):
        return say_digits(str(number))
    for power in range(len(SCALES), 0, -1):
        if number >= 1000**power:
            many, rest = divmod(number, 1000**power)
            return _join(f"{say_number(many)} {SCALES[power - 1]}", rest)
    if number >= 100:
        return _join(f"{say_number(number // 100)} hundred", number % 100)
    if number <= 20:
        return NUMBER_WORDS[number]
    ten, one = divmod(number, 10)
    return TENS[ten - 2] + (f"-{NUMBER_WORDS[one]}" if one else "")


def say_ordinal(number: int) -> str:
    """Return a whole number as a rank.

    >>> say_ordinal(3), say_ordinal(21), say_ordinal(30)
    ('third', 'twenty-first', 'thirtieth')
    """
    *before, last = re.split("(?<=[- ])", say_number(number))
    return "".join(before) + _ORDINALS.get(last, re.sub("y$", "ie", last) + "th")


def say_digits(digits: str) -> str:
    """Return digits one by one; six or more come in groups of three, the last of up to five.

    >>> say_digits("007"), say_digits("4815162342")
    ('zero zero seven', 'four eight one, five one six, two three four two')
    """
    groups = [digits]
    if len(digits) >= 6:
        ends = [*range(3, len(digits) - 2, 3), len(digits)]
        groups = [digits[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return ", ".join(" ".join(DIGIT_WORDS[int(digit)] for digit in group) for group in groups)


def _join(words: str, rest: int) -> str:
    return f"{words} {say_number(rest)}" if rest else words


def _two_digits(number: re.Match[str]) -> str:
    return str(VALUES[number[1]] + VALUES[number[2]])
