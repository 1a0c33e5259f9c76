"""Dialogues as the tensors of one training step: they share the tools, and see nothing else.

A pack begins with the system message, which lists the tools. After it come dialogues, side by
side: each sees the system message and itself. A dialogue is a trunk, the conversation as the model
will read it, and at each turn of the caller a leaf, the right answer; the trunk goes on without it,
with what the agent said aloud. So one pass teaches many answers and reads the tools once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voxlab.providers.protocols import Message, ToolSpec
from voxlab.providers.smollm import trades
from voxlab.providers.smollm.dialogues import Dialogue, dialogue
from voxlab.providers.smollm.prompt import ANSWER, END, render_prompt

Encode = Callable[[str], list[int]]
SHOP_SHARE = 0.4  # of the packs are about Acme's tools
RENAMED = 0.4  # of the other tools and arguments have other names than in the files
ROWS, LONGEST = 4, 200  # of a pack: rows, and the tokens of each


@dataclass(frozen=True, slots=True)
class Branch:
    """A dialogue as a tree of tokens.

    places: how many of the dialogue's tokens stand before each. leaves: 0 for the trunk, else the
    number of the answer that the token is of. trunk_seen: how many of the trunk's tokens each sees.
    wanted: those tokens whose next one is taught; targets: that token.
    """

    tokens: list[int]
    places: list[int]
    leaves: list[int]
    trunk_seen: list[int]
    wanted: list[int]
    targets: list[int]


@dataclass(frozen=True, eq=False, slots=True)
class Pack:
    """One step's tensors. P: tokens of the system message; D dialogues, padded to L tokens.

    prefix: int (P,). tokens, places: int (D, L). mask: bool (D, L, P + L), what each token sees.
    wanted: int (N,), which of the D * L tokens are followed by one to learn. targets: int (N,).
    """

    prefix: Tensor
    tokens: Tensor
    places: Tensor
    mask: Tensor
    wanted: Tensor
    targets: Tensor


def grow(talk: Dialogue, encode: Encode) -> Branch:
    """Return a dialogue as a tree of tokens, up to the last answer."""
    end = max(talk.answers, default=0) + 1
    trunk = encode(render_prompt(talk.messages[:end]).removesuffix(ANSWER))
    places, leaves = [*range(len(trunk))], [0] * len(trunk)
    seen = [place + 1 for place in places]
    tokens, wanted, targets = [*trunk], list[int](), list[int]()
    opening = encode(ANSWER)
    for number, (index, answer) in enumerate(talk.answers.items(), 1):
        before = len(encode(render_prompt(talk.messages[: index + 1]).removesuffix(ANSWER)))
        written = encode(f"{answer}{END}")
        leaf = [*opening, *written[:-1]]
        at = len(tokens)
        tokens += leaf
        places += range(before, before + len(leaf))
        leaves += [number] * len(leaf)
        seen += [before] * len(leaf)
        wanted += range(at + len(opening) - 1, at + len(leaf))
        targets += written
    return Branch(tokens, places, leaves, seen, wanted, targets)


def lay(prefix: Sequence[int], rows: Sequence[Sequence[Branch]]) -> Pack:
    """Lay dialogues behind one system message: rows side by side, some dialogues in each."""
    longest = max(sum(len(branch.tokens) for branch in row) for row in rows)
    shape = len(rows), longest
    tokens, places = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    mask = torch.zeros((*shape, len(prefix) + longest), dtype=torch.bool)
    mask[:, :, : len(prefix)] = True
    wanted, targets = list[int](), list[int]()
    for number, row in enumerate(rows):
        start = 0
        for branch in row:
            end = start + len(branch.tokens)
            tokens[number, start:end] = torch.tensor(branch.tokens)
            places[number, start:end] = torch.tensor(branch.places) + len(prefix)
            own = slice(len(prefix) + start, len(prefix) + end)
            mask[number, start:end, own] = sees(branch)
            wanted += [number * longest + start + place for place in branch.wanted]
            targets += branch.targets
            start = end
    return Pack(
        torch.tensor(prefix), tokens, places, mask, torch.tensor(wanted), torch.tensor(targets)
    )


def sees(branch: Branch) -> Tensor:
    """Return which tokens of a dialogue each of them sees: the trunk so far, and its own leaf."""
    leaf, seen = torch.tensor(branch.leaves), torch.tensor(branch.trunk_seen)
    order = torch.arange(len(leaf))
    is_trunk = (leaf[None] == 0) & (order[None] < seen[:, None])
    is_own = (leaf[:, None] == leaf[None]) & (order[None] <= order[:, None]) & (leaf[None] > 0)
    return is_trunk | is_own


def draw_pack(rng: np.random.Generator, encode: Encode, instructions: str) -> Pack:
    """Draw the dialogues of one step. instructions: those of Acme's agent."""
    if rng.random() < SHOP_SHARE:
        trade, about = trades.shop(), instructions if rng.random() < 0.7 else ""
        foreign = trades.other_trade(rng, trades.draw_names(rng, 3))
    else:
        names = trades.draw_names(rng, int(rng.choice([1, 2, 2, 3])))
        trade = trades.other_trade(rng, names, RENAMED)
        about = trades.instructions_for(names, rng)
        others = trades.other_trade(rng, trades.draw_names(rng, 2, without=names))
        foreign = others if rng.random() < 0.7 else trades.shop()
    specs: list[ToolSpec] = [*trade.specs.values()]
    if rng.random() < 0.3:
        rng.shuffle(specs)
    system = render_prompt([Message("system", about)] if about else [], specs)
    prefix = encode(system.removesuffix(ANSWER))
    rows: list[list[Branch]] = [[] for _ in range(ROWS)]
    for row in rows:
        while (left := LONGEST - sum(len(branch.tokens) for branch in row)) > LONGEST // 4:
            talk = dialogue(trade, foreign, trades.ask, trades.tell, rng)
            branch = grow(talk, encode)
            if branch.wanted and len(branch.tokens) <= left:
                row.append(branch)
    return lay(prefix, rows)
