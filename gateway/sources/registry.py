"""Which source an address means: its scheme chooses, and a builder makes it.

A new protocol is a builder here, and a scheme in :mod:`gateway.sources.addresses`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.gb28181.media_terms import MediaTransport
from camera_adapters.gb28181.source import GbSource, MediaPlace
from camera_adapters.http_pull.source import http_attempt
from camera_adapters.pushed import PushedSource
from camera_adapters.retrying import Attempt, Ending, RetryingSource
from camera_adapters.rtmp.pull import rtmp_attempt
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.rtsp.source import RtspSource
from camera_adapters.source import Source, SourceState
from camera_adapters.stream import Stream
from gateway.control.channel import ControlClient
from gateway.settings import Settings
from gateway.shard.desired import DesiredSource
from gateway.sources.files import path_of
from gateway.sources.gb28181 import dialogs, parse_address, platform_transport
from gateway.sources.jpeg_encoding import jpeg_encoders
from gateway.sources.push_door import PushDoor
from gateway.transcoder.client import TranscoderClient


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a shard can give its sources. None where this process has none of it.

    ``push`` knows who pushes in; ``media`` is where GB/T 28181 media come in, and ``reader`` tells
    how each platform sends them; ``signalling`` is the process that speaks to platforms;
    ``transcoder`` makes H.264 of pictures that browsers cannot play.
    """

    settings: Settings | None = None
    signalling: ControlClient | None = None
    transcoder: TranscoderClient | None = None
    push: PushDoor | None = None
    media: MediaPlace | None = None
    reader: AsyncEngine | None = None


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One source to build: for ``desired``, feeding ``stream``; as in
    :class:`~camera_adapters.source.Source`.
    """

    desired: DesiredSource
    stream: Stream
    clock: SteadyClock
    on_state: Callable[[SourceState], None]


Builder = Callable[[SourceRequest, SourceContext], Source]


def build_source(request: SourceRequest, context: SourceContext) -> Source:
    """The source for the address; one that says what is wrong, where it cannot be built."""
    scheme = request.desired.url.partition(":")[0].lower()
    builder = BUILDERS.get(scheme)
    try:
        if builder is None:
            raise ValueError(f"nothing here reads {scheme}:// addresses")
        return builder(request, context)
    except ValueError as error:
        return _refused(request, str(error))


def _rtsp(request: SourceRequest, context: SourceContext) -> Source:
    desired = request.desired
    return RtspSource(
        desired.url,
        request.stream,
        username=desired.username or "",
        password=desired.password or "",
        transport=desired.transport,
        on_state=request.on_state,
        clock=request.clock,
    )


def _http(request: SourceRequest, context: SourceContext) -> Source:
    desired = request.desired
    encoders = jpeg_encoders(context.transcoder) if context.transcoder is not None else None
    return _retrying(
        request,
        http_attempt(desired.url, desired.username or "", desired.password or "", encoders),
    )


def _rtmp(request: SourceRequest, context: SourceContext) -> Source:
    return _retrying(request, rtmp_attempt(request.desired.url))


def _file(request: SourceRequest, context: SourceContext) -> Source:
    # libavformat is loaded by shards that replay files, and by no others.
    from camera_adapters.file_replay.source import file_attempt

    return _retrying(request, file_attempt(path_of(request.desired.url, context.settings)))


def _push(request: SourceRequest, context: SourceContext) -> Source:
    if context.push is None:
        raise ValueError("pushed cameras have no place here")
    return PushedSource(
        context.push.slot(request.desired),
        request.stream,
        clock=request.clock,
        on_state=request.on_state,
    )


def _gb28181(request: SourceRequest, context: SourceContext) -> Source:
    signalling, media, reader = context.signalling, context.media, context.reader
    if signalling is None or media is None or reader is None:
        raise ValueError("GB/T 28181 cameras have no place here")
    desired = request.desired
    address = parse_address(desired.url)

    async def choose() -> MediaTransport:
        if desired.transport != "auto":
            return "udp" if desired.transport == "udp" else "tcp_passive"
        return await platform_transport(reader, address.platform_id)

    return GbSource(
        desired.url,
        request.stream,
        dialogs(signalling, address, "play"),
        choose,
        media,
        clock=request.clock,
        on_state=request.on_state,
    )


def _retrying(
    request: SourceRequest, attempt: Callable[[Attempt], Awaitable[Ending]]
) -> RetryingSource:
    return RetryingSource(
        request.desired.url,
        request.stream,
        attempt,
        clock=request.clock,
        on_state=request.on_state,
    )


def _refused(request: SourceRequest, why: str) -> Source:
    async def attempt(_: Attempt) -> Ending:
        return Ending("bad_address", why, retry_s=60.0)

    return _retrying(request, attempt)


BUILDERS: dict[str, Builder] = {
    "rtsp": _rtsp,
    "rtsps": _rtsp,
    "http": _http,
    "https": _http,
    "rtmp": _rtmp,
    "file": _file,
    "push": _push,
    "gb28181": _gb28181,
}
