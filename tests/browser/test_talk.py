"""Talking from the wall: Chromium's microphone, heard by GStreamer's ONVIF RTSP server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import CHROMIUM_ARGUMENTS, REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# A-law of next to nothing, with the bits as they go over the wire.
SILENCE = {0x54, 0x55, 0xD4, 0xD5}


@pytest.fixture(scope="module")
def chromium_with_microphone(playwright_driver: Playwright) -> Iterator[Browser]:
    """Its microphone beeps once a second."""
    media = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    browser = playwright_driver.chromium.launch(
        executable_path="/usr/bin/chromium", args=[*CHROMIUM_ARGUMENTS, *media]
    )
    yield browser
    browser.close()


@pytest.fixture
def loudspeaker(
    console: Any, cameras: list[dict[str, Any]], tmp_path: Path
) -> Iterator[tuple[Any, Path]]:
    """A camera with a loudspeaker, on screen 1 of the wall, and the file of what it hears."""
    heard = tmp_path / "heard"
    peer = str(REPOSITORY / "tests/peers/gstreamer_backchannel.py")
    process = subprocess.Popen(
        ["/usr/bin/python3", peer, str(heard), "PCMA"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    form = {
        "name": "带喇叭的摄像机",
        "area_id": cameras[0]["area_id"],
        "main_url": process.stdout.readline().strip(),
        "transport": "tcp",
        "record": "off",
        "enabled": True,
    }
    camera = console.call("POST", "/api/cameras", form)
    tiles = [{"camera_id": camera["id"], "quality": "auto"}]
    console.call("PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    yield camera, heard
    console.call("DELETE", f"/api/cameras/{camera['id']}")
    process.kill()
    process.wait()
    process.stdout.close()


def open_dock(page: Page) -> Any:
    page.goto("/wall")
    expect(page.locator(".tile[data-phase='playing']")).to_be_visible(timeout=60_000)
    page.keyboard.press("v")
    dock = page.locator(".talk")
    expect(dock).to_contain_text("松开即静音")
    return dock


def sounds(heard: Path) -> int:
    """How many samples are more than silence."""
    return sum(sample not in SILENCE for sample in heard.read_bytes()) if heard.exists() else 0


def test_what_is_said_while_the_key_is_held_is_heard_there(
    loudspeaker: tuple[Any, Path],
    chromium_with_microphone: Browser,
    new_page: Callable[..., Page],
    wait_until: Callable[..., Any],
    console: Any,
) -> None:
    camera, heard = loudspeaker
    page = new_page(browser=chromium_with_microphone)
    dock = open_dock(page)
    page.keyboard.down("v")
    expect(dock).to_have_attribute("data-phase", "open", timeout=20_000)
    expect(dock.locator(".sign")).to_have_text("正在播出")
    wait_until("a beep", lambda: sounds(heard) > 400, 30)
    page.wait_for_function(
        "() => parseFloat(document.querySelector('.talk .gs-meter span').style.width) > 0"
    )
    page.keyboard.up("v")
    expect(dock.locator(".sign")).to_have_count(0)
    expect(dock).to_contain_text("静音中")
    # What was on its way has arrived; from here on nothing but silence may.
    size = wait_until("silence", lambda: heard.stat().st_size)
    wait_until("two seconds more", lambda: heard.stat().st_size > size + 24_000, 30)
    assert {*heard.read_bytes()[-8_000:]} <= SILENCE

    dock.get_by_role("button", name="结束对讲").click()
    expect(dock).to_have_count(0)
    records = console.call("GET", f"/api/audit?camera_id={camera['id']}&action=talk.")["items"]
    assert "talk.open" in [one["action"] for one in records]
    page.context.close()


def test_a_browser_without_a_microphone_says_so(
    loudspeaker: tuple[Any, Path], new_page: Callable[..., Page]
) -> None:
    page = new_page()
    dock = open_dock(page)
    dock.get_by_role("checkbox").check()
    expect(dock).to_have_attribute("data-phase", "failed", timeout=20_000)
    expect(dock).to_contain_text("话筒")
    expect(dock.get_by_role("checkbox")).not_to_be_checked()
    page.context.close()
