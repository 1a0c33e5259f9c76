"""What SmolLM2's adapter is trained on, and the tensors that it is trained with."""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from voxlab import data
from voxlab.agents.shop import shop_tools
from voxlab.data.yaml_files import read_yaml
from voxlab.errors import ModelError
from voxlab.models.gguf_blocks import LlamaShape
from voxlab.providers.smollm import spoken_values, trades, train
from voxlab.providers.smollm.dialogues import Dialogue, dialogue, of_kind
from voxlab.providers.smollm.moves import read_value
from voxlab.providers.smollm.network import AdaptedLlama
from voxlab.providers.smollm.packs import Branch, grow, lay
from voxlab.providers.smollm.prompt import render_prompt
from voxlab.text import plain_words

torch.set_num_threads(1)
SHAPE = LlamaShape(
    layers=2, width=16, heads=4, kv_heads=2, positions=2000, rope_base=1e4, epsilon=1e-5
)


PLAN = train.Plan(steps=2)


def encode(text: str) -> list[int]:
    """Return bytes as tokens."""
    return [*text.encode()]


def tiny_network() -> AdaptedLlama:
    """Return a network of chance weights whose adapter changes something."""
    rng = np.random.default_rng(1)
    sizes = {"attn_q": (16, 16), "attn_k": (8, 16), "attn_v": (8, 16), "attn_output": (16, 16)}
    sizes |= {"ffn_gate": (24, 16), "ffn_up": (24, 16), "ffn_down": (16, 24)}
    sizes |= {"attn_norm": (16,), "ffn_norm": (16,)}
    weights = {
        f"blk.{n}.{name}": rng.normal(0, 0.3, size) for n in (0, 1) for name, size in sizes.items()
    }
    weights |= {"token_embd": rng.normal(0, 1, (256, 16)), "output_norm": np.ones(16)}
    torch.manual_seed(0)
    network = AdaptedLlama(SHAPE, {k: v.astype(np.float32) for k, v in weights.items()}, 2, 1)
    for name, matrix in network.adapter().items():
        if name.endswith(".b"):
            torch.nn.init.normal_(matrix)
    return network


@pytest.fixture
def new_trainer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., train.Trainer]:
    """Return what makes trainers of the tiny network, to which a word is a token.

    They have a plan and instructions, those that are given or others.
    """

    class Words:
        def encode(self, text: str) -> list[int]:
            return [zlib.crc32(word.encode()) % 256 for word in text.split()]

    monkeypatch.setattr(train, "read_network", lambda *_: tiny_network())
    monkeypatch.setattr(train, "load_tokenizer", Words)

    def new(plan: train.Plan = PLAN, told: str = "Be brief.", begin: Path | None = None) -> Any:
        return train.Trainer(Path("any.gguf"), plan, told, begin)

    return new


def draw(seed: int) -> Dialogue:
    rng = np.random.default_rng(seed)
    foreign = trades.other_trade(rng, trades.draw_names(rng, 1))
    return dialogue(trades.shop(), foreign, trades.ask, trades.tell, rng)


def taught_calls(talk: Dialogue) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    """Yield the calls that a dialogue teaches: tool, arguments, what the caller had said."""
    for index, answer in talk.answers.items():
        if answer.startswith("{"):
            ((tool, arguments),) = json.loads(answer).items()
            yield (
                tool,
                arguments,
                [each.text for each in talk.messages[: index + 1] if each.role == "user"],
            )


def test_the_shop_of_the_training_has_the_tools_of_the_shop() -> None:
    real = [tool.spec for tool in shop_tools(data.shop())]
    ours = [*trades.shop().specs.values()]
    assert [(s.name, s.description) for s in ours] == [(s.name, s.description) for s in real]
    for mine, theirs in zip(ours, real, strict=True):
        assert [*mine.parameters["properties"]] == [*theirs.parameters["properties"]]
        assert mine.parameters["required"] == theirs.parameters["required"]


def test_an_answer_is_learned_after_the_prompt_of_its_turn_and_nothing_else() -> None:
    network, prefix = tiny_network(), encode("tools")
    talks = sorted(map(draw, range(12)), key=lambda talk: len(str(talk.messages)))[:3]
    pack = lay(prefix, [[grow(talk, encode) for talk in talks[:2]], [grow(talks[2], encode)]])
    together = network(pack)
    at = 0
    for talk in talks:
        for index, answer in talk.answers.items():
            prompt = encode(render_prompt(talk.messages[: index + 1]))
            written = encode(f"{answer}<|im_end|>")
            text = [*prompt, *written[:-1]]
            wanted = [*range(len(prompt) - 1, len(text))]
            count = len(text)
            alone = Branch(
                text, [*range(count)], [0] * count, [*range(1, count + 1)], wanted, written
            )
            single = network(lay(prefix, [[alone]]))
            several = together[at : at + len(written)]
            torch.testing.assert_close(several, single, atol=1e-3, rtol=1e-3)
            assert pack.targets[at : at + len(written)].tolist() == written
            at += len(written)
    assert at == len(pack.targets)


def test_the_words_of_a_taught_call_are_the_callers() -> None:
    calls = [call for seed in range(40) for call in taught_calls(draw(seed))]
    assert calls
    for _, arguments, said in calls:
        assert all(any(words in text for text in said) for words in arguments.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_tool_with_another_name_is_called_by_it_with_the_callers_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = trades.draw_names(rng, 3)
    trade = trades.other_trade(rng, names, renamed=1.0)
    specs = {spec.name: spec.parameters["properties"] for spec in trade.specs.values()}
    assert len(specs) == len(trade.specs)
    assert len({*specs} & {*trade.specs}) < len(specs) / 2
    talks = [dialogue(trade, trades.shop(), trades.ask, trades.tell, rng) for _ in range(5)]
    calls = [call for talk in talks for call in taught_calls(talk)]
    assert calls
    for tool, arguments, said in calls:
        assert {*arguments} <= {*specs[tool]}
        assert all(any(words in text for text in said) for words in arguments.values())


def tools_of_readers() -> list[Mapping[str, Any]]:
    """Return the domains of the blind set and of the development set, with tools and turns."""
    files = "blind_tools", "dev_tools"
    return [
        domain
        for name in files
        for domain in read_yaml(data.path(f"language_model/{name}.yaml")).values()
    ]


def held_out_sentences() -> set[str]:
    """Return what the callers of the blind sets and the development set say, in plain words."""
    shop = read_yaml(data.path("language_model/blind_shop.yaml"))
    turns = [turn for group in shop.values() for turn in group]
    turns += [turn for domain in tools_of_readers() for turn in domain["turns"]]
    return {" ".join(plain_words(turn["says"])) for turn in turns}


@pytest.mark.slow
def test_no_sentence_for_training_stands_in_the_test_sets() -> None:
    held_out = held_out_sentences()
    said = {
        " ".join(plain_words(message.text))
        for seed in range(400)
        for message in draw(seed).messages
        if message.role == "user"
    }
    assert not held_out & said
    tools = {name for domain in tools_of_readers() for name in domain["tools"]}
    names = [*trades.others()]
    assert not tools & {*trades.other_trade(np.random.default_rng(0), names).specs}


def test_what_was_heard_holds_values_of_its_template_and_no_held_out_sentence() -> None:
    heard, held_out = trades.phrases("heard"), held_out_sentences()
    shop, rng = trades.phrases("training_shop"), np.random.default_rng(0)
    every = trades.other_trade(rng, [*trades.others()])
    known = {
        each for trade in (trades.shop(), every) for says in trade.says.values() for each in says
    }
    known |= {each for says in (*shop["replies"].values(), shop["no_answer"]) for each in says}
    known |= {
        of_kind(each, kind)
        for kind, answers in shop["answers_of"].items()
        for each in (*answers, *shop["answers"], *shop["another_value"])
    }
    assert {*heard} <= known
    assert len(heard) > 0.8 * len(known)
    for template, text in heard.items():
        values = re.findall(r"<(\w+): ([^<>]+)>", text)
        assert {name for name, _ in values} <= {*re.findall(r"<(\w+)>", template)}
        plain = re.sub(r"<\w+: ([^<>]+)>", r"\1", text)
        assert "<" not in plain
        assert " ".join(plain_words(plain)) not in held_out


@pytest.mark.parametrize(
    ("kind", "name"), [("digits5", "order_id"), ("time", "time"), ("people", "party_size")]
)
def test_the_rules_parsers_read_what_training_callers_say(kind: str, name: str) -> None:
    rng = np.random.default_rng(5)
    said = [spoken_values.draw(kind, rng) for _ in range(100)]
    unread = [words for words in said if not read_value(name, {}, words)]
    assert len(unread) <= 5, unread


@pytest.mark.slow
def test_a_training_with_a_break_gives_the_same_adapter(new_trainer, tmp_path: Path) -> None:
    whole, resumed = new_trainer(), new_trainer()
    begun = whole.learned["blocks.1.q.b"].detach().numpy().copy()
    whole.step()
    whole.save(tmp_path)
    resumed.load(tmp_path / train.STATE)
    folders = tmp_path / "whole", tmp_path / "resumed"
    for trainer, folder in zip((whole, resumed), folders, strict=True):
        train.run(trainer, folder)
    adapters = [np.load(folder / train.ADAPTER) for folder in folders]
    assert adapters[0].files == adapters[1].files
    for name in adapters[0].files:
        np.testing.assert_array_equal(*(adapter[name] for adapter in adapters))
    assert np.abs(adapters[0]["blocks.1.q.b"] - begun).max() > 0


def test_a_training_can_begin_with_an_adapter_that_is_there(new_trainer, tmp_path: Path) -> None:
    first, other = new_trainer(), new_trainer()
    with torch.no_grad():
        for matrix in first.learned.values():
            matrix *= -1
    first.save(tmp_path)
    begun = new_trainer(begin=tmp_path / train.ADAPTER)
    for name, matrix in first.learned.items():
        torch.testing.assert_close(begun.learned[name], matrix, atol=0.1, rtol=0.0)  # of 6 bits
        assert not matrix.numel() or not torch.allclose(other.learned[name], matrix, atol=0.1)
    with pytest.raises(ModelError, match=r"begin='[0-9a-f]{64}'"):
        begun.load(tmp_path / train.STATE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("blocks.1.q.a"), r"blocks\.1\.q\.a is \(0,\)"),
        (
            lambda arrays: arrays.update({"blocks.1.q.a": np.ones((3, 16))}),
            r"\(3, 16\), and \(2, 16",
        ),
        (lambda arrays: arrays.update({"blocks.0.q.a": np.ones((2, 16))}), r"blocks\.0\.q\.a is"),
        (lambda arrays: arrays.update({"blocks.7.q.a": np.ones((2, 16))}), r"has blocks\.7\.q\.a"),
        (lambda arrays: arrays.update(alpha=np.float32(8)), "alpha 8, and only"),
    ],
)
def test_a_training_does_not_begin_with_another_networks_adapter(
    new_trainer, tmp_path, change, message
):
    new_trainer().save(tmp_path)
    file = tmp_path / train.ADAPTER
    arrays = dict(np.load(file))
    for name in [name for name in arrays if name.endswith(".scale")]:
        arrays[name.removesuffix(".scale")] = arrays[name.removesuffix(".scale")] * arrays.pop(name)
    change(arrays)
    np.savez(file, **arrays)
    with pytest.raises(ModelError, match=message):
        new_trainer(begin=file)


@pytest.mark.slow
def test_a_training_whose_adapter_is_not_written_is_not_said_to_be_further(
    new_trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = new_trainer()
    trainer.save(tmp_path)
    trainer.step()

    def no_room(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", no_room)
    with pytest.raises(OSError, match="no space left"):
        trainer.save(tmp_path)
    resumed = new_trainer()
    resumed.load(tmp_path / train.STATE)
    assert resumed.steps_done == 0


@pytest.mark.parametrize(
    ("plan", "told", "message"),
    [
        (replace(PLAN, seed=1), "Be brief.", "seed=0.*seed=1.*ask for the same"),
        (replace(PLAN, rate=1e-3), "Be brief.", "rate=0.0015.*rate=0.001"),
        (replace(PLAN, rank=4), "Be brief.", "rank=8.*rank=4"),
        (replace(PLAN, first=12), "Be brief.", "first=10.*first=12"),
        (replace(PLAN, warm_up=20), "Be brief.", "warm_up=10.*warm_up=20"),
        (PLAN, "Be long.", "'Be brief.'.*'Be long.'"),
    ],
)
def test_a_training_does_not_go_on_with_another_plan(new_trainer, tmp_path, plan, told, message):
    trainer = new_trainer()
    trainer.steps_done = 1
    trainer.save(tmp_path)
    with pytest.raises(ModelError, match=message):
        new_trainer(plan, told).load(tmp_path / train.STATE)


@pytest.mark.parametrize(("steps_done", "goes_on"), [(60, True), (61, True), (70, False)])
def test_a_training_can_be_made_longer_until_its_rate_falls(
    new_trainer, tmp_path, steps_done, goes_on
):
    trainer, longer = (new_trainer(train.Plan(steps=steps)) for steps in (100, 200))
    trainer.steps_done = steps_done
    trainer.save(tmp_path)
    with nullcontext() if goes_on else pytest.raises(ModelError, match="before the rate falls"):
        longer.load(tmp_path / train.STATE)
    assert longer.steps_done == steps_done * goes_on


def test_a_state_without_a_plan_is_refused(new_trainer, tmp_path):
    torch.save({"seed": 0, "steps_done": 5}, tmp_path / train.STATE)
    with pytest.raises(ModelError, match=r"state\.pt does not tell its plan: an older voxlab"):
        new_trainer().load(tmp_path / train.STATE)
