"""What a township's operator can reach, and what goes when a grant goes, in Chromium.

The demo county has two townships. 石坪镇's operator looks for 白沙镇's camera in every way the
console has and a few that it has not, with ids that an administrator could have let slip.
"""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

OWN, FOREIGN = "石坪镇", "白沙镇"
PASSWORD = "a township looks after itself 3"
HOUR_US = 3600_000_000
PURPOSE = {"code": "incident", "text": "东门口电动车失窃"}


@dataclass
class Township:
    """An operator of one township, and the cameras on either side of its border."""

    user_id: str
    grant_id: str
    area_id: str
    own: list[dict[str, Any]]
    foreign: dict[str, Any]


def township_of(camera: dict[str, Any]) -> str:
    """The name of the township that a demo camera stands in."""
    return str(camera["area_path"][1])


@pytest.fixture
def township(console: Any, cameras: list[dict[str, Any]]) -> Iterator[Township]:
    """An operator whose only grant is that of 石坪镇."""
    county = console.call("GET", "/api/areas")["items"][0]
    areas = console.call("GET", f"/api/areas?parent_id={county['id']}")["items"]
    area_id = next(area["id"] for area in areas if area["name"] == OWN)
    user = console.call(
        "POST",
        "/api/users",
        {"name": "shiping", "display_name": "石坪值班", "password": PASSWORD, "enabled": True},
    )
    grant = console.call(
        "POST", "/api/grants", {"user_id": user["id"], "role": "operator", "area_id": area_id}
    )
    yield Township(
        user["id"],
        grant["id"],
        area_id,
        own=[camera for camera in cameras if township_of(camera) == OWN],
        foreign=next(camera for camera in cameras if township_of(camera) == FOREIGN),
    )
    console.call("DELETE", f"/api/users/{user['id']}")


@pytest.fixture
def operator(
    console: Any, township: Township, chromium: Browser, watch: Any
) -> Iterator[Callable[[], Page]]:
    """``operator()``: a page in which the operator is signed in."""
    watch.expected_errors += ["status of 4", "WebSocket"]
    contexts: list[BrowserContext] = []

    def open_page() -> Page:
        context = chromium.new_context(
            base_url=console.url, locale="zh-CN", viewport={"width": 1366, "height": 768}
        )
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        page.goto("/sign-in")
        page.locator('input[name="name"]').fill("shiping")
        page.locator('input[name="password"]').fill(PASSWORD)
        page.locator('input[name="password"]').press("Enter")
        # The first password is whoever made the account's: it has to be changed.
        changed = page.locator('input[name="new-password"]')
        expect(changed.or_(page.locator(".wall-page"))).to_be_visible(timeout=15_000)
        if changed.is_visible():
            changed.fill(PASSWORD + " own")
            page.locator('input[name="repeat-password"]').fill(PASSWORD + " own")
            page.locator('input[name="repeat-password"]').press("Enter")
        expect(page).to_have_url(f"{console.url}/wall", timeout=15_000)
        return page

    yield open_page
    for context in contexts:
        context.close()


def call(page: Page, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """What the gateway answers to the page's own session: status, and JSON where it is some."""
    status, text = page.evaluate(
        """async ([method, path, body]) => {
          const answer = await fetch(path, {
            method,
            headers: { 'Content-Type': 'application/json', 'X-Gridsight': '1' },
            ...(body === null ? {} : { body }),
          })
          return [answer.status, await answer.text()]
        }""",
        [method, path, None if body is None else json.dumps(body)],
    )
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def playing(page: Page, camera_id: str) -> Any:
    """The tile of the camera, once it plays."""
    tile = page.locator(f'.tile[data-camera="{camera_id}"]')
    expect(tile).to_have_attribute("data-phase", "playing", timeout=30_000)
    return tile


def brightness(tile: Any) -> float:
    """The mean of what the tile's picture shows: 0 is black."""
    value = tile.locator("video").first.evaluate(
        """video => {
          const canvas = document.createElement('canvas')
          canvas.width = canvas.height = 16
          const context = canvas.getContext('2d')
          context.drawImage(video, 0, 0, 16, 16)
          const { data } = context.getImageData(0, 0, 16, 16)
          let sum = 0
          for (let at = 0; at < data.length; at += 4) sum += data[at] + data[at + 1] + data[at + 2]
          return sum / (256 * 3)
        }"""
    )
    return float(value)


def opened_playback(console: Any, camera_id: str) -> dict[str, Any]:
    """A playback that the administrator has opened and entered: ids and a ticket to let slip."""
    now_us = time.time_ns() // 1000
    session: dict[str, Any] = console.call(
        "POST",
        "/api/playback",
        {
            "camera_ids": [camera_id],
            "start_us": now_us - HOUR_US,
            "end_us": now_us,
            "client": {"mse_h265": False},
            "purpose": PURPOSE,
        },
    )
    console.call("POST", f"/s/{session['server']}/sessions", {"ticket": session["ticket"]})
    session["start_us"], session["end_us"] = now_us - HOUR_US, now_us
    return session


def test_the_other_township_is_neither_found_nor_viewed(
    console: Any, township: Township, operator: Callable[[], Page]
) -> None:
    foreign = township.foreign
    page = operator()
    tree = page.get_by_role("tree")
    expect(tree).to_contain_text(OWN)
    expect(tree).not_to_contain_text(FOREIGN)
    search = page.get_by_role("searchbox").first
    search.fill(foreign["name"])
    expect(page.locator(".row.is-camera")).to_have_count(0)
    search.fill("")

    # Nor by an address, a saved screen, or a colleague's link.
    page.goto(f"/wall?camera={foreign['id']}")
    body = page.locator("body")
    expect(tree).to_be_visible()
    expect(page.locator('.tile[data-phase="playing"]')).to_have_count(0)
    expect(body).not_to_contain_text(foreign["name"])
    tiles = [{"camera_id": foreign["id"], "quality": "auto"}]
    call(page, "PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    page.goto("/wall")
    tile = page.locator(".tile").first
    expect(tile).to_contain_text("摄像机已删除或您无权查看", timeout=15_000)
    assert brightness(tile) == 0
    expect(body).not_to_contain_text(foreign["name"])
    page.goto(f"/playback?camera={foreign['id']}")
    notice = page.locator(".tiles .notice")
    expect(notice).to_contain_text("录像已不存在", timeout=15_000)
    expect(page.locator(".playback-video")).to_have_count(0)
    expect(body).not_to_contain_text(foreign["name"])
    for path in ("/cameras", "/users", "/audit", "/retention", f"/cameras/{foreign['id']}/masks"):
        page.goto(path)
        expect(
            page.get_by_text("您无权打开此页").or_(page.get_by_text("找不到该内容"))
        ).to_be_visible()
        expect(body).not_to_contain_text(foreign["name"])


def test_ids_and_tickets_that_slipped_open_nothing(
    console: Any, township: Township, operator: Callable[[], Page]
) -> None:
    foreign = township.foreign["id"]
    slipped = opened_playback(console, foreign)
    base = slipped["cameras"][0]["base_url"]
    span = f"start_us={slipped['start_us']}&end_us={slipped['end_us']}"
    index = console.call("GET", f"{base}/index?{span}")
    segment = index["fragments"]["segment_id"][0]
    run = index["runs"][0]["run_id"]
    page = operator()
    client = {"webrtc": True, "webrtc_h265": False, "mse_h265": False}
    live = {"camera_id": foreign, "quality": "auto", "client": client, "purpose": PURPOSE}
    playback = {
        "camera_ids": [township.own[0]["id"], foreign],
        "start_us": slipped["start_us"],
        "end_us": slipped["end_us"],
        "client": {"mse_h265": False},
        "purpose": PURPOSE,
    }
    span_only = {"start_us": slipped["start_us"], "end_us": slipped["end_us"]}
    export = {"camera_ids": [foreign], **span_only, "purpose": PURPOSE, "viewing": "never"}
    restream = {
        "camera_id": foreign,
        "quality": "main",
        "expires_in_s": 600,
        "addresses": ["127.0.0.1/32"],
    }
    day = time.strftime("%Y-%m-%d")
    refused: list[tuple[str, str, object]] = [
        ("GET", f"/api/cameras/{foreign}", None),
        ("GET", f"/api/cameras/{foreign}/snapshot.jpg?width=64", None),
        ("GET", f"/api/cameras/{foreign}/masks", None),
        ("GET", f"/api/cameras/{foreign}/people", None),
        ("POST", "/api/live", live),
        ("POST", "/api/playback", playback),
        ("GET", f"/api/timeline?camera_id={foreign}&{span}&resolution_us=1000000", None),
        (
            "GET",
            f"/api/timeline/days?camera_id={foreign}&from={day}&to={day}&utc_offset_minutes=0",
            None,
        ),
        ("POST", "/api/bookmarks", {"camera_id": foreign, "at_us": slipped["end_us"], "note": "x"}),
        ("POST", "/api/exports", export),
        ("POST", "/api/holds", {"camera_id": foreign, **span_only, "reason": "证据需要"}),
        ("POST", "/api/restreams", restream),
        ("GET", f"{base}/index?{span}", None),
        ("GET", f"{base}/runs/{run}/init.mp4", None),
        ("GET", f"{base}/segments/{segment}/fragments/0-0.m4s", None),
        ("GET", f"{base}/segments/{segment}/keyframes/0.m4s", None),
        ("GET", f"{base}/segments/{segment}/segment.mp4", None),
        ("GET", f"{base}/frame.jpg?at_us={slipped['end_us'] - 5_000_000}&width=64", None),
        ("GET", f"{base}/mp4?{span}", None),
        ("GET", f"{base}/hls/index.m3u8?{span}", None),
    ]
    opened = []
    for method, path, body in refused:
        status, answer = call(page, method, path, body)
        if status not in (401, 403, 404):
            opened.append((method, path, status, str(answer)[:200]))
    assert opened == []
    # A list never names it, whatever it is asked for.
    for path in (
        "/api/cameras?limit=100",
        f"/api/bookmarks?camera_id={foreign}",
        f"/api/holds?camera_id={foreign}",
        f"/api/cameras?query={urllib.parse.quote(FOREIGN)}",
        "/api/areas/search?query=bs",
    ):
        status, answer = call(page, "GET", path)
        assert status == 200
        text = json.dumps(answer, ensure_ascii=False)
        assert foreign not in text and FOREIGN not in text

    # An own playback does not carry over to the other camera's paths.
    own = opened_own(page, township)
    for path in (base, base.replace(foreign, township.own[0]["id"])):
        status, _ = call(page, "GET", f"{path}/segments/{segment}/fragments/0-0.m4s")
        assert status in (401, 403, 404), path
    guessed = own["cameras"][0]["base_url"].replace(township.own[0]["id"], foreign)
    assert call(page, "GET", f"{guessed}/index?{span}")[0] in (401, 403, 404)
    # A ticket with one character changed is no ticket.
    ticket = own["ticket"]
    forged = ticket[:-6] + ("A" if ticket[-6] != "A" else "B") + ticket[-5:]
    assert call(page, "POST", f"/s/{own['server']}/sessions", {"ticket": forged})[0] == 401


def opened_own(page: Page, township: Township) -> dict[str, Any]:
    """A playback that the operator has opened in their own area."""
    now_us = time.time_ns() // 1000
    status, session = call(
        page,
        "POST",
        "/api/playback",
        {
            "camera_ids": [township.own[0]["id"]],
            "start_us": now_us - HOUR_US,
            "end_us": now_us,
            "client": {"mse_h265": False},
            "purpose": PURPOSE,
        },
    )
    assert status == 200, session
    assert (
        call(page, "POST", f"/s/{session['server']}/sessions", {"ticket": session["ticket"]})[0]
        < 300
    )
    return dict(session)


def test_a_grant_that_goes_turns_the_tile_black(
    console: Any, township: Township, operator: Callable[[], Page]
) -> None:
    camera = township.own[0]["id"]
    tiles = [{"camera_id": camera, "quality": "auto"}]
    page = operator()
    call(page, "PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    page.goto("/wall")
    tile = playing(page, camera)
    assert brightness(tile) > 20
    console.call("DELETE", f"/api/grants/{township.grant_id}")
    # Five seconds is what is promised, on a machine that has nothing else to do.
    expect(tile).to_have_attribute("data-phase", "refused", timeout=20_000)
    assert brightness(tile) == 0
    assert tile.locator("video").first.get_attribute("poster") is None
    assert call(page, "GET", f"/api/cameras/{camera}/snapshot.jpg")[0] in (403, 404)
