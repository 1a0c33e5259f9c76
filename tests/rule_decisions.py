"""What the rule-based model decides on what the user says."""

from voxlab.providers.protocols import Message, ToolCall
from voxlab.providers.rule_based.language_model import INTENTS, decide

TOOLS = {intent.tool for intent in INTENTS}


def decision(*texts):
    """What is decided when the user says these, one after the other, with nothing between."""
    answer = decide([Message("user", text) for text in texts], TOOLS)
    return (answer.name, dict(answer.arguments)) if isinstance(answer, ToolCall) else answer
