"""SmolLM2 as the language model of a call: it streams, calls tools, and reads ahead.

What it has read of a conversation is kept, so that a turn costs only what is new in it, and the
caller's words are read while they still speak (speculative prefill). It can be cancelled between
two runs of the network: a run reads a part of the prompt, or writes one token.
"""

import asyncio
import json
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from voxlab.clock import compute
from voxlab.providers.protocols import (
    FREE_CHOICE,
    Message,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from voxlab.providers.rule_based.phrases import PHRASES, list_found, phrase
from voxlab.providers.smollm.caches import Caches
from voxlab.providers.smollm.decoder import LONGEST, Read, SmolLMDecoder
from voxlab.providers.smollm.prompt import render_prompt, render_unfinished
from voxlab.providers.smollm.tokenizer import load_tokenizer
from voxlab.providers.smollm.writing import TOKENS_AT_MOST, Writing

FORGETS = 16  # messages at a time, so that what is left stays the same for some turns
CHOOSE_S = 0.001  # processor time of choosing a token, beside that of the run before it


class SmolLM:
    """SmolLM2-135M on this machine, without network, key or graphics card.

    adapter: a file of what training has changed (adapter.py). threads: of the processor, for one
    run. What is read is kept for the conversations of one event loop: a call in virtual time
    repeats. Raises ModelError if the model was not fetched, or the adapter does not fit.
    """

    def __init__(self, adapter: Path | str | None = None, threads: int = 1) -> None:
        self._tokenizer = load_tokenizer()
        self._new_decoder = partial(SmolLMDecoder, adapter, threads)
        self._new_decoder()  # what cannot be loaded fails now, not in a call
        self._caches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Caches]
        self._caches = weakref.WeakKeyDictionary()

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tool_choice: ToolChoice = FREE_CHOICE,
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """Yield the answer to a conversation: text token by token, or one tool call.

        The result of a tool is put into words by rules: so small a model changes numbers.
        """
        if messages and messages[-1].role == "tool":
            yield TextDelta(_told(messages))
            return
        writing = Writing(self._tokenizer, tools, required=tool_choice.required)
        text = self._fitting(messages, tools)
        with self._cache(text) as decoder:
            while not writing.done:
                tokens = await self._step(decoder, text, writing)
                text += tokens
                if words := writing.spell(tokens):
                    yield TextDelta(words)
        if writing.call is not None:
            yield ToolCall(f"call_{len(messages)}", *writing.call)

    async def read_ahead(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        """Read a conversation whose last message may go on, so that its answer comes sooner."""
        text = self._fitting(messages, tools, render_unfinished)
        with self._cache(text) as decoder:
            while decoder.same(text) < len(text) <= LONGEST:
                await compute(decoder.read, text, cost_s=_cost_s)

    async def warm_up(self) -> None:
        """Run the network once, and sort the vocabulary for the grammar of tool calls."""
        Writing(self._tokenizer)
        await compute(self._new_decoder().read, [0], cost_s=_cost_s)

    async def _step(
        self, decoder: SmolLMDecoder, text: Sequence[int], writing: Writing
    ) -> list[int]:
        """Read a part of the text; after the last part, return the tokens to write next."""

        def run() -> tuple[Read, list[int]]:
            read = decoder.read(text)
            return read, [] if read.left else writing.choose(read.logits)

        _, tokens = await compute(run, cost_s=lambda result: _cost_s(result[0]) + CHOOSE_S)
        return tokens

    def _fitting(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        render: Callable[[Sequence[Message], Sequence[ToolSpec]], str] = render_prompt,
    ) -> list[int]:
        """Return the prompt's tokens, without the oldest messages if it would be too long."""
        system = [message for message in messages if message.role == "system"]
        others = [message for message in messages if message.role != "system"]
        while True:
            text = self._tokenizer.encode(render([*system, *others], tools))
            if len(text) + TOKENS_AT_MOST <= LONGEST or len(others) <= FORGETS:
                return text
            del others[:FORGETS]

    @contextmanager
    def _cache(self, text: Sequence[int]) -> Iterator[SmolLMDecoder]:
        """Lend a decoder that has read as much of a text as possible, for this text alone."""
        loop = asyncio.get_running_loop()
        caches = self._caches.setdefault(loop, Caches(self._new_decoder))
        decoder = caches.take(text)
        try:
            yield decoder
        finally:
            caches.give_back(decoder)


def _cost_s(read: Read) -> float:
    return read.cost_s


def _told(messages: Sequence[Message]) -> str:
    """Return the last message, the result of a tool, in spoken words."""
    calls = {call.id: call for message in messages for call in message.tool_calls}
    call = calls.get(messages[-1].tool_call_id, ToolCall("", "", {}))
    try:
        result = json.loads(messages[-1].text)
    except ValueError:
        result = messages[-1].text
    if not isinstance(result, dict):
        return f"Here is what I found: {result}."
    if call.name in PHRASES or "error" in result or not result:
        return phrase(call.name, call.arguments, result)
    return list_found(result)
