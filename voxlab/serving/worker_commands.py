"""The command `voxlab serve worker`."""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxlab.errors import VoxlabError

if TYPE_CHECKING:
    from voxlab.agents.calls import Party
    from voxlab.providers.protocols import Providers
    from voxlab.serving.sip import SipStart
    from voxlab.serving.workers.front import Front, FrontOptions
    from voxlab.serving.workers.processes import Processes
    from voxlab.serving.workers.ray_actors import RayWorkers
    from voxlab.serving.workers.worker import Worker, WorkerOptions
    from voxlab.telephony.twilio import Start
    from voxlab.timeline import Call

    Serve = Callable[[WorkerOptions], AbstractAsyncContextManager[Worker]]

TOKEN, KEY = "VOXLAB_WORKER_TOKEN", "VOXLAB_CALL_KEY"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EPILOG = f"""\
example: voxlab serve worker --protocol twilio --processes 2

POST /calls gives a call the address of the process that will hold it; Twilio's web hook is /voice,
and a Realtime client may open /v1/realtime: it is redirected, as is a SIP telephone that calls
sip:agent@HOST:PORT (UDP, at the number of the HTTP port). SIGTERM drains: calls that are on
finish, new ones are refused, and at the deadline the rest end with a goodbye. SIGHUP replaces the
processes one after another. /healthz, /readyz and /load tell how it is, /metrics what its calls
were like.
Environment: {KEY}: callers need it as "Authorization: Bearer ..." (default: none is needed);
TWILIO_AUTH_TOKEN: only signed web hooks are answered; {TOKEN}: workers join with it.
"""


def add(
    kinds: Any,
    add_command: Callable[..., argparse.ArgumentParser],
    add_verbose: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add the command to the parser of `voxlab serve`."""
    about = "hold calls in processes that drain, each call at an address of its own"
    worker = add_command(kinds, "worker", _worker, about, "")
    worker.formatter_class, worker.epilog = argparse.RawDescriptionHelpFormatter, EPILOG
    worker.add_argument("--protocol", choices=("realtime", "twilio", "sip"), default="realtime")
    worker.add_argument("--port", type=int, default=8090, help="default: 8090; 0 for any")
    worker.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine")
    worker.add_argument(
        "--processes",
        type=int,
        default=2,
        metavar="N",
        help="worker processes beside the front, 0: all join from elsewhere; default: 2",
    )
    worker.add_argument(
        "--join", metavar="URL", help="be one worker process of the front at URL, and no front"
    )
    worker.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="place the N workers as actors of the Ray cluster at ADDRESS, such as auto for the "
        "one that runs here, each on a machine with a free CPU; --host must be what they reach",
    )
    worker.add_argument(
        "--public-url",
        default="",
        metavar="URL",
        help="how callers reach it, such as wss://one.example.com; SIP callers are told --host",
    )
    worker.add_argument(
        "--elsewhere",
        default="",
        metavar="URL",
        help="where SIP callers are sent while this front drains, such as sip:agent@HOST:PORT of "
        "another; default: they are refused",
    )
    worker.add_argument(
        "--most-calls", type=int, default=8, metavar="N", help="of one process; default: 8"
    )
    worker.add_argument(
        "--drain-limit",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="calls that last longer after SIGTERM end with a goodbye; default: 600",
    )
    worker.add_argument(
        "--metrics",
        action="store_true",
        help=f"measure the calls that are over: /metrics, for Prometheus, with {TOKEN} as bearer",
    )
    worker.add_argument("--providers", choices=("offline", "scripted"), default="offline")
    worker.add_argument(
        "--out", type=Path, metavar="DIR", help="write each telephone call's record there"
    )
    add_verbose(worker)


def _worker(arguments: argparse.Namespace) -> int:
    from voxlab.clock import run_real
    from voxlab.serving.commands import check_port, start_log

    check_port(arguments.port)
    if arguments.most_calls < 1 or arguments.processes < 0 or not arguments.drain_limit >= 0:
        raise VoxlabError("--most-calls needs 1 or more, --processes and --drain-limit 0 or more")
    token = os.environ.get(TOKEN, "")
    if not token and (arguments.join or arguments.host not in LOOPBACK):
        raise VoxlabError(
            f"{TOKEN} is not set: workers and a front that is not on this machine only need a "
            "secret that they share"
        )
    if arguments.protocol == "sip":
        _check_sip(arguments)
    elif arguments.elsewhere:
        raise VoxlabError(
            "--elsewhere is for --protocol sip: others ask the front that they choose"
        )
    if arguments.metrics and not token:
        raise VoxlabError(f"--metrics needs {TOKEN}: who asks for /metrics sends it as bearer")
    if arguments.ray and (arguments.join or arguments.public_url):
        raise VoxlabError("--ray: a front whose workers are actors; without --join, --public-url")
    start_log(arguments)
    if arguments.join:
        run_real(_serve_process(arguments, token, _calls(arguments)))
    else:
        run_real(_serve_front(arguments, token or secrets.token_urlsafe(24)))
    return 0


def _check_sip(arguments: argparse.Namespace) -> None:
    """Raise VoxlabError if SIP is missing, or cannot do what is asked of it."""
    from voxlab.agents.telephone.sip_endpoint import check_sip

    check_sip()
    if arguments.public_url:
        raise VoxlabError("--public-url: SIP callers are told --host, an address of this machine")
    if arguments.elsewhere and not arguments.elsewhere.startswith("sip:"):
        raise VoxlabError(f"--elsewhere {arguments.elsewhere}: needs sip:NAME@HOST:PORT")


def _calls(arguments: argparse.Namespace) -> "Serve":
    """Return what runs a worker: its calls speak the protocol, with the engines asked for."""
    from voxlab.serving.realtime.engines import offline_engines, scripted_engines
    from voxlab.serving.workers import protocols
    from voxlab.serving.workers.worker import serving_worker

    engines = offline_engines() if arguments.providers == "offline" else scripted_engines()
    if arguments.protocol == protocols.REALTIME:
        return partial(serving_worker, protocols.REALTIME, protocols.realtime_calls(engines))
    from voxlab.serving.commands import keep_record
    from voxlab.telephony import g711
    from voxlab.telephony.codecs import CODECS

    if arguments.protocol == protocols.SIP:
        from voxlab.serving.workers.sip import serving_sip_worker

        def answer_sip(start: "SipStart") -> "Party":
            return _agent(arguments, engines(), start.parameters, CODECS[start.codec].rate_hz)

        def note_sip(start: "SipStart", call: "Call") -> None:
            keep_record(start.name, call, arguments.out)

        return partial(serving_sip_worker, answer_sip, engines().tts, note_sip)

    def answer(start: "Start") -> "Party":
        return _agent(arguments, engines(), start.parameters, g711.RATE_HZ)

    def note(start: "Start", call: "Call") -> None:
        keep_record(start.call_sid, call, arguments.out)

    calls = protocols.twilio_calls(answer, engines().tts, note)
    return partial(serving_worker, protocols.TWILIO, calls)


def _agent(
    arguments: argparse.Namespace,
    providers: "Providers",
    parameters: Mapping[str, str],
    rate_hz: int,
) -> "Party":
    """Return the agent of one telephone call."""
    from voxlab.agents.shop import shop_agent
    from voxlab.agents.telephone.agent import TelephoneOptions, telephone_agent

    if arguments.providers == "scripted":
        return shop_agent(providers)
    return telephone_agent(parameters, TelephoneOptions(rate_hz), providers)


async def _serve_process(arguments: argparse.Namespace, token: str, serve: "Serve") -> None:
    """Be one worker process until it has drained."""
    from voxlab.serving.realtime.transport.server import use_few_threads
    from voxlab.serving.workers.joining import work_until_stopped

    options = _worker_options(arguments, arguments.join, token)
    use_few_threads()
    async with serve(options) as worker:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
        print(f"worker {os.getpid()} at {worker.url}  (SIGTERM drains)", flush=True)
        await work_until_stopped(worker, arguments.join, token)


def _worker_options(arguments: argparse.Namespace, front_url: str, token: str) -> "WorkerOptions":
    from voxlab.serving.workers.admission import Limits
    from voxlab.serving.workers.worker import WorkerOptions

    front = front_url.rstrip("/")
    sip_front = "sip:agent@" + front.partition("://")[2]
    return WorkerOptions(
        arguments.host,
        arguments.port,
        arguments.public_url,
        elsewhere=sip_front if arguments.protocol == "sip" else front + "/calls",
        limits=Limits(most_calls=arguments.most_calls, drain_s=arguments.drain_limit),
        token=token,
        measures=arguments.metrics,
    )


async def _serve_front(arguments: argparse.Namespace, token: str) -> None:
    """Be the front, with processes of its own, until all of them have drained."""
    from voxlab.serving.workers.front import FrontOptions

    options = FrontOptions(
        arguments.host,
        arguments.port,
        token,
        os.environ.get(KEY),
        os.environ.get("TWILIO_AUTH_TOKEN"),
        arguments.public_url,
        measures=arguments.metrics,
    )
    async with _front(arguments, options) as front:
        processes = _workers(arguments, front, token)
        restarts: set[asyncio.Task[None]] = set()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(
            signal.SIGHUP, lambda: restarts.add(loop.create_task(processes.restart()))
        )
        try:
            await processes.start(arguments.processes)
            where = f"{front.sip_url}  {front.url}/calls".strip()
            kind = "actors" if arguments.ray else "processes"
            print(f"{where}  ({arguments.processes} {kind}; SIGTERM drains)", flush=True)
            await stop.wait()
        finally:
            front.is_stopping = True
            for restart in restarts:
                restart.cancel()
            await processes.drain()


def _workers(arguments: argparse.Namespace, front: "Front", token: str) -> "Processes | RayWorkers":
    """Return the workers behind a front: processes of this machine, or actors of a cluster."""
    if arguments.ray:
        from voxlab.serving.workers.ray_actors import RayOptions, RayWorkers

        options = replace(_worker_options(arguments, front.url, token), port=0)
        return RayWorkers(front, partial(_calls, arguments), options, RayOptions(arguments.ray))
    from voxlab.serving.workers.processes import Processes

    command = [sys.executable, "-m", "voxlab", *_worker_arguments(arguments), front.url]
    return Processes(front, command, {TOKEN: token})


def _front(
    arguments: argparse.Namespace, options: "FrontOptions"
) -> "AbstractAsyncContextManager[Front]":
    """Return what runs the front of a protocol."""
    if arguments.protocol == "sip":
        from voxlab.serving.workers.sip import serving_sip_front

        return serving_sip_front(options, arguments.elsewhere)
    from voxlab.serving.workers.front import serving_front

    return serving_front(arguments.protocol, options)


def _worker_arguments(arguments: argparse.Namespace) -> list[str]:
    """Return the command line of one process, up to the front's address."""
    given = ["serve", "worker", "--port", "0", "--host", arguments.host]
    for name in ("protocol", "most_calls", "drain_limit", "providers", "out"):
        if (value := getattr(arguments, name)) is not None:
            given += ["--" + name.replace("_", "-"), str(value)]
    given += [f"--{name}" for name in ("verbose", "metrics") if getattr(arguments, name)]
    return [*given, "--join"]
