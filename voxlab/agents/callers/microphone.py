"""A person at this machine's microphone and loudspeaker, in place of a call script."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from voxlab.agents.line import RATE_HZ, Line
from voxlab.audio import Audio
from voxlab.errors import AudioError, missing_extra
from voxlab.telephony.echo import EchoCanceller

BLOCK_S = 0.02
LAG_S = 0.1  # the microphone's blocks come in late and unevenly; see Line.lag_s


class Microphone:
    """Takes part in a call through sounddevice, in real time.

    max_s: the call ends then; Ctrl-C ends it sooner. canceller: takes the agent's voice out of what
    the microphone hears; without one, wear headphones. The line needs lag_s=LAG_S.
    Raises AudioError if there is no sound device or no sounddevice.
    """

    def __init__(self, max_s: float = 120.0, canceller: EchoCanceller | None = None) -> None:
        self.max_s = max_s
        self._canceller = canceller

    async def run(self, line: Line) -> None:
        """Carry both voices until the line is closed or max_s is over."""
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        size, lag = round(BLOCK_S * RATE_HZ), round(LAG_S * RATE_HZ)
        heard = 0  # samples of the line that the microphone has filled

        def exchange(said: Any, to_play: Any, count: int, _time: Any, _status: Any) -> None:
            """Called from the sound device's thread for each block."""
            nonlocal heard
            now = round((loop.time() - line.loop_time(0)) * RATE_HZ)
            if now - count - heard > lag // 2:  # the first block, or blocks were lost
                heard = now - count
            played = max(0, heard + count - lag)
            to_play[:, 0] = line.agent.between(played, played + count)
            near = np.array(said[:, 0], np.float32)
            if self._canceller is not None:
                near = self._canceller.process(near, to_play[:, 0])
            loop.call_soon_threadsafe(line.user.lay, heard / RATE_HZ, Audio(near, RATE_HZ))
            heard += count

        def stop() -> None:
            loop.call_soon_threadsafe(stopped.set)

        with _open_stream(exchange, size, stop):
            try:
                async with asyncio.timeout(self.max_s):
                    await stopped.wait()
            except TimeoutError:
                line.hang_up("the time at the microphone is over")
                return
        raise AudioError("the sound device stopped: unplugged, or the machine is too busy?")


def check_devices() -> None:
    """Open microphone and loudspeaker, and close them. Raises AudioError if that fails."""
    _open_stream(lambda *_: None, round(BLOCK_S * RATE_HZ), lambda: None).close()


def _open_stream(exchange: Any, size: int, on_stop: Callable[[], None]) -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(f"no sounddevice: {missing_extra('mic')}") from error
    except OSError as error:  # the package is there, the PortAudio library is not
        raise AudioError(f"{error}: install PortAudio (Debian: libportaudio2)") from error
    try:
        return sounddevice.Stream(
            samplerate=RATE_HZ,
            blocksize=size,
            channels=1,
            dtype="float32",
            latency="high",
            callback=exchange,
            finished_callback=on_stop,
        )
    except sounddevice.PortAudioError as error:
        raise AudioError(f"no microphone or loudspeaker ({error}): plug one in") from error
