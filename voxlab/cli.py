"""The `voxlab` command. Exit status: 0 done, 1 the call failed, 2 bad input (one line says why)."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from voxlab import __version__
from voxlab.errors import LatencyError, ProviderError, ScriptError, VoxlabError
from voxlab.grading import commands as grading
from voxlab.serving import commands as serving

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from voxlab.agents.callers.script import CallScript
    from voxlab.agents.calls import Party
    from voxlab.providers.protocols import Providers
    from voxlab.timeline import Call, Event


AGENTS = ("voxlab", "realtime")
LINES = ("direct", "twilio")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        status = command(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `voxlab ... | head`: nobody reads on; Python would flush once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except VoxlabError as error:
        print(f"voxlab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("voxlab: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="voxlab", description="Hear, see, change voice agents.")
    parser.add_argument("--version", action="version", version=f"voxlab {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = _add(commands, "models", _models, "fetch the models that are missing", "--verify")
    models.add_argument("--verify", action="store_true", help="check the files that are there, too")

    about = "hold a call; write call.wav, timeline.json and call.png"
    call = _add(commands, "call", _call, about, "data/calls/barge_in.yaml --out out/barge_in")
    call.add_argument("script", type=Path, help="a call script, see data/calls")
    clock = call.add_mutually_exclusive_group()
    clock.add_argument("--live", action="store_true", help="in real time (default: virtual time)")
    clock.add_argument("--mic", action="store_true", help="you are the caller, in real time")
    call.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="default: out")
    call.add_argument(
        "--agent",
        choices=AGENTS,
        default="voxlab",
        help="voxlab: our pipeline; realtime: one connection in the Realtime protocol",
    )
    call.add_argument(
        "--providers",
        choices=("offline", "openai"),
        default="offline",
        help="openai needs OPENAI_API_KEY or OPENAI_BASE_URL, and --live or --mic; with "
        "--agent realtime and OPENAI_BASE_URL=http://127.0.0.1:8765/v1, voxlab serve realtime",
    )

    call.add_argument(
        "--over",
        choices=LINES,
        default="direct",
        help="twilio: over a telephone line that speaks Twilio's protocol (default: direct)",
    )

    about = "hold the same call with two agents; print the stage boundaries of each turn"
    example = "data/calls/first_call.yaml --on voxlab,realtime"
    compare = _add(commands, "compare", _compare, about, example)
    compare.add_argument("script", type=Path, help="a call script, see data/calls")
    compare.add_argument(
        "--on", metavar="A,B", default="voxlab,realtime", help="default: %(default)s"
    )
    compare.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="default: out"
    )
    compare.add_argument("--live", action="store_true", help="in real time (default: virtual time)")
    compare.add_argument("--providers", choices=("offline", "openai"), default="offline")
    compare.set_defaults(mic=False)

    about = "print one of the chapter's latency budgets and draw its waterfall"
    budget = _add(commands, "budget", _budget, about, "yuki")
    budget.add_argument("name", metavar="NAME", help="figure-39-1-3, yuki, yuki-tool or carlos")
    budget.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="default: out")

    about = "send a recording through the mini codec; print bitrate, STOI and PESQ, write the sound"
    example = "data/prompts/en/vm-sorry.flac --stages 4 --out coded.wav"
    codec = _add(commands, "codec", _codec, about, example)
    codec.add_argument("recording", type=Path, metavar="FILE.wav", help="speech, at any rate")
    codec.add_argument("--stages", type=int, metavar="K", help="1 to 8 codes a frame; default: 8")
    codec.add_argument(
        "--out", type=Path, required=True, metavar="FILE.wav", help="what it became; or .flac"
    )

    grading.add(commands, _add)
    serving.add(commands, _add)
    return parser


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], about: str, example: str
) -> argparse.ArgumentParser:
    epilog = f"example: voxlab {name} {example}"
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about, epilog=epilog
    )
    parser.set_defaults(command=run)
    return parser


def _models(arguments: argparse.Namespace) -> int:
    from voxlab import models

    fetched = models.fetch(verify=arguments.verify)
    for model in fetched:
        print(model)
    new = sum(model.action != "present" for model in fetched)
    print(f"{new} new, {len(fetched) - new} were there already, in {models.cache_dir()}")
    return 0


def _call(arguments: argparse.Namespace) -> int:
    from voxlab.agents.callers.script import load_script

    script = load_script(arguments.script)
    _check_clock(arguments)
    agent = _over(arguments.over, _agent(arguments.agent, script, arguments), script)
    print(f"{script.title}: {script.about}")
    call = _hold(script, agent, arguments)
    _save(call, arguments.out)
    return _report(call, arguments.out)


def _check_clock(arguments: argparse.Namespace) -> None:
    if arguments.providers == "openai" and not (arguments.live or arguments.mic):
        raise ProviderError("a network answers in real time, not in virtual time: add --live")


def _compare(arguments: argparse.Namespace) -> int:
    from voxlab.agents.callers.script import load_script

    names = arguments.on.split(",")
    if len(names) != 2 or names[0] == names[1] or not set(names) <= set(AGENTS):
        known = ", ".join(AGENTS)
        raise ScriptError(f"--on {arguments.on}: name two of {known}, such as voxlab,realtime")
    script = load_script(arguments.script)
    _check_clock(arguments)
    print(f"{script.title}: {script.about}")
    calls: dict[str, Call] = {}
    for name in names:
        print(f"on {name}")
        calls[name] = _hold(script, _agent(name, script, arguments), arguments)
        _save(calls[name], arguments.out / name)
    return _report_both(calls, arguments.out)


def _agent(name: str, script: "CallScript", arguments: argparse.Namespace) -> "Party":
    """Choose who answers; the realtime agent brings a session of its own, unless it has a key."""
    from voxlab.agents.shop import shop_agent, shop_realtime_agent

    if name == "voxlab":
        return shop_agent(_providers(script, arguments))
    if arguments.providers == "openai":
        from voxlab.agents.realtime.connection import to_server

        return shop_realtime_agent(to_server())
    from voxlab.agents.pipeline.reply import ReplyOptions
    from voxlab.agents.realtime.settings import RealtimeSettings
    from voxlab.serving.realtime.session import SessionOptions
    from voxlab.serving.realtime.transport.in_memory import in_memory

    connect = in_memory(_providers(script, arguments), SessionOptions(filler=ReplyOptions().filler))
    if script.has_sound or arguments.mic:
        return shop_realtime_agent(connect)
    return shop_realtime_agent(connect, RealtimeSettings(turn_detection=None))


def _over(way: str, agent: "Party", script: "CallScript") -> "Party":
    """Put a telephone line between the caller and an agent."""
    if way == "direct":
        return agent
    if not script.has_sound:
        raise ScriptError(f"--over {way} carries sound, and {script.title!r} has none")
    from voxlab.agents.telephone.twilio_phone import OverTwilio

    return OverTwilio(agent)


def _providers(script: "CallScript", arguments: argparse.Namespace) -> "Providers":
    """Choose the engines; a script without sound needs none."""
    if arguments.providers == "openai":
        from voxlab.providers.openai.speech import openai

        return openai()
    if script.has_sound or arguments.mic:
        from voxlab.providers.offline import offline

        return offline()
    silent = [line for line in script.lines if line.utterance.audio is None]
    if len(silent) < len(script.lines):
        names = ", ".join(line.id for line in silent)
        raise ScriptError(f"some lines have sound and some have none ({names}): give all of them")
    from voxlab.providers.rule_based.language_model import RuleLLM
    from voxlab.providers.scripted import scripted

    return scripted([line.utterance.text for line in script.lines], RuleLLM())


def _hold(script: "CallScript", agent: "Party", arguments: argparse.Namespace) -> "Call":
    from voxlab.agents.callers.microphone import LAG_S, Microphone
    from voxlab.agents.calls import hold_call, play
    from voxlab.clock import run_real

    if not arguments.mic:
        progress = _live_line if arguments.live else _progress(script)
        return play(script, agent, live=arguments.live, on_event=progress)
    print("You are the caller (headphones!). You could say:")
    for line in script.lines:
        print(f"  {line.utterance.text}")
    return run_real(hold_call(agent, Microphone(script.limit_s), lag_s=LAG_S, on_event=_live_line))


def _live_line(event: "Event") -> None:
    """Print what is said, as it is said."""
    said = {
        ("caller", "speech_started"): "user ",
        ("turn", "commit"): "heard",
        ("agent", "sentence"): "agent",
        ("tool", "started"): "tool ",
    }.get((event.source, event.kind))
    if said:
        print(f"{event.at_s:7.2f} s  {said}  {event.data.get('text', event.data.get('name'))}")


def _progress(script: "CallScript") -> Callable[["Event"], None]:
    """Return a listener that moves a progress bar on with each line of the script."""
    from tqdm import tqdm

    bar = tqdm(total=len(script.lines), desc="call", unit=" lines", delay=1, leave=False)

    def listen(event: "Event") -> None:
        if (event.source, event.kind) == ("caller", "speech_stopped"):
            bar.update()
        elif event.kind == "call_ended":
            bar.close()

    return listen


def _save(call: "Call", folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from voxlab.plots import plot_call

    try:
        call.save(folder)
        figure = cast("Figure", plot_call(call).get_figure(root=True))  # None only if removed
        figure.savefig(folder / "call.png", dpi=100)
    except OSError as error:
        raise ScriptError(f"cannot write to {folder}: {error}; choose another --out") from error


def _budget(arguments: argparse.Namespace) -> int:
    from voxlab.latency.budgets import budget_table, load_budgets

    budgets = load_budgets(arguments.name)
    print("\n\n".join(budget_table(budget) for budget in budgets))
    import matplotlib

    matplotlib.use("Agg")
    from voxlab.plots import plot_budgets

    picture = arguments.out / f"{arguments.name}.png"
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        figure = cast("Figure", plot_budgets(budgets).get_figure(root=True))
        figure.savefig(picture, dpi=100)
    except OSError as error:
        raise LatencyError(f"cannot write {picture}: {error}; choose another --out") from error
    print(f"\nsee {picture}")
    return 0


def _codec(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from voxlab import audio
    from voxlab.codec.base import bitrate_of, round_trip
    from voxlab.codec.mini import MiniCodec
    from voxlab.codec.perceptual_metrics import pesq, stoi

    audio.written_format(arguments.out)  # before the work that it would be lost with
    sound, codec = audio.read(arguments.recording), MiniCodec()
    steps = tqdm(total=3, desc="codec", unit=" steps", delay=2, leave=False)
    made = round_trip(codec, sound, arguments.stages)
    audio.write(arguments.out, made)
    stages, frames_hz = arguments.stages or codec.stages, codec.frame_rate_hz
    print(f"{codec.name}: {stages} of {codec.stages} stages, {frames_hz:g} frames/s, ", end="")
    print(f"{bitrate_of(codec, stages) / 1000:g} kbps, latency {codec.latency_s * 1000:.0f} ms")
    for name, measure in (("STOI", stoi), ("PESQ", pesq)):
        steps.update()
        try:
            print(f"{name} {measure(sound, made):.3f}")
        except VoxlabError as error:  # the sound is made; only its measure is missing
            print(f"{name} not measured: {error}")
    steps.close()
    print(f"see {arguments.out}")
    return 0


def _report_both(calls: "dict[str, Call]", folder: Path) -> int:
    """Print each turn at its stage boundaries, and the differences; return the exit status."""
    import numpy as np

    from voxlab.evaluation.stage_times import stage_table, stage_times
    from voxlab.statistics.paired import compare_pairs

    print("\nmilliseconds after the user's last sound; - for what an agent does not tell or do")
    turns = [stage_times(call.timeline) for call in calls.values()]
    both = [*zip(*turns, strict=False)]  # an agent that fails leaves the caller's last lines unsaid
    for pair in both:
        print(f"\n{pair[0].text}\n{stage_table(dict(zip(calls, pair, strict=True)))}")
    for what, name in (("TTFB", "ttfb_s"), ("total", "total_s")):
        first_s, second_s = ([getattr(pair[agent], name) for pair in both] for agent in (0, 1))
        try:
            told = compare_pairs(first_s, second_s, np.random.default_rng(0)).in_words(*calls)
        except VoxlabError as error:
            told = str(error)
        print(f"\n{what}: {told}")
    failures = [call.timeline.select("transport", "failed") for call in calls.values()]
    for name, failed in zip(calls, failures, strict=True):
        for event in failed:
            print(f"\n{name} failed: {event.data['error']}")
    print(f"\nsee {' and '.join(f'{folder / name}/call.png' for name in calls)}")
    return 1 if any(failures) else 0


def _report(call: "Call", folder: Path) -> int:
    """Print the transcript, the response times and the interruptions; return the exit status."""
    from voxlab.evaluation.turn_times import interruptions, transcript, turn_times

    for at_s, who, text in transcript(call.timeline):
        print(f"{at_s:7.2f} s  {who:5}  {text}")
    print("\nTTFB of each turn (from the user's last sound to the agent's first):")
    for turn in turn_times(call.timeline):
        outcome = "the agent went on" if turn.resumed else "no reply"
        if turn.ttfb_s is not None:
            outcome = f"{1000 * turn.ttfb_s:5.0f} ms" + (", cut off" if turn.cut_off else "")
        print(f"  {outcome}  {turn.text}")
    for cut in interruptions(call.timeline):
        kept = "went on" if cut.resumed else f'heard: "{cut.heard}", dropped: "{cut.unheard}"'
        print(f"interruption at {cut.at_s:.2f} s, silent after {1000 * cut.yield_s:.0f} ms; {kept}")
    reason = call.timeline.select("transport", "call_ended")[-1].data["reason"]
    print(f"\n{reason} after {call.timeline.duration_s:.1f} s; see {folder}/call.wav and call.png")
    failures = call.timeline.select("transport", "failed")
    return 1 if failures else 0
