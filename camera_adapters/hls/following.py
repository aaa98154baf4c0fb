"""A live playlist followed: segment after segment, shown at the pace at which they were made.

A segment comes when it is over, so what is shown is later than the camera by one segment and the
way; footage is filed under the time of capture all the same: what the playlist says
(EXT-X-PROGRAM-DATE-TIME) where that is near, else the segment's length before it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp

from camera_adapters.hls.playlist import (
    MasterPlaylist,
    MediaPlaylist,
    PlaylistError,
    Segment,
    parse_playlist,
)
from camera_adapters.http_authentication import Credentials
from camera_adapters.http_pull.client import FetchFailed, get, get_text, read_limited
from camera_adapters.mpeg_ts.demultiplex import TransportDemultiplexer, TsPicture, Unit
from camera_adapters.retrying import Attempt, Ending

SEGMENT_BYTES_LIMIT = 64 * 1024 * 1024
# Taken apart at once: other cameras share the loop.
_SLICE_BYTES = 256 * 1024
_INIT_BYTES_LIMIT = 256 * 1024
_MASTERS_LIMIT = 3
_FAILURES_LIMIT = 3
_CLOCK_LIMIT_US = 60_000_000
_LATE_S = 1.0


@dataclass(slots=True)
class _Schedule:
    """When a unit is due, and which moment it shows."""

    attempt: Attempt
    began_s: float = 0.0
    first_90k: int | None = None
    behind_us: int = 0

    async def show(self, unit: Unit) -> None:
        loop = asyncio.get_running_loop()
        time_90k = unit.dts_90k if isinstance(unit, TsPicture) else unit.pts_90k
        if self.first_90k is None:
            self.first_90k, self.began_s = time_90k, loop.time()
        ahead_s = self.began_s + (time_90k - self.first_90k) / 90_000 - loop.time()
        if 0 < ahead_s < 60:
            await asyncio.sleep(ahead_s)
        elif abs(ahead_s) > _LATE_S:
            # The next segment came late: from here on everything is later by as much.
            self.began_s -= ahead_s
        attempt = self.attempt
        shown_us = attempt.now_us() - self.behind_us
        if isinstance(unit, TsPicture):
            attempt.packets += 1
            attempt.ingest.picture(unit.codec, unit.nal_units, unit.pts_90k, unit.dts_90k, shown_us)
        else:
            attempt.ingest.sound(unit.track, unit.payload, unit.pts_90k, shown_us)


async def follow_playlist(
    attempt: Attempt,
    session: aiohttp.ClientSession,
    url: str,
    text: str,
    credentials: Credentials | None,
    *,
    origin: str = "",
) -> Ending:
    """Show what the playlist names, until it ends. Raises FetchFailed.

    ``credentials`` go to the server of ``origin`` alone (``url`` where it is left out).
    """
    try:
        return await _follow(attempt, session, url, text, credentials, origin or url)
    except PlaylistError as error:
        return Ending("protocol", str(error))


async def _follow(
    attempt: Attempt,
    session: aiohttp.ClientSession,
    url: str,
    text: str,
    credentials: Credentials | None,
    origin: str,
) -> Ending:
    playlist = parse_playlist(text)
    for _ in range(_MASTERS_LIMIT):
        if not isinstance(playlist, MasterPlaylist):
            break
        _, best = max(playlist.variants)
        text, url = await get_text(session, urljoin(url, best), credentials, origin=origin)
        playlist = parse_playlist(text)
    if isinstance(playlist, MasterPlaylist):
        return Ending("protocol", "playlists lead to playlists without an end")
    schedule = _Schedule(attempt)
    segments = _Segments(session, url, credentials, origin)
    failures = 0
    following = max(playlist.segments[-1].sequence, 0) if playlist.segments else -1
    if playlist.ended and playlist.segments:
        following = playlist.segments[0].sequence
    while True:
        fresh = [one for one in playlist.segments if one.sequence >= following]
        for segment in fresh:
            try:
                units = await segments.units(segment)
                failures = 0
            except FetchFailed:
                failures += 1
                if failures >= _FAILURES_LIMIT:
                    raise
                continue
            finally:
                following = segment.sequence + 1
            if segments.unsupported:
                named = segments.unsupported
                return Ending("no_video", f"the video is {named}; the gateway takes H.264, H.265")
            attempt.bytes += segments.octets
            if segment.broken_before:
                attempt.ingest.restart_clock()
                schedule.first_90k = None
            if schedule.first_90k is None:
                schedule.behind_us = _behind_us(segment, attempt.now_us(), playlist)
            for unit in units:
                await schedule.show(unit)
        if playlist.ended:
            return Ending("ended", "the playlist has ended")
        if not fresh:
            # RFC 8216 §6.3.4: not sooner than half a target duration.
            await asyncio.sleep(max(playlist.target_s / 4, 0.2))
        text, _ = await get_text(session, url, credentials, origin=origin)
        found = parse_playlist(text)
        if isinstance(found, MasterPlaylist):
            return Ending("protocol", "the playlist has become another one")
        playlist = found
        if playlist.segments and playlist.segments[-1].sequence < following - 1:
            # The server began anew, and counts from the beginning.
            following = playlist.segments[-1].sequence
            attempt.ingest.restart_clock()
            schedule.first_90k = None


def _behind_us(segment: Segment, now_us: int, playlist: MediaPlaylist) -> int:
    """How long before now the segment's first picture was captured."""
    if segment.start_us is not None and 0 <= now_us - segment.start_us <= _CLOCK_LIMIT_US:
        return now_us - segment.start_us
    return 0 if playlist.ended else round(segment.duration_s * 1_000_000)


class _Segments:
    """Fetches segments and takes them apart. ``octets`` are the last one's."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        credentials: Credentials | None,
        origin: str,
    ) -> None:
        self.octets = 0
        self.unsupported = ""
        self._session = session
        self._url = url
        self._credentials = credentials
        self._origin = origin
        self._transport = TransportDemultiplexer()
        self._init: tuple[str, bytes] = ("", b"")

    async def units(self, segment: Segment) -> Iterator[Unit]:
        """Its pictures and sound, in order. Raises FetchFailed."""
        data = await self._fetch(segment.url, segment.byte_range, SEGMENT_BYTES_LIMIT)
        self.octets = len(data)
        if segment.broken_before:
            self._transport.restart()
        if segment.map_url:
            if self._init[0] != segment.map_url:
                init = await self._fetch(segment.map_url, segment.map_range, _INIT_BYTES_LIMIT)
                self._init = (segment.map_url, init)
            # libavformat takes fragments apart; loaded by those who need it.
            from camera_adapters.hls.fragments import read_fragment

            return iter(await asyncio.to_thread(read_fragment, self._init[1] + data))
        units: list[Unit] = []
        for start in range(0, len(data), _SLICE_BYTES):
            units += self._transport.receive(data[start : start + _SLICE_BYTES])
            await asyncio.sleep(0)
        units += self._transport.flush()
        self.unsupported = self._transport.unsupported
        return iter(units)

    async def _fetch(self, url: str, part: tuple[int, int] | None, limit: int) -> bytes:
        headers = {}
        if part is not None:
            headers["Range"] = f"bytes={part[0]}-{part[0] + part[1] - 1}"
        target = urljoin(self._url, url)
        async with get(
            self._session, target, self._credentials, headers, origin=self._origin
        ) as response:
            return await read_limited(response, limit)
