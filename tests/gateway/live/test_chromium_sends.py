"""Chromium as the one that sends: its microphone to a loudspeaker, its camera as a publisher."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
import uvicorn
from playwright.async_api import Browser, Page, async_playwright
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from camera_adapters.pushed import PushedSource
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Codec
from camera_adapters.webrtc.input import WebRtcInput
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.live.talk import TalkEndpoint
from gateway.live.whip import WhipEndpoint
from gateway.sources.push_door import PushDoor
from tests.gateway.live.test_talk import Session, Speaker
from tests.gateway.live.test_whip import GATE, KEY
from tests.peers.recorded_stream import RecordedStream

PAGE = """<!doctype html><title>send</title><script>
async function send(url, constraints, headers, wanted) {
  const media = await navigator.mediaDevices.getUserMedia(constraints)
  const peer = window.peer = new RTCPeerConnection()
  for (const track of media.getTracks()) {
    const sender = peer.addTransceiver(track, {direction: 'sendonly'})
    const known = RTCRtpSender.getCapabilities(track.kind).codecs
    const chosen = known.filter((one) => wanted.includes(one.mimeType))
    if (track.kind === 'video' && chosen.length === 0) return 'no H.264 here'
    if (track.kind === 'video') sender.setCodecPreferences(chosen)
  }
  await peer.setLocalDescription(await peer.createOffer())
  const answer = await fetch(url, {
    method: 'POST', body: peer.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', ...headers},
  })
  const text = await answer.text()
  if (answer.status !== 201) return text
  await peer.setRemoteDescription({type: 'answer', sdp: text})
  return 'sent'
}
</script>"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-features=WebRtcHideLocalIpsWithMdns",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield launched
        await launched.close()


@pytest.fixture
async def output() -> AsyncIterator[WebRtcOutput]:
    opened = WebRtcOutput.open()
    yield opened
    opened.close()


@contextlib.asynccontextmanager
async def page_with(browser: Browser, routes: list[BaseRoute]) -> AsyncIterator[Page]:
    async def index(_: object) -> HTMLResponse:
        return HTMLResponse(PAGE)

    application = Starlette(routes=[Route("/", index), *routes])
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{port}/")
        yield page
    finally:
        server.should_exit = True
        await serving


async def test_chromium_speaks_a_law(browser: Browser, output: WebRtcOutput) -> None:
    incoming = WebRtcInput(output.mux, output.identity, SteadyClock().now_us)
    speaker = Speaker(asyncio.get_running_loop().create_future())
    session = Session("ses_1", "wang", "wang", 50)

    async def loudspeaker(_: str) -> Speaker:
        return speaker

    endpoint = TalkEndpoint(incoming, lambda ticket: session, loudspeaker)
    async with page_with(browser, endpoint.routes()) as page:
        said = await page.evaluate("send('/talk?ticket=t', {audio: true}, {}, [])")
        assert said == "sent"
        async with asyncio.timeout(30):
            while len(speaker.heard) < 16_000:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        # The fake device beeps: that is no silence.
        assert len(set(speaker.heard)) > 10
        await page.evaluate("peer.close()")
        async with asyncio.timeout(40):
            while not session.endings:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert session.endings == [("ended_by_viewer", True)]
    incoming.close()


async def test_chromium_publishes(browser: Browser, output: WebRtcOutput) -> None:
    incoming = WebRtcInput(output.mux, output.identity, SteadyClock().now_us)
    door = PushDoor(lambda why, who: None)
    door.permit([GATE])
    endpoint = WhipEndpoint(incoming, door.admit, "push")
    sink = RecordedStream()
    source = PushedSource(door.slot(GATE), sink.stream)
    source.start()
    async with page_with(browser, endpoint.routes()) as page:
        said = await page.evaluate(
            f"send('/whip/gate', {{audio: true, video: true}},"
            f" {{Authorization: 'Bearer {KEY}'}}, ['video/H264'])"
        )
        if said == "no H.264 here":
            pytest.skip(said)
        assert said == "sent"
        await sink.until(lambda: len(sink.pictures) >= 60 and len(sink.sound) >= 50)
        assert [track.codec for track in sink.runs[-1]] == [Codec.H264, Codec.OPUS]
        assert sum(unit.keyframe for unit in sink.pictures) >= 1
    await source.stop()
    incoming.close()
