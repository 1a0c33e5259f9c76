"""Bitrate: what a codec costs on the line, from frames a second, codes a frame and bits a code.

Source: Defossez et al. 2022 (EnCodec, arXiv:2210.13438); Defossez et al. 2024 (Moshi and Mimi,
arXiv:2410.00037); the note of section 39.1.2.
"""

import math

from voxlab.errors import CodecError


def bitrate_bps(frame_rate_hz: float, stages: int, codebook_size: int) -> float:
    """Return the bits a second of a residual codec: frame rate x stages x log2(codebook size).

    EnCodec at 24 kHz sends 75 frames a second with 2, 4, 8, 16 or 32 codebooks of 1024; Mimi 12.5
    frames with 8 codebooks of 2048. Raises CodecError if one of them is not above zero.

    >>> [bitrate_bps(75, stages, 1024) / 1000 for stages in (2, 4, 8, 16, 32)]
    [1.5, 3.0, 6.0, 12.0, 24.0]
    >>> bitrate_bps(12.5, stages=8, codebook_size=2048)
    1100.0
    """
    if not (frame_rate_hz > 0 and stages >= 1 and codebook_size >= 2):
        raise CodecError(
            f"{frame_rate_hz} frames/s, {stages} stages of {codebook_size} codes carry no bits: "
            "use a frame rate above 0, 1 stage or more, 2 codes or more"
        )
    return frame_rate_hz * stages * math.log2(codebook_size)


def tokens_per_s(frame_rate_hz: float, stages: int) -> float:
    """Return how many codes a language model must predict for a second of sound.

    >>> tokens_per_s(12.5, stages=8)  # Mimi: what the chapter calls 100 tokens a second
    100.0
    >>> tokens_per_s(75.0, stages=8)  # EnCodec at 6 kbps
    600.0
    """
    return frame_rate_hz * stages
