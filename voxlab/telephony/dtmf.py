"""The telephone's keys (DTMF), in both forms: as events in RTP, and as pairs of tones.

Each press is counted once. An event repeats in many packets, and its end three times, because
packets get lost; all of one press carry the same timestamp. A tone lasts many blocks.
Source: RFC 4733, section 2.3 (events); ITU-T Q.23 (frequencies) and Q.24 (how to receive them).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voxlab.errors import TelephonyError
from voxlab.samples import Samples, checked_samples, count_samples
from voxlab.telephony.rtp import RtpPacket

KEYS = "0123456789*#ABCD"  # in the order of RFC 4733's event numbers
LOW_HZ = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
PAD = ("123A", "456B", "789C", "*0#D")  # rows by the low frequency, columns by the high one

EVENT = struct.Struct("!BBH")
FRAME_SAMPLES = 160  # 20 ms on the clock of 8 kHz
ENDS_SENT = 3
VOLUME = 10  # dBm0 below zero, as the RFC's examples have it


def event_packets(
    key: str,
    duration_s: float,
    *,
    payload_type: int,
    ssrc: int,
    sequence: int,
    timestamp: int,
) -> list[RtpPacket]:
    """Return the packets of one press, 20 ms apart: updates with growing duration, three ends.

    All have the timestamp at which the key went down. Raises TelephonyError for an unknown key or a
    press of more than 8 s (the field for the duration has 16 bits).
    """
    _refuse(key)
    frames = max(1, round(duration_s * 50))
    if frames * FRAME_SAMPLES > 0xFFFF:
        raise TelephonyError(f"a press of {duration_s:g} s: an RTP event lasts 8.19 s at most")
    durations = [*range(1, frames + 1), *[frames] * (ENDS_SENT - 1)]
    packets = []
    for n, duration in enumerate(durations):
        flags = (0x80 if n >= frames - 1 else 0) | VOLUME
        payload = EVENT.pack(KEYS.index(key), flags, duration * FRAME_SAMPLES)
        number = (sequence + n) & 0xFFFF
        packets.append(RtpPacket(payload_type, number, timestamp, ssrc, payload, marker=n == 0))
    return packets


class EventReceiver:
    """Count the presses in RTP events: `key` tells the key of a packet that begins a new one."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def key(self, packet: RtpPacket) -> str | None:
        """Return the key of a press not told yet, else None; a lost beginning does no harm.

        Raises TelephonyError if the payload is no event, or the event no key.
        """
        if len(packet.payload) < EVENT.size:
            raise TelephonyError(f"an RTP event of {len(packet.payload)} bytes, needs 4")
        number, _, _ = EVENT.unpack_from(packet.payload)
        if number >= len(KEYS):
            raise TelephonyError(f"RTP event {number} is no key: DTMF has 0 to 15")
        if packet.timestamp == self._seen:
            return None
        self._seen = packet.timestamp
        return KEYS[number]


def tone(key: str, duration_s: float, rate_hz: int = 8_000, level_db: float = -9.0) -> Samples:
    """Return a key's two tones, each at level_db below full scale. float32 (samples,).

    Raises TelephonyError for an unknown key, AudioError if duration_s is no time.
    """
    _refuse(key)
    row = next(n for n, keys in enumerate(PAD) if key in keys)
    time_s = np.arange(count_samples(duration_s, rate_hz)) / rate_hz
    both = sum(np.sin(2 * np.pi * f * time_s) for f in (LOW_HZ[row], HIGH_HZ[PAD[row].index(key)]))
    return np.asarray(10 ** (level_db / 20) * both, np.float32)


def _refuse(key: str) -> None:
    if len(key) != 1 or key not in KEYS:
        raise TelephonyError(f"{key!r} is no key of a telephone: there are {' '.join(KEYS)}")


@dataclass
class ToneReceiver:
    """Hear keys in a stream of sound: `feed` chunks, get the keys that went down in them.

    A block of 26 ms holds a key if one low and one high frequency stand out: loud enough, alike in
    level, and with most of the sound's energy. Speech fails the last test. Two blocks make a press,
    one without it ends the press: 40 ms of tone and of pause are told apart, as Q.24 asks for.
    """

    rate_hz: int = 8_000
    quietest_db: float = -40.0  # of the two tones together
    twist_db: float = 8.0  # by which one tone may be louder than the other
    purity: float = 0.8  # the share of the energy that the two tones must have

    def __post_init__(self) -> None:
        if self.rate_hz < 2 * HIGH_HZ[-1]:
            raise TelephonyError(f"a key's tones do not fit {self.rate_hz} Hz: use 8000 or more")
        self._block = round(0.0265 * self.rate_hz)
        self._step = self._block // 2
        time_s = np.arange(self._block) / self.rate_hz
        self._probes = np.exp(-2j * np.pi * np.outer((*LOW_HZ, *HIGH_HZ), time_s))
        self._waiting: Samples = np.zeros(0, np.float32)
        self._down: str | None = None
        self._candidate: str | None = None

    def feed(self, samples: Samples) -> str:
        """Return the keys that went down, in order; "" if none did. samples: float32 (n,).

        Raises AudioError, and forgets nothing, unless they are finite floats (n,).
        """
        self._waiting = np.concatenate([self._waiting, checked_samples(samples)])
        return "".join(self._presses())

    def _presses(self) -> Iterator[str]:
        while self._waiting.size >= self._block:
            key = self._key_of(self._waiting[: self._block])
            self._waiting = self._waiting[self._step :]
            if key is None:
                self._down = None
            elif key != self._down and key == self._candidate:
                self._down = key
                yield key
            self._candidate = key

    def _key_of(self, block: Samples) -> str | None:
        amplitudes = np.abs(self._probes @ block) * 2 / self._block
        low, high = int(np.argmax(amplitudes[:4])), int(np.argmax(amplitudes[4:]))
        pair = np.array([amplitudes[low], amplitudes[4 + high]])
        power, total = float(np.sum(pair**2) / 2), float(np.mean(np.square(block)))
        if power < 10 ** (self.quietest_db / 10) or power < self.purity * total:
            return None
        if pair.max() > 10 ** (self.twist_db / 20) * pair.min():
            return None
        return PAD[low][high]
