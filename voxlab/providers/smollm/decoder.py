"""The decoder: tokens in, logits of the next token out, and a key-value cache between the two.

A token's keys and values depend only on the tokens before it. They are kept, so that a text which
begins like the last one is read from where it differs (its longest common prefix). Many tokens are
read in one run (prefill), and a written token takes a run of its own (decode), because the next one
depends on it.
"""

import itertools
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxlab import models
from voxlab.errors import ProviderError
from voxlab.models.onnx_sessions import open_session
from voxlab.providers.smollm.adapter import read_adapter
from voxlab.providers.smollm.tokenizer import MODEL

LONGEST = 2048  # tokens that a cache holds: 46 KB each
CHUNK = 64  # tokens read in one run at most; between two runs a reply can be cancelled

Logits = NDArray[np.float32]

# Processor time of runs of 1 to 64 tokens after 50 to 1000 others, on a thread of an AMD EPYC with
# other work beside: a pair is a token that looks at a token before it. No run is 12% off, and an
# adapter of rank 8 adds 6% at most.
COST_S, COST_PER_TOKEN_S, COST_PER_PAIR_S = 0.0143, 0.00247, 1.14e-6


@dataclass(frozen=True, slots=True)
class Read:
    """What one run of the network did: tokens read, those before them, and those that are left.

    logits: of the token after those that were read.
    """

    count: int
    after: int
    left: int
    logits: Logits = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)

    @property
    def cost_s(self) -> float:
        """How long it takes: the charge in virtual time."""
        pairs = self.count * (self.after + self.count / 2)
        return COST_S + COST_PER_TOKEN_S * self.count + COST_PER_PAIR_S * pairs


class SmolLMDecoder:
    """SmolLM2-135M with one key-value cache; decoders of the same threads share the network.

    adapter: a file of low-rank changes, see adapter.py. threads: of the processor.
    longest: tokens that the cache can hold. file: the network, if not the fetched one.
    Raises ModelError if the model was not fetched, or the adapter does not fit it.
    """

    def __init__(
        self,
        adapter: Path | str | None = None,
        threads: int = 1,
        longest: int = LONGEST,
        file: Path | None = None,
    ) -> None:
        self.longest = longest
        self.tokens: list[int] = []  # those whose keys and values are in the cache
        self._lock = threading.Lock()
        self._session = _session(file or models.path(MODEL, "decoder.onnx"), threads)
        self._binding = self._session.io_binding()
        self._cache = [*self._bind_cache()]
        self._changes = [*self._bind_adapter(adapter)]  # the network uses them as they lie

    def _bind_cache(self) -> Iterator[Logits]:
        """Let the network write each layer's keys and values where it reads them."""
        import onnxruntime

        for node in self._session.get_inputs():
            if node.name.startswith("past_"):
                shape = [*node.shape[:2], self.longest, node.shape[3]]
                array = np.empty(shape, np.float32)  # which onnxruntime uses as it lies
                buffer = onnxruntime.OrtValue.ortvalue_from_numpy(array)
                self._binding.bind_ortvalue_input(node.name, buffer)
                self._binding.bind_ortvalue_output(node.name.removeprefix("past_"), buffer)
                yield array

    def _bind_adapter(self, adapter: Path | str | None) -> Iterator[Any]:
        """Give the network its low-rank changes; of rank 0 if there is no adapter."""
        import onnxruntime

        shapes = {node.name: node.shape for node in self._session.get_inputs()}
        sizes = {
            name[5:-2]: (shape[0], shapes[f"{name[:-2]}_b"][1])
            for name, shape in shapes.items()
            if name.startswith("lora_") and name.endswith("_a")
        }
        changes = read_adapter(Path(adapter), sizes) if adapter else {}
        for part, (inputs, outputs) in sizes.items():
            for side, shape in (("a", (inputs, 0)), ("b", (0, outputs))):
                name = f"lora_{part}_{side}"
                value = changes.get(name, np.zeros(shape, np.float32))
                buffer = onnxruntime.OrtValue.ortvalue_from_numpy(value)
                self._binding.bind_ortvalue_input(name, buffer)
                yield buffer

    def same(self, tokens: Sequence[int]) -> int:
        """Return how many tokens of a text need not be read: its longest prefix in the cache."""
        pairs = zip(self.tokens, tokens, strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    def read(self, tokens: Sequence[int]) -> Read:
        """Read a text as far as it is not in the cache, CHUNK tokens at most.

        Call it until nothing is left. What is in the cache and is not the text's beginning is
        forgotten. The last token is read in any case: its logits are wanted. Threads take turns.
        """
        with self._lock:
            del self.tokens[min(self.same(tokens), len(tokens) - 1) :]
            begin = len(self.tokens)
            logits = self.feed(tokens[begin : begin + CHUNK])
            return Read(len(self.tokens) - begin, begin, len(tokens) - len(self.tokens), logits)

    def prefill(self, tokens: Sequence[int]) -> Logits:
        """Read a whole text; return the logits after its last token, float32 (vocabulary,)."""
        while (read := self.read(tokens)).left:
            pass
        return read.logits

    def take_over(self, other: "SmolLMDecoder", text: Sequence[int]) -> None:
        """Copy what another cache has of a text's beginning: the tokens, their keys and values."""
        first, second = sorted((self, other), key=id)  # always in one order, or two could block
        with first._lock, second._lock:
            length = other.same(text)
            self.tokens = other.tokens[:length]
            for mine, its in zip(self._cache, other._cache, strict=True):
                mine[:, :, :length] = its[:, :, :length]

    def feed(self, tokens: Sequence[int]) -> Logits:
        """Read the next tokens; return the logits of the one after them, float32 (vocabulary,)."""
        logits: Logits = self._run(tokens, [-1])[0]
        return logits

    def log_likelihoods(self, tokens: Sequence[int], given: Sequence[int]) -> NDArray[np.float64]:
        """Return how likely each token is after a given text and those before it.

        The natural logarithm of its probability, (tokens,); their sum is the text's. Of the given
        text only the last token is read anew, in one run with the tokens (in several if they are
        more than CHUNK), so it costs little to ask for several texts behind the same one.
        Raises ProviderError if nothing is given.
        """
        if not given:
            raise ProviderError("a likelihood needs a text before it, and what is given is empty")
        while self.same(given) < len(given) - 1:
            self.read(given[:-1])
        with self._lock:
            del self.tokens[min(self.same(given), len(given) - 1) :]
            text, rows = [*given, *tokens[:-1]], list[Logits]()
            while fresh := text[len(self.tokens) :][:CHUNK]:
                rows += [*self._run(fresh, range(len(fresh)))]
        after = rows[len(rows) - len(tokens) :]
        return np.array([log_softmax(row)[t] for row, t in zip(after, tokens, strict=True)])

    def check_length(self, tokens: Sequence[int]) -> None:
        """Raise ProviderError unless the cache has room for more tokens, and there are any."""
        length = len(self.tokens) + len(tokens)
        if not tokens or length > self.longest:
            raise ProviderError(
                f"{length} tokens were to be read, and the cache holds 1 to {self.longest}: "
                "shorten the conversation, or make the decoder with a larger `longest`"
            )

    def _run(self, tokens: Sequence[int], wanted: Sequence[int]) -> Logits:
        """Read new tokens in one run; return the logits after those wanted, (n, vocabulary)."""
        self.check_length(tokens)
        binding = self._binding
        binding.bind_cpu_input("tokens", np.array([tokens], np.int64))
        binding.bind_cpu_input("mask", np.ones((1, len(self.tokens) + len(tokens)), np.int64))
        binding.bind_cpu_input("wanted", np.array(wanted, np.int64))
        binding.bind_output("logits", "cpu")
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:  # onnxruntime's failures have no common ancestor
            raise ProviderError(
                f"SmolLM2 cannot read {len(tokens)} tokens: {error}. Try: voxlab models --verify"
            ) from error
        self.tokens += tokens
        logits: Logits = binding.get_outputs()[-1].numpy()[0]
        return logits


def log_softmax(logits: Logits) -> NDArray[np.float64]:
    """Return the natural logarithm of each token's probability."""
    shifted = logits.astype(np.float64) - logits.max()
    chances: NDArray[np.float64] = shifted - math.log(np.exp(shifted).sum())
    return chances


@cache
def _session(file: Path, threads: int) -> Any:
    return open_session(file, threads)
