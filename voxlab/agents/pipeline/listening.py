"""Listening: turns the caller's side of the line into the turn manager's events."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

import numpy as np

from voxlab.agents.line import Line
from voxlab.audio import Audio, Samples, levels_db
from voxlab.errors import ProviderError
from voxlab.providers.protocols import VAD
from voxlab.providers.stream_guard import speech_probability
from voxlab.timeline import Event
from voxlab.turn_taking.events import UserQuiet, UserStarted, UserStopped, UserWentOn
from voxlab.vad.endpointing import SpeechDetector, SpeechStarted, SpeechStopped, VADOptions

Heard = UserStarted | UserQuiet | UserWentOn | UserStopped | Audio


class Ear(Protocol):
    """Listens to a line until it is closed."""

    def listen(self, line: Line) -> AsyncIterator[Heard]:
        """Yield UserStarted, then the speech frame by frame, then UserStopped, again and again.

        With doubts also UserQuiet at the first silence, and UserWentOn if it was none.
        """
        ...


class AudioEar:
    """Hears sound: VAD over the room's noise, hysteresis, and a pre-roll for the first syllable."""

    def __init__(self, vad: VAD, options: VADOptions, doubts: bool = False) -> None:
        self._vad = vad
        self._options = options
        self._doubts = doubts

    async def listen(self, line: Line) -> AsyncIterator[Heard]:
        """Yield what the VAD makes of the line's frames. Raises ProviderError for another rate."""
        if self._vad.rate_hz != line.rate_hz:
            raise ProviderError(
                f"the VAD hears {self._vad.rate_hz} Hz and the line carries {line.rate_hz} Hz: "
                f"use a VAD of the line's rate, such as SileroVAD({line.rate_hz})"
            )
        stream, size = self._vad.stream(), self._vad.frame_size
        frame_s = size / line.rate_hz
        detector = SpeechDetector(self._options, frame_s)
        preroll_s = self._options.min_speech_s + self._options.padding_s
        preroll: deque[Samples] = deque(maxlen=math.ceil(preroll_s / frame_s))
        speaking = quiet = False
        async for frame in line.frames(size):
            probability = speech_probability(stream, frame)
            edge = detector.step(probability, float(levels_db(frame)))
            if isinstance(edge, SpeechStarted):
                speaking, quiet = True, False
                line.record("vad", "speech_started", speech_at_s=edge.at_s)
                yield UserStarted()
                frame = np.concatenate([*preroll, frame])
                preroll.clear()
            if speaking:
                yield Audio(frame, line.rate_hz)
                if self._doubts and detector.quiet != quiet:
                    quiet = detector.quiet
                    yield UserQuiet() if quiet else UserWentOn()
            else:
                preroll.append(frame)
            if isinstance(edge, SpeechStopped):
                speaking = False
                line.record("vad", "speech_stopped", speech_at_s=edge.at_s)
                yield UserStopped(silent_s=edge.known_at_s - edge.at_s)


class EdgeEar:
    """Hears a caller without sound: the script's own edges, as late as a VAD would notice them."""

    def __init__(self, options: VADOptions, doubts: bool = False) -> None:
        self._options = options
        self._doubts = doubts

    async def listen(self, line: Line) -> AsyncIterator[Heard]:
        """Yield the caller's edges; a pause shorter than min_silence_s goes unnoticed."""
        edges: asyncio.Queue[Event] = asyncio.Queue()  # bounded by the script's length

        def note(event: Event) -> None:
            if event.source == "caller" and event.kind in ("speech_started", "speech_stopped"):
                edges.put_nowait(event)

        end = line.subscribe(note)
        try:
            while True:
                edge = await edges.get()
                if edge.kind == "speech_started":
                    await line.wait_until(edge.at_s + self._options.min_speech_s)
                    line.record("vad", "speech_started", speech_at_s=edge.at_s)
                    yield UserStarted()
                else:
                    doubts = self._doubts and self._options.doubt_s < self._options.min_silence_s
                    if doubts:
                        await line.wait_until(edge.at_s + self._options.doubt_s)
                        yield UserQuiet()
                    await line.wait_until(edge.at_s + self._options.min_silence_s)
                    if not edges.empty():  # the caller has gone on speaking
                        edges.get_nowait()
                        if doubts:
                            yield UserWentOn()
                        continue
                    line.record("vad", "speech_stopped", speech_at_s=edge.at_s)
                    yield UserStopped(silent_s=self._options.min_silence_s)
        finally:
            end()
