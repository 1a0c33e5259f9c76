"""SIP over datagrams that get lost: every message is repeated until it is answered, and read once.

aiosipua knows messages and dialogs; of RFC 3261's transactions it has the repetition of a 2xx. The
rest is here: requests are sent again until a response comes, a refusal until its ACK comes, and a
repeated request is answered with the response that it had.
Source: RFC 3261, sections 17.1.1, 17.1.2, 17.2.1 and 17.2.2; 18.2 and RFC 3581 for where responses
go.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from voxlab.agents.datagrams import Address, DatagramSocket
from voxlab.agents.rates import Buckets, Rate

if TYPE_CHECKING:
    from aiosipua import SipRequest, SipResponse

T1_S, T2_S = 0.5, 4.0  # the round trip assumed, and the longest pause between repetitions
GIVES_UP_S = 64 * T1_S
SIP_PORT = 5060
MESSAGES = Rate(per_s=100, burst=500)  # of one host, more are lost: SIP sends them again
LARGEST_MESSAGE = 16 * 1024  # bytes
T = TypeVar("T")
Key = tuple[str, str]  # a transaction: branch and method
log = logging.getLogger(__name__)


class RepeatingTransport:
    """Sends and receives SIP messages on a socket, reliably: aiosipua's SipTransport.

    takes_response: is asked with each response whether it is settled there; else aiosipua gets it.
    on_silence: told of a request that nobody answered; on_ack: of what acknowledges a response.
    """

    reliable = False  # to aiosipua: a 2xx is to be repeated

    def __init__(self, socket: DatagramSocket) -> None:
        self.local_addr = socket.address
        self.on_message: Callable[[SipRequest | SipResponse, Address], None] | None = None
        self.takes_response: Callable[[SipResponse], bool] = lambda response: False
        self.on_silence: Callable[[SipRequest], None] = lambda request: None
        self.on_ack: Callable[[SipRequest], None] = lambda request: None
        self._socket = socket
        self._buckets = Buckets(MESSAGES)
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._responses: dict[Key, bytes] = {}  # to requests that may come again
        self._invites: dict[str, SipRequest] = {}  # that we sent, by branch

    async def start(self) -> None:
        """Take what comes on the socket."""
        self._socket.on_datagram = self._take

    async def stop(self) -> None:
        """Close the socket and stop repeating."""
        for timer in self._timers.values():
            timer.cancel()
        self._socket.close()

    # --- out -----------------------------------------------------------------------------------

    def send_reply(self, response: "SipResponse") -> None:
        """Send a response to where its request came from."""
        via = response.via[0]
        port = via.rport or via.port or SIP_PORT
        self.send(response, (via.received or via.host, int(port)))

    def send(self, message: "SipRequest | SipResponse", addr: Address) -> None:
        """Send a message; repeat what needs an answer."""
        from aiosipua import SipResponse

        raw, key = bytes(message), _key(message)
        self._socket.send(raw, addr)
        if isinstance(message, SipResponse):
            self._responses[key] = raw
            if key[1] == "INVITE" and message.status_code >= 300:
                self._repeat(key, raw, addr)
        elif message.method != "ACK":
            if message.method == "INVITE":
                self._invites[key[0]] = message
                self._later(2 * GIVES_UP_S, self._invites, key[0])
            self._repeat(key, raw, addr, lambda: self.on_silence(message))

    def _repeat(
        self, key: Key, raw: bytes, addr: Address, on_silence: Callable[[], None] = lambda: None
    ) -> None:
        """Send again after T1, then after twice as long each time, until somebody stops it."""
        loop = asyncio.get_running_loop()

        def again(waited_s: float, pause_s: float) -> None:
            if waited_s >= GIVES_UP_S:
                self._stop(key)
                on_silence()
                return
            self._socket.send(raw, addr)
            pause_s = min(2 * pause_s, T2_S, GIVES_UP_S - waited_s)
            self._timers[key] = loop.call_later(pause_s, again, waited_s + pause_s, pause_s)

        self._stop(key)
        self._timers[key] = loop.call_later(T1_S, again, T1_S, T1_S)

    @staticmethod
    def _later(after_s: float, kept: dict[T, Any], key: T) -> None:
        """Forget what may be asked for no more."""
        asyncio.get_running_loop().call_later(after_s, kept.pop, key, None)

    def _stop(self, key: Key) -> None:
        if key in self._timers:
            self._timers.pop(key).cancel()

    # --- in ------------------------------------------------------------------------------------

    def _take(self, data: bytes, sender: Address) -> None:
        """Read a datagram: repetitions are answered here, the rest goes to aiosipua."""
        from aiosipua import SipMessage, SipRequest, SipResponse

        if self._buckets.wait_s(sender[0], asyncio.get_running_loop().time()):
            return
        if not data.strip(b"\r\n\0"):  # it keeps a NAT's mapping alive
            return
        if len(data) > LARGEST_MESSAGE:
            log.warning("passed over %d bytes from %s:%d: too many", len(data), *sender)
            return
        try:
            message = SipMessage.parse(data)
            key = _key(message)
        except (ValueError, IndexError) as error:
            kind = type(error).__name__
            log.warning("passed over %d bytes from %s:%d: no SIP, %s", len(data), *sender, kind)
            return
        if isinstance(message, SipResponse):
            self._stop(key)
            if key[1] == "INVITE" and message.status_code >= 300:
                self._acknowledge(message, key, sender)
            if self.takes_response(message):
                return
        elif self._is_repeated(message, key, sender):
            return
        else:
            _note_source(message, sender)
        try:
            if self.on_message is not None:
                self.on_message(message, sender)
        except ValueError as error:  # aiosipua reads headers and SDP only when it needs them
            kind = type(error).__name__
            log.warning(
                "refused a SIP message of %d bytes from %s:%d: %s", len(data), *sender, kind
            )
            if isinstance(message, SipRequest) and message.method != "ACK":
                self.send_reply(_bad_request(message))

    def _is_repeated(self, request: "SipRequest", key: Key, sender: Address) -> bool:
        """Answer a repeated request with the response that it had; note a new one."""
        if request.method == "ACK":
            self._stop((key[0], "INVITE"))
            self.on_ack(request)
            return False
        if key in self._responses:
            if self._responses[key]:
                self._socket.send(self._responses[key], sender)
            return True
        self._responses[key] = b""
        self._later(GIVES_UP_S, self._responses, key)
        return False

    def _acknowledge(self, response: "SipResponse", key: Key, sender: Address) -> None:
        """Acknowledge a refusal, so that it is not repeated."""
        from aiosipua import SipRequest

        invite = self._invites.get(key[0])
        if invite is None or invite.cseq is None:
            return
        ack = SipRequest(method="ACK", uri=invite.uri)
        ack.via = invite.via[:1]
        for name, source in (("From", invite), ("To", response), ("Call-ID", invite)):
            ack.set_header(name, source.get_header(name) or "")
        ack.set_header("CSeq", f"{invite.cseq.seq} ACK")
        ack.set_header("Max-Forwards", "70")
        self._socket.send(bytes(ack), sender)


def _key(message: "SipRequest | SipResponse") -> Key:
    """Return the transaction of a message. Raises ValueError if its head does not tell."""
    vias, cseq = message.via, message.cseq
    if not vias or cseq is None:
        raise ValueError("it has no Via or no CSeq")
    return vias[0].branch or "", cseq.method.upper()


def _bad_request(request: "SipRequest") -> "SipResponse":
    from aiosipua import SipResponse

    response = SipResponse(status_code=400, reason_phrase="Bad Request")
    response.via = request.via
    for name in ("From", "To", "Call-ID", "CSeq"):
        response.set_header(name, request.get_header(name) or "")
    return response


def _note_source(request: "SipRequest", sender: Address) -> None:
    """Write into the topmost Via where a request really came from, so that responses go there."""
    first, *rest = request.via
    if first.host != sender[0] or "rport" in first.params:
        first.params["received"] = sender[0]
    if "rport" in first.params:
        first.params["rport"] = str(sender[1])
    request.via = [first, *rest]
