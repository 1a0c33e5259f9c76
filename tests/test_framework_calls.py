"""Whole calls with LiveKit Agents and Pipecat, in real time: `make frameworks` runs them.

They need these packages, which have an environment of their own; elsewhere they are skipped.
"""

import asyncio
import json
import os
import signal
import sys

import pytest

from voxlab import data
from voxlab.agents.callers.script import parse_script
from voxlab.agents.calls import play
from voxlab.agents.shop import shop_tools
from voxlab.errors import ProviderError
from voxlab.evaluation.turn_times import interruptions, transcript, turn_times
from voxlab.frameworks.processes import PYTHON, hold_in_process
from voxlab.providers.protocols import Providers
from voxlab.providers.scripted import ScriptedSTT

pytest.importorskip("livekit.agents", reason="make frameworks")
pytest.importorskip("pipecat", reason="make frameworks")

pytestmark = [
    pytest.mark.slow,
    # the frameworks' own, of libraries that change
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SCRIPT = """\
title: No wait, I meant Tuesday
lines:
  - {say: book_table}
  - {say: correct_day, at: 0.8 s after the agent says "booked"}
hang_up: 0.2 s after the agent says "booked on Tuesday"
"""


@pytest.fixture(params=["livekit", "pipecat"])
def framework(request, monkeypatch):
    monkeypatch.setenv(PYTHON, sys.executable)
    return request.param


def make_agent(framework, providers):
    tools = shop_tools(data.shop())
    if framework == "livekit":
        from voxlab.frameworks.livekit import LiveKitAgent

        return LiveKitAgent(providers, tools)
    from voxlab.frameworks.pipecat import PipecatAgent

    return PipecatAgent(providers, tools)


def test_a_table_is_booked_and_its_day_corrected_over_the_agents_answer(framework, tmp_path):
    script = tmp_path / "call.yaml"
    script.write_text(SCRIPT)
    held = hold_in_process(script, framework, tmp_path)
    timeline = held.call.timeline

    assert timeline.failures == []
    results = [json.loads(event.data["result"]) for event in timeline.select("tool", "finished")]
    assert [result["day"] for result in results] == ["Friday", "Tuesday"]
    cut, *_ = interruptions(timeline)
    assert 0 < cut.yield_s < 2
    assert "booked on Friday" in f"{cut.heard} {cut.unheard}"
    assert [who for _, who, _ in transcript(timeline)][:3] == ["agent", "caller", "agent"]
    assert all(turn.ttfb_s > 0 for turn in turn_times(timeline)[:1])

    # what the timeline calls silence is silent, and what it calls speech is not
    agent = held.call.agent
    starts = [event.at_s for event in timeline.select("agent", "speech_started")]
    stops = [event.at_s for event in timeline.select("agent", "speech_stopped")]
    assert abs(agent.between(starts[0], stops[0]).samples).max() > 0.05
    assert abs(agent.between(stops[0] + 0.02, starts[1] - 0.02).samples).max() < 1e-3
    assert held.cpu_s_per_call_s > 0
    assert held.memory_mb > 50


class BrokenLLM:
    """Fails after its first words, in mid-turn."""

    async def stream(self, messages, tools):
        raise ProviderError("the model is on holiday")
        yield


def test_an_engine_that_fails_in_mid_turn_is_named_and_the_record_goes_on(framework):
    lines = [{"say": "order_where", "at": "1 s after the agent stops"}]
    script = parse_script({"lines": lines, "patience_s": 4})
    from voxlab.providers.offline import offline

    providers = Providers(ScriptedSTT(["Where is my order?"]), BrokenLLM(), offline().tts)
    call = play(script, make_agent(framework, providers), live=True)
    assert "on holiday" in call.timeline.failures[0].failure
    assert call.timeline.failures[0].source == "llm"
    assert call.user.duration_s == pytest.approx(call.agent.duration_s)
    assert "Hello" in transcript(call.timeline)[0][2]


# --- a room of a LiveKit server -------------------------------------------------------------


def test_in_a_room_the_same_agent_has_the_chapters_plugins_or_our_engines(monkeypatch):
    from voxlab.frameworks import livekit_room as room
    from voxlab.frameworks.livekit_endpoint import KEY, SECRET

    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)

    async def make():
        made = {}
        for providers in ("livekit", "offline"):
            session = room.make_session(room.make_engines(providers), providers)
            parts = session.stt, session.llm, session.tts
            made[providers] = [(type(part).__module__, part.model) for part in parts]
        agent = room.make_agent(room.make_engines("livekit"))
        return made, {tool.info.name for tool in agent.tools}

    made, tools = asyncio.run(make())
    assert [model for _, model in made["livekit"]] == [
        "deepgram/nova-3",
        "openai/gpt-4o",
        "cartesia/sonic-3",
    ]
    assert {module for module, _ in made["offline"]} == {"voxlab.frameworks.livekit"}
    assert tools == {tool.spec.name for tool in shop_tools(data.shop())}


def test_a_worker_registers_and_its_agent_knocks_at_the_room_it_is_sent_to(monkeypatch):
    from voxlab.frameworks.livekit_endpoint import KEY, ROOM, SECRET, LiveKitEndpoint

    async def be_sent():
        async with LiveKitEndpoint() as endpoint:
            monkeypatch.setenv("LIVEKIT_URL", endpoint.url)
            command = [sys.executable, "-m", "voxlab", "serve", "livekit"]
            worker = await asyncio.create_subprocess_exec(*command, start_new_session=True)
            try:
                await asyncio.wait_for(endpoint.registered, 60)
                assert await endpoint.offer("job-1")
                return endpoint, await asyncio.wait_for(endpoint.knocked, 180)
            finally:
                # Ctrl-C may let its job knock again, for over 30 s
                os.killpg(worker.pid, signal.SIGKILL)
                await worker.wait()

    monkeypatch.setenv(PYTHON, sys.executable)
    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)
    endpoint, claims = asyncio.run(be_sent())
    assert endpoint.worker.video.agent
    assert endpoint.registered.result().allowed_permissions.can_publish
    assert (claims.video.room, claims.video.room_join) == (ROOM, True)
