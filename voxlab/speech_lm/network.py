"""A transformer over text and sound, with four ways of predicting a frame's K codes.

    ids of a position -> their embeddings, added up -> causal transformer -> a state
    state -> scores of the codes: at once (parallel, delay), one position each (flattened), or by
    a second transformer along the K codes of the frame (depth)

The text's prompt stands first. A state predicts what the next position holds. All patterns share
one table of embeddings, the joint vocabulary's, which also gives the scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from voxlab.errors import CodecError
from voxlab.speech_lm import digits, patterns
from voxlab.speech_lm.vocabulary import JointVocabulary

SPREAD = 0.1  # standard deviation of the embeddings at the start

Memory = list[tuple[Tensor, Tensor]]  # each layer's keys and values of the positions so far


@dataclass(frozen=True, slots=True)
class LMConfig:
    """The sizes of a speech language model. positions: the longest row that it can read."""

    pattern: str = "depth"
    text_size: int = digits.TEXT_SIZE  # the last token of the text ends the speech
    stages: int = digits.STAGES
    codes: int = digits.CODEBOOK_SIZE
    width: int = 128
    heads: int = 4
    layers: int = 4
    depth_layers: int = 1
    positions: int = 640

    def __post_init__(self) -> None:
        patterns.known(self.pattern)

    @staticmethod
    def of(sizes: Mapping[str, Any]) -> "LMConfig":
        """Return the sizes as they are read from JSON."""
        return LMConfig(**sizes)

    @property
    def vocabulary(self) -> JointVocabulary:
        """The numbers of all tokens."""
        return JointVocabulary(self.text_size, self.stages, self.codes)

    @property
    def nothing(self) -> int:
        """The id beyond the vocabulary that says: no code here."""
        return self.vocabulary.size


class Block(nn.Module):
    """One layer: each position looks back at those before it, then thinks for itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_looking, self.before_thinking = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look = nn.Linear(width, 3 * width)
        self.seen = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor]) -> tuple[Tensor, Any]:
        """Return the new states (batch, positions, width) and the keys and values so far.

        past: keys and values (batch, heads, earlier positions, width / heads). Where there are
        any, x must be one position.
        """
        batch, count, width = x.shape
        # (batch, positions, 3 * width) -> 3 x (batch, heads, positions, width / heads)
        split = self.look(self.before_looking(x)).view(batch, count, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        fresh = past[0].shape[2] == 0
        if not fresh:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=fresh)
        x = x + self.seen(seen.transpose(1, 2).reshape(batch, count, width))
        return x + self.think(self.before_thinking(x)), (key, value)


class Transformer(nn.Module):
    """Layers one after the other."""

    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.last = nn.LayerNorm(width)
        self.heads = heads

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        """Return the states, (batch, positions, width).

        memory: None for a whole row. To go on position by position begin with [] and pass the
        same list again: it is brought up to date. The first call may hold many positions.
        """
        batch, _, width = x.shape
        empty = x.new_empty(batch, self.heads, 0, width // self.heads)
        pasts = memory or [(empty, empty)] * len(self.blocks)
        now = []
        for block, past in zip(self.blocks, pasts, strict=True):
            x, seen = block(x, past)
            now.append(seen)
        if memory is not None:
            memory[:] = now
        states: Tensor = self.last(x)
        return states


class SpeechLM(nn.Module):
    """The model. `log_probs` scores given codes; `speaking` lets it choose its own."""

    def __init__(self, config: LMConfig) -> None:
        super().__init__()
        self.config = config
        width, nothing = config.width, config.nothing
        self.embed = nn.Embedding(nothing + 1, width, padding_idx=nothing)
        self.place = nn.Embedding(config.positions, width)
        self.transformer = Transformer(config.layers, width, config.heads)
        self.bias = nn.Parameter(torch.zeros(nothing))
        if config.pattern == "depth":
            self.enter = nn.ModuleList([nn.Linear(width, width) for _ in range(config.stages)])
            self.depth = Transformer(config.depth_layers, width, config.heads)
        for table in (self.embed, self.place):
            nn.init.normal_(table.weight, std=SPREAD)
        with torch.no_grad():
            self.embed.weight[nothing] = 0

    @torch.no_grad()
    def borrow(self, codebooks: Tensor) -> None:
        """Begin with the codec's own codewords: codes that sound alike get embeddings alike.

        codebooks: (stages or more, codes, features). One random map takes all codewords to the
        width of the model; the model goes on from there. Draws from torch's generator. Raises
        CodecError if the codebooks are not those of the vocabulary.
        """
        config = self.config
        if len(codebooks) < config.stages or codebooks.shape[1] != config.codes:
            raise CodecError(
                f"codebooks of {tuple(codebooks.shape)} do not fit {config.stages} stages of "
                f"{config.codes} codes: take those of the codec whose codes are learned"
            )
        words = codebooks[: config.stages] @ torch.randn(codebooks.shape[2], config.width)
        words *= SPREAD / words.std((1, 2), keepdim=True)
        self.embed.weight[config.text_size : config.nothing] = words.flatten(0, 1)

    # --- the parts ---------------------------------------------------------------------------

    def states(self, ids: Tensor, memory: Memory | None = None) -> Tensor:
        """Return the state of each position, (batch, positions, width).

        ids: int (batch, positions, tokens of a position). memory: see `Transformer`.
        """
        start = memory[0][0].shape[2] if memory else 0
        place = self.place.weight[start : start + ids.shape[1]]
        states: Tensor = self.transformer(self.embed(ids).sum(2) + place, memory)
        return states

    def scores(self, states: Tensor, stage: int) -> Tensor:
        """Return the scores of a stage's codes, (..., codes); of stage 0, (..., 1 + codes).

        The first score of stage 0 is that of the end: the last token of the text, and so the
        neighbour of code 0 in the vocabulary.
        """
        start = self.config.vocabulary.first_id(stage)
        rows = slice(start - (stage == 0), start + self.config.codes)
        return functional.linear(states, self.embed.weight[rows], self.bias[rows])

    def depth_input(self, state: Tensor, stage: int, last_id: Tensor) -> Tensor:
        """Return what the depth transformer reads at a stage: the frame's state, the code before.

        state: (..., width). last_id: int (...), the id of the code of stage - 1.
        """
        entered: Tensor = self.enter[stage](state)
        return entered + self.embed(last_id) if stage else entered

    # --- given codes -------------------------------------------------------------------------

    def log_probs(self, prompt: Tensor, ids: Tensor) -> list[Tensor]:
        """Return for each stage the log-probabilities of what it may say in each frame.

        prompt: int (batch, prompt), text ids; ids: int (batch, stages, frames), `nothing` where a
        recording has ended. Returns stages x (batch, frames + 1, codes), of stage 0 (..., 1 +
        codes) with the end first. The codes of a frame never see themselves, nor what comes later.
        """
        by_stage = {"flattened": self._flattened, "delay": self._delayed}.get(
            self.config.pattern, self._by_frame
        )(prompt, ids)
        return [
            torch.log_softmax(self.scores(states, stage), -1)
            for stage, states in enumerate(by_stage)
        ]

    def row(self, prompt: Tensor, ids: Tensor) -> Tensor:
        """Return the prompt and what follows as positions, int (batch, positions, tokens).

        ids: int (batch, tokens of a position, positions).
        """
        fill = prompt.new_full((*prompt.shape, ids.shape[1] - 1), self.config.nothing)
        return torch.cat([torch.cat([prompt[..., None], fill], 2), ids.transpose(1, 2)], 1)

    def _by_frame(self, prompt: Tensor, ids: Tensor) -> list[Tensor]:
        states = self.states(self.row(prompt, ids))[:, prompt.shape[1] - 1 :]
        if self.config.pattern == "parallel":
            return [states] * self.config.stages
        batch, frames, width = states.shape
        known = functional.pad(ids, (0, 1), value=self.config.nothing)
        steps = [
            self.depth_input(states, stage, known[:, stage - 1])
            for stage in range(self.config.stages)
        ]
        # every frame is a row of its own: (batch * frames, stages, width)
        told = self.depth(torch.stack(steps, 2).view(batch * frames, -1, width))
        return list(told.view(batch, frames, -1, width).unbind(2))

    def _delayed(self, prompt: Tensor, ids: Tensor) -> list[Tensor]:
        moved = torch.from_numpy(patterns.delay(ids.numpy(), self.config.nothing))
        states = self.states(self.row(prompt, moved))[:, prompt.shape[1] - 1 :]
        frames = ids.shape[2] + 1
        return [states[:, stage : stage + frames] for stage in range(self.config.stages)]

    def _flattened(self, prompt: Tensor, ids: Tensor) -> list[Tensor]:
        last = ids.new_full((len(ids), self.config.stages - 1), self.config.nothing)
        row = torch.cat([torch.from_numpy(patterns.flatten(ids.numpy())), last], 1)
        states = self.states(self.row(prompt, row[:, None]))[:, prompt.shape[1] - 1 :]
        by_frame = states.view(len(ids), -1, self.config.stages, states.shape[2])
        return list(by_frame.unbind(2))


def nll(log_probs: list[Tensor], codes: Tensor, frames: Tensor) -> Tensor:
    """Return each stage's negative log-likelihood in nats a frame, (stages,).

    log_probs: see `SpeechLM.log_probs`. codes: int (batch, stages, longest), frames: int (batch,),
    how many of them there are. Saying the end in time counts as stage 0's last frame.
    """
    place = torch.arange(codes.shape[2] + 1)
    there = place < frames[:, None]  # (batch, longest + 1)
    losses = []
    for stage, scores in enumerate(log_probs):
        said = functional.pad(codes[:, stage], (0, 1))
        if stage == 0:  # the end is 0, so the codes begin at 1
            said = torch.where(there, said + 1, 0)
        counts = place <= frames[:, None] if stage == 0 else there
        chosen = scores.gather(-1, said[..., None])[..., 0]
        losses.append(-(chosen * counts).sum() / there.sum())
    return torch.stack(losses)
