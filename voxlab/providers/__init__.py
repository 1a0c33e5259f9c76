"""Providers of speech recognition, language models and speech synthesis."""

from voxlab.providers.hibari import HibariTTS
from voxlab.providers.moonshine import MoonshineSTT
from voxlab.providers.protocols import Providers, TextDelta, ToolCall
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from voxlab.providers.smart_turn import SmartTurn

__all__ = [
    "HibariTTS",
    "MoonshineSTT",
    "Providers",
    "RuleLLM",
    "ScriptedLLM",
    "ScriptedSTT",
    "ScriptedTTS",
    "SmartTurn",
    "TextDelta",
    "ToolCall",
]
