"""The shape of voxlab: floors, light imports, vendors in their own files, small modules."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import voxlab

PACKAGE = Path(voxlab.__file__).parent
LINES_AT_MOST = 400

HEAVY = {"IPython", "encodec", "hibari", "ipywidgets", "matplotlib", "onnx", "onnxruntime"}
HEAVY |= {
    "anywidget",
    "gguf",
    "livekit",
    "openai",
    "opentelemetry",
    "pipecat",
    "prometheus_client",
    "scipy",
    "silero_vad",
    "sounddevice",
    "torch",
    "torchaudio",
}
LOADS_AT_ONCE = {  # what a module is about is loaded with it; everything else only when it is used
    "plots": {"matplotlib"},
    "widgets": {"anywidget", "matplotlib", "ipywidgets"},
    "codec.network": {"torch"},
    "codec.adversarial": {"torch"},
    "codec.learning": {"torch"},
    "codec.losses": {"torch", "torchaudio"},
    "codec.train": {"torch"},
    "providers.smollm.network": {"torch"},
    "providers.smollm.packs": {"torch"},
    "providers.smollm.train": {"torch"},
    "speech_lm.network": {"torch"},
    "speech_lm.speaking": {"torch"},
    "speech_lm.train": {"torch"},
    "agents.realtime.agent": {"openai"},
    "agents.realtime.connection": {"openai"},
    "serving.realtime.protocol.client_models": {"openai"},
    "serving.realtime.transport.in_memory": {"openai"},
    "frameworks.livekit": {"livekit"},
    "frameworks.livekit_drain": {"livekit"},
    "frameworks.livekit_endpoint": {"livekit"},
    "frameworks.livekit_room": {"livekit"},
    "frameworks.pipecat": {"pipecat"},
    "frameworks.text_run": {"livekit"},
    "providers.openai": {"openai"},
    **{  # the package's front door is what they are loaded through
        f"providers.openai.{name}": {"openai"}
        for name in (
            *("chat", "connection", "events", "reply", "sound", "speech", "thoughts"),
            "tool_calls",
        )
    },
}
VENDORS = {  # a vendor's package: the only modules that may know it
    "openai": r"providers\.openai\.\w+|agents\.realtime\.connection"
    r"|serving\.realtime\.protocol\.client_models",
    "httpx2": r"providers\.openai\.\w+",
    "livekit": r"frameworks\.(livekit|livekit_\w+|text_run)|telephony\.echo",
    "pipecat": r"frameworks\.pipecat",
    "anyio": r"providers\.openai\.\w+",
    "hibari": r"providers\.hibari",
    "espeakng_loader": r"providers\.espeak",
    "aiosipua": r"agents\.telephone\.sip_(endpoint|phone|transport)"
    r"|serving(\.workers)?\.sip",
    "G722": r"telephony\.codecs",
    "silero_vad": r"vad\.silero",
    "encodec": r"codec\.(encodec|adversarial)",
    "opentelemetry": r"observability\.(telemetry|exporters)",
    "prometheus_client": r"observability\.exporters",
    "pesq": r"codec\.perceptual_metrics",
    "pystoi": r"codec\.perceptual_metrics",
    "distributed": r"cli\.suite_calls",
    "ray": r"serving\.workers\.ray_actors",
    "jiwer": r"evaluation\.word_errors",
    "joblib": r"cli\.suite_calls",
    "sounddevice": r"agents\.callers\.microphone",
    "anywidget": r"widgets\.(live|recording)",
    "ipywidgets": r"widgets(\.\w+)?",
    "matplotlib": r"(plots|widgets)(\.\w+)?|cli(\.\w+)?",
}


@dataclass(frozen=True)
class Import:
    """One imported name: by which module, what, and whether it is loaded with the module."""

    module: str
    target: str
    line: int
    at_once: bool

    @property
    def package(self) -> str:
        return self.target.partition(".")[0]

    def __str__(self) -> str:
        return f"voxlab.{self.module}, line {self.line}, imports {self.target}"


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of each module, by its name within voxlab ("" is voxlab itself)."""
    trees = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts).removesuffix("__init__").removesuffix(".")
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def import_nodes(tree: ast.AST, at_once: bool = True) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield every import statement, however deep, and whether it runs as the module loads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_once
        else:
            later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_types(node)
            yield from import_nodes(node, at_once and not later)


@cache
def imports() -> list[Import]:
    found = []
    for module, tree in modules().items():
        for node, at_once in import_nodes(tree):
            if isinstance(node, ast.Import):
                targets = [name.name for name in node.names]
            else:
                assert not node.level, f"voxlab.{module}, line {node.lineno}: write the full name"
                targets = [f"{node.module}.{name.name}" for name in node.names]
            found += [Import(module, target, node.lineno, at_once) for target in targets]
    return found


def inside(target: str) -> str | None:
    """Return the module of voxlab that an imported name is, or is in; None if it is outside."""
    if target.partition(".")[0] != "voxlab":
        return None
    name = target.removeprefix("voxlab").removeprefix(".")
    if name in voxlab.NAMES:  # the front door hands on what another module has
        name = voxlab.NAMES[name][0]
    while name not in modules():
        name = name.rpartition(".")[0]
    return name


@cache
def floors() -> dict[str, int]:
    """Return the floor of each module or subpackage, from the table in voxlab's docstring."""
    found: dict[str, int] = {}
    floor = 0
    for line in (voxlab.__doc__ or "").partition("Floors")[2].splitlines()[1:]:
        if match := re.match(r"(\d) ", line):
            floor = int(match[1])
        found |= {name: floor for name in re.findall(r"`(\w+)`", line)}
    return found


def floor_of(module: str) -> int:
    return floors()[module.partition(".")[0]] if module else 0


def loads_at_once(module: str) -> set[str]:
    """Return the heavy packages that a module may load with itself: its own, its package's."""
    return LOADS_AT_ONCE.get(module, set()) | LOADS_AT_ONCE.get(module.partition(".")[0], set())


# --- floors --------------------------------------------------------------------------------


def test_every_module_has_a_floor_and_every_floor_its_modules():
    assert {name.partition(".")[0] for name in modules()} - {""} == set(floors())
    assert set(floors().values()) == {1, 2, 3, 4, 5}


def test_contributing_shows_the_same_floors():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", text, re.M)
    shown = {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert shown == floors()


def test_imports_go_down_or_stay_level():
    climbing = [
        str(each)
        for each in imports()
        if each.module  # voxlab itself is the front door: it names all floors and loads none
        and (target := inside(each.target))
        and floor_of(target) > floor_of(each.module)
    ]
    assert climbing == []


def test_the_floors_see_imports_inside_functions_and_for_types():
    seen = {(each.module, inside(each.target), each.at_once) for each in imports()}
    assert ("cli", "models", False) in seen  # in a function
    assert ("cli.calls", "timeline", False) in seen  # under TYPE_CHECKING
    assert ("turn_taking.manager", None, True) in seen


def packages_around(module: str) -> set[str]:
    """Return the packages that are loaded before a module of theirs is: "a", "a.b" for "a.b.c"."""
    parts = module.split(".")
    return {".".join(parts[:depth]) for depth in range(1, len(parts))}


def test_no_module_imports_itself_in_a_circle_as_it_loads():
    needs = {module: set() for module in modules()}
    for each in imports():
        if each.at_once and (target := inside(each.target)) is not None and target:
            around = packages_around(target) - packages_around(each.module) - {each.module}
            needs[each.module] |= {target} | around
    while leaves := {module for module, needed in needs.items() if not needed & set(needs)}:
        needs = {module: needed for module, needed in needs.items() if module not in leaves}
    assert needs == {}


RUN_AGENTS = ("cli", "cli.apart", "cli.calls", "cli.stopping", "cli.suite_calls", "cli.suites")
RUN_AGENTS += ("__main__", "widgets.live")


def test_figures_and_metrics_never_run_an_agent():
    for each in imports():
        if each.module.startswith(("serving.", "frameworks.")):  # to run agents is their work
            continue
        if floor_of(each.module) >= 4 and each.module not in RUN_AGENTS:
            assert not (inside(each.target) or "").startswith(("agents", "providers")), each


# --- what loads what -----------------------------------------------------------------------


def test_heavy_packages_are_loaded_only_where_they_are_used():
    heavy = [
        str(each)
        for each in imports()
        if each.at_once and each.package in HEAVY - loads_at_once(each.module)
    ]
    assert heavy == []


@pytest.mark.slow
def test_all_of_voxlab_but_figures_and_vendors_loads_without_a_heavy_package():
    light = [f"voxlab.{name}".rstrip(".") for name in modules() if not loads_at_once(name)]
    light.remove("voxlab.__main__")
    code = f"import sys, {', '.join(light)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


WINDOWS = """
import asyncio, multiprocessing.connection, concurrent.futures.process, subprocess, ssl, sys
import signal, os
import soundfile  # its wheel holds this platform's library, and looks for no other
for module in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[module] = None
del signal.SIGHUP, os.fork
sys.platform = "win32"
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there it is no simulation")
def test_windows_imports_every_light_module_and_hears_why_it_cannot_grade():
    light = [f"voxlab.{name}".rstrip(".") for name in modules() if not loads_at_once(name)]
    light.remove("voxlab.__main__")
    lines = [f"import {', '.join(light)}", "from voxlab.grading.submission import Sandbox"]
    code = "\n".join([WINDOWS, *lines, "Sandbox()"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "FenceError: grading runs each submission in a sandbox" in done.stderr, done.stderr
    assert "use WSL" in done.stderr


@pytest.mark.slow
def test_importing_voxlab_loads_nothing_but_the_standard_library():
    code = "import sys; before = set(sys.modules); import voxlab; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages - sys.stdlib_module_names == {"voxlab"}


def test_a_vendors_package_is_known_only_in_its_own_file():
    strangers = [
        str(each)
        for each in imports()
        if each.package in VENDORS and not re.fullmatch(VENDORS[each.package], each.module)
    ]
    assert strangers == []


def test_contributing_says_where_the_code_is():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    table = text.partition("## Where is the code that")[2].partition("\n## ")[0]
    places = re.findall(r"\| `([\w.]+)` \|$", table, re.M)
    defined = {
        f"{module}.{node.name}"
        for module, tree in modules().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(places) >= 20
    assert set(places) - defined == set()


# --- size and names ------------------------------------------------------------------------


def test_no_module_is_longer_than_a_reader_bears():
    sizes = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: size for name, size in sizes.items() if size > LINES_AT_MOST} == {}


def test_no_module_is_named_after_nothing():
    parts = {part for name in modules() for part in name.split(".")}
    assert parts & {"utils", "util", "core", "common", "helpers", "helper", "misc"} == set()


def test_assert_is_for_tests_only():
    asserts = [
        f"voxlab.{name}, line {node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert asserts == []
