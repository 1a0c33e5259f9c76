"""SmolLM2-135M on this machine: a neural language model without network, key or graphics card.

`tokenizer` cuts text into tokens, `prompt` makes a conversation one text, `decoder` runs the
network with its key-value cache, `adapter` reads what training has changed, `grammar` tells which
tokens a tool call may have, `writing` chooses tokens, `caches` keeps conversations apart,
`language_model` is the provider, `trained` the one with our adapter, whose answers `moves` checks
and completes, and `likelihood` asks what the network holds likely.

No call needs the rest. `train` makes an adapter: `network` is SmolLM2 in torch, `dialogues` draws
talks about the tools of `trades` with the values of `spoken_values`, and `packs` makes tensors of
them.
"""

from voxlab.providers.smollm.decoder import SmolLMDecoder
from voxlab.providers.smollm.language_model import SmolLM
from voxlab.providers.smollm.likelihood import (
    likeliest_tokens,
    log_likelihood,
    score_phrasings,
    score_tools,
)
from voxlab.providers.smollm.prompt import render_prompt, render_unfinished
from voxlab.providers.smollm.tokenizer import load_tokenizer
from voxlab.providers.smollm.trained import TrainedSmolLM
from voxlab.providers.smollm.writing import Writing

__all__ = [
    "SmolLM",
    "SmolLMDecoder",
    "TrainedSmolLM",
    "Writing",
    "likeliest_tokens",
    "load_tokenizer",
    "log_likelihood",
    "render_prompt",
    "render_unfinished",
    "score_phrasings",
    "score_tools",
]
