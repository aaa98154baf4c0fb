"""Chromium in a meeting over a bad network: sound goes on, pictures come back after a burst.

The network is emulated (:mod:`benchmarks._emulated_link`); the sender is on a good one.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from benchmarks._emulated_link import EmulatedLink, Path
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.site_peer import SitePeer
from camera_adapters.webrtc.conference.source import Source
from tests.camera_adapters.webrtc.conference.conftest import Meeting, settled

LOSS = 0.05
DELAY_S = 0.1
WINDOWS = 3
WINDOW_PACKETS = 100
BURST_S = 0.4
BURSTS = 3
RECOVERY_S = 1.0

# Every packet that stays away is made up for by the receiver, from what came before it: of sound
# that is sent once that is as much as is lost.
CONCEALED_LIMIT = 0.015

# The tone never pauses: silence in it was not there.
PAGE = """<!doctype html><title>sites</title><body><script>
async function offer(name, peer) {
  window[name] = peer
  await peer.setLocalDescription()
  const answer = await fetch('/' + name, {method: 'POST', body: peer.localDescription.sdp})
  await peer.setRemoteDescription({type: 'answer', sdp: await answer.text()})
}
async function send() {
  const peer = new RTCPeerConnection()
  const sound = new AudioContext()
  const tone = sound.createOscillator()
  const microphone = sound.createMediaStreamDestination()
  tone.connect(microphone)
  tone.start()
  peer.addTransceiver(microphone.stream.getTracks()[0], {direction: 'sendonly'})
  const media = await navigator.mediaDevices.getUserMedia({video: {width: 320, height: 240}})
  peer.addTransceiver(media.getTracks()[0], {
    direction: 'sendonly', sendEncodings: [{maxBitrate: 400000}]})
  await offer('sender', peer)
}
async function watch() {
  const peer = new RTCPeerConnection()
  for (const kind of ['video', 'audio']) {
    const element = document.createElement(kind)
    const track = peer.addTransceiver(kind, {direction: 'recvonly'}).receiver.track
    element.srcObject = new MediaStream([track])
    element.autoplay = true
    document.body.append(element)
    if (kind === 'video') {
      window.shown = []
      const note = () => {
        window.shown.push(Date.now() / 1000)
        element.requestVideoFrameCallback(note)
      }
      element.requestVideoFrameCallback(note)
    }
  }
  await offer('watcher', peer)
}
async function inbound(kind) {
  for (const [, one] of await window.watcher.getStats())
    if (one.type === 'inbound-rtp' && one.kind === kind) return one
}
</script>"""


class Site:
    """What a page's site tells."""

    def __init__(self) -> None:
        self.peer: SitePeer | None = None
        self.sources: dict[str, Source] = {}

    def on_connected(self) -> None:
        """See SiteEvents."""

    def on_source(self, publication: Publication, source: Source) -> None:
        self.sources[source.kind] = source

    def on_closed(self, reason: str) -> None:
        """See SiteEvents."""


class World:
    """A page with a sender and a watcher, the watcher behind ``link``."""

    def __init__(self, meeting: Meeting, link: EmulatedLink) -> None:
        self.link = link
        self.page: Page
        self.sites = {"sender": Site(), "watcher": Site()}
        self._meeting = meeting

    async def answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        site = self.sites[name]
        offer = (await request.body()).decode()
        site.peer, text = self._meeting.conference.answer(offer, site)
        return Response(self.link.through(text) if name == "watcher" else text)

    async def inbound(self, kind: str) -> dict[str, Any]:
        return await self.page.evaluate(f"inbound('{kind}')") or {}

    async def until(self, kind: str, field: str, least: float) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (found := await self.inbound(kind)).get(field, 0) < least:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return found

    async def concealed(self) -> float:
        """Which part of the sound of the next two seconds was made up for."""
        before = await self.inbound("audio")
        count = before["packetsReceived"] + WINDOW_PACKETS
        after = await self.until("audio", "packetsReceived", count)
        # Not once for so long that it became silence.
        assert after["silentConcealedSamples"] == before["silentConcealedSamples"]
        made_up, played = (
            float(after[field] - before[field])
            for field in ("concealedSamples", "totalSamplesReceived")
        )
        return made_up / played

    async def seconds_to_come_back(self) -> float:
        """Lose all for a while; gives how long after its end a picture is shown again."""
        over_s = time.time() + BURST_S
        self.link.cut(BURST_S)
        async with asyncio.timeout(60):
            while await self.page.evaluate("shown.at(-1)") < over_s:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        first_s: float = await self.page.evaluate(f"shown.find((one) => one >= {over_s})")
        # Well again before it is hurt again.
        decoded = (await self.inbound("video"))["framesDecoded"]
        await self.until("video", "framesDecoded", decoded + 15)
        return first_s - over_s


@pytest.fixture
async def world(meeting: Meeting) -> AsyncIterator[World]:
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium")
    path = Path(loss=LOSS, delay_s=DELAY_S)
    target = ("127.0.0.1", meeting.output.udp_port)
    async with EmulatedLink(6, target, down=path, up=Path(loss=LOSS)) as link:
        one = World(meeting, link)

        async def index(_: Request) -> Response:
            return HTMLResponse(PAGE)

        routes = [Route("/", index), Route("/{name}", one.answer, methods=["POST"])]
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
            one.page = await browser.new_page()
            await one.page.goto(f"http://127.0.0.1:{port}/")
            # As media processes do: to look at all that was ever loaded takes 0.3 s.
            gc.freeze()
            yield one
            gc.unfreeze()
            await browser.close()
        server.should_exit = True
        await serving


@pytest.mark.timeout(180)
async def test_sound_goes_on_and_pictures_come_back(world: World) -> None:
    sender, watcher = world.sites["sender"], world.sites["watcher"]
    await world.page.evaluate("send()")
    await world.page.evaluate("watch()")
    await settled(lambda: sender.sources.keys() == {"video", "audio"})
    assert watcher.peer is not None
    for slot in watcher.peer.slots:
        assert slot.show(sender.sources[slot.kind])
    [voice] = [slot for slot in watcher.peer.slots if slot.kind == "audio"]
    await world.until("video", "framesDecoded", 50)
    await settled(lambda: voice.lossy)

    concealed = sorted([await world.concealed() for _ in range(WINDOWS)])
    burst = sorted([await world.seconds_to_come_back() for _ in range(BURSTS)])
    # On a busy machine sender and watcher have pauses of their own: the middle one counts.
    assert concealed[WINDOWS // 2] < CONCEALED_LIMIT
    assert burst[BURSTS // 2] < RECOVERY_S
    assert world.link.downs[0].lost / world.link.downs[0].carried > 0.03
