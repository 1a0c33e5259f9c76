"""Calls in processes of their own: with a framework, and with whatever is compared with one."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.cli import reports
from voxlab.cli.records import save_call
from voxlab.errors import FrameworkError, ScriptError
from voxlab.frameworks import FRAMEWORKS

if TYPE_CHECKING:
    from voxlab.agents.callers.script import CallScript
    from voxlab.frameworks.processes import HeldCall

SETTINGS_IN_WORDS = {
    "defaults": "its defaults",
    "closest": "its settings that come closest to ours",
}


def check_process(
    script: "CallScript", arguments: argparse.Namespace, names: Sequence[str] = ()
) -> None:
    """Refuse what a process of its own cannot do, before the first call."""
    if not script.has_sound:
        raise ScriptError(
            f"a framework hears sound, and {script.title!r} has none: let each line `say` something"
        )
    if arguments.mic or arguments.over != "direct" or arguments.providers != "offline":
        raise FrameworkError(
            "LiveKit Agents and Pipecat run with a script, directly on a line and on the offline "
            "engines: leave out --mic, --over and --providers"
        )
    from voxlab.frameworks.processes import find_python

    for name in names or (arguments.agent,):
        find_python(name)


def runs_of(agents: Sequence[str], settings: str) -> list[tuple[str, str, str]]:
    """Return the calls to hold, each its name, the agent and its settings.

    settings: of the frameworks, "both" for a call with each; ours have their defaults only.
    """
    return [
        (agent if each == "defaults" else f"{agent}_{each}", agent, each)
        for agent in agents
        for each in (SETTINGS_IN_WORDS if agent in FRAMEWORKS else ("defaults",))
        if settings in ("both", each) or agent not in FRAMEWORKS
    ]


def hold_apart(
    script: "CallScript",
    agent: str,
    arguments: argparse.Namespace,
    folder: Path,
    settings: str = "defaults",
) -> "HeldCall":
    """Hold the call with one agent in a process of its own, and write its record."""
    from voxlab.frameworks.processes import hold_in_process

    held = hold_in_process(
        arguments.script, agent, folder, settings=settings, on_event=reports.print_live
    )
    save_call(held.call, folder, script.title)
    return held


def print_costs(costs: Mapping[str, "HeldCall"]) -> None:
    """Print what each process used, if the calls were held in processes of their own."""
    for name, held in costs.items():
        used = "its process died"
        if held.cpu_s_per_call_s is not None:
            used = f"{held.cpu_s_per_call_s:.3f} CPU-s a call-s, {held.memory_mb:.0f} MB resident"
        print(f"{name}: {used}")


def cost_figures(costs: Mapping[str, "HeldCall"]) -> dict[str, Any]:
    """Return what each process used, as plain values."""
    return {
        "costs": {
            name: {"cpu_s_per_call_s": held.cpu_s_per_call_s, "memory_mb": held.memory_mb}
            for name, held in costs.items()
        }
    }
