"""SmolLM2 with the adapter that voxlab trained: the model chooses, code checks and speaks.

The model's answer names a tool and copies the caller's words, or is a kind of reply. `moves` makes
of it a call with values, a question for one that lacks, or a sentence. Of a question's or a
sentence's phrasings it says the one that the model holds likeliest.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from voxlab import data
from voxlab.providers.protocols import (
    FREE_CHOICE,
    LLM,
    Message,
    ReadsAhead,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolSpec,
    WarmedUp,
)
from voxlab.providers.smollm.language_model import SmolLM
from voxlab.providers.smollm.moves import (
    Ask,
    read_answer,
    read_call,
    ways_to_ask,
    ways_to_reply,
)

ADAPTER = "language_model/adapter.npz"


@runtime_checkable
class Chooses(Protocol):
    """A language model that can choose among phrasings."""

    async def choose(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], phrasings: Sequence[str]
    ) -> str:
        """Return the phrasing that is the likeliest answer to a conversation."""
        ...


class TrainedSmolLM:
    """SmolLM2-135M for tools: Acme's, and others that it knows from their descriptions alone.

    model: one that answers as the adapter was taught to.
    """

    def __init__(self, model: LLM) -> None:
        self._model = model

    @classmethod
    def load(cls, adapter: Path | str | None = None, threads: int = 1) -> Self:
        """Return the model with an adapter, voxlab's own if None.

        threads: of the processor, for one run. Raises ModelError if the model was not fetched, or
        the adapter does not fit.
        """
        as_it_came = SmolLM(threads=threads)  # errs elsewhere than what was learned
        return cls(SmolLM(adapter or data.path(ADAPTER), threads, channel=as_it_came))

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tool_choice: ToolChoice = FREE_CHOICE,
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """Yield the answer to a conversation: a sentence, or one tool call.

        A tool whose values lack is asked for, unless tool_choice insists on a call.
        """
        answer = self._model.stream(messages, tools, tool_choice)
        written = [part async for part in answer]
        if messages and messages[-1].role == "tool":  # put into words by rules
            for part in written:
                yield part
            return
        call = next((part for part in written if isinstance(part, ToolCall)), None)
        text = "".join(part.text for part in written if isinstance(part, TextDelta))
        if call is None:
            move = read_answer(text, messages, tools)
        else:
            move = read_call(call.name, call.arguments, messages, tools)
        if isinstance(move, Ask) and tool_choice.required:
            move = ToolCall(f"call_{len(messages)}", move.tool, move.values)
        if isinstance(move, ToolCall):
            yield move
        elif isinstance(move, Ask):
            yield TextDelta(await self._say(ways_to_ask(move.name, messages), messages, tools))
        else:
            yield TextDelta(await self._say(ways_to_reply(move, messages, tools), messages, tools))

    async def _say(
        self, phrasings: Sequence[str], messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> str:
        """Return the phrasing that the model chooses; the first, if it is one that chooses none."""
        if isinstance(self._model, Chooses):
            return await self._model.choose(messages, tools, phrasings)
        return phrasings[0]

    async def read_ahead(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        """Read a conversation whose last message may go on, so that its answer comes sooner."""
        if isinstance(self._model, ReadsAhead):
            await self._model.read_ahead(messages, tools)

    async def warm_up(self) -> None:
        """Run the network once."""
        if isinstance(self._model, WarmedUp):
            await self._model.warm_up()
