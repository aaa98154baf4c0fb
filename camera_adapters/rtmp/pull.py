"""An ``rtmp://`` address as a source: the client's core on a connection."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable

from camera_adapters.flv.media import FlvMedia
from camera_adapters.retrying import Attempt, Ending
from camera_adapters.rtmp.chunks import RtmpError
from camera_adapters.rtmp.client import Ended, Event, Refused, RtmpClient, parse_rtmp_url
from camera_adapters.rtmp.server import Media

_CONNECT_TIMEOUT_S = 10.0
_NEGOTIATION_TIMEOUT_S = 15.0


def rtmp_attempt(url: str) -> Callable[[Attempt], Awaitable[Ending]]:
    """What a :class:`~camera_adapters.retrying.RetryingSource` does for this address. Raises
    ValueError when it is none.
    """
    address = parse_rtmp_url(url)

    async def attempt(one: Attempt) -> Ending:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                transport, session = await loop.create_connection(
                    lambda: _Session(RtmpClient(address), one), address.host, address.port
                )
        except socket.gaierror:
            return Ending("unresolved", f"the name {address.host} does not resolve")
        except ConnectionRefusedError:
            return Ending("closed_port", f"port {address.port} of {address.host} is closed")
        except TimeoutError:
            return Ending("unreachable", f"{address.host} does not answer on port {address.port}")
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "")
            return Ending("unreachable", f"{address.host} cannot be reached ({name or error})")
        try:
            done, _ = await asyncio.wait([session.ended], timeout=_NEGOTIATION_TIMEOUT_S)
            if not done and not session.heard:
                return Ending("timed_out", "the server does not answer RTMP")
            return await session.ended
        finally:
            transport.abort()

    return attempt


class _Session(asyncio.Protocol):
    """One connection; ``ended`` says how it ended."""

    def __init__(self, client: RtmpClient, attempt: Attempt) -> None:
        self.heard = False
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._client = client
        self._attempt = attempt
        self._media = FlvMedia(attempt.ingest)
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        # uvloop's transports do not derive from asyncio's.
        self._transport = transport  # type: ignore[assignment]
        self._flush()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._attempt.bytes += len(data)
        try:
            events = self._client.receive(data)
            now_us = self._attempt.now_us()
            for event in events:
                self._on_event(event, now_us)
        except RtmpError as error:
            self._end(Ending("protocol", str(error)))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        detail = f": {exc}" if exc is not None else ""
        self._end(Ending("lost", f"the server closed the connection{detail}"))

    def _on_event(self, event: Event, now_us: int) -> None:
        match event:
            case Media(kind, timestamp_ms, body):
                self.heard = True
                self._attempt.packets += kind == 9
                self._media.take(kind, timestamp_ms, body, now_us)
                if self._media.unsupported:
                    named = self._media.unsupported
                    self._end(
                        Ending("no_video", f"the video is {named}; the gateway takes H.264, H.265")
                    )
            case Refused(code, line):
                self._end(Ending(code, line))
            case Ended():
                self._end(Ending("ended", "the server ended the stream"))

    def _flush(self) -> None:
        data = self._client.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, ending: Ending) -> None:
        if not self.ended.done():
            self.ended.set_result(ending)
