"""Ctrl-C, a hang-up of the terminal and SIGTERM end a call as a party's hang-up does."""

import asyncio
import contextlib
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from voxlab.agents.calls import Party
    from voxlab.agents.line import Line
    from voxlab.timeline import Call

NAMES = ("SIGINT", "SIGHUP", "SIGTERM")  # Windows has no SIGHUP
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


class Stopping:
    """While its block lasts, the first signal hangs up the call of the party that is `watched`.

    number: of that signal, 0 while none has come. A second signal does not wait until both parties
    have said goodbye; once the call is over, none disturbs the writing of its record.
    A signal that was ignored before, as by nohup, stays ignored.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[signal.Signals, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._line: Line | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other may take signals
            for each in SIGNALS:
                if signal.getsignal(each) is not signal.SIG_IGN:
                    self._before[each] = signal.signal(each, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def watched(self, party: "Party") -> "Party":
        """Return the party, so that its call ends with the first signal."""
        return _Watched(self, party)

    def end(self) -> "Call":
        """Note that the call is over; return its record as far as it got, whatever ended it.

        Raises KeyboardInterrupt if it had not begun.
        """
        self._is_over = True
        if self._line is None:
            raise KeyboardInterrupt
        return self._line.call()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        is_first, self.number = not self.number, self.number or number
        if is_first and self._loop is not None:
            # only the loop may touch the line: a signal comes in the middle of anything
            with contextlib.suppress(RuntimeError):  # it is closed: the call was just over
                self._loop.call_soon_threadsafe(self._hang_up)
        elif not is_first and not self._is_over:
            raise KeyboardInterrupt

    def _begin(self, line: "Line") -> None:
        self._line, self._loop = line, asyncio.get_running_loop()
        if self.number:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._line is None or self._line.closed.is_set():
            return
        reason = "the program was stopped"
        if self.number:
            reason = f"stopped by {signal.Signals(self.number).name}"
            self._line.record("transport", "stopped", signal=self.number)
        self._line.hang_up(reason)


class _Watched:
    def __init__(self, stopping: Stopping, party: "Party") -> None:
        self._stopping = stopping
        self._party = party

    async def run(self, line: "Line") -> None:
        self._stopping._begin(line)
        try:
            await self._party.run(line)
        except asyncio.CancelledError:  # on an open line: the event loop itself was broken
            self._stopping._hang_up()
            raise
