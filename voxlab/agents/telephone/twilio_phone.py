"""A phone line with no phone company: Twilio's side of a media stream, and the caller's telephone.

    call = play(script, OverTwilio(shop_agent()))

The caller speaks into a telephone, Twilio streams it to the agent and plays what comes back: every
20 ms a message out, and a frame of what waits in the buffer to the caller's ear. Marks come back
when they are reached, or at once when the buffer is cleared.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voxlab.agents.callers.remote import LAG_S
from voxlab.agents.calls import Party, hold_call, line_rate_hz
from voxlab.agents.line import Line
from voxlab.agents.sockets import MemorySocket, MessageSocket, SocketClosed, socket_pair
from voxlab.agents.telephone.far_agent import AudibleAgent, forward_to
from voxlab.agents.telephone.twilio_caller import FRAME, FRAME_S, TwilioCaller
from voxlab.audio import Audio, Samples
from voxlab.telephony import g711
from voxlab.telephony.resampling import LowDelayResampler
from voxlab.telephony.twilio import (
    Clear,
    Connected,
    Dtmf,
    Mark,
    Media,
    Received,
    Start,
    Stop,
    from_twilio,
    parse_command,
)
from voxlab.timeline import Event

FRAMES_TO_EAR = 2  # a message is filled, and one is playing
FORWARDED = ("failed", "played", "gap")  # of the agent's end, what the caller's line tells


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream is opened with. both_tracks: Twilio also sends back what the caller hears."""

    both_tracks: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    stream_sid: str = "MZ" + "0" * 32
    call_sid: str = "CA" + "0" * 32


class TwilioPhone:
    """Twilio and the caller's telephone, at one end of a socket; the agent is at the other.

    Takes the agent's place on the caller's line: it hears the caller and speaks with the agent's
    voice, and notes when the agent is audible. It ends when the agent's end closes.
    """

    def __init__(self, socket: MessageSocket, options: StreamOptions | None = None) -> None:
        self._socket = socket
        self._options = options or StreamOptions()
        self._sequence = 0
        self._chunks = {"inbound": 0, "outbound": 0}
        self._waiting: deque[bytes | Mark] = deque()  # frames of mu-law, and marks between them
        self._rest = b""
        self._pressed: deque[str] = deque()
        self._to_ear = LowDelayResampler(g711.RATE_HZ, g711.RATE_HZ)

    async def run(self, line: Line) -> None:
        """Carry the call until either side ends it."""
        self._to_ear = LowDelayResampler(g711.RATE_HZ, line.rate_hz)
        await self._send(Connected())
        options = self._options
        tracks = ("inbound", "outbound") if options.both_tracks else ("inbound",)
        start = Start(options.stream_sid, options.call_sid, tracks, dict(options.parameters))
        await self._send(start)
        end = line.subscribe(self._follow)
        try:
            async with asyncio.TaskGroup() as group:
                streaming = group.create_task(self._stream(line))
                await self._receive()
                streaming.cancel()
        finally:
            end()

    async def stop(self) -> None:
        """Tell the agent's end that the caller has hung up."""
        await self._send(Stop())

    # --- to the agent ----------------------------------------------------------------------

    def _follow(self, event: Event) -> None:
        """Send the keys that the caller presses."""
        if (event.source, event.kind) == ("caller", "key"):
            self._pressed.append(str(event.data["digit"]))

    async def _stream(self, line: Line) -> None:
        """Send the caller's voice and play the agent's, frame by frame."""
        to_line = LowDelayResampler(line.rate_hz, g711.RATE_HZ)
        size, tick, audible = round(FRAME_S * line.rate_hz), 0, AudibleAgent(line)
        pending: Samples = np.zeros(0, np.float32)
        async for frame in line.frames(size):
            pending = np.concatenate([pending, to_line.feed(frame)])
            if pending.size >= FRAME:  # the first frame comes a tick later: the filter's delay
                await self._media("inbound", pending[:FRAME], tick)
                pending = pending[FRAME:]
            while self._pressed:
                await self._send(Dtmf(self._pressed.popleft()))
            played = await self._play_frame(line, audible)
            if self._options.both_tracks:
                await self._media("outbound", played, tick)
            tick += 1

    async def _media(self, track: str, samples: Samples, tick: int) -> None:
        self._chunks[track] += 1
        payload = g711.MULAW.encode(samples)
        await self._send(Media(payload, track, self._chunks[track], round(1000 * tick * FRAME_S)))

    async def _send(self, message: Received) -> None:
        self._sequence += not isinstance(message, Connected)
        with contextlib.suppress(SocketClosed):  # _receive notices, and the call ends
            await self._socket.send(from_twilio(message, self._sequence, self._options.stream_sid))

    # --- from the agent --------------------------------------------------------------------

    async def _receive(self) -> None:
        """Take what the agent sends until it closes. Raises TelephonyError if Twilio refuses it."""
        with contextlib.suppress(SocketClosed):
            while True:
                message = parse_command(await self._socket.receive(), self._options.stream_sid)
                match message:
                    case Media(payload):
                        sound = self._rest + payload
                        whole = len(sound) // FRAME * FRAME
                        self._waiting += [sound[i : i + FRAME] for i in range(0, whole, FRAME)]
                        self._rest = sound[whole:]
                    case Mark():
                        self._waiting.append(message)
                    case Clear():
                        marks = [each for each in self._waiting if isinstance(each, Mark)]
                        self._waiting.clear()
                        self._rest = b""
                        for mark in marks:
                            await self._send(mark)

    async def _play_frame(self, line: Line, audible: AudibleAgent) -> Samples:
        """Let the caller hear the next 20 ms; return them."""
        frame = np.zeros(FRAME, np.float32)
        while self._waiting:
            each = self._waiting.popleft()
            if not isinstance(each, Mark):
                frame = g711.MULAW.decode(each)
                break
            await self._send(each)
        sound = Audio(self._to_ear.feed(frame), line.rate_hz)
        line.agent.lay(line.now_s + FRAME_S - sound.duration_s, sound)  # the first one is shorter
        audible.hear(frame, g711.RATE_HZ)
        return frame


class OverTwilio:
    """An agent that is reached through a Twilio media stream, both ends in one process.

    agent: who answers, or a function that returns them, given what Twilio says of the call.
    delay_s: of the network, one way. It stands on a caller's line like the agent itself, in real
    and in virtual time; what the agent notes stands on that line's timeline.
    """

    def __init__(
        self,
        agent: Party | Callable[[Start], Party],
        *,
        delay_s: float = 0.03,
        options: StreamOptions | None = None,
    ) -> None:
        self._agent = agent
        self._delay_s = delay_s
        self._options = options

    async def run(self, line: Line) -> None:
        """Hold the call."""
        near, far = socket_pair(self._delay_s)
        phone = TwilioPhone(near, self._options)
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(self._answer(far, line))
            try:
                await phone.run(line)
            finally:
                await phone.stop()
                near.close()
            answering.cancel()

    async def _answer(self, socket: MemorySocket, line: Line) -> None:
        """Hold the agent's end; what it notes goes to the caller's line."""
        caller = TwilioCaller(socket)
        start = await caller.start()
        agent = self._agent(start) if callable(self._agent) else self._agent
        note = forward_to(line, FORWARDED, frames=FRAMES_TO_EAR, delay_s=self._delay_s)
        rate_hz = line_rate_hz(agent)
        await hold_call(agent, caller, lag_s=LAG_S, on_event=note, rate_hz=rate_hz)
        socket.close()
