"""One connection to a camera, from TCP handshake to end: the client's sans-IO core on a loop.

:class:`CameraSession` ends with an :class:`Outcome` and never with an exception. The media path
costs one call per read: ``data_received`` → :meth:`RtspClient.receive` → the track's receiver.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import structlog

from camera_adapters.gathered_reads import GatheredReads, gathered_reads
from camera_adapters.http_authentication import Credentials
from camera_adapters.redaction import redact
from camera_adapters.rtp.clocks import CameraClock, SteadyClock
from camera_adapters.rtp.ingest import Ingest
from camera_adapters.rtsp.client import (
    Described,
    Ended,
    Event,
    Failed,
    FailureCode,
    PacketTaker,
    Playing,
    Redirected,
    RtspClient,
    SetUp,
    TrackTransport,
)
from camera_adapters.rtsp.datagrams import DatagramPair
from camera_adapters.rtsp.url import CameraUrl, parse_camera_url
from camera_adapters.stream import Stream

_log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10.0
NEGOTIATION_TIMEOUT_S = 15.0
SILENCE_TIMEOUT_S = 10.0
_REPORT_INTERVAL_S = 5
_EXPIRE_INTERVAL_S = 0.05
_REDIRECTS_LIMIT = 5

_Session = TypeVar("_Session", bound="CameraSession")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended. ``code`` is a FailureCode, or ``unresolved``, ``unreachable``,
    ``closed_port``, ``timed_out``, ``silent``, ``lost``, ``ended``, ``stopped``, ``internal``,
    ``redirected``, ``bad_address``. ``line`` says it in English, without credentials.
    """

    code: str
    line: str
    redirect_url: str = ""


class CameraSession(asyncio.Protocol):
    """One session. Make it with :func:`run_session`."""

    def __init__(
        self,
        client: RtspClient,
        stream: Stream,
        clock: SteadyClock,
        camera_clock: CameraClock,
        on_run: Callable[[], None],
    ) -> None:
        self.client = client
        self.ingest: Ingest | None = None
        self.bytes_received = 0
        self.playing = False
        self._stream = stream
        self._clock = clock
        self._camera_clock = camera_clock
        self._on_run = on_run
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Outcome] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._descriptor = -1
        self._reads: GatheredReads | None = None
        self._pairs: list[DatagramPair] = []
        self._transports: list[TrackTransport] = []
        self._timer: asyncio.TimerHandle | None = None
        self._expire_timer: asyncio.TimerHandle | None = None
        self._opened_at = self._loop.time()
        self._seconds = 0
        self._keepalive_s = 20.0
        self._next_keepalive_s = 0.0
        self._silent_since = self._loop.time()
        self._packets_seen = 0
        self._ssrc = secrets.randbits(32)
        self._peer_host = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        # uvloop's transports do not derive from asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer_host = peer[0] if peer else ""
        self._timer = self._loop.call_later(1.0, self._tick)
        self.client.start()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`; nothing means the end, from the gathered reads."""
        if not data:
            self.connection_lost(None)
            return
        self.bytes_received += len(data)
        client = self.client
        try:
            client.receive(data, self._clock.now_us())
            if client.has_news:
                self._act()
        except Exception:
            _log.exception("the camera session failed on received bytes")
            self.end(Outcome("internal", "an internal error; see the log"))

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        detail = f": {exc}" if exc is not None else ""
        self.end(Outcome("lost", f"the camera closed the connection{detail}"))

    def end(self, outcome: Outcome) -> None:
        """End the session now; later calls change nothing."""
        if self.ended.done():
            return
        self.ended.set_result(outcome)
        if self._reads is not None:
            self._reads.remove(self._descriptor)
        for timer in (self._timer, self._expire_timer):
            if timer is not None:
                timer.cancel()
        if self.ingest is not None:
            self.ingest.close()
        for pair in self._pairs:
            pair.close()
        transport = self._transport
        if transport is not None:
            self.client.teardown()
            farewell = self.client.data_to_send()
            if farewell and not transport.is_closing():
                # One that uvloop has closed by itself does not say so.
                with contextlib.suppress(RuntimeError):
                    transport.write(farewell)
            transport.close()
            # A peer that does not read would keep the socket open for ever.
            self._loop.call_later(2.0, transport.abort)

    def _act(self) -> None:
        for event in self.client.events():
            self._on_event(event)
        self._flush()

    def _flush(self) -> None:
        data = self.client.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _on_event(self, event: Event) -> None:
        match event:
            case Described(plans):
                if self.client.tcp:
                    self.client.setup()
                else:
                    self._bind_pairs(len(plans))
            case SetUp(transports):
                self._connect_tracks(transports)
                self.client.play()
            case Playing(keepalive_s):
                self.playing = True
                self._gather_reads()
                self._keepalive_s = keepalive_s
                self._next_keepalive_s = self._seconds + keepalive_s
                self._silent_since = self._loop.time()
            case Redirected(url):
                self.end(Outcome("redirected", "the camera redirects", url))
            case Failed(code, line):
                self.end(Outcome(str(code), line))
            case Ended():
                self.end(Outcome("ended", "the camera ended the session"))

    def _gather_reads(self) -> None:
        """From PLAY on, packets are read in rounds (:mod:`camera_adapters.gathered_reads`)."""
        transport = self._transport
        if transport is None or not self.client.tcp or self.ended.done():
            return
        transport.pause_reading()
        self._descriptor = transport.get_extra_info("socket").fileno()
        self._reads = gathered_reads(self._loop)
        self._reads.add(self._descriptor, self.data_received)

    def _bind_pairs(self, count: int) -> None:
        assert self._transport is not None
        address = self._transport.get_extra_info("sockname")[0]
        try:
            for _ in range(count):
                self._pairs.append(DatagramPair(address))
        except OSError as error:
            self.end(Outcome("internal", f"no UDP ports for the camera: {error}"))
            return
        self.client.setup([pair.ports for pair in self._pairs])

    def _make_ingest(self, transports: list[TrackTransport]) -> Ingest:
        tcp = self.client.tcp
        return Ingest(
            self._stream,
            self.client.plans,
            self._camera_clock,
            reordering=not tcp,
            channels=[one.rtp_channel for one in transports] if tcp else None,
            on_run=self._on_run,
        )

    def _packet_taker(self, ingest: Ingest, index: int) -> PacketTaker:
        return ingest.receivers[index].receive_interleaved

    def _connect_tracks(self, transports: list[TrackTransport]) -> None:
        self._transports = transports
        tcp = self.client.tcp
        ingest = self.ingest = self._make_ingest(transports)
        for index, transport in enumerate(transports):
            if tcp:
                self.client.connect_channel(
                    transport,
                    self._packet_taker(ingest, index),
                    partial(self._on_report, index),
                )
            else:
                self._pairs[index].listen(
                    {self._peer_host, transport.source} - {""},
                    partial(self._on_datagrams, index),
                    partial(self._on_report_datagram, index),
                )
                self._punch(index, transport)
        self._expire_timer = self._loop.call_later(_EXPIRE_INTERVAL_S, self._expire)

    def _punch(self, index: int, transport: TrackTransport) -> None:
        """Open the way for the camera's packets through a firewall that tracks connections."""
        if transport.server_rtp_port:
            host = self._peer_host
            self._pairs[index].send(False, b"\x80\x00" + bytes(10), host, transport.server_rtp_port)

    def _on_datagrams(self, index: int, batch: bytes) -> None:
        assert self.ingest is not None
        self.bytes_received += len(batch)
        try:
            self.ingest.receivers[index].receive_batch(batch, self._clock.now_us())
        except Exception:
            _log.exception("the camera session failed on datagrams")
            self.end(Outcome("internal", "an internal error; see the log"))

    def _on_report_datagram(self, index: int, data: bytes) -> None:
        self.bytes_received += len(data)
        self._on_report(index, data, self._clock.now_us())

    def _on_report(self, index: int, data: bytes, now_us: int) -> None:
        assert self.ingest is not None
        if self.ingest.receive_rtcp(index, data, now_us):
            self.end(Outcome("ended", "the camera ended the stream (RTCP BYE)"))

    def _expire(self) -> None:
        if self.ingest is not None and not self.ended.done():
            try:
                self.ingest.expire(self._clock.now_us())
            except Exception:
                _log.exception("the camera session failed on late packets")
                self.end(Outcome("internal", "an internal error; see the log"))
                return
            # By TCP nothing comes out of order: once the beginning is placed, nothing waits.
            if not (self.client.tcp and self.ingest.settled):
                self._expire_timer = self._loop.call_later(_EXPIRE_INTERVAL_S, self._expire)

    def _tick(self) -> None:
        """Once a second: silence, keep-alive, receiver reports."""
        if self.ended.done():
            return
        self._timer = self._loop.call_later(1.0, self._tick)
        self._seconds += 1
        now = self._loop.time()
        if not self.playing:
            if now - self._opened_at > NEGOTIATION_TIMEOUT_S:
                self.end(Outcome("timed_out", "the camera does not answer RTSP requests"))
            return
        assert self.ingest is not None
        packets = self.ingest.receivers[0].counters.packets
        if packets != self._packets_seen:
            self._packets_seen = packets
            self._silent_since = now
        elif now - self._silent_since >= SILENCE_TIMEOUT_S:
            self.end(Outcome("silent", f"no video for {SILENCE_TIMEOUT_S:.0f} s"))
            return
        if self._seconds >= self._next_keepalive_s:
            self._next_keepalive_s = self._seconds + self._keepalive_s
            self.client.keep_alive()
        if self._seconds % _REPORT_INTERVAL_S == 1:
            self._send_reports()
        self._flush()

    def _send_reports(self) -> None:
        assert self.ingest is not None
        now_us = self._clock.now_us()
        for index, transport in enumerate(self._transports):
            report = self.ingest.build_receiver_report(index, self._ssrc, now_us)
            if report is None:
                continue
            if self.client.tcp:
                self.client.send_interleaved(transport.rtcp_channel, report)
            elif transport.server_rtcp_port:
                self._pairs[index].send(True, report, self._peer_host, transport.server_rtcp_port)


async def open_session(
    url: CameraUrl,
    *,
    credentials: Credentials | None,
    tcp: bool,
    stream: Stream,
    clock: SteadyClock,
    camera_clock: CameraClock,
    on_run: Callable[[], None],
) -> CameraSession | Outcome:
    """Connect to the camera and begin; the Outcome when that fails already."""
    client = RtspClient(url.request_url, credentials, tcp)
    return await connect(url, lambda: CameraSession(client, stream, clock, camera_clock, on_run))


async def connect(url: CameraUrl, make: Callable[[], _Session]) -> _Session | Outcome:
    """Connect a session to the camera; the Outcome when that fails already."""
    loop = asyncio.get_running_loop()
    begun: list[_Session] = []
    connected = False

    def begin() -> _Session:
        begun.append(make())
        return begun[-1]

    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            addresses = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
            _, session = await loop.create_connection(begin, str(addresses[0][4][0]), url.port)
            connected = True
            return session
    except socket.gaierror:
        return Outcome("unresolved", f"the name {url.host} does not resolve")
    except ConnectionRefusedError:
        return Outcome("closed_port", f"port {url.port} of {url.host} is closed")
    except TimeoutError:
        return Outcome("unreachable", f"{url.host} does not answer on port {url.port}")
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        return Outcome("unreachable", f"{url.host} cannot be reached ({name or error})")
    finally:
        if not connected:
            # It may run already, and uvloop closes its socket without telling it: the number is
            # soon another camera's, which it would take the reads from.
            for session in begun:
                session.end(Outcome("unreachable", "given up while it was being connected"))


def credentials_for(url: CameraUrl, username: str, password: str) -> Credentials | None:
    """Those given, else those of the URL, else None."""
    if username:
        return Credentials(username, password)
    if url.username:
        return Credentials(url.username, url.password)
    return None


def follow_redirect(
    origin: CameraUrl, outcome: Outcome, credentials: Credentials | None, hops: int
) -> tuple[CameraUrl, Credentials | None] | Outcome:
    """Where to go next, and with which credentials: never a clear password to another host."""
    if hops >= _REDIRECTS_LIMIT:
        return Outcome(str(FailureCode.PROTOCOL), "the camera redirects in a circle")
    try:
        target = parse_camera_url(outcome.redirect_url)
    except ValueError as error:
        where = redact(outcome.redirect_url)[:200]
        return Outcome(str(FailureCode.PROTOCOL), f"the camera redirects to {where!r}: {error}")
    if credentials is None:
        return target, None
    same_host = target.host == origin.host
    return target, Credentials(credentials.username, credentials.password, same_host)
