"""Providers of speech recognition, language models and speech synthesis.

`protocols` is what each must do. On this machine: `moonshine` hears, `rule_based` and `smollm`
think, `hibari` and `espeak` speak, `smart_turn` judges ends of turns; `offline` has those of the
lessons. `openai` is any server with OpenAI's interface, `scripted` ones take the times that an
experiment gives them. `stream_guard` stands between an agent and whatever a provider does wrong.
"""

from voxlab.providers.hibari import HibariTTS
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.providers.protocols import (
    Message,
    Providers,
    Speech,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
    Word,
)
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxlab.providers.smart_turn import SmartTurn
from voxlab.providers.smollm import SmolLM

__all__ = [
    "HibariTTS",
    "Message",
    "MoonshineSTT",
    "Providers",
    "RuleLLM",
    "ScriptedLLM",
    "ScriptedSTT",
    "ScriptedTTS",
    "SmartTurn",
    "SmolLM",
    "Speech",
    "TextDelta",
    "ToolCall",
    "ToolChoice",
    "ToolSpec",
    "Word",
]
