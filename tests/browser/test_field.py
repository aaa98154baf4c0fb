"""The page of the people in the field, on a telephone: through a dead spot, and once."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import segno
from playwright.sync_api import Page, Route, expect

from tests.browser.field_phone import PHONE, PLACE, enter
from tests.browser.screens import TELEPHONE, on_screens
from tests.gateway.attachments.files import photo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PASSWORD = "walks the seventh cell 7"
NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def worker(console: Any) -> str:
    """A grid worker of the demo's first area; their name."""
    area = console.call("GET", "/api/areas")["items"][0]
    grants = [{"role": "field_worker", "area_id": area["id"]}]
    user = {"name": "gridworker", "display_name": "王芳", "password": PASSWORD, "grants": grants}
    console.call("POST", "/api/users", {**user, "enabled": True, "area_id": area["id"]})
    return "gridworker"


def write(page: Page, words: str, *, photos: int = 1) -> None:
    """Fill a report in."""
    page.locator("[data-tab=report]").click()
    for number in range(photos):
        file = {"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": photo(400)}
        page.locator("input[name=photo]").set_input_files([file])  # type: ignore[list-item]
    page.get_by_role("button", name="公共设施").click()
    page.locator("textarea[name=words]").fill(words)


def reported(page: Page) -> list[dict[str, Any]]:
    """What the gateway has of this person."""
    items: list[dict[str, Any]] = page.evaluate(
        "fetch('/api/field/reports').then((answer) => answer.json()).then((all) => all.items)"
    )
    return items


def test_a_report_from_a_dead_spot_arrives_later_whole_and_once(
    new_page: NewPage, worker: str, watch: Any
) -> None:
    watch.expected_errors += ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "status of 401"]
    page = new_page(signed_in=False, **PHONE)
    enter(page, worker, PASSWORD)
    expect(page.locator(".fix")).to_have_text("已定位，误差约 12 米")
    assert list(on_screens(page, TELEPHONE)) == [TELEPHONE[0]]
    # What opens the page without a network is there.
    page.evaluate("navigator.serviceWorker.ready")
    page.reload()
    expect(page.locator(".report-form")).to_be_visible()

    page.context.set_offline(True)
    expect(page.locator(".net")).to_have_text("无网络")
    write(page, "路灯不亮，已三天", photos=2)
    page.locator("[data-act=send]").click()
    expect(page.locator(".sent article")).to_have_count(1)
    expect(page.locator(".sent article")).to_contain_text("等待网络")
    # The page is closed and opened again, still without a network.
    page.reload()
    page.locator("[data-tab=sent]").click()
    expect(page.locator(".sent article")).to_contain_text("路灯不亮，已三天")
    expect(page.locator("[data-tab=sent] .count")).to_have_text("1")

    # The first answers are lost on their way back: the gateway has it, the telephone does not know.
    lost: list[str] = []

    def lose(route: Route) -> None:
        if lost.count(route.request.method) < 2:
            lost.append(route.request.method)
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.context.route("**/api/field/reports", lose)
    page.context.set_offline(False)
    expect(page.locator(".sent article")).to_contain_text("已送达")
    expect(page.locator(".sent article")).to_contain_text("附件 2/2")
    assert lost.count("POST") == 2
    page.context.unroute("**/api/field/reports", lose)
    (report,) = reported(page)
    assert (report["words"], len(report["files"])) == ("路灯不亮，已三天", 2)
    assert (report["category"], report["reporter"]) == ("公共设施", "王芳")
    assert (report["longitude"], report["latitude"]) == (PLACE["longitude"], PLACE["latitude"])
    assert report["incident_id"]


def test_a_voice_note_and_a_cell_come_with_a_report(
    new_page: NewPage, console: Any, worker: str, playwright_driver: Any
) -> None:
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
    arguments.append("--use-fake-ui-for-media-stream")
    browser = playwright_driver.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
    area = console.call("GET", "/api/areas")["items"][0]
    try:
        page = new_page(signed_in=True, browser=browser, **PHONE)
        page.goto(f"/field/#grid={area['id']}")
        expect(page.locator(".grid-choice strong")).to_have_text(area["name"])
        expect(page.locator(".grid-choice")).to_contain_text("网格员：王芳")
        page.locator("[data-act=voice]").click()
        expect(page.get_by_role("status").filter(has_text="正在录音 1 秒")).to_be_visible()
        page.locator("[data-act=voice]").click()
        expect(page.locator(".taken .sound")).to_be_visible()
        page.locator("[data-act=send]").click()
        expect(page.locator(".sent article")).to_contain_text("已送达")
        (report,) = reported(page)
        assert report["grid_id"] == area["id"]
        assert [one["kind"] for one in report["files"]] == ["sound"]
    finally:
        browser.close()


def test_a_photographed_code_chooses_the_cell_where_browsers_read_none(
    new_page: NewPage, console: Any, worker: str
) -> None:
    area = console.call("GET", "/api/areas")["items"][0]
    code = io.BytesIO()
    segno.make(f"https://report.example/field/#grid={area['id']}").save(code, "png", scale=6)
    page = new_page(signed_in=True, **PHONE)
    # As WeChat's own browser on many telephones.
    page.add_init_script("delete window.BarcodeDetector")
    page.goto("/field/")
    page.locator("[data-act=choose]").click()
    photo = page.locator("input[name=code]")
    file = {"name": "code.png", "mimeType": "image/png"}
    photo.set_input_files([{**file, "buffer": b"no picture"}])
    expect(page.get_by_role("alert")).to_contain_text("没有认出二维码")
    list(on_screens(page, TELEPHONE))
    photo.set_input_files([{**file, "buffer": code.getvalue()}])
    expect(page.locator(".grid-choice strong")).to_have_text(area["name"])
