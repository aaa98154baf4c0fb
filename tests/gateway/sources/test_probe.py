"""One try at any address."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from gateway.settings import FileSettings, Settings
from gateway.sources.probe import probe
from tests.peers.ffmpeg_sender import AAC, H264, PICTURES, TONE, free_port
from tests.peers.media_file import make_media


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "clips").mkdir()
    return Settings(
        data_directory=tmp_path / "data", files=FileSettings(directory=tmp_path / "clips")
    )


async def test_a_file_and_an_http_camera_tell_what_they_send(
    settings: Settings, tmp_path: Path
) -> None:
    clip = make_media(tmp_path / "clips" / "a.mp4", *PICTURES, *TONE, "-t", "1", *H264, *AAC)
    result = await probe(settings, f"file://{clip}")
    assert (result.ok, result.code) == (True, "ok")
    assert result.line.startswith("h264 320x240")
    make_media(tmp_path / "clips" / "a.flv", *PICTURES, "-t", "1", *H264)
    application = web.Application()
    application.router.add_static("/", tmp_path / "clips")
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    result = await probe(settings, f"http://127.0.0.1:{port}/a.flv")
    await runner.cleanup()
    assert result.ok, result.line


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("file:///etc/hostname", "bad_address", "beneath"),
        ("http://127.0.0.1:1/x", "closed_port", "port 1 of 127.0.0.1 is closed"),
        ("push://gate", "waiting", "whoever pushes"),
        ("gb28181://plt/1", "waiting", "platform's page"),
        ("rtmp://h", "bad_address", "application and stream"),
    ],
)
async def test_what_is_wrong_is_said(settings: Settings, url: str, code: str, says: str) -> None:
    result = await probe(settings, url)
    assert (result.ok, result.code) == (False, code)
    assert says in result.line
