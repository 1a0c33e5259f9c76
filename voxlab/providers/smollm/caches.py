"""Key-value caches of several conversations, and who goes on with which."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from voxlab.clock import compute
from voxlab.providers.smollm.decoder import CHUNK, SmolLMDecoder

CONVERSATIONS = 8  # whose caches are kept: each has 46 KB a token


class Caches:
    """The decoders of one event loop, each lent for one text at a time."""

    def __init__(self, new_decoder: Callable[[], SmolLMDecoder]) -> None:
        self._new_decoder = new_decoder
        self._free: list[SmolLMDecoder] = []  # the latest used is last

    @asynccontextmanager
    async def lend(self, text: Sequence[int]) -> AsyncIterator[SmolLMDecoder]:
        """Lend the decoder that has read most of a text, for this text alone.

        If it would forget more than a run reads, it is another conversation's: then it keeps what
        it has, and the one that is lent begins with a copy of what serves. That is made in a
        thread, as it has to wait for a run that is still going on.
        """
        best = max(self._free, key=lambda decoder: decoder.same(text), default=None)
        if best is None:
            decoder = await compute(self._new_decoder)
        elif len(best.tokens) - best.same(text) <= CHUNK:
            self._free.remove(best)
            decoder = best
        elif len(self._free) >= CONVERSATIONS:
            decoder = self._free.pop(0)
        else:
            decoder = await compute(self._new_decoder)
        try:
            if best is not None and decoder is not best:
                await compute(decoder.take_over, best, text)
            yield decoder
        finally:  # its text is read, or nobody wants it any more
            self._free.append(decoder)
            del self._free[:-CONVERSATIONS]
