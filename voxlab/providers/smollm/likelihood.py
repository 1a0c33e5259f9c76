"""How likely a text is to the network: of the next token, of a whole text, of each tool.

Source: Min et al. 2022, "Noisy Channel Language Model Prompting for Few-Shot Text Classification".
"""

from collections.abc import Sequence

import numpy as np

from voxlab.providers.protocols import ToolSpec
from voxlab.providers.smollm.decoder import SmolLMDecoder, log_softmax
from voxlab.providers.smollm.tokenizer import load_tokenizer

CHANNEL = "A customer calls a company. What they want: {}\nThe customer says:"


def likeliest_tokens(decoder: SmolLMDecoder, text: str, count: int = 5) -> list[tuple[str, float]]:
    """Return the likeliest tokens after a text with their probabilities, the likeliest first."""
    tokenizer = load_tokenizer()
    chances = np.exp(log_softmax(decoder.prefill(tokenizer.encode(text))))
    best = np.argsort(-chances)[:count].tolist()
    return [(tokenizer.decode([token]), float(chances[token])) for token in best]


def log_likelihood(decoder: SmolLMDecoder, text: str, given: str) -> float:
    """Return the natural logarithm of the probability that a text follows another one."""
    tokenizer = load_tokenizer()
    decoder.prefill(tokenizer.encode(given))
    return float(decoder.log_likelihoods(tokenizer.encode(text)).sum())


def score_tools(decoder: SmolLMDecoder, words: str, tools: Sequence[ToolSpec]) -> dict[str, float]:
    """Return how likely a caller's words are if they want each tool: its log-likelihood, by name.

    The network is not asked for the tool, but for the words (a noisy channel): by Bayes' rule the
    tool that makes them likeliest is the likeliest tool, if all are wanted equally often.
    """
    return {
        tool.name: log_likelihood(decoder, f" {words}", CHANNEL.format(tool.description))
        for tool in tools
    }
