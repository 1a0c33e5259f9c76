"""A neural audio codec that can be taken apart: sound in, K small numbers a frame, sound out.

`quantizer` is the idea (residual vector quantization), `bitrate` its price, `mini` a codec trained
here, `encodec` Meta's behind the same protocol (`base`). `train` trains the mini codec anew.
"""

from voxlab.codec.base import bitrate_of, round_trip
from voxlab.codec.bitrate import bitrate_bps, tokens_per_s
from voxlab.codec.classical_codecs import find_peers
from voxlab.codec.encodec import EnCodec
from voxlab.codec.inspection import latents_of, learned_quantizer, residual_levels_db, sound_of
from voxlab.codec.mini import MiniCodec
from voxlab.codec.perceptual_metrics import pesq, stoi
from voxlab.codec.quantizer import ResidualQuantizer
from voxlab.codec.spectrum import periodicity, spectral_distance_db, spectrogram_db

__all__ = [
    "EnCodec",
    "MiniCodec",
    "ResidualQuantizer",
    "bitrate_bps",
    "bitrate_of",
    "find_peers",
    "latents_of",
    "learned_quantizer",
    "periodicity",
    "pesq",
    "residual_levels_db",
    "round_trip",
    "sound_of",
    "spectral_distance_db",
    "spectrogram_db",
    "stoi",
    "tokens_per_s",
]
