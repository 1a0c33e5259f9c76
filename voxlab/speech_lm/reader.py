"""The model that comes with voxlab, with its voice: it reads two and three digits aloud.

data/speech_lm/README.md says what it learned from and how well it reads.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxlab import data
from voxlab.audio import Audio, Samples
from voxlab.codec.base import Codec
from voxlab.codec.mini import MiniCodec
from voxlab.codec.quantizer import Codes
from voxlab.errors import CodecError, DataError, ModelError
from voxlab.models.network_files import UNREADABLE, read, write
from voxlab.speech_lm import digits

if TYPE_CHECKING:
    from voxlab.speech_lm.network import SpeechLM
    from voxlab.speech_lm.speaking import Sampling

WEIGHTS = "speech_lm/reader.npz"


class DigitReader:
    """Reads numbers of two or three digits aloud.

    network: another one than the shipped, such as a trainer's `averaged`. codec: whose codes it
    says. Raises ModelError if weights are missing, cut short or of another network.
    """

    def __init__(self, network: "SpeechLM | None" = None, codec: Codec | None = None) -> None:
        self.network = load_weights(_shipped()) if network is None else network
        self.codec = codec or MiniCodec()
        config = self.network.config
        if config.codes != self.codec.codebook_size or config.stages > self.codec.stages:
            raise ModelError(
                f"the model says {config.stages} codes of {config.codes}, {self.codec.name} has "
                f"{self.codec.stages} of {self.codec.codebook_size}: they were not made together"
            )

    def codes(
        self, number: str, rng: np.random.Generator, sampling: "Sampling | None" = None
    ) -> Codes:
        """Return the codes that the model says for a number, int32 (stages, frames).

        number: two or three digits, "47" or "four seven". Raises CodecError for other texts.
        """
        from voxlab.speech_lm.speaking import speak

        prompt = digits.text_tokens(digits.as_number(number))
        said = [frame.codes for frame in speak(self.network, prompt, rng, sampling)]
        return np.stack(said, 1) if said else np.zeros((self.network.config.stages, 0), np.int32)

    def read(
        self, number: str, rng: np.random.Generator, sampling: "Sampling | None" = None
    ) -> Audio:
        """Return a number read aloud; no samples if the model says nothing. Raises as `codes`."""
        return self.codec.decode(self.codes(number, rng, sampling))

    def stream(
        self, number: str, rng: np.random.Generator, sampling: "Sampling | None" = None
    ) -> Iterator[Samples]:
        """Yield the sound while the model speaks; joined, it is what `read` returns."""
        from voxlab.speech_lm.speaking import speak

        decoder = self.codec.decoder()
        prompt = digits.text_tokens(digits.as_number(number))
        for frame in speak(self.network, prompt, rng, sampling):
            yield decoder.push(frame.codes[:, None])
        yield decoder.finish()


def _shipped() -> Path:
    try:
        return data.path(WEIGHTS)
    except DataError as error:
        raise ModelError(f"the reader's weights are missing: {error}") from error


def save_weights(file: Path, network: "SpeechLM") -> None:
    """Write a network as 16-bit floats, with the sizes to build it again."""
    write(file, network)


def load_weights(file: Path) -> "SpeechLM":
    """Return the network of a file, ready to run.

    Raises ModelError if the file is missing, cut short, damaged, or
    of another shape than its own sizes say.
    """
    from voxlab.speech_lm.network import LMConfig, SpeechLM

    try:
        sizes, state = read(file)
        network = SpeechLM(LMConfig.of(sizes))
        network.load_state_dict(state)
    except (*UNREADABLE, CodecError) as error:
        raise ModelError(
            f"{file} does not hold a speech language model: {type(error).__name__}: "
            f"{str(error)[:200]}. Try git checkout data/speech_lm, or train one: "
            "python -m voxlab.speech_lm.train"
        ) from error
    return network.eval().requires_grad_(False)
