"""Signing in, languages and the pages around the wall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, WALL, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PAGES = ["wall", "playback", "evidence", "evidence/holds", "evidence/exports"]
PAGES += ["cameras", "users", "audit", "retention", "forecast", "system"]
# What an untranslated key would be shown as begins with one of these.
KEYS = ["wall.", "tree.", "cameras.", "users.", "system.", "shell.", "playback.", "evidence."]
KEYS += ["audit.", "retention.", "forecast."]


def test_a_wrong_password_says_what_to_do_and_the_right_one_enters(
    console: Any, new_page: Callable[..., Page], watch: Any
) -> None:
    # The wall may have cameras of an earlier test, which are gone.
    watch.expected_errors += ["status of 401", r"status of 404 .*/api/(live|cameras/)"]
    page = new_page(signed_in=False)
    page.goto("/")
    expect(page).to_have_url(f"{console.url}/sign-in")
    page.locator('input[name="name"]').fill(console.name)
    page.locator('input[name="password"]').fill("not the password")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    page.locator('input[name="password"]').fill(console.password)
    page.locator('input[name="password"]').press("Enter")
    expect(page).to_have_url(f"{console.url}/wall")


def test_a_one_time_password_has_to_be_changed_first(
    console: Any, new_page: Callable[..., Page], watch: Any
) -> None:
    watch.expected_errors.append("status of 401")
    first = "only good for once 1"
    user = console.call(
        "POST",
        "/api/users",
        {
            "name": "liming",
            "display_name": "李明",
            "enabled": True,
            "password": first,
            "grants": [{"role": "viewer", "area_id": "*"}],
        },
    )
    try:
        page = new_page(signed_in=False)
        page.goto("/sign-in")
        page.locator('input[name="name"]').fill("liming")
        page.locator('input[name="password"]').fill(first)
        page.locator('input[name="password"]').press("Enter")
        expect(page.get_by_role("heading", name="请设置新密码")).to_be_visible()
        page.locator('input[name="new-password"]').fill("short")
        page.locator('input[name="repeat-password"]').fill("short")
        page.get_by_role("button", name="设置新密码").click()
        expect(page.get_by_role("alert")).to_contain_text("至少需要 10 个字符")
        page.locator('input[name="new-password"]').fill("my own sentence 12")
        page.locator('input[name="repeat-password"]').fill("my own sentence 12")
        page.get_by_role("button", name="设置新密码").click()
        expect(page).to_have_url(f"{console.url}/wall")
        # A viewer has neither the page of people nor the way to it, nor anything else to manage.
        expect(page.get_by_role("link", name="实时预览")).to_be_visible()
        expect(page.get_by_role("link", name="管理")).to_have_count(0)
        page.goto("/users")
        expect(page.get_by_text("您无权打开此页")).to_be_visible()
    finally:
        console.call("DELETE", f"/api/users/{user['id']}")


def test_an_ended_session_asks_again_and_the_tile_plays_on(
    console: Any, cameras: list[dict[str, Any]], new_page: Callable[..., Page], watch: Any
) -> None:
    watch.expected_errors += ["status of 401", "WebSocket"]
    tiles = [{"camera_id": cameras[0]["id"], "quality": "auto"}]
    console.call("PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    page = new_page()
    page.goto("/wall")
    tile = page.locator(".tile").first
    expect(tile).to_have_attribute("data-phase", "playing", timeout=20_000)
    page.context.clear_cookies()
    # Not a click of the mouse: the page may have asked by itself, and the dialog lies over it.
    page.get_by_title("刷新列表").dispatch_event("click")
    dialog = page.get_by_role("dialog", name="请重新登录")
    expect(dialog).to_be_visible()
    expect(tile).to_have_attribute("data-phase", "playing")
    frames = "video => video.getVideoPlaybackQuality().totalVideoFrames"
    before = tile.locator("video").evaluate(frames)
    page.wait_for_function(
        "([video, frames]) => video.getVideoPlaybackQuality().totalVideoFrames > frames + 5",
        arg=[tile.locator("video").element_handle(), before],
    )
    dialog.locator('input[name="password"]').fill(console.password)
    dialog.locator('input[name="password"]').press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator(".row.is-camera").first).to_be_visible()


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_every_page_fits_and_is_translated(new_page: Callable[..., Page], locale: str) -> None:
    page = new_page(locale=locale)
    for name in PAGES:
        page.goto(f"/{name}")
        expect(page.locator("header.bar")).to_be_visible()
        page.wait_for_load_state("networkidle") if name not in ("wall", "playback") else None
        for _ in on_screens(page, DESK, LARGE_DESK, TELEPHONE, WALL):
            text = page.locator("body").inner_text().replace("gridsight", "")
            assert not [key for key in KEYS if key in text], name


def test_language_and_theme_are_switched_and_remembered(page: Page) -> None:
    page.goto("/system")
    expect(page.get_by_role("heading", name="系统")).to_be_visible()
    page.locator("button.user").click()
    page.get_by_role("menuitem", name="English").click()
    expect(page.get_by_role("heading", name="System")).to_be_visible()
    page.locator("button.user").click()
    page.get_by_role("menuitem", name="Switch to light").click()
    page.reload()
    expect(page.get_by_role("heading", name="System")).to_be_visible()
    assert page.evaluate("document.documentElement.className") == "light"


def test_a_camera_is_tested_added_changed_and_deleted(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    page.goto("/cameras")
    expect(page.locator("tbody tr")).to_have_count(4)
    page.get_by_role("button", name="添加摄像机").click()
    dialog = page.get_by_role("dialog")
    dialog.locator('input[name="camera-name"]').fill("新大门")
    dialog.locator('input[name="main-url"]').fill("rtsp://127.0.0.1:9/none")
    dialog.get_by_role("button", name="测试").click()
    expect(dialog.locator(".result")).to_contain_text("不能使用", timeout=15_000)
    dialog.locator('input[name="main-url"]').fill(cameras[0]["main_url"])
    dialog.get_by_role("button", name="测试").click()
    expect(dialog.locator(".result")).to_contain_text("H.264", timeout=15_000)
    dialog.get_by_label("区域").click()
    page.locator(".el-select-dropdown__item:visible").first.click()
    dialog.get_by_role("button", name="保存").click()
    row = page.locator("tbody tr").filter(has_text="新大门")
    expect(row).to_contain_text("在线", timeout=20_000)
    row.get_by_role("button", name="修改").click()
    dialog.locator('input[name="camera-name"]').fill("新南门")
    dialog.get_by_role("button", name="保存").click()
    row = page.locator("tbody tr").filter(has_text="新南门")
    row.get_by_role("button", name="更多").click()
    page.get_by_role("menuitem", name="删除").click()
    page.locator(".el-message-box").get_by_role("button", name="删除").click()
    expect(page.locator("tbody tr")).to_have_count(4)


def test_looking_at_footage_is_in_the_register(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    tiles = [{"camera_id": cameras[0]["id"], "quality": "auto"}]
    console.call("PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    page.goto("/wall")
    expect(page.locator(".tile").first).to_have_attribute("data-phase", "playing", timeout=20_000)
    page.goto("/audit")
    row = page.locator("tbody tr").filter(has_text="实时观看").first
    expect(row).to_contain_text(cameras[0]["name"])
    expect(row).to_contain_text("admin")


def test_an_old_browser_is_sent_to_a_plain_page(
    console: Any, new_page: Callable[..., Page]
) -> None:
    page = new_page(signed_in=False)
    page.add_init_script("delete window.WeakRef")
    page.goto("/")
    page.wait_for_url("**/old-browser.html")
    expect(page.get_by_text("360 安全浏览器")).to_be_visible()
