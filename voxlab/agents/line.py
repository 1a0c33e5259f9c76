"""The line between a caller and an agent: two voices, one clock, and the record of the call."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from voxlab.audio import Audio, Samples
from voxlab.telephony.echo import Echo, EchoCanceller
from voxlab.timeline import Call, Event, Timeline

RATE_HZ = 16_000  # a wideband line: what the recogniser and the VAD hear


class Track:
    """One voice on the line, as it sounds second by second; pieces that overlap are mixed."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._samples = np.zeros(0, np.float32)  # grows: calls without sound need none
        self.end = 0  # samples laid down so far

    def lay(self, start_s: float, audio: Audio) -> None:
        """Let a piece of sound begin at start_s."""
        samples = audio.resample(self.rate_hz).samples
        start = round(start_s * self.rate_hz)
        end = start + samples.size
        if end > self._samples.size:
            grown = np.zeros(max(end, 2 * self._samples.size), np.float32)
            grown[: self.end] = self._samples[: self.end]
            self._samples = grown
        self._samples[start:end] += samples
        self.end = max(self.end, end)

    def append(self, samples: Samples) -> None:
        """Lay samples at rate_hz after what is there."""
        self.lay(self.end / self.rate_hz, Audio(samples, self.rate_hz))

    def cut(self, from_s: float) -> None:
        """Silence everything from from_s on, with a fade of 5 ms so that it does not click."""
        start = min(round(from_s * self.rate_hz), self.end)
        fade = self._samples[start : min(start + self.rate_hz // 200, self.end)]
        fade *= np.linspace(1, 0, fade.size, dtype=np.float32)
        self._samples[start + fade.size : self.end] = 0
        self.end = start + fade.size

    def between(self, start: int, end: int) -> Samples:
        """Return the samples [start, end) of the line; silence where nothing was laid."""
        piece = np.zeros(end - start, np.float32)
        known = self._samples[start : min(end, self._samples.size)]
        piece[: known.size] = known
        return piece


class CleanedVoice:
    """The caller's side behind the echo canceller of their device, 18 ms late.

    It hears sound once and in order, and none that has not sounded yet: of the agent's voice, that
    may still be cut.
    """

    def __init__(self, line: "Line") -> None:
        self._line = line
        self._canceller = EchoCanceller(line.rate_hz)
        self._cleaned = Track(line.rate_hz)
        self._cleaned.append(np.zeros(self._canceller.block, np.float32))

    def between(self, start: int, end: int) -> Samples:
        """Return its samples [start, end) of the line; silence where nothing has sounded yet."""
        line, block = self._line, self._canceller.block
        now = round(line.now_s * line.rate_hz)
        for first in range(self._cleaned.end - block, end - block, block):
            last = first + block
            if last > now:
                break
            near, far = line.at_microphone(first, last), line.agent.between(first, last)
            self._cleaned.append(self._canceller.process(near, far))
        return self._cleaned.between(start, end)


class Line:
    """Carries both voices and notes all that happens, in seconds from the start of the call.

    background: sound at the caller's end, looped for the whole call. echo: of the agent, there.
    lag_s: how far `frames` stays behind the clock (a microphone's blocks arrive late).
    rate_hz: of both voices.

    find_heard_lag_s: returns how far behind the line the caller is known to hear; a telephone that
    knows it puts its own in this place.
    """

    def __init__(
        self,
        *,
        background: Audio | None = None,
        lag_s: float = 0.0,
        rate_hz: int = RATE_HZ,
        echo: Echo | None = None,
    ) -> None:
        self.timeline = Timeline()
        self.rate_hz = rate_hz
        self.user = Track(rate_hz)
        self.agent = Track(rate_hz)
        self.closed = asyncio.Event()
        self.lag_s = lag_s
        self.find_heard_lag_s: Callable[[], float] = lambda: 0.0
        self._echo = echo
        self._echo_response = echo.impulse_response(rate_hz) if echo else None
        self._cleaned = CleanedVoice(self) if echo and echo.cancelled else None
        self._background = background.resample(rate_hz).samples if background else None
        self._listeners: list[Callable[[Event], None]] = []
        self._start_s = asyncio.get_running_loop().time()

    @property
    def now_s(self) -> float:
        """Seconds since the call started."""
        return asyncio.get_running_loop().time() - self._start_s

    def loop_time(self, at_s: float) -> float:
        """Return the event loop's time for a time of the call."""
        return self._start_s + at_s

    def record(self, source: str, kind: str, **data: Any) -> Event:
        """Note that something happens now, and tell everybody who listens."""
        return self.record_at(self.now_s, source, kind, **data)

    def record_at(self, at_s: float, source: str, kind: str, **data: Any) -> Event:
        """Note something that happened at at_s and is known only now."""
        event = self.timeline.add(Event(at_s, source, kind, data))
        for listener in tuple(self._listeners):
            listener(event)
        return event

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call listener with every event from now on; return a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def reached(self, at_s: float) -> bool:
        """Tell whether a time of the call has come.

        Compares on the loop's clock, where timers are set: now_s is a difference, and its rounding
        could stay a hair below at_s for ever while virtual time stands still.
        """
        return asyncio.get_running_loop().time() >= self.loop_time(at_s)

    def call_at(
        self, at_s: float, callback: Callable[..., object], *args: Any, **named: Any
    ) -> asyncio.TimerHandle:
        """Call back at a time of the call, on behalf of the agent; a failure ends the call.

        Without this a callback's exception would end up in a log, and the call would stand still.
        """

        def guarded() -> None:
            try:
                callback(*args, **named)
            except Exception as error:  # whatever it is, the record up to here must not be lost
                self.fail("agent", error)

        return asyncio.get_running_loop().call_at(self.loop_time(at_s), guarded)

    async def wait_until(self, at_s: float) -> None:
        """Wait for a time of the call; return at once if it is past."""
        await asyncio.sleep(max(0.0, self.loop_time(at_s) - asyncio.get_running_loop().time()))

    async def frames(self, size: int) -> AsyncIterator[Samples]:
        """Yield what the caller's side sounds like, frame by frame as time goes by.

        Each frame: float32 (size,) at rate_hz, given when its last sample has sounded. Ends when
        the line is closed.
        """
        end = size
        while not self.closed.is_set():
            await self.wait_until(end / self.rate_hz + self.lag_s)
            yield self.heard(end - size, end)
            end += size

    def heard(self, start: int, end: int) -> Samples:
        """Return the caller's side of the line between two samples, as it reaches the agent."""
        if self._cleaned is not None:
            return self._cleaned.between(start, end)
        return self.at_microphone(start, end)

    def at_microphone(self, start: int, end: int) -> Samples:
        """Return the caller's voice with the background and the echo mixed in."""
        samples = self.user.between(start, end)
        if self._background is not None:
            samples += np.take(self._background, np.arange(start, end), mode="wrap")
        if self._echo is not None and self._echo_response is not None:
            delay = round(self._echo.delay_s * self.rate_hz)
            samples += self._reflected(start - delay, end - delay, self._echo_response)
        return samples

    def _reflected(self, start: int, end: int, response: Samples) -> Samples:
        """Return the agent's voice [start, end) by way of the room; final by then, see Track.cut.

        start may lie before the call: nothing was said then.
        """
        first = start - response.size + 1
        voice = np.zeros(end - first, np.float32)
        begin = min(max(0, -first), voice.size)
        voice[begin:] = self.agent.between(first + begin, end)
        return np.convolve(voice, response, "valid")

    def fail(self, who: str, error: BaseException) -> None:
        """Note that a party failed, and why, and end the call."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        what = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
        try:
            self.record("transport", "failed", who=who, error=what, trace=trace)
        finally:  # a listener may be what fails
            self.hang_up(f"the {who} failed: {what}")

    def hang_up(self, reason: str) -> None:
        """End the call, once."""
        if not self.closed.is_set():
            self.closed.set()
            self.agent.cut(self.now_s)
            self.user.cut(self.now_s)
            self.record("transport", "call_ended", reason=reason)

    def call(self) -> Call:
        """Return the call as it was up to now."""
        if not self.user.end and not self.agent.end and self._background is None:
            return Call(self.timeline)
        end = max(round(self.timeline.duration_s * self.rate_hz), self.user.end, self.agent.end)
        user, agent = self.heard(0, end), self.agent.between(0, end)
        return Call(self.timeline, Audio(user, self.rate_hz), Audio(agent, self.rate_hz))
