"""The chat format, both ways and without I/O: our messages and tools out, tool calls back in.

Source: the types of the openai package, 3.54 (openai/types/chat/).
"""

import json
from dataclasses import dataclass
from typing import Any

from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
)
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDeltaToolCall

from voxlab.errors import ProviderError
from voxlab.providers.protocols import Message, ToolCall, ToolSpec

NO_PARAMETERS = {"type": "object", "properties": {}}


def chat_message(message: Message) -> ChatCompletionMessageParam:
    """Return a message in the chat format (openai/types/chat/chat_completion_message_param.py).

    >>> chat_message(Message("tool", "18 degrees", tool_call_id="call_1"))
    {'role': 'tool', 'tool_call_id': 'call_1', 'content': '18 degrees'}
    """
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
    if message.role == "assistant":
        return _assistant_message(message)
    if message.role == "system":
        return {"role": "system", "content": message.text}
    return {"role": "user", "content": message.text}


def _assistant_message(message: Message) -> ChatCompletionAssistantMessageParam:
    if not message.tool_calls:
        return {"role": "assistant", "content": message.text}
    return {
        "role": "assistant",
        "content": message.text or None,
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
            }
            for call in message.tool_calls
        ],
    }


def chat_tool(tool: ToolSpec) -> ChatCompletionFunctionToolParam:
    """Return a tool in the chat format; one without parameters takes an empty object."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters or NO_PARAMETERS),
        },
    }


def choices(chunk: object) -> list[Choice]:
    """Return what a streamed chunk brings; the last one may carry the usage alone.

    The SDK does not validate, so that a chunk can be anything that is JSON.
    Raises ProviderError if it is not a chunk.
    """
    if not isinstance(chunk, ChatCompletionChunk):
        raise ProviderError(
            f"the server streamed {chunk!r:.200}, needs chunks of a chat completion: "
            "check that base_url is the root of an OpenAI-compatible API"
        )
    return chunk.choices or []


@dataclass(slots=True)
class _PartialCall:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCallAssembler:
    """Puts tool calls together from the fragments of a streamed reply.

    A fragment belongs to the latest call of its index. Some servers give every call of a reply
    the index 0 (ollama/ollama#15457), so a new id begins a new call; where a server gives no id
    at all, calls are named id_prefix_0, id_prefix_1 ...
    """

    def __init__(self, id_prefix: str = "call") -> None:
        self._id_prefix = id_prefix
        self._calls: list[_PartialCall] = []
        self._latest: dict[int | None, _PartialCall] = {}

    def add(self, fragment: ChoiceDeltaToolCall) -> None:
        """Take the next fragment: an id and a name come once, arguments in pieces."""
        call = self._latest.get(fragment.index)
        if call is None or (fragment.id and call.id and fragment.id != call.id):
            call = self._latest[fragment.index] = _PartialCall()
            self._calls.append(call)
        call.id = call.id or fragment.id or ""
        if fragment.function:
            call.name = call.name or fragment.function.name or ""
            call.arguments += fragment.function.arguments or ""

    def finish(self) -> list[ToolCall]:
        """Return the calls in the order they began.

        Raises ProviderError if the arguments of one are not a JSON object, or it has no name.
        """
        return [
            ToolCall(call.id or f"{self._id_prefix}_{n}", call.name, _parsed_arguments(call))
            for n, call in enumerate(self._calls)
        ]


def _parsed_arguments(call: _PartialCall) -> dict[str, Any]:
    """Parse arguments; nothing at all means none, for tools without parameters."""
    try:
        arguments = json.loads(call.arguments) if call.arguments.strip() else {}
    except ValueError as error:
        arguments = error
    if call.name and isinstance(arguments, dict):
        return arguments
    reason = f" ({arguments})" if isinstance(arguments, ValueError) else ""
    raise ProviderError(
        f"the model called the tool {call.name!r} with the arguments {call.arguments!r}{reason}, "
        "needs a name and a JSON object: ask again, raise its token limit if they are cut off, "
        "or use a model that is better at tools"
    )
