"""A person far away, at a browser or a telephone: sound travels in messages, both ways."""

import asyncio
import contextlib
from collections.abc import Callable

import numpy as np

from voxlab.agents.line import RATE_HZ, Line
from voxlab.audio import AUDIBLE_DB, Audio, Samples, level_db
from voxlab.telephony.resampling import LowDelayResampler
from voxlab.timeline import Event

LAG_S = 0.1  # how late a message may be before the ear misses it; see Line.lag_s
AHEAD_S = 0.25  # sound that the far end has in hand; a cut drops it, so it costs no time
PIECE_S = 0.04  # new sound goes out so often
TICK_S = 1.0  # a sign of life goes out so often
LOST_S = 5.0  # without a sign of life from the far end, the call ends
MOST_LATE_S = 2.0  # speech that came in so late is kept, and skipped beyond
FADE_S = 0.005  # the far end fades out in so many seconds, as Track.cut does
PAUSE_DB = 20.0  # so far below the loudest block nobody speaks
INBOX = 1024  # messages; more than that is nobody listening

Send = Callable[[str, Samples], None]
SILENCED = "silenced"
BROWSER_SILENCE = (
    f"from the browser for {LOST_S:g} s: its tab was closed, or a long cell kept the kernel busy"
)


class RemoteCaller:
    """Takes part in a call through messages, from any thread; hold the call with lag_s=LAG_S.

    send: called in the call's thread with ("sound", samples at the line's rate to play after those
    before), ("cut", nothing) when what was sent must not be played any more, or ("tick", nothing).
    rate_hz: of the microphone's blocks. A far end that is silent for LOST_S ends the call; silence
    says from where nothing came, and why that may be.
    """

    def __init__(
        self,
        send: Send,
        rate_hz: int = RATE_HZ,
        silence: str = BROWSER_SILENCE,
    ) -> None:
        self._send = send
        self._silence = silence
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: asyncio.Queue[Samples | str] = asyncio.Queue(INBOX)
        self._left = ""
        self._sent_to = 0  # the browser has the agent's sound up to this sample of the line
        self._queued = np.zeros(0, np.float32)  # the last of it, as it was sent
        self._loudest_db = AUDIBLE_DB + PAUSE_DB
        self._rate_hz = rate_hz
        self._to_line = LowDelayResampler(rate_hz, RATE_HZ)

    def hear(self, block: Samples) -> None:
        """Take the next block of the microphone, float32 (samples,)."""
        self._post(block)

    def silenced(self) -> None:
        """Note that the far end has obeyed a cut: nothing sounds there any more."""
        self._post(SILENCED)

    def leave(self, why: str) -> None:
        """End the call, also one that has not begun; the first reason counts."""
        self._left = self._left or why
        self._post(self._left)

    async def run(self, line: Line) -> None:
        """Carry both voices until the line is closed, the person leaves or the far end is gone."""
        self._loop = asyncio.get_running_loop()
        self._to_line = LowDelayResampler(self._rate_hz, line.rate_hz)
        end = line.subscribe(lambda event: self._follow(line, event))
        if self._left:
            line.hang_up(self._left)
        try:
            async with asyncio.TaskGroup() as group:
                speaking = group.create_task(self._speak(line))
                await self._listen(line)
                speaking.cancel()
        finally:
            end()

    def _post(self, message: Samples | str) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the call was just over
                self._loop.call_soon_threadsafe(self._keep, message)

    def _keep(self, message: Samples | str) -> None:
        if not self._inbox.full():
            self._inbox.put_nowait(message)

    async def _listen(self, line: Line) -> None:
        filled = 0  # samples of the line that the microphone has filled
        while not line.closed.is_set():
            try:
                async with asyncio.timeout(LOST_S):
                    message = await self._inbox.get()
            except TimeoutError:
                line.hang_up(f"no sound came {self._silence}")
            else:
                if isinstance(message, np.ndarray):
                    filled = self._lay(line, self._to_line.feed(message), filled)
                elif message == SILENCED:
                    line.record("transport", SILENCED)
                else:
                    line.hang_up(message)

    def _lay(self, line: Line, block: Samples, filled: int) -> int:
        sound, now = Audio(block, line.rate_hz), round(line.now_s * line.rate_hz)
        level = level_db(sound)
        self._loudest_db = max(self._loudest_db, level)
        quiet = level < self._loudest_db - PAUSE_DB
        start = place(block.size, filled, now, quiet=quiet, rate_hz=line.rate_hz)
        if start is None:
            return filled
        line.user.lay(start / line.rate_hz, sound)
        return start + block.size

    async def _speak(self, line: Line) -> None:
        ticks_s = pieces_s = 0.0
        while not line.closed.is_set():
            if pieces_s >= ticks_s:
                self._send("tick", np.zeros(0, np.float32))
                ticks_s += TICK_S
            self._update(line)
            pieces_s = max(pieces_s + PIECE_S, line.now_s)
            await line.wait_until(pieces_s)

    def _follow(self, line: Line, event: Event) -> None:
        """Act at once when the agent begins or falls silent, and when the call ends."""
        if event.source in ("agent", "transport"):
            self._update(line)

    def _update(self, line: Line) -> None:
        """Let the far end have what the line holds for the next AHEAD_S, and nothing else."""
        now = round(line.now_s * line.rate_hz)
        left = self._queued[max(0, self._queued.size - max(0, self._sent_to - now)) :]
        if not np.array_equal(left, line.agent.between(self._sent_to - left.size, self._sent_to)):
            self._send("cut", np.zeros(0, np.float32))
            self._sent_to, left = min(now + round(FADE_S * line.rate_hz), line.agent.end), left[:0]
        until = min(line.agent.end, now + round(AHEAD_S * line.rate_hz))
        fresh = line.agent.between(self._sent_to, max(until, self._sent_to))
        overdue = fresh[: max(0, now - self._sent_to)]  # old silence is not made up for
        fresh = fresh[overdue.size if not overdue.any() else np.flatnonzero(overdue)[0] :]
        if fresh.size:
            self._send("sound", fresh)
        self._sent_to = max(until, self._sent_to)
        self._queued = np.concatenate([left, fresh])


def place(count: int, filled: int, now: int, *, quiet: bool, rate_hz: int = RATE_HZ) -> int | None:
    """Return where on the line a block of sound begins which has come in now; None to skip it.

    count: its samples; filled, now: samples of the line that have sound, and that are over.
    A block continues the one before, late or not, as long as the ear has not passed that place.
    After a jam late speech is kept, and silence is skipped until the delay is gone (Ramjee et al.
    1994: adaptive playout changes its delay between talkspurts).

    >>> place(320, filled=16000, now=16800, quiet=False)  # 30 ms late: nobody notices
    16000
    >>> place(320, filled=16000, now=20000, quiet=False)  # 230 ms late: there was a gap
    19680
    >>> place(320, filled=20000, now=18400, quiet=True) is None  # 120 ms in advance: catch up
    True
    """
    lag, ahead = round(LAG_S * rate_hz), filled + count - now
    if filled < now - lag:
        return now - min(count, lag)
    if ahead > lag // 2 and (quiet or ahead > MOST_LATE_S * rate_hz):
        return None
    return filled
