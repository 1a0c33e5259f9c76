"""Our messages and tools in the chat format.

Source: the types of the openai package, 3.54 (openai/types/chat/).
"""

import json

from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
)

from voxlab.providers.protocols import Message, ToolSpec

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
