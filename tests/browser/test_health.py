"""Camera health: the patrol looks at real cameras, and the page shows what it keeps."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_the_patrol_shows_each_camera_beside_its_reference(
    page: Page, console: Console, cameras: list[dict[str, object]], tmp_path: Path
) -> None:
    deadline_s = time.monotonic() + 120
    while console.call("GET", "/api/health/counts")["looked"] < len(cameras):
        assert time.monotonic() < deadline_s
        page.wait_for_timeout(500)  # a patrol of its own pace
    page.goto("/health")
    page.locator("[data-show=all]").click()
    row = page.locator(f"[data-camera={cameras[0]['id']}]")
    row.locator("[data-act=refer]").click()
    page.locator(".el-message-box .el-button--primary").click()
    expect(row.locator("figcaption")).to_have_count(2)
    for picture in row.locator("img").all():
        picture.evaluate("(image) => image.decode()")
    for _ in on_screens(page, DESK, LARGE_DESK):
        expect(row.locator("[data-act=refer]")).to_be_visible()
    with page.expect_download() as download:
        page.locator("[data-act=sheet]").click()
    assert download.value.suggested_filename == "camera-health.xlsx"
    paper = tmp_path / "health.pdf"
    page.pdf(path=paper, prefer_css_page_size=True, print_background=True)
    assert paper.read_bytes().startswith(b"%PDF")
