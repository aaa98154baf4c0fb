"""From the click to the first picture, and how far behind life the picture then is.

The console's own wall in headless Chromium, clicked as a duty officer clicks it; one camera whose
pictures carry the time of their making. By WebRTC, then with WebRTC taken from the browser, by MSE.
Delay is read from the pictures shown 2 s after joining and later.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Response, sync_playwright

from benchmarks._clock_camera import BLOCK_PIXELS, STRIP_PIXELS, TIME_BITS
from benchmarks._gateway import CHROMIUM, CHROMIUM_ARGUMENTS, RunningGateway, running_gateway
from benchmarks.measure import percentile, quick_requested, report

CLIP = Path(__file__).resolve().parent.parent / "gateway" / "demo" / "crossing.mp4"
CAMERA_NAME = "Clock"
SETTLE_MS = 2_000
SAMPLES_PER_JOIN = 25

_INSTRUMENT = """
({ blockPixels, stripPixels, timeBits }) => {
  const state = (window.__measure = { clicked: 0, first: 0, delays: [] });
  const canvas = new OffscreenCanvas(blockPixels * (timeBits + 2), stripPixels);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const readTime = (video) => {
    context.drawImage(video, 0, 0, canvas.width, stripPixels, 0, 0, canvas.width, stripPixels);
    const row = context.getImageData(0, stripPixels / 2, canvas.width, 1).data;
    const bit = (position) => row[(position * blockPixels + blockPixels / 2) * 4] > 127;
    if (!bit(0) || bit(timeBits + 1)) return null;
    const bits = Array.from({ length: timeBits }, (_, index) => bit(index + 1));
    return bits.reduce((value, set) => value * 2 + Number(set), 0);
  };
  const watched = new WeakSet();
  const watch = (video) => {
    if (watched.has(video)) return;
    watched.add(video);
    const shown = (now) => {
      if (state.clicked && !state.first) state.first = now;
      const modulus = 2 ** timeBits;
      const drawn = readTime(video);
      if (drawn !== null) {
        const utc = Math.floor(performance.timeOrigin + now) % modulus;
        state.delays.push({ at: now, ms: (utc - drawn + modulus) % modulus });
      }
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  };
  document.addEventListener('dblclick', () => {
    Object.assign(state, { clicked: performance.now(), first: 0, delays: [] });
  }, true);
  new MutationObserver(() => document.querySelectorAll('video').forEach(watch))
    .observe(document, { childList: true, subtree: true });
}
"""


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    joins = {"webrtc": 5 if quick else 40, "mse": 3 if quick else 20}
    with _clock_camera() as camera_url, running_gateway() as gateway, sync_playwright() as driver:
        _add_camera(gateway, camera_url)
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        for transport, count in joins.items():
            firsts, delays = _measure(browser, gateway, transport, count)
            target = 250 if transport == "webrtc" else 600
            if transport == "webrtc":
                _report("first_picture_webrtc_p50", firsts, 50, 150, count)
                _report("first_picture_webrtc_p99", firsts, 99, 400, count)
            else:
                _report("first_picture_mse_p50", firsts, 50, None, count)
            _report(f"delay_{transport}_p50", delays, 50, target, len(delays))
            _report(f"delay_{transport}_p99", delays, 99, None, len(delays))
        browser.close()


def _report(metric: str, values: list[float], percent: float, target: int | None, n: int) -> None:
    report(f"{metric}_ms", percentile(values, percent), "ms", n=n, target=target)


class _clock_camera:
    """The camera as a process of its own; gives its address."""

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._clock_camera", str(CLIP)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _add_camera(gateway: RunningGateway, url: str) -> None:
    area = gateway.call("POST", "/api/areas", {"name": "Benchmark", "parent_id": None, "code": ""})
    camera = {"name": CAMERA_NAME, "area_id": area["id"], "main_url": url, "record": "continuous"}
    camera_id = gateway.call("POST", "/api/cameras", camera)["id"]
    for _ in itertools.count():
        state = gateway.call("GET", f"/api/cameras/{camera_id}")["states"].get("main", {})
        if state.get("state") == "live" and state.get("gop_s"):
            return


def _measure(
    browser: Browser, gateway: RunningGateway, transport: str, count: int
) -> tuple[list[float], list[float]]:
    context = browser.new_context(
        storage_state=gateway.storage_state,  # type: ignore[arg-type]
        viewport={"width": 1366, "height": 768},
    )
    if transport == "mse":
        context.add_init_script("delete window.RTCPeerConnection")
    page = context.new_page()
    page.goto(f"{gateway.url}/wall")
    page.get_by_text(CAMERA_NAME, exact=True).first.wait_for()
    page.evaluate(
        _INSTRUMENT,
        {"blockPixels": BLOCK_PIXELS, "stripPixels": STRIP_PIXELS, "timeBits": TIME_BITS},
    )
    firsts: list[float] = []
    delays: list[float] = []
    for number in range(count + 1):
        first, later = _join(page)
        if number:  # the first join also warms up the browser's decoder
            firsts.append(first)
            delays.extend(later)
    context.close()
    return firsts, delays


def _keeps_the_wall(response: Response) -> bool:
    return "/api/wall/" in response.url and response.request.method == "PUT"


def _join(page: Page) -> tuple[float, list[float]]:
    page.get_by_text(CAMERA_NAME, exact=True).first.dblclick()
    page.wait_for_function("() => window.__measure.first > 0")
    page.wait_for_function(
        "([settle, samples]) => { const m = window.__measure;"
        " return m.delays.filter((d) => d.at > m.clicked + settle).length >= samples }",
        arg=[SETTLE_MS, SAMPLES_PER_JOIN],
    )
    measured: Any = page.evaluate("() => window.__measure")
    page.locator("video").click()
    # The next context would be shown this wall again, had its clearing not been kept.
    with page.expect_response(_keeps_the_wall):
        page.keyboard.press("Delete")
    page.wait_for_function("() => !document.querySelector('video')")
    began = measured["clicked"] + SETTLE_MS
    return (
        measured["first"] - measured["clicked"],
        [float(sample["ms"]) for sample in measured["delays"] if sample["at"] > began],
    )


if __name__ == "__main__":
    main()
