"""The RTSP server on asyncio: TCP interleaved and UDP, every picture in one write.

Nothing here waits for a reader. One that cannot keep up is bounded in bytes, skips to the next
keyframe, and is closed when it has not caught up for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import cast

import structlog

from camera_adapters.rtp.packetise import UnitPackets
from camera_adapters.rtsp.server import (
    SESSION_TIMEOUT_S,
    Access,
    DatagramTransport,
    DescribeRequested,
    Ended,
    Event,
    FindAccess,
    InterleavedTransport,
    PauseRequested,
    PlayRequested,
    ServerConnection,
    SessionEnded,
    SetupRequested,
    Transport,
)
from camera_adapters.rtsp.server_stream import PacketisedStream
from camera_adapters.stream import Stream

_log = structlog.get_logger(__name__)

_REPORT_INTERVAL_S = 5.0
_STALLED_LIMIT_S = 30.0
_LONG_PLAY_US = 3_600_000_000
_DATAGRAM_PAIR_ATTEMPTS = 50

OpenStream = Callable[[Access], Awaitable[Stream]]
"""Gives the Stream behind an access, once its tracks are known.

Raises LookupError when there is none (404), TimeoutError or ConnectionError when it does not come
(503).
"""

OnPlayed = Callable[[Access, int, int], None]
"""By this access a reader was sent pictures from (UTC µs) until. Told when it stops, and each hour
of one that goes on."""


class RtspServer:
    """Serves Streams to RTSP readers. Each Stream is packetised once, however many readers it has.

    ``reader_bytes_limit`` bounds what may wait for one TCP reader. ``replay_gop`` gives a new
    reader the pictures since the last keyframe at once, else it waits for the next keyframe.
    ``utc_us`` is the wall clock of the sender reports.
    """

    def __init__(
        self,
        find_access: FindAccess,
        open_stream: OpenStream,
        *,
        on_played: OnPlayed | None = None,
        replay_gop: bool = True,
        utc_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        reader_bytes_limit: int = 4 * 1024 * 1024,
        connections_limit: int = 2000,
    ) -> None:
        self.find_access = find_access
        self._open_stream = open_stream
        self._on_played = on_played
        self._replay_gop = replay_gop
        self.utc_us = utc_us
        self._connections_limit = connections_limit
        self.reader_bytes_limit = reader_bytes_limit
        self._connections: set[_Connection] = set()
        self._outputs: weakref.WeakValueDictionary[int, PacketisedStream] = (
            weakref.WeakValueDictionary()
        )
        self._server: asyncio.Server | None = None
        self._datagrams: _DatagramPair | None = None
        self._wheel: asyncio.TimerHandle | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The TCP port in use; 0 before :meth:`start`."""
        return self._port

    @property
    def session_count(self) -> int:
        """How many readers play now."""
        return sum(one.playing for one in self._connections)

    async def start(self, address: str, port: int) -> None:
        """Listen. ``port`` 0 takes a free one. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._datagrams = _DatagramPair(address, self._on_control_datagram)
        try:
            self._server = await loop.create_server(lambda: _Connection(self), address, port)
        except OSError:
            self._datagrams.close()
            raise
        self._port = self._server.sockets[0].getsockname()[1]
        self._wheel = loop.call_later(_REPORT_INTERVAL_S, self._turn)

    async def stop(self) -> None:
        """Stop listening and end every reader."""
        if self._wheel is not None:
            self._wheel.cancel()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close("the server stops")
        if self._server is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 2)
        if self._datagrams is not None:
            self._datagrams.close()

    def close_sessions(self, matches: Callable[[Access], bool]) -> int:
        """End the readers whose access matches; returns how many there were."""
        chosen = [
            one for one in self._connections if one.access is not None and matches(one.access)
        ]
        for connection in chosen:
            connection.close("the access was withdrawn")
        return len(chosen)

    def admit(self, connection: _Connection) -> bool:
        """Take a new connection, or refuse it over the limit."""
        if len(self._connections) >= self._connections_limit:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def played(self, access: Access, since_us: int, until_us: int) -> None:
        """A reader was sent pictures."""
        if self._on_played is not None:
            self._on_played(access, since_us, max(since_us, until_us))

    async def output(self, access: Access) -> PacketisedStream:
        """The shared packets of the Stream behind ``access``; raises as ``OpenStream``."""
        stream = await self._open_stream(access)
        output = self._outputs.get(id(stream))
        if output is None:
            output = PacketisedStream(stream, replay_gop=self._replay_gop, utc_us=self.utc_us)
            self._outputs[id(stream)] = output
        return output

    @property
    def datagrams(self) -> _DatagramPair:
        """The UDP sockets that all sessions share."""
        assert self._datagrams is not None
        return self._datagrams

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        self._wheel = loop.call_later(_REPORT_INTERVAL_S, self._turn)
        for output in tuple(self._outputs.values()):
            output.send_reports()
        now_s = loop.time()
        for connection in tuple(self._connections):
            connection.check(now_s)

    def _on_control_datagram(self, sender: tuple[str, int]) -> None:
        for connection in self._connections:
            if connection.listens_on(sender):
                connection.touch()


class _DatagramPair:
    """An even UDP port for RTP and the odd one above it for RTCP (RFC 3550 §11)."""

    def __init__(self, address: str, on_control: Callable[[tuple[str, int]], None]) -> None:
        self._on_control = on_control
        self.media, self.control = _bind_pair(address)
        self._loop = asyncio.get_running_loop()
        # Receivers' reports and hole-punching packets come here; only their senders matter.
        self._loop.add_reader(self.media, self._drain, self.media)
        self._loop.add_reader(self.control, self._drain, self.control)

    @property
    def ports(self) -> tuple[int, int]:
        return self.media.getsockname()[1], self.control.getsockname()[1]

    def close(self) -> None:
        for one in (self.media, self.control):
            self._loop.remove_reader(one)
            one.close()

    def _drain(self, source: socket.socket) -> None:
        for _ in range(64):
            try:
                _, sender = source.recvfrom(2048)
            except OSError:
                return
            if source is self.control:
                self._on_control((sender[0], sender[1]))


def _bind_pair(address: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(_DATAGRAM_PAIR_ATTEMPTS):
        media = socket.socket(family, socket.SOCK_DGRAM)
        media.setblocking(False)
        media.bind((address, 0))
        port = media.getsockname()[1]
        if port % 2 == 0 and port < 65535:
            control = socket.socket(family, socket.SOCK_DGRAM)
            control.setblocking(False)
            with contextlib.suppress(OSError):
                control.bind((address, port + 1))
                media.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
                return media, control
            control.close()
        media.close()
    raise OSError(f"no free pair of UDP ports on {address}")


class _Connection(asyncio.Protocol):
    """One client: the core, its socket, and what it reads."""

    def __init__(self, server: RtspServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._core: ServerConnection
        self._transport: asyncio.Transport
        self._peer = ""
        self._admitted = False
        self._answering: asyncio.Task[None] | None = None
        self._output: PacketisedStream | None = None
        self._attached = False
        self._routes: Mapping[int, Transport] = {}
        self._video_index: int | None = None
        self._needs_keyframe = True
        self._reports_due: set[int] = set()
        self._active_s = self._loop.time()
        self._stalled_since_s: float | None = None
        self._played_since_us: int | None = None
        self.access: Access | None = None

    @property
    def playing(self) -> bool:
        return self._attached

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername") or ("",)
        self._peer = peer[0]
        self._core = ServerConnection(self._server.find_access, self._peer)
        self._admitted = self._server.admit(self)
        if not self._admitted:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._admitted:
            self.touch()
            self._act(self._core.receive(data))

    def connection_lost(self, error: Exception | None) -> None:
        self._detach()
        if self._answering is not None:
            self._answering.cancel()
        self._server.forget(self)

    def touch(self) -> None:
        """The client showed that it is alive."""
        self._active_s = self._loop.time()

    def listens_on(self, sender: tuple[str, int]) -> bool:
        return sender[0] == self._peer and any(
            isinstance(route, DatagramTransport) and route.rtcp_port == sender[1]
            for route in self._routes.values()
        )

    def check(self, now_s: float) -> None:
        """Close a client that is gone, or that has not taken anything for a while; tell of one that
        has played for long.
        """
        since_us = self._played_since_us
        if since_us is not None and self._server.utc_us() - since_us >= _LONG_PLAY_US:
            self._tell_played()
            self._played_since_us = self._server.utc_us()
        must_speak = not self._attached or self._core.uses_datagrams
        if must_speak and now_s - self._active_s > SESSION_TIMEOUT_S * 1.5:
            self.close("the session timed out")
        elif self._stalled_since_s is not None and now_s - self._stalled_since_s > _STALLED_LIMIT_S:
            _log.info("an RTSP reader took nothing and was closed", peer=self._peer)
            self._transport.abort()

    def close(self, detail: str) -> None:
        """Say goodbye and close, once what is written has left."""
        _log.debug("RTSP connection closes", peer=self._peer, detail=detail)
        if self._attached and self._output is not None:
            for packetiser in self._output.packetisers():
                self.on_report(packetiser.track_index, packetiser.goodbye())
        self._detach()
        self._transport.close()

    def _act(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case DescribeRequested() | SetupRequested():
                    self._answering = self._loop.create_task(self._answer(event))
                case PlayRequested():
                    self._flush()
                    self._play(event)
                case PauseRequested():
                    self._detach()
                case SessionEnded():
                    self._detach()
                    self._output = None
                    self.access = None
                case Ended(detail):
                    self._flush()
                    self.close(detail)
                    return
        self._flush()

    def _flush(self) -> None:
        data = self._core.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    async def _answer(self, event: DescribeRequested | SetupRequested) -> None:
        """Open the Stream, which may have to be pulled first, and reply."""
        try:
            if self._output is None or self._output.stream.closed or self.access != event.access:
                self._detach()
                self._output = None
                # Known before the Stream comes: who loses the access meanwhile is closed.
                self.access = event.access
                self._output = await self._server.output(event.access)
            events = self._reply_to(event, self._output)
        except LookupError:
            events = self._core.refuse(404)
        except (TimeoutError, ConnectionError):
            events = self._core.refuse(503)
        except Exception:
            _log.exception("an RTSP request could not be answered", peer=self._peer)
            self._transport.abort()
            return
        self._act(events)

    def _reply_to(
        self, event: DescribeRequested | SetupRequested, output: PacketisedStream
    ) -> list[Event]:
        tracks = output.stream.tracks
        if not tracks:
            return self._core.refuse(503)
        if isinstance(event, DescribeRequested):
            return self._core.answer_describe(tracks)
        if event.track_index >= len(tracks):
            return self._core.refuse(404)
        ports = None
        if isinstance(event.transport, DatagramTransport):
            ports = self._server.datagrams.ports
        return self._core.answer_setup(output.packetisers()[event.track_index].ssrc, ports)

    def _play(self, event: PlayRequested) -> None:
        if self._output is None or self._attached:
            return
        self._routes = event.transports
        tracks = self._output.stream.tracks
        video = (index for index, track in enumerate(tracks) if track.kind == "video")
        self._video_index = next((index for index in video if index in self._routes), None)
        self._needs_keyframe = True
        self._reports_due = set(self._routes)
        self._attached = True
        try:
            self._output.attach(self)
        except RuntimeError:
            self._attached = False
            self.close("the stream is gone")

    def _detach(self) -> None:
        if self._attached and self._output is not None:
            self._attached = False
            self._output.detach(self)
            self._tell_played()

    def _tell_played(self) -> None:
        since_us, self._played_since_us = self._played_since_us, None
        if since_us is not None and self.access is not None:
            self._server.played(self.access, since_us, self._server.utc_us())

    def on_packets(self, packets: UnitPackets) -> None:
        """See :class:`camera_adapters.rtsp.server_stream.PacketReader`."""
        route = self._routes.get(packets.track_index)
        if route is None or self._transport.is_closing():
            return
        if self._needs_keyframe and not self._resumes_at(packets):
            return
        if packets.track_index in self._reports_due and self._output is not None:
            # Before a track's first packet: a replayed GOP is older than its arrival, and sound
            # that is placed by its arrival first would jump to its place later.
            self._reports_due.discard(packets.track_index)
            self._output.report_to(self, packets.track_index)
        if isinstance(route, InterleavedTransport):
            if self._transport.get_write_buffer_size() > self._server.reader_bytes_limit:
                self._skip()
                return
            self._transport.write(packets.on_channel(route.channel))
        else:
            self._send_datagrams(packets, route)

    def _resumes_at(self, packets: UnitPackets) -> bool:
        """Whether to go on with this unit: a video keyframe, and half of the buffer is free."""
        if self._video_index is not None and (
            packets.track_index != self._video_index or not packets.keyframe
        ):
            return False
        if self._transport.get_write_buffer_size() > self._server.reader_bytes_limit // 2:
            return False
        self._needs_keyframe = False
        self._stalled_since_s = None
        if self._played_since_us is None:
            self._played_since_us = self._server.utc_us()
        return True

    def _skip(self) -> None:
        if self._stalled_since_s is None:
            self._stalled_since_s = self._loop.time()
        self._needs_keyframe = True

    def _send_datagrams(self, packets: UnitPackets, route: DatagramTransport) -> None:
        send, target = self._server.datagrams.media.sendto, (self._peer, route.rtp_port)
        try:
            for datagram in packets.datagrams():
                send(datagram, target)
        except BlockingIOError:
            self._needs_keyframe = True
        except OSError as error:
            _log.debug("RTP was not sent", peer=self._peer, detail=str(error))

    def on_report(self, track_index: int, report: bytes) -> None:
        """See :class:`camera_adapters.rtsp.server_stream.PacketReader`."""
        route = self._routes.get(track_index)
        if route is None or self._transport.is_closing():
            return
        if isinstance(route, InterleavedTransport):
            if self._stalled_since_s is None:
                header = bytes((0x24, route.channel + 1)) + len(report).to_bytes(2, "big")
                self._transport.write(header + report)
        else:
            with contextlib.suppress(OSError):
                self._server.datagrams.control.sendto(report, (self._peer, route.rtcp_port))

    def on_ended(self) -> None:
        """See :class:`camera_adapters.rtsp.server_stream.PacketReader`."""
        self.close("the stream ended or changed its formats")
