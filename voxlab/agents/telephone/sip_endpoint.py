"""A SIP telephone: it places calls and is called, and gives each call's sound an RTP link.

    async with sip_endpoint() as endpoint:
        call = await endpoint.place("sip:agent@127.0.0.1:5060")

Messages and dialogs are aiosipua's. What is not in it: transactions (sip_transport) and the choice
of codecs (telephony.sdp).
"""

import asyncio
import importlib.util
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from voxlab.agents.datagrams import Address, Network, Udp
from voxlab.agents.telephone.rtp_link import LOST_S, RtpLink
from voxlab.agents.telephone.sip_transport import SIP_PORT, RepeatingTransport
from voxlab.errors import TelephonyError, missing_extra
from voxlab.telephony import sdp
from voxlab.telephony.codecs import available_codecs
from voxlab.telephony.sdp import Description, Direction

if TYPE_CHECKING:
    from aiosipua import IncomingCall, OutgoingCall, SdpMessage, SipRequest, SipResponse
    from aiosipua.transport import SipTransport

MOVED, NOT_FOUND, UNAVAILABLE, BUSY, NOT_ACCEPTABLE, NO_SERVICE = 302, 404, 480, 486, 488, 503
MOST_REDIRECTS = 5  # of one call: two servers that send it to each other are left
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndpointOptions:
    """host, port: where SIP is spoken; port 0 for any that is free; sound has ports of its own.

    codecs: names of those to use, the best first. lost_s: a call ends after so long without sound.
    """

    host: str = "127.0.0.1"
    port: int = 0
    codecs: Sequence[str] = ()
    lost_s: float = LOST_S


def check_sip() -> None:
    """Raise TelephonyError with the command that installs the extra, if that is missing."""
    if importlib.util.find_spec("aiosipua") is None:
        raise TelephonyError(f"SIP needs the package aiosipua: {missing_extra('sip')}")


class SipCall:
    """One call at one end: its dialog, and the link that carries its sound.

    on_over: told once why the other side has ended the call.
    """

    def __init__(self, endpoint: "SipEndpoint", link: RtpLink, peer: str) -> None:
        self.link = link
        self._peer = peer  # the host that signals
        self.ended = ""
        self.on_over: Callable[[str], None] = lambda why: None
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dialog: IncomingCall | OutgoingCall | None = None
        self.redirects = 0
        self._endpoint = endpoint
        self._version = 0
        self._remote: Description | None = None

    def end(self, why: str) -> None:
        """Note that the other side has ended the call."""
        if not self.ended:
            self.ended = why
            self.on_over(why)

    def hang_up(self) -> None:
        """End the call from here, or take back a call that has not been answered."""
        if not self.ended:
            self.ended = "hung up here"
            self._endpoint.say_goodbye(self)
        self._endpoint.forget(self)
        self.link.close()

    def hold(self) -> None:
        """Put the other side on hold, in a call that was placed from here."""
        self._endpoint.offer_again(self, self.offer(Direction.SEND))

    def take_back(self) -> None:
        """Take the other side back from hold."""
        self._endpoint.offer_again(self, self.offer(Direction.BOTH))

    def follow(self, peer: str) -> None:
        """Go on with another peer. peer: the host that signals there."""
        self._peer = peer
        self.redirects += 1

    # --- offers and answers --------------------------------------------------------------------

    def offer(self, direction: Direction) -> Description:
        """Return an offer of ours, and hear what may come of it at once."""
        offered = sdp.offer(*self.link.socket.address, self._endpoint.codecs)
        self.link.expect(offered)
        self._version += 1
        return replace(offered, direction=direction, version=self._version)

    def answer(self, offered: str) -> Description:
        """Return our answer to an offer; to none in mid-call, what we agreed on.

        Raises TelephonyError if it cannot be answered; then all stays as it was.
        """
        remote = sdp.parse(offered) if offered else self._remote
        if remote is None:
            raise TelephonyError("an INVITE without an offer: needs one that says where to send")
        self._version += 1
        address = self.link.socket.address
        ours = sdp.answer(remote, *address, self._endpoint.codecs, self._version)
        self._remote = remote
        self.link.agree(replace(remote, codecs=ours.codecs), ours.direction, self._peer)
        return ours

    def take_answer(self, answer: str) -> None:
        """Take the answer to an offer of ours. Raises TelephonyError if it cannot be used."""
        remote = sdp.parse(answer)
        if not remote.sound or remote.sound[0][1] not in self._endpoint.codecs:
            types = [payload_type for payload_type, _ in remote.codecs]
            raise TelephonyError(f"an answer without a codec of the offer: payload types {types}")
        self.link.agree(remote, remote.direction.mirrored, self._peer)


class SipEndpoint:
    """A telephone at one UDP address; see `sip_endpoint`.

    on_call: told of a call that comes in, to `answer` or `refuse` it.
    """

    def __init__(
        self, transport: RepeatingTransport, network: Network, options: EndpointOptions
    ) -> None:
        from aiosipua import SipUAC, SipUAS

        self.codecs = tuple(options.codecs) or available_codecs()
        self.on_call: Callable[[IncomingCall], None] = lambda call: self.refuse(call, UNAVAILABLE)
        self._transport = transport
        self._network = network
        self._lost_s = options.lost_s
        self._rng = np.random.default_rng()
        self._calls: dict[str, SipCall] = {}
        theirs = cast("SipTransport", transport)
        self._uac = SipUAC(theirs)
        self._uas = SipUAS(theirs, uac=self._uac, user_agent="voxlab")
        self._uas.on_invite = lambda call: self.on_call(call)
        self._uas.on_reinvite = self._take_offer
        self._uas.on_bye = lambda call, request: self._end(call.call_id, "hung up")
        self._uas.on_cancel = lambda request, sender: self._end(request.call_id, "gave up")
        self._uas.on_ack_timeout = lambda call: self._end(call.call_id, "never took the answer")
        transport.takes_response = self._take_response
        transport.on_ack = self._take_ack
        transport.on_silence = self._take_silence

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._transport.local_addr

    @property
    def url(self) -> str:
        """The address by which it is called."""
        return "sip:agent@{}:{}".format(*self.address)

    async def start(self) -> None:
        """Begin to listen."""
        await self._uas.start()

    async def stop(self) -> None:
        """Hang up all calls and stop listening."""
        for call in tuple(self._calls.values()):
            call.hang_up()
        await self._uas.stop()

    async def _open(self, peer: str) -> SipCall:
        socket = await self._network.open(self.address[0], 0)
        return SipCall(self, RtpLink(socket, self._rng, lost_s=self._lost_s), peer)

    # --- calls that come in --------------------------------------------------------------------

    def refuse(self, dialog: "IncomingCall", status: int, why: str = "", **headers: str) -> None:
        """Refuse a call, unless it was given up. status: such as BUSY; headers: with _ for -."""
        if _has_ended(dialog):
            return
        response = dialog.dialog.create_response(dialog.invite, status, why)
        for name, value in headers.items():
            response.set_header(name.replace("_", "-"), value)
        self._transport.send_reply(response)
        dialog.dialog.terminate()
        self._uas._calls.pop(dialog.call_id, None)  # it would keep it until the ACK

    def redirect(self, dialog: "IncomingCall", url: str) -> None:
        """Let a caller call somebody else. url: a sip: address."""
        self.refuse(dialog, MOVED, "Moved Temporarily", Contact=f"<{url}>")

    async def answer(self, dialog: "IncomingCall") -> SipCall:
        """Answer a call; one without an offer gets ours, and is answered by its ACK.

        Raises TelephonyError if it is given up meanwhile; also, and refuses it, if its offer cannot
        be answered, or its answer not be used.
        """
        call = await self._open(dialog.source_addr[0])
        if _has_ended(dialog):
            call.link.close()
            raise TelephonyError("the caller gave up while it rang")
        dialog.ringing()
        call.dialog = dialog
        self._calls[dialog.call_id] = call
        try:
            if dialog.invite.text:
                dialog.accept(_theirs(call.answer(dialog.invite.text)))
                call.answered.set_result(None)
        except TelephonyError:
            self.refuse(dialog, NOT_ACCEPTABLE)
            call.ended = "refused"
            call.hang_up()
            raise
        if not call.answered.done():  # no offer: ours is in the response, its answer in the ACK
            dialog.accept(_theirs(call.offer(Direction.BOTH)))
            try:
                await call.answered
            except TelephonyError:
                call.hang_up()
                raise
        return call

    def _take_offer(self, dialog: "IncomingCall") -> None:
        """Answer a new offer in mid-call."""
        call = self._calls.get(dialog.call_id)
        if call is None:
            return
        try:
            dialog.accept(_theirs(call.answer(dialog.invite.text)))
        except TelephonyError as error:
            log.warning("refused a new offer, the call goes on: %s", error)
            refusal = dialog.dialog.create_response(dialog.invite, NOT_ACCEPTABLE)
            self._transport.send_reply(refusal)

    # --- calls from here -----------------------------------------------------------------------

    async def place(self, url: str, caller: str = "caller") -> SipCall:
        """Call somebody; return the call while it rings: its `answered` tells what comes of it.

        url: such as sip:agent@127.0.0.1:5060. Raises TelephonyError if it is no such address.
        """
        found = re.fullmatch(r"sip:[^@\s]+@([\w.-]+)(?::(\d{1,5}))?", url)
        if found is None:
            raise TelephonyError(f"{url!r} is no address: needs sip:NAME@HOST:PORT")
        to = found[1], int(found[2] or SIP_PORT)
        call = await self._open(to[0])
        self._invite(call, url, to, "sip:{}@{}:{}".format(caller, *self.address))
        return call

    def _invite(self, call: SipCall, url: str, to: Address, here: str) -> None:
        offered = _theirs(call.offer(Direction.BOTH))
        dialog = self._uac.send_invite(here, url, to, offered, user_agent="voxlab")
        call.dialog = dialog
        self._calls[dialog.call_id] = call

    def offer_again(self, call: SipCall, offered: Description) -> None:
        """Make a new offer in mid-call."""
        if call.dialog is not None:
            address = cast("OutgoingCall", call.dialog).remote_addr
            self._uac.send_reinvite(call.dialog.dialog, _theirs(offered), address)

    def _take_response(self, response: "SipResponse") -> bool:
        """Take what an INVITE of ours came to; True if aiosipua need not know it."""
        from aiosipua.headers import stringify_uri

        call = self._calls.get(response.call_id or "")
        cseq = response.cseq
        if call is None or call.dialog is None or cseq is None or cseq.method != "INVITE":
            return False
        if response.status_code >= 300:
            if call.answered.done():  # aiosipua would take a refused offer for a refused call
                log.warning("a new offer was refused")
                return True
            if response.status_code < 400 and self._follow(call, response):
                return True
            reason = f"{response.status_code} {response.reason_phrase}"
            call.answered.set_exception(TelephonyError(f"the call was refused: {reason}"))
        elif response.status_code >= 200:
            if response.contact:
                call.dialog.dialog.remote_target = stringify_uri(response.contact[0].uri)
            self._take_answer(call, response.text)
        return False

    def _follow(self, call: SipCall, response: "SipResponse") -> bool:
        """Call the first address that a redirection names; False if there is none, or no end.

        The new INVITE has a Call-ID of its own, which RFC 3261, section 8.1.3.4, leaves to us.
        """
        from aiosipua.headers import stringify_uri

        old = cast("OutgoingCall", call.dialog)
        uri = response.contact[0].uri if response.contact else None
        if uri is None or uri.scheme != "sip" or call.redirects >= MOST_REDIRECTS:
            return False
        self.forget(call)
        self._uac.remove_call(old.call_id)
        call.follow(uri.host)
        url, to = stringify_uri(uri), (uri.host, uri.port or SIP_PORT)
        log.info("call %s is redirected", old.call_id)
        self._invite(call, url, to, old.caller)
        return True

    def _take_answer(self, call: SipCall, answer: str) -> None:
        try:
            call.take_answer(answer)
        except TelephonyError as error:
            if not call.answered.done():
                call.answered.set_exception(error)
        else:
            if not call.answered.done():
                call.answered.set_result(None)

    def _take_ack(self, request: "SipRequest") -> None:
        """Take the answer to our offer, in a call that came in without one."""
        call = self._calls.get(request.call_id or "")
        if call is not None and not call.answered.done():
            self._take_answer(call, request.text)

    def _take_silence(self, request: "SipRequest") -> None:
        call = self._calls.get(request.call_id or "")
        if call is not None and request.method == "INVITE" and not call.answered.done():
            call.answered.set_exception(TelephonyError(f"nobody answers at {request.uri}"))

    # --- the end -------------------------------------------------------------------------------

    def say_goodbye(self, call: SipCall) -> None:
        """Send BYE, or CANCEL to a call that still rings."""
        from aiosipua import OutgoingCall

        if isinstance(call.dialog, OutgoingCall):
            call.dialog.hangup(self._uac) or call.dialog.cancel(self._uac)
        elif call.dialog is not None:
            call.dialog.hangup()

    def forget(self, call: SipCall) -> None:
        """Keep nothing of a call that is over."""
        if call.dialog is not None:
            self._calls.pop(call.dialog.call_id, None)
            self._uas._calls.pop(call.dialog.call_id, None)  # it keeps those that were ended here

    def _end(self, call_id: str | None, why: str) -> None:
        if call_id in self._calls:
            call = self._calls[call_id]
            call.end(why)
            if not call.answered.done():
                call.answered.set_exception(TelephonyError(f"the other side {why}"))


def _has_ended(dialog: "IncomingCall") -> bool:
    from aiosipua import DialogState

    return dialog.dialog.state is DialogState.TERMINATED


def _theirs(description: Description) -> "SdpMessage":
    from aiosipua.sdp import parse_sdp

    return parse_sdp(sdp.write(description))


@asynccontextmanager
async def sip_endpoint(
    options: EndpointOptions | None = None, network: Network | None = None
) -> AsyncIterator[SipEndpoint]:
    """Be reachable until the block ends; calls that are on then are hung up.

    Raises TelephonyError if the extra is missing or the host no single address, VoxlabError if the
    port is taken.
    """
    check_sip()
    options, network = options or EndpointOptions(), network or Udp()
    if options.host in sdp.HELD_ADDRESSES:
        raise TelephonyError(
            f"--host {options.host}: the other side must be told where to send its sound (in SDP "
            "this address means hold): give the address of one network card"
        )
    socket = await network.open(options.host, options.port)
    endpoint = SipEndpoint(RepeatingTransport(socket), network, options)
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.stop()
