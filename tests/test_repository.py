"""What is in git: one version, one list of dependencies, clean notebooks, no machine's paths."""

import ast
import importlib.metadata
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from voxlab.data.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[1]
DATA_BYTES_AT_MOST = 30_000_000
NOT_TEXT = {".flac", ".wav", ".ogg", ".mp3", ".png", ".jpg", ".gif", ".npz", ".onnx", ".gz"}


@cache
def tracked() -> tuple[Path, ...]:
    """Return the files in git; skip the test where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ()
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return tuple(path for path in paths if path.is_file())  # one may be deleted and not committed


@pytest.fixture
def files():
    if not tracked():
        pytest.skip("not in a git checkout")
    return tracked()


def texts(files):
    """Yield (path within the repository, text) of each text file."""
    for path in files:
        if path.suffix not in NOT_TEXT:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def name_of(requirement):
    """Return a distribution's name in its normal form (PEP 503)."""
    name = re.match(r"[\w.-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(file):
    """Return every requirement in pyproject.toml whose pin belongs into this file."""
    extras = dict(project()["optional-dependencies"])
    frameworks = extras.pop("frameworks")
    if file == "constraints-frameworks.txt":
        return frameworks
    return [*project()["dependencies"], *itertools.chain.from_iterable(extras.values())]


def constraints(file):
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


both_environments = pytest.mark.parametrize(
    "file", ["constraints.txt", "constraints-frameworks.txt"]
)


# --- one version, one list of dependencies -------------------------------------------------


def test_the_environment_for_conda_is_thin():
    environment = read_yaml(ROOT / "environment.yml")
    python, pip, by_pip = environment["dependencies"]
    assert name_of(python) == "python"
    assert python.removeprefix("python") == project()["requires-python"]
    assert pip == "pip"
    assert by_pip == {"pip": ["-e .[lab,test]"]}


def test_pyproject_holds_the_one_version(files):
    version = re.escape(project()["version"])
    copies = [
        name
        for name, text in texts(files)
        if name != "pyproject.toml" and re.search(rf"version\W{{1,5}}{version}\b", text)
    ]
    assert copies == []
    assert importlib.metadata.version("voxlab") == project()["version"], "run make setup"


@both_environments
def test_every_dependency_is_pinned(file):
    pinned = [name_of(line) for line in constraints(file)]
    assert {name_of(line) for line in requirements(file)} - set(pinned) == set()
    assert [line for line in constraints(file) if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len(pinned) == len(set(pinned)), "a package is pinned twice"


@both_environments
def test_the_pins_satisfy_what_pyproject_asks_for(file):
    packaging = pytest.importorskip("packaging.requirements")
    versions = {name_of(line): line.partition("==")[2] for line in constraints(file)}
    for line in requirements(file):
        requirement = packaging.Requirement(line)
        assert requirement.specifier.contains(versions[name_of(line)]), line


def imported_packages():
    for path in (ROOT / "voxlab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                yield node.module.partition(".")[0]
            elif isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)


@pytest.mark.slow
def test_every_package_that_voxlab_imports_is_declared_or_comes_with_one_that_is():
    owners = importlib.metadata.packages_distributions()
    owners |= {"sounddevice": ["sounddevice"], "espeakng_loader": ["espeakng-loader"]}  # extras
    extras = ("G722", "aiosipua", "distributed", "pesq", "pystoi", "ray")
    owners |= {name: [name] for name in extras}
    owners |= {"livekit": ["livekit-agents"], "pipecat": ["pipecat-ai"], "loguru": ["pipecat-ai"]}
    owners |= {"aiohttp": ["livekit-agents"]}
    foreign = set(imported_packages()) - sys.stdlib_module_names - {"voxlab"}
    needed = {name_of(owner) for package in foreign for owner in owners[package]}
    brought = {  # openai's connection is made of anyio and httpx2
        name_of(line)
        for requirement in project()["dependencies"]
        for line in importlib.metadata.requires(name_of(requirement)) or ()
    }
    files = ("constraints.txt", "constraints-frameworks.txt")
    declared = {name_of(line) for file in files for line in requirements(file)}
    assert needed - declared - brought == set()


# --- what points where ----------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_make_on_windows_says_what_to_use_instead():
    command = ["make", "--no-print-directory", "--dry-run", "lab", "OS=Windows_NT"]
    apart = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=apart)
    assert (done.returncode, done.stdout) == (2, "")
    assert "run it in WSL" in done.stderr


LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)")


def test_links_within_the_repository_lead_somewhere(files):
    broken = [
        f"{path.relative_to(ROOT)}: {link}"
        for path in files
        if path.suffix in {".md", ".ipynb"}
        for link in LINK.findall(path.read_text("utf-8"))
        if not (path.parent / link).exists()
    ]
    assert broken == []


def test_each_lesson_links_to_the_glossary(files):
    lessons = [
        path for path in files if path.parent.name == "notebooks" and path.suffix == ".ipynb"
    ]
    assert lessons
    for path in lessons:
        first = json.loads(path.read_text("utf-8"))["cells"][:4]
        assert "../docs/glossary.md" in "".join("".join(cell["source"]) for cell in first), (
            path.name
        )


# --- what is committed ---------------------------------------------------------------------


def test_notebooks_in_git_have_no_outputs(files):
    for path in files:
        if path.suffix != ".ipynb":
            continue
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            shown = f"{path.name}: {''.join(cell['source'])[:60]!r}: run nbstripout"
            assert not cell.get("outputs"), shown
            assert cell.get("execution_count") is None, shown


FOLDERS = r"(?:work|root|home/\w|Users/\w|opt/\w|tmp/\w|mnt/\w)"
MACHINES_PATH = re.compile(rf"(?<![\w.$~}})/-])/{FOLDERS}[\w.-]*(?:/|\b)")


def test_no_file_names_the_paths_of_somebodys_machine(files):
    found = [
        f"{name}: {match[0]}"
        for name, text in texts(files)
        for match in MACHINES_PATH.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("see /" + "home/ada/voxlab", True),
        ("'/" + "root/x'", True),
        ("=/" + "work/main", True),
        ("https://example.com/" + "home/ada", False),
        ("notes/" + "work/main", False),
        ("PYTHON=/path/to/it", False),
    ],
)
def test_a_machines_path_is_told_from_an_address(text, is_one):
    assert bool(MACHINES_PATH.search(text)) == is_one


def test_the_data_stays_small_enough_to_clone(files):
    sizes = [path.stat().st_size for path in files if ROOT / "data" in path.parents]
    assert sum(sizes) < DATA_BYTES_AT_MOST


def test_nothing_that_is_built_is_in_git(files):
    built = r"(^|/)(build|dist|out|\.venv|__pycache__)/|\.(pyc|whl)$|\.egg-info/"
    names = [path.relative_to(ROOT).as_posix() for path in files]
    assert [name for name in names if re.search(built, name)] == []
