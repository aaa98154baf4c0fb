"""A county's map in the browser: what of a frame is spent in script while it is moved.

8,757 cameras with names and views, in villages as a county has them; the map is dragged in headless
Chromium at three heights, and the renderer's main thread is traced. Script is counted in that
thread's own time. A processor draws here, not a graphics card: that is what the frame rate is of.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks._gateway import CHROMIUM, CHROMIUM_ARGUMENTS, RunningGateway, running_gateway
from benchmarks.measure import percentile, quick_requested, report
from gateway.identifiers import new_id, now_us

CAMERAS = 8_757
VILLAGES = 584
SCRIPT_TARGET_MS = 8.0
MIDDLE = (112.6, 31.1)
_HEIGHTS = {"county": 0, "town": 3, "street": 7}
_MOVES = 80
_SCRIPTS = frozenset(
    {"EventDispatch", "FireAnimationFrame", "FunctionCall", "TimerFire", "RunMicrotasks",
     "EvaluateScript", "FireIdleCallback"}
)  # fmt: skip


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    with running_gateway(SEARCH__ENABLED="false") as gateway, sync_playwright() as driver:
        _enter(gateway, 500 if quick else CAMERAS)
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, headless=True
        )
        context = browser.new_context(
            storage_state=gateway.storage_state,  # type: ignore[arg-type]
            viewport={"width": 1920, "height": 1080},
        )
        page = context.new_page()
        page.goto(f"{gateway.url}/map")
        page.wait_for_selector("canvas.maplibregl-canvas")
        page.wait_for_timeout(4000)
        for name, presses in _HEIGHTS.items():
            page.locator("canvas.maplibregl-canvas").focus()
            for _ in range(presses):
                page.keyboard.press("Equal")
                page.wait_for_timeout(700)
            page.wait_for_timeout(2000)
            browser.start_tracing(page=page, categories=["devtools.timeline"])
            _drag(page)
            frames, spent_ms = _frames(json.loads(browser.stop_tracing()))
            report(
                f"map.{name}_script_p95", percentile(spent_ms, 95), "ms a frame", n=len(spent_ms),
                target=None if quick else SCRIPT_TARGET_MS,
                note=f"p50 {percentile(spent_ms, 50):.1f}, worst {max(spent_ms):.1f} ms",
            )  # fmt: skip
            report(f"map.{name}_frame_rate", frames, "frames/s", n=len(spent_ms), better="higher")
        browser.close()


def _drag(page: Page) -> None:
    chance = random.Random(3)
    x, y = 960.0, 560.0
    page.mouse.move(x, y)
    page.mouse.down()
    for _ in range(_MOVES):
        x = min(max(x + chance.uniform(-30, 30), 300), 1600)
        y = min(max(y + chance.uniform(-20, 20), 250), 900)
        page.mouse.move(x, y)
        page.wait_for_timeout(16)
    page.mouse.up()
    page.wait_for_timeout(300)


def _frames(trace: dict[str, Any]) -> tuple[float, list[float]]:
    """Frames a second, and of each how many milliseconds of it were script."""
    events = trace["traceEvents"]
    main = next((one["pid"], one["tid"]) for one in events if one["name"] == "FireAnimationFrame")
    own = [one for one in events if (one["pid"], one["tid"]) == main]
    begins = sorted(one["ts"] for one in own if one["name"] == "FireAnimationFrame")
    spent = [0.0] * (len(begins) - 1)
    at = 0
    for begin, length in _outermost(own):
        while at < len(spent) and begin >= begins[at + 1]:
            at += 1
        if at < len(spent) and begin >= begins[at]:
            spent[at] += length / 1000
    return 1e6 * (len(begins) - 1) / (begins[-1] - begins[0]), spent


def _outermost(events: list[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    ends = -1.0
    scripts = (one for one in events if one["name"] in _SCRIPTS and one.get("ph") == "X")
    for one in sorted(scripts, key=lambda event: float(event["ts"])):
        if one["ts"] >= ends:
            ends = one["ts"] + one["dur"]
            yield one["ts"], one.get("tdur", one["dur"])


def _enter(gateway: RunningGateway, count: int) -> None:
    """Cameras in villages, each some hundred metres wide, over a county of 60 km."""
    area = gateway.call("POST", "/api/areas", {"name": "县"})["id"]
    chance, at_us = random.Random(7), now_us()
    villages = [
        (MIDDLE[0] + chance.uniform(-0.3, 0.3), MIDDLE[1] + chance.uniform(-0.27, 0.27))
        for _ in range(VILLAGES)
    ]
    rows = []
    for number in range(count):
        longitude, latitude = villages[number % VILLAGES]
        rows.append(
            (new_id("cam"), area, f"村口 {number}", "rtsp://127.0.0.1:9/x", at_us, at_us,
             longitude + chance.gauss(0, 0.003), latitude + chance.gauss(0, 0.003),
             chance.uniform(0, 359))
        )  # fmt: skip
    with sqlite3.connect(gateway.data_directory / "gridsight.db", timeout=30) as connection:
        connection.executemany(
            "INSERT INTO cameras (id, area_id, name, search_key, main_url, transport, record,"
            " enabled, created_us, changed_us, longitude, latitude, heading_deg, view_deg)"
            " VALUES (?, ?, ?, '', ?, 'auto', 'off', 0, ?, ?, ?, ?, ?, 70)",
            rows,
        )


if __name__ == "__main__":
    main()
