"""One connection's session: a loop that owns it, with a reader and a writer beside it.

Whatever happens (a frame of the client, a piece of a response, a transcript, a timer) goes through
one bounded inbox and is handled one after another, so that no two hands ever change the session at
once. A client that does not read fills the send queue; then those who make sound wait, then the
inbox, then the client's own connection: nobody else notices.
"""

import asyncio
from contextlib import suppress

from voxlab.agents.sockets import MessageSocket, SocketClosed
from voxlab.providers.protocols import Providers
from voxlab.serving.goodbyes import Leave, SessionOver
from voxlab.serving.realtime.protocol import beta_dialect
from voxlab.serving.realtime.protocol.errors import Refused
from voxlab.serving.realtime.session import InboxMessage, Session, SessionOptions, VADFailed
from voxlab.serving.realtime.session_events import SessionEvents
from voxlab.serving.realtime.transport.send_queue import SendQueue

INBOX = 4  # messages; a frame may hold 15 MiB of audio
FAREWELL_S = 5.0  # the last events have so long to reach the client


class _Over(Exception): ...


async def run_session(wire: MessageSocket, providers: Providers, options: SessionOptions) -> None:
    """Hold a session until the client leaves, the time is up, the VAD fails or the server stops.

    Then nothing is left running.
    """
    inbox: asyncio.Queue[InboxMessage] = asyncio.Queue(INBOX)
    events = SessionEvents(options.on_event) if options.on_event else None
    shim = beta_dialect.outgoing if options.is_beta else None
    queue = SendQueue(options.token, shim, events.note if events else None)

    async def read() -> None:
        while True:
            await inbox.put(await wire.receive())

    async def write() -> None:
        while True:
            for frame in await queue.get():
                await wire.send(frame)

    async def wait_to_leave(leaving: asyncio.Event) -> None:
        await leaving.wait()
        await inbox.put(Leave())

    async def handle_messages(session: Session) -> None:
        while True:
            message = await inbox.get()
            await queue.relief()
            await session.handle(message)

    try:
        async with asyncio.TaskGroup() as group:
            session = Session(providers, options, queue, inbox.put, group.create_task)
            if events is not None:
                events.find_input_s = lambda: session.audio.end_s
            group.create_task(read())
            group.create_task(write())
            if options.leaving is not None:
                group.create_task(wait_to_leave(options.leaving))
            try:
                async with asyncio.timeout(options.longest_s):
                    with suppress(VADFailed, SessionOver):
                        await handle_messages(session)
            except TimeoutError:
                minutes = options.longest_s / 60
                said = f"Your session hit the maximum duration of {minutes:g} minutes."
                session.refuse(Refused("session_expired", said))
            async with asyncio.timeout(FAREWELL_S):
                await queue.flushed()
            raise _Over
    except* (SocketClosed, _Over, TimeoutError):
        pass
    finally:
        if events is not None:
            events.close()
