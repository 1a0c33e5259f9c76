"""SIP calls of workers: the front answers an INVITE with the address of the worker that has room.

    async with serving_sip_front() as front:
        print(front.sip_url)  # sip:agent@127.0.0.1:5060 answers "302, sip:CALL@127.0.0.1:5071"

Each worker has a UDP port of its own, where the call's name is who is called. The telephone calls
again at that address, and all that follows goes there by itself: a SIP dialog belongs to the
address that the 200 names. So neither signalling nor sound passes through the front.
Source: RFC 3261, sections 8.1.3.4 (redirection), 21.3.3 (302) and 21.5.4 (503, Retry-After).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from voxlab.agents.calls import Party
from voxlab.agents.telephone.sip_endpoint import (
    NO_SERVICE,
    NOT_FOUND,
    EndpointOptions,
    check_sip,
    sip_endpoint,
)
from voxlab.errors import VoxlabError
from voxlab.providers.protocols import TTS
from voxlab.serving.http import path_of
from voxlab.serving.sip import SipHost, SipOptions, SipStart, taking_calls
from voxlab.serving.sockets import listen
from voxlab.serving.workers.front import Front, FrontOptions, serving_front
from voxlab.serving.workers.goodbye import LeavesWithGoodbye
from voxlab.serving.workers.protocols import SIP
from voxlab.serving.workers.worker import PROBES, Worker, WorkerOptions
from voxlab.timeline import Call

if TYPE_CHECKING:
    from aiosipua import IncomingCall


@asynccontextmanager
async def serving_sip_front(
    options: FrontOptions | None = None, elsewhere: str = ""
) -> AsyncIterator[Front]:
    """Place SIP calls until the block ends: SIP over UDP, at the number of the HTTP port.

    elsewhere: another front, such as sip:agent@HOST:PORT, for who calls while this one drains.
    Raises VoxlabError if the port is taken or callers need a key, TelephonyError without the extra.
    """
    options = options or FrontOptions()
    if options.key is not None:
        raise VoxlabError(
            "SIP callers cannot give a key: unset VOXLAB_CALL_KEY, and let a PBX before the front "
            "choose who may call"
        )
    async with sip_endpoint(EndpointOptions(options.host, options.port)) as endpoint:
        options = replace(options, port=endpoint.address[1])
        async with serving_front(SIP, options) as front:
            front.sip_url = endpoint.url

            async def answer(dialog: "IncomingCall") -> None:
                placed = await front.admit(dialog.source_addr[0], {})
                if isinstance(placed, str):
                    endpoint.redirect(dialog, placed)
                elif front.is_stopping and elsewhere:
                    endpoint.redirect(dialog, elsewhere)
                else:
                    endpoint.refuse(
                        dialog, NO_SERVICE, placed.said, Retry_After=str(placed.retry_s)
                    )

            async with taking_calls(endpoint, answer):
                yield front


@asynccontextmanager
async def serving_sip_worker(
    make_agent: Callable[[SipStart], Party],
    tts: TTS,
    on_call: Callable[[SipStart, Call], None] = lambda start, call: None,
    options: WorkerOptions | None = None,
) -> AsyncIterator[Worker]:
    """Hold SIP calls until the block ends; what is on then is hung up: `drain` before.

    tts: says goodbye; make_agent, on_call: see `serving_sip`. options.elsewhere: the front's SIP
    address, to which a call that was not placed here is sent back. Health is told over HTTP, at the
    same number. Raises VoxlabError if the port is taken, TelephonyError without the extra.
    """
    check_sip()
    from aiosipua.header_codec import parse_uri

    options, leaving = options or WorkerOptions(), asyncio.Event()
    worker = Worker(SIP, options, leaving)

    def make_leaving(start: SipStart) -> Party:
        return LeavesWithGoodbye(make_agent(start), tts, leaving)

    async with sip_endpoint(EndpointOptions(options.host, options.port)) as endpoint:
        host, port = endpoint.address
        worker.url = f"sip:{host}:{port}"
        calls = SipHost(
            endpoint, make_leaving, SipOptions(most_calls=options.limits.most_calls), on_call
        )

        async def answer(dialog: "IncomingCall") -> None:
            called = parse_uri(dialog.invite.uri).user or ""
            with worker.opening(worker.find(called)) as tell:
                if tell:
                    await calls.take(dialog, tell)
                elif options.elsewhere:
                    endpoint.redirect(dialog, options.elsewhere)
                elif refused := worker.refusal:
                    said = worker.explain(refused)
                    endpoint.refuse(dialog, NO_SERVICE, said, Retry_After=str(refused.retry_s))
                else:
                    endpoint.refuse(dialog, NOT_FOUND)

        def route(connection: ServerConnection, request: Request) -> Response | None:
            if path_of(request) in PROBES:
                return worker.answer_probe(connection, request)
            said = f"Calls come over SIP; here are {', '.join(PROBES)}.\n"
            return connection.respond(HTTPStatus.NOT_FOUND, said)

        async with (
            await listen(worker.tell_watcher, host, port, process_request=route),
            worker.running(),
            taking_calls(endpoint, answer),
        ):
            yield worker
