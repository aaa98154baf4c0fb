"""Incidents in the console: reported, assigned, handled on a telephone, closed, rated; and late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from gateway.commands.rows import open_rows
from gateway.identifiers import US_PER_S
from gateway.settings import Settings
from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PASSWORD = "the village looks after itself 5"


@pytest.fixture(scope="module")
def village(console: Console) -> Iterator[dict[str, Any]]:
    """A committee with one member, responsible for where the first camera stands."""
    camera = console.call("GET", "/api/cameras?limit=1")["items"][0]
    area_id = camera["area_id"]
    user = console.call(
        "POST",
        "/api/users",
        {"name": "cunwei", "display_name": "李村长", "password": PASSWORD, "enabled": True},
    )
    console.call(
        "POST", "/api/grants", {"user_id": user["id"], "role": "operator", "area_id": area_id}
    )
    unit = console.call(
        "POST",
        "/api/units",
        {"name": "村民委员会", "area_id": area_id, "member_ids": [user["id"]], "phone": "0724-1"},
    )
    yield {"area_id": area_id, "area": camera["area_path"][-1], "unit": unit}
    # Its incidents stay, and so does the unit.
    console.call("PATCH", f"/api/users/{user['id']}", {"enabled": False})


@pytest.fixture
def member(
    console: Console, new_page: Callable[..., Page], village: dict[str, Any], watch: Any
) -> Page:
    """The committee's telephone, signed in."""
    watch.expected_errors += ["status of 401", "status of 404"]
    page = new_page(signed_in=False, viewport={"width": 390, "height": 844})
    page.goto("/sign-in")
    page.locator('input[name="name"]').fill("cunwei")
    page.locator('input[name="password"]').fill(PASSWORD)
    page.locator('input[name="password"]').press("Enter")
    # The first password is whoever made the account's: it has to be changed.
    for name in ("new-password", "repeat-password"):
        page.locator(f'input[name="{name}"]').fill(f"{PASSWORD} own")
    page.locator('input[name="repeat-password"]').press("Enter")
    expect(page).to_have_url(f"{console.url}/wall")
    return page


def open_by_hand(page: Page, title: str, area: str) -> None:
    """As an agent does who has somebody on the telephone."""
    page.goto("/incidents")
    page.locator("[data-act=open]").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[name=reporter]").fill("周大爷")
    dialog.locator("input[name=phone]").fill("13800000000")
    dialog.locator("input[name=title]").fill(title)
    dialog.locator("textarea[name=words]").fill("村口第二个井盖不见了，<b>危险</b>")
    chooser = dialog.get_by_role("combobox", name="所属区域")
    chooser.click()
    chooser.fill(area)
    page.get_by_role("option", name=area).first.click()
    dialog.get_by_role("button", name="登记").click()
    expect(page.locator("h1")).to_contain_text(title)


def take(page: Page, step: str, words: str = "", photo: Path | None = None) -> None:
    """One step with its dialog."""
    page.locator(f"[data-step={step}]").click()
    dialog = page.get_by_role("dialog")
    if words:
        dialog.locator("textarea[name=words]").fill(words)
    if photo is not None:
        dialog.locator("input[name=files]").set_input_files(photo)
    dialog.locator("button[type=submit]").click()
    expect(dialog).to_be_hidden()


def test_reported_assigned_handled_with_a_photo_closed_in_time_and_rated(
    page: Page, member: Page, village: dict[str, Any], tmp_path: Path
) -> None:
    photo = tmp_path / "井盖.jpg"
    Image.new("RGB", (640, 480), (90, 120, 90)).save(photo)
    open_by_hand(page, "村口井盖丢失", village["area"])
    # It went to the committee by itself, and what was typed is text.
    expect(page.locator(".stand")).to_contain_text("村民委员会")
    expect(page.locator(".words").first).to_have_text("村口第二个井盖不见了，<b>危险</b>")

    member.goto("/incidents")
    row = member.locator("[data-incident]", has_text="村口井盖丢失")
    row.click()
    member.locator("[data-step=accept]").click()
    take(member, "arrive")
    take(member, "answer", "已补上新井盖", photo)
    for _ in on_screens(member, TELEPHONE):
        expect(member.locator(".attached img")).to_be_visible()

    # The desk sees it without asking again.
    expect(page.locator(".stand")).to_contain_text("待审核")
    expect(page.locator(".attached img")).to_be_visible()
    take(page, "close")
    take(page, "rate", "很快")
    expect(page.locator(".stand")).to_contain_text("按时办结")
    expect(page.locator(".side")).to_contain_text("★★★★★")
    for _ in on_screens(page, DESK, LARGE_DESK):
        expect(page.locator(".side li").first).to_contain_text("评价")


def test_what_a_tile_shows_becomes_an_incident_with_its_footage(
    page: Page, console: Console, village: dict[str, Any], watch: Any
) -> None:
    # The wall may hold a camera that is gone.
    watch.expected_errors += ["status of 404"]
    camera = console.call("GET", "/api/cameras?limit=1")["items"][0]
    page.goto(f"/wall?camera={camera['id']}")
    page.locator(".tile[data-phase=playing]").first.click(button="right")
    page.get_by_role("menuitem", name="登记事件").click()
    dialog = page.get_by_role("dialog")
    # Where it is, and what was to be seen, is known already.
    expect(dialog.locator("input[name=place]")).to_have_value(camera["name"])
    dialog.locator("input[name=title]").fill("草坪有垃圾")
    with page.expect_response("**/api/incidents") as answered:
        dialog.get_by_role("button", name="登记").click()
    page.goto(f"/incidents/{answered.value.json()['id']}")
    expect(page.locator(".attached [href*=playback]")).to_contain_text(camera["name"])


async def hurried(console: Console) -> str:
    """A category of which nobody can be in time."""
    async with open_rows(Settings(data_directory=console.data_directory)) as rows:
        limit = {"us": 2 * US_PER_S, "working": False, "yellow_us": US_PER_S}
        columns = {"name": "两秒必到", "arrive": limit, "resolve": limit}
        put = await rows.write("incident_categories.put", category_id=None, columns=columns)
        return str(put)


def test_the_same_one_late_is_red(page: Page, console: Console, village: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as thread:
        category_id = thread.submit(asyncio.run, hurried(console)).result()
    page.goto("/incidents?view=under_way")
    incident = console.call(
        "POST",
        "/api/incidents",
        {
            "origin": "call", "origin_id": "late", "area_id": village["area_id"],
            "title": "路灯不亮", "category_id": category_id,
        },
    )  # fmt: skip
    row = page.locator(f"[data-incident={incident['id']}]")
    # The list learns of it, and that its light has turned, by itself.
    expect(row).to_contain_text("超时")
    row.click()
    expect(page.locator(".stand.is-red")).to_be_visible()
    expect(page.locator(".side")).to_contain_text("超过时限")
    take(page, "close", "已修好")
    expect(page.locator(".stand")).to_contain_text("超时办结")


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_its_pages_fit_every_screen(
    new_page: Callable[..., Page], console: Console, village: dict[str, Any], locale: str
) -> None:
    console.call(
        "POST",
        "/api/incidents",
        {
            "origin": "call", "origin_id": "shown", "area_id": village["area_id"],
            "title": "有人在河边野泳，请尽快派人劝离并联系家属", "priority": "emergency",
        },
    )  # fmt: skip
    page = new_page(locale=locale)
    for path, shown in (
        ("/incidents", "[data-incident]"),
        ("/roster", ".week"),
        ("/statistics", ".gs-table .strong"),
        ("/units", ".gs-table .strong"),
    ):
        page.goto(path)
        for _ in on_screens(page, DESK, LARGE_DESK, TELEPHONE):
            expect(page.locator(shown).first).to_be_visible()
