"""The map: cameras where they stand, put there by hand, chosen by a circle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

MIDDLE = (112.6, 31.1)


@pytest.fixture(scope="module")
def cameras(console: Console) -> list[dict[str, Any]]:
    """The demo's cameras: all but the last stand in a row of 40 m steps."""
    all_of_them = console.call("GET", "/api/cameras?limit=1000")["items"]
    found = [one for one in all_of_them if one["id"].startswith("cam_demo")]
    for number, camera in enumerate(found[:-1]):
        place = {"longitude": MIDDLE[0] + number * 0.0004, "latitude": MIDDLE[1]}
        looks = {"heading_deg": (number * 40) % 360, "view_deg": 70}
        console.call("PATCH", f"/api/cameras/{camera['id']}", place | looks)
    nowhere = {"longitude": None, "latitude": None}
    console.call("PATCH", f"/api/cameras/{found[-1]['id']}", nowhere)
    return found


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_a_camera_is_found_by_name_and_seen(
    new_page: Callable[..., Page], cameras: list[dict[str, Any]], watch: Any, locale: str
) -> None:
    # The wall may hold a camera of another test that is gone.
    watch.expected_errors += ["status of 404"]
    page = new_page(locale=locale)
    page.goto("/map")
    search = page.get_by_role("combobox")
    search.fill(cameras[0]["name"])
    page.keyboard.press("Enter")
    panel = page.locator("[data-panel=camera]")
    expect(panel.get_by_role("heading")).to_have_text(cameras[0]["name"])
    expect(panel.locator("video")).to_have_js_property("paused", False)
    list(on_screens(page, DESK, LARGE_DESK, TELEPHONE))
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    panel.locator("[data-act=around]").click()
    circle = page.locator("[data-panel=circle]")
    expect(circle.locator("li")).to_have_count(len(cameras) - 1)
    circle.locator("[data-act=wall]").click()
    expect(page.locator(".tile[data-phase=playing]").first).to_be_visible()


def test_a_circle_drawn_with_the_pointer_has_what_lies_within(
    page: Page, cameras: list[dict[str, Any]]
) -> None:
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    page.goto("/map")
    ground = page.locator("canvas.maplibregl-canvas")
    expect(ground).to_be_visible()
    page.locator("[data-act=circle]").click()
    box = ground.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(*middle)
    page.mouse.move(middle[0] + 200, middle[1])
    page.mouse.click(middle[0] + box["width"] / 2 - 80, middle[1])
    expect(page.locator("[data-panel=circle] li")).to_have_count(len(cameras) - 1)
    page.keyboard.press("Escape")
    expect(page.locator("[data-panel=circle]")).to_have_count(0)


def test_a_camera_is_put_where_it_is_dropped(
    page: Page, console: Console, cameras: list[dict[str, Any]]
) -> None:
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    page.goto("/map")
    ground = page.locator(".map-page .ground")
    page.locator("[data-act=place]").click()
    last = cameras[-1]
    page.locator(f"[data-camera={last['id']}]").drag_to(
        ground, target_position={"x": 500, "y": 500}
    )
    expect(page.get_by_text(f"已保存“{last['name']}”的位置")).to_be_visible()
    expect(page.locator(f"[data-camera={last['id']}]")).to_have_count(0)
    put = console.call("GET", f"/api/cameras/{last['id']}")
    # The row of cameras fills the map: what is dropped on it lies near them.
    assert put["longitude"] == pytest.approx(MIDDLE[0], abs=0.01)
    assert put["latitude"] == pytest.approx(MIDDLE[1], abs=0.01)
    assert (put["longitude"], put["latitude"]) != MIDDLE
