"""The console as its users feel it: loading, choosing a camera, clicking the timeline.

The playback page in headless Chromium against a whole gateway that records. A seek is measured from
the click on the timeline to the exact picture on screen, at moments that were not buffered.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks._gateway import CHROMIUM, CHROMIUM_ARGUMENTS, RunningGateway, running_gateway
from benchmarks.measure import percentile, quick_requested, report

CLIP = Path(__file__).resolve().parent.parent / "gateway" / "demo" / "crossing.mp4"
CAMERAS = 9
POLL_S = 0.25

# Timed in the page itself, by the frames it paints: nothing of the driver's is in the figures.
_INSTRUMENT = """
window.measure = {
  videos: () => [...document.querySelectorAll('.playback-video:not(.playback-video-coming)')],
  at: (v) => Number(v.dataset.originUs) + v.currentTime * 1e6,
  position: () => Number(document.querySelector('[data-position-us]')?.dataset.positionUs ?? 0),
  states: () => [...document.querySelectorAll('section.tile')].map((t) => t.dataset.state),
  ready: (n) => measure.states().filter((s) => s === 'ready').length === n,
  shown: (n) => measure.ready(n) && measure.videos().length === n
    && measure.videos().every((v) => !v.seeking && v.readyState >= 2
      && Math.abs(measure.at(v) - measure.position()) < 3000),
  from: 0,
  to: 0,
  watch: (event, done) => document.addEventListener(event, () => {
    measure.from = performance.now();
    measure.to = 0;
    const look = (now) => done() ? (measure.to = now) : requestAnimationFrame(look);
    // The click's own work comes first: a picture that already stood there does not count.
    setTimeout(() => requestAnimationFrame(look), 0);
  }, { once: true, capture: true }),
  spread: () => {
    const all = measure.videos().map((v) => measure.at(v));
    const middle = [...all].sort((a, b) => a - b)[all.length >> 1];
    return Math.max(...all.map((at) => Math.abs(at - middle))) / 1000;
  },
}
"""


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    footage_s, loads, seeks, moments = (20, 2, 4, 8) if quick else (90, 15, 60, 200)
    with _camera() as url, running_gateway() as gateway, sync_playwright() as driver:
        camera_ids = _add_cameras(gateway, url)
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        start_us, end_us = _recorded(gateway, camera_ids[-1], footage_s)
        cold = [_load(browser, gateway) for _ in range(loads)]
        report("console_cold_load_p50_ms", percentile(cold, 50), "ms", n=loads)
        page = _page(browser, gateway)
        chosen = [_choose(page, gateway) for _ in range(loads)]
        report("playback_first_picture_p50_ms", percentile(chosen, 50), "ms", n=loads)
        times = []
        for number in range(seeks):
            # Alternately forward and back, further than the player buffers.
            ends = (start_us + 1_000_000, end_us - 2_000_000 - number % 7 * 137_000)
            from_us, to_us = ends if number % 2 else ends[::-1]
            times.append(_seek(page, gateway, camera_ids[0], from_us, to_us))
        report("playback_seek_p50_ms", percentile(times, 50), "ms", n=seeks)
        report("playback_seek_p95_ms", percentile(times, 95), "ms", n=seeks)
        drifts = _drifts(page, gateway, camera_ids, start_us + 1_000_000, moments)
        report("nine_cameras_drift_p95_ms", percentile(drifts, 95), "ms", n=moments, target=80)
        browser.close()


@contextmanager
def _camera() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._clock_camera", str(CLIP)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def _add_cameras(gateway: RunningGateway, url: str) -> list[str]:
    area = gateway.call("POST", "/api/areas", {"name": "Benchmark", "parent_id": None, "code": ""})
    return [
        gateway.call(
            "POST",
            "/api/cameras",
            {
                "name": f"Camera {number}",
                "area_id": area["id"],
                "main_url": url,
                "record": "continuous",
            },
        )["id"]
        for number in range(1, CAMERAS + 1)
    ]


def _recorded(gateway: RunningGateway, camera_id: str, length_s: float) -> tuple[int, int]:
    """Wait for that much footage without a gap; where it begins and ends."""
    for _ in itertools.count():
        now_us = time.time_ns() // 1000
        query = f"camera_id={camera_id}&start_us={now_us - 3_600_000_000}&end_us={now_us}"
        spans = gateway.call("GET", f"/api/timeline?{query}&resolution_us=0")["spans"]
        if spans and spans[-1]["end_us"] - spans[-1]["start_us"] >= length_s * 1e6:
            return spans[-1]["start_us"], spans[-1]["end_us"]
        time.sleep(POLL_S)
    raise AssertionError("unreachable")


def _page(browser: Browser, gateway: RunningGateway) -> Page:
    context = browser.new_context(
        storage_state=gateway.storage_state,  # type: ignore[arg-type]
        viewport={"width": 1366, "height": 768},
        locale="zh-CN",
    )
    context.add_init_script(_INSTRUMENT)
    return context.new_page()


def _load(browser: Browser, gateway: RunningGateway) -> float:
    """From the address to a list of cameras that can be used, with nothing in the cache."""
    page = _page(browser, gateway)
    page.goto(f"{gateway.url}/playback", wait_until="commit")
    page.get_by_text("Camera 1", exact=True).wait_for()
    took_ms = float(page.evaluate("() => performance.now()"))
    page.context.close()
    return took_ms


def _measured(page: Page) -> float:
    page.wait_for_function("() => measure.to > 0")
    return float(page.evaluate("() => measure.to - measure.from"))


def _choose(page: Page, gateway: RunningGateway) -> float:
    """From the double click on a camera to its first picture."""
    page.goto(f"{gateway.url}/playback")
    camera = page.get_by_text("Camera 1", exact=True)
    camera.wait_for()
    page.evaluate("() => measure.watch('dblclick', () => measure.ready(1))")
    camera.dblclick()
    return _measured(page)


def _seek(page: Page, gateway: RunningGateway, camera_id: str, from_us: int, to_us: int) -> float:
    """From the click on the timeline to the exact picture."""
    page.goto(f"{gateway.url}/playback?camera={camera_id}&at={from_us}")
    page.wait_for_function("() => measure.ready(1)")
    page.keyboard.press("k")
    page.wait_for_function("() => measure.shown(1)")
    timeline = page.get_by_role("slider")
    page.get_by_title("显示一小时").click()
    box = timeline.bounding_box()
    assert box is not None
    # A quarter of an hour: both ends in sight wherever the newest footage stands.
    page.keyboard.press("+")
    page.keyboard.press("+")
    shown_from_us = float(timeline.get_attribute("data-start-us") or 0)
    shown_to_us = float(timeline.get_attribute("data-end-us") or 0)
    part = (to_us - shown_from_us) / (shown_to_us - shown_from_us)
    page.evaluate(
        """(to) => measure.watch('pointerup', () => Math.abs(measure.position() - to) < 2e6
            && measure.shown(1))""",
        to_us,
    )
    page.mouse.click(box["x"] + box["width"] * part, box["y"] + box["height"] - 6)
    return _measured(page)


def _drifts(
    page: Page, gateway: RunningGateway, camera_ids: list[str], at_us: int, moments: int
) -> list[float]:
    """How far off the middle one the worst camera is, moment by moment, once they have started."""
    page.goto(f"{gateway.url}/playback?camera={','.join(camera_ids)}&at={at_us}")
    page.wait_for_function("(at) => measure.position() > at", arg=at_us + 2_000_000)
    drifts = []
    for number in range(moments):
        until_us = at_us + 2_000_000 + number * 250_000
        page.wait_for_function("(at) => measure.position() > at", arg=until_us)
        drifts.append(float(page.evaluate("() => measure.spread()")))
    return drifts


if __name__ == "__main__":
    main()
