"""Every format that the server sends, in players that others wrote and in our own client.

What they take out of the packets is compared with what the clip holds, bit by bit: pictures as
decoded, sound as packets.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from camera_adapters.rtsp.source import RtspSource
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from gateway.demo.clip import Clip, load_clip
from gateway.demo.replay import ReplayServer
from tests.peers.media_file import make_media

pytestmark = [
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg"),
    pytest.mark.timeout(180),
]

Transport = Literal["tcp", "udp"]
TRANSPORTS = pytest.mark.parametrize("transport", ["tcp", "udp"])
_PICTURES = 25
_SOUNDS = 60


@dataclass(frozen=True, slots=True)
class Format:
    """What a camera sends."""

    video: Codec
    sound: tuple[str, ...]
    sound_facts: tuple[str, str, int]


FORMATS = {
    "h265-aac": Format(
        Codec.H265,
        ("-c:a", "aac", "-ar", "44100", "-ac", "2"),
        ("aac", "44100", 2),
    ),
    "h264-opus": Format(
        Codec.H264,
        ("-c:a", "libopus", "-ar", "48000", "-ac", "1"),
        # An Opus stream's own channels do not show in its description (RFC 7587 §7).
        ("opus", "48000", 2),
    ),
}


@dataclass(frozen=True, slots=True)
class Camera:
    """A replayed clip, and the file that it was made of."""

    file: Path
    clip: Clip
    format: Format
    url: str


@pytest.fixture(params=FORMATS)
async def camera(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    pedestrians_h264: Path,
    pedestrians_h265: Path,
) -> AsyncIterator[Camera]:
    form = FORMATS[request.param]
    pictures = pedestrians_h264 if form.video is Codec.H264 else pedestrians_h265
    file = make_media(
        tmp_path / "clip.mp4",
        *("-t", "8", "-i", str(pictures)),
        *("-f", "lavfi", "-t", "8", "-i", "sine=440:sample_rate=48000"),
        *("-map", "0:v", "-map", "1:a", "-c:v", "copy", *form.sound),
    )
    clip = load_clip(file)
    server = ReplayServer(replay_gop=True)
    server.add("gate", clip)
    await server.start()
    yield Camera(file, clip, form, server.url("gate"))
    await server.close()


async def run(*command: str) -> str:
    """What a program prints. Fails unless it succeeds within a minute."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, error = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        out, error = await process.communicate()
        pytest.fail(f"{command[0]} did not end: {error.decode()[-2000:]}")
    assert process.returncode == 0, error.decode()[-2000:]
    return out.decode()


async def hashes(*source: str, pictures: int | None = None) -> dict[int, list[str]]:
    """Stream number → MD5 of each decoded picture, or of each packet of sound, by ffmpeg."""
    limit = ("-t", str(pictures / 10)) if pictures else ()
    out = await run(
        *("ffmpeg", "-v", "error", "-xerror", *source, *limit, "-map", "0:v", "-map", "0:a"),
        *("-fps_mode", "passthrough", "-c:v", "rawvideo", "-c:a", "copy", "-f", "framemd5", "-"),
    )
    found: dict[int, list[str]] = {}
    for line in out.splitlines():
        if line and not line.startswith("#"):
            fields = [field.strip() for field in line.split(",")]
            # Behind the hash come those of what players add, such as the sender's clock.
            found.setdefault(int(fields[0]), []).append(fields[5])
    return found


@TRANSPORTS
async def test_ffprobe_reads_the_formats(camera: Camera, transport: Transport) -> None:
    out = await run(
        *("ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_streams", "-of", "json"),
        camera.url,
    )
    video, sound = json.loads(out)["streams"]
    names = {Codec.H264: "h264", Codec.H265: "hevc"}
    assert video["codec_name"] == names[camera.format.video]
    assert (video["width"], video["height"]) == (768, 576)
    facts = (sound["codec_name"], sound["sample_rate"], sound["channels"])
    assert facts == camera.format.sound_facts


@TRANSPORTS
async def test_ffmpeg_gets_what_was_sent(camera: Camera, transport: Transport) -> None:
    sent = await hashes("-i", str(camera.file))
    received = await hashes(*("-rtsp_transport", transport, "-i", camera.url), pictures=_PICTURES)
    assert len(received[0]) >= _PICTURES - 5
    assert set(received[0]) <= set(sent[0])
    assert len(received[1]) > 20
    assert set(received[1]) <= set(sent[1])


@pytest.mark.gstreamer
@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs GStreamer")
@TRANSPORTS
async def test_gstreamer_decodes_picture_and_sound(camera: Camera, transport: Transport) -> None:
    """It ends by itself, and successfully, once both sinks have shown twenty."""
    # GStreamer takes the transport from the scheme.
    url = camera.url.replace("rtsp:", "rtspt:" if transport == "tcp" else "rtspu:")
    sinks = [f"{kind}-sink=identity eos-after=20 ! fakesink" for kind in ("video", "audio")]
    assert "Got EOS" in await run("gst-launch-1.0", "playbin", f"uri={url}", *sinks)


class Collector:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self.units: list[AccessUnit] = []
        self.came = asyncio.Event()

    def of(self, track_index: int) -> list[AccessUnit]:
        return [unit for unit in self.units if unit.track_index == track_index]

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.tracks = tracks

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self.came.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        raise AssertionError(interruption.detail)

    def on_closed(self) -> None:
        """The test ends."""


@TRANSPORTS
async def test_our_own_client_gets_what_was_sent(camera: Camera, transport: Transport) -> None:
    stream, collector = Stream("cam", Variant.MAIN), Collector()
    stream.attach(collector)
    source = RtspSource(camera.url, stream, transport=transport)
    source.start()
    try:
        async with asyncio.timeout(30):
            while len(collector.of(0)) < _PICTURES or len(collector.of(1)) < _SOUNDS:
                collector.came.clear()
                await collector.came.wait()
        counters = source.counters
    finally:
        stream.detach(collector)
        await source.stop()
    assert (counters.lost, counters.damaged, counters.malformed) == (0, 0, 0)
    assert [track.codec for track in collector.tracks] == [
        track.codec for track in camera.clip.tracks
    ]
    assert collector.tracks[0].parameter_sets == camera.clip.tracks[0].parameter_sets
    for index in (0, 1):
        sent = {unit.payload for unit in camera.clip.units if unit.track_index == index}
        assert {unit.payload for unit in collector.of(index)} <= sent
    seen, heard = collector.of(0), collector.of(1)
    assert abs(seen[-1].wall_us - heard[-1].wall_us) < 1_000_000
