"""Big screens: arranged by hand, true to the rows, switched by an alarm and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Console
from tests.browser.device_events import camera_tells
from tests.browser.screens import DESK, LARGE_DESK, WALL, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def made(console: Console, *scenes: dict[str, Any], **fields: Any) -> str:
    """A screen of the area of the first camera; gives its id."""
    area_id = console.call("GET", "/api/cameras?limit=1")["items"][0]["area_id"]
    body = {"name": "指挥大厅", "area_id": area_id, "scenes": list(scenes), **fields}
    return str(console.call("POST", "/api/screens", body)["id"])


def widget(kind: str, x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "x": x, "y": y, "width": width, "height": height, **more}


def drag(page: Page, handle: Locator, right: float, down: float) -> None:
    """By the mouse, by parts of the stage."""
    stage, box = page.locator(".stage").bounding_box(), handle.bounding_box()
    assert stage is not None and box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right * stage["width"], y + down * stage["height"], steps=6)
    page.mouse.up()


def test_a_screen_is_arranged_by_drag_and_keys_and_kept(page: Page, console: Console) -> None:
    screen_id = made(console, {"name": "平时"})
    page.goto("/screens")
    page.locator(f"[data-screen={screen_id}] a").click()
    page.locator(".empty").wait_for()
    page.mouse.move(200, 200)
    page.mouse.move(300, 300)
    page.locator("[data-act=arrange]").click()
    page.locator("[data-add=goals]").click()
    goals = page.locator("[data-widget=goals]")
    drag(page, goals.locator("h2"), 16 / 32, 4 / 18)
    drag(page, goals.locator(".corner"), 4 / 32, 0)
    goals.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    page.locator("[data-add=alarms]").click()
    page.keyboard.press("Control+z")
    expect(page.locator("[data-widget=alarms]")).to_have_count(0)
    page.locator("[data-act=save]").click()
    expect(page.locator(".editor")).to_have_count(0)
    (kept,) = console.call("GET", f"/api/screens/{screen_id}")["scenes"][0]["widgets"]
    assert [kept[name] for name in ("x", "y", "width", "height")] == [15, 4, 12, 11]


def pictures(console: Console) -> list[dict[str, Any]]:
    """Two cameras, a third place that goes round an area, and the map, beside the figures."""
    camera, *others = console.call("GET", "/api/cameras?limit=4")["items"]
    area_id = console.call("GET", "/api/areas")["items"][0]["id"]
    return [
        widget("title", 0, 0, 32, 2, text="县综治中心"),
        widget("goals", 0, 2, 8, 10),
        widget("incidents", 0, 12, 8, 6),
        widget("live", 8, 2, 8, 8, camera_ids=[camera["id"]]),
        widget("live", 16, 2, 8, 8, camera_ids=[others[0]["id"]]),
        widget("live", 8, 10, 8, 8, area_id=area_id, dwell_s=5),
        widget("map", 16, 10, 8, 8),
        widget("alarms", 24, 2, 8, 10),
        widget("meetings", 24, 12, 8, 6),
    ]


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_its_figures_are_those_of_the_gateway_on_a_wall_and_on_a_desk(
    new_page: Callable[..., Page], console: Console, cameras: list[dict[str, Any]], locale: str
) -> None:
    screen_id = made(console, {"name": "平时", "widgets": pictures(console)})
    area_id = console.call("GET", f"/api/screens/{screen_id}")["area_id"]
    plan = {"title": f"防汛调度会商 {locale}", "area_id": area_id}
    meeting = console.call("POST", "/api/meetings", plan)
    console.call("POST", f"/api/meetings/{meeting['id']}/start")
    page = new_page(locale=locale)
    page.goto(f"/screen/{screen_id}")
    told = console.call("GET", "/api/goals")["availability"]
    assert told["live"] == len(cameras)
    online = page.locator("[data-goal=online] small")
    expect(online).to_contain_text(f"{told['live']} / {told['live'] + told['away']}")
    expect(page.locator("[data-widget=live] [data-phase=playing]")).to_have_count(3)
    # The third goes round what is in the area, on its own.
    round_trip = page.locator("[data-widget=live]").nth(2).locator(".live")
    first = round_trip.get_attribute("data-camera")
    expect(round_trip).not_to_have_attribute("data-camera", first or "")
    expect(page.locator("[data-widget=map] canvas")).to_be_visible()
    expect(page.locator("[data-widget=meetings]")).to_contain_text(meeting["title"])
    for width in on_screens(page, WALL, LARGE_DESK, DESK):
        for one in page.locator("[data-goal]").all():
            too_tall = one.evaluate("(box) => box.scrollHeight - box.clientHeight")
            assert too_tall <= 1, f"a figure is cut at {width} px"
    console.call("POST", f"/api/meetings/{meeting['id']}/end")


def test_an_alarm_shows_its_camera_and_then_it_is_as_before(
    page: Page, console: Console, cameras: list[dict[str, Any]]
) -> None:
    screen_id = made(
        console,
        {"name": "平时", "widgets": [widget("title", 0, 0, 32, 2)]},
        {"name": "值守", "widgets": [widget("goals", 0, 0, 8, 18)]},
        {"name": "报警", "widgets": [widget("live", 0, 0, 32, 18)]},
        alarm={"scene": 2, "priority": "emergency", "hold_s": 5},
    )
    page.goto(f"/screen/{screen_id}")
    shown = page.locator(".screen")
    expect(page.locator("[data-widget=title]")).to_be_visible()
    page.keyboard.press("2")
    expect(shown).to_have_attribute("data-scene", "1")
    camera_id = cameras[0]["id"]
    camera_tells(console, camera_id, "emergency")
    expect(shown).to_have_attribute("data-scene", "2")
    expect(page.locator(f"[data-camera={camera_id}]")).to_be_visible()
    expect(shown).to_have_attribute("data-scene", "1")
