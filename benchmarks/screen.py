"""A big screen for half an hour: what the browser's and the gateway's memory does.

16 live tiles, each going round two cameras, with goals, incidents and alarms beside them, in
headless Chromium at 3840 x 2160. Every half minute, garbage collected, the page's script memory,
its nodes and listeners, and the resident memory of renderer and gateway are read. What counts is
the median of the last five minutes against that of the five after the start has settled.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

from benchmarks._gateway import CHROMIUM, CHROMIUM_ARGUMENTS, RunningGateway, running_gateway
from benchmarks._tiny_cameras import tiny_cameras
from benchmarks.measure import quick_requested, report, resident_bytes

TILES = 16
CAMERAS = 32
PICTURE_S = 0.2
SIZE = "640x360"
DWELL_S = 20
TARGET_PERCENT = 5.0
_MB = 1e6


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    settle_s, window_s, run_s, every_s = (5, 5, 25, 2.5) if quick else (300, 300, 1800, 30)
    with (
        tempfile.TemporaryDirectory() as folder,
        tiny_cameras(Path(folder), PICTURE_S, SIZE) as port,
        running_gateway(SEARCH__ENABLED="false") as gateway,
        sync_playwright() as driver,
    ):
        path = _make(gateway, port)
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, headless=True
        )
        context = browser.new_context(
            storage_state=gateway.storage_state,  # type: ignore[arg-type]
            viewport={"width": 3840, "height": 2160},
        )
        page = context.new_page()
        page.goto(gateway.url + path)
        expect(page.locator(".live[data-phase=playing]")).to_have_count(TILES, timeout=60_000)
        samples: list[tuple[float, dict[str, float]]] = []
        begin_s = time.monotonic()
        talk = context.new_cdp_session(page)
        talk.send("Performance.enable")
        while (at_s := time.monotonic() - begin_s) < run_s:
            samples.append((at_s, _sample(browser, talk, gateway)))
            page.wait_for_timeout(1000 * max(0.0, every_s - (time.monotonic() - begin_s - at_s)))
        playing = page.locator(".live[data-phase=playing]").count()
        shown = _pictures(page)
        browser.close()
    for name in samples[0][1]:
        early = [one[name] for at, one in samples if settle_s <= at < settle_s + window_s]
        late = [one[name] for at, one in samples if at >= run_s - window_s]
        before, after = statistics.median(early), statistics.median(late)
        report(
            f"screen.{name}_growth", 100 * (after - before) / before, "%", n=len(samples),
            target=None if quick else TARGET_PERCENT,
            note=f"{before:.1f} at first, {after:.1f} at the end, after {run_s / 60:.1f} min",
        )  # fmt: skip
    report(
        "screen.tiles_playing_at_the_end", playing, "tiles", n=TILES, better="higher", target=TILES
    )
    report("screen.pictures_shown", shown, "pictures/s", n=TILES, better="higher")


def _make(gateway: RunningGateway, port: int) -> str:
    """The cameras and the screen; gives the screen's path."""
    area = gateway.call("POST", "/api/areas", {"name": "指挥大厅"})["id"]
    cameras = [
        gateway.call(
            "POST", "/api/cameras",
            {"name": f"村口 {number}", "area_id": area, "record": "off",
             "main_url": f"rtsp://127.0.0.1:{port}/{number}"},
        )["id"]
        for number in range(CAMERAS)
    ]  # fmt: skip
    # 32 columns and 18 rows: four by four tiles, and a column of widgets.
    tiles = [
        {"kind": "live", "x": 6 * (number % 4), "y": 4 * (number // 4), "width": 6, "height": 4,
         "camera_ids": cameras[2 * number : 2 * number + 2], "dwell_s": DWELL_S}
        for number in range(TILES)
    ]  # fmt: skip
    others = [
        {"kind": kind, "x": 24, "y": 6 * row, "width": 8, "height": 6}
        for row, kind in enumerate(("goals", "incidents", "alarms"))
    ]
    body = {
        "name": "指挥大厅",
        "area_id": area,
        "scenes": [{"name": "平时", "widgets": tiles + others}],
    }
    return f"/screen/{gateway.call('POST', '/api/screens', body)['id']}"


def _sample(browser: Browser, talk: CDPSession, gateway: RunningGateway) -> dict[str, float]:
    talk.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in talk.send("Performance.getMetrics")["metrics"]}
    processes = browser.new_browser_cdp_session()
    renderers = [
        one["id"]
        for one in processes.send("SystemInfo.getProcessInfo")["processInfo"]
        if one["type"] == "renderer"
    ]
    processes.detach()
    return {
        "script_memory": metrics["JSHeapUsedSize"] / _MB,
        "nodes": metrics["Nodes"],
        "listeners": metrics["JSEventListeners"],
        "renderer_memory": sum(resident_bytes(pid) for pid in renderers) / _MB,
        "gateway_memory": _tree_bytes(gateway.process.pid) / _MB,
    }


def _tree_bytes(pid: int) -> int:
    """Resident memory of a process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return resident_bytes(pid) + sum(_tree_bytes(int(child)) for child in children)


def _pictures(page: Page) -> float:
    """Pictures a second over all tiles."""
    count = """
        [...document.querySelectorAll('.live video')]
          .reduce((sum, video) => sum + video.getVideoPlaybackQuality().totalVideoFrames, 0)"""
    before: int = page.evaluate(count)
    page.wait_for_timeout(4000)
    after: int = page.evaluate(count)
    return max(0, after - before) / 4


if __name__ == "__main__":
    main()
