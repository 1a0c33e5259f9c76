"""Call scripts: who says what, and when, relative to what the agent does.

    title: Where is my order?
    lines:
      - {say: order_check, at: 0.6 s after the agent stops}
      - {id: number, say: order_number, at: 0.8 s after the agent starts to speak}
    hang_up: 1 s after the agent stops

`say` names an utterance of data/callers or a recording beside the script (then `text` tells what
is said in it). A line without `say` has `text` and `lasts_s`: it is timed but makes no sound.
"""

import difflib
import graphlib
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard, get_args

import numpy as np

from voxlab import audio, data
from voxlab.audio import Audio
from voxlab.data.yaml_files import read_yaml
from voxlab.errors import DataError, ScriptError, VoxlabError
from voxlab.providers.protocols import Speech
from voxlab.text import plain_words

What = Literal[
    "the call starts",
    "the agent starts to speak",
    "the agent stops",
    "the agent says",
    "line ends",
]
GRAMMAR = (
    "write it as: 0.8 s after WHAT, where WHAT is: the call starts | the agent starts to speak | "
    'the agent stops | the agent says "WORDS" | line ID ends'
)
KEYS = {
    "script": (
        "title",
        "about",
        "voice",
        "background",
        "patience_s",
        "limit_s",
        "lines",
        "hang_up",
    ),
    "line": ("id", "say", "text", "lasts_s", "voice", "at"),
    "background": ("noise", "snr_db", "seed"),
}
DEFAULT_MOMENT = "0.6 s after the agent stops"
DEFAULT_HANG_UP = "1 s after the agent stops"
BACKGROUND = {"noise": "pink", "snr_db": 20, "seed": 0}
BACKGROUND_S = 10.0  # noise is made for so long and then looped


@dataclass(frozen=True, slots=True)
class Moment:
    """delay_s seconds after something happens; `name` is the words or the line meant."""

    delay_s: float
    what: What
    name: str = ""

    def __str__(self) -> str:
        what = {
            "the agent says": f'the agent says "{self.name}"',
            "line ends": f"line {self.name} ends",
        }
        return f"{self.delay_s:g} s after {what.get(self.what, self.what)}"


def parse_moment(text: object) -> Moment:
    """Read a moment as people write it.

    >>> parse_moment("0.8 s after the agent starts to speak")
    Moment(delay_s=0.8, what='the agent starts to speak', name='')
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?) s after (.+?)\s*", str(text))
    if not match:
        raise ScriptError(f"{text!r} is no moment; {GRAMMAR}")
    delay_s, event = float(match[1]), match[2]
    if said := re.fullmatch(r'the agent says "(.+)"', event):
        if not plain_words(said[1]):
            raise ScriptError(f"no words to wait for in {text!r}; {GRAMMAR}")
        return Moment(delay_s, "the agent says", said[1])
    if line := re.fullmatch(r"line (\S+) ends", event):
        return Moment(delay_s, "line ends", line[1])
    for what in get_args(What):
        if what == event and what not in ("the agent says", "line ends"):
            return Moment(delay_s, what)
    raise ScriptError(f"unknown event {event!r} in {text!r}; {GRAMMAR}")


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One thing the caller says; utterance.audio is None for a line without sound."""

    id: str
    utterance: Speech
    at: Moment


@dataclass(frozen=True, slots=True)
class CallScript:
    """A call from the caller's side.

    lines: in the order in which they are spoken. patience_s: how long the caller bears silence.
    limit_s: the call ends then in any case.
    """

    title: str
    lines: tuple[ScriptLine, ...]
    hang_up: Moment
    about: str = ""
    background: Audio | None = None
    patience_s: float = 8.0
    limit_s: float = 300.0

    @property
    def has_sound(self) -> bool:
        """True if every line can be heard."""
        return all(line.utterance.audio is not None for line in self.lines)


def load_script(path: str | Path) -> CallScript:
    """Read a call script and every recording it names.

    Raises ScriptError, with the file and the line, for what cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise ScriptError(f"no call script at {path}: data/calls holds some to start from")
    try:
        document = read_yaml(path)
    except DataError as error:
        raise ScriptError(str(error)) from error
    try:
        return parse_script(document, path.parent)
    except ScriptError as error:
        raise ScriptError(f"{path}: {error}") from error


def parse_script(document: Any, folder: Path = Path()) -> CallScript:
    """Make a call script of plain data (see the module's docstring).

    folder: where recordings named by `say` lie.
    """
    _check_keys(document, "script")
    entries = document.get("lines")
    if entries is not None and not isinstance(entries, list):
        got = reprlib.repr(entries)
        raise ScriptError(f"lines is {got}, needs a list: write `- ` before each line")
    if not entries:
        raise ScriptError("lines is empty: a caller says at least one thing")
    voice = str(document.get("voice") or "heart")
    lines = [_line(entry, number, voice, folder) for number, entry in enumerate(entries, 1)]
    hang_up = _moment(document.get("hang_up", DEFAULT_HANG_UP), "hang_up")
    _check_name(hang_up, [line.id for line in lines], "hang_up")
    return CallScript(
        title=str(document.get("title") or "A call"),
        about=str(document.get("about") or ""),
        lines=_in_order(lines),
        hang_up=hang_up,
        background=_background(document.get("background")),
        patience_s=_number(document, "patience_s", 8.0),
        limit_s=_number(document, "limit_s", 300.0),
    )


def _line(entry: Any, number: int, voice: str, folder: Path) -> ScriptLine:
    _check_keys(entry, "line", f"line {number}")
    name = str(entry.get("id", number))
    try:
        utterance = _utterance(entry, voice, folder)
    except VoxlabError as error:  # also a recording that cannot be read
        raise ScriptError(f"line {name}: {error}") from error
    return ScriptLine(name, utterance, _moment(entry.get("at", DEFAULT_MOMENT), f"line {name}"))


def _utterance(entry: Mapping[str, Any], voice: str, folder: Path) -> Speech:
    say, text = entry.get("say"), str(entry.get("text") or "")
    if say is None:
        if not text or "lasts_s" not in entry:
            raise ScriptError("needs `say`, or `text` and `lasts_s`")
        return Speech(text, _number(entry, "lasts_s", 0.0))
    if Path(str(say)).suffix:
        recording = audio.read(folder / str(say))
        return Speech(text, recording.duration_s, recording)
    known = data.utterance(str(say), str(entry.get("voice") or voice))
    recording = known.audio
    return Speech(known.text, recording.duration_s, recording)


def _moment(text: object, where: str) -> Moment:
    try:
        return parse_moment(text)
    except ScriptError as error:
        raise ScriptError(f"{where}: {error}") from error


def _number(entry: Mapping[str, Any], key: str, default: float) -> float:
    value = entry.get(key, default)
    if not _is_number(value) or not 0 < value < 1e6:
        raise ScriptError(f"{key} is {value!r}: needs a positive number of seconds")
    return float(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _background(entry: Any) -> Audio | None:
    """Make the sound at the caller's end, snr_db below the level of the recordings."""
    if entry is None:
        return None
    _check_keys(entry, "background")
    kind, snr_db, seed = (entry.get(key, BACKGROUND[key]) for key in ("noise", "snr_db", "seed"))
    if not _is_number(snr_db) or not -100 < snr_db < 100:
        raise ScriptError(f"background: snr_db is {snr_db!r}: needs decibels, try 20")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ScriptError(f"background: seed is {seed!r}: needs a whole number, 0 or more")
    rng = np.random.default_rng(seed)
    if kind == "cafe":
        sound = audio.babble([prompt.audio for prompt in data.prompts("en")], BACKGROUND_S, rng)
    elif kind == "music":
        sound = audio.read(data.path("music/hold.flac"))
    else:
        try:
            sound = audio.noise(str(kind), BACKGROUND_S, 16_000, rng)
        except VoxlabError as error:
            raise ScriptError(f"background: {error}, cafe or music") from error
    gain = 10 ** ((audio.SPEECH_DB - snr_db - audio.level_db(sound)) / 20)
    return Audio(sound.samples * np.float32(gain), sound.rate_hz)


def _check_keys(entry: Any, kind: str, where: str = "") -> None:
    where = where or kind
    if not isinstance(entry, dict):
        got = reprlib.repr(entry)
        raise ScriptError(f"{where}: got {got}, needs keys {', '.join(KEYS[kind])}")
    for key in entry:
        if key not in KEYS[kind]:
            close = difflib.get_close_matches(str(key), KEYS[kind], 1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(KEYS[kind])}"
            raise ScriptError(f"{where}: unknown key {key!r}; {hint}")


def _check_name(moment: Moment, ids: Sequence[str], where: str) -> None:
    if moment.what == "line ends" and moment.name not in ids:
        raise ScriptError(f"{where}: no line {moment.name!r}; there are {', '.join(ids)}")


def _in_order(lines: Sequence[ScriptLine]) -> tuple[ScriptLine, ...]:
    """Return the lines so that each comes after the one it waits for, else as they are written.

    A line waits for the one it names, for no other if it counts from the call's start, and
    otherwise for the one written before it.
    """
    ids = [line.id for line in lines]
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise ScriptError(f"line ids must differ: {', '.join(twice)} stands more than once")
    needs: dict[str, set[str]] = {}
    for line, before in zip(lines, [None, *ids], strict=False):
        _check_name(line.at, ids, f"line {line.id}")
        named = line.at.name if line.at.what == "line ends" else before
        needs[line.id] = {named} if named and line.at.what != "the call starts" else set()
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        circle = " waits for ".join(reversed(error.args[1]))
        raise ScriptError(f"the lines wait for each other in a circle: {circle}") from error
    ordered: dict[str, ScriptLine] = {}
    while len(ordered) < len(lines):
        line = next(o for o in lines if o.id not in ordered and needs[o.id] <= ordered.keys())
        ordered[line.id] = line
    return tuple(ordered.values())
