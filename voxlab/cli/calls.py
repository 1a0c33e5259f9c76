"""`voxlab call` and `voxlab compare`: hold calls, keep their records, tell what happened."""

import argparse
import contextlib
import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.cli import reports
from voxlab.cli.apart import (
    SETTINGS_IN_WORDS,
    check_process,
    cost_figures,
    hold_apart,
    print_costs,
    runs_of,
)
from voxlab.cli.comparison import CallComparison
from voxlab.cli.records import draw_calls, save_call
from voxlab.cli.stopping import Stopping
from voxlab.cli.traces import add_exporters, export_calls
from voxlab.errors import ProviderError, ScriptError, missing_extra
from voxlab.frameworks import FRAMEWORKS

if TYPE_CHECKING:
    from voxlab.agents.callers.script import CallScript
    from voxlab.agents.calls import Party
    from voxlab.frameworks.processes import HeldCall
    from voxlab.providers.protocols import LLM, Providers
    from voxlab.timeline import Call, Event

AGENTS = ("voxlab", "realtime", *FRAMEWORKS)
LINES = ("direct", "twilio", "sip")
EXIT_STATUS = (
    "exit status: 0 done, 1 a provider, a party or an export failed, 2 bad input, 130 after "
    "Ctrl-C, 129 if the terminal hung up, 143 after SIGTERM; a call that has begun leaves its "
    "record in any case"
)
Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> None:
    """Add the commands to the parser. add_command: see voxlab.cli."""
    about = "hold a call; write its recording, timeline, page that plays it, picture and words"
    call = add_command(
        commands, "call", _call, about, "data/calls/barge_in.yaml --out out/barge_in"
    )
    call.epilog = f"{call.epilog}. {EXIT_STATUS}"
    call.add_argument("script", type=Path, help="a call script, see data/calls")
    clock = call.add_mutually_exclusive_group()
    clock.add_argument("--live", action="store_true", help="in real time (default: virtual time)")
    clock.add_argument("--mic", action="store_true", help="you are the caller, in real time")
    call.add_argument(
        "--agent",
        choices=AGENTS,
        default="voxlab",
        help="voxlab: our pipeline; realtime: one connection in the Realtime protocol; livekit, "
        "pipecat: these frameworks on our engines, in real time (make frameworks)",
    )
    call.add_argument(
        "--over",
        choices=LINES,
        default="direct",
        help="twilio: over a telephone line that speaks Twilio's protocol; sip: a SIP call over "
        "UDP on this machine, in real time (default: direct)",
    )
    add_exporters(call, "--trace")
    about = "hold the same call with several agents; print each turn's stages, and a table"
    example = "data/calls/first_call.yaml --on voxlab,realtime"
    compare = add_command(commands, "compare", _compare, about, example)
    compare.add_argument("script", type=Path, help="a call script, see data/calls")
    compare.add_argument(
        "--on",
        metavar="A,B,...",
        default="voxlab,realtime",
        help=f"of {', '.join(AGENTS)}; with a framework all are held in real time, each in a "
        "process of its own (default: %(default)s)",
    )
    compare.add_argument("--live", action="store_true", help="in real time (default: virtual time)")
    compare.add_argument(
        "--settings",
        choices=("both", "defaults", "closest"),
        default="both",
        help="of the frameworks: their defaults, those that come closest to ours, or a call with "
        "each (default: %(default)s)",
    )
    compare.set_defaults(mic=False, over="direct")
    for command in (call, compare):
        command.add_argument(
            "--out", type=Path, default=Path("out"), metavar="DIR", help="default: out"
        )
        command.add_argument(
            "--providers",
            choices=("offline", "smollm", "openai"),
            default="offline",
            help="smollm: a small neural language model in place of the rules; openai needs "
            "OPENAI_API_KEY or OPENAI_BASE_URL, and real time; with the realtime agent and "
            "OPENAI_BASE_URL=http://127.0.0.1:8765/v1, voxlab serve realtime",
        )
        command.add_argument(
            "--json", action="store_true", help="print the figures as JSON, on the last line"
        )


def _call(arguments: argparse.Namespace) -> int:
    from voxlab.agents.callers.script import load_script

    script = load_script(arguments.script)
    arguments.live |= arguments.over == "sip" and not arguments.mic  # UDP knows no other time
    _check(arguments)
    began_ns, exported = time.time_ns(), 0
    if arguments.agent in FRAMEWORKS:
        check_process(script, arguments)
        print(f"{script.title}: {script.about}")
        call = hold_apart(script, arguments.agent, arguments, arguments.out).call
    else:
        agent = _over(arguments.over, _agent(arguments.agent, script, arguments), script)
        print(f"{script.title}: {script.about}")
        call = _hold(script, agent, arguments, arguments.out)
    with reports.unread(errno.EIO):  # also if the terminal is gone; the exit status is told
        reports.report_call(call, arguments.out)
        exported = _export(call, arguments, began_ns)
        if arguments.json:
            reports.print_json(reports.call_figures(call))
    return reports.exit_status(call) or exported


def _export(call: "Call", arguments: argparse.Namespace, began_ns: int) -> int:
    """Export a call's spans and metrics, if asked to; one in virtual time has no date."""
    from voxlab.observability.telemetry import BEGAN_NS, ObservedCall

    in_real_time = arguments.live or arguments.mic or arguments.agent in FRAMEWORKS
    observed = ObservedCall(call.timeline, began_ns=began_ns if in_real_time else BEGAN_NS)
    return export_calls([observed], arguments, arguments.out)


def _compare(arguments: argparse.Namespace) -> int:
    from voxlab.agents.callers.script import load_script

    names = arguments.on.split(",")
    if len(names) < 2 or len({*names}) < len(names) or not {*names} <= {*AGENTS}:
        known = ", ".join(AGENTS)
        raise ScriptError(
            f"--on {arguments.on}: name two of {known}, or more, such as voxlab,realtime"
        )
    script = load_script(arguments.script)
    _check(arguments)
    if apart := not {*FRAMEWORKS}.isdisjoint(names):
        check_process(script, arguments, names)
    print(f"{script.title}: {script.about}")
    calls: dict[str, Call] = {}
    costs: dict[str, HeldCall] = {}
    for name, agent, settings in runs_of(names, arguments.settings):
        print(f"on {name}: {SETTINGS_IN_WORDS[settings]}", flush=True)
        folder = arguments.out / name
        if apart:
            costs[name] = hold_apart(script, agent, arguments, folder, settings)
            calls[name] = costs[name].call
        else:
            calls[name] = _hold(script, _agent(agent, script, arguments), arguments, folder)
        if reports.stop_signal(calls[name]):  # the next call is not held; this one is kept
            print(f"stopped; see {folder}/call.html")
            return reports.exit_status(calls[name])
    picture = draw_calls(calls, arguments.out)
    compared = CallComparison.of(calls)
    with reports.unread(errno.EIO):
        compared.report()
        print_costs(costs)
        for name, call in calls.items():
            reports.print_failures(call, f"{name}: ")
        pages = " and ".join(f"{arguments.out / name}/call.html" for name in calls)
        print(f"\nsee {picture}, {pages}")
        if arguments.json:
            figures = {name: reports.call_figures(call) for name, call in calls.items()}
            reports.print_json({"calls": figures, **compared.figures, **cost_figures(costs)})
    return max(map(reports.exit_status, calls.values()))


def _check(arguments: argparse.Namespace) -> None:
    """Refuse at once what would fail only after the call."""
    if arguments.providers == "openai" and not (arguments.live or arguments.mic):
        raise ProviderError("a network answers in real time, not in virtual time: add --live")
    check_folder(arguments.out)
    if arguments.mic:
        from voxlab.agents.callers.microphone import check_devices

        check_devices()  # before an earlier record is replaced


def check_folder(out: Path) -> None:
    """Raise ScriptError if no files can be written into a folder, there or yet to be made."""
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "may not be written to" if there.is_dir() else "is no folder"
        raise ScriptError(f"--out {out}: {there} {why}; choose another --out")


def _agent(name: str, script: "CallScript", arguments: argparse.Namespace) -> "Party":
    """Choose who answers; the realtime agent brings a session of its own, unless it has a key."""
    if name == "voxlab" and arguments.over != "direct" and script.has_sound:
        from voxlab.agents.telephone.agent import TelephoneOptions, telephone_agent
        from voxlab.telephony.codecs import CODECS, available_codecs

        wide = TelephoneOptions(CODECS[available_codecs()[0]].rate_hz)
        options = wide if arguments.over == "sip" else None
        return telephone_agent(None, options, _providers(script, arguments), script.faults)
    if name == "realtime" and arguments.providers == "openai":
        from voxlab.agents.realtime.connection import to_server
        from voxlab.agents.shop import shop_realtime_agent

        return shop_realtime_agent(to_server(), faults=script.faults)
    from voxlab import data
    from voxlab.frameworks.worker import make_agent

    return make_agent(name, {}, data.shop(), script.faults, _providers(script, arguments))


def _over(way: str, agent: "Party", script: "CallScript") -> "Party":
    """Put a telephone line between the caller and an agent."""
    if way == "direct":
        return agent
    if not script.has_sound:
        raise ScriptError(f"--over {way} carries sound, and {script.title!r} has none")
    if way == "sip":
        from voxlab.agents.telephone.sip_endpoint import check_sip
        from voxlab.agents.telephone.sip_phone import OverSip

        check_sip()
        return OverSip(agent)
    from voxlab.agents.telephone.twilio_phone import OverTwilio

    return OverTwilio(agent)


def _providers(script: "CallScript", arguments: argparse.Namespace) -> "Providers":
    """Choose the engines; a script without sound needs none."""
    if arguments.providers == "openai":
        from voxlab.providers.openai.speech import openai

        return openai()
    llm = _language_model(arguments.providers)
    if script.has_sound or arguments.mic:
        from voxlab.providers.offline import offline

        return replace(offline(), llm=llm)
    silent = [line for line in script.lines if line.utterance.audio is None]
    if len(silent) < len(script.lines):
        names = ", ".join(line.id for line in silent)
        raise ScriptError(f"some lines have sound and some have none ({names}): give all of them")
    from voxlab.providers.scripted import scripted

    return scripted([line.utterance.text for line in script.lines], llm)


def _language_model(providers: str) -> "LLM":
    if providers == "smollm":
        from voxlab.providers.smollm.trained import TrainedSmolLM

        return TrainedSmolLM.load()
    from voxlab.providers.rule_based.language_model import RuleLLM

    return RuleLLM()


def _hold(
    script: "CallScript", agent: "Party", arguments: argparse.Namespace, folder: Path
) -> "Call":
    """Hold the call and write its record, whatever ends it."""
    from voxlab.agents.callers.microphone import LAG_S, Microphone
    from voxlab.agents.callers.simulated import Caller
    from voxlab.agents.calls import hold_call
    from voxlab.agents.line import RATE_HZ
    from voxlab.clock import run_real, run_virtual
    from voxlab.telephony.echo import EchoCanceller, has_echo_canceller

    in_real_time = arguments.live or arguments.mic
    options: dict[str, Any] = {
        **{"limit_s": script.limit_s, "background": script.background, "echo": script.echo}
    }
    caller: Party = Caller(script)
    if arguments.mic:
        canceller = EchoCanceller(RATE_HZ) if has_echo_canceller() else None
        caller = Microphone(script.limit_s, canceller)
        options |= {"lag_s": LAG_S, "background": None, "echo": None}
        how = f"wear headphones; for a loudspeaker: {missing_extra('mic')}"
        how = "a loudspeaker will do, its echo is cancelled" if canceller else how
        print(f"You are the caller ({how}). You could say:")
        for line in script.lines:
            print(f"  {line.utterance.text}")
    with Stopping() as stopping:
        held = hold_call(
            agent,
            stopping.watched(caller),
            on_event=reports.print_live if in_real_time else _progress(script),
            **options,
        )
        with contextlib.suppress(KeyboardInterrupt, SystemExit):  # a second signal, or a party's
            (run_real if in_real_time else run_virtual)(held)
        call = stopping.end()
        save_call(call, folder, script.title)
    if stopping.number and not reports.stop_signal(call):  # it came when the call was over
        raise KeyboardInterrupt
    return call


def _progress(script: "CallScript") -> "Callable[[Event], None]":
    """Return a listener that moves a progress bar on with each line, and prints failures."""
    from tqdm import tqdm

    bar = tqdm(total=len(script.lines), desc="call", unit=" lines", delay=1, leave=False)

    def listen(event: "Event") -> None:
        if (event.source, event.kind) == ("caller", "speech_stopped"):
            bar.update()
        elif event.kind == "call_ended":
            bar.close()
        reports.print_failure(event)

    return listen
