"""FLV pulled by HTTP, served by ffmpeg."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from camera_adapters.http_pull.source import http_attempt
from camera_adapters.retrying import RetryingSource
from camera_adapters.stream import Codec, GapCause
from tests.peers.ffmpeg_sender import AAC, H264, PICTURES, TONE, ffmpeg, free_port
from tests.peers.recorded_stream import RecordedStream


def source(url: str, sink: RecordedStream, **named: str) -> RetryingSource:
    return RetryingSource(url, sink.stream, http_attempt(url, **named))


async def test_pictures_and_sound_come_as_they_are_made() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/live.flv"
    sink = RecordedStream()
    async with ffmpeg(*PICTURES, *TONE, *H264, *AAC, "-f", "flv", "-listen", "1", url):
        camera = source(url, sink)
        camera.start()
        await sink.until(lambda: len(sink.pictures) >= 60 and len(sink.sound) >= 60)
        now_us = time.time_ns() // 1000
        await camera.stop()
    assert [track.codec for track in sink.runs[-1]] == [Codec.H264, Codec.AAC]
    assert (sink.runs[-1][0].width, sink.runs[-1][0].height) == (320, 240)
    shown = [unit.wall_us for unit in sink.pictures]
    assert all(35_000 < later - earlier < 45_000 for earlier, later in pairwise(shown[-20:]))
    assert abs(now_us - shown[-1]) < 1_000_000
    # Lips: sound lies where its pictures do.
    assert abs(sink.sound[-1].wall_us - shown[-1]) < 500_000
    assert camera.counters.pictures >= 60
    assert camera.state.state == "idle"


@pytest.fixture
async def site() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    application = web.Application()
    said: dict[str, Any] = {}
    runner = web.AppRunner(application)
    port = free_port()

    async def answer(request: web.Request) -> web.StreamResponse:
        answered: web.StreamResponse = await said["answer"](request)
        return answered

    application.router.add_get("/{rest:.*}", answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}", said
    await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (web.Response(status=404), "not_found"),
        (web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}), "refused"),
        (web.Response(status=302, headers={"Location": "file:///etc/passwd"}), "protocol"),
        (web.Response(status=302, headers={"Location": "/again"}), "protocol"),
        (web.Response(text="<html>hello, this is a page</html>"), "protocol"),
        (web.Response(body=b"FLV\x01\x05\x00\x00\x00\x09" + bytes(4) + b"\xff" * 40), "protocol"),
        (web.Response(body=b""), "protocol"),
    ],
)
async def test_what_is_wrong_has_a_name(
    site: tuple[str, dict[str, Any]], answer: web.Response, fault: str
) -> None:
    url, said = site

    async def answering(_: web.Request) -> web.Response:
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    said["answer"] = answering
    sink = RecordedStream()
    camera = source(url + "/live", sink)
    camera.start()
    await sink.until(lambda: bool(sink.interruptions))
    assert camera.state.fault == fault
    assert camera.state.retry_at_us is not None
    await camera.stop()


async def test_a_password_is_refused_twice_and_then_let_rest(
    site: tuple[str, dict[str, Any]],
) -> None:
    url, said = site
    asked = []

    async def answering(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        challenge = 'Digest realm="x", nonce="abc", qop="auth"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    said["answer"] = answering
    sink = RecordedStream()
    camera = source(url + "/live", sink, username="admin", password="s3cret")
    camera.start()
    await sink.until(lambda: camera.state.state == "refused")
    assert sink.interruptions[-1].cause is GapCause.CAMERA_REFUSED
    assert len(asked) == 4
    assert all("s3cret" not in one for one in asked)
    await camera.stop()


async def test_a_password_does_not_follow_to_another_host(
    site: tuple[str, dict[str, Any]],
) -> None:
    url, said = site
    seen = []

    async def answering(request: web.Request) -> web.Response:
        seen.append((request.path, "Authorization" in request.headers))
        if request.path == "/live":
            if "Authorization" not in request.headers:
                headers = {"WWW-Authenticate": 'Basic realm="x"'}
                return web.Response(status=401, headers=headers)
            there = str(request.url.with_host("localhost").with_path("/other"))
            return web.Response(status=302, headers={"Location": there})
        return web.Response(status=404)

    said["answer"] = answering
    sink = RecordedStream()
    camera = source(url + "/live", sink, username="admin", password="s3cret")
    camera.start()
    await sink.until(lambda: bool(sink.interruptions))
    await camera.stop()
    assert seen[:3] == [("/live", False), ("/live", True), ("/other", False)]


@pytest.mark.parametrize("there", ["http://localhost:{port}/1.ts", "http://127.0.0.1:{other}/1.ts"])
async def test_a_password_does_not_follow_where_a_playlist_leads(
    site: tuple[str, dict[str, Any]], there: str
) -> None:
    """Whoever wrote the playlist would only have to ask for it."""
    url, said = site
    seen = []
    port = int(url.rpartition(":")[2])

    async def answering(request: web.Request) -> web.Response:
        seen.append((request.path, "Authorization" in request.headers))
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        lead = there.format(port=port, other=other)
        return web.Response(text=f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{lead}\n")

    application = web.Application()
    application.router.add_get("/{rest:.*}", answering)
    runner = web.AppRunner(application)
    await runner.setup()
    other = free_port()
    await web.TCPSite(runner, "127.0.0.1", other).start()
    said["answer"] = answering
    sink = RecordedStream()
    camera = source(url + "/live", sink, username="admin", password="s3cret")
    camera.start()
    await sink.until(lambda: bool(sink.interruptions))
    await camera.stop()
    await runner.cleanup()
    assert seen[:2] == [("/live", False), ("/live", True)]
    assert ("/1.ts", False) in seen and ("/1.ts", True) not in seen


async def test_an_unresolved_name_and_a_closed_port_are_told_apart() -> None:
    for url, fault in (
        (f"http://127.0.0.1:{free_port()}/x", "closed_port"),
        ("http://no-such-host.invalid/x", "unresolved"),
    ):
        sink = RecordedStream()
        camera = source(url, sink)
        camera.start()
        await sink.until(lambda: bool(sink.interruptions))  # noqa: B023
        assert camera.state.fault == fault
        await camera.stop()
