"""The cameras page: areas, addresses for other players, a clock that is off; and the queue."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import REPOSITORY, Console, serve_demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SIZES = [(1366, 768), (390, 844)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def wrong_clock_url() -> Iterator[str]:
    """A camera that says that it is eight hours later than it is."""
    camera = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "tests/peers/wrong_clock_camera.py")],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        text=True,
    )
    assert camera.stdout is not None
    yield camera.stdout.readline().strip()
    camera.kill()
    camera.wait()


@pytest.fixture(scope="module")
def restreaming_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A gateway of its own, where restreaming is on and one stream at a time is transcoded."""
    with serve_demo(
        tmp_path_factory.mktemp("restreaming"),
        GRIDSIGHT_RESTREAM__ENABLED="true",
        GRIDSIGHT_RESTREAM__PORT=str(free_port()),
        GRIDSIGHT_TRANSCODER__WORKERS="1",
    ) as gateway:
        yield gateway


def add_camera(
    console: Any, cameras: list[dict[str, Any]], name: str, url: str, **more: Any
) -> Any:
    body = {
        "name": name,
        "area_id": cameras[0]["area_id"],
        "main_url": url,
        "transport": "tcp",
        "record": "continuous",
        "enabled": True,
        **more,
    }
    return console.call("POST", "/api/cameras", body)


def test_a_clock_that_is_off_is_shown_everywhere_and_accepted(
    console: Any,
    cameras: list[dict[str, Any]],
    new_page: Callable[..., Page],
    wrong_clock_url: str,
) -> None:
    camera = add_camera(console, cameras, "钟楼", wrong_clock_url)
    try:
        page = new_page()
        page.goto("/cameras")
        row = page.locator("tbody tr").filter(has_text="钟楼")
        expect(row).to_contain_text("摄像机时钟偏差 +8 小时", timeout=30_000)
        tiles = [{"camera_id": camera["id"], "quality": "auto"}]
        console.call("PUT", "/api/wall/1", {"document": {"grid": "2x2", "tiles": tiles}})
        for locale, words in (
            ("zh-CN", "摄像机时钟偏差 +8 小时"),
            ("en", "Camera clock off by +8 h"),
        ):
            for width, height in SIZES:
                size = {"width": width, "height": height}
                other = new_page(locale=locale, viewport=size)
                other.goto("/wall")
                tile = other.locator(f'.tile[data-camera="{camera["id"]}"]')
                expect(tile).to_contain_text(words, timeout=20_000)
                other.goto(f"/playback?camera={camera['id']}")
                expect(other.locator(".tile").first).to_contain_text(words, timeout=20_000)
                other.context.close()
        row.get_by_role("button", name="接受").click()
        confirm = page.locator(".el-message-box")
        expect(confirm).to_contain_text("NTP")
        confirm.get_by_role("button", name="接受").click()
        expect(page.get_by_text("已接受")).to_be_visible()
        expect(row).not_to_contain_text("时钟偏差", timeout=20_000)
        records = console.call("GET", f"/api/audit?camera_id={camera['id']}")["items"]
        assert "camera.accept_clock" in [one["action"] for one in records]
    finally:
        console.call("DELETE", f"/api/cameras/{camera['id']}")


def test_areas_are_added_renamed_moved_and_deleted_when_empty(
    cameras: list[dict[str, Any]], page: Page, watch: Any
) -> None:
    watch.expected_errors.append("status of 409")
    page.goto("/areas")
    form = page.get_by_role("dialog")
    tree = page.get_by_role("tree")

    def row(name: str) -> Locator:
        return tree.locator(".row.is-area").filter(has_text=name)

    def add(name: str) -> None:
        page.get_by_role("button", name="添加顶层").click()
        form.locator('input[name="area-name"]').fill(name)
        form.get_by_role("button", name="保存").click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()

    def delete(name: str) -> None:
        row(name).click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        page.locator("section").get_by_role("button", name="删除").click()
        page.locator(".el-message-box").get_by_role("button", name="删除").click()

    add("甲镇")
    add("乙村")
    page.get_by_role("button", name="修改", exact=True).click()
    form.locator('input[name="area-name"]').fill("丙村")
    form.get_by_label("上级").click()
    page.keyboard.type("jia")
    page.locator(".el-select-dropdown__item:visible").filter(has_text="甲镇").click()
    form.get_by_role("button", name="保存").click()
    expect(page.locator(".way")).to_have_text("甲镇 / 丙村")
    delete("甲镇")
    expect(page.get_by_text("此区域下还有下级区域")).to_be_visible()
    delete("丙村")
    expect(row("丙村")).to_have_count(0)
    delete("甲镇")
    expect(row("甲镇")).to_have_count(0)
    delete(cameras[0]["area_path"][-1])
    expect(page.get_by_text("此区域里还有摄像机")).to_be_visible()


def test_another_device_takes_a_cameras_place_and_its_id_stays(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    camera = add_camera(console, cameras, "后门", "rtsp://127.0.0.1:9/old")
    try:
        page.goto("/cameras")
        row = page.locator(".cameras tbody tr").filter(has_text="后门")
        row.get_by_role("button", name="更多").click()
        page.get_by_role("menuitem", name="更换设备").click()
        dialog = page.get_by_role("dialog", name="更换设备：后门")
        expect(dialog.locator(".history li")).to_have_count(1)
        dialog.locator('input[name="main-url"]').fill(cameras[0]["main_url"])
        dialog.get_by_label("型号").fill("DS-2CD3T47")
        dialog.get_by_role("button", name="更换设备").click()
        expect(row).to_contain_text("在线", timeout=20_000)
        path = f"/api/cameras/{camera['id']}"
        assert console.call("GET", path)["main_url"] == cameras[0]["main_url"]
        row.get_by_role("button", name="更多").click()
        page.get_by_role("menuitem", name="更换设备").click()
        expect(dialog.locator(".history li")).to_have_count(2)
        expect(dialog.locator(".history li").first).to_contain_text("DS-2CD3T47")
        expect(dialog.locator(".history li").last).to_contain_text("127.0.0.1:9/old")
    finally:
        console.call("DELETE", f"/api/cameras/{camera['id']}")


def test_where_restreaming_is_off_the_dialog_says_so(
    cameras: list[dict[str, Any]], page: Page
) -> None:
    page.goto("/cameras")
    row = page.locator("tbody tr").filter(has_text=cameras[0]["name"])
    row.get_by_role("button", name="转发给其他播放器").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("RTSP 转发没有启用")
    expect(dialog).to_contain_text("restream")
    expect(dialog.locator("textarea")).to_have_count(0)


def test_an_address_for_other_players_is_made_played_and_withdrawn(
    restreaming_console: Console, chromium: Browser
) -> None:
    page = chromium.new_page(
        base_url=restreaming_console.url,
        storage_state=restreaming_console.storage_state,  # type: ignore[arg-type]
        locale="zh-CN",
    )
    page.goto("/cameras")
    page.get_by_role("button", name="转发给其他播放器").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="生成地址").click()
    expect(dialog.get_by_role("alert")).to_contain_text("请至少填写一个地址")
    dialog.locator("textarea").fill("127.0.0.1, gate")
    dialog.get_by_role("button", name="生成地址").click()
    expect(dialog.get_by_role("alert")).to_contain_text("gate")
    dialog.locator("textarea").fill("127.0.0.1")
    dialog.get_by_role("button", name="生成地址").click()
    address = dialog.locator("input.url")
    expect(address).to_be_visible()
    probe = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries"]
    probe += ["stream=codec_name", "-of", "csv=p=0", address.input_value()]
    played = subprocess.run(probe, capture_output=True, text=True, timeout=40, check=False)
    assert "h264" in played.stdout, played.stderr
    dialog.get_by_role("button", name="复制").click()
    expect(page.get_by_text("已复制")).to_be_visible()
    expect(dialog.locator(".valid li")).to_contain_text("127.0.0.1")
    dialog.get_by_role("button", name="收回").click()
    expect(dialog.get_by_text("此摄像机没有生效的转发")).to_be_visible()
    refused = subprocess.run(probe, capture_output=True, text=True, timeout=40, check=False)
    assert refused.returncode != 0
    page.close()


@pytest.fixture
def h265_urls(pedestrians_h265: Path) -> Iterator[list[str]]:
    """Two cameras that send H.265, by GStreamer's server."""
    peer = REPOSITORY / "tests/peers/gstreamer_camera.py"
    command = ["/usr/bin/python3", str(peer), str(pedestrians_h265), "h265"]
    servers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    yield [server.stdout.readline().strip() for server in servers if server.stdout is not None]
    for server in servers:
        server.terminate()
        server.wait(10)


@pytest.mark.gstreamer
def test_who_waits_for_the_transcoder_sees_the_place_and_starts_by_itself(
    restreaming_console: Console, chromium: Browser, h265_urls: list[str]
) -> None:
    console = restreaming_console
    known = console.call("GET", "/api/cameras?limit=10")["items"]
    names = ("甲口", "乙口")
    added = [
        add_camera(console, known, name, url, record="off")
        for name, url in zip(names, h265_urls, strict=True)
    ]
    tiles = [{"camera_id": camera["id"], "quality": "main"} for camera in added]
    console.call("PUT", "/api/wall/1", {"document": {"grid": "2x2", "tiles": tiles}})
    page = chromium.new_page(
        base_url=console.url,
        storage_state=console.storage_state,  # type: ignore[arg-type]
        locale="zh-CN",
    )
    page.add_init_script(
        "RTCRtpReceiver.getCapabilities = () => ({codecs: [], headerExtensions: []})"
    )
    failed: list[str] = []
    page.on(
        "response",
        lambda answer: (
            failed.append(f"{answer.status} {answer.url}") if answer.status == 422 else None
        ),
    )
    page.goto("/wall")
    waiting = page.locator('.tile[data-phase="queued"]')
    playing = page.locator('.tile[data-phase="playing"]')
    expect(playing).to_have_count(1, timeout=40_000)
    expect(waiting).to_contain_text("第 1 位，共 1 位", timeout=20_000)
    waiter = waiting.get_attribute("data-camera")
    assert failed == []
    playing.hover()
    playing.get_by_role("button", name="移出窗格").click()
    expect(page.locator(f'.tile[data-camera="{waiter}"]')).to_have_attribute(
        "data-phase", "playing", timeout=60_000
    )
    page.close()
    for camera in added:
        console.call("DELETE", f"/api/cameras/{camera['id']}")


def test_a_tile_says_at_once_that_its_camera_is_known_to_be_away(
    console: Any, cameras: list[dict[str, Any]], page: Page, watch: Any, wait_until: Any
) -> None:
    watch.expected_errors.append("status of 409")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        camera = add_camera(
            console, cameras, "河堤", f"rtsp://127.0.0.1:{closed.getsockname()[1]}/"
        )
        path = f"/api/cameras/{camera['id']}"
        try:
            wait_until(
                "the camera's state",
                lambda: console.call("GET", path)["states"]["main"]["state"] == "offline",
            )
            tiles = [{"camera_id": camera["id"], "quality": "auto"}]
            console.call("PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
            page.goto("/wall")
            tile = page.locator(".tile").first
            expect(tile).to_have_attribute("data-phase", "opening")
            expect(tile).to_contain_text("摄像机离线")
        finally:
            page.goto("/system")  # a tile whose camera is deleted would say so
            console.call("DELETE", path)


@pytest.mark.gstreamer
def test_playback_that_waits_for_the_transcoder_shows_the_place_and_starts_by_itself(
    restreaming_console: Console, chromium: Browser, h265_urls: list[str], wait_until: Any
) -> None:
    console = restreaming_console
    known = console.call("GET", "/api/cameras?limit=10")["items"]
    seen = add_camera(console, known, "丙口", h265_urls[0], record="off")
    kept = add_camera(console, known, "丁口", h265_urls[1])
    context = chromium.new_context(
        base_url=console.url,
        storage_state=console.storage_state,  # type: ignore[arg-type]
        locale="zh-CN",
    )
    context.add_init_script(
        "RTCRtpReceiver.getCapabilities = () => ({codecs: [], headerExtensions: []});"
        "const able = MediaSource.isTypeSupported.bind(MediaSource);"
        "MediaSource.isTypeSupported = type => !/hvc1|hev1/.test(type) && able(type);"
    )
    now_us = time.time_ns() // 1000
    line = f"/api/timeline?camera_id={kept['id']}&start_us={now_us}&end_us={now_us + 600_000_000}"
    span = wait_until(
        "ten seconds of footage",
        lambda: next(
            (
                one
                for one in console.call("GET", f"{line}&resolution_us=2000000")["spans"]
                if one["end_us"] - one["start_us"] > 10_000_000
            ),
            None,
        ),
    )
    tiles = [{"camera_id": seen["id"], "quality": "main"}]
    console.call("PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    wall = context.new_page()
    wall.goto("/wall")
    expect(wall.locator('.tile[data-phase="playing"]')).to_have_count(1, timeout=40_000)
    page = context.new_page()
    page.goto(f"/playback?camera={kept['id']}&at={span['start_us'] + 1_000_000}")
    tile = page.locator(".tile").first
    expect(tile).to_have_attribute("data-state", "queued", timeout=20_000)
    expect(tile).to_contain_text("第 1 位")
    wall.close()
    expect(tile).to_have_attribute("data-state", "ready", timeout=60_000)
    context.close()
    for camera in (seen, kept):
        console.call("DELETE", f"/api/cameras/{camera['id']}")
