"""A notice: the county publishes an emergency to two villages, the screen of an office shows and
confirms it, somebody reads it, and the county sees who has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, WALL, on_screens
from tests.browser.test_assist import person

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

TITLE = "汉江洪峰预警"
WORDS = "今晚 20 时洪峰过境，<b>沿河住户</b>立即转移到村小学。\n值班电话 0724-1234567。"


@dataclass(frozen=True)
class Places:
    """A county with two villages, who leads it, a clerk of the first and its television."""

    root: str
    leader: Console
    clerk: Console
    television: Console


@pytest.fixture(scope="module")
def places(console: Console) -> Places:
    root = console.call("POST", "/api/areas", {"name": "通知县"})["id"]
    first, second = (
        console.call("POST", "/api/areas", {"name": name, "parent_id": root})["id"]
        for name in ("东村", "西村")
    )
    person(console, "xicun", "operator", second)
    return Places(
        root,
        person(console, "xianzhang", "area_admin", root),
        person(console, "dongcun", "operator", first),
        person(console, "dongcun-tv", "site", first),
    )


def test_an_emergency_is_shown_by_the_screen_of_an_office_and_confirmed_there(
    new_page: Callable[..., Page], places: Places, watch: Any
) -> None:
    def page_of(who: Console, path: str, **options: Any) -> Page:
        page = new_page(signed_in=False, storage_state=who.storage_state, **options)
        page.goto(path)
        return page

    site = page_of(places.television, "/meetings/site")
    expect(site.locator("[data-phase=standing_by]")).to_be_visible()
    clerk = page_of(places.clerk, "/notices")
    expect(clerk.get_by_text("还没有通知")).to_be_visible()

    county = page_of(places.leader, "/notices")
    county.locator("[data-act=publish]").click()
    dialog = county.get_by_role("dialog")
    dialog.locator("input[name=title]").fill(TITLE)
    dialog.locator("textarea[name=words]").fill(WORDS)
    dialog.locator("[data-priority=emergency]").click()
    dialog.get_by_placeholder("按名称查找").fill("通知县 村")
    for name in ("东村", "西村"):
        dialog.locator(f"input[data-area={name}]").check()
    for _ in on_screens(county, DESK, TELEPHONE):
        pass
    county.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    dialog.locator("button[type=submit]").click()
    expect(county.locator("h1")).to_contain_text(TITLE)
    expect(county.locator("[data-count=read]")).to_contain_text("0 / 2")

    # By itself, on the television and in the console of who is asked to read it.
    shown = site.locator(f"[data-emergency={TITLE}]")
    expect(shown).to_contain_text("今晚 20 时洪峰过境，<b>沿河住户</b>立即转移到村小学。")
    expect(shown).to_contain_text("通知县")
    expect(county.locator("tr[data-area=东村] [data-site]")).to_contain_text("已显示，未确认")
    expect(county.locator("tr[data-area=西村] [data-site]")).to_contain_text("无会场屏")
    expect(clerk.locator("[data-notices] .count")).to_have_text("1")
    for page in (site, clerk, county):
        for _ in on_screens(page, DESK, LARGE_DESK, TELEPHONE):
            pass
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})

    # A remote control has no pointer: the button is under its hand.
    expect(shown.locator("[data-act=confirm]")).to_be_focused()
    site.keyboard.press("Enter")
    expect(shown).to_contain_text("本会场已确认")
    expect(shown.locator("[data-act=confirm]")).to_have_count(0)
    row = county.locator("tr[data-area=东村]")
    expect(row.locator("[data-site]")).to_contain_text("dongcun-tv同志")
    expect(county.locator("[data-count=confirmed]")).to_contain_text("1 / 1")
    # A television has read nothing for the people of its village.
    expect(row.locator(".people")).to_contain_text("0 / 1")

    clerk.locator(f"[data-emergency={TITLE}] .more").click()
    expect(clerk.locator(".about .words")).to_contain_text("<b>沿河住户</b>")
    clerk.locator("[data-act=read]").click()
    expect(clerk.locator(f"[data-emergency={TITLE}]")).to_have_count(0)
    expect(clerk.locator("[data-notices] .count")).to_have_count(0)
    expect(row.locator(".people")).to_contain_text("1 / 1")
    expect(county.locator("[data-count=read]")).to_contain_text("1 / 2")
    row.locator(".people button").click()
    expect(county.get_by_role("dialog").locator(".readers li")).to_contain_text("dongcun同志")
    county.keyboard.press("Escape")

    # It stays on the office's screen as one line, and goes when it is withdrawn.
    county.locator("[data-act=withdraw]").click()
    ending = county.get_by_role("dialog")
    ending.locator("textarea[name=note]").fill("洪峰已过")
    ending.locator("button[type=submit]").click()
    expect(county.locator("h1")).to_contain_text("已撤回")
    expect(shown).to_have_count(0)
    expect(clerk.locator(".gs-note")).to_contain_text("洪峰已过")


def test_a_big_screen_shows_what_holds_to_whoever_may_see_it(
    console: Console, new_page: Callable[..., Page], places: Places, watch: Any
) -> None:
    screen = places.leader.call(
        "POST",
        "/api/screens",
        {"name": "通知县大屏", "area_id": places.root, "scenes": [{"name": "平时"}]},
    )
    page = new_page(signed_in=False, storage_state=places.leader.storage_state)
    page.goto(f"/screen/{screen['id']}")
    expect(page.locator("[data-scene='0']")).to_be_visible()
    areas = {
        one["name"]: one["id"] for one in places.leader.call("GET", "/api/notices/areas")["items"]
    }
    until_us = page.evaluate("Date.now() * 1000 + 3600e6")
    notice = places.leader.call(
        "POST",
        "/api/notices",
        {"title": "停电检修", "words": "西村今晚停电", "priority": "emergency",
         "area_ids": [areas["西村"]], "until_us": int(until_us)},
    )  # fmt: skip
    shown = page.locator("[data-emergency=停电检修]")
    expect(shown).to_contain_text("西村今晚停电")
    expect(shown.locator("button")).to_have_count(0)
    for _ in on_screens(page, DESK, WALL):
        pass
    places.leader.call("POST", f"/api/notices/{notice['id']}/withdraw", {"note": "改期"})
    expect(shown).to_have_count(0)


def test_to_open_a_notice_is_to_have_read_it(
    new_page: Callable[..., Page], places: Places, watch: Any
) -> None:
    clerk = new_page(signed_in=False, storage_state=places.clerk.storage_state, locale="en")
    clerk.goto("/notices")
    until_us = clerk.evaluate("Date.now() * 1000 + 3600e6")
    places.leader.call(
        "POST",
        "/api/notices",
        {"title": "例会", "words": "周五上午九点", "area_ids": [places.root],
         "until_us": int(until_us)},
    )  # fmt: skip
    row = clerk.locator("[data-notice=例会]")
    expect(row).to_contain_text("unread")
    for _ in on_screens(clerk, DESK, LARGE_DESK, TELEPHONE):
        pass
    clerk.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    row.click()
    expect(clerk.get_by_text("You read it")).to_be_visible()
    expect(clerk.locator("[data-notices] .count")).to_have_count(0)
    # Who reads is not shown who else has.
    expect(clerk.locator(".coverage")).to_have_count(0)
