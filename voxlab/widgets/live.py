"""Speak to an agent from the notebook: the browser's microphone and loudspeaker hold a live call.

live.js captures and plays; messages carry sound both ways; the call runs in a thread and an event
loop of its own, so that a cell that computes does not stop it.
"""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from string import Template
from typing import Any

import anywidget
import numpy as np
import traitlets

from voxlab.agents.callers.remote import LAG_S, SILENCED, RemoteCaller
from voxlab.agents.calls import Party, hold_call
from voxlab.audio import Samples
from voxlab.clock import run_real
from voxlab.plots.palette import LIGHT_AND_DARK
from voxlab.timeline import Call, Event, Timeline
from voxlab.widgets.static import with_html

_FILES = files("voxlab.widgets")
_COLOURS = {role: f"light-dark({light}, {dark})" for role, (light, dark) in LIGHT_AND_DARK.items()}


class LiveCall(anywidget.AnyWidget):
    """A button, a level meter and a growing transcript; see `live_call`.

    call: the last call that was held, None before. rows, state, message: what the page shows.
    """

    _esm = "\n".join((_FILES / name).read_text("utf-8") for name in ("microphone.js", "live.js"))
    _css = Template((_FILES / "live.css").read_text("utf-8")).substitute(_COLOURS)
    running = traitlets.Bool(False).tag(sync=True)
    state = traitlets.Unicode("").tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(self, agent: Party, limit_s: float) -> None:
        super().__init__()
        self.call: Call | None = None
        self._agent = agent
        self._limit_s = limit_s
        self._lines: tuple[Row, ...] = ()
        self._starting = threading.Lock()  # messages may come in several threads
        self._caller: RemoteCaller | None = None
        self._thread: threading.Thread | None = None
        self.on_msg(self._receive)

    def stop(self, why: str = "stopped from Python", wait_s: float = 5.0) -> None:
        """End the call, if one is held, and wait until it is over."""
        caller, thread = self._caller, self._thread
        if caller is not None:
            caller.leave(why)
        if thread is not None:
            thread.join(wait_s)

    def close(self) -> None:
        """End the call and take the widget off the page."""
        self.stop("the widget was closed")
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        page = "<p><i>Here you talk to the agent, in JupyterLab: press Start there.</i></p>"
        return with_html(super()._repr_mimebundle_(**options), page)

    def _receive(self, _: Any, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        caller = self._caller
        match content:
            case {"kind": "start", "rate_hz": rate_hz, "page": page}:
                self._start(int(rate_hz), str(page))
            case {"kind": "sound"} if caller is not None:
                caller.hear(np.frombuffer(buffers[0], "<f4"))
            case {"kind": "silent"} if caller is not None:
                caller.silenced()
            case {"kind": "stop", "why": why} if caller is not None:
                caller.leave(str(why))

    def _start(self, rate_hz: int, page: str) -> None:
        with self._starting:
            if self._caller is not None:
                self.send({"kind": "refused", "page": page})
                return
            self._caller = RemoteCaller(self._tell, rate_hz)
        self._lines = ()
        self.rows, self.state, self.message, self.running = [], "", "", True
        self._thread = threading.Thread(
            target=self._hold, args=(self._caller,), name="voxlab-live-call", daemon=True
        )
        self._thread.start()

    def _hold(self, caller: RemoteCaller) -> None:
        """Hold the call from beginning to end, in a thread of its own."""
        try:
            self.call = run_real(
                hold_call(
                    self._agent, caller, limit_s=self._limit_s, lag_s=LAG_S, on_event=self._show
                )
            )
            self.message = _summary(self.call.timeline)
        except Exception as error:  # nobody else would see it
            self.message = f"the call broke off: {type(error).__name__}: {error}"
        finally:
            self._caller = None
            self.running, self.state = False, ""
            self.send({"kind": "end"})

    def _tell(self, kind: str, samples: Samples) -> None:
        self.send({"kind": kind}, [samples.astype("<f4").tobytes()])

    def _show(self, event: Event) -> None:
        if (event.source, event.kind) == ("turn", "state"):
            self.state = str(event.data["now"])
        lines = transcribe(self._lines, event)
        if lines != self._lines:
            self._lines = lines
            self.rows = [asdict(row) for row in lines]


def live_call(agent: Party, *, limit_s: float = 300.0) -> LiveCall:
    """Return a widget in which you talk to an agent; nothing happens before you press Start.

    limit_s: the call ends then in any case. When it is over, `.call` is the call, for plot_call
    and for the ear. Needs a page on localhost or https. The browser cancels the agent's echo, well
    or badly: headphones make sure.
    Without a microphone: `voxlab.agents.calls.play` with a call script.
    """
    return LiveCall(agent, limit_s)


# --- the transcript as it grows ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the transcript: who ("user", "agent", "tool", "error"), what, and what was cut off.

    open: it may still grow.
    """

    who: str
    text: str
    cut: str = ""
    note: str = ""
    open: bool = True


def transcribe(rows: tuple[Row, ...], event: Event) -> tuple[Row, ...]:
    """Return the transcript after an event."""
    text = str(event.data.get("text", ""))
    match event.source, event.kind:
        case "stt", "partial":
            return _grown(rows, "user", text=text)
        case "stt", "final":
            rows = _grown(rows, "user", text=text, open=False)
            return rows if text else rows[:-1]
        case "turn", "interruption":
            return _changed(rows, "user", note=f"({event.data['meaning']})", only_open=False)
        case "agent", "sentence":
            last = _find(rows, "agent")
            before = "" if last is None else rows[last].text + " "
            return _grown(rows, "agent", text=before + text)
        case "agent", "resumed":
            return _changed(rows, "agent", note="paused, goes on", open=False)
        case "agent", "interrupted":
            heard, unheard = str(event.data["heard"]), str(event.data["unheard"])
            return _changed(rows, "agent", text=heard, cut=unheard, open=False)
        case "agent", "said":
            return _changed(rows, "agent", open=False)
        case "tool", "started":
            return (*rows, Row("tool", str(event.data["name"]), open=False))
        case _ if event.is_failure:
            return (*rows, Row("error", event.failure, open=False))
    return rows


def _find(rows: tuple[Row, ...], who: str, only_open: bool = True) -> int | None:
    for index in reversed(range(len(rows))):
        if rows[index].who == who and (rows[index].open or not only_open):
            return index
    return None


def _changed(
    rows: tuple[Row, ...], who: str, *, only_open: bool = True, **what: Any
) -> tuple[Row, ...]:
    """Change the last row of somebody, if there is one."""
    index = _find(rows, who, only_open)
    if index is None:
        return rows
    return (*rows[:index], replace(rows[index], **what), *rows[index + 1 :])


def _grown(rows: tuple[Row, ...], who: str, **what: Any) -> tuple[Row, ...]:
    """Change the open row of somebody, or begin one."""
    if _find(rows, who) is None:
        rows = (*rows, Row(who, ""))
    return _changed(rows, who, **what)


# --- how fast the browser fell silent ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A barge-in, from the caller's first sound to the silence in the browser.

    at_s: when it began, on the call's clock. Since then: heard_s, the VAD was sure; stopped_s, the
    agent was cut here; silent_s, the browser had dropped what it had in hand.
    """

    at_s: float
    heard_s: float
    stopped_s: float
    silent_s: float


def round_trips(timeline: Timeline) -> list[RoundTrip]:
    """Return the barge-ins of a live call, browser to browser.

    The way from the browser is in at_s as well as in the moment of silence, so that it cancels out
    up to its jitter; the sound card's own delay comes on top.
    """
    found = []
    starts, stops = timeline.select("vad", "speech_started"), timeline.select("agent")
    stops = [event for event in stops if event.kind == "speech_stopped"]
    for silenced in timeline.select("transport", SILENCED):
        before = [event for event in starts if event.at_s <= silenced.at_s]
        cuts = [event for event in stops if event.at_s <= silenced.at_s]
        if before and cuts and cuts[-1].at_s >= before[-1].at_s:
            at_s = float(before[-1].data["speech_at_s"])
            times_s = (before[-1].at_s, cuts[-1].at_s, silenced.at_s)
            found.append(RoundTrip(at_s, *(time_s - at_s for time_s in times_s)))
    return found


def _summary(timeline: Timeline) -> str:
    """Return what is worth knowing of a call that is over."""
    end = timeline.select("transport", "call_ended")[-1]
    lines = [f"The call is over: {end.data['reason']}, after {end.at_s:.1f} s."]
    lines += [
        f"Barge-in at {each.at_s:.1f} s: heard after {1000 * each.heard_s:.0f} ms, "
        f"silent in the browser after {1000 * each.silent_s:.0f} ms."
        for each in round_trips(timeline)
    ]
    return "\n".join(lines)
