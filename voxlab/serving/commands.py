"""The command `voxlab serve`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.errors import VoxlabError
from voxlab.serving import worker_commands

if TYPE_CHECKING:
    from voxlab.agents.calls import Party
    from voxlab.agents.telephone.agent import CallerVoice
    from voxlab.providers.protocols import TTS
    from voxlab.serving.sip import SipStart
    from voxlab.telephony.twilio import Start
    from voxlab.timeline import Call

Add = Callable[..., argparse.ArgumentParser]


def add(commands: Any, add_command: Add) -> Any:
    """Add the command to the parser; return where its kinds go. add_command: see voxlab.cli."""
    about = "run a server on this machine"
    serve = commands.add_parser("serve", help=about, description=about)
    kinds = serve.add_subparsers(required=True, metavar="KIND")

    about = "speak OpenAI's Realtime protocol, backed by voxlab's engines"
    realtime = add_command(kinds, "realtime", _realtime, about, "")
    realtime.epilog = "example: voxlab serve realtime --port 8765 --beta"
    realtime.add_argument("--port", type=int, default=8765, help="default: 8765; 0 for any")
    realtime.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine")
    realtime.add_argument(
        "--providers",
        choices=("offline", "scripted"),
        default="offline",
        help="scripted needs no models: it hears given questions and speaks silence",
    )
    realtime.add_argument("--llm-url", metavar="URL", help="an OpenAI-compatible language model")
    realtime.add_argument("--llm-model", metavar="NAME", help="its name there")
    realtime.add_argument("--key", help="the API key that is right; default: any")
    realtime.add_argument("--beta", action="store_true", help="allow the retired beta dialect")
    realtime.add_argument("--tls", action="store_true", help="wss, with a certificate of our own")
    realtime.add_argument("--filler", default="", help="said before a tool is called in silence")
    _add_verbose(realtime)

    about = "answer calls of Twilio's media streams with the shop's agent"
    twilio = add_command(kinds, "twilio", _twilio, about, "")
    twilio.epilog = "example: voxlab serve twilio --port 8080 --public-url wss://example.com"
    twilio.add_argument("--port", type=int, default=8080, help="default: 8080; 0 for any")
    twilio.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine")
    twilio.add_argument(
        "--public-url",
        default="",
        metavar="URL",
        help="how Twilio reaches this server, such as wss://example.com",
    )
    _add_telephone(twilio, "The language is that of the web hook: /voice?language=en-GB")

    about = "answer SIP calls with the shop's agent"
    sip = add_command(kinds, "sip", _sip, about, "")
    sip.epilog = "example: voxlab serve sip --port 5060 --most-calls 2, and then call it: baresip"
    sip.add_argument("--port", type=int, default=5060, help="default: 5060; 0 for any")
    sip.add_argument(
        "--host",
        default="127.0.0.1",
        help="default: 127.0.0.1, this machine; it must be an address of one network card, since "
        "the other side is told it; whoever reaches it may call",
    )
    sip.add_argument(
        "--most-calls", type=int, default=20, metavar="N", help="the next is busy; default: 20"
    )
    _add_telephone(sip, "The language is that of the INVITE's Accept-Language")
    worker_commands.add(kinds, add_command, _add_verbose)

    about = "answer the rooms of a LiveKit server with the shop's agent on LiveKit Agents"
    livekit = add_command(kinds, "livekit", _livekit, about, "")
    livekit.epilog = (
        "Ctrl-C and SIGTERM end the worker at once, and the calls that it holds: nothing drains. "
        "example: LIVEKIT_URL=wss://... LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=... "
        "voxlab serve livekit"
    )
    livekit.add_argument(
        "--providers",
        choices=("livekit", "offline"),
        default="livekit",
        help="livekit: Deepgram, OpenAI and Cartesia by LiveKit's gateway, with the same keys; "
        "offline: our engines (default: livekit)",
    )
    livekit.add_argument("--out", type=Path, metavar="DIR", help="write each room's timeline there")
    return kinds


def _add_telephone(command: argparse.ArgumentParser, language: str) -> None:
    """Add the options of an agent on a telephone. language: where the caller's comes from."""
    command.add_argument("--providers", choices=("offline", "openai"), default="offline")
    command.add_argument(
        "--voice",
        action="append",
        default=[],
        metavar="LANGUAGE=NAME",
        help="a voice for callers of one language, such as en-GB=verse; may be given again. "
        + language,
    )
    command.add_argument(
        "--endpoint",
        type=float,
        metavar="SECONDS",
        help="a fixed silence that ends a turn, such as 0.3 (default: judged by words and sound)",
    )
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="write each call's recording and timeline there"
    )
    _add_verbose(command)


def _add_verbose(command: argparse.ArgumentParser) -> None:
    about = "log connections, errors and closings on the error stream"
    command.add_argument("--verbose", action="store_true", help=about)


def start_log(arguments: argparse.Namespace) -> None:
    """Log warnings, with --verbose also who comes, what fails and who goes; never what is said."""
    logging.basicConfig(format="%(asctime)s  %(message)s")
    logging.getLogger("voxlab").setLevel(logging.INFO if arguments.verbose else logging.WARNING)


def _twilio(arguments: argparse.Namespace) -> int:
    check_port(arguments.port)
    start_log(arguments)
    from voxlab.clock import run_real

    run_real(_serve_twilio(arguments))
    return 0


async def _serve_twilio(arguments: argparse.Namespace) -> None:
    from voxlab.serving.twilio import TwilioOptions, serving_twilio
    from voxlab.telephony import g711

    make_agent = _telephone_agents(arguments)

    def keep(start: "Start", call: "Call") -> None:
        keep_record(start.call_sid, call, arguments.out)

    def answer(start: "Start") -> "Party":
        return make_agent(start.parameters, g711.RATE_HZ)

    token = os.environ.get("TWILIO_AUTH_TOKEN")
    options = TwilioOptions(arguments.host, arguments.port, arguments.public_url, token)
    async with serving_twilio(answer, options, keep) as server:
        signed = "signed requests only" if token else "TWILIO_AUTH_TOKEN is not set: any request"
        print(f"{server.url}  (web hook {server.voice_url}; {signed}; Ctrl-C stops)", flush=True)
        await until_stopped()


def _sip(arguments: argparse.Namespace) -> int:
    check_port(arguments.port)
    start_log(arguments)
    from voxlab.agents.telephone.sip_endpoint import check_sip
    from voxlab.clock import run_real

    check_sip()  # before the engines are loaded
    run_real(_serve_sip(arguments))
    return 0


async def _serve_sip(arguments: argparse.Namespace) -> None:
    from voxlab.serving.sip import SipOptions, serving_sip
    from voxlab.telephony.codecs import CODECS

    make_agent = _telephone_agents(arguments)

    def keep(start: "SipStart", call: "Call") -> None:
        keep_record(start.name, call, arguments.out)

    def answer(start: "SipStart") -> "Party":
        return make_agent(start.parameters, CODECS[start.codec].rate_hz)

    options = SipOptions(arguments.host, arguments.port, most_calls=arguments.most_calls)
    async with serving_sip(answer, options, keep) as server:
        print(f"{server.url}  (whoever reaches it may call; Ctrl-C stops)", flush=True)
        await until_stopped()


def _livekit(arguments: argparse.Namespace) -> int:
    from voxlab.frameworks.processes import find_python

    needed = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    if missing := [name for name in needed if not os.environ.get(name)]:
        raise VoxlabError(
            f"{', '.join(missing)} not set: a LiveKit server's address, such as "
            "ws://127.0.0.1:7880, and a key and secret that it knows"
        )
    command = [str(find_python("livekit")), "-m", "voxlab.frameworks.livekit_room"]
    command += ["--providers", arguments.providers]
    command += ["--out", str(arguments.out)] if arguments.out else []
    sys.stdout.flush()
    os.execv(command[0], command)  # in our place, so that signals reach the worker


def _telephone_agents(
    arguments: argparse.Namespace,
) -> Callable[[Mapping[str, str], int], "Party"]:
    """Return a function that makes the agent of a call, by its parameters and its rate."""
    from voxlab.agents.telephone.agent import TelephoneOptions, telephone_agent

    if arguments.providers == "openai":
        from voxlab.providers.openai.speech import openai

        providers = openai()
    else:
        from voxlab.providers.offline import offline

        providers = offline()
    voices = _voices(arguments.voice, providers.tts)

    def make_agent(parameters: Mapping[str, str], rate_hz: int) -> "Party":
        options = TelephoneOptions(rate_hz, arguments.endpoint, voices)
        return telephone_agent(parameters, options, providers)

    return make_agent


def keep_record(name: str, call: "Call", folder: Path | None) -> None:
    """Tell how a call ended; write its record into a folder of its name."""
    from voxlab.serving.telephone_calls import tell_end

    print(f"call {name}: {tell_end(call)}", flush=True)
    if folder:
        call.save(folder / name)


def _voices(given: list[str], tts: "TTS") -> "dict[str, CallerVoice]":
    """Read --voice: by language, the voice of that name that the providers have."""
    from voxlab.agents.telephone.agent import CallerVoice
    from voxlab.providers.protocols import ManyVoices

    voices = {}
    for each in given:
        language, is_split, name = each.partition("=")
        if not (language and is_split and isinstance(tts, ManyVoices) and name in tts.voices):
            known = ", ".join(tts.voices) if isinstance(tts, ManyVoices) else "one only"
            raise VoxlabError(f"--voice {each}: needs LANGUAGE=NAME; the voices are {known}")
        voices[language] = CallerVoice(tts.in_voice(name))
    return voices


async def until_stopped() -> None:
    """Wait for SIGTERM, by which containers and init systems stop a program; Ctrl-C cancels us."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


def check_port(port: int) -> None:
    """Raise VoxlabError if it is no port."""
    if not 0 <= port <= 65535:
        raise VoxlabError(f"--port {port}: needs 0 to 65535, 0 for any that is free")


def _realtime(arguments: argparse.Namespace) -> int:
    if bool(arguments.llm_url) != bool(arguments.llm_model):
        raise VoxlabError("a language model needs both --llm-url and --llm-model")
    check_port(arguments.port)
    start_log(arguments)
    from voxlab.clock import run_real
    from voxlab.serving.realtime import engines

    offline = arguments.providers == "offline"
    made = engines.offline_engines() if offline else engines.scripted_engines()
    if arguments.llm_url:
        made = engines.with_llm(made, arguments.llm_url, arguments.llm_model)
    run_real(_serve(arguments, made))
    return 0


async def _serve(arguments: argparse.Namespace, engines: Any) -> None:
    from voxlab.serving.realtime.session import SessionOptions
    from voxlab.serving.realtime.transport.server import ServerOptions, serving, use_few_threads
    from voxlab.serving.realtime.transport.tls import certificate, tls_context

    file = certificate() if arguments.tls else None
    options = ServerOptions(
        host=arguments.host,
        port=arguments.port,
        key=arguments.key,
        allows_beta=arguments.beta,
        tls=tls_context(file) if file else None,
        session=SessionOptions(filler=arguments.filler),
    )
    use_few_threads()
    async with serving(engines, options) as server:
        print(f"{server.url}  (base_url {server.http_url}; Ctrl-C stops)", flush=True)
        if file:
            print(f"clients trust {file}", flush=True)
        await until_stopped()
