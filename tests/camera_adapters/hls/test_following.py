"""HLS pulled from files that ffmpeg writes as it goes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from camera_adapters.hls.following import _Segments
from camera_adapters.hls.playlist import Segment
from camera_adapters.http_pull.source import http_attempt
from camera_adapters.mpeg_ts.demultiplex import TransportDemultiplexer, TsPicture, Unit
from camera_adapters.retrying import RetryingSource
from camera_adapters.stream import Codec
from tests.peers.ffmpeg_sender import AAC, H264, PICTURES, TONE, ffmpeg, free_port
from tests.peers.recorded_stream import RecordedStream


@contextlib.asynccontextmanager
async def site(directory: Path) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_static("/", directory)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
async def test_segments_are_followed_as_they_are_written(tmp_path: Path, kind: str) -> None:
    sink = RecordedStream()
    arguments = (
        "-f", "hls", "-hls_time", "1", "-hls_list_size", "4", "-hls_segment_type", kind,
        "-hls_flags", "delete_segments+program_date_time", "-master_pl_name", "master.m3u8",
    )  # fmt: skip
    async with (
        site(tmp_path) as url,
        ffmpeg(*PICTURES, *TONE, *H264, *AAC, *arguments, str(tmp_path / "live.m3u8")),
    ):
        camera = RetryingSource(
            url, sink.stream, http_attempt(url + "/master.m3u8"), silence_s=15.0
        )
        camera.start()
        await sink.until(lambda: len(sink.pictures) >= 80 and len(sink.sound) >= 60, 60)
        now_us = time.time_ns() // 1000
        await camera.stop()
    assert [track.codec for track in sink.runs[-1]] == [Codec.H264, Codec.AAC]
    assert camera.counters.malformed == 0
    walls = [unit.wall_us for unit in sink.pictures]
    # None is missing between segments, and they are shown as they were made, not in bursts.
    assert all(20_000 < later - earlier < 200_000 for earlier, later in pairwise(walls))
    # Filed under the time of capture, which lies a segment or so back.
    assert 300_000 < now_us - walls[-1] < 6_000_000


async def test_a_transport_stream_needs_no_playlist() -> None:
    url = f"http://127.0.0.1:{free_port()}/live.ts"
    sink = RecordedStream()
    async with ffmpeg(*PICTURES, *TONE, *H264, *AAC, "-f", "mpegts", "-listen", "1", url):
        camera = RetryingSource(url, sink.stream, http_attempt(url))
        camera.start()
        await sink.until(lambda: len(sink.pictures) >= 40 and bool(sink.sound))
        await camera.stop()
    assert [track.codec for track in sink.runs[-1]] == [Codec.H264, Codec.AAC]


async def test_a_large_segment_holds_the_others_up_for_slices_of_it_only(tmp_path: Path) -> None:
    # Packets of a stream that nobody announced, then pictures.
    made = tmp_path / "made.ts"
    async with ffmpeg(*PICTURES, "-t", "2", *H264, "-f", "mpegts", str(made)) as process:
        await process.wait()
    packets = b"\x47\x01\x00\x10" + bytes(184)
    size = (tmp_path / "large.ts").write_bytes(packets * 20_000 + made.read_bytes())
    session = aiohttp.ClientSession()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    sizes: list[tuple[int, int]] = []
    receive = TransportDemultiplexer.receive

    def watched(self: TransportDemultiplexer, data: bytes) -> list[Unit]:
        sizes.append((len(data), turns))
        return receive(self, data)

    async with site(tmp_path) as url, session:
        segments = _Segments(session, url + "/x.m3u8", None, url)
        counting = asyncio.create_task(count())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TransportDemultiplexer, "receive", watched)
            units = list(await segments.units(Segment(0, "large.ts", 2.0)))
        counting.cancel()
    assert sum(length for length, _ in sizes) == size
    assert max(length for length, _ in sizes) <= 256 * 1024
    assert all(earlier < later for (_, earlier), (_, later) in pairwise(sizes))
    assert sum(isinstance(unit, TsPicture) for unit in units) >= 40


async def test_an_empty_or_encrypted_playlist_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.m3u8").write_text("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=k\n")
    sink = RecordedStream()
    async with site(tmp_path) as url:
        camera = RetryingSource(url, sink.stream, http_attempt(url + "/x.m3u8"))
        camera.start()
        await sink.until(lambda: bool(sink.interruptions))
        await camera.stop()
    assert "encrypted" in sink.interruptions[0].detail
