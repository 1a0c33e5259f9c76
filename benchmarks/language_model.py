"""How often a language model makes the right move on turns that it was not made for.

    python benchmarks/language_model.py [--adapter FILE] [--only rules|smollm] [--calls] [--drawn]
        [--development] [--json]

The blind sets of data/language_model: callers of Acme, and of tools of readers' own. A move is
right if it calls the right tool, asks for a value that lacks, or is a reply of the right kind; then
a call's arguments must all be right as well. "By ear" the caller was spoken by Hibari and heard by
Moonshine. Intervals are Wilson's, of 95%. CPU is this machine's, of one answer, after the turns
before were read. --calls also types the call scripts of data/suite to both, and --drawn asks new
turns of the grammars that the adapter learned from: a test written beside its templates flatters.
--development asks dev_tools.yaml by text, and no blind set: choices are made on these turns.

Aims: right moves 90%, all arguments 85%, tools of readers' own 75%.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from voxlab import data
from voxlab.agents.callers.variation import as_text
from voxlab.agents.pipeline.options import INSTRUCTIONS
from voxlab.agents.shop import shop_agent, shop_tools
from voxlab.agents.suite import hold_script, load_suite
from voxlab.cli.suite_calls import Typed
from voxlab.data.yaml_files import read_yaml
from voxlab.evaluation.expected_outcome import find_unmet
from voxlab.providers.protocols import LLM, Message, TextDelta, ToolCall, ToolSpec
from voxlab.providers.rule_based import language_model as rules
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.rule_based.phrases import phrase, read_back
from voxlab.providers.scripted import scripted
from voxlab.providers.smollm import moves, trades
from voxlab.providers.smollm.dialogues import dialogue
from voxlab.providers.smollm.trained import TrainedSmolLM
from voxlab.statistics import wilson_interval

NEW_SEED, DRAWN = 1_000_000, 120
SMALL_TALK = ("goodbye", "wait", "hello", "never mind", "thanks", "cannot")
RULES_SAY = {  # the kind of what the rules answer
    rules.HELP: "help",
    "Great. What would you like?": "help",
    rules.CANNOT: "cannot",
} | {answer: kind for kind, (_, answer) in zip(SMALL_TALK, rules.SMALL_TALK, strict=True)}


@dataclass(frozen=True)
class Turn:
    """A turn of a test set: what the model is told, and what it is to do."""

    group: str
    says: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    right: Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """How a turn went. all_right: the arguments as well; None if no call was right."""

    group: str
    moved: bool
    all_right: bool | None
    cpu_s: float


def shop_turns(heard: Mapping[str, str]) -> Iterator[Turn]:
    """Yield the turns of Acme's callers. heard: what stands for their words."""
    for group, turns in read_yaml(data.path("language_model/blind_shop.yaml")).items():
        for turn in turns:
            tools = shop_tools(data.shop())
            run = {tool.spec.name: tool.function for tool in tools}
            messages = [Message("system", INSTRUCTIONS), *before(turn, heard, run)]
            specs = tuple(tool.spec for tool in tools)
            yield Turn(group, *asked(turn, messages, heard), specs, turn)


def own_turns(heard: Mapping[str, str], file: str = "blind_tools") -> Iterator[Turn]:
    """Yield the turns with tools of readers' own, of a file of data/language_model."""
    for group, domain in read_yaml(data.path(f"language_model/{file}.yaml")).items():
        specs = tuple(spec(name, tool) for name, tool in domain["tools"].items())
        for turn in domain["turns"]:
            messages = [Message("system", "Answer in one or two short spoken sentences.")]
            messages += before(turn, heard, {})
            yield Turn(group, *asked(turn, messages, heard), specs, turn)


def blind_sets(ways: Sequence[str]) -> dict[str, list[Turn]]:
    """Return the blind sets by name. ways: "text", "ear", how the callers come to the model."""
    heard = read_yaml(data.path("language_model/blind_heard.yaml"))
    sets = {}
    for way in ways:
        words = heard if way == "ear" else {}
        sets[f"shop, {way}"] = [*shop_turns(words)]
        sets[f"own tools, {way}"] = [*own_turns(words)]
    return sets


def drawn_turns(count: int) -> Iterator[Turn]:
    """Yield turns of new dialogues from the grammars that the adapter learned from."""
    rng = np.random.default_rng(NEW_SEED)
    trade, left = trades.shop(), count
    specs = tuple(trade.specs.values())
    while left > 0:
        foreign = trades.other_trade(rng, trades.draw_names(rng, 3))
        talk = dialogue(trade, foreign, trades.ask, trades.tell, rng)
        for index, answer in talk.answers.items():
            said = talk.messages[: index + 1]
            move = moves.read_answer(answer, said, specs)
            if isinstance(move, ToolCall):
                right: dict[str, Any] = {"call": move.name, "with": move.arguments}
            else:
                right = {"reply": [move]} if isinstance(move, str) else {"ask": [move.name]}
            messages = (Message("system", INSTRUCTIONS), *said)
            yield Turn("drawn", said[-1].text, messages, specs, right)
            left -= 1


def asked(
    turn: Mapping[str, Any], messages: Sequence[Message], heard: Mapping[str, str]
) -> tuple[str, tuple[Message, ...]]:
    """Return what the caller says, and the conversation with it."""
    says = heard.get(turn["says"], turn["says"])
    return says, (*messages, Message("user", says))


def spec(name: str, tool: Mapping[str, Any]) -> ToolSpec:
    """Return a tool as a model is told of it."""
    arguments = {**tool["needs"], **tool.get("may", {})}
    properties = {
        argument: {"type": "integer", "description": kind["integer"]}
        if isinstance(kind, Mapping)
        else {"type": "string", "description": kind}
        for argument, kind in arguments.items()
    }
    parameters = {"type": "object", "properties": properties, "required": [*tool["needs"]]}
    return ToolSpec(name, tool["does"], parameters)


def before(
    turn: Mapping[str, Any], heard: Mapping[str, str], run: Mapping[str, Any]
) -> Iterator[Message]:
    """Yield what was said and done before a turn."""
    for number, entry in enumerate(turn.get("after", ())):
        if "caller" in entry:
            yield Message("user", heard.get(entry["caller"], entry["caller"]))
        elif "asked" in entry:
            yield Message("assistant", moves.question(entry["asked"]))
        else:
            name, arguments = entry["call"], dict(entry["with"])
            try:
                result = entry["result"] if "result" in entry else run[name](**arguments)
            except ValueError as error:
                result = {"error": str(error)}
            yield Message("assistant", "", (ToolCall(f"call_{number}", name, arguments),))
            yield Message("tool", json.dumps(result), tool_call_id=f"call_{number}")
            yield Message("assistant", phrase(name, arguments, result))


async def score(model: LLM, turn: Turn) -> Score:
    """Ask a model for its move, and compare."""
    stream, began = model.stream(turn.messages, turn.tools), time.process_time()
    parts = [part async for part in stream]
    cpu_s = time.process_time() - began
    call = next((part for part in parts if isinstance(part, ToolCall)), None)
    text = "".join(part.text for part in parts if isinstance(part, TextDelta))
    right, kind = turn.right, kind_of(text, turn)
    if "call" in right and text == read_back(right["with"]):  # the rules ask first
        return Score(turn.group, True, True, cpu_s)
    if call is not None:
        moved = call.name in (right.get("call"), right.get("or_call"))
        is_same = same(dict(call.arguments), right["with"]) if "call" in right else None
        return Score(turn.group, moved, (moved and is_same) if "call" in right else None, cpu_s)
    wanted = {f"ask {name}" for name in (*right.get("ask", ()), *right.get("or_ask", ()))}
    wanted |= {each.replace("_", " ") for each in right.get("reply", ())}
    return Score(turn.group, kind in wanted, False if "call" in right else None, cpu_s)


def kind_of(text: str, turn: Turn) -> str:
    """Return what a sentence does: "ask day", or the kind of a reply."""
    names = {"change", *(name for tool in turn.tools for name in tool.parameters["properties"])}
    for name in names:
        before = [Message("assistant", moves.question(name))]
        if any(text in moves.ways_to_ask(name, before * count) for count in range(3)):
            return f"ask {name}"
    if text in RULES_SAY:
        return RULES_SAY[text]
    said = [message.text for message in turn.messages if message.role == "assistant"]
    if said and text == next((each for each in reversed(said) if each), ""):
        return "repeat"
    kinds = (kind for kind, ways in moves.REPLIES.items() if text in ways)
    return next(kinds, "help" if text.startswith(("Here is what", "How can I")) else text)


def same(got: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether arguments are those wanted; words may have other capitals and articles."""
    return {*got} == {*wanted} and all(
        plain(got[name]) in map(plain, value if isinstance(value, list) else [value])
        for name, value in wanted.items()
    )


def plain(value: Any) -> str:
    """Return a value as it is compared."""
    return str(value).casefold().removeprefix("the ").strip(" .")


def share(flags: Sequence[bool]) -> str:
    """Return a share with its interval."""
    low, high = wilson_interval(sum(flags), len(flags))
    return f"{sum(flags):4} of {len(flags):3} = {np.mean(flags):4.0%} ({low:.0%} to {high:.0%})"


def figures(name: str, scores: Sequence[Score]) -> dict[str, float]:
    """Print a model's scores on a set, and return them."""
    moved = [each.moved for each in scores]
    calls = [each.all_right for each in scores if each.all_right is not None]
    cpu_ms = 1000 * np.array([each.cpu_s for each in scores])
    print(f"{name:24} right move {share(moved)}   all arguments {share(calls)}", end="   ")
    print(f"CPU {np.median(cpu_ms):.0f} ms, P95 {np.percentile(cpu_ms, 95):.0f} ms")
    key = name.replace(", ", "_").replace(" ", "_")
    found = {f"{key}_cpu_ms": float(np.median(cpu_ms))}
    for what, flags in (("move", moved), ("arguments", calls)):
        low, high = wilson_interval(sum(flags), len(flags))
        found |= {f"{key}_{what}": float(np.mean(flags))}
        found |= {f"{key}_{what}_low": low, f"{key}_{what}_high": high}
    return found


def by_group(scores: Sequence[Score]) -> None:
    """Print the right moves of each part of a set."""
    for group, part in groupby(scores, lambda each: each.group):
        flags = [each.moved for each in part]
        print(f"    {group:20} {sum(flags):3} of {len(flags)}")


async def ask_all(model: LLM, turns: Sequence[Turn]) -> list[Score]:
    """Ask a model for every move, in one event loop, so that it keeps what it has read."""
    return [await score(model, turn) for turn in turns]


def hold_calls(name: str, model: LLM) -> dict[str, float]:
    """Type the scripts of data/suite to an agent with this model: what came of them, and costs."""
    met, began = list[bool](), time.process_time()
    for script_name, script in load_suite().items():
        typed = Typed()
        held = hold_script(
            script_name,
            as_text(script),
            lambda database, faults, typed=typed: shop_agent(
                scripted(typed, model), None, database, faults
            ),
            on_event=typed.note,
        )
        met.append(not find_unmet(held, by_text=True))
    cpu_s = time.process_time() - began
    print(f"{name:24} calls as expected {share(met)}   CPU {cpu_s / len(met):.2f} s a call")
    return {f"{name}_calls": float(np.mean(met)), f"{name}_call_cpu_s": cpu_s / len(met)}


def main() -> None:
    """Measure, print a table, and with --json a last line for programs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--adapter", help="of SmolLM2; voxlab's own if left out")
    parser.add_argument("--only", choices=("rules", "smollm"))
    parser.add_argument("--by", choices=("text", "ear"), help="both if left out")
    parser.add_argument("--calls", action="store_true", help="hold the calls of data/suite as well")
    parser.add_argument(
        "--drawn", action="store_true", help="ask turns of the training grammars as well"
    )
    parser.add_argument("--development", action="store_true", help="ask dev_tools.yaml instead")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    models: dict[str, LLM] = {}
    if arguments.only != "smollm":
        models["rules"] = RuleLLM(first_token_s=0, token_s=0)
    if arguments.only != "rules":
        models["smollm"] = TrainedSmolLM.load(arguments.adapter)
    found: dict[str, float] = {}
    if arguments.development:
        sets = {"development": [*own_turns({}, "dev_tools")]}
    else:
        sets = blind_sets(("text", "ear") if arguments.by is None else (arguments.by,))
    for about, turns in sets.items():
        for name, model in models.items():
            scores = asyncio.run(ask_all(model, turns))
            found |= figures(f"{name}, {about}", scores)
            by_group(scores)
    new_turns = [*drawn_turns(DRAWN)] if arguments.drawn else []
    for name, model in models.items() if arguments.drawn else ():
        found |= figures(f"{name}, drawn", asyncio.run(ask_all(model, new_turns)))
    for name, model in models.items() if arguments.calls else ():
        found |= hold_calls(name, model)
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    main()
