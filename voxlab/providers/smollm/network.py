"""SmolLM2 in torch, with a low-rank adapter that learns: what onnxruntime runs, for training.

The weights stay as they are. Beside each product x W stands x A B, where A and B are narrow (LoRA,
Hu et al. 2021); B begins as zeros, so that training begins at the model itself.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from voxlab.models.gguf_blocks import LlamaShape
from voxlab.providers.smollm.adapter import ALPHA, MATRICES
from voxlab.providers.smollm.packs import Pack

FILE_NAMES = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output"}
FILE_NAMES |= {"gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}
Rotation = tuple[Tensor, Tensor]  # cosine and sine of each token's place

Weights = Mapping[str, NDArray[np.float32]]


class Adapted(nn.Module):
    """Fixed matrices that read the same input, and an adapter of each: y = x W' + x A' B'.

    weights: (outputs, inputs) by name. The adapter's a is (rank, inputs), its b (outputs, rank).
    """

    def __init__(self, weights: Weights, rank: int, dtype: torch.dtype) -> None:
        super().__init__()
        joined = np.concatenate([*weights.values()])
        self.weight = nn.Parameter(torch.from_numpy(joined).to(dtype), requires_grad=False)
        self.rank, inputs = rank, joined.shape[1]
        self.a = nn.ParameterDict(  # of pairs: a dict would be sorted, and k stand before q
            (name, nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))) for name in weights
        )
        self.b = nn.ParameterDict(
            (name, nn.Parameter(torch.zeros(len(each), rank))) for name, each in weights.items()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the products side by side. x: (tokens, inputs)."""
        if not self.rank:
            return functional.linear(x, self.weight)
        low = functional.linear(x, torch.cat([*self.a.values()]).to(x.dtype)) * (ALPHA / self.rank)
        changes = zip(torch.split(low, self.rank, -1), self.b.values(), strict=True)
        added = torch.cat([functional.linear(part, b.to(x.dtype)) for part, b in changes], -1)
        return functional.linear(x, self.weight) + added


class Layer(nn.Module):
    """Attention and a gated feed-forward network, each added to what came in."""

    def __init__(self, shape: LlamaShape, weights: Weights, n: int, rank: int, dtype: Any) -> None:
        super().__init__()
        self.shape = shape
        self.norms = nn.ParameterList(
            nn.Parameter(torch.from_numpy(weights[f"blk.{n}.{name}"]).to(dtype), False)
            for name in ("attn_norm", "ffn_norm")
        )
        self.parts = nn.ModuleDict(
            {
                part: Adapted(
                    {name: weights[f"blk.{n}.{FILE_NAMES[name]}"] for name in names}, rank, dtype
                )
                for part, names in MATRICES.items()
            }
        )

    def forward(self, x: Tensor, rotation: Rotation, pack: Pack) -> Tensor:
        """Return the next layer's input, (P + D * L, width)."""
        shape, start = self.shape, len(pack.prefix)
        sizes = [count * shape.head_width for count in (shape.heads, *[shape.kv_heads] * 2)]
        normed = functional.rms_norm(x, (shape.width,), self.norms[0], shape.epsilon)
        queries, keys, values = (
            part.unflatten(-1, (-1, shape.head_width))
            for part in self.parts["qkv"](normed).split(sizes, -1)
        )
        shared = shape.heads // shape.kv_heads  # queries that look at the same keys
        keys, values = (
            part.repeat_interleave(shared, 1) for part in (rotate(keys, rotation), values)
        )
        queries = rotate(queries, rotation)
        first = (part[None, :start].transpose(1, 2) for part in (queries, keys, values))
        asks, seen_keys, seen_values = first
        seen_first = functional.scaled_dot_product_attention(
            asks, seen_keys, seen_values, is_causal=True
        )
        rows = (
            part[start:].unflatten(0, pack.tokens.shape).transpose(1, 2)
            for part in (queries, keys, values)
        )
        asks, own_keys, own_values = rows
        seen = functional.scaled_dot_product_attention(
            asks, _behind(seen_keys, own_keys), _behind(seen_values, own_values), pack.mask[:, None]
        )
        flat = [part.transpose(1, 2).flatten(0, 1).flatten(1) for part in (seen_first, seen)]
        x = x + self.parts["out"](torch.cat(flat))
        normed = functional.rms_norm(x, (shape.width,), self.norms[1], shape.epsilon)
        gate, up = self.parts["gate_up"](normed).chunk(2, -1)
        added: Tensor = self.parts["down"](functional.silu(gate) * up)
        return x + added


class AdaptedLlama(nn.Module):
    """The whole network. Only the adapter has gradients.

    first: the first layer that has one. Nothing has to be traced back through the layers before.
    """

    def __init__(
        self,
        shape: LlamaShape,
        weights: Weights,
        rank: int = 8,
        first: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.cos: Tensor
        self.sin: Tensor
        self.embedding = nn.Parameter(torch.from_numpy(weights["token_embd"]).to(dtype), False)
        self.norm = nn.Parameter(torch.from_numpy(weights["output_norm"]).to(dtype), False)
        ranks = [0 if n < first else rank for n in range(shape.layers)]
        self.layers = nn.ModuleList(
            Layer(shape, weights, n, each, dtype) for n, each in enumerate(ranks)
        )
        half = torch.arange(0, shape.head_width, 2) / shape.head_width
        angles = torch.outer(torch.arange(shape.positions), shape.rope_base**-half)
        self.register_buffer("cos", angles.cos().to(dtype)[:, None], persistent=False)
        self.register_buffer("sin", angles.sin().to(dtype)[:, None], persistent=False)

    def forward(self, pack: Pack) -> Tensor:
        """Return the logits after the pack's wanted tokens, float32 (wanted, vocabulary)."""
        start = len(pack.prefix)
        x = self.embedding[torch.cat([pack.prefix, pack.tokens.flatten()])]
        places = torch.cat([torch.arange(start), pack.places.flatten()])
        rotation = self.cos[places], self.sin[places]
        for layer in self.layers:
            x = layer(x, rotation, pack)
        wanted = x[start + pack.wanted]
        x = functional.rms_norm(wanted, (self.shape.width,), self.norm, self.shape.epsilon)
        return functional.linear(x, self.embedding).float()

    def adapter(self) -> dict[str, nn.Parameter]:
        """Return the adapter's matrices, named as adapter.py reads them.

        Those of layers that are not adapted have rank 0.
        """
        named = dict(self.named_parameters())
        return {
            f"blocks.{n}.{name}.{side}": named[f"layers.{n}.parts.{part}.{side}.{name}"]
            for n in range(self.shape.layers)
            for part, names in MATRICES.items()
            for side in "ab"
            for name in names
        }


def _behind(first: Tensor, rows: Tensor) -> Tensor:
    """Put what all rows see before their own."""
    return torch.cat([first.expand(len(rows), -1, -1, -1), rows], 2)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn features by their places (RoPE, Su et al. 2021). x: (tokens, heads, head_width)."""
    first, second = x.chunk(2, -1)
    cos, sin = rotation
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
