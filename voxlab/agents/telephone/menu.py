"""A telephone menu (IVR): recorded prompts, keys, and who takes the call for each key."""

import asyncio
from collections.abc import Mapping, Sequence

from voxlab.agents.calls import Party, line_rate_hz
from voxlab.agents.line import Line
from voxlab.audio import Audio
from voxlab.errors import TelephonyError
from voxlab.timeline import Event


class KeypadMenu:
    """An agent that plays a prompt until a key is pressed, then lets that key's agent take over.

    prompt: what the keys are for; a key stops it. choices: by key. wrong_key: played after any
    other key, before the prompt comes again. A caller who presses nothing right is asked `attempts`
    times, wait_s after each prompt, then the menu hangs up. rate_hz: of the line, that of the
    agents. Raises TelephonyError if they want lines of different rates, or there is none.
    """

    def __init__(
        self,
        prompt: Audio,
        choices: Mapping[str, Party],
        wrong_key: Audio,
        *,
        attempts: int = 3,
        wait_s: float = 4.0,
    ) -> None:
        rates_hz = {line_rate_hz(agent) for agent in choices.values()}
        if len(rates_hz) != 1:
            raise TelephonyError(f"agents on lines of {rates_hz or 'no'} Hz: a menu needs one rate")
        (self.rate_hz,) = rates_hz
        self._prompt, self._wrong_key = prompt, wrong_key
        self._choices = choices
        self._attempts = attempts
        self._wait_s = wait_s

    async def run(self, line: Line) -> None:
        """Hold the call until it ends."""
        keys: asyncio.Queue[str] = asyncio.Queue()

        def note(event: Event) -> None:
            if (event.source, event.kind) == ("caller", "key"):
                keys.put_nowait(str(event.data["digit"]))

        end = line.subscribe(note)
        try:
            chosen = await self._ask(line, keys)
        finally:
            end()
        if chosen is None:
            line.hang_up("nothing was chosen from the menu")
        else:
            line.record("agent", "chosen", digit=chosen)
            await self._choices[chosen].run(line)

    async def _ask(self, line: Line, keys: asyncio.Queue[str]) -> str | None:
        for _ in range(self._attempts):
            key = await self._play(line, self._prompt, keys, self._wait_s)
            if key is not None and key not in self._choices:
                key = await self._play(line, self._wrong_key, keys, 0.0)
            if key in self._choices:
                return key
        return None

    async def _play(
        self, line: Line, sound: Audio, keys: asyncio.Queue[str], wait_s: float
    ) -> str | None:
        """Play a sound and return the key pressed over it or within wait_s after it, if any."""
        line.agent.lay(line.now_s, sound)
        line.record("agent", "speech_started")
        over_s = line.now_s + sound.duration_s
        try:
            async with asyncio.timeout_at(line.loop_time(over_s)):
                key = await keys.get()
        except TimeoutError:
            line.record("agent", "speech_stopped")
        else:
            line.agent.cut(line.now_s)
            line.record("agent", "speech_stopped")
            return key
        try:
            async with asyncio.timeout_at(line.loop_time(over_s + wait_s)):
                return await keys.get()
        except TimeoutError:
            return None


class KeyingCaller:
    """A caller who presses keys at given seconds of the call, and else does what another does."""

    def __init__(self, presses: Sequence[tuple[float, str]], caller: Party) -> None:
        self._presses = presses
        self._caller = caller

    async def run(self, line: Line) -> None:
        """Take part in the call."""
        async with asyncio.TaskGroup() as group:
            pressing = group.create_task(self._press(line))
            await self._caller.run(line)
            pressing.cancel()

    async def _press(self, line: Line) -> None:
        for at_s, digit in self._presses:
            await line.wait_until(at_s)
            line.record("caller", "key", digit=digit)
