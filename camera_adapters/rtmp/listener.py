"""The RTMP server on a socket: who connects says what they publish, and somebody admits them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from camera_adapters.flv.media import FlvMedia
from camera_adapters.media_ingest import MediaIngest
from camera_adapters.pushed import PushSlot, Target
from camera_adapters.rtmp.chunks import RtmpError
from camera_adapters.rtmp.server import Event, Media, PublishAsked, PublishEnded, RtmpServer
from camera_adapters.source import SourceCounters

_log = structlog.get_logger(__name__)

CONNECTIONS_LIMIT = 512
UNADMITTED_LIMIT = 64
_ADMISSION_S = 10.0
_SILENCE_S = 30.0
_CLOSE_S = 2.0

Admit = Callable[[str, str, str, str], PushSlot]
"""(application, name, key, peer address) → the slot. Raises PermissionError with what to tell."""


class RtmpListener:
    """Listens for publishers. Connections, and those of them that are not admitted yet, are
    bounded.
    """

    def __init__(self, admit: Admit) -> None:
        self.admit = admit
        self.connections: set[_Publisher] = set()
        self.unadmitted = 0
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port in use; 0 before :meth:`start`."""
        return self._server.sockets[0].getsockname()[1] if self._server is not None else 0

    async def start(self, address: str, port: int) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Publisher(self), address, port)

    async def stop(self) -> None:
        """Disconnect everybody."""
        if self._server is not None:
            self._server.close()
        for one in tuple(self.connections):
            one.end("the gateway stops")


class _Publisher(asyncio.Protocol):
    """One connection; a :class:`~camera_adapters.pushed.Publication` once it is admitted."""

    def __init__(self, listener: RtmpListener) -> None:
        self._listener = listener
        self._core = RtmpServer()
        self._media = FlvMedia(None)
        self._ingest: MediaIngest | None = None
        self._target: Target | None = None
        self._slot: PushSlot | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._address = ""
        self._admitted = False
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._bytes = 0
        self._pictures = 0

    @property
    def description(self) -> str:
        """See :class:`~camera_adapters.pushed.Publication`."""
        return f"RTMP from {self._address}"

    @property
    def settled(self) -> bool:
        """See :class:`~camera_adapters.pushed.Publication`."""
        return self._ingest is None or self._ingest.settled

    @property
    def counters(self) -> SourceCounters:
        """See :class:`~camera_adapters.pushed.Publication`."""
        if self._ingest is None:
            return SourceCounters()
        made = self._ingest.counters
        return SourceCounters(
            bytes=self._bytes,
            packets=self._pictures,
            malformed=made.malformed,
            pictures=made.pictures,
            keyframes=made.keyframes,
            audio_frames=made.audio_frames,
            damaged=made.damaged,
            gop_us=made.gop_us,
            gop_pictures=made.gop_pictures,
        )

    def feed(self, target: Target | None) -> None:
        """See :class:`~camera_adapters.pushed.Publication`."""
        if self._ingest is not None:
            self._ingest.close()
        self._target, self._ingest = target, None
        self._bytes = self._pictures = 0
        if target is not None:
            self._ingest = MediaIngest(target.stream, target.camera_clock, on_run=self._on_run)
        self._media.go_to(self._ingest)

    def tick(self, now_us: int) -> None:
        """See :class:`~camera_adapters.pushed.Publication`."""
        if self._ingest is not None and not self._ingest.settled:
            self._ingest.expire(now_us)

    def want_keyframe(self) -> None:
        """See :class:`~camera_adapters.pushed.Publication`: RTMP has no word for it."""

    def end(self, why: str) -> None:
        """See :class:`~camera_adapters.pushed.Publication`."""
        if self._transport is None or self._transport.is_closing():
            return
        _log.info("a publisher is disconnected", publisher=self.description, why=why)
        self._core.refuse(why)
        self._close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        # uvloop's transports do not derive from asyncio's.
        self._transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        listener = self._listener
        listener.connections.add(self)
        listener.unadmitted += 1
        if len(listener.connections) > CONNECTIONS_LIMIT or listener.unadmitted > UNADMITTED_LIMIT:
            self._abort()
            return
        self._timer = asyncio.get_running_loop().call_later(_ADMISSION_S, self._abort)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._heard = True
        self._bytes += len(data)
        try:
            for event in self._core.receive(data):
                self._on_event(event)
        except RtmpError as error:
            _log.info("a publisher does not speak RTMP", address=self._address, why=str(error))
            self._close()
        except Exception:
            _log.exception("a publisher's connection failed", address=self._address)
            self._abort()
        else:
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._timer is not None:
            self._timer.cancel()
        self._listener.connections.discard(self)
        if not self._admitted:
            self._listener.unadmitted -= 1
        if self._slot is not None:
            detail = f": {exc}" if exc is not None else ""
            self._slot.leave(self, f"the publisher's connection was lost{detail}")

    def _on_event(self, event: Event) -> None:
        match event:
            case Media(kind, timestamp_ms, body):
                if self._target is not None:
                    self._pictures += kind == 9
                    self._media.take(kind, timestamp_ms, body, self._target.now_us())
                else:
                    self._media.take(kind, timestamp_ms, body, 0)
                if self._media.unsupported:
                    named = self._media.unsupported
                    self.end(f"the video is {named}; the gateway takes H.264 and H.265")
            case PublishAsked(application, name, key):
                self._on_publish(application, name, key)
            case PublishEnded():
                if self._slot is not None:
                    self._slot.leave(self, "the publisher stopped")

    def _on_publish(self, application: str, name: str, key: str) -> None:
        try:
            slot = self._listener.admit(application, name, key, self._address)
        except PermissionError as error:
            self._core.refuse(str(error))
            self._close()
            return
        self._admitted = True
        self._listener.unadmitted -= 1
        self._core.accept()
        self._flush()
        self._slot = slot
        _log.info("a publisher is admitted", publisher=self.description, name=name)
        slot.take(self)
        self._watch()

    def _watch(self) -> None:
        """A peer that vanished without a word is not waited for."""
        if self._timer is not None:
            self._timer.cancel()
        self._heard = False
        self._timer = asyncio.get_running_loop().call_later(_SILENCE_S, self._check)

    def _check(self) -> None:
        if self._heard:
            self._watch()
        else:
            self._abort()

    def _on_run(self) -> None:
        if self._target is not None:
            self._target.on_run(self._ingest.video_track if self._ingest is not None else None)

    def _flush(self) -> None:
        data = self._core.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _close(self) -> None:
        """Say what is left to say, then hang up; a peer that does not read is not waited for."""
        self._flush()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            asyncio.get_running_loop().call_later(_CLOSE_S, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
