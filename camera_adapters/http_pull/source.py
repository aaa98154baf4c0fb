"""An ``http(s)://`` address as a source: what comes tells what it is.

FLV and transport streams are read as they come, playlists are followed (:mod:`camera_adapters.hls`)
and multipart pictures handed to whoever can make video of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from camera_adapters.flv.media import FlvMedia
from camera_adapters.flv.tags import FlvError, TagReader
from camera_adapters.hls.following import follow_playlist
from camera_adapters.http_authentication import Credentials
from camera_adapters.http_pull.client import FetchFailed, get, open_client, read_limited
from camera_adapters.http_pull.jpeg_stream import OpenEncoder, read_multipart
from camera_adapters.http_pull.multipart import MultipartError, boundary_of
from camera_adapters.mpeg_ts.demultiplex import PACKET_BYTES as TS_PACKET_BYTES
from camera_adapters.mpeg_ts.demultiplex import TransportDemultiplexer, TsPicture
from camera_adapters.retrying import Attempt, Ending

_READ_TIMEOUT_S = 10.0
# Two transport packets tell; shorter playlists end by themselves.
_SNIFF_BYTES = 200
_PLAYLIST_BYTES_LIMIT = 1024 * 1024
_TS_SYNC = 0x47

Attempting = Callable[[Attempt], Awaitable[Ending]]


def http_attempt(
    url: str,
    username: str = "",
    password: str = "",
    open_encoder: OpenEncoder | None = None,
) -> Attempting:
    """What a :class:`~camera_adapters.retrying.RetryingSource` does for this address."""

    async def attempt(one: Attempt) -> Ending:
        credentials = Credentials(username, password) if username else None
        async with open_client(_READ_TIMEOUT_S) as session:
            try:
                async with get(session, url, credentials) as response:
                    return await _read(one, session, response, url, credentials, open_encoder)
            except FetchFailed as error:
                return error.ending
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = f": {error}" if str(error) else ""
                return Ending("lost", f"the server broke off{why}")

    return attempt


async def _read(
    attempt: Attempt,
    session: aiohttp.ClientSession,
    response: aiohttp.ClientResponse,
    origin: str,
    credentials: Credentials | None,
    open_encoder: OpenEncoder | None,
) -> Ending:
    kind = response.content_type.lower()
    chunks = response.content.iter_any()
    first = b""
    async for chunk in chunks:
        first += chunk
        if len(first) >= _SNIFF_BYTES:
            break
    if first.startswith(b"FLV"):
        return await _read_flv(attempt, first, chunks)
    if first.lstrip(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        text = (first + await read_limited(response, _PLAYLIST_BYTES_LIMIT)).decode(
            "utf-8", "replace"
        )
        return await follow_playlist(
            attempt, session, str(response.url), text, credentials, origin=origin
        )
    if len(first) > TS_PACKET_BYTES and first[0] == first[TS_PACKET_BYTES] == _TS_SYNC:
        return await _read_transport_stream(attempt, first, chunks)
    if kind == "multipart/x-mixed-replace":
        try:
            boundary = boundary_of(response.headers.get("Content-Type", ""))
            return await read_multipart(attempt, boundary, first, chunks, open_encoder)
        except MultipartError as error:
            return Ending("protocol", str(error))
    return Ending(
        "protocol", f"the address gives {kind}, and neither FLV, HLS nor multipart pictures"
    )


async def _read_transport_stream(
    attempt: Attempt, first: bytes, chunks: AsyncIterator[bytes]
) -> Ending:
    demultiplexer = TransportDemultiplexer()
    ingest = attempt.ingest
    chunk = first
    try:
        while True:
            attempt.bytes += len(chunk)
            now_us = attempt.now_us()
            for unit in demultiplexer.receive(chunk):
                if isinstance(unit, TsPicture):
                    attempt.packets += 1
                    ingest.picture(unit.codec, unit.nal_units, unit.pts_90k, unit.dts_90k, now_us)
                else:
                    ingest.sound(unit.track, unit.payload, unit.pts_90k, now_us)
            attempt.malformed = demultiplexer.malformed + demultiplexer.damaged
            if demultiplexer.unsupported:
                return Ending(
                    "no_video",
                    f"the video is {demultiplexer.unsupported}; the gateway takes H.264, H.265",
                )
            chunk = await anext(chunks)
    except StopAsyncIteration:
        return Ending("ended", "the server ended the stream")


async def _read_flv(attempt: Attempt, first: bytes, chunks: AsyncIterator[bytes]) -> Ending:
    reader = TagReader()
    media = FlvMedia(attempt.ingest)
    chunk = first
    try:
        while True:
            attempt.bytes += len(chunk)
            now_us = attempt.now_us()
            for tag in reader.receive(chunk):
                attempt.packets += tag.kind == 9
                media.take(tag.kind, tag.timestamp_ms, tag.body, now_us)
            if media.unsupported:
                return Ending(
                    "no_video", f"the video is {media.unsupported}; the gateway takes H.264, H.265"
                )
            chunk = await anext(chunks)
    except StopAsyncIteration:
        return Ending("ended", "the server ended the stream")
    except FlvError as error:
        return Ending("protocol", str(error))
