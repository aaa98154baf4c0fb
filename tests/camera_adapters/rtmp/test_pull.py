"""RTMP pulled from ffmpeg, which waits for whoever wants to play."""

from __future__ import annotations

import pytest

from camera_adapters.retrying import RetryingSource
from camera_adapters.rtmp.client import parse_rtmp_url
from camera_adapters.rtmp.pull import rtmp_attempt
from camera_adapters.stream import Codec
from tests.peers.ffmpeg_sender import AAC, H264, PICTURES, TONE, ffmpeg, free_port
from tests.peers.recorded_stream import RecordedStream


async def test_pictures_and_sound_come_as_they_are_made() -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/gate"
    sink = RecordedStream()
    async with ffmpeg(*PICTURES, *TONE, *H264, *AAC, "-f", "flv", "-listen", "1", url):
        camera = RetryingSource(url, sink.stream, rtmp_attempt(url))
        camera.start()
        await sink.until(lambda: len(sink.pictures) >= 30 and len(sink.sound) >= 20)
        await camera.stop()
    assert [track.codec for track in sink.runs[-1]] == [Codec.H264, Codec.AAC]
    assert camera.counters.malformed == 0


def test_addresses() -> None:
    address = parse_rtmp_url("rtmp://h:1936/app/inst/na%20me?k=1")
    assert (address.host, address.port) == ("h", 1936)
    assert (address.application, address.name) == ("app/inst", "na me?k=1")
    assert address.tc_url == "rtmp://h:1936/app/inst"
    for wrong in ("rtmp://h", "rtmp://h/only", "http://h/a/b"):
        with pytest.raises(ValueError, match="address"):
            parse_rtmp_url(wrong)
