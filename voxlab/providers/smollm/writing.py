"""Choosing tokens: the likeliest one that is legal, for a spoken answer or for a tool call."""

import codecs
import json
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from voxlab.providers.protocols import ToolSpec
from voxlab.providers.smollm.decoder import Logits, log_softmax
from voxlab.providers.smollm.grammar import WORDS_AT_MOST, Mask, Place, ToolCallGrammar, Vocabulary
from voxlab.providers.smollm.prompt import END, render_call
from voxlab.providers.smollm.tokenizer import Tokenizer

TOKENS_AT_MOST = 80  # of a spoken answer: half a minute
SURE, LEAST = 0.9, 0.02  # probabilities: of a tool that needs no second opinion, and of a rival


class Writing:
    """One answer in the making: takes logits, gives tokens.

    tools: those that may be called. required: one must be. The first token decides: an answer that
    begins with { is a call.
    """

    def __init__(
        self, tokenizer: Tokenizer, tools: Sequence[ToolSpec] = (), *, required: bool = False
    ) -> None:
        arguments = ((tool.name, tuple(tool.parameters.get("properties", {}))) for tool in tools)
        self._grammar = _grammar(tokenizer, tuple(arguments))
        self._tokenizer = tokenizer
        self._may_speak = not (required and tools)
        self._place: Place | None = None  # in a call
        self._written: list[int] = []
        self._spelling = codecs.getincrementaldecoder("utf-8")("replace")
        self.done = False

    @property
    def call(self) -> tuple[str, dict[str, str]] | None:
        """The tool's name, and its arguments as the model wrote them; None if there is no call."""
        if self._place is None or not self._place.is_end:
            return None
        ((name, arguments),) = json.loads(self._tokenizer.decode(self._written)).items()
        return name, arguments

    def allowed(self) -> Mask:
        """Return which tokens may come next, (vocabulary,)."""
        if self._place is not None:
            return self._grammar.allowed(self._place)
        speech = _speech(self._tokenizer)
        if self._written:
            mask = speech.copy()
            mask[self._tokenizer.special[END]] = True
            return mask
        calls = self._grammar.allowed(self._grammar.start)
        return (speech & ~_begins_call(self._tokenizer) & self._may_speak) | calls

    def choose(self, logits: Logits) -> list[int]:
        """Return the likeliest legal token and those that must follow it; [] when all is written.

        What must follow is known without the network, so it can be read in the same run. Its last
        token is left to the network: it may be one with what comes after.
        """
        token = int(np.where(self.allowed(), logits, -np.inf).argmax())
        if token == self._tokenizer.special[END]:
            self.done = True
            return []
        if self._place is None and not self._written and _begins_call(self._tokenizer)[token]:
            self._place = self._grammar.start
        tokens = [token]
        if self._place is not None:
            self._advance(tokens)
            tokens += self._tokenizer.encode(self._place.forced)[:-1]
            self._advance(tokens[1:])
        self._written += tokens
        self.done = (
            len(self._written) >= TOKENS_AT_MOST if self._place is None else self._place.is_end
        )
        return tokens

    def rivals(self, logits: Logits) -> dict[int, frozenset[str]]:
        """Return the tokens between which a tool is chosen, each with the tools that it leads to.

        Empty if one is likely enough to be taken, and where no tool is to be chosen.
        """
        options = self._place.options if self._place is not None else ()
        options = tuple(each for each in options if each.name and each.kind != "argument")
        if len({each.name for each in options}) < 2:
            return {}
        legal = np.flatnonzero(self.allowed())
        chances = np.exp(log_softmax(logits[legal]))
        if chances.max() >= SURE:
            return {}
        leads = dict[int, frozenset[str]]()
        for token in legal[chances >= LEAST].tolist():
            text = self._tokenizer.spelled[token]
            leads[token] = frozenset(
                each.name
                for each in options
                if each.rest.startswith(text) or text.startswith(each.rest)
            )
        return leads

    def spell(self, tokens: Sequence[int]) -> str:
        """Return what tokens add to a spoken answer; "" for a call, or for a part of a letter."""
        if self._place is not None:
            return ""
        return self._spelling.decode(b"".join(self._tokenizer.spelled[token] for token in tokens))

    def _advance(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            if self._place is not None:
                self._place = self._grammar.advance(self._place, self._tokenizer.spelled[token])


def longest_answer(tokenizer: Tokenizer, tools: Sequence[ToolSpec]) -> int:
    """Return how many tokens an answer may take: a spoken one, or a call of one of the tools.

    Each of a call's arguments may have WORDS_AT_MOST bytes, and a spelled digit is a byte a token.
    """
    longest = TOKENS_AT_MOST
    for tool in tools:
        arguments = dict.fromkeys(tool.parameters.get("properties", {}), "")
        frame = tokenizer.encode(render_call(tool.name, arguments))
        longest = max(longest, len(frame) + WORDS_AT_MOST * len(arguments))
    return longest


@cache
def _vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    return Vocabulary(tokenizer.words)


@lru_cache(100)
def _grammar(
    tokenizer: Tokenizer, arguments: tuple[tuple[str, tuple[str, ...]], ...]
) -> ToolCallGrammar:
    return ToolCallGrammar(dict(arguments), _vocabulary(tokenizer))


@cache
def _speech(tokenizer: Tokenizer) -> Mask:
    """Return which tokens may stand in a spoken answer: all but the marks."""
    return np.array([bool(text) for text in tokenizer.words])


@cache
def _begins_call(tokenizer: Tokenizer) -> Mask:
    return np.array([text.lstrip().startswith(b"{") for text in tokenizer.words])
