"""Sending one session's RTP: by UDP, paced; by TCP as the one that connects or listens (RFC 4571).

What does not go out is bounded: :attr:`MediaSending.congested` says when to leave pictures out.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from camera_adapters.gb28181.media_ports import BoundPorts, PortPool, bind_listener, bind_pair
from camera_adapters.gb28181.media_reception import CONNECT_TIMEOUT_S, MediaEnd
from camera_adapters.gb28181.media_terms import DISCARD_PORT, MediaTransport

WAITING_BYTES_LIMIT = 2 * 1024 * 1024
"""More than this waits for no peer."""
ACCEPT_TIMEOUT_S = 15.0
# A keyframe leaves in bursts of so many packets, 90 Mbit/s at most.
_BURST_PACKETS = 16
_BURST_INTERVAL_S = 0.002
# ICMP says that nobody listens: the peer may just be about to.
_REFUSALS_LIMIT = 400


@dataclass(frozen=True, slots=True)
class MediaTarget:
    """Where media go. ``transport`` is named from our side; ``address`` and ``port`` are the
    peer's (for ``tcp_passive`` the only host from which a connection is taken).
    """

    address: str
    port: int
    transport: MediaTransport
    ssrc: int
    payload_type: int = 96


class MediaSending(Protocol):
    """The way to one peer."""

    port: int
    bytes_sent: int
    ended: asyncio.Future[MediaEnd]

    @property
    def ready(self) -> bool:
        """Whether packets reach the peer: always by UDP, with a connection by TCP."""

    @property
    def congested(self) -> bool:
        """Whether so much waits that pictures must be left out."""

    def start(self) -> None:
        """Connect, or listen."""

    def send(self, packets: Sequence[bytes]) -> None:
        """Send one picture's packets, now or as soon as may be. Raises nothing."""

    async def drained(self) -> None:
        """Wait until little waits, or the way has ended."""

    def close(self) -> None:
        """Stop, and give the port back. May be called twice."""


def open_sending(pool: PortPool, address: str, target: MediaTarget) -> MediaSending:
    """Bind on the running loop. Raises NoPortLeft, or OSError."""
    match target.transport:
        case "udp":
            return UdpSending(bind_pair(pool, address), target)
        case "tcp_passive":
            return TcpSending(bind_listener(pool, address), target)
        case "tcp_active":
            return TcpSending(None, target)


class UdpSending:
    """Datagrams from a port of the pool, in small bursts."""

    def __init__(self, ports: BoundPorts, target: MediaTarget) -> None:
        self.port = ports.port
        self.bytes_sent = 0
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[MediaEnd] = self._loop.create_future()
        self._ports = ports
        self._target = (target.address, target.port)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._refusals = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def ready(self) -> bool:
        """See :class:`MediaSending`."""
        return not self.ended.done()

    @property
    def congested(self) -> bool:
        """See :class:`MediaSending`."""
        return self._waiting_bytes > WAITING_BYTES_LIMIT

    def start(self) -> None:
        """See :class:`MediaSending`."""

    def send(self, packets: Sequence[bytes]) -> None:
        """See :class:`MediaSending`."""
        self._waiting.extend(packets)
        self._waiting_bytes += sum(map(len, packets))
        if self._waiting_bytes > WAITING_BYTES_LIMIT // 4:
            self._room.clear()
        if self._timer is None:
            self._burst()

    async def drained(self) -> None:
        """See :class:`MediaSending`."""
        await self._room.wait()

    def close(self) -> None:
        """See :class:`MediaSending`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()
        self._room.set()
        self._ports.close()

    def _burst(self) -> None:
        self._timer = None
        send, target, waiting = self._ports.media.sendto, self._target, self._waiting
        try:
            for _ in range(min(len(waiting), _BURST_PACKETS)):
                sent = send(waiting[0], target)
                waiting.popleft()
                self._waiting_bytes -= sent
                self.bytes_sent += sent
        except BlockingIOError:
            pass
        except OSError as error:
            self._failed(error)
        if self._waiting_bytes <= WAITING_BYTES_LIMIT // 8:
            self._room.set()
        if waiting and not self.ended.done():
            self._timer = self._loop.call_later(_BURST_INTERVAL_S, self._burst)

    def _failed(self, error: OSError) -> None:
        """One packet is lost; when all are, the peer is gone."""
        lost = self._waiting.popleft()
        self._waiting_bytes -= len(lost)
        self._refusals += 1
        fatal = error.errno not in (errno.ECONNREFUSED, errno.ENOBUFS)
        if (fatal or self._refusals > _REFUSALS_LIMIT) and not self.ended.done():
            self.ended.set_result(MediaEnd("unreachable", f"the receiver is not there: {error}"))
            self.close()


class TcpSending:
    """A connection that we open (``ports`` None) or wait for."""

    def __init__(self, ports: BoundPorts | None, target: MediaTarget) -> None:
        self.port = DISCARD_PORT if ports is None else ports.port
        self.bytes_sent = 0
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[MediaEnd] = self._loop.create_future()
        self._ports = ports
        self._target = target
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    @property
    def ready(self) -> bool:
        """See :class:`MediaSending`."""
        return self._transport is not None and not self.ended.done()

    @property
    def congested(self) -> bool:
        """See :class:`MediaSending`."""
        transport = self._transport
        return transport is None or transport.get_write_buffer_size() > WAITING_BYTES_LIMIT

    def start(self) -> None:
        """See :class:`MediaSending`."""
        work = self._connect() if self._ports is None else self._listen(self._ports.media)
        self._task = self._loop.create_task(work)

    def send(self, packets: Sequence[bytes]) -> None:
        """See :class:`MediaSending`."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        pieces: list[bytes] = []
        for packet in packets:
            pieces += (len(packet).to_bytes(2, "big"), packet)
        data = b"".join(pieces)
        transport.write(data)
        self.bytes_sent += len(data)

    async def drained(self) -> None:
        """See :class:`MediaSending`."""
        await self._room.wait()

    def close(self) -> None:
        """See :class:`MediaSending`."""
        self._closed = True
        self._room.set()
        if self._task is not None:
            self._task.cancel()
        if self._server is not None:
            self._server.close()
        transport = self._transport
        if transport is not None:
            transport.close()
            # A peer that does not read would keep the socket open for ever.
            self._loop.call_later(2.0, transport.abort)
        if self._ports is not None:
            self._ports.close()

    async def _connect(self) -> None:
        target = self._target
        where = f"{target.address} port {target.port}"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.create_connection(
                    lambda: _Outgoing(self), target.address, target.port
                )
        except TimeoutError:
            self.end(MediaEnd("unreachable", f"{where} does not take the media connection"))
        except OSError as error:
            self.end(MediaEnd("unreachable", f"no media connection to {where}: {error}"))

    async def _listen(self, listener: socket.socket) -> None:
        self._server = await self._loop.create_server(lambda: _Outgoing(self), sock=listener)
        await asyncio.sleep(ACCEPT_TIMEOUT_S)
        if self._transport is None:
            self.end(MediaEnd("unreachable", "the receiver never connected for its media"))

    def made(self, transport: asyncio.Transport) -> bool:
        """Whether this connection is taken: the first, from the peer's host."""
        peer = transport.get_extra_info("peername")
        host = peer[0] if peer else ""
        if self._closed or self._transport is not None:
            return False
        if self._ports is not None and host != self._target.address:
            return False
        self._transport = transport
        transport.set_write_buffer_limits(WAITING_BYTES_LIMIT // 4, WAITING_BYTES_LIMIT // 8)
        return True

    def lost(self, transport: asyncio.Transport | None) -> None:
        """A connection is gone."""
        if transport is not None and transport is self._transport and not self._closed:
            self.end(MediaEnd("lost", "the receiver closed the media connection"))

    def room(self, there_is: bool) -> None:
        """Whether the connection takes more."""
        if there_is or self._closed:
            self._room.set()
        else:
            self._room.clear()

    def end(self, end: MediaEnd) -> None:
        """End now; later calls change nothing."""
        if not self.ended.done():
            self.ended.set_result(end)
        self.close()


class _Outgoing(asyncio.Protocol):
    """A connection on which we write; what the peer writes (RTCP) is passed over."""

    def __init__(self, sending: TcpSending) -> None:
        self._sending = sending
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport.
        taken = cast("asyncio.Transport", transport)
        if self._sending.made(taken):
            self._transport = taken
            with contextlib.suppress(OSError):
                taken.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            taken.abort()

    def pause_writing(self) -> None:
        self._sending.room(False)

    def resume_writing(self) -> None:
        self._sending.room(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sending.lost(self._transport)
