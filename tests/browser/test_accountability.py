"""Purposes, the viewer's mark, masks and evidence in Chromium.

The gateway of this module asks why one looks, live too, as a county's would.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Console, serve_demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CASE = "A3302001120260017"
PASSWORD = "nobody looks without a reason 5"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A gateway with every question switched on."""
    asked = {
        "GRIDSIGHT_ACCOUNTABILITY__LIVE_PURPOSE": "true",
        "GRIDSIGHT_ACCOUNTABILITY__PLAYBACK_REASON": "true",
    }
    with serve_demo(tmp_path_factory.mktemp("strict"), **asked) as gateway:
        yield gateway


def show(console: Console, cameras: list[dict[str, Any]], grid: str) -> None:
    """Have the wall's first screen show these cameras."""
    tiles = [{"camera_id": camera["id"], "quality": "auto"} for camera in cameras]
    console.call("PUT", "/api/wall/1", {"document": {"grid": grid, "tiles": tiles}})


def tile_of(page: Page, camera: dict[str, Any]) -> Any:
    """The camera's tile on the wall."""
    return page.locator(f'.tile[data-camera="{camera["id"]}"]')


def brightness(tile: Any, x: float, y: float) -> float:
    """How bright the tile's picture is at a share of its width and height; 0 is black."""
    value = tile.locator("video").first.evaluate(
        """(video, [x, y]) => {
          const canvas = document.createElement('canvas')
          canvas.width = video.videoWidth
          canvas.height = video.videoHeight
          const context = canvas.getContext('2d')
          context.drawImage(video, 0, 0)
          const { data } = context.getImageData(x * canvas.width, y * canvas.height, 8, 8)
          let sum = 0
          for (let at = 0; at < data.length; at += 4) sum += data[at] + data[at + 1] + data[at + 2]
          return sum / (data.length / 4) / 3
        }""",
        [x, y],
    )
    return float(value)


def test_a_purpose_is_asked_once_a_shift_and_stands_in_the_register(
    console: Console, cameras: list[dict[str, Any]], new_page: Callable[..., Page], watch: Any
) -> None:
    watch.expected_errors.append("status of 422")
    show(console, cameras, "2x2")
    page = new_page()
    page.goto("/wall")
    dialog = page.get_by_role("dialog", name="请说明本班查看实时画面的用途")
    expect(dialog).to_be_visible(timeout=15_000)
    expect(page.get_by_role("dialog")).to_have_count(1)  # for four tiles
    dialog.get_by_role("button", name="暂不查看").click()
    for camera in cameras:
        expect(tile_of(page, camera)).to_have_attribute("data-phase", "refused")
    tile_of(page, cameras[0]).get_by_role("button", name="立即重试").click()
    expect(dialog).to_be_visible()
    # "Other" says nothing by itself.
    page.keyboard.press("9")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("请写明用途")
    dialog.locator('input[name="purpose-text"]').fill("配合消防演练值守")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(tile_of(page, cameras[0])).to_have_attribute("data-phase", "playing", timeout=30_000)
    page.reload()
    for camera in cameras:
        expect(tile_of(page, camera)).to_have_attribute("data-phase", "playing", timeout=30_000)

    page.goto("/audit")
    page.get_by_label("用途", exact=True).select_option("other")
    row = page.locator("tbody tr").filter(has_text="配合消防演练值守").first
    expect(row).to_contain_text("admin")
    page.get_by_label("搜索", exact=True).fill("没有这样的词")
    expect(page.get_by_text("所选时间内没有记录")).to_be_visible()
    page.get_by_role("tab", name="审计报告").click()
    expect(page.get_by_role("group", name="问题")).to_contain_text("用途空白")
    with page.expect_download() as download:
        page.get_by_role("link", name="导出 CSV").click()
    assert Path(download.value.path()).read_bytes().startswith("\ufeff".encode())


def test_a_picture_without_the_viewers_mark_stops(
    console: Console, cameras: list[dict[str, Any]], new_page: Callable[..., Page], watch: Any
) -> None:
    watch.expected_errors.append("status of 422")
    console.call("PUT", "/api/purposes/shift", {"code": "patrol"})
    show(console, cameras, "2x2")
    page = new_page()
    page.goto("/wall")
    tiles = [tile_of(page, camera) for camera in cameras]
    for tile in tiles:
        expect(tile).to_have_attribute("data-phase", "playing", timeout=30_000)
        expect(tile.locator(".viewer-mark")).to_have_count(1)
    attacks = [
        "mark => mark.remove()",
        "mark => { mark.style.display = 'none' }",
        "mark => { mark.style.opacity = '0.01' }",
        "mark => { mark.style.transform = 'translateX(-100%)' }",
    ]
    for tile, attack in zip(tiles, attacks, strict=True):
        tile.locator(".viewer-mark").evaluate(attack)
        expect(tile).to_have_attribute("data-phase", "refused", timeout=10_000)
        expect(tile).to_contain_text("观看者标识被移除")
        assert tile.locator("video").evaluate("video => video.readyState") == 0
    tiles[0].get_by_role("button", name="立即重试").click()
    expect(tiles[0]).to_have_attribute("data-phase", "playing", timeout=30_000)
    expect(tiles[0].locator(".viewer-mark")).to_have_count(1)
    # The mark is left alone while a tile that nobody sees is hidden.
    tiles[0].dblclick(position={"x": 60, "y": 60})
    expect(page.locator(".wall.has-maximised")).to_be_visible()
    page.keyboard.press("Escape")
    expect(tiles[0]).to_have_attribute("data-phase", "playing", timeout=30_000)


def test_a_mask_that_is_drawn_hides_from_who_may_not_lift_it(
    console: Console,
    cameras: list[dict[str, Any]],
    chromium: Browser,
    new_page: Callable[..., Page],
    watch: Any,
) -> None:
    watch.expected_errors += ["status of 4", "WebSocket"]
    camera = cameras[0]
    page = new_page()
    page.goto(f"/cameras/{camera['id']}/masks")
    board = page.get_by_role("group", name="画面与遮挡区域")
    expect(board).to_have_attribute("aria-busy", "false", timeout=30_000)
    box = board.bounding_box()
    assert box is not None

    def at(x: float, y: float) -> tuple[float, float]:
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    page.mouse.move(*at(0.1, 0.1))
    page.mouse.down()
    page.mouse.move(*at(0.5, 0.5), steps=4)
    page.mouse.up()
    page.get_by_placeholder("名称，如“居民窗户”").fill("居民窗户")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("遮挡已保存")).to_be_visible()
    drawn = console.call("GET", f"/api/cameras/{camera['id']}/masks")
    assert drawn["version"] == 1
    assert drawn["masks"][0]["name"] == "居民窗户"
    xs, ys = zip(*drawn["masks"][0]["points"], strict=True)
    assert (min(xs), max(xs)) == pytest.approx((0.1, 0.5), abs=0.02)
    assert (min(ys), max(ys)) == pytest.approx((0.1, 0.5), abs=0.02)

    user = console.call(
        "POST",
        "/api/users",
        {"name": "kanke", "display_name": "看客", "password": PASSWORD, "enabled": True},
    )
    try:
        console.call(
            "POST", "/api/grants", {"user_id": user["id"], "role": "viewer", "area_id": "*"}
        )
        page = signed_in(console, chromium, watch, "kanke")
        call(page, "PUT", "/api/purposes/shift", '{"code": "patrol"}')
        tiles = [{"camera_id": camera["id"], "quality": "main"}]
        document = {"document": {"grid": "1x1", "tiles": tiles}}
        call(page, "PUT", "/api/wall/1", page.evaluate("body => JSON.stringify(body)", document))
        page.goto("/wall")
        tile = tile_of(page, camera)
        expect(tile).to_have_attribute("data-phase", "playing", timeout=60_000)
        expect(tile).to_have_attribute("data-variant", "masked")
        assert brightness(tile, 0.3, 0.3) < 40
        assert brightness(tile, 0.3, 0.8) > 50
        page.context.close()
    finally:
        console.call("DELETE", f"/api/users/{user['id']}")
        console.call("PUT", f"/api/cameras/{camera['id']}/masks", {"version": 1, "masks": []})


def test_the_store_itself_is_asked_whether_all_is_gone(
    console: Console, cameras: list[dict[str, Any]], new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.goto("/retention")
    row = page.locator("tbody tr").filter(has_text=cameras[0]["name"])
    expect(row).to_contain_text("30")
    page.get_by_role("button", name="核查存储").click()
    told = page.locator(".proof")
    expect(told).to_contain_text("没有应删未删的", timeout=30_000)
    expect(told).to_contain_text(f"{len(cameras)} 台摄像机")
    page.goto("/audit")
    expect(page.locator("tbody tr").filter(has_text="核查").first).to_be_visible()


def signed_in(console: Console, chromium: Browser, watch: Any, name: str) -> Page:
    """A page of somebody with a first password, which they change on the way in."""
    context = chromium.new_context(base_url=console.url, locale="zh-CN")
    page = context.new_page()
    watch.attach(page)
    page.goto("/sign-in")
    page.locator('input[name="name"]').fill(name)
    page.locator('input[name="password"]').fill(PASSWORD)
    page.locator('input[name="password"]').press("Enter")
    page.locator('input[name="new-password"]').fill(PASSWORD + " own")
    page.locator('input[name="repeat-password"]').fill(PASSWORD + " own")
    page.locator('input[name="repeat-password"]').press("Enter")
    expect(page).to_have_url(f"{console.url}/wall", timeout=15_000)
    return page


def call(page: Page, method: str, path: str, body: str) -> None:
    """Send JSON in the page's own session."""
    status = page.evaluate(
        """async ([method, path, body]) => (await fetch(path, {
          method, body, headers: { 'Content-Type': 'application/json', 'X-Gridsight': '1' },
        })).status""",
        [method, path, body],
    )
    assert status < 300, f"{method} {path}: {status}"


def test_a_case_holds_and_exports_footage_that_anybody_can_verify(
    console: Console,
    cameras: list[dict[str, Any]],
    new_page: Callable[..., Page],
    watch: Any,
    wait_until: Callable[..., Any],
    tmp_path: Path,
) -> None:
    watch.expected_errors.append("status of 422")
    camera = cameras[0]
    page = new_page()
    page.goto("/evidence")
    page.get_by_role("button", name="新建案件").click()
    dialog = page.get_by_role("dialog", name="新建案件")
    dialog.locator('input[name="case-number"]').fill(CASE)
    dialog.locator('input[name="case-title"]').fill("东门口电动车被盗案")
    dialog.locator(".el-select").click()
    page.locator(".el-select-dropdown__item:visible").first.click()
    dialog.get_by_role("button", name="保存").click()
    expect(page.get_by_role("heading", name=CASE)).to_be_visible()
    case_url = page.url

    # Playback asks; its answer is shown, and goes with what is opened.
    now_us = wait_until("footage", lambda: recorded(console, camera["id"], 12), 90)
    page.goto(f"/playback?camera={camera['id']}&at={now_us - 10_000_000}")
    asked = page.get_by_role("dialog", name="请说明查看录像的用途")
    expect(asked).to_be_visible(timeout=15_000)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(asked).to_be_hidden()
    expect(page.get_by_role("button", name="用途：警情事件")).to_be_visible()
    expect(page.locator('.tile[data-state="ready"]')).to_be_visible(timeout=30_000)
    page.keyboard.press("i")
    page.wait_for_function(
        "from => Number(document.querySelector('[data-position-us]').dataset.positionUs) > from",
        arg=now_us - 6_000_000,
        timeout=60_000,
    )
    page.keyboard.press("o")
    page.get_by_role("button", name="导出 / 封存").click()
    marked = page.get_by_role("dialog", name="所选片段")
    marked.get_by_role("tab", name="封存").click()
    marked.get_by_role("button", name="封存").click()
    expect(marked.get_by_role("alert")).to_contain_text("请写明封存理由")
    marked.locator('input[name="hold-reason"]').fill("移送检察院前不得删除")
    marked.locator('select[name="case"]').select_option(index=1)
    marked.get_by_role("button", name="封存").click()
    expect(marked).to_be_hidden()
    page.get_by_role("button", name="导出 / 封存").click()
    marked.get_by_role("tab", name="加入案件").click()
    marked.locator('select[name="case"]').select_option(index=1)
    marked.locator('input[name="item-title"]').fill("嫌疑人推车经过")
    marked.get_by_role("button", name="加入案件").click()
    expect(marked).to_be_hidden()
    page.get_by_role("button", name="导出 / 封存").click()
    marked.get_by_role("tab", name="导出").click()
    marked.locator('input[name="purpose-case"]').fill(CASE)
    marked.locator('input[name="burn-time"]').check()
    marked.get_by_role("button", name="开始导出").click()
    expect(marked.locator('[data-state="done"]')).to_be_visible(timeout=120_000)
    with page.expect_download(timeout=60_000) as download:
        marked.get_by_role("button", name="下载证据包").click()
    package = tmp_path / "package.zip"
    download.value.save_as(package)

    page.goto(case_url)
    body = page.locator("body")
    expect(body).to_contain_text("嫌疑人推车经过")
    expect(body).to_contain_text("移送检察院前不得删除")
    expect(page.locator('tr[data-state="done"]')).to_be_visible()

    key = console.call("GET", "/api/evidence/key")["public_key"]
    assert verify(package, key).returncode == 0
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    altered = tmp_path / "altered.zip"
    altered.write_bytes(content)
    assert verify(altered, key).returncode != 0


def test_who_takes_a_desk_over_says_anew_why_they_look_at_footage(
    console: Console,
    cameras: list[dict[str, Any]],
    new_page: Callable[..., Page],
    watch: Any,
    wait_until: Callable[..., Any],
) -> None:
    watch.expected_errors += ["status of 4", "WebSocket"]
    camera = cameras[0]
    county = console.call("GET", "/api/areas")["items"][0]
    # Signs in for itself: a sign-in ends the session that the browser held, here not the console's.
    page = new_page(signed_in=False)
    page.goto("/account")
    admin = {"name": console.name, "password": console.password}
    call(page, "POST", "/api/session", json.dumps(admin))
    call(page, "POST", "/api/desks", json.dumps({"name": "一席", "area_id": county["id"]}))
    people: dict[str, str] = {}
    for name in ("zhouhai", "wumei"):
        user = console.call("POST", "/api/users", {"name": name, "display_name": name})
        people[name] = user["id"]
        grant = {"user_id": user["id"], "role": "operator", "area_id": "*"}
        console.call("POST", "/api/grants", grant)
        given = user["one_time_password"]
        for method, path, body in (
            ("POST", "/api/session", {"name": name, "password": given}),
            ("POST", "/api/session/password", {"old_password": given, "new_password": PASSWORD}),
            ("PUT", "/api/account/pin", {"password": PASSWORD, "pin": "738291"}),
        ):
            call(page, method, path, json.dumps(body))

    now_us = wait_until("footage", lambda: recorded(console, camera["id"], 12), 90)
    page.goto(f"/playback?camera={camera['id']}&at={now_us - 10_000_000}")
    asked = page.get_by_role("dialog", name="请说明查看录像的用途")
    shown = page.locator('.tile[data-state="ready"]')
    for name, key in (("wumei", "1"), ("zhouhai", "2")):
        if name == "zhouhai":
            page.get_by_role("button", name="换人").click()
            page.locator('input[name="pin"]').fill("738291")
            page.locator('input[name="pin"]').press("Enter")
        expect(asked).to_be_visible(timeout=15_000)
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        expect(shown).to_be_visible(timeout=30_000)
    looks = console.call("GET", f"/api/audit?camera_id={camera['id']}&limit=100")["items"]
    reasons = {
        (one["user_id"], one["reason_code"])
        for one in looks
        if one["user_id"] in people.values() and one["reason_code"] is not None
    }
    assert reasons == {(people["wumei"], "incident"), (people["zhouhai"], "lost_person")}
    desk = console.call("GET", "/api/desks")["items"][0]
    console.call("DELETE", f"/api/desks/{desk['id']}")
    for user_id in people.values():
        console.call("DELETE", f"/api/users/{user_id}")


def test_a_report_is_of_what_is_chosen(page: Page) -> None:
    page.route("**/api/audit/report?*", lambda route: None)  # never answered
    page.goto("/audit")
    page.get_by_role("tab", name="审计报告").click()
    page.wait_for_function("() => document.querySelector('.kinds') !== null")
    with page.expect_event("requestfailed", lambda one: "/api/audit/report" in one.url):
        page.get_by_label("时间范围").select_option("30")
    page.unroute_all()

    page.goto("/retention")
    page.get_by_role("button", name="核查存储").click()
    expect(page.locator(".proof")).to_be_visible(timeout=30_000)
    page.locator(".area").click()
    page.locator(".el-select-dropdown__item:visible").first.click()
    expect(page.locator(".proof")).to_have_count(0)


def recorded(console: Console, camera_id: str, seconds: int) -> int | None:
    """Where the camera's footage ends, once there is so much of it."""
    now_us = console.call("GET", f"/api/timeline?camera_id={camera_id}&start_us=0&end_us=1")[
        "now_us"
    ]
    spans = console.call(
        "GET",
        f"/api/timeline?camera_id={camera_id}&start_us={now_us - 600_000_000}&end_us={now_us}"
        "&resolution_us=1000000",
    )["spans"]
    if not spans or spans[-1]["end_us"] - spans[-1]["start_us"] < seconds * 1_000_000:
        return None
    return int(spans[-1]["end_us"])


def verify(package: Path, key: str) -> subprocess.CompletedProcess[bytes]:
    """`gridsight evidence verify`, with the key that came another way."""
    command = [str(Path(sys.executable).parent / "gridsight"), "evidence", "verify"]
    return subprocess.run([*command, "--key", key, str(package)], capture_output=True, timeout=120)
