"""HLS in hls.js in Chromium: the player that other consoles embed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, async_playwright

from camera_adapters.stream import Codec
from tests.gateway.footage.conftest import PCMA, START_US, g711_tone, together

CHROMIUM = Path("/usr/bin/chromium")
HLS_JS = Path(__file__).parents[3] / "web" / "node_modules" / "hls.js" / "dist" / "hls.min.js"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium: install Debian's chromium"),
    pytest.mark.skipif(not HLS_JS.exists(), reason="no hls.js: npm ci in web/"),
]
PAGE = """<!doctype html><video id=v muted></video><script src=/hls.js></script><script>
  const video = document.getElementById('v')
  window.faults = []
  window.play = (url) => {
    const hls = new Hls({ maxBufferLength: 60 })
    window.hls = hls
    // A busy machine stalls a player; that is no fault of the media.
    const stalls = ['bufferStalledError', 'bufferNudgeOnStall']
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (data.fatal || !stalls.includes(data.details)) faults.push(data.details)
    })
    hls.on(Hls.Events.MANIFEST_PARSED, () => { video.playbackRate = 8; video.play() })
    hls.loadSource(url)
    hls.attachMedia(video)
    return new Promise((resolve) => { video.onended = () => resolve({
      duration: video.duration,
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      audio: video.webkitAudioDecodedByteCount,
    }) })
  }
</script>"""


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async def give(route: Route) -> None:
        if route.request.url.endswith("/hls.js"):
            await route.fulfill(body=HLS_JS.read_text(), content_type="text/javascript")
        else:
            await route.fulfill(body=PAGE, content_type="text/html")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        page = await browser.new_page()
        await page.route("**/hls.js", give)
        await page.route("**/player.html", give)
        yield page
        await browser.close()


async def play(world, page: Page, seconds: int) -> dict[str, float]:
    origin = world.base.split("/s/")[0]
    await page.goto(f"{origin}/player.html")
    query = f"start_us={START_US}&end_us={START_US + seconds * 1_000_000}&ticket={world.ticket()}"
    seen: dict[str, float] = await page.evaluate(
        "(url) => play(url)", world.url(f"/hls/index.m3u8?{query}")
    )
    return seen


async def test_it_plays_over_a_gap_to_its_end(world, h264, page) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.record(h264.tracks, h264.units[:100], start_us=START_US + 60_000_000)
    seen = await play(world, page, 100)
    assert await page.evaluate("faults") == []
    assert seen["duration"] == pytest.approx(20, abs=0.2)
    assert seen["frames"] > 150
    date = await page.evaluate("hls.playingDate && hls.playingDate.getTime()")
    assert date * 1000 == pytest.approx(START_US + 70_000_000, abs=500_000)


async def test_g711_is_heard_and_h264_seen(world, h264, page) -> None:
    await world.record((h264.track, PCMA), together(h264.units[:150], g711_tone(Codec.PCMA, 15)))
    seen = await play(world, page, 30)
    assert await page.evaluate("faults") == []
    assert seen["frames"] > 100
    assert seen["audio"] > 10_000
