"""Guests without an account, by the link; and a meeting that is to come, until it begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.meetings.conftest import JOINED_MS, Township, enter, sees
from tests.browser.meetings.test_bringing import bring

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Sit = Callable[..., Page]
NOBODY: dict[str, Any] = {"cookies": [], "origins": []}
PHONE = {"width": 390, "height": 844}
US_PER_S = 1_000_000


def ask_to_come_in(guest: Page, name: str) -> None:
    """Through the check before joining."""
    expect(guest.locator("[data-part=camera]")).to_have_attribute(
        "data-result", "ok", timeout=JOINED_MS
    )
    guest.locator("input[name=name]").fill(name)
    guest.locator("[data-act=join]").click()


def test_a_guest_comes_by_the_link_waits_and_is_let_in(
    console: Any, meeting: str, sit: Sit, watch: Any
) -> None:
    # Nobody is signed in, the wrong code leads nowhere, and a meeting that is over knows no guest.
    watch.expected_errors += [r"status of 40[149]", "/api/session"]
    chair = sit()
    enter(chair, meeting, microphone=False)
    dialog = bring(chair, "link")
    dialog.locator("[data-act=make_link]").click()
    link = dialog.locator("[data-part=link]").inner_text()
    assert link.startswith(f"{console.url}/m/{meeting}#")
    dialog.get_by_role("button", name="关闭", exact=True).click()

    guest = sit(state=NOBODY, viewport=PHONE)
    asked: list[str] = []
    guest.on("request", lambda request: asked.append(request.url))
    guest.goto(link)
    ask_to_come_in(guest, "双桥村 李强")
    room = guest.locator(".room")
    expect(room).to_contain_text("请稍候，等主持人准入", timeout=JOINED_MS)
    # The code is off the screen, and was in nobody's address.
    code = link.partition("#")[2]
    assert guest.evaluate("location.hash") == ""
    assert [url for url in asked if code in url] == []
    expect(guest.locator(".room-tile")).to_have_count(0)

    waiting = chair.get_by_role("region", name="等候室")
    expect(waiting).to_contain_text("双桥村 李强", timeout=JOINED_MS)
    waiting.get_by_role("button", name="准入").click()
    sees(guest, "admin")
    sees(chair, "双桥村 李强")
    guest.locator("[data-act=chat]").click()
    guest.locator("textarea[name=message]").fill("我到了")
    guest.keyboard.press("Enter")
    chair.locator("[data-act=chat]").click()
    expect(chair.locator(".chat .messages")).to_contain_text("我到了", timeout=JOINED_MS)
    guest.locator("[data-act=hand]").click()
    chair.locator("[data-act=people]").click()
    hands = chair.get_by_role("region", name="举手")
    expect(hands).to_contain_text("双桥村 李强", timeout=JOINED_MS)
    # What needs an account is not offered.
    for name in ("roll_call", "papers", "lead"):
        expect(guest.locator(f"[data-act={name}]")).to_have_count(0)

    # The page loaded anew is the same guest, and needs no second wait.
    guest.reload()
    expect(guest.locator("[data-part=camera]")).to_have_attribute(
        "data-result", "ok", timeout=JOINED_MS
    )
    expect(guest.locator("input[name=name]")).to_have_value("双桥村 李强")
    guest.locator("[data-act=join]").click()
    sees(guest, "admin")

    # Taken back, the link lets nobody in any more; who is in stays.
    dialog = bring(chair, "link")
    dialog.locator("[data-act=take_back]").click()
    chair.locator(".el-message-box").get_by_role("button", name="收回链接").click()
    expect(dialog.locator("[data-act=take_back]")).to_have_count(0, timeout=JOINED_MS)
    late = sit(state=NOBODY, viewport=PHONE)
    late.goto(link)
    ask_to_come_in(late, "王芳")
    expect(late.get_by_role("alert").filter(has_text="已被收回")).to_be_visible(timeout=JOINED_MS)
    expect(room).to_have_attribute("data-phase", "open")
    console.call("POST", f"/api/meetings/{meeting}/end")
    expect(guest.get_by_text("会议已结束")).to_be_visible(timeout=JOINED_MS)


def test_a_meeting_to_come_is_changed_waited_for_and_begun(
    console: Any, township: Township, sit: Sit, watch: Any
) -> None:
    watch.expected_errors += [r"status of 40[149]", "/api/session"]
    form = {"title": "例会", "area_id": township.area_id, "records": False}
    later = {"scheduled_us": int((time.time() + 7200) * US_PER_S)}
    meeting_id = console.call("POST", "/api/meetings", {**form, **later})["id"]
    path = f"/api/meetings/{meeting_id}"
    console.call("POST", f"{path}/invite", {"area_ids": list(township.villages.values())})
    link = console.call("POST", f"{path}/link", {})["path"]

    guest = sit(state=NOBODY, viewport=PHONE)
    guest.goto(link)
    ask_to_come_in(guest, "李强")
    expect(guest.locator(".waits")).to_contain_text("会议尚未开始", timeout=JOINED_MS)

    chair = sit()
    chair.goto(f"/meetings/room/{meeting_id}")
    plan = chair.locator(".plan")
    expect(plan.locator(".invited li")).to_have_count(4)
    plan.locator("[data-act=edit]").click()
    dialog = chair.get_by_role("dialog")
    dialog.locator("input[name=title]").fill("汛前检查例会")
    dialog.locator("input[name=recording]").check()
    dialog.locator("input[name=lobby]").check()
    dialog.locator("button[type=submit]").click()
    expect(chair.get_by_role("heading", name="汛前检查例会")).to_be_visible()
    expect(plan.locator(".facts")).to_contain_text("设等候室")
    changed = console.call("GET", path)
    assert (changed["title"], changed["records"], changed["lobby"]) == ("汛前检查例会", True, True)
    assert changed["scheduled_us"] == later["scheduled_us"]

    plan.locator(".invited li").filter(has_text="团山村").locator("[data-act=take_back]").click()
    chair.locator(".el-message-box").get_by_role("button", name="取消邀请").click()
    expect(plan.locator(".invited li")).to_have_count(3, timeout=JOINED_MS)

    plan.locator("[data-act=start]").click()
    expect(chair.locator("[data-act=join]")).to_be_enabled(timeout=JOINED_MS)
    # The guest's page has waited for this, and goes in by itself.
    expect(guest.locator(".room")).to_contain_text("请稍候，等主持人准入", timeout=JOINED_MS)
    console.call("POST", f"{path}/end")

    gone = console.call("POST", "/api/meetings", {**form, **later, "title": "不开的会"})["id"]
    chair.goto(f"/meetings/room/{gone}")
    plan.locator("[data-act=cancel]").click()
    chair.locator(".el-message-box").get_by_role("button", name="取消会议").click()
    expect(chair).to_have_url(f"{console.url}/meetings/coming", timeout=JOINED_MS)
    assert console.call("GET", f"/api/meetings/{gone}")["state"] == "cancelled"
