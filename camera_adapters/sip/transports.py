"""Sockets of a SIP element: one UDP port, TCP connections in both directions. No SIP logic.

What arrives is taken from the kernel at once and waits here, bounded: five thousand devices that
register in the same second overflow a socket's buffer, but not this queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter, deque
from collections.abc import Callable
from typing import cast

from camera_adapters.sip.messages import DATAGRAM_BYTES_LIMIT, Message, MessageError, StreamParser
from camera_adapters.sip.peer import Peer

_DATAGRAMS_PER_WAKE = 512
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
# What may wait to be sent on one connection before its peer is given up as stuck.
_WRITE_BYTES_LIMIT = 1024 * 1024
_CONNECT_TIMEOUT_S = 5.0


class UdpPort:
    """One bound UDP socket. ``on_data`` is told for each wake-up what came, in order."""

    def __init__(
        self, host: str, port: int, on_data: Callable[[list[tuple[bytes, Peer]]], None]
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._on_data = on_data
        self.unsent = 0
        try:
            self._socket.setblocking(False)
            for option in (socket.SO_RCVBUF, 33):  # 33: SO_RCVBUFFORCE, where we may.
                with contextlib.suppress(OSError):
                    self._socket.setsockopt(socket.SOL_SOCKET, option, _RECEIVE_BUFFER_BYTES)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes, peer: Peer) -> bool:
        """False when there is no way to this peer. A full socket loses the datagram, as UDP may."""
        try:
            self._socket.sendto(data, (peer.host, peer.port))
        except BlockingIOError:
            self.unsent += 1
        except OSError:
            self.unsent += 1
            return False
        return True

    def close(self) -> None:
        """Stop listening."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        found: list[tuple[bytes, Peer]] = []
        receive = self._socket.recvfrom
        for _ in range(_DATAGRAMS_PER_WAKE):
            try:
                data, address = receive(DATAGRAM_BYTES_LIMIT)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP answer to something sent earlier; the next datagram may be fine.
                continue
            found.append((data, Peer(address[0], address[1])))
        if found:
            self._on_data(found)


class TcpConnections:
    """The TCP side: a listener, and connections by the address of their other end.

    At most ``limit`` connections, ``per_host`` from one host; one on which nothing whole arrived
    for ``idle_s`` is closed. Peers that send no SIP are cut off.
    """

    def __init__(
        self,
        on_message: Callable[[Message, Peer], None],
        on_lost: Callable[[Peer], None],
        on_malformed: Callable[[Peer, MessageError], None],
        *,
        limit: int = 12_000,
        per_host: int = 6_000,
        idle_s: float = 300.0,
    ) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_malformed = on_malformed
        self._limit = limit
        self._per_host = per_host
        self._idle_s = idle_s
        self._server: asyncio.Server | None = None
        self._connections: dict[Peer, _Connection] = {}
        self._hosts: Counter[str] = Counter()
        self._opening: dict[Peer, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self.refused = 0

    def __len__(self) -> int:
        return len(self._connections)

    async def listen(self, host: str, port: int) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=1024)

    def send(self, data: bytes, peer: Peer, *, may_open: bool) -> bool:
        """Send on the connection with this peer, or on a new one. False when there is no way."""
        connection = self._connections.get(peer)
        if connection is not None:
            return connection.send(data)
        if not may_open:
            return False
        waiting = self._opening.get(peer)
        if waiting is not None:
            waiting.append(data)
            return len(waiting) < 1000
        self._opening[peer] = [data]
        task = asyncio.get_running_loop().create_task(self._open(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        """Close the listener and every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for connection in [*self._connections.values()]:
            connection.abort()

    async def _open(self, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: _Connection(self), peer.host, peer.port)
        except (OSError, TimeoutError):
            self._opening.pop(peer, None)
            self._on_lost(peer)
            return
        waiting = self._opening.pop(peer, [])
        for data in waiting:
            self.send(data, peer, may_open=False)

    # Called by connections.

    def made(self, connection: _Connection) -> bool:
        host = connection.peer.host
        if len(self._connections) >= self._limit or self._hosts[host] >= self._per_host:
            self.refused += 1
            return False
        self._hosts[host] += 1
        self._connections[connection.peer] = connection
        if self._sweep is None:
            self._sweep = connection.loop.call_later(self._idle_s / 4, self._close_idle)
        return True

    def lost(self, connection: _Connection) -> None:
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]
            self._hosts[connection.peer.host] -= 1
            if not self._hosts[connection.peer.host]:
                del self._hosts[connection.peer.host]
            self._on_lost(connection.peer)

    def message(self, message: Message, connection: _Connection) -> None:
        self._on_message(message, connection.peer)

    def malformed(self, error: MessageError, connection: _Connection) -> None:
        self._on_malformed(connection.peer, error)
        connection.abort()

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._idle_s
        for connection in [*self._connections.values()]:
            if connection.heard_at < oldest:
                connection.abort()
        self._sweep = loop.call_later(self._idle_s / 4, self._close_idle)


class _Connection(asyncio.Protocol):
    def __init__(self, owner: TcpConnections) -> None:
        self._owner = owner
        self._parser = StreamParser()
        self._transport: asyncio.Transport | None = None
        self.peer = Peer("", 0, "tcp")
        self.loop = asyncio.get_running_loop()
        self.heard_at = self.loop.time()

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport.
        transport = cast("asyncio.Transport", made)
        address = transport.get_extra_info("peername")
        self._transport = transport
        if address is None:  # Gone again already.
            transport.abort()
            return
        self.peer = Peer(address[0], address[1], "tcp")
        if not self._owner.made(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._parser.receive(data)
        except MessageError as error:
            self._owner.malformed(error, self)
            return
        for message in messages:
            self.heard_at = self.loop.time()
            self._owner.message(message, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.lost(self)

    def send(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > _WRITE_BYTES_LIMIT:
            transport.abort()
            return False
        transport.write(data)
        return True

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Inbox:
    """What has come and is not yet worked on; bounded, in order, worked off in short slices.

    So that a flood holds the loop no longer than ``slice_s`` at a time, and costs no more memory
    than ``limit`` messages.
    """

    def __init__(
        self,
        work: Callable[[bytes | Message, Peer], None],
        after_slice: Callable[[], None],
        *,
        limit: int = 20_000,
        slice_s: float = 0.01,
    ) -> None:
        self._work = work
        self._after_slice = after_slice
        self._limit = limit
        self._slice_s = slice_s
        self._waiting: deque[tuple[bytes | Message, Peer]] = deque()
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._closed = False
        self.dropped = 0

    def put(self, item: bytes | Message, peer: Peer, *, known: bool = True) -> None:
        """Take one more, unless too many wait; strangers may fill only half of the queue."""
        if len(self._waiting) >= (self._limit if known else self._limit // 2):
            self.dropped += 1
            return
        self._waiting.append((item, peer))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def close(self) -> None:
        """Drop what waits."""
        self._closed = True
        self._waiting.clear()

    def _run(self) -> None:
        waiting = self._waiting
        until = self._loop.time() + self._slice_s
        while waiting:
            item, peer = waiting.popleft()
            self._work(item, peer)
            if self._loop.time() >= until:
                break
        if self._closed:
            return
        self._after_slice()
        self._scheduled = bool(waiting)
        if waiting:
            self._loop.call_soon(self._run)
