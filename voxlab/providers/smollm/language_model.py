"""SmolLM2 as the language model of a call: it streams, calls tools, and reads ahead.

What it has read of a conversation is kept, so that a turn costs only what is new in it, and the
caller's words are read while they still speak (speculative prefill). It can be cancelled between
two runs of the network: a run reads a part of the prompt, or writes one token.
"""

import asyncio
import json
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import numpy as np

from voxlab.clock import compute
from voxlab.providers.protocols import (
    FREE_CHOICE,
    Message,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from voxlab.providers.rule_based.phrases import PHRASES, list_found, phrasings
from voxlab.providers.smollm.caches import Caches
from voxlab.providers.smollm.decoder import LONGEST, Logits, Read, SmolLMDecoder
from voxlab.providers.smollm.likelihood import SCORED, render_wish, score_tools, scored_tokens
from voxlab.providers.smollm.prompt import render_prompt, render_unfinished
from voxlab.providers.smollm.tokenizer import load_tokenizer
from voxlab.providers.smollm.writing import Writing, longest_answer

FORGETS = 16  # messages at a time, so that what is left stays the same for some turns
CHANNEL_WEIGHT = 1.0  # of a second opinion, chosen on the development set as SURE is
WISHED, LETTERS = 3, 1000  # that it hears at most: messages of the caller, and of these
CHOOSE_S = 0.001  # processor time of choosing a token, beside that of the run before it

Rivals = Mapping[int, frozenset[str]]  # tokens, each with the tools that it leads to


class SmolLM:
    """SmolLM2-135M on this machine, without network, key or graphics card.

    adapter: a file of what training has changed (adapter.py). threads: of the processor, for one
    run. channel: a model that gives a second opinion where no tool is likely enough. What is read
    is kept for the conversations of one event loop: a call in virtual time repeats. Raises
    ModelError if the model was not fetched, or the adapter does not fit.
    """

    def __init__(
        self,
        adapter: Path | str | None = None,
        threads: int = 1,
        channel: "SmolLM | None" = None,
    ) -> None:
        self._channel = channel
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

        The result of a tool is put into words by templates, since so small a model changes numbers;
        it chooses among them.
        """
        if messages and messages[-1].role == "tool":
            yield TextDelta(await self.choose(_heard(messages), tools, _ways_to_tell(messages)))
            return
        writing = Writing(self._tokenizer, tools, required=tool_choice.required)
        text = self._fitting(messages, tools)
        async with self._cache(text) as decoder:
            while not writing.done:
                read, rivals, tokens = await self._step(decoder, text, writing)
                if rivals and self._channel is not None:
                    names = frozenset[str]().union(*rivals.values())
                    wanted = [tool for tool in tools if tool.name in names]
                    scores = await self._channel.score_tools(_wish(messages), wanted)
                    tokens = writing.choose(_weighed(read.logits, rivals, scores))
                text += tokens
                if words := writing.spell(tokens):
                    yield TextDelta(words)
        if writing.call is not None:
            yield ToolCall(f"call_{len(messages)}", *writing.call)

    async def score_tools(self, words: str, tools: Sequence[ToolSpec]) -> dict[str, float]:
        """Return how likely a caller's words are if they want each tool; see `likelihood`."""
        scores, said = dict[str, float](), len(self._tokenizer.encode(words))
        for tool in tools:
            given = self._tokenizer.encode(render_wish(tool))
            async with self._cache(given) as decoder:
                cost_s = Read(len(given) + said, 0, 0).cost_s
                scores |= await compute(score_tools, decoder, words, [tool], cost_s=cost_s)
        return scores

    async def read_ahead(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        """Read a conversation whose last message may go on, so that its answer comes sooner."""
        text = self._fitting(messages, tools, render_unfinished)
        if len(text) <= LONGEST:
            async with self._cache(text) as decoder:
                await self._read(decoder, text)

    async def choose(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], phrasings: Sequence[str]
    ) -> str:
        """Return the phrasing that is the likeliest answer to a conversation; of equals the first.

        One run of the network for each, behind what it has read of the conversation; between two
        runs it can be cancelled. One that stands alone is returned at once, and the first one if
        the conversation leaves no room.
        """
        if len(phrasings) == 1:
            return phrasings[0]
        text, scores = self._fitting(messages, tools), list[float]()
        if len(text) + SCORED > LONGEST:
            return phrasings[0]
        async with self._cache(text) as decoder:
            await self._read(decoder, text[:-1])
            for tokens in scored_tokens(phrasings):
                cost_s = Read(len(tokens), len(text) - 1, 0).cost_s
                found = await compute(decoder.log_likelihoods, tokens, text, cost_s=cost_s)
                scores.append(found.mean())
        return phrasings[int(np.argmax(scores))]

    async def warm_up(self) -> None:
        """Run the network once, and sort the vocabulary for the grammar of tool calls."""
        Writing(self._tokenizer)
        await compute(self._new_decoder().read, [0], cost_s=_cost_s)

    async def _read(self, decoder: SmolLMDecoder, text: Sequence[int]) -> None:
        """Read a text as far as it is not in the cache."""
        while decoder.same(text) < len(text):
            await compute(decoder.read, text, cost_s=_cost_s)

    async def _step(
        self, decoder: SmolLMDecoder, text: Sequence[int], writing: Writing
    ) -> tuple[Read, Rivals, list[int]]:
        """Read a part of the text; after the last part, choose the tokens to write next.

        None are chosen among rivals: a second opinion is to be asked.
        """

        def run() -> tuple[Read, Rivals, list[int]]:
            read = decoder.read(text)
            if read.left:
                return read, {}, []
            rivals = {} if self._channel is None else writing.rivals(read.logits)
            return read, rivals, [] if rivals else writing.choose(read.logits)

        return await compute(run, cost_s=lambda result: _cost_s(result[0]) + CHOOSE_S)

    def _fitting(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        render: Callable[[Sequence[Message], Sequence[ToolSpec]], str] = render_prompt,
    ) -> list[int]:
        """Return the prompt's tokens, without the oldest messages if it would be too long."""
        system = [message for message in messages if message.role == "system"]
        others = [message for message in messages if message.role != "system"]
        room = min(longest_answer(self._tokenizer, tools), LONGEST // 4)
        while True:
            text = self._tokenizer.encode(render([*system, *others], tools))
            if len(text) + room <= LONGEST or len(others) <= FORGETS:
                return text
            del others[:FORGETS]

    def _cache(self, text: Sequence[int]) -> AbstractAsyncContextManager[SmolLMDecoder]:
        """Lend a decoder that has read as much of a text as possible, for this text alone."""
        loop = asyncio.get_running_loop()
        return self._caches.setdefault(loop, Caches(self._new_decoder)).lend(text)


def _cost_s(read: Read) -> float:
    return read.cost_s


def _weighed(logits: Logits, rivals: Rivals, scores: Mapping[str, float]) -> Logits:
    """Return the logits of rival tokens, with how likely the caller's words are for their tools.

    How likely a tool is after the words, and how likely the words are for the tool, are two
    opinions whose mistakes are not the same. Source: Yu et al. 2017, "The Neural Noisy Channel".
    """
    weighed = np.full_like(logits, -np.inf)
    for token, tools in rivals.items():
        weighed[token] = logits[token] + CHANNEL_WEIGHT * max(scores[tool] for tool in tools)
    return weighed


def _wish(messages: Sequence[Message]) -> str:
    """Return the caller's last words, of WISHED messages at most, since a tool last ran.

    An answer to a question says little without the wish that it belongs to.

    >>> said = [Message("user", "A table."), Message("assistant", "When?"), Message("user", "Now.")]
    >>> _wish(said), _wish([*said, Message("tool", "{}"), Message("user", "Thank you.")])
    ('A table. Now.', 'Thank you.')
    """
    ran = max((n for n, message in enumerate(messages) if message.role == "tool"), default=-1)
    said = [message.text for message in messages[ran + 1 :] if message.role == "user"]
    return " ".join(said[-WISHED:])[-LETTERS:]


def _heard(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the conversation up to the caller's last words: what was done since nobody has heard.

    The network has read that. All phrasings tell the same result, so it need not read the result.
    """
    asked = max((n for n, message in enumerate(messages) if message.role == "user"), default=0)
    return messages[: asked + 1]


def _ways_to_tell(messages: Sequence[Message]) -> Sequence[str]:
    """Return the phrasings of the last message, the result of a tool."""
    calls = {call.id: call for message in messages for call in message.tool_calls}
    call = calls.get(messages[-1].tool_call_id, ToolCall("", "", {}))
    try:
        result = json.loads(messages[-1].text)
    except ValueError:
        result = messages[-1].text
    if not isinstance(result, dict):
        return [f"Here is what I found: {result}."]
    if call.name in PHRASES or "error" in result or not result:
        return phrasings(call.name, call.arguments, result)
    return [list_found(result)]
