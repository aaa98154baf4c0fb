"""The live wall in headless Chromium, against a real gateway with real streams."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

DECODED = "video => video.getVideoPlaybackQuality().totalVideoFrames"


def fill(console: Any, cameras: list[dict[str, Any]], grid: str, screen: str = "1") -> None:
    """Have the screen show these cameras when it is opened."""
    tiles = [{"camera_id": camera["id"], "quality": "auto"} for camera in cameras]
    console.call("PUT", f"/api/wall/{screen}", {"document": {"grid": grid, "tiles": tiles}})


def playing(page: Page, camera_id: str, transport: str | None = None) -> Any:
    """The tile of the camera, once it plays."""
    tile = page.locator(f'.tile[data-camera="{camera_id}"]')
    expect(tile).to_have_attribute("data-phase", "playing", timeout=20_000)
    if transport is not None:
        expect(tile).to_have_attribute("data-transport", transport)
    return tile


def decodes_on(page: Page, tile: Any, more: int = 10) -> None:
    """Wait until that many further frames have been decoded."""
    handle = tile.locator("video").first.element_handle()
    now = handle.evaluate(DECODED)
    page.wait_for_function(
        "([video, frames]) => video.getVideoPlaybackQuality().totalVideoFrames > frames",
        arg=[handle, now + more],
        timeout=20_000,
    )


def test_four_cameras_play_by_webrtc_and_decode(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    fill(console, cameras, "2x2")
    page.goto("/wall")
    for camera in cameras:
        decodes_on(page, playing(page, camera["id"], "webrtc"))


def test_double_click_and_drag_put_cameras_on_the_wall_and_swap_them(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    fill(console, [], "2x2")
    page.goto("/wall")
    first, second = cameras[0], cameras[1]
    rows = page.locator(".row.is-camera")
    rows.filter(has_text=first["name"]).dblclick()
    playing(page, first["id"])
    rows.filter(has_text=second["name"]).drag_to(page.locator(".tile").nth(3))
    playing(page, second["id"])
    expect(page.locator(".tile").nth(3)).to_have_attribute("data-camera", second["id"])
    page.locator(".tile").nth(3).drag_to(page.locator(".tile").nth(0))
    expect(page.locator(".tile").nth(0)).to_have_attribute("data-camera", second["id"])
    expect(page.locator(".tile").nth(3)).to_have_attribute("data-camera", first["id"])


def test_the_screen_is_restored_after_a_power_cut(
    console: Any, cameras: list[dict[str, Any]], new_page: Callable[..., Page]
) -> None:
    fill(console, [], "2x2", screen="power")
    page = new_page()
    page.goto("/wall?screen=power")
    page.locator(".row.is-camera").filter(has_text=cameras[2]["name"]).dblclick()
    playing(page, cameras[2]["id"])
    with page.expect_response(lambda answer: "/api/wall/power" in answer.url):
        page.get_by_role("button", name="9 画面").click()
    page.context.close()

    again = new_page()
    again.goto("/wall?screen=power")
    playing(again, cameras[2]["id"])
    expect(again.locator(".tile")).to_have_count(9)


def test_a_layout_is_saved_shown_again_and_toured(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    for kind in ("tours", "layouts"):
        for item in console.call("GET", f"/api/{kind}")["items"]:
            console.call("DELETE", f"/api/{kind}/{item['id']}")
    fill(console, cameras[:1], "1x1")
    page.goto("/wall")
    playing(page, cameras[0]["id"])

    def save(name: str) -> None:
        page.get_by_role("button", name="布局").first.click()
        page.get_by_role("button", name="保存当前画面").click()
        page.locator('input[name="layout-name"]').fill(name)
        page.locator('input[name="layout-name"]').press("Enter")
        expect(page.get_by_text(f"布局“{name}”已保存")).to_be_visible()

    save("甲")
    page.keyboard.press("2")
    page.locator(".row.is-camera").filter(has_text=cameras[1]["name"]).dblclick()
    playing(page, cameras[1]["id"])
    save("乙")
    layouts = {item["name"]: item for item in console.call("GET", "/api/layouts")["items"]}
    assert layouts["甲"]["document"]["grid"] == "1x1"
    assert [tile and tile["camera_id"] for tile in layouts["乙"]["document"]["tiles"]] == [
        cameras[0]["id"],
        cameras[1]["id"],
        None,
        None,
    ]

    steps = [{"layout_id": layouts[name]["id"]} for name in ("甲", "乙")]
    console.call(
        "POST",
        "/api/tours",
        {"name": "夜", "shared": False, "document": {"dwell_s": 3, "steps": steps}},
    )
    page.reload()
    page.get_by_title("轮巡", exact=True).click()
    page.locator(".gs-popover").get_by_text("夜").click()
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator(".tile")).to_have_count(4, timeout=8000)
    expect(page.locator(".tile")).to_have_count(1, timeout=8000)


def test_every_main_action_has_a_key(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    fill(console, cameras, "2x2")
    page.goto("/wall")
    tiles = [playing(page, camera["id"]) for camera in cameras]
    page.locator(".wall").focus()

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".tile").nth(3)).to_have_class("tile is-focused")
    page.keyboard.press("Enter")
    expect(page.locator(".wall.has-maximised")).to_be_visible()
    expect(tiles[3]).to_have_attribute("data-variant", "main", timeout=10_000)
    expect(tiles[0]).to_have_attribute("data-phase", "paused", timeout=15_000)
    page.keyboard.press("Escape")
    playing(page, cameras[0]["id"])

    with page.expect_download() as download:
        page.keyboard.press("s")
    assert download.value.suggested_filename.endswith(".jpg")
    assert cameras[3]["name"] in download.value.suggested_filename

    page.keyboard.press("d")
    expect(page.locator(".statistics").first).to_contain_text("H.264")
    page.keyboard.press("d")
    page.mouse.move(0, 0)
    expect(page.locator(".statistics")).to_have_count(0)
    tiles[1].hover()
    expect(tiles[1].locator(".statistics")).to_contain_text("H.264")
    expect(page.locator(".statistics")).to_have_count(1)
    page.mouse.move(0, 0)

    page.keyboard.press("w")
    expect(page.locator("header.bar")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("header.bar")).to_be_visible()

    page.keyboard.press("b")
    note = page.locator('textarea[name="note"]')
    expect(note).to_be_focused()
    note.fill("白色面包车")
    note.press("Enter")
    expect(page.get_by_text("书签已保存")).to_be_visible()
    assert any(
        mark["note"] == "白色面包车"
        for mark in console.call("GET", f"/api/bookmarks?camera_id={cameras[3]['id']}")["items"]
    )

    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator(".tile").nth(2)).to_have_attribute("data-camera", cameras[3]["id"])
    page.keyboard.press("Delete")
    expect(page.locator(".tile").nth(2)).to_contain_text("空闲")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("键盘操作")).to_be_visible()


@pytest.mark.parametrize("key", ["r", "t"], ids=["30 s", "5 min"])
def test_the_last_moments_are_replayed_beside_live(
    console: Any,
    cameras: list[dict[str, Any]],
    page: Page,
    wait_until: Callable[..., Any],
    key: str,
) -> None:
    wait_until(
        "something recorded",
        lambda: console.call("GET", f"/api/cameras/{cameras[0]['id']}")["states"]["main"][
            "recording"
        ],
    )
    fill(console, cameras[:1], "1x1")
    page.goto("/wall")
    tile = playing(page, cameras[0]["id"])
    page.locator(".wall").focus()
    page.keyboard.press(key)
    replay = tile.locator(".replay-pane video").first
    expect(replay).to_be_attached(timeout=15_000)
    page.wait_for_function(
        "video => video.getVideoPlaybackQuality().totalVideoFrames > 5",
        arg=replay.element_handle(),
        timeout=20_000,
    )
    decodes_on(page, tile)
    page.keyboard.press("Escape")
    expect(tile.locator(".replay-pane")).to_have_count(0)


def test_a_clip_between_two_marks_is_downloaded_and_plays(
    console: Any, cameras: list[dict[str, Any]], page: Page, tmp_path: Any
) -> None:
    fill(console, cameras[:1], "1x1")
    page.goto("/wall")
    tile = playing(page, cameras[0]["id"])
    page.locator(".wall").focus()
    page.keyboard.press("i")
    decodes_on(page, tile, more=50)
    page.keyboard.press("o")
    # Fragments reach the disk a GOP late: give the last one its time.
    decodes_on(page, tile, more=75)
    page.get_by_role("button", name="开始导出").click()
    ready = page.get_by_role("button", name="下载证据包")
    expect(ready).to_be_visible(timeout=120_000)
    with page.expect_download() as download:
        ready.click()
    download.value.save_as(tmp_path / "clip.zip")
    with zipfile.ZipFile(tmp_path / "clip.zip") as package:
        name = next(one for one in package.namelist() if one.endswith(".mp4"))
        clip = package.extract(name, tmp_path)
    frames = subprocess.run(
        [
            *("ffprobe", "-v", "error", "-count_frames", "-select_streams", "v"),
            *("-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", clip),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(frames.stdout.strip().rstrip(",")) >= 20


def test_a_tile_recovers_after_its_shard_is_killed(
    console: Any, cameras: list[dict[str, Any]], page: Page, watch: Any
) -> None:
    watch.expected_errors += [r"/s/shard-1/", r"/api/", r"WebSocket", r"status of 50\d", "409"]
    fill(console, cameras[:2], "2x2")
    page.goto("/wall")
    tiles = [playing(page, camera["id"]) for camera in cameras[:2]]
    console.child("shard-1").kill()
    for tile in tiles:
        expect(tile).to_have_attribute("data-phase", "interrupted", timeout=20_000)
    expect(tiles[0].locator(".trouble")).to_contain_text("画面中断")
    expect(tiles[0].locator(".trouble")).to_contain_text("起")
    for camera, tile in zip(cameras, tiles, strict=False):
        expect(tile).to_have_attribute("data-phase", "playing", timeout=60_000)
        decodes_on(page, playing(page, camera["id"]))


def test_media_source_takes_over_where_udp_is_closed(
    console: Any,
    cameras: list[dict[str, Any]],
    new_page: Callable[..., Page],
    playwright_driver: Any,
) -> None:
    # A policy that many networks have: WebRTC may use UDP through a proxy only, so not at all.
    policy = "disable_non_proxied_udp"
    browser = playwright_driver.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            f"--force-webrtc-ip-handling-policy={policy}",
            f"--webrtc-ip-handling-policy={policy}",
        ],
    )
    try:
        fill(console, cameras[:2], "2x2")
        page = new_page(browser=browser)
        page.goto("/wall")
        for camera in cameras[:2]:
            decodes_on(page, playing(page, camera["id"], "mse"))
        delay_s = page.evaluate(
            "() => { const video = document.querySelector('.tile video');"
            " return video.buffered.end(video.buffered.length - 1) - video.currentTime }"
        )
        assert delay_s < 2.0
        page.context.close()
    finally:
        browser.close()


def test_media_source_takes_over_where_webrtc_is_missing(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    page.add_init_script("delete window.RTCPeerConnection")
    fill(console, cameras[:1], "1x1")
    page.goto("/wall")
    decodes_on(page, playing(page, cameras[0]["id"], "mse"))


def test_wheel_enlarges_and_drag_moves_the_picture(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    fill(console, cameras[:1], "1x1")
    page.goto("/wall")
    tile = playing(page, cameras[0]["id"])
    tile.hover()
    page.mouse.wheel(0, -400)
    expect(tile.locator(".chip").first).to_contain_text("×")
    before = tile.locator("video").first.evaluate("video => video.style.transform")
    box = tile.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 20)
    page.mouse.up()
    assert tile.locator("video").first.evaluate("video => video.style.transform") != before


def test_many_tiles_take_the_sub_stream_and_a_large_one_the_main(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    fill(console, cameras * 2, "3x3")
    page.goto("/wall")
    for tile in page.locator(".tile:not(.is-empty)").all():
        expect(tile).to_have_attribute("data-phase", "playing", timeout=30_000)
        expect(tile).to_have_attribute("data-variant", "sub")
    page.locator(".tile").nth(1).dblclick()
    large = page.locator(".tile").nth(1)
    expect(large).to_have_attribute("data-variant", "main", timeout=10_000)
    page.wait_for_function(
        "() => document.querySelectorAll('.tile video')[1].videoWidth === 768", timeout=20_000
    )


def test_a_camera_that_is_away_says_why_and_since_when(
    console: Any, cameras: list[dict[str, Any]], page: Page, watch: Any
) -> None:
    watch.expected_errors += ["status of 409", "status of 503"]
    camera = console.call(
        "POST",
        "/api/cameras",
        {
            "name": "没有这台",
            "area_id": cameras[0]["area_id"],
            "main_url": "rtsp://127.0.0.1:9/away",
            "transport": "tcp",
            "record": "continuous",
            "enabled": True,
        },
    )
    try:
        fill(console, [camera], "1x1")
        page.goto("/wall")
        trouble = page.locator(".tile .trouble")
        expect(trouble).to_contain_text("画面中断", timeout=30_000)
        expect(trouble).to_contain_text("摄像机离线")
        expect(trouble).to_contain_text("端口未开放")
        expect(trouble).not_to_contain_text("closed")
        expect(trouble).to_contain_text("自 ")
        expect(trouble.get_by_role("button", name="立即重试")).to_be_visible()
    finally:
        page.close()  # else it goes on trying, and is told that the camera is gone
        fill(console, [], "2x2")
        console.call("DELETE", f"/api/cameras/{camera['id']}")


def test_sound_is_heard_from_one_tile_at_a_time(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    with_sound = next(one for one in cameras if one["states"]["main"].get("audio_codec"))
    without = next(one for one in cameras if one["id"] != with_sound["id"])
    fill(console, [with_sound, without], "2x2")
    page.goto("/wall")
    playing(page, with_sound["id"])
    playing(page, without["id"])
    muted = "() => [...document.querySelectorAll('.tile video')].map(video => video.muted)"
    assert page.evaluate(muted) == [True, True]
    page.locator(".wall").focus()
    page.keyboard.press("m")
    assert page.evaluate(muted) == [False, True]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("m")
    assert page.evaluate(muted) == [True, False]


def test_another_screen_of_the_same_user_has_its_own_wall(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    fill(console, cameras[:1], "1x1", screen="1")
    fill(console, cameras[1:2], "1x1", screen="2")
    page.goto("/wall")
    playing(page, cameras[0]["id"])
    with page.expect_popup() as popup:
        page.get_by_role("button", name="在新窗口打开另一屏").click()
    playing(popup.value, cameras[1]["id"])
    playing(page, cameras[0]["id"])


@pytest.fixture
def h265_camera(console: Any, cameras: list[dict[str, Any]], pedestrians_h265: Path) -> Any:
    """A camera whose RTSP server is GStreamer's, with H.265 and G.711."""
    peer = Path(__file__).resolve().parents[1] / "peers" / "gstreamer_camera.py"
    server = subprocess.Popen(
        ["/usr/bin/python3", str(peer), str(pedestrians_h265), "h265", "alaw"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url.startswith("rtsp://")
        camera = console.call(
            "POST",
            "/api/cameras",
            {
                "name": "H.265 口",
                "area_id": cameras[0]["area_id"],
                "main_url": url,
                "transport": "tcp",
                "record": "off",
                "enabled": True,
            },
        )
        yield camera
        fill(console, [], "2x2")
        console.call("DELETE", f"/api/cameras/{camera['id']}")
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.gstreamer
def test_h265_plays_as_it_is_or_transcoded_as_the_browser_can(
    console: Any, h265_camera: dict[str, Any], page: Page
) -> None:
    # Pulled on demand: the gateway finds out that it is H.265 before it chooses, so that no attempt
    # has to fail first; ``watch`` would tell.
    fill(console, [h265_camera], "1x1")
    page.goto("/wall")
    tile = page.locator(f'.tile[data-camera="{h265_camera["id"]}"]')
    expect(tile).to_have_attribute("data-phase", "playing", timeout=60_000)
    decodes_on(page, tile)
    can = page.evaluate(
        "() => RTCRtpReceiver.getCapabilities('video').codecs"
        ".some(codec => codec.mimeType.toLowerCase() === 'video/h265')"
    )
    expect(tile).to_have_attribute("data-variant", "main" if can else "h264")
