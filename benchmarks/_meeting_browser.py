"""Chromium in a meeting over bad networks, for ``benchmarks.meeting``.

    python -m benchmarks._meeting_browser SECONDS BURSTS

One page sends a tone and the fake camera, another receives; each of the two ways loses 5 % of the
datagrams in both directions and takes 100 ms. Prints one JSON line: which part of the sound was
made up for (``concealed``), and after each burst in which nothing arrived for 400 ms, the seconds
until pictures went on, from the sender and to the watcher.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import sys
import time
from typing import Any

import uvicorn
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from benchmarks._emulated_link import Direction, EmulatedLink, Path
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.webrtc.conference.conference import Conference
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.site_peer import SitePeer
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.output import WebRtcOutput

LOSS, DELAY_S, BURST_S = 0.05, 0.1, 0.4
_AFTER_BURST_S = 3.0
_START_S = 60.0

_PAGE = """<!doctype html><title>sites</title><body><script>
async function join(name, peer) {
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
  const media = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 360}})
  peer.addTransceiver(media.getTracks()[0], {
    direction: 'sendonly', sendEncodings: [{maxBitrate: 800000}]})
  await join('sender', peer)
}
async function watch() {
  const peer = new RTCPeerConnection()
  window.shown = []
  for (const kind of ['video', 'audio']) {
    const element = document.createElement(kind)
    const track = peer.addTransceiver(kind, {direction: 'recvonly'}).receiver.track
    element.srcObject = new MediaStream([track])
    element.autoplay = true
    document.body.append(element)
    const note = () => {
      window.shown.push(Date.now() / 1000)
      element.requestVideoFrameCallback(note)
    }
    if (kind === 'video') element.requestVideoFrameCallback(note)
  }
  await join('watcher', peer)
}
async function heard() {
  for (const [, one] of await window.watcher.getStats())
    if (one.type === 'inbound-rtp' && one.kind === 'audio') return one
}
</script>"""


class Site:
    """See SiteEvents: shows the sender's sources to the watcher."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.peer: SitePeer | None = None

    def on_connected(self) -> None:
        """See SiteEvents."""

    def on_source(self, publication: Publication, source: Source) -> None:
        """See SiteEvents."""
        self.sources[source.kind] = source

    def on_closed(self, reason: str) -> None:
        """See SiteEvents."""


async def _recovery_s(page: Page, directions: list[Direction]) -> float:
    """Cut a way for a moment; how long after it the picture's longest pause ended."""
    begin_s = time.time()
    for direction in directions:
        direction.cut(asyncio.get_running_loop().time() + BURST_S)
    await asyncio.sleep(BURST_S + _AFTER_BURST_S)
    shown: list[float] = await page.evaluate("window.shown")
    lately = [at_s for at_s in shown if at_s > begin_s - 0.5]
    if len(lately) < 2:
        return _AFTER_BURST_S
    _, ended_s = max(itertools.pairwise(lately), key=lambda pair: pair[1] - pair[0])
    return max(0.0, ended_s - begin_s - BURST_S)


async def _walk(page: Page, sites: dict[str, Site], seconds: float) -> dict[str, Any]:
    await page.evaluate("send()")
    await page.evaluate("watch()")
    async with asyncio.timeout(_START_S):
        while len(sites["sender"].sources) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        watcher = sites["watcher"].peer
        assert watcher is not None
        for slot in watcher.slots:
            slot.show(sites["sender"].sources[slot.kind])
        while len(await page.evaluate("window.shown")) < 40:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        # Until the losses have been noticed, and what is done about them has begun.
        await asyncio.sleep(4)
    before = await page.evaluate("heard()")
    await asyncio.sleep(seconds)
    after = await page.evaluate("heard()")
    made_up, silent, played = (
        after[name] - before[name]
        for name in ("concealedSamples", "silentConcealedSamples", "totalSamplesReceived")
    )
    return {"concealed": made_up / played, "silent": silent / played, "played_s": played / 48000}


async def _measure(seconds: float, bursts: int) -> dict[str, Any]:
    output = WebRtcOutput.open()
    conference = Conference(
        output.mux, output.identity, output.wheel, output.scratch, SteadyClock().now_us
    )
    sites = {"sender": Site(), "watcher": Site()}
    bad = Path(loss=LOSS, delay_s=DELAY_S)
    port = output.mux.port
    async with (
        EmulatedLink(1, ("127.0.0.1", port), down=bad, up=bad) as to_sender,
        EmulatedLink(2, ("127.0.0.1", port), down=bad, up=bad) as to_watcher,
    ):
        links = {"sender": to_sender, "watcher": to_watcher}

        async def answer(request: Request) -> Response:
            name = request.path_params["name"]
            offer = (await request.body()).decode()
            sites[name].peer, text = conference.answer(offer, sites[name])
            return Response(links[name].through(text))

        async def index(_: Request) -> Response:
            return HTMLResponse(_PAGE)

        routes = [Route("/", index), Route("/{name}", answer, methods=["POST"])]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        address = server.servers[0].sockets[0].getsockname()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
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
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{address[1]}/")
            told = await _walk(page, sites, seconds)
            for name, directions in (("sender", to_sender.ups), ("watcher", to_watcher.downs)):
                told[name] = [await _recovery_s(page, directions) for _ in range(bursts)]
            await browser.close()
        server.should_exit = True
        await serving
    conference.close()
    output.close()
    return told


def main() -> None:
    """See the module's description."""
    seconds, bursts = float(sys.argv[1]), int(sys.argv[2])
    print(json.dumps(asyncio.run(_measure(seconds, bursts))), flush=True)


if __name__ == "__main__":
    main()
