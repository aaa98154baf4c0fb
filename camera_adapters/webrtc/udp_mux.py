"""One UDP port for all peers of a media shard (RFC 7983: a datagram's first byte tells its kind).

A peer is found by our ufrag in its connectivity checks, and from then on by its address. Nobody
who has not passed a check is listened to, and nothing is sent to an address that has not.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import ipaddress
import socket
import struct
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from camera_adapters.webrtc import stun
from camera_adapters.webrtc.advertised import Advertised, NetworkAddresses
from camera_adapters.webrtc.ice_lite import Address, Candidate, peer_ufrag

_log = structlog.get_logger(__name__)

UDP_SEGMENT = 103
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT = 10, 0
_IPV6_MTU_DISCOVER = 23
_BUFFER_BYTES = 4 * 1024 * 1024
_READS_LIMIT = 64
_READ_TURN_S = 0.002
_ADDRESSES_LIMIT = 16
_PORT_ATTEMPTS = 20

_sendmmsg = ctypes.CDLL(None).sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)

_NO_OFFLOAD = frozenset({errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.ENOPROTOOPT})
_NO_ROOM = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})


class Peer(Protocol):
    """What the port calls, synchronously, on the event loop."""

    def on_check(
        self, message: stun.StunMessage, port: UdpSocket, address: Address
    ) -> bytes | None:
        """A STUN message with the peer's ufrag; returns the response, None when not authentic."""

    def on_datagram(self, datagram: bytes) -> None:
        """DTLS or SRTP from an address that passed a check."""


class UdpSocket:
    """One bound socket: sends runs with segmentation offload where the kernel can.

    ``peers`` maps the addresses that passed a check. ``blocked`` counts sends for which the
    socket's buffer had no room, ``failed`` those that the network refused.
    """

    __slots__ = (
        "_ancillary",
        "_sendmsg",
        "_sendto",
        "blocked",
        "failed",
        "offload",
        "peers",
        "socket",
    )

    def __init__(self, bound: socket.socket) -> None:
        self.socket = bound
        self.offload = True
        self.peers: dict[Address, Peer] = {}
        self.blocked = 0
        self.failed = 0
        self._ancillary: dict[int, list[tuple[int, int, bytes]]] = {}
        # Looked up once: they are called for every picture of every viewer.
        self._sendto = bound.sendto
        self._sendmsg = bound.sendmsg

    def send(self, datagram: bytes | memoryview, address: Address) -> bool:
        """Send one datagram; False when it could not leave. Never raises OSError."""
        try:
            self._sendto(datagram, address)
        except OSError as error:
            self._note(error)
            return False
        return True

    def send_run(self, run: memoryview, segment_size: int, address: Address) -> bool:
        """Send datagrams of ``segment_size`` bytes, the last may be shorter; False as :meth:`send`.

        After False some of them may have left.
        """
        if len(run) <= segment_size:
            return self.send(run, address)
        if self.offload:
            ancillary = self._ancillary.get(segment_size)
            if ancillary is None:
                ancillary = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", segment_size))]
                self._ancillary[segment_size] = ancillary
            try:
                self._sendmsg((run,), ancillary, 0, address)
            except OSError as error:
                if error.errno not in _NO_OFFLOAD:
                    self._note(error)
                    return False
                # EIO: this interface cannot checksum segments, and will not learn it.
                if error.errno == errno.EIO:
                    self.offload = False
                    _log.info("UDP segmentation offload is not available: plain sends")
            else:
                return True
        return all(
            self.send(run[start : start + segment_size], address)
            for start in range(0, len(run), segment_size)
        )

    def send_messages(self, address: int, count: int) -> int:
        """Send ``count`` of ``struct mmsghdr`` that lie at ``address``; how many the kernel took.

        Fewer than all: the next one says why when it is sent by itself.
        """
        sent: int = _sendmmsg(self.socket.fileno(), address, count, socket.MSG_DONTWAIT)
        return max(0, sent)

    def _note(self, error: OSError) -> None:
        if error.errno in _NO_ROOM:
            self.blocked += 1
        else:
            self.failed += 1


class UdpMux:
    """The port."""

    def __init__(self, sockets: Sequence[UdpSocket], advertised: Advertised) -> None:
        self.sockets = tuple(sockets)
        self.port: int = sockets[0].socket.getsockname()[1]
        self._advertised = advertised
        self._by_ufrag: dict[str, Peer] = {}
        self._buffer = bytearray(2048)
        self._view = memoryview(self._buffer)
        self._loop = asyncio.get_running_loop()
        for one in self.sockets:
            self._loop.add_reader(one.socket.fileno(), self._readable, one)

    @classmethod
    def open(
        cls,
        port: int,
        advertise_addresses: Sequence[str],
        networks: Sequence[NetworkAddresses] = (),
    ) -> UdpMux:
        """Bind ``port`` (0: one that is free) for the advertised IP addresses, of ``networks`` too.

        An address of this machine gets a socket of its own, so that replies leave from where the
        peer sent to; one that is not (behind a NAT) makes a socket that listens on all addresses of
        its family. Raises OSError when the port is taken, ValueError for what is no IP address.
        """
        advertised = Advertised(advertise_addresses, networks)
        for attempt in range(_PORT_ATTEMPTS):
            try:
                sockets = _bind(port, advertised.addresses)
                break
            except OSError as error:
                retry = port == 0 and error.errno == errno.EADDRINUSE
                if not retry or attempt == _PORT_ATTEMPTS - 1:
                    raise
        return cls([UdpSocket(one) for one in sockets], advertised)

    def candidates(self, peer: str | None = None) -> tuple[Candidate, ...]:
        """What the answer to a peer names that asks from this address, best first."""
        return self._advertised.candidates(peer, self.port)

    def now_s(self) -> float:
        """The clock of checks and consent: the event loop's."""
        return self._loop.time()

    def register(self, ufrag: str, peer: Peer) -> None:
        """Expect checks with this local ufrag."""
        self._by_ufrag[ufrag] = peer

    def forget(self, ufrag: str) -> None:
        """Stop listening to the peer, whatever address it uses."""
        peer = self._by_ufrag.pop(ufrag, None)
        for one in self.sockets:
            for address in [a for a, other in one.peers.items() if other is peer]:
                del one.peers[address]

    def close(self) -> None:
        """Close the sockets. May be called twice."""
        for one in self.sockets:
            if one.socket.fileno() >= 0:
                self._loop.remove_reader(one.socket.fileno())
                one.socket.close()

    def _readable(self, port: UdpSocket) -> None:
        receive = port.socket.recvfrom_into
        end_s = time.monotonic() + _READ_TURN_S
        for count in range(_READS_LIMIT):
            # A handshake costs a millisecond of signing: with hundreds at the door, the loop turns.
            if count % 4 == 3 and time.monotonic() > end_s:
                return
            try:
                size, address = receive(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                return  # an ICMP error of an earlier send, or the socket is being closed
            if size == 0:
                continue
            first = self._buffer[0]
            datagram = bytes(self._view[:size])
            try:
                if first < 4:
                    self._check(datagram, port, address)
                else:
                    peer = port.peers.get(address)
                    if peer is not None:
                        peer.on_datagram(datagram)
            except Exception:
                _log.exception("a datagram was not handled", first_byte=first, size=size)

    def _check(self, datagram: bytes, port: UdpSocket, address: Address) -> None:
        try:
            message = stun.parse(datagram)
        except stun.StunError:
            return
        names = peer_ufrag(message)
        peer = self._by_ufrag.get(names[0]) if names else None
        if peer is None:
            return
        response = peer.on_check(message, port, address)
        if response is None:
            return
        if port.peers.get(address) is not peer:
            known = [a for a, other in port.peers.items() if other is peer]
            if len(known) >= _ADDRESSES_LIMIT:
                del port.peers[known[0]]
            port.peers[address] = peer
        port.send(response, address)


def _bind(port: int, addresses: Sequence[str]) -> list[socket.socket]:
    parsed = [ipaddress.ip_address(one) for one in addresses]
    targets: list[tuple[int, str]] = []
    for version, everywhere in ((4, "0.0.0.0"), (6, "::")):
        family = [one for one in parsed if one.version == version]
        if all(_is_local(one) for one in family):
            targets += [(version, str(one)) for one in dict.fromkeys(family)]
        else:
            targets.append((version, everywhere))
    sockets: list[socket.socket] = []
    try:
        for version, address in targets:
            sockets.append(_bound(version, address, port))
            port = sockets[0].getsockname()[1]
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _bound(version: int, address: str, port: int) -> socket.socket:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    one = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        # A narrow path fragments our datagrams instead of losing them without a word.
        if version == 4:
            one.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        else:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        one.bind((address, port))
    except OSError:
        one.close()
        raise
    return one


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
