"""The calls of a suite: each is held and judged in a process, and leaves its result when it ends.

A result belongs to what was asked for: the agent, the script with its sounds, the seed, the level,
and the code of voxlab itself. A call that has the result that is asked for is not held again.
"""

import contextlib
import hashlib
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import voxlab
from voxlab.agents.callers.script import CallScript
from voxlab.agents.callers.variation import as_text, vary
from voxlab.agents.calls import Party
from voxlab.agents.suite import hold_script
from voxlab.agents.tools import ToolFault
from voxlab.data.expectations import HeldScript
from voxlab.errors import FrameworkError, ScriptError, missing_extra
from voxlab.evaluation.call_result import CallResult, Level, PlayedScript, judge_call
from voxlab.frameworks import FRAMEWORKS
from voxlab.frameworks.processes import hold_in_process
from voxlab.frameworks.worker import make_agent
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted
from voxlab.timeline import Event

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RESULT, BEGUN, PAGE = "result.json", "begun", "call.html"


@cache
def _code() -> str:
    """Return the hash of voxlab's own files: another agent gives another result."""
    root = Path(voxlab.__file__).parent
    key = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        key.update(file.read_bytes())
    return key.hexdigest()


@dataclass(frozen=True)
class SuiteCall:
    """A call to be held: by which agent, of which script in which file, where its record goes.

    code: of the voxlab that asks for it; it may be changed while the call is held.
    """

    agent: str
    played: PlayedScript
    script: CallScript
    file: Path
    folder: Path
    code: str = field(default_factory=_code)

    def finished(self) -> CallResult | None:
        """Return the result that a call has left that was just this one; None if there is none."""
        try:
            stored = _stored().validate_json((self.folder / RESULT).read_bytes())
        except (OSError, ValueError):  # not there, cut off in mid-write, or of another voxlab
            return None
        return stored.result if stored.asked == self.asked() else None

    def lost(self) -> CallResult:
        """Return the result of a call that has left none."""
        return CallResult(self.played, (f"its result is lost: there is none in {self.folder}",))

    def asked(self) -> str:
        """Return the key of all that this call depends on."""
        import joblib

        return str(joblib.hash((self.agent, self.played, self.script, self.code), hash_name="sha1"))

    def page(self) -> str:
        """Return the page that plays the call; "" if it has left none."""
        try:
            return (self.folder / PAGE).read_text("utf-8")
        except OSError:
            return ""

    def store(self, result: CallResult) -> None:
        """Write the result. Raises ScriptError if it cannot be written."""
        unfinished = self.folder / f"{RESULT}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(_stored().dump_json(_Stored(self.asked(), result), indent=1))
            unfinished.replace(self.folder / RESULT)
            (self.folder / BEGUN).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error


@dataclass(frozen=True)
class _Stored:
    asked: str
    result: CallResult


@cache
def _stored() -> "TypeAdapter[_Stored]":
    from pydantic import TypeAdapter

    return TypeAdapter(_Stored)


def hold(call: SuiteCall) -> None:
    """Hold a call and judge it; leave its record, its page and its result.

    A call that cannot be held or judged has a result that says why.
    """
    began_s = time.perf_counter()
    try:
        call.folder.mkdir(parents=True, exist_ok=True)
        for name in (RESULT, PAGE):  # of another call
            (call.folder / name).unlink(missing_ok=True)
        (call.folder / BEGUN).touch()
    except OSError as error:
        raise _unwritable(call.folder, error) from error
    held: HeldScript | None = None
    try:
        held = _hold(call)
        result = judge_call(call.played, held)
    except Exception as error:  # whatever it is, the other calls of the suite are held
        what = "judged" if held else "held"
        result = CallResult(call.played, (f"it could not be {what}: {_in_words(error)}",))
    if held is not None:
        _save(call, held)
    call.store(replace(result, took_s=time.perf_counter() - began_s))


def _unwritable(folder: Path, error: OSError) -> ScriptError:
    return ScriptError(f"cannot write to {folder}: {error}; choose another --out")


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _save(call: SuiteCall, held: HeldScript) -> None:
    from voxlab.plots.player import call_page

    try:
        held.call.save(call.folder)
        page = call_page(held.call, call.played.title)
        (call.folder / PAGE).write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise _unwritable(call.folder, error) from error


def _hold(call: SuiteCall) -> HeldScript:
    if call.agent in FRAMEWORKS:
        return _hold_apart(call)
    script, providers, typed = vary(call.script, call.played.seed), None, Typed()
    if call.played.level is Level.TEXT:
        script, providers = as_text(script), scripted(typed, RuleLLM())

    def make(database: sqlite3.Connection, faults: Mapping[str, ToolFault]) -> Party:
        return make_agent(call.agent, {}, database, faults, providers)

    return hold_script(call.played.name, script, make, on_event=typed.note)


class Typed:
    """What the caller has typed since somebody last read it, as an iterator without an end."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def note(self, event: Event) -> None:
        """Hear an event of the call."""
        if (event.source, event.kind) == ("caller", "speech_started"):
            self._texts.append(str(event.data["text"]))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        read, self._texts = " ".join(filter(None, self._texts)), []
        return read


def _hold_apart(call: SuiteCall) -> HeldScript:
    """Hold a call with a framework's agent, in a process that can load its packages."""
    if call.script.expect is None:
        raise ScriptError(f"{call.played.name} needs `expect`: what should come of the call")
    held = hold_in_process(call.file, call.agent, call.folder, seed=call.played.seed)
    if held.call.timeline.select("transport", "stopped"):  # by Ctrl-C: this is no result
        raise KeyboardInterrupt
    if held.shop is None:
        raise FrameworkError(held.call.timeline.end_reason)
    return HeldScript(call.played.name, call.script.expect, held.call, held.shop)


def hold_all(calls: Sequence[SuiteCall], backend: str, jobs: int) -> Iterator[None]:
    """Hold calls in so many processes; yield each time one is over."""
    yield from (_on_dask if backend == "dask" else _on_cores)(calls, jobs)


def _on_cores(calls: Sequence[SuiteCall], jobs: int) -> Iterator[None]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left = [*calls]
    for call in left:
        (call.folder / BEGUN).unlink(missing_ok=True)  # of a run that was stopped
    while left:
        try:
            how = {"return_as": "generator_unordered", "batch_size": 1, "max_nbytes": None}
            yield from Parallel(n_jobs=jobs, **how)(delayed(hold)(call) for call in left)
        except TerminatedWorkerError:
            left = [call for call in left if call.finished() is None]
            begun = [call for call in left if (call.folder / BEGUN).exists()]
            for call in begun or left[:1]:
                try:  # alone: then it is known which call it was
                    Parallel(n_jobs=2)([delayed(hold)(call)])
                except TerminatedWorkerError:
                    call.store(_died(call))
                yield
            left = [call for call in left if call.finished() is None]
        else:
            return


def _died(call: SuiteCall) -> CallResult:
    return CallResult(call.played, ("it could not be held: its process died",))


@contextlib.contextmanager
def _ignored_by_children() -> Iterator[None]:
    """Let processes that are started in this block ignore Ctrl-C: this one stops them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _on_dask(calls: Sequence[SuiteCall], jobs: int) -> Iterator[None]:
    try:
        from distributed import Client, KilledWorker, LocalCluster, as_completed
    except ImportError as error:
        raise ScriptError(f"--backend dask is missing: {missing_extra('dask')}") from error
    how = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with contextlib.ExitStack() as stack:
        with _ignored_by_children():
            cluster = stack.enter_context(LocalCluster(n_workers=jobs, processes=True, **how))
        client = stack.enter_context(Client(cluster))
        futures = {client.submit(hold, call, pure=False): call for call in calls}
        for future in as_completed(futures):
            if isinstance(future.exception(), KilledWorker):  # in several workers, one by one
                futures[future].store(_died(futures[future]))
            else:
                future.result()
            yield
