"""What was recorded is played into a meeting: a village sees it, the chair starts and stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.meetings.conftest import JOINED_MS, KEEP_PEERS, enter, hears, sees
from tests.peers.media_file import make_media

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Sit = Callable[..., Page]
PURPOSE = {"code": "training", "text": "复盘", "case_id": "A-1"}


def frames(page: Page, name: str) -> int:
    """How many pictures of it the page has shown."""
    tile = page.locator(".room-tile:not(.is-own)").filter(has_text=name)
    count: int = tile.locator("video").evaluate("v => v.getVideoPlaybackQuality().totalVideoFrames")
    return count


def stands(page: Page, name: str) -> bool:
    """Whether it shows no other picture for a second."""
    before = frames(page, name)
    page.wait_for_timeout(1000)
    return frames(page, name) <= before + 1


def controls(chair: Page) -> Any:
    if chair.locator(".people").count() == 0:
        chair.locator("[data-act=people]").click()
    return chair.locator("[data-player]")


def test_a_camera_s_footage_is_played_to_a_village(
    console: Any,
    meeting: str,
    sit: Sit,
    cameras: list[dict[str, Any]],
    wait_until: Callable[..., Any],
) -> None:
    chair, village = sit(), sit("双桥村")
    for page in (chair, village):
        enter(page, meeting, microphone=False)
    camera_id = cameras[0]["id"]

    def recorded() -> list[dict[str, Any]]:
        now_us = time.time_ns() // 1000
        path = f"/api/timeline?camera_id={camera_id}&resolution_us=1000000"
        found = console.call("GET", f"{path}&start_us={now_us - 3_600_000_000}&end_us={now_us}")
        spans: list[dict[str, Any]] = found["spans"]
        return [one for one in spans if one["end_us"] - one["start_us"] > 20_000_000]

    span = wait_until("20 s of footage", recorded, 90)[-1]
    what = {
        "camera_id": camera_id, "start_us": span["start_us"],
        "end_us": span["start_us"] + 20_000_000, "name": "昨夜西门", "loop": True,
    }  # fmt: skip
    invited = {"recordings": [what], "purpose": PURPOSE}
    (player,) = console.call("POST", f"/api/meetings/{meeting}/invite", invited)["participant_ids"]
    tile = village.locator(".room-tile:not(.is-own)").filter(has_text="昨夜西门")
    expect(tile).to_have_attribute("data-plays", "yes", timeout=JOINED_MS)
    desk = controls(chair)
    expect(desk).to_have_attribute("data-playing", "false")
    desk.locator("[data-act=play]").click()
    expect(desk).to_have_attribute("data-playing", "true", timeout=JOINED_MS)
    sees(village, "昨夜西门")
    desk.locator("[data-act=pause]").click()
    expect(desk).to_have_attribute("data-playing", "false", timeout=JOINED_MS)
    # What was on its way still comes, however long that takes; then the picture stands.
    wait_until("a picture that stands", lambda: stands(village, "昨夜西门"))
    # By the keyboard ten seconds on: the place moves, a picture of there comes.
    before = desk.locator("[data-place]").inner_text()
    desk.locator("input[type=range]").press("ArrowRight")
    expect(desk.locator("[data-place]")).not_to_have_text(before, timeout=JOINED_MS)
    console.call("POST", f"/api/meetings/{meeting}/participants/{player}/remove")
    expect(tile).to_have_count(0, timeout=JOINED_MS)
    expect(desk).to_have_count(0, timeout=JOINED_MS)
    actions = [one["action"] for one in console.call("GET", "/api/audit?action=meeting.")["items"]]
    assert {"meeting.footage", "meeting.playback"} <= set(actions)


def test_a_file_that_was_handed_out_is_seen_and_heard(
    console: Any, meeting: str, sit: Sit, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    chair, village = sit(), sit("双桥村")
    village.add_init_script(KEEP_PEERS)
    for page in (chair, village):
        enter(page, meeting, microphone=False)
    film = make_media(
        tmp_path / "film.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=30"),
        *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=30"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline", "-g", "50"),
        *("-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"),
    )
    answer = chair.request.post(
        f"/api/meetings/{meeting}/files?name=film.mp4",
        data=film.read_bytes(),
        headers={"X-Gridsight": "1", "Content-Type": "application/octet-stream"},
    )
    assert answer.status == 201, answer.text()
    what = {"file_id": answer.json()["id"], "name": "防汛宣传片", "loop": True}
    console.call("POST", f"/api/meetings/{meeting}/invite", {"recordings": [what]})
    desk = controls(chair)
    desk.locator("[data-act=play]").click()
    sees(village, "防汛宣传片")
    expect(desk).to_have_attribute("data-playing", "true", timeout=JOINED_MS)
    wait_until("the film's sound", lambda: hears(village))
