"""Which engines stand behind the server: the real offline ones, or scripted ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from voxlab.audio import Samples
from voxlab.providers.protocols import Providers

Engines = Callable[[], Providers]  # one session's

SCRIPTED_QUESTIONS = (
    "What will the weather be in Paris tomorrow?",
    "Where is my order 12345?",
    "Thank you, that's all. Goodbye.",
)
LOUD_DB = -40.0
LOUD_POWER = 10 ** (LOUD_DB / 10)


class LevelVAD:
    """Takes loud for speech: a detector for scripted sessions, which need no models."""

    rate_hz = 16_000
    frame_size = 512

    def stream(self) -> "LevelVAD":
        """Return a stream; it needs no memory."""
        return self

    def probability(self, frame: Samples) -> float:
        """Return 1 for a frame above -40 dB, else 0."""
        return float(np.vdot(frame, frame) > LOUD_POWER * frame.size)


def offline_engines() -> Engines:
    """Return the real engines on this machine, shared by all sessions.

    Raises ModelError if `voxlab models` has not been run.
    """
    from voxlab.providers.offline import offline
    from voxlab.serving.realtime.batched_vad import BatchedVAD

    providers = replace(offline(), vad=BatchedVAD())
    return lambda: providers


def scripted_engines() -> Engines:
    """Return engines that hear three given questions, whatever is said, and speak in silence."""
    from voxlab.providers.rule_based.language_model import RuleLLM
    from voxlab.providers.scripted import scripted

    return lambda: replace(scripted(SCRIPTED_QUESTIONS, RuleLLM()), vad=LevelVAD())


def with_llm(engines: Engines, url: str, model: str) -> Engines:
    """Return engines whose language model stands behind an OpenAI-compatible address.

    Raises ProviderError if the address is not one.
    """
    from voxlab.providers.openai.speech import OpenAILLM

    llm = OpenAILLM(model, base_url=url)
    return lambda: replace(engines(), llm=llm)
