"""A random network of the Llama family: as a GGUF file, and as plain arithmetic in float64."""

from dataclasses import dataclass

import numpy as np

MATRICES = {  # (outputs, inputs); width 64 in two heads, one of keys and values, 96 hidden features
    "attn_q": (64, 64),
    "attn_k": (32, 64),
    "attn_v": (32, 64),
    "attn_output": (64, 64),
    "ffn_gate": (96, 64),
    "ffn_up": (96, 64),
    "ffn_down": (64, 96),
}
LAYERS, WIDTH, HEADS, KV_HEADS, TOKENS = 2, 64, 2, 1, 80
ROPE_BASE, EPSILON = 10_000.0, 1e-5


def write_tiny(file, rng, tokens=TOKENS, positions=256):
    """Write the network to a GGUF file. tokens: the size of its vocabulary."""
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import quantize

    writer = GGUFWriter(file, "llama")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_context_length(positions)

    def add(name, shape, kind):
        weights = rng.normal(0.0, 3 / np.sqrt(shape[-1]), shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", quantize(weights, kind), raw_dtype=kind)

    def add_norm(name):
        writer.add_tensor(f"{name}.weight", rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))

    add("token_embd", (tokens, WIDTH), GGMLQuantizationType.Q8_0)
    for layer in range(LAYERS):
        add_norm(f"blk.{layer}.attn_norm")
        add_norm(f"blk.{layer}.ffn_norm")
        for name, shape in MATRICES.items():
            add(f"blk.{layer}.{name}", shape, GGMLQuantizationType.Q4_1)
    add_norm("output_norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@dataclass(frozen=True)
class PlainLlama:
    """The forward pass as the papers write it, with the weights that gguf's own package reads."""

    weights: dict
    layers: int
    heads: int
    kv_heads: int
    rope_base: float
    epsilon: float

    @classmethod
    def of(cls, reader):
        from gguf.quants import dequantize

        weights = {
            tensor.name.removesuffix(".weight"): dequantize(tensor.data, tensor.tensor_type).astype(
                np.float64
            )
            for tensor in reader.tensors
        }
        told = (
            *("block_count", "attention.head_count", "attention.head_count_kv"),
            *("rope.freq_base", "attention.layer_norm_rms_epsilon"),
        )
        return cls(weights, *(reader.fields[f"llama.{key}"].contents() for key in told))

    def logits(self, tokens):
        """Return the logits after each token, (tokens, vocabulary)."""
        w = self.weights
        x = w["token_embd"][tokens]
        for n in range(self.layers):
            h = self._norm(x, w[f"blk.{n}.attn_norm"])
            x = x + self._attend(h, n) @ w[f"blk.{n}.attn_output"].T
            h = self._norm(x, w[f"blk.{n}.ffn_norm"])
            gate = h @ w[f"blk.{n}.ffn_gate"].T
            open_ = gate / (1 + np.exp(-gate))
            x = x + (open_ * (h @ w[f"blk.{n}.ffn_up"].T)) @ w[f"blk.{n}.ffn_down"].T
        return self._norm(x, w["output_norm"]) @ w["token_embd"].T

    def _norm(self, x, gain):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * gain

    def _attend(self, h, n):
        q, k, v = (
            (h @ self.weights[f"blk.{n}.attn_{name}"].T).reshape(len(h), heads, -1)
            for name, heads in (("q", self.heads), ("k", self.kv_heads), ("v", self.kv_heads))
        )
        q, k = self._rotate(q), self._rotate(k)
        k, v = (np.repeat(each, self.heads // self.kv_heads, axis=1) for each in (k, v))
        scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(q.shape[-1])
        scores += np.triu(np.full(scores.shape[1:], -np.inf), 1)
        chances = np.exp(scores - scores.max(-1, keepdims=True))
        chances /= chances.sum(-1, keepdims=True)
        return np.einsum("hts,shd->thd", chances, v).reshape(len(h), -1)

    def _rotate(self, x):
        """Turn neighbours by their position's angles: llama.cpp stores them side by side."""
        features = x.shape[-1]
        rate = self.rope_base ** (-np.arange(0, features, 2) / features)
        turned = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(
            1j * np.outer(np.arange(len(x)), rate)[:, None]
        )
        return np.stack([turned.real, turned.imag], -1).reshape(x.shape)
