"""Key-value caches of several conversations, and who goes on with which."""

from collections.abc import Callable, Sequence

from voxlab.providers.smollm.decoder import CHUNK, SmolLMDecoder

CONVERSATIONS = 8  # whose caches are kept: each has 46 KB a token


class Caches:
    """The decoders of one event loop, each lent for one text at a time."""

    def __init__(self, new_decoder: Callable[[], SmolLMDecoder]) -> None:
        self._new_decoder = new_decoder
        self._free: list[SmolLMDecoder] = []  # the latest used is last

    def take(self, text: Sequence[int]) -> SmolLMDecoder:
        """Lend the decoder that has read most of a text.

        If it would forget more than a run reads, it is another conversation's: then it keeps what
        it has, and the one that is lent begins with a copy of what serves.
        """
        if not self._free:
            return self._new_decoder()
        best = max(self._free, key=lambda decoder: decoder.same(text))
        serves = best.same(text)
        if len(best.tokens) - serves <= CHUNK:
            self._free.remove(best)
            return best
        is_full = len(self._free) >= CONVERSATIONS
        decoder = self._free.pop(0) if is_full else self._new_decoder()
        if decoder is not best:
            decoder.take_over(best, serves)
        return decoder

    def give_back(self, decoder: SmolLMDecoder) -> None:
        """Take a decoder back: its text is read, or nobody wants it any more."""
        self._free.append(decoder)
        del self._free[:-CONVERSATIONS]
