"""Opus, by the C library libopus where this machine has it: concealment and error correction.

Opus is the codec of browsers and of many voice services. Two of its means against loss cannot be
reached through the usual Python packages: the decoder continues a voice whose packet is missing
(packet loss concealment, PLC), and each packet may carry a rough copy of the one before it (forward
error correction, FEC), which helps if the next packet is there in time.
Source: RFC 6716, sections 2.1.7 and 4.4; opus_defines.h for the numbers.
"""

import ctypes
import ctypes.util
from functools import cache

import numpy as np

from voxlab.errors import TelephonyError
from voxlab.samples import Samples, from_int16, to_int16

RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
VOIP = 2048
LONGEST_PACKET = 1500
SETTINGS = {"bitrate": 4002, "inband_fec": 4012, "packet_loss_perc": 4014}


def has_opus() -> bool:
    """Tell whether this machine has libopus."""
    return ctypes.util.find_library("opus") is not None


class Opus:
    """One direction of a call in Opus: encodes and decodes frames of 20 ms, one after the other.

    rate_hz: of the sound. bitrate_bps: about 6000 to 64000 for a voice. expected_loss: the share of
    packets that the encoder arms against by FEC; 0 for none. Raises TelephonyError if the library
    is missing or refuses a setting.
    """

    def __init__(
        self, rate_hz: int = 16_000, bitrate_bps: int = 24_000, expected_loss: float = 0.0
    ) -> None:
        if rate_hz not in RATES_HZ:
            raise TelephonyError(f"Opus knows {', '.join(map(str, RATES_HZ))} Hz, not {rate_hz}")
        self.rate_hz, self.has_fec = rate_hz, expected_loss > 0
        self._library = _library()
        self._encoder = ctypes.create_string_buffer(self._library.opus_encoder_get_size(1))
        self._decoder = ctypes.create_string_buffer(self._library.opus_decoder_get_size(1))
        self._check(self._library.opus_encoder_init(self._encoder, rate_hz, 1, VOIP))
        self._check(self._library.opus_decoder_init(self._decoder, rate_hz, 1))
        wanted = {
            "bitrate": bitrate_bps,
            "inband_fec": int(self.has_fec),
            "packet_loss_perc": round(100 * expected_loss),
        }
        for name, value in wanted.items():
            number, argument = SETTINGS[name], ctypes.c_int(value)
            self._check(self._library.opus_encoder_ctl(self._encoder, number, argument), name)

    def encode(self, frame: Samples) -> bytes:
        """Return the packet of 20 ms. frame: float (rate_hz // 50,)."""
        pcm = np.ascontiguousarray(to_int16(frame))
        packet = (ctypes.c_ubyte * LONGEST_PACKET)()
        size = self._library.opus_encode(
            self._encoder, pcm.ctypes.data, pcm.size, packet, LONGEST_PACKET
        )
        return bytes(packet[: self._check(size)])

    def decode(self, packet: bytes) -> Samples:
        """Return the 20 ms of a packet, float32 (rate_hz // 50,)."""
        return self._decoded(packet, 0)

    def conceal(self, following: bytes | None = None) -> Samples:
        """Return 20 ms in place of a packet that is missing, float32 (rate_hz // 50,).

        following: the packet after it, if it is here; with FEC it has a copy of the missing one.
        """
        if following is not None and self.has_fec:
            return self._decoded(following, 1)
        return self._decoded(None, 0)

    def _decoded(self, packet: bytes | None, is_copy: int) -> Samples:
        pcm = np.zeros(self.rate_hz // 50, np.int16)
        length = len(packet) if packet else 0
        done = self._library.opus_decode(
            self._decoder, packet, length, pcm.ctypes.data, pcm.size, is_copy
        )
        self._check(done)
        return from_int16(pcm)

    def _check(self, result: int, what: str = "the sound or a packet") -> int:
        if result < 0:
            reason = self._library.opus_strerror(result).decode()
            raise TelephonyError(f"libopus refuses {what}: {reason}")
        return result


@cache
def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("opus")
    if name is None:
        raise TelephonyError(
            "no libopus here: apt-get install libopus0, or brew install opus; G.711 needs nothing"
        )
    library = ctypes.CDLL(name)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.opus_strerror.restype = ctypes.c_char_p
    library.opus_encode.argtypes = [pointer, pointer, number, pointer, ctypes.c_int32]
    library.opus_decode.argtypes = [
        pointer, ctypes.c_char_p, ctypes.c_int32, pointer, number, number
    ]  # fmt: skip
    return library
