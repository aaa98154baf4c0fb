"""Lines on pictures, boxes over live tiles, and how analysis is doing: in headless Chromium, on
what walks through the demo's pictures.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Console, Watch, serve_demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CAMERA = "cam_demo1"
# Across the street of the demo's picture, where people walk all the time.
ACROSS_STREET = ((0.42, 0.28), (0.42, 0.62))
SEEN_MS = 90_000
ALL_BOXES = (
    "all => all.map((one) => one.getBoundingClientRect()).map((b) => [b.x, b.y, b.right, b.bottom])"
)
# The picture lies within its element, with bars beside it or above.
PICTURE = """video => {
  const b = video.getBoundingClientRect()
  const scale = Math.min(b.width / video.videoWidth, b.height / video.videoHeight)
  const [w, h] = [video.videoWidth * scale, video.videoHeight * scale]
  const [x, y] = [b.x + (b.width - w) / 2, b.y + (b.height - h) / 2]
  return [x, y, x + w, y + h]
}"""  # fmt: skip


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A gateway that looks at its pictures."""
    with serve_demo(tmp_path_factory.mktemp("zones"), GRIDSIGHT_SEARCH__ENABLED="true") as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def without_zones(console: Console) -> None:
    """The camera has no zones when a test begins."""
    put_zones(console, [])


@pytest.fixture
def modes(console: Console, cameras: list[dict[str, Any]]) -> Iterator[None]:
    """Which cameras are analysed is afterwards as it was."""
    yield
    for camera in cameras:
        console.call("PATCH", f"/api/cameras/{camera['id']}/analysis", {"mode": "auto"})


def put_zones(console: Console, zones: list[dict[str, Any]]) -> None:
    version = console.call("GET", f"/api/cameras/{CAMERA}/zones")["version"]
    console.call("PUT", f"/api/cameras/{CAMERA}/zones", {"version": version, "zones": zones})


def board_of(page: Page) -> Locator:
    """The picture on which zones are drawn, once it is there."""
    board = page.locator(".board svg")
    expect(board).to_have_attribute("aria-busy", "false", timeout=20_000)
    return board


def drag(page: Page, board: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the picture; the places are shares of it."""
    bounds = board.bounding_box()
    assert bounds is not None
    for number, (x, y) in enumerate((start, end)):
        place = bounds["x"] + x * bounds["width"], bounds["y"] + y * bounds["height"]
        page.mouse.move(*place, steps=1 if number == 0 else 5)
        (page.mouse.down if number == 0 else page.mouse.up)()


def points_of(console: Console) -> list[list[float]]:
    (zone,) = console.call("GET", f"/api/cameras/{CAMERA}/zones")["zones"]
    return list(zone["points"])


def first_us(console: Console) -> int:
    """When the camera's footage begins."""
    timeline = console.call("GET", f"/api/timeline?camera_id={CAMERA}&start_us=0&end_us=1")
    return int(timeline["first_us"] or timeline["now_us"])


def recorded_s(console: Console) -> float:
    """How long ago that was."""
    return time.time() - first_us(console) / 1e6


def save(page: Page) -> None:
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.get_by_text("已保存，从下一帧画面起生效").last).to_be_visible(timeout=20_000)


def test_who_crosses_a_line_drawn_by_mouse_is_told_and_played(
    console: Console, cameras: list[dict[str, Any]], page: Page, wait_until: Callable[..., Any]
) -> None:
    # The clip begins ten seconds before what happens.
    wait_until("footage from before", lambda: recorded_s(console) > 15, 60)
    page.goto(f"/cameras/{CAMERA}/zones")
    drag(page, board_of(page), *ACROSS_STREET)
    page.get_by_label("名称").fill("路口越界")
    save(page)
    assert [[round(share, 2) for share in point] for point in points_of(console)] == [
        list(point) for point in ACROSS_STREET
    ]

    event = page.locator(".gs-panel li").filter(has=page.get_by_role("link", name="查看录像"))
    expect(event.first).to_contain_text("路口越界 · 越界", timeout=SEEN_MS)
    event.first.get_by_role("link", name="查看录像").click()
    expect(page).to_have_url(re.compile(rf"/playback\?camera={CAMERA}&at=\d{{16}}"))
    page.wait_for_function(
        "() => [...document.querySelectorAll('video')].some((one) => one.readyState >= 2)",
        timeout=30_000,
    )
    page.goto("/alarms")
    alarm = page.locator("tbody tr").filter(has_text="路口越界").first
    expect(alarm).to_contain_text("越界")
    expect(alarm.get_by_role("link", name="查看录像")).to_be_visible()


def test_a_line_is_moved_by_keys_and_what_is_unsaved_is_not_lost(
    console: Console, cameras: list[dict[str, Any]], page: Page, watch: Watch
) -> None:
    # The refusal that the end of this provokes.
    watch.expected_errors.append(r"status of 409.*/zones")
    page.goto(f"/cameras/{CAMERA}/zones")
    board_of(page)
    page.get_by_role("button", name="添加警戒线").click()
    page.get_by_role("button", name="第 1 个点").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    save(page)
    assert points_of(console) == [[0.505, 0.305], [0.5, 0.755]]

    page.get_by_role("button", name="第 2 个点").focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("link", name="录像回放").click()
    question = page.locator(".el-message-box")
    expect(question).to_contain_text("还没有保存")
    question.get_by_role("button", name="取消").click()
    expect(page).to_have_url(re.compile("/zones$"))

    # Somebody else was quicker: nothing of theirs is overwritten.
    put_zones(console, [])
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.locator(".gs-problem")).to_contain_text("别人刚刚改过")
    assert console.call("GET", f"/api/cameras/{CAMERA}/zones")["zones"] == []


def test_a_camera_that_nobody_analyses_says_so_and_can_be_analysed(
    console: Console, cameras: list[dict[str, Any]], page: Page
) -> None:
    console.call("PATCH", f"/api/cameras/{CAMERA}/analysis", {"mode": "off"})
    try:
        page.goto(f"/cameras/{CAMERA}/zones")
        note = page.get_by_role("status").filter(has_text="未做目标分析")
        note.get_by_role("button", name="开启目标分析").click()
        expect(note).to_be_hidden()
        assert console.call("GET", f"/api/cameras/{CAMERA}/zones")["watched"] is True
    finally:
        console.call("PATCH", f"/api/cameras/{CAMERA}/analysis", {"mode": "auto"})


def test_boxes_lie_on_the_live_picture_and_go_with_it(
    console: Console, cameras: list[dict[str, Any]], page: Page
) -> None:
    tiles = [{"camera_id": CAMERA, "quality": "auto"}]
    console.call("PUT", "/api/wall/boxes", {"document": {"grid": "2x2", "tiles": tiles}})
    page.goto("/wall?screen=boxes")
    tile = page.locator(f'.tile[data-camera="{CAMERA}"]')
    expect(tile).to_have_attribute("data-phase", "playing", timeout=20_000)
    tile.click()
    page.keyboard.press("g")
    boxes = tile.locator("svg.boxes rect")
    expect(boxes.first).to_be_visible(timeout=SEEN_MS)
    expect(tile.locator("svg.boxes text").first).to_have_text(re.compile("行人|车"))
    left, top, right, bottom = tile.locator("video").evaluate(PICTURE)
    for box in boxes.evaluate_all(ALL_BOXES):
        assert left - 3 <= box[0] < box[2] <= right + 3
        assert top - 3 <= box[1] < box[3] <= bottom + 3
    # Another tile is looked at: its boxes are drawn, and no more of this one.
    page.locator(".tile").nth(1).click()
    expect(boxes).to_have_count(0)
    tile.click()
    expect(boxes.first).to_be_visible(timeout=SEEN_MS)
    page.keyboard.press("g")
    expect(boxes).to_have_count(0)


def test_analysis_tells_of_each_camera_and_looks_through_footage(
    console: Console,
    cameras: list[dict[str, Any]],
    modes: None,
    page: Page,
    wait_until: Callable[..., Any],
) -> None:
    page.goto("/analysis")
    expect(page.locator(".verdict")).to_contain_text("目标分析正常", timeout=SEEN_MS)
    for camera in cameras:
        row = page.locator("tbody tr").filter(has_text=camera["name"]).first
        expect(row).to_contain_text("分析中")
    page.get_by_role("button", name="补看录像").click()
    dialog = page.get_by_role("dialog", name="补看录像")
    dialog.get_by_role("button", name="开始").click()
    expect(dialog).to_contain_text("请选择摄像机")
    dialog.get_by_text("看过的也重新看").click()
    dialog.get_by_text("整个区域").click()
    dialog.get_by_role("button", name="取消").click()

    # Live pictures go first: where they take all of a small machine, the job would wait for ever.
    for camera in cameras:
        if camera["id"] != CAMERA:
            page.get_by_role("combobox", name=f"{camera['name']}: 分析").select_option("off")
            row = page.locator("tbody tr").filter(has_text=camera["name"]).first
            expect(row).to_contain_text("未分析", timeout=20_000)
    # The last minute is live analysis's own.
    wait_until("footage to look through", lambda: recorded_s(console) > 80, 90)
    start_us = first_us(console)
    job = console.call(
        "POST", "/api/analysis/jobs",
        {"camera_ids": [CAMERA], "start_us": start_us, "end_us": start_us + 15_000_000,
         "again": True},
    )  # fmt: skip
    jobs = page.locator("section").filter(has=page.get_by_role("heading", name="补看录像"))
    expect(jobs.locator("tbody tr").first).to_contain_text("已完成", timeout=120_000)
    (own,) = [
        one for one in console.call("GET", "/api/analysis/jobs")["items"] if one["id"] == job["id"]
    ]
    assert (own["state"], own["done"]) == ("done", 1)
    assert own["passages"] > 0
