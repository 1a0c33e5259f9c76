"""The agent's end of a Twilio media stream: a caller who is on the telephone.

Sound that arrives is laid on the line; what the agent says goes out a quarter of a second ahead,
each piece followed by a mark. A mark that comes back tells how far the caller has heard, and so
what the conversation's history may say that they were told; after a `clear` it tells nothing. A new
stream of sound begins with an empty resampler, so that nothing of an interrupted reply can be heard
in the next one.
"""

import asyncio
import contextlib
import logging
import math

import numpy as np

from voxlab.agents.callers.remote import LOST_S, RemoteCaller
from voxlab.agents.line import RATE_HZ, Line
from voxlab.agents.sockets import MessageSocket, SocketClosed
from voxlab.audio import Samples
from voxlab.errors import TelephonyError
from voxlab.telephony import g711
from voxlab.telephony.resampling import LowDelayResampler
from voxlab.telephony.twilio import (
    Clear,
    Connected,
    Dtmf,
    Mark,
    Media,
    Received,
    Sent,
    Start,
    Stop,
    parse,
    to_twilio,
)

FRAME = 160  # samples a message
FRAME_S = FRAME / g711.RATE_HZ
OUTBOX = 256  # messages; a peer who takes none of so many is gone
OPENS_WITHIN_S = 5.0
log = logging.getLogger(__name__)


class TwilioCaller:
    """Takes part in a call through a Twilio media stream; hold the call with remote.LAG_S.

    `start` waits for the stream's beginning and tells what Twilio says of the call; `run` needs it.
    """

    def __init__(self, socket: MessageSocket) -> None:
        self._socket = socket
        self._stream_sid = ""
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX)
        self._remote = RemoteCaller(
            self._tell, g711.RATE_HZ, f"from Twilio for {LOST_S:g} s: the connection is gone"
        )
        self._line: Line | None = None
        self._begin_stream()
        self._sent_s = 0.0  # seconds of sound since the stream of sound began
        self._marks: dict[str, float] = {}  # by name: when what is before it would end, unhindered
        self._cleared: set[str] = set()
        self._heard_to_s, self._behind_s = -math.inf, 0.0  # by the last mark that came back
        self._chunk = 0

    async def start(self) -> Start:
        """Wait for `connected` and `start`. Raises TelephonyError for anything else, or nothing."""
        try:
            async with asyncio.timeout(OPENS_WITHIN_S):
                while not isinstance(message := parse(await self._socket.receive()), Start):
                    if not isinstance(message, Connected | None):
                        kind = type(message).__name__.lower()
                        raise TelephonyError(f"{kind} before start: a stream begins with start")
        except TimeoutError:
            raise TelephonyError(f"no start within {OPENS_WITHIN_S:g} s") from None
        except SocketClosed:
            raise TelephonyError("the connection closed before start") from None
        self._stream_sid = message.stream_sid
        return message

    async def run(self, line: Line) -> None:
        """Carry both voices until the line is closed, Twilio stops the stream, or is gone."""
        self._line = line
        line.find_heard_lag_s = self._find_heard_lag_s
        self._begin_stream()
        async with asyncio.TaskGroup() as group:
            works = (self._read(line), self._write(), self._finish_sound(line))
            parts = [group.create_task(work) for work in works]
            await self._remote.run(line)
            for part in parts:
                part.cancel()

    # --- from Twilio -----------------------------------------------------------------------

    async def _read(self, line: Line) -> None:
        reason = "the caller hung up"
        try:
            while not isinstance(message := parse(await self._socket.receive()), Stop):
                self._take(message, line)
        except SocketClosed:
            reason = "the connection to Twilio closed"
        except TelephonyError as error:
            log.warning("stream %s: %s", self._stream_sid, error)
            reason = f"Twilio sent what its protocol does not have: {error}"
        self._remote.leave(reason)

    def _take(self, message: Received | None, line: Line) -> None:
        match message:
            case Media(payload, "inbound", chunk):
                if self._chunk and chunk != self._chunk + 1:
                    line.record("transport", "gap", expected=self._chunk + 1, got=chunk)
                self._chunk = chunk
                self._remote.hear(g711.MULAW.decode(payload))
            case Dtmf(digit):
                line.record("caller", "key", digit=digit)
            case Mark(name):
                self._played(name, line)
            case Start():
                raise TelephonyError("a second start in one stream")

    def _played(self, name: str, line: Line) -> None:
        """Learn from a mark how far the caller has heard."""
        due_s = self._marks.pop(name, None)
        if name in self._cleared:
            self._cleared.discard(name)
        elif due_s is not None:
            self._heard_to_s, self._behind_s = due_s, max(0.0, line.now_s - due_s)
            line.record("transport", "played", mark=name, behind_s=round(self._behind_s, 3))

    def _find_heard_lag_s(self) -> float:
        """Return how far behind the line the caller has heard for certain: to the last mark.

        Its way back is a part of that: a word on its way may have been heard, and is said again
        rather than left out. Where marks do not come in time, time stands still at the last one.
        """
        if self._line is None:
            return 0.0
        now_s = self._line.now_s
        waiting_s = [due_s for name, due_s in self._marks.items() if name not in self._cleared]
        is_overdue = bool(waiting_s) and min(waiting_s) + self._behind_s < now_s
        return now_s - self._heard_to_s if is_overdue else self._behind_s

    # --- to Twilio -------------------------------------------------------------------------

    def _begin_stream(self) -> None:
        line_hz = self._line.rate_hz if self._line else RATE_HZ
        self._resampler = LowDelayResampler(line_hz, g711.RATE_HZ)
        self._left: Samples = np.zeros(0, np.float32)  # not yet a whole message
        self._is_open = False  # whether the resampler holds sound back

    def _tell(self, kind: str, samples: Samples) -> None:
        """Send what RemoteCaller says: sound, a cut, or that nothing is new."""
        if kind == "sound":
            self._is_open = True
            self._say(self._resampler.feed(samples))
        elif kind == "cut":
            self._begin_stream()
            self._cleared |= self._marks.keys()
            self._sent_s = 0.0
            self._send(Clear())

    async def _finish_sound(self, line: Line) -> None:
        """Send the last of a sound, with silence up to a whole message, when no more has come."""
        while True:
            await line.wait_until(max(self._sent_s - FRAME_S, line.now_s + FRAME_S))
            if self._is_open and line.now_s >= self._sent_s - FRAME_S:
                self._is_open = False
                self._say(self._resampler.flush())
                self._say(np.zeros(-self._left.size % FRAME, np.float32))

    def _say(self, samples: Samples) -> None:
        waiting = np.concatenate([self._left, samples])
        whole = waiting.size // FRAME * FRAME
        self._left = waiting[whole:]
        for frame in waiting[:whole].reshape(-1, FRAME):
            self._send(Media(g711.MULAW.encode(frame)))
        if whole and self._line is not None:
            now_s, lasts_s = self._line.now_s, whole / g711.RATE_HZ
            self._sent_s = max(self._sent_s, now_s) + lasts_s
            name = f"{self._sent_s:.3f}"
            self._marks[name] = self._sent_s
            self._send(Mark(name))

    def _send(self, message: Sent) -> None:
        try:
            self._outbox.put_nowait(to_twilio(message, self._stream_sid))
        except asyncio.QueueFull:
            self._remote.leave("Twilio takes no more sound: the connection is stuck")

    async def _write(self) -> None:
        with contextlib.suppress(SocketClosed):  # _read notices, and says so
            while True:
                await self._socket.send(await self._outbox.get())
