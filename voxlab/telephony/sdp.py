"""SDP offers and answers: how two telephones agree on a codec, on addresses and on who speaks.

One side offers codecs in the order it likes them, the other answers with one of them. A new offer
within the call puts it on hold: who offers `sendonly` will not listen, who offers `inactive` does
neither. An older sign of hold is the address 0.0.0.0.
Source: RFC 4566 (SDP), RFC 3264 (offer and answer), section 8.4 (hold).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from voxlab.errors import TelephonyError
from voxlab.telephony.rtp import PAYLOAD_TYPES

EVENTS = "TELEPHONE-EVENT"
STATIC = {number: name for name, number in PAYLOAD_TYPES.items()}  # these need no rtpmap
CLOCK_HZ = 8_000  # of every codec here, by RFC 3551 also of G.722
HELD_ADDRESSES = ("0.0.0.0", "::")


class Direction(Enum):
    """Who sends sound, seen from the side that says it."""

    BOTH = "sendrecv"
    SEND = "sendonly"
    RECEIVE = "recvonly"
    NEITHER = "inactive"

    @property
    def sends(self) -> bool:
        """Whether the side that says it sends."""
        return self in (Direction.BOTH, Direction.SEND)

    @property
    def receives(self) -> bool:
        """Whether the side that says it listens."""
        return self in (Direction.BOTH, Direction.RECEIVE)

    @property
    def mirrored(self) -> "Direction":
        """What the other side says of the same stream."""
        swapped = {Direction.SEND: Direction.RECEIVE, Direction.RECEIVE: Direction.SEND}
        return swapped.get(self, self)


@dataclass(frozen=True, slots=True)
class Description:
    """What one side says of a call's audio: where it listens, which codecs, in which direction.

    codecs: (payload type, name in capitals) in the order of preference, telephone events among
    them. media: the `m=` lines without the port; the stream of sound is number `audio`, all others
    are refused. version: of this side's descriptions in one call, each newer one is higher.
    """

    host: str
    port: int
    codecs: tuple[tuple[int, str], ...]
    direction: Direction = Direction.BOTH
    media: tuple[str, ...] = ("audio RTP/AVP",)
    audio: int = 0
    version: int = 1

    def payload_type(self, name: str) -> int | None:
        """Return the payload type of a codec here, by its name in capitals; None if it is not."""
        return next((number for number, each in self.codecs if each == name), None)

    @property
    def sound(self) -> tuple[tuple[int, str], ...]:
        """The codecs without telephone events and comfort noise."""
        return tuple(pair for pair in self.codecs if pair[1] not in (EVENTS, "CN"))


@dataclass
class _Section:
    """The lines of one medium, or those before the first one."""

    media: str = ""
    port: int = 0
    formats: tuple[str, ...] = ()
    host: str = ""
    direction: Direction | None = None
    names: dict[int, str] = field(default_factory=dict)


def parse(text: str) -> Description:
    """Read an offer or an answer.

    Raises TelephonyError if it has no stream of sound over plain RTP, or a line is broken; the
    error does not quote the line, since errors are logged and strangers may write anything.
    """
    sections = [_Section()]
    for line in filter(None, text.splitlines()):
        kind, equals, value = line.partition("=")
        if len(kind) != 1 or not equals:
            raise TelephonyError(f"an SDP line of {len(line)} characters: needs a letter and =")
        if kind == "m":
            sections.append(_media(value))
        elif kind == "c":
            sections[-1].host = _matched(r"IN IP[46] ([^\s/]+)", value, line)[1]
        elif kind == "a":
            _attribute(sections[-1], value, line)
    whole, *media = sections
    for number, each in enumerate(media):
        if re.fullmatch(r"audio RTP/AVPF?", each.media) and each.port:
            return _description(whole, media, number)
    raise TelephonyError("an SDP without a stream of sound over RTP/AVP")


def _description(whole: _Section, media: Sequence[_Section], number: int) -> Description:
    sound = media[number]
    host = sound.host or whole.host
    if not host:
        raise TelephonyError("an SDP without an address: needs a line c=")
    codecs = [(int(each), sound.names.get(int(each), "")) for each in sound.formats]
    direction = sound.direction or whole.direction or Direction.BOTH
    if host in HELD_ADDRESSES:
        direction = Direction.SEND if direction.sends else Direction.NEITHER
    return Description(
        host,
        sound.port,
        tuple((kind, name or STATIC.get(kind, "")) for kind, name in codecs),
        direction,
        tuple(each.media for each in media),
        number,
    )


def _media(value: str) -> _Section:
    found = _matched(r"(\S+) (\d{1,5})(?:/\d+)? (\S+)((?: \S+)*)", value, f"m={value}")
    port, formats = int(found[2]), tuple(found[4].split())
    if port > 0xFFFF or (
        found[1] == "audio" and not all(re.fullmatch(r"\d{1,3}", f) for f in formats)
    ):
        raise TelephonyError("an SDP line m=: not a port and payload types")
    return _Section(f"{found[1]} {found[3]}", port, formats)


def _attribute(section: _Section, value: str, line: str) -> None:
    name, _, rest = value.partition(":")
    if name in [each.value for each in Direction]:
        section.direction = Direction(name)
    elif name == "rtpmap":
        found = _matched(r"(\d{1,3})\s+([^\s/]+)/(\d+)(?:/\d+)?\s*", rest, line)
        if int(found[3]) == CLOCK_HZ:  # a codec with another clock is another codec
            section.names[int(found[1])] = found[2].upper()
        else:
            section.names[int(found[1])] = f"{found[2]}/{found[3]}".upper()


def _matched(pattern: str, value: str, line: str) -> "re.Match[str]":
    found = re.fullmatch(pattern, value.rstrip())
    if found is None:
        kind = f"{line[:1]}=, of {len(line)} characters"
        raise TelephonyError(f"an SDP line that cannot be read: {kind}")
    return found


def write(description: Description) -> str:
    """Write a description, one line for each refused medium."""
    family = "IP6" if ":" in description.host else "IP4"
    here = f"IN {family} {description.host}"
    session = f"{description.port} {description.version}"
    lines = ["v=0", f"o=voxlab {session} {here}", "s=-", f"c={here}", "t=0 0"]
    for number, media in enumerate(description.media):
        kind, _, protocol = media.partition(" ")
        if number != description.audio:
            lines.append(f"m={kind} 0 {protocol} 0")
            continue
        types = " ".join(str(payload_type) for payload_type, _ in description.codecs)
        lines.append(f"m={kind} {description.port} {protocol} {types}")
        lines += [f"a=rtpmap:{each} {name}/{CLOCK_HZ}" for each, name in description.codecs]
        events = description.payload_type(EVENTS)
        if events is not None:
            lines.append(f"a=fmtp:{events} 0-15")
        lines += ["a=ptime:20", f"a={description.direction.value}"]
    return "".join(f"{line}\r\n" for line in lines).replace(EVENTS, EVENTS.lower())


def offer(host: str, port: int, names: Sequence[str], events: int = 101) -> Description:
    """Return an offer of some codecs, by name and in this order, and of telephone events."""
    codecs = [(PAYLOAD_TYPES[name], name) for name in names]
    return Description(host, port, (*codecs, (events, EVENTS)))


def answer(
    offered: Description, host: str, port: int, names: Sequence[str], version: int = 1
) -> Description:
    """Answer an offer with the first of its codecs whose name we have, and its telephone events.

    Payload types are the offer's, the direction is its mirror. Raises TelephonyError if no codec
    is left.

    >>> asked = offer("192.0.2.1", 4000, ["G722", "PCMA"])
    >>> answer(asked, "192.0.2.2", 5000, ["PCMU", "PCMA"]).codecs
    ((8, 'PCMA'), (101, 'TELEPHONE-EVENT'))
    """
    chosen = [pair for pair in offered.sound if pair[1] in names][:1]
    if not chosen:
        theirs = ", ".join(str(payload_type) for payload_type, _ in offered.sound)
        raise TelephonyError(
            f"no codec of the offer (payload types {theirs}) is ours ({', '.join(names)})"
        )
    extras = [pair for pair in offered.codecs if pair[1] in (EVENTS, "CN")]
    return replace(
        offered,
        host=host,
        port=port,
        codecs=(*chosen, *extras),
        direction=offered.direction.mirrored,
        version=version,
    )
