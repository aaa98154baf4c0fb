from __future__ import annotations

import asyncio
import re
import subprocess

import pytest

from camera_adapters.stream import Codec
from tests.gateway.footage.conftest import PCMA, START_US, g711_tone, together


def playlist_path(seconds: int, ticket: str = "") -> str:
    query = f"start_us={START_US}&end_us={START_US + seconds * 1_000_000}"
    return f"/hls/index.m3u8?{query}" + (f"&ticket={ticket}" if ticket else "")


async def decoded(url: str) -> tuple[int, str]:
    """How many pictures ffmpeg's HLS player shows, and what it complains about."""

    def run() -> subprocess.CompletedProcess[str]:
        command = ["ffmpeg", "-v", "warning", "-nostdin", "-i", url, "-map", "0", "-f", "null", "-"]
        return subprocess.run(
            [*command, "-stats", "-progress", "pipe:1"], capture_output=True, text=True, check=True
        )

    done = await asyncio.to_thread(run)
    frames = re.findall(r"^frame=\s*(\d+)", done.stdout, re.M)
    complaints = [
        line for line in done.stderr.splitlines() if "frame=" not in line and line.strip()
    ]
    return int(frames[-1]), "\n".join(complaints)


async def test_ffmpeg_plays_it_by_byte_ranges(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:400])
    url = world.url(playlist_path(60, world.ticket()))
    playlist = (await world.http.get(url)).text
    assert "#EXT-X-BYTERANGE:" in playlist
    assert "#EXT-X-MAP:" in playlist
    assert "#EXT-X-PROGRAM-DATE-TIME:2026-11-01T00:00:00.000Z" in playlist
    assert "#EXT-X-DISCONTINUITY" not in playlist
    frames, complaints = await decoded(url)
    assert (frames, complaints) == (400, "")


async def test_gaps_and_reconnects_are_discontinuities(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.record(h264.tracks, h264.units[:100], start_us=START_US + 30_000_000)
    await world.open()
    playlist = (await world.get(playlist_path(60))).text
    before, after = playlist.split("#EXT-X-DISCONTINUITY\n")
    assert after.startswith("#EXT-X-MAP:")
    assert "PROGRAM-DATE-TIME:2026-11-01T00:00:30.000Z" in after
    assert sum(float(n) for n in re.findall(r"#EXTINF:([\d.]+)", before)) == pytest.approx(10)
    assert playlist.rstrip().endswith("#EXT-X-ENDLIST")
    longest = max(float(n) for n in re.findall(r"#EXTINF:([\d.]+)", playlist))
    assert int(re.search(r"TARGETDURATION:(\d+)", playlist)[1]) >= longest


async def test_g711_is_converted_for_players(world, h264) -> None:
    units = together(h264.units[:200], g711_tone(Codec.PCMA, 20.0))
    await world.record((h264.track, PCMA), units)
    url = world.url(playlist_path(60, world.ticket()))
    playlist = (await world.http.get(url)).text
    assert "BYTERANGE" not in playlist
    frames, complaints = await decoded(url)
    assert (frames, complaints) == (200, "")


async def test_byte_ranges_do_not_reach_beyond_the_session(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:400])
    await world.open(end_us=START_US + 4_000_000)
    playlist = (await world.get(playlist_path(60))).text
    assert sum(float(n) for n in re.findall(r"#EXTINF:([\d.]+)", playlist)) <= 6
    path = re.search(r"\.\./(segments/\S+)", playlist)[1]
    length, offset = map(int, re.search(r"BYTERANGE:(\d+)@(\d+)", playlist).groups())
    granted = await world.get(
        f"/{path}", headers={"range": f"bytes={offset}-{offset + length - 1}"}
    )
    assert granted.status_code == 206
    beyond = await world.get(f"/{path}", headers={"range": f"bytes={offset}-"})
    assert beyond.status_code == 403
