"""A township's meeting in browsers: called, joined, seen and heard, muted, the roll called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.meetings.conftest import (
    JOINED_MS,
    KEEP_PEERS,
    Township,
    enter,
    hears,
    is_sent_sound,
    sees,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Sit = Callable[..., Page]


def give_floor(console: Any, meeting_id: str, name: str) -> None:
    """Who has the floor is heard whatever their microphone takes for a voice: beeps are none."""
    everybody = console.call("GET", f"/api/meetings/{meeting_id}")["participants"]
    (site,) = [one["id"] for one in everybody if one["name"] == name]
    console.call("POST", f"/api/meetings/{meeting_id}/participants/{site}/give_floor")


def test_a_meeting_is_called_and_the_village_takes_the_call(
    console: Any, township: Township, sit: Sit, watch: Any
) -> None:
    # A page that is told the end asks whether the meeting goes on elsewhere.
    watch.expected_errors.append("status of 409")
    village = sit("双桥村")
    village.goto("/meetings/site")
    expect(village.locator("[data-phase=standing_by]")).to_contain_text("双桥村")

    chair = sit()
    chair.goto("/meetings")
    chair.locator("[data-act=create]").click()
    dialog = chair.get_by_role("dialog")
    dialog.locator("input[name=title]").fill("秋粮收购会")
    for field in ("召集单位", "参会单位"):
        dialog.get_by_label(field).fill("冷水")
        option = chair.get_by_role("option", name="冷水镇").locator("visible=true")
        option.click()
        dialog.locator("input[name=title]").click()
        expect(option).to_have_count(0)
    dialog.locator("button[type=submit]").click()
    expect(chair.locator("[data-act=join]")).to_be_enabled(timeout=JOINED_MS)
    expect(chair.get_by_role("heading", name="秋粮收购会")).to_be_visible()

    # It rings visibly, and nothing is opened before somebody takes the call.
    ringing = village.locator(".site.is-ringing")
    expect(ringing).to_contain_text("秋粮收购会", timeout=JOINED_MS)
    expect(village.locator("video")).to_have_count(0)
    expect(village.locator("[data-act=take]")).to_be_focused()
    village.keyboard.press("Enter")
    room = village.locator(".site-room")
    expect(room).to_have_attribute("data-phase", "open", timeout=JOINED_MS)
    expect(room.locator("header .sign")).to_have_text("正在播出：话筒已开")
    (running,) = [
        one
        for one in console.call("GET", "/api/meetings?state=running")["items"]
        if one["title"] == "秋粮收购会"
    ]
    console.call("POST", f"/api/meetings/{running['id']}/end")
    expect(room.locator(".over")).to_contain_text("会议已结束", timeout=JOINED_MS)


def test_two_sites_see_and_hear_each_other_and_mute_holds(
    console: Any, meeting: str, sit: Sit, wait_until: Callable[..., Any]
) -> None:
    chair, village = sit(), sit("双桥村")
    for page in (chair, village):
        page.add_init_script(KEEP_PEERS)
        enter(page, meeting)
    sees(chair, "双桥村")
    sees(village, "admin")
    give_floor(console, meeting, "双桥村")
    for page in (chair, village):
        wait_until("a beep", lambda page=page: hears(page))
    expect(village.locator(".on-air")).to_be_visible()

    chair.keyboard.press("p")
    row = chair.locator(".people .list li").filter(has_text="双桥村")
    row.locator("[data-act=mute]").click()
    expect(village.locator(".on-air")).to_have_count(0, timeout=JOINED_MS)
    expect(village.locator("[data-act=microphone]")).to_have_attribute("aria-pressed", "false")
    wait_until("silence", lambda: not is_sent_sound(chair))
    # Whoever is muted asks; the key alone opens nothing.
    village.keyboard.press("m")
    expect(village.get_by_text("请先举手")).to_be_visible()
    expect(village.locator("[data-act=microphone]")).to_have_attribute("aria-pressed", "false")

    village.keyboard.press("h")
    queue = chair.get_by_role("region", name="举手")
    expect(queue).to_contain_text("双桥村", timeout=JOINED_MS)
    row.locator("[data-act=unmute]").click()
    expect(village.get_by_text("已解除静音")).to_be_visible(timeout=JOINED_MS)
    # Never unmuted from afar.
    expect(village.locator("[data-act=microphone]")).to_have_attribute("aria-pressed", "false")
    assert not is_sent_sound(chair)
    village.keyboard.press("m")
    wait_until("a beep again", lambda: hears(chair))


def test_a_client_that_keeps_sending_is_not_heard_once_muted(
    console: Any, meeting: str, sit: Sit, wait_until: Callable[..., Any]
) -> None:
    chair, village = sit(), sit("双桥村")
    chair.add_init_script(KEEP_PEERS)
    # A client that heeds nobody: what it once sends it goes on sending.
    village.add_init_script(
        "const put = RTCRtpSender.prototype.replaceTrack\n"
        "RTCRtpSender.prototype.replaceTrack = function (track) {\n"
        "  return track === null ? Promise.resolve() : put.call(this, track)\n"
        "}\n"
        "MediaStreamTrack.prototype.stop = () => undefined"
    )
    enter(chair, meeting)
    enter(village, meeting)
    give_floor(console, meeting, "双桥村")
    wait_until("a beep", lambda: hears(chair))
    console.call("POST", f"/api/meetings/{meeting}/mute_all")
    wait_until("silence", lambda: not is_sent_sound(chair))
    assert not is_sent_sound(chair)


def test_both_are_back_by_themselves_when_their_shard_is_killed(
    console: Any, meeting: str, sit: Sit, watch: Any
) -> None:
    watch.expected_errors += [r"/s/shard-1/", r"/api/", "WebSocket", r"status of 50\d"]
    chair, village = sit(), sit("双桥村")
    enter(chair, meeting, microphone=False)
    enter(village, meeting, microphone=False)
    sees(chair, "双桥村")
    console.child("shard-1").kill()
    expect(chair.locator(".trouble")).to_contain_text("正在自动重连", timeout=JOINED_MS)
    for page, other in ((chair, "双桥村"), (village, "admin")):
        # How soon is measured by benchmarks.meeting.
        expect(page.locator(".room")).to_have_attribute("data-phase", "open", timeout=JOINED_MS)
        sees(page, other)


def test_the_roll_is_called_and_only_an_answer_is_presence(
    console: Any, meeting: str, sit: Sit
) -> None:
    chair, village = sit(), sit("双桥村", viewport={"width": 390, "height": 844})
    enter(chair, meeting, microphone=False)
    enter(village, meeting, microphone=False)
    chair.locator("[data-act=roll_call]").click()
    chair.locator(".board [data-act=begin]").click()
    rows = chair.locator(".board .rows li")
    expect(rows).to_have_count(2)
    present, absent = rows.filter(has_text="双桥村"), rows.filter(has_text="团山村")

    chair.locator(".board [data-act=next]").click()
    # Connected, but nobody there has said a word.
    expect(present).to_contain_text("已接通，未应答", timeout=JOINED_MS)
    answer = village.locator("[data-act=answer_call]")
    expect(answer).to_be_visible(timeout=JOINED_MS)
    answer.click()
    expect(present).to_have_attribute("data-state", "present", timeout=JOINED_MS)
    expect(answer).to_have_count(0)

    chair.locator(".board [data-act=next]").click()
    expect(absent).to_have_attribute("data-state", "called", timeout=JOINED_MS)
    absent.locator("[data-act=absent]").click()
    expect(absent).to_have_attribute("data-state", "absent", timeout=JOINED_MS)
    chair.locator(".board [data-act=end]").click()
    expect(chair.locator(".board [data-act=begin]")).to_be_visible(timeout=JOINED_MS)
    (call,) = console.call("GET", f"/api/meetings/{meeting}/roll-calls")["items"]
    board = console.call("GET", f"/api/meetings/{meeting}/roll-calls/{call['id']}")
    assert {row["name"]: row["state"] for row in board["rows"]} == {
        "双桥村": "present",
        "团山村": "absent",
    }
