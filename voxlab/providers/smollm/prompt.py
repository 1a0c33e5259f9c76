"""The prompt: a conversation and its tools as the one text that SmolLM2 continues.

The frame is the model's own chat template (GGUF key tokenizer.chat_template). Tools stand in the
system message, a line each. The model calls one by answering with a JSON object of one entry: the
tool's name, and its arguments as the caller said them.
What the machine saw and the caller has since heard is left out: a short prompt is a fast one.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from voxlab.providers.protocols import Message, ToolSpec

START, END = "<|im_start|>", "<|im_end|>"
ANSWER = f"{START}assistant\n"  # the model writes on from here, up to END
HOW_TO_CALL = 'To use a tool, answer only with JSON: {"tool": {"argument": "words of the caller"}}'


def render_prompt(messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> str:
    """Return the prompt of the next answer: all messages, then the start of the assistant's.

    >>> spec = ToolSpec("find", "Find it.", {"properties": {"name": {"type": "string"}}})
    >>> print(render_prompt([Message("system", "Be brief."), Message("user", "Hi.")], [spec]))
    <|im_start|>system
    Be brief.
    Tools:
    find(name): Find it.
    To use a tool, answer only with JSON: {"tool": {"argument": "words of the caller"}}<|im_end|>
    <|im_start|>user
    Hi.<|im_end|>
    <|im_start|>assistant
    <BLANKLINE>
    """
    instructions = [_plain(message.text) for message in messages if message.role == "system"]
    if tools:
        instructions += ["Tools:", *map(render_tool, tools), HOW_TO_CALL]
    turns = [("system", "\n".join(instructions))] if instructions else []
    asked = max((n for n, message in enumerate(messages) if message.role == "user"), default=0)
    for number, message in enumerate(messages):
        turns += [("assistant", render_call(c.name, c.arguments)) for c in message.tool_calls]
        is_unheard = message.role == "tool" and number > asked
        if message.role in ("user", "assistant") or is_unheard:
            turns += [(message.role, _plain(message.text))] if message.text else []
    return "".join(f"{START}{role}\n{text}{END}\n" for role, text in turns) + ANSWER


def render_unfinished(messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> str:
    r"""Return the prompt up to the last word of the last message, which may go on.

    >>> render_unfinished([Message("user", "A table for")])
    '<|im_start|>user\nA table for'
    """
    return render_prompt(messages, tools).removesuffix(ANSWER).removesuffix(f"{END}\n")


def render_tool(tool: ToolSpec) -> str:
    """Return a tool's line in the system message: its name, arguments and description."""
    names = ", ".join(tool.parameters.get("properties", {}))
    return _plain(f"{tool.name}({names}): {tool.description}")


def render_call(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a tool call as the model writes it.

    >>> render_call("book_table", {"day": "on Friday", "party_size": "four people"})
    '{"book_table": {"day": "on Friday", "party_size": "four people"}}'
    """
    return _plain(json.dumps({name: dict(arguments)}, ensure_ascii=False, default=str))


def _plain(text: str) -> str:
    """Return text in which nothing reads as the frame: a caller cannot end their message."""
    return text.replace("<|", "< |")
