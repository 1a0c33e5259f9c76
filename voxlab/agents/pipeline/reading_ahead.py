"""Reading ahead: the language model reads the conversation before it has to answer it."""

import asyncio
import contextlib
from collections.abc import Sequence

from voxlab.errors import ProviderError
from voxlab.providers.protocols import LLM, Message, ReadsAhead, ToolSpec


class ReadingAhead:
    """Lets a model read what was said up to now, the latest request only; others are let alone."""

    def __init__(self, llm: LLM, tools: Sequence[ToolSpec], tasks: asyncio.TaskGroup) -> None:
        self._llm = llm
        self._tools = tools
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None

    def begin(self, messages: Sequence[Message]) -> None:
        """Read a conversation whose last message may go on."""
        self.stop()
        if isinstance(self._llm, ReadsAhead):
            self._task = self._tasks.create_task(self._read(self._llm, messages))

    def stop(self) -> None:
        """Read no further: the model is asked for its answer, or there is more to read."""
        if self._task is not None:
            self._task.cancel()

    async def _read(self, llm: ReadsAhead, messages: Sequence[Message]) -> None:
        with contextlib.suppress(ProviderError):  # it will have to read it all when it answers
            await llm.read_ahead(messages, self._tools)
