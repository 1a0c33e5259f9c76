"""The VAD of all sessions of a process: frames that come at nearly one time are heard in one run.

A session that waits for its probability handles nothing else meanwhile, so it waits half a frame at
most, and not at all if its client is ahead, or if no other session could still join the run.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from voxlab.audio import Samples
from voxlab.errors import ProviderError
from voxlab.vad.silero import FRAME_S
from voxlab.vad.silero_batches import SharedSilero, SharedStream

WAIT_S = FRAME_S / 2  # a session that has fallen behind still catches up, at twice the speed


class BatchedVAD:
    """Silero as a VAD whose streams can also `hear` together, those of an event loop."""

    def __init__(self, network: SharedSilero | None = None) -> None:
        self._network = network or SharedSilero()
        self.rate_hz, self.frame_size = self._network.rate_hz, self._network.frame_size
        self._batches: WeakKeyDictionary[Any, _Batch] = WeakKeyDictionary()

    def stream(self) -> "BatchedStream":
        """Return a fresh stream that remembers nothing yet."""
        return BatchedStream(self, self._network.stream())

    async def hear(self, stream: SharedStream, frame: Samples, *, is_ahead: bool) -> float:
        """Return how likely a stream's next frame is speech: see `BatchedStream.hear`."""
        loop = asyncio.get_running_loop()
        batch = self._batches.get(loop)
        if batch is None:
            batch = self._batches[loop] = _Batch(self._network)
        return await batch.add(stream, frame, is_ahead=is_ahead)


class BatchedStream:
    """One session's listener."""

    def __init__(self, vad: BatchedVAD, stream: SharedStream) -> None:
        self._vad = vad
        self._stream = stream
        self.probability = stream.probability

    async def hear(self, frame: Samples, *, is_ahead: bool) -> float:
        """Return how likely the frame is speech, in [0, 1]; others may be heard in the same run.

        is_ahead: more frames of the stream are here already. Raises AudioError, and forgets
        nothing, as `SharedSilero.probabilities`; ProviderError if the run fails.
        """
        return await self._vad.hear(self._stream, frame, is_ahead=is_ahead)


class _Batch:
    """The frames of one event loop's streams that wait for the next run."""

    def __init__(self, network: SharedSilero) -> None:
        self._network = network
        self._streams: WeakSet[SharedStream] = WeakSet()
        self._waiting: list[tuple[SharedStream, Samples, asyncio.Future[float]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: SharedStream, frame: Samples, *, is_ahead: bool) -> asyncio.Future[float]:
        """Add a frame to the next run; return its probability, when it is there."""
        self._network.check(frame)
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[float] = loop.create_future()
        self._streams.add(stream)
        self._waiting.append((stream, frame, heard))
        if is_ahead or len(self._waiting) >= len(self._streams):
            self._run()
        elif self._timer is None:
            self._timer = loop.call_later(WAIT_S, self._run)
        return heard

    def _run(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [each for each in self._waiting if not each[2].done()]  # its session is over
        self._waiting.clear()
        if not waiting:
            return
        streams, frames, heard = zip(*waiting, strict=True)
        try:
            probabilities = self._network.hear_checked(streams, frames)
        except Exception as error:  # onnxruntime's failures have no common ancestor
            for each in heard:
                each.set_exception(ProviderError(f"the VAD failed: {error}"))
            return
        for each, probability in zip(heard, probabilities, strict=True):
            each.set_result(probability)
