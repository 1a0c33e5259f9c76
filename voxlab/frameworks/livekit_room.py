"""The shop's agent in rooms of a LiveKit server, where people call it: `voxlab serve livekit`.

    python -m voxlab.frameworks.livekit_room [--providers livekit|offline] [--out DIR]

LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET name the server and open it. The agent, its
tools and its history are those of `LiveKitAgent`; in place of our engines it has the plugins of
fragment 39.1.2a, by LiveKit's own gateway and with the same keys. A process of its own answers each
room. It leaves the room's timeline; the sound stays with the server.
"""

import argparse
import asyncio
import functools
from pathlib import Path

from livekit.agents import AgentServer, AgentSession, JobContext, inference

from voxlab import data
from voxlab.agents.line import Line
from voxlab.agents.pipeline.options import GREETING
from voxlab.agents.shop import shop_tools
from voxlab.frameworks.engines import CallEngines
from voxlab.frameworks.livekit import make_agent, make_plugins, note_events
from voxlab.providers.offline import offline
from voxlab.providers.rule_based.language_model import RuleLLM
from voxlab.providers.scripted import scripted

STT, LLM, TTS = "deepgram/nova-3", "openai/gpt-4o", "cartesia/sonic-3"  # fragment 39.1.2a


def make_engines(providers: str) -> CallEngines:
    """Return a room's tools, and our engines if it is to use them. Needs a running loop."""
    ours = offline() if providers == "offline" else scripted([], RuleLLM())  # never asked
    return CallEngines(ours, shop_tools(data.shop()), Line())


def make_session(engines: CallEngines, providers: str) -> AgentSession:
    """Return a session on LiveKit's plugins ("livekit") or on our engines ("offline")."""
    if providers == "offline":
        return AgentSession(**make_plugins(engines))
    return AgentSession(stt=inference.STT(STT), llm=inference.LLM(LLM), tts=inference.TTS(TTS))


async def answer_room(context: JobContext, providers: str, out: Path | None) -> None:
    """Join a room and hold the conversation there; LiveKit ends it when the caller has left."""
    engines = make_engines(providers)
    session = make_session(engines, providers)
    note_events(session, engines)

    async def save() -> None:
        if out is not None:
            folder = out / context.room.name
            await asyncio.to_thread(engines.line.call().save, folder)

    context.add_shutdown_callback(save)
    await session.start(make_agent(engines), room=context.room)
    session.say(GREETING)


def make_server(providers: str, out: Path | None = None) -> AgentServer:
    """Return the worker that a LiveKit server sends its rooms to."""
    server = AgentServer(host="127.0.0.1", port=0)  # its page of health, for this machine only
    server.rtc_session(functools.partial(answer_room, providers=providers, out=out))
    return server


async def serve(server: AgentServer) -> None:
    """Answer rooms until the task is cancelled."""
    try:
        await server.run(devmode=True)
    finally:
        await server.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="voxlab.frameworks.livekit_room")
    parser.add_argument("--providers", choices=("livekit", "offline"), default="livekit")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(make_server(arguments.providers, arguments.out)))
