"""Whatever happens in a call is an event on a timeline; a call is a timeline and its recording.

Every figure, metric and grade is computed from these two, whoever held the call.

| source | kind and data |
|---|---|
| transport | `call_started`, `call_ended` {reason}, `failed` {who, error, trace} |
| | `silenced`: a browser has dropped the agent's sound that it had in hand |
| | `sent`, `received` {event, sound_bytes}: of a realtime connection, its sound only counted |
| | `connected` {again, resent_s}, `disconnected` {error}, `reconnecting` {attempt, delay_s}, |
| | `refused` {code, message, param}, `overflow` {kept_s}: of the agent on such a connection |
| | `stopped` {signal}: its number; Ctrl-C, the terminal or the system ended the call |
| caller | `speech_started` {line, text}, `speech_stopped` {line}, `hung_up`, `gave_up` {line}, |
| | `reacted` {line, why, said}: to an answer that is not what they want; what it was |
| | `waited` {line, moment, said}: in vain for what the agent never did; what it said instead |
| vad | `speech_started` {speech_at_s}, `speech_stopped` {speech_at_s} |
| turn | `state` {was, now, why}, `commit` {turn, text, begun_s: of a reply that was begun before} |
| | `speculated` {text}, `dropped` {tokens, voice_s, tools}: a reply begun too early |
| stt | `partial` {text}, `guess` {text}, `final` {text}, `started`, `failed` {error} |
| llm | `request`, `first_token`, `done`, `failed` {error} |
| tts | `request` {text}, `first_audio`, `done`, `failed` {error} |
| tool | `started` {name, arguments, id}, `finished` {id, result}, `failed` {id, error} |
| agent | `speech_started`, `speech_stopped`: audible or not |
| | `sentence` {text, words: [[word, start_s, end_s], ...]}: it begins to sound |
| | `resumed`, `interrupted` {heard, unheard}: what became of a barge-in |
| | `said` {text}: all that was heard of a reply |
| | `kept` {text}: what the history of another framework keeps of it |
"""

import bisect
import json
import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from voxlab import audio
from voxlab.audio import Audio
from voxlab.errors import DataError

SOURCES = ("user", "vad", "turn", "stt", "llm", "tts", "tool", "agent", "caller", "transport")
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: at_s seconds from the start of the call."""

    at_s: float
    source: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"no source {self.source!r}: use one of {', '.join(SOURCES)}")
        if not math.isfinite(self.at_s):
            raise ValueError(f"an event at {self.at_s} s: needs seconds from the start of the call")

    @property
    def is_failure(self) -> bool:
        """Whether a provider, a party or the connection failed; a tool's failure is an answer."""
        return self.kind in ("failed", "refused") and self.source != "tool"

    @property
    def failure(self) -> str:
        """Who failed, and why, of an event that is a failure."""
        if self.kind == "refused":
            return f"the server refused ({self.data.get('code')}): {self.data.get('message')}"
        return f"{self.data.get('who', self.source)} failed: {self.data.get('error')}"


_TEXTS = reprlib.Repr()
_TEXTS.maxother = 500  # characters
LONGEST = 1000  # numbers of an array; more are told as numpy shortens them
DEEPEST = 20  # levels of an event's data; a list may even hold itself


def to_plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON can hold it: a strange one in an event must not cost the record.

    Numbers and arrays of numpy become Python's, dataclasses mappings, what is not finite null, and
    anything unknown a text.
    """
    match value:
        case Enum():
            return to_plain(value.value, depth + 1)
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case np.ndarray() | np.generic() if value.size <= LONGEST and value.dtype.kind in "biufUS":
            return to_plain(value.tolist(), depth)
        case bytes() | bytearray():
            return value.decode("utf-8", "backslashreplace")
        case PurePath():
            return str(value)
        case _ if depth >= DEEPEST:
            return "..."
        case Mapping():
            return {str(key): to_plain(each, depth + 1) for key, each in value.items()}
        case list() | tuple():
            return [to_plain(each, depth + 1) for each in value]
        case set() | frozenset():
            return sorted((to_plain(each, depth + 1) for each in value), key=repr)
    if is_dataclass(value) and not isinstance(value, type):
        members = {each.name: getattr(value, each.name, None) for each in fields(value)}
        return to_plain(members, depth + 1)
    return _TEXTS.repr(value)


class Timeline:
    """The events of a call in order of time; events of the same time keep their order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events: list[Event] = sorted(events, key=lambda event: event.at_s)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event) -> Event:
        """Put an event where its time belongs."""
        bisect.insort_right(self._events, event, key=lambda each: each.at_s)
        return event

    def select(self, source: str | None = None, kind: str | None = None) -> list[Event]:
        """Return the events of a source, of a kind, or of both, in order of time.

        >>> timeline = Timeline([Event(1.0, "vad", "speech_started"), Event(0.0, "stt", "final")])
        >>> [event.at_s for event in timeline.select("vad")]
        [1.0]
        """
        return [
            event
            for event in self._events
            if source in (None, event.source) and kind in (None, event.kind)
        ]

    @property
    def failures(self) -> list[Event]:
        """What failed of providers, parties and connection; a tool's failure is an answer."""
        return [event for event in self._events if event.is_failure]

    @property
    def end_reason(self) -> str:
        """Why the call ended, of a call that is over."""
        return str(self.select("transport", "call_ended")[-1].data["reason"])

    @property
    def duration_s(self) -> float:
        """The time of the last event."""
        return self._events[-1].at_s if self._events else 0.0

    def to_json(self) -> str:
        """Return the timeline in the format of timeline.json, one event a line."""
        lines = [
            json.dumps(
                to_plain({"at_s": e.at_s, "source": e.source, "kind": e.kind, "data": e.data}),
                ensure_ascii=False,
            )
            for e in self._events
        ]
        body = ",\n".join(lines)
        return f'{{"version": {FORMAT_VERSION}, "events": [\n{body}\n]}}\n'

    @classmethod
    def from_json(cls, text: str | bytes) -> "Timeline":
        """Read what `to_json` wrote. Raises DataError if the text is something else."""
        try:
            document = json.loads(text)
            if document["version"] != FORMAT_VERSION:
                raise DataError(
                    f"a timeline of version {document['version']}, this voxlab reads "
                    f"{FORMAT_VERSION}: record the call again"
                )
            return cls(
                [Event(**{**e, "data": dict(e.get("data", {}))}) for e in document["events"]]
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"not a timeline ({error}): expected what Timeline.to_json writes"
            ) from error


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """A call that was held: what happened, and how it sounded.

    user, agent: the two voices at one rate, of one length; None for a call without sound.
    A notebook shows it as its player, see `plots.player`.
    """

    timeline: Timeline
    user: Audio | None = None
    agent: Audio | None = None

    def save(self, folder: str | Path) -> None:
        """Write timeline.json and, if there is sound, call.wav (left the caller, right the agent).

        The recording of an earlier call in this folder is replaced, or removed.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "timeline.json").write_text(
            self.timeline.to_json(),
            encoding="utf-8",
            errors="backslashreplace",  # half an emoji of a cut stream becomes JSON's own escape
        )
        if self.user is not None and self.agent is not None:
            audio.write(folder / "call.wav", self.user, self.agent)
        else:
            (folder / "call.wav").unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: str | Path) -> "Call":
        """Read what `save` wrote. Raises DataError or AudioError if it is something else."""
        folder = Path(folder)
        if not (folder / "timeline.json").is_file():
            raise DataError(
                f"no timeline.json in {folder}: run `voxlab call SCRIPT --out {folder}`"
            )
        timeline = Timeline.from_json((folder / "timeline.json").read_bytes())
        if not (folder / "call.wav").is_file():
            return cls(timeline)
        channels = audio.read_channels(folder / "call.wav", limit_s=math.inf)
        if len(channels) != 2:
            raise DataError(
                f"{folder / 'call.wav'} has {len(channels)} channels, needs two: the caller on the "
                "left, the agent on the right"
            )
        return cls(timeline, *channels)
