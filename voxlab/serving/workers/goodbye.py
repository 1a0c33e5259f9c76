"""A goodbye for calls that must end: the worker stops, and nobody is cut off without a word."""

import asyncio

from voxlab.agents.calls import Party, line_rate_hz
from voxlab.agents.line import Line
from voxlab.agents.playback import Playback
from voxlab.agents.utterance import Played
from voxlab.errors import ProviderError
from voxlab.providers.protocols import TTS
from voxlab.serving.goodbyes import GOODBYE, RINGS_OUT_S

ENDED = "the worker was stopped"


class LeavesWithGoodbye:
    """An agent that says goodbye and hangs up when it is told to leave; until then it is itself.

    agent: who holds the call. tts: its voice. leaving: set when the call must end.
    """

    def __init__(
        self, agent: Party, tts: TTS, leaving: asyncio.Event, goodbye: str = GOODBYE
    ) -> None:
        self._agent = agent
        self._tts = tts
        self._leaving = leaving
        self._goodbye = goodbye

    @property
    def rate_hz(self) -> int:
        """The rate of the line that the agent hears on."""
        return line_rate_hz(self._agent)

    async def run(self, line: Line) -> None:
        """Hold the call until it ends, or until it must."""
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(self._leaving.wait())
            holding = group.create_task(self._agent.run(line))
            await asyncio.wait((leaving, holding), return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            holding.cancel()
        if self._leaving.is_set() and not line.closed.is_set():
            await self._say_goodbye(line)
            line.hang_up(ENDED)

    async def _say_goodbye(self, line: Line) -> None:
        """Fall silent, say goodbye, and wait until it has been heard."""
        is_over = asyncio.Event()

        def note(played: Played) -> None:
            line.record("agent", "said", text=played.heard)

        playback = Playback(line, lambda: None, is_over.set, note)
        line.agent.cut(line.now_s)
        utterance = playback.open()
        try:
            async for speech in self._tts.synthesize(self._goodbye):
                playback.play(utterance, speech)
        except ProviderError as error:
            line.record("tts", "failed", error=str(error), text=self._goodbye)
        playback.complete(utterance)
        while playback.audible:
            is_over.clear()
            await is_over.wait()
        await asyncio.sleep(RINGS_OUT_S)
