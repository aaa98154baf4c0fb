"""From an alarm: assigned, handled in the field, closed in time, rated; and the same one late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from gateway.commands.rows import open_rows
from gateway.identifiers import US_PER_S
from gateway.settings import Settings
from tests.browser.conftest import Console
from tests.browser.device_events import camera_tells
from tests.browser.field_phone import PHONE, enter
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens
from tests.browser.test_wall import decodes_on, playing
from tests.gateway.attachments.files import photo

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
        "POST", "/api/grants", {"user_id": user["id"], "role": "field_worker", "area_id": area_id}
    )
    unit = console.call(
        "POST",
        "/api/units",
        {"name": "村民委员会", "area_id": area_id, "member_ids": [user["id"]], "phone": "0724-1"},
    )
    yield {
        "area_id": area_id,
        "area": camera["area_path"][-1],
        "unit": unit,
        "camera": camera,
        "password": PASSWORD,
    }
    # Its incidents stay, and so does the unit.
    console.call("PATCH", f"/api/users/{user['id']}", {"enabled": False})


@pytest.fixture
def member(new_page: Callable[..., Page], village: dict[str, Any], watch: Any) -> Page:
    """The telephone of the committee's member, with the page of the field."""
    watch.expected_errors += ["status of 401", "status of 404"]
    page = new_page(signed_in=False, **PHONE)
    village["password"] = enter(page, "cunwei", village["password"])
    page.locator("[data-tab=tasks]").click()
    return page


def take(page: Page, step: str, words: str = "") -> None:
    """One step with its dialog."""
    page.locator(f"[data-step={step}]").click()
    dialog = page.get_by_role("dialog")
    if words:
        dialog.locator("textarea[name=words]").fill(words)
    dialog.locator("button[type=submit]").click()
    expect(dialog).to_be_hidden()


def test_an_alarm_is_handled_in_the_field_with_a_photo_closed_in_time_and_rated(
    console: Console, page: Page, member: Page, village: dict[str, Any], watch: Any
) -> None:
    camera = village["camera"]
    page.goto("/alarms")
    camera_tells(console, camera["id"], "tamper")
    alarm = page.locator("[data-alarm]", has_text=camera["name"]).first
    alarm.locator("[data-report]").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[name=title]").fill("有人<b>遮挡</b>镜头")
    with page.expect_response("**/api/incidents") as answered:
        dialog.get_by_role("button", name="登记").click()
    incident = answered.value.json()
    page.goto(f"/incidents/{incident['id']}")
    # It went to the committee by itself, and what was typed is text.
    expect(page.locator(".stand")).to_contain_text("村民委员会")
    expect(page.locator("h1")).to_contain_text("有人<b>遮挡</b>镜头")

    member.locator("[data-act=duty]").click()
    expect(member.locator(".duty")).to_contain_text("31.04000, 112.41000")
    task = member.locator(f"[data-task={incident['id']}]")
    member.locator("[data-tab=tasks]").click()
    expect(task).to_contain_text("到场还剩")
    for _ in on_screens(member, TELEPHONE):
        task.click()
    member.locator("[data-step=accept]").click()
    expect(member.locator(".state").first).to_have_text("处理中")
    # On the spot there is no network: what is done there is told later.
    watch.expected_errors.append("ERR_INTERNET_DISCONNECTED")
    member.context.set_offline(True)
    member.locator("[data-step=arrive]").click()
    expect(member.locator("[data-step=arrive]")).to_have_count(0)
    file = {"name": "已清除.jpg", "mimeType": "image/jpeg", "buffer": photo(400)}
    member.locator(".task-sheet input[name=photo]").set_input_files([file])  # type: ignore[list-item]
    member.locator("textarea[name=task-words]").fill("已取下遮挡物")
    list(on_screens(member, TELEPHONE))
    member.locator("[data-step=answer]").click()
    expect(task).to_contain_text("等待网络")
    member.context.set_offline(False)

    # The desk sees it without asking again.
    expect(page.locator(".stand")).to_contain_text("待审核")
    expect(page.locator(".attached img")).to_be_visible()
    expect(task).to_contain_text("已处理")
    take(page, "close")
    take(page, "rate", "很快")
    expect(page.locator(".stand")).to_contain_text("按时办结")
    expect(page.locator(".side")).to_contain_text("★★★★★")
    for _ in on_screens(page, DESK, LARGE_DESK):
        expect(page.locator(".side li").first).to_contain_text("评价")
    # Off duty nothing of where they were is left.
    member.locator("[data-act=duty]").click()
    expect(member.locator(".duty")).to_contain_text("未上岗")
    assert console.call("GET", "/api/field/workers")["items"] == []


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


def test_the_same_one_late_is_red(
    page: Page, member: Page, console: Console, village: dict[str, Any]
) -> None:
    with ThreadPoolExecutor(1) as thread:
        category_id = thread.submit(asyncio.run, hurried(console)).result()
    page.goto("/incidents?view=under_way")
    incident = console.call(
        "POST",
        "/api/incidents",
        {
            "origin": "call", "origin_id": "late", "area_id": village["area_id"],
            "title": "路灯不亮", "category_id": category_id, "reporter_phone": "13800000000",
        },
    )  # fmt: skip
    row = page.locator(f"[data-incident={incident['id']}]")
    # The list learns of it, and that its light has turned, by itself.
    expect(row).to_contain_text("超时")
    row.click()
    expect(page.locator(".stand.is-red")).to_be_visible()
    expect(page.locator(".side")).to_contain_text("超过时限")
    member.locator("[data-tab=tasks]").click()
    task = member.locator(f"[data-task={incident['id']}].is-red")
    expect(task).to_contain_text("已超时")
    task.click()
    expect(member.locator(".call")).to_have_attribute("href", "tel:13800000000")
    member.locator("textarea[name=task-words]").fill("已修好")
    member.locator("[data-step=answer]").click()
    expect(page.locator(".stand")).to_contain_text("待审核")
    take(page, "close")
    expect(page.locator(".stand")).to_contain_text("超时办结")


@pytest.fixture
def filming(playwright_driver: Playwright) -> Iterator[Browser]:
    """The browser of a telephone that has a camera."""
    launched = playwright_driver.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox", "--use-fake-device-for-media-stream"],
    )
    yield launched
    launched.close()


def test_what_a_worker_shows_of_a_task_is_on_the_wall_and_stays_with_it(
    console: Console,
    page: Page,
    new_page: Callable[..., Page],
    filming: Browser,
    village: dict[str, Any],
    watch: Any,
) -> None:
    watch.expected_errors += ["status of 401", "status of 404"]
    incident = console.call(
        "POST",
        "/api/incidents",
        {
            "origin": "call", "origin_id": "scene", "area_id": village["area_id"],
            "title": "堤坝渗水", "unit_id": village["unit"]["id"],
        },
    )  # fmt: skip
    permissions = [*PHONE["permissions"], "camera"]
    phone = new_page(signed_in=False, browser=filming, **{**PHONE, "permissions": permissions})
    village["password"] = enter(phone, "cunwei", village["password"])
    phone.locator("[data-tab=tasks]").click()
    phone.locator(f"[data-task={incident['id']}]").click()
    page.goto(f"/incidents/{incident['id']}")
    phone.locator("[data-act=live]").click()
    expect(phone.locator(".live-state.is-on")).to_contain_text("直播中")
    list(on_screens(phone, TELEPHONE))

    scene = page.locator(".scene")
    expect(scene).to_contain_text("李村长")
    camera_id = str(scene.get_attribute("data-scene"))
    try:
        scene.locator("[data-act=watch]").click()
        decodes_on(page, playing(page, camera_id, "webrtc"))
        expect(scene).to_be_hidden()
        expect(phone.locator(".live-viewers")).to_have_text("1 人在看")
        phone.locator("[data-act=end-live]").click()
        expect(phone.locator(".live-sheet")).to_be_hidden()
        page.goto(f"/incidents/{incident['id']}")
        expect(page.locator(".attached [href*=playback]")).to_contain_text("李村长 · 现场")
    finally:
        # Other tests count the cameras that there are.
        console.call("DELETE", f"/api/cameras/{camera_id}")


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
