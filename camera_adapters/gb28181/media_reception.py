"""Receiving one session's media: by UDP, or by TCP as the one that listens or connects.

All bytes go to a :class:`~camera_adapters.gb28181.intake.MediaIntake`; sockets are read in rounds
(:mod:`camera_adapters.gathered_reads`). A reception ends with a :class:`MediaEnd`, never with
an exception.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import structlog

from camera_adapters.gathered_reads import GatheredReads, gathered_reads
from camera_adapters.gb28181.intake import MediaIntake
from camera_adapters.gb28181.media_ports import BoundPorts, PortPool, bind_listener, bind_pair
from camera_adapters.gb28181.media_terms import DISCARD_PORT, MediaAnswer, MediaTransport
from camera_adapters.gb28181.source_lock import Address, SourceLock
from camera_adapters.receive_buffers import ENOUGH_FOR_ROUNDS_BYTES

_log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10.0
_REPORT_INTERVAL_S = 5.0
_EXPIRE_INTERVAL_S = 0.05
_DATAGRAM_BYTES_LIMIT = 65536
# One camera's flood must not hold the loop: the rest is read at the next turn.
_BYTES_PER_TURN = 512 * 1024
_DATAGRAMS_PER_TURN = 2048
_REPORTS_PER_TURN = 16
# Connections that have not proved yet to be the device's.
_CANDIDATES_LIMIT = 4
_PROOF_BYTES = 64
_PROOF_TIMEOUT_S = 10.0
_FRAME = struct.Struct(">HH")
_FRAME_MARK = 0x2400

# Shared by all: it is empty again before the loop goes on.
_batch = memoryview(bytearray(_BYTES_PER_TURN + _FRAME.size + _DATAGRAM_BYTES_LIMIT))


@dataclass(frozen=True, slots=True)
class MediaEnd:
    """How a reception ended. ``code``: ``lost``, ``ended``, ``unreachable``, ``internal``, or that
    of a :class:`~camera_adapters.gb28181.intake.MediaFault`.
    """

    code: str
    line: str


class MediaReception(Protocol):
    """Where one session's media come in. ``port`` is what the offer says."""

    port: int
    bytes_received: int
    ended: asyncio.Future[MediaEnd]

    @property
    def foreign(self) -> int:
        """Datagrams and connections from elsewhere, which were ignored."""

    def begin(self, intake: MediaIntake, answer: MediaAnswer, now_us: Callable[[], int]) -> None:
        """Take media from now on, as answered."""

    def close(self) -> None:
        """Stop, and give the port back. May be called twice."""


def open_reception(pool: PortPool, address: str, transport: MediaTransport) -> MediaReception:
    """Bind on the running loop. Raises NoPortLeft, or OSError when ``address`` is not ours."""
    if transport == "udp":
        return UdpReception(bind_pair(pool, address))
    if transport == "tcp_passive":
        return TcpReception(bind_listener(pool, address))
    return TcpReception(None)


class UdpReception:
    """RTP on the even port, RTCP on the odd one; answers with receiver reports."""

    def __init__(self, ports: BoundPorts) -> None:
        self.port = ports.port
        self.bytes_received = 0
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[MediaEnd] = self._loop.create_future()
        self._ports = ports
        self._lock: SourceLock | None = None
        self._reads: GatheredReads | None = None
        self._expire_timer: asyncio.TimerHandle | None = None
        self._report_timer: asyncio.TimerHandle | None = None
        self._report_to: Address | None = None
        self._ssrc = secrets.randbits(32)

    @property
    def foreign(self) -> int:
        """See :class:`MediaReception`."""
        return 0 if self._lock is None else self._lock.foreign

    @property
    def moved(self) -> int:
        """How often the sender's port changed under way."""
        return 0 if self._lock is None else self._lock.moved

    def begin(self, intake: MediaIntake, answer: MediaAnswer, now_us: Callable[[], int]) -> None:
        """See :class:`MediaReception`."""
        self._intake = intake
        self._now_us = now_us
        self._lock = SourceLock(
            answer.address, answer.ssrc, self._loop.time(), answer.registered_host
        )
        media, control = self._ports.media, self._ports.control
        if media.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= ENOUGH_FOR_ROUNDS_BYTES:
            self._reads = gathered_reads(self._loop)
            self._reads.add_reader(media.fileno(), self._read)
        else:
            self._loop.add_reader(media.fileno(), self._read)
        if control is not None:
            self._loop.add_reader(control.fileno(), self._read_reports, control)
        self._expire_timer = self._loop.call_later(_EXPIRE_INTERVAL_S, self._expire)
        self._report_timer = self._loop.call_later(1.0, self._report)
        self._punch(answer)

    def close(self) -> None:
        """See :class:`MediaReception`."""
        for timer in (self._expire_timer, self._report_timer):
            if timer is not None:
                timer.cancel()
        self._expire_timer = self._report_timer = None
        reads, self._reads = self._reads, None
        for one in (self._ports.media, self._ports.control):
            if one is not None and one.fileno() >= 0:
                if reads is not None:
                    reads.remove(one.fileno())
                self._loop.remove_reader(one.fileno())
        self._ports.close()

    def _punch(self, answer: MediaAnswer) -> None:
        """Open the way for the device's packets through a firewall that tracks connections."""
        if answer.port > 0:
            with contextlib.suppress(OSError, OverflowError):
                empty = b"\x80\x60" + bytes(6) + self._ssrc.to_bytes(4, "big")
                self._ports.media.sendto(empty, (answer.address, answer.port))

    def _read(self) -> None:
        assert self._lock is not None
        receive, frame, batch, lock = (
            self._ports.media.recvfrom_into,
            _FRAME.pack_into,
            _batch,
            self._lock,
        )
        source = lock.source
        end = 0
        try:
            for _ in range(_DATAGRAMS_PER_TURN):
                size, sender = receive(batch[end + 4 :])
                if sender != source:
                    if not lock.admit(sender, batch[end + 4 : end + 16], size, self._loop.time()):
                        continue
                    source = lock.source
                frame(batch, end, _FRAME_MARK, size)
                end += 4 + size
                if end >= _BYTES_PER_TURN:
                    break
        except OSError:  # Nothing more, or an ICMP error that an earlier send brought back.
            pass
        if not end:
            return
        self.bytes_received += end
        try:
            self._intake.receive_datagrams(batch[:end].tobytes(), self._now_us())
        except Exception:
            self._fail("received datagrams")

    def _read_reports(self, control: socket.socket) -> None:
        # A goodbye must not overtake the packets that came before it and wait for a round.
        self._read()
        source = self._lock.source if self._lock is not None else None
        for _ in range(_REPORTS_PER_TURN):
            try:
                data, sender = control.recvfrom(_DATAGRAM_BYTES_LIMIT)
            except OSError:
                return
            if source is None or sender[0] != source[0]:
                continue
            self._report_to = sender
            if self._intake.receive_report(data, self._now_us()):
                self._end(MediaEnd("ended", "the device ended the stream (RTCP BYE)"))

    def _expire(self) -> None:
        self._expire_timer = self._loop.call_later(_EXPIRE_INTERVAL_S, self._expire)
        try:
            self._intake.expire(self._now_us())
        except Exception:
            self._fail("late packets")

    def _report(self) -> None:
        self._report_timer = self._loop.call_later(_REPORT_INTERVAL_S, self._report)
        source = self._lock.source if self._lock is not None else None
        report = self._intake.receiver_report(self._ssrc, self._now_us())
        if source is None or report is None:
            return
        target = self._report_to or (source[0], source[1] + 1, *source[2:])
        with contextlib.suppress(OSError, OverflowError):
            (self._ports.control or self._ports.media).sendto(report, target)

    def _fail(self, what: str) -> None:
        _log.exception(f"a media session failed on {what}")
        self._end(MediaEnd("internal", "an internal error; see the log"))

    def _end(self, end: MediaEnd) -> None:
        if not self.ended.done():
            self.ended.set_result(end)
        self.close()


class TcpReception:
    """RFC 4571 over a connection that the device opens to us, or we to it (``ports`` None)."""

    def __init__(self, ports: BoundPorts | None) -> None:
        self.port = DISCARD_PORT if ports is None else ports.port
        self.bytes_received = 0
        self.foreign = 0
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[MediaEnd] = self._loop.create_future()
        self._ports = ports
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        # In order of their coming.
        self._candidates: dict[_Connection, None] = {}
        self._connection: _Connection | None = None
        self._closed = False

    def begin(self, intake: MediaIntake, answer: MediaAnswer, now_us: Callable[[], int]) -> None:
        """See :class:`MediaReception`."""
        self._intake = intake
        self._answer = answer
        self._now_us = now_us
        work = self._connect() if self._ports is None else self._listen(self._ports.media)
        self._task = self._loop.create_task(work)

    def close(self) -> None:
        """See :class:`MediaReception`."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        if self._server is not None:
            self._server.close()
        for one in (*self._candidates, self._connection):
            if one is not None:
                one.close()
        self._candidates.clear()
        if self._ports is not None:
            self._ports.close()

    async def _listen(self, listener: socket.socket) -> None:
        try:
            self._server = await self._loop.create_server(lambda: _Connection(self), sock=listener)
        except OSError as error:
            self.end(MediaEnd("internal", f"the media port cannot be opened: {error}"))

    async def _connect(self) -> None:
        answer = self._answer
        where = f"{answer.address} port {answer.port}"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.create_connection(
                    lambda: _Connection(self), answer.address, answer.port
                )
        except TimeoutError:
            self.end(MediaEnd("unreachable", f"no connection for media: {where} does not answer"))
        except OSError as error:
            self.end(MediaEnd("unreachable", f"no connection for media to {where}: {error}"))

    def made(self, connection: _Connection) -> None:
        """A connection stands; it has to prove itself."""
        if self._closed or self._connection is not None:
            self.foreign += 1
            connection.close()
            return
        if len(self._candidates) >= _CANDIDATES_LIMIT:
            # A device speaks at once: who has been silent for longest gives way.
            self.foreign += 1
            oldest = next(iter(self._candidates))
            del self._candidates[oldest]
            oldest.close()
        self._candidates[connection] = None

    def proved(self, connection: _Connection, head: bytes) -> bool:
        """Whether the first bytes show that it is the device; then it is the only one."""
        answer = self._answer
        agreed = False
        if answer.ssrc is not None:
            # Behind RFC 4571's two bytes, or behind RTSP's four.
            ssrc = answer.ssrc.to_bytes(4, "big")
            agreed = ssrc in (head[10:14], head[12:16])
        if self._connection is not None or (connection.host != answer.address and not agreed):
            self.foreign += 1
            return False
        self._connection = connection
        self._candidates.pop(connection, None)
        for other in tuple(self._candidates):
            other.close()
        self._candidates.clear()
        return True

    def received(self, data: bytes) -> None:
        """Bytes of the connection."""
        self.bytes_received += len(data)
        try:
            self._intake.receive_stream(data, self._now_us())
        except Exception:
            _log.exception("a media session failed on received bytes")
            self.end(MediaEnd("internal", "an internal error; see the log"))

    def lost(self, connection: _Connection) -> None:
        """The connection is gone."""
        self._candidates.pop(connection, None)
        if connection is self._connection and not self._closed:
            self.end(MediaEnd("lost", "the device closed the media connection"))

    def end(self, end: MediaEnd) -> None:
        """End now; later calls change nothing."""
        if not self.ended.done():
            self.ended.set_result(end)
        self.close()


class _Connection(asyncio.Protocol):
    """One TCP connection, until it is proved; then its socket is read in rounds."""

    def __init__(self, reception: TcpReception) -> None:
        self.host = ""
        self._reception = reception
        self._transport: asyncio.Transport | None = None
        self._reads: GatheredReads | None = None
        self._descriptor = -1
        self._head = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.host = peer[0] if peer else ""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_PROOF_TIMEOUT_S, self._out_of_time)
        self._reception.made(self)

    def data_received(self, data: bytes) -> None:
        if not data:
            self.connection_lost(None)
            return
        if self._reads is None:
            self._head += data
            if len(self._head) < _PROOF_BYTES:
                return
            data, self._head = self._head, b""
            if not self._reception.proved(self, data[:_PROOF_BYTES]):
                self.close()
                return
            self._gather()
        self._reception.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()
        self._reception.lost(self)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._reads is not None and self._descriptor >= 0:
            self._reads.remove(self._descriptor)
            self._descriptor = -1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    def _gather(self) -> None:
        assert self._transport is not None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.pause_reading()
        self._descriptor = self._transport.get_extra_info("socket").fileno()
        self._reads = gathered_reads(asyncio.get_running_loop())
        self._reads.add(self._descriptor, self.data_received)

    def _out_of_time(self) -> None:
        """Nothing came that would prove it: the place is for another."""
        self.close()
        self._reception.lost(self)
