"""The storage forecast page: the trend, the worst cameras, their days; in both languages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.commands.rows import open_rows
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.retention import DAY_US
from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, WALL, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

GB = 10**9
DAYS = 40


async def keep_days(console: Console, cameras: list[dict[str, Any]]) -> None:
    """What forty days of a store that fills would have left."""
    at_us = now_us()
    today = at_us // DAY_US
    async with open_rows(Settings(data_directory=console.data_directory)) as rows:
        for ago in reversed(range(DAYS)):
            day, used = today - ago, (400 - 9 * ago) * GB
            kept = []
            for place, camera in enumerate(cameras):
                short, risen = place == 0 and ago < 12, place == 1 and ago < 7
                kept.append(
                    {
                        "kept_us": at_us - ago * DAY_US,
                        "place": place,
                        "camera_id": camera["id"],
                        "state": "short" if short else "ok",
                        "cause": "space" if short else None,
                        "required_days": 30.0,
                        "kept_days": 18.0 if short else 30.0,
                        "reach_days": 21.5 if short else 30.0,
                        "short_from_us": at_us + 5 * DAY_US if short else None,
                        "used_bytes": used // 4,
                        "bytes_per_day": 22 * GB,
                        "bitrate_bps": 4_000_000 if risen else 2_000_000,
                        "before_bps": 2_000_000,
                        "risen_bytes_per_day": 11 * GB if risen else 0,
                    }
                )
            await rows.write("capacity.keep_cameras", day=day, rows=kept)
            area = {
                "area_id": cameras[0]["area_id"], "cameras": 4, "short": int(ago < 12), "empty": 0,
                "filling": 0, "used_bytes": used, "bytes_per_day": 88 * GB, "least_days": 21.5,
            }  # fmt: skip
            whole = {
                "at_us": at_us - ago * DAY_US,
                "used_bytes": used,
                "free_bytes": 500 * GB - used,
                "bytes_per_day": 88 * GB,
                "full_at_us": at_us + 5 * DAY_US,
                "projected": [min(used + 20 * GB * ahead, 500 * GB) for ahead in range(61)],
            }
            await rows.write("capacity.keep_day", day=day, whole=whole, by_area=[area])


@pytest.mark.parametrize(
    ("locale", "title", "short", "kept"),
    [
        ("zh-CN", "存储预测", "存不满", "实际保留"),
        ("en", "Storage forecast", "too short", "Kept"),
    ],
)
def test_it_says_when_the_store_is_full_who_is_short_and_why(
    console: Console,
    cameras: list[dict[str, Any]],
    new_page: Callable[..., Page],
    locale: str,
    title: str,
    short: str,
    kept: str,
    tmp_path: Path,
) -> None:
    # This thread's loop is Playwright's.
    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, keep_days(console, cameras)).result()
    page = new_page(locale=locale)
    page.goto("/forecast")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    # The trend is drawn: its lines, and a bar for each day on which somebody was short.
    chart = page.locator(".gs-page .chart svg")
    expect(chart).to_be_visible()
    expect(page.locator(".sums")).to_contain_text("5")
    rows = page.locator(".gs-table-box").last.locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text(cameras[0]["name"])
    expect(rows.first).to_contain_text(short)
    expect(page.locator(".risen li")).to_have_count(1)
    expect(page.locator(".risen")).to_contain_text(cameras[1]["name"])
    for width in on_screens(page, DESK, LARGE_DESK, WALL, TELEPHONE):
        page.screenshot(path=str(tmp_path / f"{locale}-{width}.png"))
    # One camera, day by day.
    rows.first.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("svg").first).to_be_visible()
    expect(dialog).to_contain_text(kept)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    # Only those that are short; and the same as a sheet.
    page.locator(".heading select").select_option("short")
    expect(rows).to_have_count(1)
    with page.expect_download() as started:
        page.locator("a[href*='forecast.csv']").click()
    text = started.value.path().read_text("utf-8-sig")
    assert len(text.splitlines()) == 2 and cameras[0]["id"] in text
