"""An assist request: three villages look through their footage, and answer differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from gateway.identifiers import US_PER_S, now_us
from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

FIRST = "the village helps to look for him 1"
PASSWORD = "the village helps to look for him 2"
TITLE = "走失老人，男，78 岁"


@dataclass(frozen=True)
class Village:
    """Where a camera stands, and the clerk who looks through its footage."""

    name: str
    area_id: str
    camera_id: str
    camera: str
    clerk: Console


def person(console: Console, name: str, role: str, area_id: str) -> Console:
    """Somebody new, signed in with a password of their own."""
    body = {"name": name, "display_name": f"{name}同志", "password": FIRST, "enabled": True}
    user = console.call("POST", "/api/users", body)
    console.call("POST", "/api/grants", {"user_id": user["id"], "role": role, "area_id": area_id})
    made = Console(console.url, console.data_directory, console.process, name=name)
    made.sign_in(FIRST)
    change = {"old_password": FIRST, "new_password": PASSWORD}
    made.call("POST", "/api/session/password", change)
    again = replace(made, password=PASSWORD)
    again.sign_in(PASSWORD)
    return again


@pytest.fixture(scope="module")
def villages(console: Console) -> Iterator[list[Village]]:
    """Two with footage of some minutes, and one whose camera has recorded nothing yet."""
    cameras = console.call("GET", "/api/cameras?limit=50")["items"]
    homes = {one["id"]: one["area_id"] for one in cameras[:2]}
    root = console.call("POST", "/api/areas", {"name": "协查县"})["id"]
    made = []
    for number, name in enumerate(("柏树村", "槐树村", "枫树村")):
        area_id = console.call("POST", "/api/areas", {"name": name, "parent_id": root})["id"]
        if number < 2:
            camera = cameras[number]
            console.call("PATCH", f"/api/cameras/{camera['id']}", {"area_id": area_id})
        else:
            body = {"name": "枫树村口", "area_id": area_id, "main_url": "rtsp://127.0.0.1:9/none",
                    "enabled": False}  # fmt: skip
            camera = console.call("POST", "/api/cameras", body)
        clerk = person(console, f"clerk{number}", "operator", area_id)
        made.append(Village(name, area_id, camera["id"], camera["name"], clerk))
    yield made
    for camera_id, area_id in homes.items():
        console.call("PATCH", f"/api/cameras/{camera_id}", {"area_id": area_id})
    console.call("DELETE", f"/api/cameras/{made[2].camera_id}")


@pytest.fixture(scope="module")
def asker(console: Console, villages: list[Village]) -> Console:
    """An investigator who may look at nothing in two of the three, with a case."""
    made = person(console, "zhencha", "investigator", villages[2].area_id)
    case = {"number": "2026-协-1", "title": "老人走失", "area_id": villages[2].area_id}
    made.call("POST", "/api/cases", case)
    return made


def local(page: Page, at_us: int) -> str:
    """As the browser's own field takes it."""
    shown: str = page.evaluate(
        "(us) => { const at = new Date(us / 1000);"
        " return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16) }",
        at_us,
    )
    return shown


def test_three_villages_answer_differently_and_the_board_fills(
    new_page: Callable[..., Page],
    villages: list[Village],
    asker: Console,
    tmp_path: Path,
    watch: Any,
) -> None:
    # What is lent and what is not is asked for and refused in time.
    watch.expected_errors += ["status of 403", "status of 404"]
    photo = tmp_path / "老人.jpg"
    Image.new("RGB", (320, 420), (120, 110, 100)).save(photo)
    board = new_page(signed_in=False, storage_state=asker.storage_state)
    board.goto("/assist")
    board.locator("[data-act=ask]").click()
    dialog = board.get_by_role("dialog")
    dialog.locator("input[name=title]").fill(TITLE)
    dialog.locator("textarea[name=words]").fill("黑色棉袄，<b>灰裤子</b>，拄拐")
    dialog.locator("input[name=photos]").set_input_files(photo)
    # Longer than this gateway has run: it plays from the first picture that there is.
    dialog.locator("input[name=from]").fill(local(board, now_us() - 1800 * US_PER_S))
    dialog.get_by_placeholder("按名称查找").fill("协查县 村")
    for one in villages:
        dialog.locator(f"input[data-area={one.name}]").check()
    dialog.locator("select[name=case]").select_option(index=1)
    dialog.get_by_role("button", name="发出").click()
    expect(board.locator("h1")).to_contain_text(TITLE)
    expect(board.locator("h1")).to_contain_text("待审批")
    expect(board.locator(".words")).to_have_text("黑色棉袄，<b>灰裤子</b>，拄拐")

    # A second person says yes, and the asker's page knows by itself.
    approver = new_page()
    approver.goto("/assist")
    approver.locator("[data-assist]", has_text=TITLE).click()
    expect(approver.locator(".photos img")).to_have_count(1)
    approver.locator("[data-act=approve]").click()
    approver.get_by_role("dialog").locator("button[type=submit]").click()
    expect(board.locator("h1")).to_contain_text("进行中")
    expect(board.locator("[data-count=asked]")).to_contain_text("3")

    seen = clerk_page(new_page, villages[0])
    seen.locator(f"[data-camera='{villages[0].camera}']").click()
    expect(seen.locator(".playback-player video").first).to_be_visible()
    expect(seen.locator("button[data-answer=seen]")).to_be_disabled()
    seen.wait_for_function(
        "() => [...document.querySelectorAll('video')].some((one) => one.currentTime > 0.5)"
    )
    seen.locator("[data-act=from]").click()
    seen.locator("[data-act=attach]").click()
    expect(seen.locator(".clips li")).to_have_count(1)
    seen.locator("input[name=answer-words]").fill("往东走了")
    seen.locator("button[data-answer=seen]").click()
    row = board.locator(f"tr[data-area={villages[0].name}]")
    expect(row).to_have_attribute("data-answer", "seen")
    expect(row).to_contain_text("往东走了")

    not_seen = clerk_page(new_page, villages[1])
    not_seen.locator("button[data-answer=not_seen]").click()
    expect(board.locator(f"tr[data-area={villages[1].name}]")).to_have_attribute(
        "data-answer", "not_seen"
    )

    missing = clerk_page(new_page, villages[2])
    expect(missing.locator(".gap").first).to_contain_text("尚未开始录像")
    missing.locator("button[data-answer=missing]").click()
    expect(board.locator(f"tr[data-area={villages[2].name}]")).to_have_attribute(
        "data-answer", "missing"
    )
    for state in ("seen", "not_seen", "missing"):
        expect(board.locator(f"[data-count={state}]")).to_contain_text("1")
    for page in (board, seen):
        for _ in on_screens(page, DESK, LARGE_DESK, TELEPHONE):
            pass
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})

    # Exactly the clip is lent to who asked, and ends with the request.
    board.locator(".board button.clip").click()
    expect(board.get_by_role("dialog").locator("video").first).to_be_visible()
    board.wait_for_function(
        "() => [...document.querySelectorAll('[role=dialog] video')].some((v) => v.readyState >= 2)"
    )
    board.keyboard.press("Escape")
    board.locator("[data-act=close]").click()
    ending = board.get_by_role("dialog")
    ending.locator("textarea[name=note]").fill("已在邻村找到")
    ending.locator("button[type=submit]").click()
    expect(board.locator("h1")).to_contain_text("已结束")
    expect(board.locator(".photos img")).to_have_count(0)
    expect(board.locator(".board button.clip")).to_have_count(0)
    expect(seen.get_by_text("该协查已结束")).to_be_visible()
    expect(seen.locator(".work")).to_have_count(0)


def clerk_page(new_page: Callable[..., Page], village: Village) -> Page:
    """The clerk's own part of the request."""
    page = new_page(signed_in=False, storage_state=village.clerk.storage_state)
    page.goto("/assist")
    page.locator("[data-assist]", has_text=TITLE).click()
    expect(page.locator(".work h2")).to_contain_text(village.name)
    # What others answered is none of their business.
    expect(page.locator(".board")).to_have_count(0)
    return page
