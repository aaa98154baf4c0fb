"""Multipart JPEG, made by ffmpeg, encoded by a real pool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.http_pull.multipart import (
    MultipartError,
    MultipartReader,
    boundary_of,
    jpeg_size,
)
from camera_adapters.http_pull.source import http_attempt
from camera_adapters.retrying import RetryingSource
from camera_adapters.source import SourceState
from camera_adapters.stream import Codec, Track
from gateway.control.channel import ControlClient, ControlServer
from gateway.sources.jpeg_encoding import jpeg_encoders
from gateway.transcoder.client import Started, TranscoderClient
from gateway.transcoder.pool import TranscoderPool
from gateway.transcoder.process import handlers
from tests.peers.ffmpeg_sender import PICTURES, ffmpeg, free_port
from tests.peers.recorded_stream import RecordedStream

SECRET = b"s" * 32
SERVED = ("-f", "mpjpeg", "-content_type", "multipart/x-mixed-replace;boundary=ffmpeg")


@pytest.fixture
async def transcoder(tmp_path: Path) -> AsyncIterator[TranscoderClient]:
    pool = TranscoderPool(places=1)
    server = ControlServer(tmp_path / "t.sock", SECRET, handlers(pool))
    await server.start()
    control = ControlClient(tmp_path / "t.sock", SECRET)
    yield TranscoderClient(control)
    await control.close()
    await server.close()
    await pool.close()


async def test_jpeg_becomes_video_and_the_queue_is_told(transcoder: TranscoderClient) -> None:
    url = f"http://127.0.0.1:{free_port()}/video.cgi"
    sink = RecordedStream()
    states: list[SourceState] = []
    occupied = transcoder.open(
        "video", Track("video", Codec.JPEG, 90_000, width=64, height=64), live=True
    )
    assert isinstance(await anext(occupied), Started)
    async with ffmpeg(*PICTURES, "-c:v", "mjpeg", *SERVED, "-listen", "1", url):

        def on_state(state: SourceState) -> None:
            states.append(state)
            sink._changed.set()

        attempt = http_attempt(url, open_encoder=jpeg_encoders(transcoder))
        camera = RetryingSource(url, sink.stream, attempt, on_state=on_state)
        camera.start()
        await sink.until(lambda: any(state.fault == "queued" for state in states))
        assert states[-1].queue == (1, 1)
        await occupied.close()
        await sink.until(lambda: len(sink.pictures) >= 20)
        await camera.stop()
    assert (sink.runs[-1][0].codec, sink.runs[-1][0].width) == (Codec.H264, 320)
    walls = [unit.wall_us for unit in sink.pictures]
    assert walls == sorted(set(walls))


_JPEG = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x90\x01\x00\x03" + b"\x01\x22\x00\xff\xd9"


@given(st.integers(1, 90), st.booleans(), st.integers(0, 4))
def test_pictures_survive_any_cut(step: int, with_length: bool, count: int) -> None:
    head = b"--b\r\nContent-Type: image/jpeg\r\n"
    if with_length:
        head += b"Content-Length: %d\r\n" % len(_JPEG)
    wire = (head + b"\r\n" + _JPEG + b"\r\n") * count + b"--b\r\n"
    reader = MultipartReader(b"--b")
    read: list[bytes] = []
    for start in range(0, len(wire), step):
        read += reader.receive(wire[start : start + step])
    assert read == [_JPEG] * count


def test_size_and_boundary() -> None:
    assert jpeg_size(_JPEG) == (256, 144)
    assert boundary_of('multipart/x-mixed-replace; boundary="--b"') == b"--b"
    assert boundary_of("multipart/x-mixed-replace;boundary=b") == b"--b"
    for wrong in (b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00\x11\x08" + bytes(9)):
        with pytest.raises(MultipartError):
            jpeg_size(wrong)


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    try:
        for picture in MultipartReader(b"--b").receive(b"--b\r\n\r\n" + data + b"\n--b"):
            jpeg_size(picture)
    except MultipartError:
        return
