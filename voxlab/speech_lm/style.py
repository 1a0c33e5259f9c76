"""Whisper or voice: how something was said, read off the codes.

A probe is the least that a model could do with its input: if a few sums over the codes can tell,
the tokens carry it, and a language model that reads them can learn to react. A transcript cannot:
whispered or not, the words are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxlab.codec.quantizer import Codes, checked_codes
from voxlab.errors import CodecError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class WhisperProbe:
    """Tells whispered from spoken: each code of each stage has a vote (naive Bayes).

    votes: float (stages, codes), the logarithm of how much more often a code is whispered than
    spoken. Above zero speaks for a whisper.
    """

    votes: Array

    @staticmethod
    def learn(
        spoken: Sequence[Codes], whispered: Sequence[Codes], codebook_size: int
    ) -> "WhisperProbe":
        """Return a probe from codes of both kinds, int (stages, frames) each.

        Codes that neither kind has shown abstain. Raises CodecError if one kind is missing, or
        shapes or ranges do not fit.

        >>> probe = WhisperProbe.learn([np.array([[0, 0, 1]])], [np.array([[1, 2, 2]])], 4)
        >>> probe.votes.round(1)
        array([[-1.1,  0. ,  1.1,  0. ]])
        """
        if not spoken or not whispered:
            raise CodecError("a probe needs recordings of both kinds: spoken and whispered")
        joined = (np.concatenate(kind, axis=1) for kind in (spoken, whispered))
        seen = [_counts(codes, codebook_size) for codes in joined]
        if seen[0].shape != seen[1].shape:
            raise CodecError(
                f"the spoken codes have {len(seen[0])} stages and the whispered {len(seen[1])}: "
                "encode both with one codec"
            )
        # one of each code added: what is rare does not shout
        shares = [(count + 1) / (count + 1).sum(1, keepdims=True) for count in seen]
        return WhisperProbe(np.log(shares[1] / shares[0]))

    def by_frame(self, codes: Codes) -> Array:
        """Return the votes of each frame's codes, added up, float (frames,).

        codes: int (1 to all stages, frames). Raises CodecError if they do not fit.
        """
        checked = checked_codes(codes, *self.votes.shape)
        stages = np.arange(len(checked))[:, None]
        return np.asarray(self.votes[stages, checked].sum(0))

    def whispers(self, codes: Codes) -> bool:
        """Tell whether a recording is more likely whispered than spoken."""
        return bool(self.by_frame(codes).sum() > 0)


def _counts(codes: Codes, size: int) -> NDArray[np.int64]:
    checked = checked_codes(codes, len(codes), size)
    return np.stack([np.bincount(stage, minlength=size) for stage in checked])
