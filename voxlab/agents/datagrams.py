"""Datagrams between addresses: a UDP socket, or a network in memory that works in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from voxlab.errors import VoxlabError

Address = tuple[str, int]


class DatagramSocket(Protocol):
    """One address: `send` to others, and be called with what comes."""

    address: Address
    on_datagram: Callable[[bytes, Address], None]

    def send(self, data: bytes, to: Address) -> None:
        """Send a datagram; nobody says whether it arrives."""
        ...

    def close(self) -> None:
        """Neither send nor receive any more."""
        ...


class Network(Protocol):
    """Where sockets are opened."""

    async def open(self, host: str, port: int) -> DatagramSocket:
        """Open a socket. port: 0 for any that is free. Raises VoxlabError if that cannot be."""
        ...


def _ignore(data: bytes, sender: Address) -> None:
    """Drop a datagram that nobody waits for."""


class UdpSocket(asyncio.DatagramProtocol):
    """A UDP socket of the operating system."""

    def __init__(self) -> None:
        self.address: Address = ("", 0)
        self.on_datagram: Callable[[bytes, Address], None] = _ignore
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Learn the address."""
        self._transport = transport
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand a datagram on."""
        self.on_datagram(data, addr[:2])

    def send(self, data: bytes, to: Address) -> None:
        """Send a datagram."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)

    def close(self) -> None:
        """Neither send nor receive any more."""
        if self._transport is not None:
            self._transport.close()


class Udp:
    """The machine's own network."""

    async def open(self, host: str, port: int) -> UdpSocket:
        """Open a socket. Raises VoxlabError if the port is taken or the host is not ours."""
        loop = asyncio.get_running_loop()
        try:
            _, socket = await loop.create_datagram_endpoint(UdpSocket, local_addr=(host, port))
        except OSError as error:
            raise VoxlabError(
                f"cannot listen on {host}:{port} ({error.strerror}): "
                "choose another --port, 0 for any that is free"
            ) from error
        return socket


@dataclass
class MemoryNetwork:
    """A network in memory: every datagram takes delay_s, and the share `loss` gets lost, by seed.

    Works in virtual time, where calls over it repeat.
    """

    delay_s: float = 0.0
    loss: float = 0.0
    seed: int = 0
    _sockets: dict[Address, "_MemorySocket"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    async def open(self, host: str, port: int) -> "_MemorySocket":
        """Open a socket. Raises VoxlabError if the port is taken."""
        port = port or 49_152 + len(self._sockets)
        if (host, port) in self._sockets:
            raise VoxlabError(f"{host}:{port} is taken")
        self._sockets[host, port] = socket = _MemorySocket((host, port), self)
        return socket

    def carry(self, data: bytes, sender: Address, to: Address) -> None:
        """Bring a datagram to its address, or lose it."""
        receiver = self._sockets.get(to)
        if receiver is not None and self._rng.random() >= self.loss:
            loop = asyncio.get_running_loop()
            loop.call_later(self.delay_s, receiver.take, data, sender)


class _MemorySocket:
    def __init__(self, address: Address, network: MemoryNetwork) -> None:
        self.address = address
        self.on_datagram: Callable[[bytes, Address], None] = _ignore
        self._network = network
        self._is_open = True

    def take(self, data: bytes, sender: Address) -> None:
        if self._is_open:
            self.on_datagram(data, sender)

    def send(self, data: bytes, to: Address) -> None:
        if self._is_open:
            self._network.carry(data, self.address, to)

    def close(self) -> None:
        self._is_open = False
