"""A township's meeting from invitation to recording: played back, passed on, watched live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.meetings.conftest import (
    _PASSWORD,
    JOINED_MS,
    Township,
    _sign_in,
    enter,
    sees,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Sit = Callable[..., Page]
PLAYED_MS = 60_000

# Decoded pictures of the video that is seen, and where in the recording it stands.
_PLAYED = """() => {
  const video = document.querySelector('.tile video.playback-video:not(.playback-video-coming)')
  if (!video || video.readyState < 2) return null
  const quality = video.getVideoPlaybackQuality()
  return {
    frames: quality.totalVideoFrames - quality.droppedVideoFrames,
    position_us: Number(video.dataset.originUs) + video.currentTime * 1e6,
    width: video.videoWidth,
  }
}"""


def plays(page: Page) -> dict[str, float]:
    """Pictures of the recording are decoded one after the other; the last that was seen."""
    # What was seen, not what is: the video changes hands between two chunks.
    before = page.wait_for_function(_PLAYED, timeout=PLAYED_MS).json_value()
    found: dict[str, float] = page.wait_for_function(
        f"(before) => {{ const now = ({_PLAYED})(); return now !== null"
        " && now.frames > before.frames + 10 && now.position_us > before.position_us + 3e5"
        " && now }",
        arg=before,
        timeout=PLAYED_MS,
    ).json_value()
    return found


def stands_from(page: Page, at_us: int) -> None:
    """The picture that is seen is of that moment, or of the seconds after it."""
    page.wait_for_function(
        f"(at) => {{ const now = ({_PLAYED})(); return now !== null"
        " && now.position_us > at - 1e6 && now.position_us < at + 2e7 }",
        arg=at_us,
        timeout=PLAYED_MS,
    )


def recorded(console: Any, meeting_id: str) -> dict[str, Any]:
    """The one recording of a meeting, with its time line."""
    (one,) = console.call("GET", f"/api/meetings/{meeting_id}/recordings")["items"]
    found: dict[str, Any] = console.call(
        "GET", f"/api/meetings/{meeting_id}/recordings/{one['id']}"
    )
    return found


def seconds_of(recording: dict[str, Any], kind: str) -> float:
    """So much is recorded of the tracks of a kind."""
    spans = [
        one for track in recording["tracks"] if track["kind"] == kind for one in track["spans"]
    ]
    return float(sum(one["end_us"] - one["start_us"] for one in spans)) / 1e6


def give_floor(console: Any, meeting_id: str, name: str) -> None:
    """Whoever has the floor is on the program."""
    everybody = console.call("GET", f"/api/meetings/{meeting_id}")["participants"]
    (site,) = [one["id"] for one in everybody if one["name"] == name]
    console.call("POST", f"/api/meetings/{meeting_id}/participants/{site}/give_floor")


def test_a_township_meets_and_plays_its_recording_back(
    console: Any, township: Township, sit: Sit, watch: Any, wait_until: Callable[..., Any]
) -> None:
    # A page that is told the end asks whether the meeting goes on elsewhere.
    watch.expected_errors.append("status of 409")
    village = sit("双桥村")
    village.goto("/meetings/site")
    expect(village.locator("[data-phase=standing_by]")).to_contain_text("双桥村")

    # The invitation: the whole township, recorded unless somebody unticks that.
    chair = sit()
    chair.goto("/meetings")
    chair.locator("[data-act=create]").click()
    dialog = chair.get_by_role("dialog")
    dialog.locator("input[name=title]").fill("森林防火部署会")
    for field in ("召集单位", "参会单位"):
        dialog.get_by_label(field).fill("冷水")
        option = chair.get_by_role("option", name="冷水镇").locator("visible=true")
        option.click()
        dialog.locator("input[name=title]").click()
        expect(option).to_have_count(0)
    expect(dialog.locator("input[name=recording]")).to_be_checked()
    dialog.locator("button[type=submit]").click()
    expect(chair.locator("[data-part=camera]")).to_have_attribute(
        "data-result", "ok", timeout=JOINED_MS
    )
    chair.locator("[data-act=join]").click()
    expect(chair.locator(".room")).to_have_attribute("data-phase", "open", timeout=JOINED_MS)
    meeting_id = chair.url.split("?")[0].rsplit("/", 1)[1]

    # Joined: the village takes the call, and both see that the meeting is recorded.
    village.locator("[data-act=take]").click()
    expect(village.locator(".site-room")).to_have_attribute("data-phase", "open", timeout=JOINED_MS)
    sees(chair, "双桥村")
    expect(chair.locator(".head .recording")).to_be_visible(timeout=JOINED_MS)
    wait_until(
        "the chair's picture", lambda: seconds_of(recorded(console, meeting_id), "program") > 4
    )
    give_floor(console, meeting_id, "双桥村")
    wait_until(
        "the village on the program",
        lambda: recorded(console, meeting_id)["chapters"][-1]["name"] == "双桥村",
    )
    before = seconds_of(recorded(console, meeting_id), "program")
    wait_until(
        "the village's picture",
        lambda: seconds_of(recorded(console, meeting_id), "program") > before + 5,
    )

    # Ended, and that leads to the recording.
    chair.locator("[data-act=lead]").click()
    chair.get_by_role("menuitem", name="结束会议").click()
    chair.get_by_role("dialog").get_by_role("button", name="结束会议").click()
    chair.locator("[data-act=recordings]").click(timeout=JOINED_MS)
    row = chair.locator("[data-recording]")
    expect(row).to_contain_text("森林防火部署会")
    row.locator("[data-act=play]").click()

    # Played back: pictures are decoded, one after the other.
    assert plays(chair)["width"] > 0
    # A chapter clicked: from there on, with the village's picture.
    chapter = chair.locator("[data-chapter]").filter(has_text="双桥村").first
    start_us = int(chapter.get_attribute("data-start-us") or 0)
    chapter.click()
    expect(chapter).to_have_attribute("aria-current", "true")
    stands_from(chair, start_us)
    assert plays(chair)["position_us"] > start_us
    # To the end of it, which is said; and from there once more.
    chair.locator("[data-act=again]").click(timeout=PLAYED_MS)
    chair.wait_for_function(
        f"(village) => {{ const now = ({_PLAYED})(); return now !== null"
        " && now.position_us < village }",
        arg=start_us,
        timeout=PLAYED_MS,
    )
    plays(chair)


def test_a_running_meeting_is_passed_on_and_watched_by_who_is_not_in_it(
    console: Any,
    meeting: str,
    township: Township,
    sit: Sit,
    watch: Any,
    wait_until: Callable[..., Any],
) -> None:
    watch.expected_errors += ["status of 403", "status of 401"]
    console.call("POST", f"/api/meetings/{meeting}/recordings")
    chair = sit()
    enter(chair, meeting, microphone=False)
    wait_until("a picture", lambda: seconds_of(recorded(console, meeting), "program") > 3)

    # The village has no recordings of its own, and is told whom to ask.
    watching = sit("团山村")
    watching.goto(f"/meetings/recordings/{meeting}")
    expect(watching.get_by_text("请让会议主持人把录像转发到您的单位")).to_be_visible()

    desk = sit()
    desk.goto(f"/meetings/recordings/{meeting}")
    desk.locator("[data-act=pass]").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("转发给", exact=True).fill("团山")
    desk.get_by_role("option", name="团山村").locator("visible=true").click()
    dialog.locator("input[name=pass-reason]").fill("学习防汛部署")
    dialog.locator("input[name=live]").check()
    dialog.locator("button[type=submit]").click()
    given = dialog.locator("[data-pass]")
    expect(given).to_contain_text("团山村")

    watching.goto("/meetings/recordings")
    watching.locator("[data-act=play]").first.click()
    expect(watching.locator(".page")).to_have_attribute("data-running", "true")
    plays(watching)
    # Nothing but watching is offered to whom it was passed on.
    for act in ("file", "hold", "pass"):
        expect(watching.locator(f".head [data-act={act}]")).to_have_count(0)

    # Withdrawn: whoever watches by it is cut off, and told why.
    given.locator("[data-act=revoke]").click()
    desk.get_by_role("dialog").get_by_role("button", name="撤回").last.click()
    expect(watching.get_by_text("请让会议主持人把录像转发到您的单位")).to_be_visible(
        timeout=JOINED_MS
    )


@pytest.fixture(scope="module")
def convener(console: Any, township: Township) -> dict[str, Any]:
    """The storage state of who leads the township's meetings, and may export no camera."""
    grants = [{"role": "convener", "area_id": township.area_id}]
    form = {"name": "convener", "display_name": "镇办公室", "enabled": True, "password": _PASSWORD}
    console.call("POST", "/api/users", {**form, "area_id": township.area_id, "grants": grants})
    return _sign_in(console.url, "convener")


def test_the_mp4_is_taken_away_by_who_may_export_the_cameras_in_it(
    console: Any, meeting: str, sit: Sit, cameras: Any, convener: Any, watch: Any,
    wait_until: Callable[..., Any],
) -> None:  # fmt: skip
    # A page that is told the end asks whether the meeting goes on elsewhere.
    watch.expected_errors.append("status of 409")
    console.call("POST", f"/api/meetings/{meeting}/recordings")
    console.call("POST", f"/api/meetings/{meeting}/invite", {"camera_ids": [cameras[0]["id"]]})
    chair = sit()
    enter(chair, meeting)
    wait_until("a picture", lambda: seconds_of(recorded(console, meeting), "program") > 5)
    console.call("POST", f"/api/meetings/{meeting}/end")
    page_of = f"/meetings/recordings/{meeting}/{recorded(console, meeting)['id']}"

    # Who leads, and may not export the camera, is told which one it is; nothing can be ordered.
    other = sit(state=convener)
    other.goto(page_of)
    plays(other)
    other.locator("[data-act=file]").click()
    dialog = other.get_by_role("dialog")
    expect(dialog.locator("[data-part=withheld]")).to_contain_text(cameras[0]["name"])
    expect(dialog.locator("button[type=submit]")).to_be_disabled()

    # Before it is passed on, the cameras whose pictures go along are named.
    dialog.locator(".el-button").first.click()
    other.locator(".head [data-act=pass]").click()
    expect(other.locator("[data-part=cameras]")).to_contain_text(cameras[0]["name"])

    desk = sit()
    desk.goto(page_of)
    desk.locator("[data-act=file]").click()
    desk.get_by_role("dialog").locator("button[type=submit]").click()
    download = desk.locator("[data-act=download]")
    expect(download).to_be_visible(timeout=150_000)
    with desk.expect_download(timeout=JOINED_MS) as taken:
        download.click()
    head = taken.value.path().read_bytes()[:12]
    assert head[4:8] == b"ftyp"

    # Held: neither retention nor want of space takes it, until that is ended.
    desk.locator("[data-act=hold]").click()
    dialog = desk.get_by_role("dialog").filter(has=desk.locator("textarea[name=words]"))
    dialog.locator("textarea[name=words]").fill("巡察调取")
    dialog.locator("button[type=submit]").click()
    expect(desk.locator("[data-act=release]")).to_be_visible(timeout=JOINED_MS)
    assert recorded(console, meeting)["held"]["reason"] == "巡察调取"
    desk.locator("[data-act=release]").click()
    desk.get_by_role("dialog").get_by_role("button", name="解除封存").click()
    expect(desk.locator("[data-act=hold]")).to_be_visible(timeout=JOINED_MS)
    assert recorded(console, meeting)["held"] is None
