"""Chromium as a site: three qualities and a microphone in, slots out, switched without a freeze."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
import uvicorn
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.site_peer import SitePeer
from camera_adapters.webrtc.conference.source import Source
from tests.camera_adapters.webrtc.conference.conftest import Meeting

PAGE = """<!doctype html><title>site</title><body><script>
async function join(name, codec, slots) {
  const peer = new RTCPeerConnection()
  if (codec) {
    const media = await navigator.mediaDevices.getUserMedia({
      audio: true, video: {width: 640, height: 360}})
    peer.addTransceiver(media.getAudioTracks()[0], {direction: 'sendonly'})
    const camera = peer.addTransceiver(media.getVideoTracks()[0], {
      direction: 'sendonly', sendEncodings: [
        {rid: 'l', maxBitrate: 150000, scaleResolutionDownBy: 2},
        {rid: 'h', maxBitrate: 800000, scaleResolutionDownBy: 1}]})
    const known = RTCRtpSender.getCapabilities('video').codecs
    const chosen = known.filter((one) => [codec, 'video/rtx'].includes(one.mimeType))
    if (!chosen.some((one) => one.mimeType === codec)) return 'not here'
    camera.setCodecPreferences(chosen)
  }
  for (const kind of slots) {
    const element = document.createElement(kind)
    const track = peer.addTransceiver(kind, {direction: 'recvonly'}).receiver.track
    element.srcObject = new MediaStream([track])
    element.autoplay = true
    document.body.append(element)
  }
  await peer.setLocalDescription(await peer.createOffer())
  const answer = await fetch('/' + name, {method: 'POST', body: peer.localDescription.sdp})
  await peer.setRemoteDescription({type: 'answer', sdp: await answer.text()})
  window[name] = peer
  return 'joined'
}
async function inbound(name, kind) {
  for (const [, one] of await window[name].getStats())
    if (one.type === 'inbound-rtp' && one.kind === kind) return one
}
</script>"""


class Site:
    """What a page's site tells."""

    def __init__(self) -> None:
        self.peer: SitePeer | None = None
        self.sources: dict[tuple[str, str], Source] = {}
        self.changed = asyncio.Event()

    def on_connected(self) -> None:
        """See SiteEvents."""

    def on_source(self, publication: Publication, source: Source) -> None:
        self.sources[publication.kind, source.rid] = source
        self.changed.set()

    def on_closed(self, reason: str) -> None:
        """See SiteEvents."""

    async def source(self, kind: str, rid: str) -> Source:
        """The source, when its first packets are here."""
        async with asyncio.timeout(60):
            while (kind, rid) not in self.sources:
                self.changed.clear()
                await self.changed.wait()
        return self.sources[kind, rid]


@pytest.fixture
async def sites() -> dict[str, Site]:
    return {"sender": Site(), "watcher": Site()}


@pytest.fixture
async def page(meeting: Meeting, sites: dict[str, Site]) -> AsyncIterator[Page]:
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium")

    async def answer(request: Request) -> Response:
        site = sites[request.path_params["name"]]
        offer = (await request.body()).decode()
        site.peer, text = meeting.conference.answer(offer, site)
        return Response(text, media_type="application/sdp")

    async def index(_: Request) -> Response:
        return HTMLResponse(PAGE)

    routes = [Route("/", index), Route("/{name}", answer, methods=["POST"])]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-features=WebRtcHideLocalIpsWithMdns",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        opened = await browser.new_page()
        await opened.goto(f"http://127.0.0.1:{port}/")
        yield opened
        await browser.close()
    server.should_exit = True
    await serving


@pytest.mark.parametrize(
    ("mime", "codec"), [("video/H264", Codec.H264), ("video/VP8", Codec.VP8)], ids=["h264", "vp8"]
)
async def test_chromium_is_seen_and_heard_in_the_quality_that_the_server_picks(
    page: Page, sites: dict[str, Site], mime: str, codec: Codec
) -> None:
    joined = await page.evaluate("([mime]) => join('sender', mime, [])", [mime])
    if joined == "not here":
        pytest.skip(f"this Chromium cannot encode {mime}")
    await page.evaluate("join('watcher', null, ['video', 'audio'])")
    low, high = [await sites["sender"].source("video", rid) for rid in ("l", "h")]
    sound = await sites["sender"].source("audio", "")
    assert (low.codec, high.codec, sound.codec) == (codec, codec, Codec.OPUS)
    watcher = sites["watcher"].peer
    assert watcher is not None
    picture, voice = watcher.slots
    voice.show(sound)

    async def seen() -> tuple[int, int]:
        found = await page.evaluate("inbound('watcher', 'video')") or {}
        return found.get("frameWidth", 0), found.get("framesDecoded", 0)

    async def decoded(source: Source, width: int) -> None:
        """Show it; returns when a good part of a second of it has been decoded."""
        picture.show(source)
        async with asyncio.timeout(60):
            while (await seen())[0] != width:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            _, before = await seen()
            while (await seen())[1] < before + 15:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    for source, width in ((low, 320), (high, 640), (low, 320)):
        await decoded(source, width)
        assert (source.width, source.height) == (width, width * 9 // 16)
    video, audio = [
        await page.evaluate(f"inbound('watcher', '{kind}')") for kind in ("video", "audio")
    ]
    # Numbers go on without a gap: nothing to ask for again.
    assert (video["packetsLost"], video["nackCount"]) == (0, 0)
    assert audio["packetsReceived"] > 20
    assert audio["totalAudioEnergy"] > 0  # the fake device beeps
    # Packets of a picture are equally long but the last: one run, one send for each receiver.
    runs = [batch.runs for batch in high.distribution.log.batches if not batch.keyframe]
    assert runs and all(len(one) == 1 for one in runs)
