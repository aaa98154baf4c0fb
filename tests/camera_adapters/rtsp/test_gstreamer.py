"""Against GStreamer's RTSP server: every picture of the clip arrives, as ffprobe sees it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from camera_adapters.codecs.nal import iterate_nal_units, nal_units_to_payload, split_annex_b
from camera_adapters.rtsp.probe import probe
from camera_adapters.rtsp.source import RtspSource
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from tests.peers.processes import gstreamer_camera

pytestmark = [
    pytest.mark.gstreamer,
    pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs Debian's Python"),
    pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe"),
]


class Kept:
    """A Sink that keeps everything."""

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self.units: list[AccessUnit] = []
        self.over = asyncio.Event()
        self.enough = asyncio.Event()
        self.wanted = 1 << 30

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.tracks = tracks

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        if len(self.units) >= self.wanted:
            self.enough.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.over.set()

    def on_closed(self) -> None:
        self.over.set()


def make_clip(
    source: Path, target: Path, seconds: int, codec: Sequence[str] = ("-c", "copy")
) -> Path:
    """The first seconds; not encoded anew unless ``codec`` says so."""
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-t", str(seconds), *codec]
    subprocess.run([*command, str(target)], check=True)
    return target


def pictures_of(clip: Path, codec: Codec) -> list[tuple[str, bool]]:
    """Hash and keyframe flag of each picture of a clip, by ffmpeg."""
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_packets", "-of", "json", clip],
        capture_output=True,
        check=True,
    )
    packets = json.loads(probed.stdout)["packets"]
    pictures = []
    for packet in packets:
        with clip.open("rb") as file:
            file.seek(int(packet["pos"]))
            data = file.read(int(packet["size"]))
        units = [bytes(unit) for unit in iterate_nal_units(data)]
        payload = nal_units_to_payload(codec, units)
        pictures.append((hashlib.sha256(payload).hexdigest(), "K" in packet["flags"]))
    return pictures


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
async def test_every_picture_of_the_clip_arrives(
    codec: Codec, transport: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue(f"pedestrians_{codec.value}")
    clip = make_clip(source, tmp_path / "clip.mp4", 4)
    expected = pictures_of(clip, codec)
    stream, kept = Stream("cam", Variant.MAIN), Kept()
    stream.attach(kept)
    with gstreamer_camera(clip, codec.value) as url:
        camera = RtspSource(url, stream, transport=transport)  # type: ignore[arg-type]
        camera.start()
        # The clip ends, and the server says goodbye or falls silent.
        async with asyncio.timeout(40):
            await kept.over.wait()
        await camera.stop()
    arrived = [(hashlib.sha256(u.payload).hexdigest(), u.keyframe) for u in kept.units]
    assert arrived == expected
    assert (kept.tracks[0].width, kept.tracks[0].height) == (768, 576)
    gaps = [later.pts_90k - earlier.pts_90k for earlier, later in pairwise(kept.units)]
    # 10 pictures a second; the slew of the first seconds may move one by 5 %.
    assert all(8_500 < gap < 9_500 for gap in gaps)
    assert all(unit.dts_90k == unit.pts_90k for unit in kept.units)


async def test_b_frames_get_decoding_times(pedestrians_h264: Path, tmp_path: Path) -> None:
    x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "10"]
    clip = make_clip(pedestrians_h264, tmp_path / "b.mp4", 3, x264)
    expected = pictures_of(clip, Codec.H264)
    stream, kept = Stream("cam", Variant.MAIN), Kept()
    stream.attach(kept)
    with gstreamer_camera(clip, "h264") as url:
        camera = RtspSource(url, stream, transport="tcp")
        camera.start()
        async with asyncio.timeout(40):
            await kept.over.wait()
        await camera.stop()
    assert [unit.keyframe for unit in kept.units] == [keyframe for _, keyframe in expected]
    assert kept.tracks[0].reorder_depth == 2
    assert any(b.pts_90k < a.pts_90k for a, b in pairwise(kept.units))
    assert all(b.dts_90k > a.dts_90k for a, b in pairwise(kept.units))
    assert all(unit.dts_90k <= unit.pts_90k for unit in kept.units)


@pytest.mark.parametrize(
    ("sound", "codec", "clock_rate"),
    [
        ("alaw", Codec.PCMA, 8000),
        ("mulaw", Codec.PCMU, 8000),
        ("aac", Codec.AAC, 48000),
        ("opus", Codec.OPUS, 48000),
    ],
)
async def test_sound_arrives_on_the_pictures_line(
    sound: str, codec: Codec, clock_rate: int, pedestrians_h264: Path
) -> None:
    stream, kept = Stream("cam", Variant.MAIN), Kept()
    kept.wanted = 80
    stream.attach(kept)
    with gstreamer_camera(pedestrians_h264, "h264", sound) as url:
        camera = RtspSource(url, stream, transport="tcp")
        camera.start()
        async with asyncio.timeout(40):
            await kept.enough.wait()
        await camera.stop()
    assert (kept.tracks[1].codec, kept.tracks[1].clock_rate) == (codec, clock_rate)
    heard = [unit for unit in kept.units if unit.track_index == 1]
    seen = [unit for unit in kept.units if unit.track_index == 0]
    assert len(heard) > 10
    assert all(later.pts_90k > earlier.pts_90k for earlier, later in pairwise(heard))
    # Both are live: what comes at the same time lies at the same time, but for buffering.
    assert abs(heard[-1].pts_90k - seen[-1].pts_90k) < 90_000
    if codec is Codec.OPUS:
        assert split_annex_b(heard[0].payload) == []


async def test_digest_and_the_lines_of_a_probe(pedestrians_h264: Path) -> None:
    with gstreamer_camera(pedestrians_h264, "h264") as url:
        locked = url.replace("/cam", "/locked")
        good = await probe(url)
        assert (good.ok, good.code) == (True, "ok")
        assert good.video is not None
        assert (good.video.width, good.video.height, good.video.codec) == (768, 576, Codec.H264)
        assert good.line == "h264 768x576 at 10 pictures a second, no sound"
        assert (await probe(locked, "viewer", "secret")).ok
        assert (await probe(locked, "viewer", "wrong")).code == "refused"
        assert (await probe(locked)).code == "refused"
        assert (await probe(url.replace("/cam", "/nothing"))).code == "not_found"
