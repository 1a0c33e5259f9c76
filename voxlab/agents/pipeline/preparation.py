"""What an agent has ready before it is needed: sentences that it may have to say, warm engines."""

import asyncio
from contextlib import aclosing

from voxlab.agents.line import Line
from voxlab.agents.pipeline.options import PipelineOptions
from voxlab.errors import ProviderError
from voxlab.providers.protocols import Providers, Speech, WarmedUp
from voxlab.providers.stream_guard import guarded


class Preparation:
    """Speech that is made while the call begins.

    apology: for the day the voice fails in the middle of a call. filler: for slow tools.
    Both are empty until they are made, and stay so if the voice fails.
    """

    def __init__(self, providers: Providers, options: PipelineOptions, line: Line) -> None:
        self._providers = providers
        self._options = options
        self._line = line
        self.apology: list[Speech] = []
        self.filler: list[Speech] = []

    async def run(self) -> None:
        """Make the speech; what fails is noted, and the call goes on without it."""
        head_start = self._options.head_start
        async with asyncio.TaskGroup() as group:
            if head_start.prewarmed:
                parts = self._providers
                for provider in (parts.stt, parts.llm, parts.tts, parts.end_of_turn):
                    if isinstance(provider, WarmedUp):
                        group.create_task(self._warm_up(provider))
            self.apology += await self._spoken(self._options.reply.apology)
            if head_start.early_filler:
                self.filler += await self._spoken(self._options.reply.filler)

    async def _spoken(self, text: str) -> list[Speech]:
        tts, limit_s = self._providers.tts, self._options.reply.tts_timeout_s
        if not text:
            return []
        try:
            stream = guarded(lambda: tts.synthesize(text), limit_s, "the voice", Speech)
            async with aclosing(stream):
                return [speech async for speech in stream]
        except ProviderError as error:
            self._line.record("tts", "failed", error=str(error))
            return []

    async def _warm_up(self, provider: WarmedUp) -> None:
        """Warm a provider up; one that cannot is as cold as before, and fails when it is asked."""
        try:
            await provider.warm_up()
        except ProviderError:
            return
