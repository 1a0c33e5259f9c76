"""The default providers: real engines on this machine, no key and no network."""

from functools import cache

from voxlab.audio import silence
from voxlab.providers.base import Providers


@cache
def offline() -> Providers:
    """Return Moonshine, the rule-based model, hibari and Silero, loaded once.

    Raises ModelError if `voxlab models` has not been run.
    """
    from voxlab.providers.hibari import HibariTTS
    from voxlab.providers.moonshine import MoonshineSTT
    from voxlab.providers.rules import RuleLLM
    from voxlab.vad import SileroVAD

    silence(0.1, 24_000).resample(16_000)  # loads torch now, not under the first sentence
    return Providers(stt=MoonshineSTT(), llm=RuleLLM(), tts=HibariTTS(), vad=SileroVAD())
