"""The position of a streamed reply is what the line has played of it."""

import asyncio

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from realtime_agent_calls import LEVEL
from realtime_client import RATE_HZ

from voxlab.agents.line import Line
from voxlab.agents.playback import Playback
from voxlab.agents.utterance import Played
from voxlab.audio import Audio
from voxlab.clock import run_virtual


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0.0, 0.6), st.floats(0.02, 0.5)), min_size=1, max_size=8),
    st.floats(0.0, 4.0),
)
def test_the_position_is_what_the_line_has_played(pieces, stop_s):
    """Whenever the pieces come: heard_s is the sound of the item up to now, its gaps left out."""

    async def main() -> tuple[list[Played], float, float]:
        line = Line()
        playback = Playback(line, *[lambda *_: None] * 3, in_samples=True)
        item = playback.open("item")
        spans: list[tuple[float, float]] = []

        async def feed() -> None:
            for wait_s, length_s in pieces:
                await asyncio.sleep(wait_s)
                samples = np.full(round(length_s * RATE_HZ), LEVEL, np.float32)
                playback.play(item, Audio(samples, RATE_HZ))
                start_s = max([line.now_s, *(end_s for _, end_s in spans[-1:])])
                spans.append((start_s, start_s + length_s))

        feeding = asyncio.create_task(feed())
        await asyncio.sleep(stop_s)
        feeding.cancel()
        cut = playback.stop()
        expected_s = sum(max(0.0, min(end_s, stop_s) - start_s) for start_s, end_s in spans)
        assert playback.idle
        return cut, expected_s, line.agent.end / line.rate_hz

    cut, expected_s, end_s = run_virtual(main())
    # what the resampler still holds back is not on the line, and so it is not heard
    assert cut[0].heard_s <= expected_s + 0.001 * len(pieces)
    assert cut[0].heard_s >= expected_s - 0.06 * len(pieces)
    assert end_s <= stop_s + 0.006
