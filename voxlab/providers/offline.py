"""The default providers: real engines on this machine, no key and no network."""

from functools import cache

from voxlab.providers.protocols import Providers


@cache
def offline() -> Providers:
    """Return Moonshine, the rule-based model, hibari, Silero and smart-turn, loaded once.

    Raises ModelError if `voxlab models` has not been run.
    """
    from voxlab.providers.hibari import HibariTTS
    from voxlab.providers.moonshine import MoonshineSTT
    from voxlab.providers.rule_based.language_model import RuleLLM
    from voxlab.providers.smart_turn import SmartTurn
    from voxlab.vad.silero import SileroVAD

    return Providers(
        stt=MoonshineSTT(partial_every_s=2.5),  # the agent asks for more at each silence
        llm=RuleLLM(),
        tts=HibariTTS(),
        vad=SileroVAD(),
        end_of_turn=SmartTurn(),
    )
