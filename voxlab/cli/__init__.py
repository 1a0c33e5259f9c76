"""The `voxlab` command.

Exit status: 0 done, 1 something failed, 2 bad input (one line says why), 128 and a signal's number.
"""

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from voxlab import __version__
from voxlab.cli import calls, dashboard, reports, suites, traces
from voxlab.cli.calls import check_folder
from voxlab.course import commands as course
from voxlab.errors import LatencyError, VoxlabError
from voxlab.grading import commands as grading
from voxlab.serving import commands as serving

if TYPE_CHECKING:
    from matplotlib.figure import Figure


OWN_BUDGET = """\
example: voxlab budget yuki

A budget of your own is a YAML file, or a list of them in one: voxlab budget mine.yaml

  name: our shop
  target_ms: 800
  stages:
    - {name: STT, latency_ms: 150}
    - {name: LLM, latency_ms: 600, first_ms: 200}
    - {name: TTS, latency_ms: 130, first_ms: 60, overlaps: [LLM]}

latency_ms: from a stage's start to its last output; first_ms: to its first one. A stage starts
after the one above it; or after those in `after`, and at the first output of those in `overlaps`.
`heard` names the stage whose first output the caller hears; without it, that is the last stage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a letter shows "?"
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    status = 0
    try:
        with reports.unread():
            status = command(arguments)
        return status
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

    calls.add(commands, _add)
    traces.add(commands, _add)
    suites.add(commands, _add)

    about = "print a latency budget, the chapter's or your own, and draw its waterfall"
    budget = _add(commands, "budget", _budget, about, "yuki")
    budget.formatter_class, budget.epilog = argparse.RawDescriptionHelpFormatter, OWN_BUDGET
    budget.add_argument(
        "name",
        metavar="NAME",
        help="figure-39-1-3, yuki, yuki-tool or carlos; or a YAML file of your own",
    )
    budget.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="default: out")
    budget.add_argument(
        "--json", action="store_true", help="print the figures as JSON, on the last line"
    )

    about = "send a recording through the mini codec; print bitrate, STOI and PESQ, write the sound"
    example = "data/prompts/en/vm-sorry.flac --stages 4 --out coded.wav"
    codec = _add(commands, "codec", _codec, about, example)
    codec.add_argument("recording", type=Path, metavar="FILE.wav", help="speech, at any rate")
    codec.add_argument("--stages", type=int, metavar="K", help="1 to 8 codes a frame; default: 8")
    codec.add_argument(
        "--out", type=Path, required=True, metavar="FILE.wav", help="what it became; or .flac"
    )

    course.add(commands, _add)
    grading.add(commands, _add)
    dashboard.add(serving.add(commands, _add), _add)
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
    new = sum(model.is_new for model in fetched)
    print(f"{new} new, {len(fetched) - new} were there already; the cache is {models.cache_dir()}")
    return 0


def _budget(arguments: argparse.Namespace) -> int:
    from voxlab.latency.budget_files import budget_figures, read_budgets
    from voxlab.latency.budgets import budget_table, load_budgets

    check_folder(arguments.out)
    is_file = Path(arguments.name).suffix in (".yaml", ".yml")
    budgets = read_budgets(arguments.name) if is_file else load_budgets(arguments.name)
    print("\n\n".join(budget_table(budget) for budget in budgets))
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from voxlab.plots import plot_budgets

    picture = arguments.out / f"{Path(arguments.name).stem}.png"
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        figure = cast("Figure", plot_budgets(budgets).get_figure(root=True))
        figure.savefig(picture, dpi=100)
        pyplot.close(figure)
    except OSError as error:
        raise LatencyError(f"cannot write {picture}: {error}; choose another --out") from error
    print(f"\nsee {picture}")
    if arguments.json:
        reports.print_json({"budgets": [budget_figures(budget) for budget in budgets]})
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
