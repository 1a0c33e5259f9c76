"""How likely a text is to the network: of the next token, of a whole text, of each tool.

Source: Min et al. 2022, "Noisy Channel Language Model Prompting for Few-Shot Text Classification".
"""

from collections.abc import Sequence

import numpy as np

from voxlab.providers.protocols import ToolSpec
from voxlab.providers.smollm.decoder import SmolLMDecoder, log_softmax
from voxlab.providers.smollm.tokenizer import load_tokenizer

SCORED = 8  # tokens of a phrasing: by then it has shown its style, and a run of them takes 35 ms
CHANNEL = (
    "A customer calls a company. What they want: {does} ({name})\nThey tell: {values}.\n"
    "The customer says:"
)


def likeliest_tokens(decoder: SmolLMDecoder, text: str, count: int = 5) -> list[tuple[str, float]]:
    """Return the likeliest tokens after a text with their probabilities, the likeliest first."""
    tokenizer = load_tokenizer()
    chances = np.exp(log_softmax(decoder.prefill(tokenizer.encode(text))))
    best = np.argsort(-chances)[:count].tolist()
    return [(tokenizer.decode([token]), float(chances[token])) for token in best]


def log_likelihood(decoder: SmolLMDecoder, text: str, given: str) -> float:
    """Return the natural logarithm of the probability that a text follows another one."""
    encode = load_tokenizer().encode
    return float(decoder.log_likelihoods(encode(text), encode(given)).sum())


def score_tools(decoder: SmolLMDecoder, words: str, tools: Sequence[ToolSpec]) -> dict[str, float]:
    """Return how likely a caller's words are if they want each tool: its log-likelihood, by name.

    The network is not asked for the tool, but for the words (a noisy channel): by Bayes' rule the
    tool that makes them likeliest is the likeliest tool, if all are wanted equally often.
    """
    return {tool.name: log_likelihood(decoder, f" {words}", render_wish(tool)) for tool in tools}


def render_wish(tool: ToolSpec) -> str:
    """Return what the network is told before the words of a caller who wants a tool.

    What a tool needs to know tells more of these words than what it does. The right one of four
    tools makes the words the likeliest in 64 of 85 sentences of the development set; without its
    name and what it needs, in 42.

    >>> price = {"item": {"type": "string", "description": "the thing that is wanted"}}
    >>> print(render_wish(ToolSpec("ask_price", "Tell a price.", {"properties": price})))
    A customer calls a company. What they want: Tell a price (ask price)
    They tell: the thing that is wanted.
    The customer says:
    """
    properties = tool.parameters.get("properties", {})
    told = (each.get("description") or _spaced(name) for name, each in properties.items())
    values = ", ".join(each.rstrip(". ") for each in told) or "nothing"
    does, name = tool.description.rstrip(". "), _spaced(tool.name)
    return CHANNEL.format(does=does, name=name, values=values)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def scored_tokens(phrasings: Sequence[str]) -> list[list[int]]:
    """Return the first tokens of each phrasing: equally many, SCORED at most.

    A mean over more tokens would be another measure: the first is always unlikely to a network that
    has learned to begin with a move.
    """
    tokens = [load_tokenizer().encode(phrasing) for phrasing in phrasings]
    count = min(SCORED, *map(len, tokens))
    return [each[:count] for each in tokens]


def score_phrasings(
    decoder: SmolLMDecoder, phrasings: Sequence[str], given: str
) -> dict[str, float]:
    """Return how likely each phrasing is after a text: its mean log-likelihood per token.

    Only the first tokens count (`scored_tokens`).
    """
    tokens = load_tokenizer().encode(given)
    return {
        phrasing: float(decoder.log_likelihoods(scored, tokens).mean())
        for phrasing, scored in zip(phrasings, scored_tokens(phrasings), strict=True)
    }
