"""Call scripts: who says what, and when, relative to what the agent does.

    title: Where is my order?
    lines:
      - {say: order_check, at: 0.6 s after the agent stops}
      - {id: number, say: order_number, at: 0.8 s after the agent starts to speak}
    hang_up: 1 s after the agent stops

`say` names an utterance of data/callers or a recording beside the script (then `text` tells what
is said in it); `speak` has a text spoken by the offline voice, or texts and pauses in seconds;
`sound` is a noise. Any other line has `text` and `lasts_s`: it is timed but makes no sound.

Scripts of a suite tell more: which `conditions` they are for, what to `expect` of the call (see
`data.expectations`), which `tools` are at fault, and for which agents a failure is `known`.

A line with `wants` waits for an answer that has one of these wordings. Without it the caller says
one of the texts of `rephrased`, or the same again, until they lose their `temper`:

      - {say: order_check, wants: order number, rephrased: [Where is my parcel?]}
    temper: {seed: 1, tries: 3, answers: {order number: "It's one two three four five."}}
"""

import graphlib
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from voxlab import data
from voxlab.agents.callers.script_sounds import (
    TelephoneLine,
    read_background,
    read_echo,
    read_line,
    read_number,
    read_speech,
)
from voxlab.agents.tools import ToolFault
from voxlab.audio import Audio
from voxlab.data.expectations import (
    Expectation,
    parse_expectation,
    split_wordings,
)
from voxlab.data.yaml_files import check_keys, read_yaml
from voxlab.errors import DataError, ScriptError, VoxlabError
from voxlab.providers.protocols import Speech
from voxlab.telephony.echo import Echo
from voxlab.text import plain_words
from voxlab.vad.acoustic_scenes import send_by_telephone

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
KEYS = (
    *("title", "about", "voice", "conditions", "background", "telephone", "echo", "tools"),
    *("patience_s", "limit_s", "temper", "lines", "hang_up", "expect", "known"),
)
LINE_KEYS = (
    *("id", "say", "text", "lasts_s", "voice", "at", "speak", "speed", "gain_db", "whispered"),
    *("sound", "wants", "rephrased"),
)
TEMPER_KEYS = ("seed", "tries", "answers", "last_words")
FAULT_KEYS = ("takes_s", "fails")
DEFAULT_MOMENT = "0.6 s after the agent stops"
DEFAULT_HANG_UP = "1 s after the agent stops"


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
    """One thing the caller says; utterance.audio is None for a line without sound.

    wants: wordings of what the agent must say before the caller goes on. rephrased: what they say
    instead when it did not come.
    """

    id: str
    utterance: Speech
    at: Moment
    wants: tuple[str, ...] = ()
    rephrased: tuple[Speech, ...] = ()


@dataclass(frozen=True, slots=True)
class Temper:
    """How a caller reacts who does not get what a line `wants`.

    seed: of what they say then, and how soon. tries: how often they say a line before they give
    up. answers: to what the agent asks, by its wordings. last_words: before they hang up.
    """

    seed: int = 0
    tries: int = 3
    answers: Mapping[tuple[str, ...], Speech] = field(default_factory=dict)
    last_words: Speech | None = None


@dataclass(frozen=True, slots=True)
class CallScript:
    """A call from the caller's side.

    lines: in the order in which they are spoken. patience_s: how long the caller bears silence.
    limit_s: the call ends then in any case. faults: of the systems behind the agent's tools.
    expect: what should come of it. known: why it does not, by the agent's name.
    """

    title: str
    lines: tuple[ScriptLine, ...]
    hang_up: Moment
    about: str = ""
    background: Audio | None = None
    patience_s: float = 8.0
    limit_s: float = 300.0
    temper: Temper = field(default_factory=Temper)
    echo: Echo | None = None
    conditions: tuple[str, ...] = ()
    faults: Mapping[str, ToolFault] = field(default_factory=dict)
    expect: Expectation | None = None
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_sound(self) -> bool:
        """True if every line can be heard."""
        return all(line.utterance.audio is not None for line in self.lines)

    def with_line_at(self, id: str, when: str) -> "CallScript":
        """Return this call with one line at another moment, written as in a file.

        Raises ScriptError if there is no such line, or `when` is no moment.
        """
        if id not in (names := [line.id for line in self.lines]):
            raise ScriptError(f"no line {id!r}; there are {', '.join(names)}")
        moment = parse_moment(when)
        lines = (replace(line, at=moment) if line.id == id else line for line in self.lines)
        return replace(self, lines=tuple(lines))


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
    try:
        return _parse(document, folder)
    except DataError as error:
        raise ScriptError(str(error)) from error


def _parse(document: Any, folder: Path) -> CallScript:
    check_keys(document, KEYS, "script")
    entries = document.get("lines")
    if entries is not None and not isinstance(entries, list):
        got = reprlib.repr(entries)
        raise ScriptError(f"lines is {got}, needs a list: write `- ` before each line")
    if not entries:
        raise ScriptError("lines is empty: a caller says at least one thing")
    telephone = read_line(document.get("telephone"))
    tellers = _Tellers(str(document.get("voice") or "heart"), folder, telephone)
    lines = [_line(entry, number, tellers) for number, entry in enumerate(entries, 1)]
    ids = [line.id for line in lines]
    hang_up = _moment(document.get("hang_up", DEFAULT_HANG_UP), "hang_up")
    _check_name(hang_up, ids, "hang_up")
    background = read_background(document.get("background"))
    expect = document.get("expect")
    return CallScript(
        title=str(document.get("title") or "A call"),
        about=str(document.get("about") or ""),
        lines=_in_order(lines),
        hang_up=hang_up,
        background=send_by_telephone(background) if telephone and background else background,
        patience_s=read_number(document, "patience_s", 8.0),
        limit_s=read_number(document, "limit_s", 300.0),
        temper=_temper(document.get("temper") or {}, tellers),
        echo=read_echo(document.get("echo")),
        conditions=tuple(map(str, document.get("conditions") or ())),
        faults=_faults(document.get("tools") or {}),
        expect=None if expect is None else parse_expectation(expect, ids, data.shop()),
        known=document.get("known") or {},
    )


@dataclass(frozen=True, slots=True)
class _Tellers:
    """Who says the lines: the caller's voice unless a line has another, behind a telephone or not.

    folder: of recordings that a line names.
    """

    voice: str
    folder: Path
    telephone: TelephoneLine | None

    def say(self, entry: Mapping[str, Any]) -> Speech:
        """Return what a line says, as the agent's end receives it."""
        speech = read_speech(entry, str(entry.get("voice") or self.voice), self.folder)
        if self.telephone is None or speech.audio is None:
            return speech
        heard = self.telephone.carry(speech.audio)
        return Speech(speech.text, heard.duration_s, heard)


def _line(entry: Any, number: int, tellers: _Tellers) -> ScriptLine:
    check_keys(entry, LINE_KEYS, f"line {number}")
    name = str(entry.get("id", number))
    timed = {"say", "speak", "sound"}.isdisjoint(entry)
    try:
        utterance = tellers.say(entry)
        rephrased = tuple(
            tellers.say({**entry, "say": None, ("text" if timed else "speak"): text})
            for text in entry.get("rephrased") or ()
        )
    except VoxlabError as error:  # also a recording that cannot be read
        raise ScriptError(f"line {name}: {error}") from error
    wants = split_wordings(entry["wants"]) if entry.get("wants") else ()
    at = _moment(entry.get("at", DEFAULT_MOMENT), f"line {name}")
    return ScriptLine(name, utterance, at, wants, rephrased)


def _temper(entry: Any, tellers: _Tellers) -> Temper:
    check_keys(entry, TEMPER_KEYS, "temper")
    last_words = entry.get("last_words")
    answers = entry.get("answers") or {}
    try:
        return Temper(
            seed=int(read_number(entry, "seed", 0, low=-1)),
            tries=int(read_number(entry, "tries", 3)),
            answers={
                split_wordings(asked): tellers.say({"speak": text})
                for asked, text in answers.items()
            },
            last_words=tellers.say({"speak": last_words}) if last_words else None,
        )
    except VoxlabError as error:
        raise ScriptError(f"temper: {error}") from error


def _faults(entry: Any) -> dict[str, ToolFault]:
    faults = {}
    for name, fault in entry.items():
        check_keys(fault, FAULT_KEYS, f"tools: {name}")
        takes_s = read_number(fault, "takes_s", 0.0) if "takes_s" in fault else None
        faults[str(name)] = ToolFault(takes_s, int(read_number(fault, "fails", 0.0, low=-1)))
    return faults


def _moment(text: object, where: str) -> Moment:
    try:
        return parse_moment(text)
    except ScriptError as error:
        raise ScriptError(f"{where}: {error}") from error


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
