"""A reply in the chat format, chunk by chunk and without I/O: text at once, calls last.

Chunks are taken as JSON, for many servers send shapes that the types of the openai package do not
have; see tests/openai_shapes.py.
"""

import re
from collections.abc import Mapping
from typing import Any

from voxlab.errors import ProviderError
from voxlab.providers.openai.events import ADVICE, SHOWN, failure, loaded
from voxlab.providers.openai.thoughts import ThoughtFilter
from voxlab.providers.openai.tool_calls import ToolCallAssembler
from voxlab.providers.protocols import ToolCall

SPOKEN = ("text", "output_text", "refusal")  # kinds of parts; others are thoughts and citations
# Whose thoughts come in a field of their own: OpenAI, Groq, DeepSeek and Ollama, and llama.cpp.
SEPARATES_THOUGHTS = re.compile(r"fp_|b\d+-")


class ChatReply:
    """Takes the chunks of one reply; gives its text as it comes, and its calls at the end.

    begins_within: see `ThoughtFilter`. id_prefix: see `ToolCallAssembler`.
    """

    def __init__(self, begins_within: bool | None = False, id_prefix: str = "call") -> None:
        self.finish_reason = ""
        self._thoughts = ThoughtFilter(begins_within)
        self._calls = ToolCallAssembler(id_prefix)
        self._has_text = False
        self._strange: object = None  # the last chunk in which there was no choice

    @property
    def begins_within(self) -> bool | None:
        """Whether replies of this model begin within a thought, as far as this one has told."""
        return self._thoughts.begins_within

    def feed(self, chunk: object) -> str:
        """Return what of a chunk can be said now. Raises ProviderError if it is no chunk."""
        if not isinstance(chunk, Mapping):
            raise _no_chunk(chunk)
        if chunk.get("error"):
            raise failure(chunk)
        choices = chunk.get("choices")
        choices = [choices] if isinstance(choices, Mapping) else choices
        if not isinstance(choices, list):
            self._strange = chunk
            return ""
        mark = chunk.get("system_fingerprint")
        said = ""
        if isinstance(mark, str) and SEPARATES_THOUGHTS.match(mark):
            said = self._thoughts.release()
        return said + "".join(self._choice(one) for one in choices if isinstance(one, Mapping))

    def _choice(self, choice: Mapping[str, Any]) -> str:
        finish, delta = choice.get("finish_reason"), choice.get("delta")
        if isinstance(finish, str):
            self.finish_reason = finish or self.finish_reason
        said = self._part(delta if isinstance(delta, Mapping) else {"content": delta})
        whole = choice.get("message", {"content": choice.get("text")})
        if isinstance(whole, Mapping):  # all at once, or all once more
            told, called = self._has_text, len(self._calls)
            new = {"content": None if told else whole.get("content")}
            said += self._part(new if called else {**whole, **new})
        return said

    def _part(self, message: Mapping[str, Any]) -> str:
        for call in _listed(message.get("tool_calls")) + _listed(message.get("function_call")):
            self._calls.add(call)
        text = _text(message.get("content")) or _text(message.get("refusal"))
        self._has_text = self._has_text or bool(text)
        return self._thoughts.feed(text)

    def finish(self) -> str:
        """Return what of the text was held back, now that the reply is over."""
        said = self._thoughts.finish(is_cut=self.finish_reason == "length")
        for text in self._thoughts.calls:
            call = loaded(text)
            self._calls.add(call if isinstance(call, Mapping) else {"arguments": text})
        return said

    def calls(self, *, is_done: bool, start: str) -> list[ToolCall]:
        """Return the calls, after `finish`.

        is_done: the server said that this is all. start: how its answer began, for the error.
        Raises ProviderError if the reply is not whole, or calls a tool unreadably.
        """
        self._refuse_unfinished(is_done, start)
        calls = self._calls.finish()
        if self.finish_reason in ("tool_calls", "function_call") and not (calls or self._has_text):
            raise ProviderError(
                "the model wants to call a tool and names none: ask again, or use a model that is "
                "better at tools"
            )
        return calls

    def _refuse_unfinished(self, is_done: bool, start: str) -> None:
        if self.finish_reason == "content_filter":
            raise ProviderError(
                "the server's content filter cut the reply: word the request differently, or use "
                "another model"
            )
        if self._thoughts.is_thinking:
            raise ProviderError(
                "the reply ended within a thought: let the model think less, such as with "
                'settings={"reasoning_effort": "none"}, or raise its token limit'
            )
        if self._strange is not None and not (self._has_text or self._calls or self.finish_reason):
            raise _no_chunk(self._strange)
        if not (self.finish_reason or is_done):
            came = f"it began with {start!r}" if start else "nothing came"
            raise ProviderError(
                f"the reply broke off: its stream ended without a finish_reason; {came}. "
                f"Ask again. {ADVICE}"
            )


def _no_chunk(came: object) -> ProviderError:
    return ProviderError(
        f"the server streamed {came!r:.{SHOWN}}, needs chunks of a chat completion. {ADVICE}"
    )


def _listed(value: object) -> list[object]:
    if isinstance(value, str):
        value = loaded(value)
    return value if isinstance(value, list) else [value]


def _text(content: object) -> str:
    """Return what is said in a content: a text, a part with one, or a list of such."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_text, content))
    if not isinstance(content, Mapping) or content.get("type", "text") not in SPOKEN:
        return ""
    return next(filter(None, (_text(content.get(key)) for key in (*SPOKEN, "value"))), "")
