"""Devices in the console: an ONVIF camera by the wizard, channels, steering by keys, alarms."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.peers.onvif_device import OnvifDevice
from tests.peers.onvif_terms import Habits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PASSWORD = "county 2026"


@contextlib.contextmanager
def devices(*habits: Habits) -> Iterator[list[OnvifDevice]]:
    """ONVIF devices, in a loop of their own while this thread is Playwright's."""
    made = [OnvifDevice(one) for one in habits]
    ready = threading.Event()
    stops: list[Callable[[], object]] = []

    async def run() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(over.set))
        async with contextlib.AsyncExitStack() as stack:
            for device in made:
                await stack.enter_async_context(device)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(20)
    try:
        yield made
    finally:
        stops[0]()
        thread.join(20)


@pytest.fixture
def stream(cameras: list[dict[str, Any]]) -> str:
    """Where the pictures of the devices come from: a demo camera's address, for each channel."""
    return str(cameras[0]["main_url"])


def add_device(console: Any, wait_until: Callable[..., Any], name: str, port: int) -> Any:
    """A platform that has given its channels."""
    area = console.call("GET", "/api/areas")["items"][0]["id"]
    form = {
        "kind": "onvif",
        "direction": "below",
        "name": name,
        "area_id": area,
        "host": "127.0.0.1",
        "port": port,
        "username": "admin",
        "password": PASSWORD,
    }
    platform = console.call("POST", "/api/platforms", form)

    def described() -> Any:
        one = console.call("GET", f"/api/platforms/{platform['id']}")
        return one if one["state"]["catalog"].get("state") == "complete" else None

    return wait_until("its channels", described)


def forget(console: Any, *names: str) -> None:
    for one in console.call("GET", "/api/platforms?limit=500")["items"]:
        if one["name"] in names:
            console.call("DELETE", f"/api/platforms/{one['id']}?with_cameras=true")


def take_over(console: Any, platform: Any) -> Any:
    path = f"/api/platforms/{platform['id']}"
    code = console.call("GET", f"{path}/channels")["items"][0]["code"]
    body = {"area_id": platform["area_id"], "record": "off", "channels": [{"code": code}]}
    return console.call("POST", f"{path}/cameras", body)["cameras"][0]


def operator(console: Any, name: str, priority: int) -> tuple[str, str]:
    """An account that may steer everywhere, and its password."""
    made = console.call("POST", "/api/users", {"name": name, "display_name": name.title()})
    grant = {"user_id": made["id"], "role": "operator", "area_id": "*", "ptz_priority": priority}
    console.call("POST", "/api/grants", grant)
    return made["id"], made["one_time_password"]


def sign_in(page: Page, name: str, once: str) -> None:
    """As a person who was given a one-time password, changing it as asked."""
    new = "a long and plain sentence 8"
    headers = {"X-Gridsight": "1"}
    page.request.post("/api/session", data={"name": name, "password": once}, headers=headers)
    body = {"old_password": once, "new_password": new}
    assert page.request.post("/api/session/password", data=body, headers=headers).ok


def test_an_onvif_camera_is_added_by_the_wizard(
    console: Any, cameras: list[dict[str, Any]], page: Page, stream: str, watch: Any
) -> None:
    watch.expected_errors.append("status of 409")
    with devices(Habits(password=PASSWORD, rtsp=stream)) as (device,):
        try:
            page.goto("/platforms")
            page.get_by_role("button", name="注册设备").first.click()
            page.locator("textarea").fill("127.0.0.1")
            page.get_by_label("端口").fill(str(device.port))
            page.get_by_role("button", name="开始查找").click()
            expect(page.get_by_text("已找到 1 台")).to_be_visible(timeout=30_000)
            expect(page.get_by_text("查找完毕")).to_be_visible(timeout=30_000)
            page.get_by_role("button", name="下一步").click()
            expect(page.locator("tbody tr")).to_contain_text(["新设备"])
            page.get_by_role("button", name="下一步").click()

            # A wrong password is told, and costs the device one try.
            page.locator('input[name="device-password"]').fill("wrong")
            page.get_by_role("button", name="测试 1 台").click()
            row = page.locator("tbody tr")
            expect(row).to_contain_text("密码被拒", timeout=30_000)
            assert device.wrong_passwords == 1
            page.locator('input[name="device-password"]').fill(PASSWORD)
            page.get_by_role("button", name="测试 1 台").click()
            expect(row).to_contain_text("通过", timeout=30_000)
            expect(row).to_contain_text("H.264", timeout=30_000)

            page.get_by_role("button", name="下一步").click()
            page.get_by_label("名称").fill("向导添加的摄像机")
            page.locator(".gs-tools .area").click()
            page.locator(".el-select-dropdown__item:visible").first.click()
            page.get_by_role("button", name="添加 1 台设备、1 台摄像机").click()
            expect(page.get_by_text("全部添加完成")).to_be_visible(timeout=60_000)
            expect(page.get_by_text("新添加的摄像机（1）")).to_be_visible()
            picture = page.locator(".picture img")
            expect(picture).to_be_visible(timeout=60_000)
            page.wait_for_function(
                "() => document.querySelector('.picture img').naturalWidth > 100", timeout=30_000
            )
            found = console.call("GET", "/api/cameras?limit=100")["items"]
            added = next(one for one in found if one["name"] == "向导添加的摄像机")
            assert added["platform_id"] is not None
        finally:
            forget(console, "向导添加的摄像机")


def test_what_the_wizard_has_found_outlives_a_reload_without_the_password(page: Page) -> None:
    page.goto("/platforms/register")
    page.get_by_label("添加此地址").fill("192.0.2.7:8000")
    page.get_by_role("button", name="添加此地址").click()
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("button", name="下一步").click()
    page.locator('input[name="device-password"]').fill("never stored")
    page.reload()
    expect(page.locator("tbody tr")).to_contain_text(["192.0.2.7:8000"])
    stored = page.evaluate("() => JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert "192.0.2.7" in stored and "never stored" not in stored


def test_channels_of_a_recorder_become_cameras(
    console: Any,
    cameras: list[dict[str, Any]],
    wait_until: Callable[..., Any],
    page: Page,
    stream: str,
) -> None:
    with devices(Habits(password=PASSWORD, channels=3, rtsp=stream)) as (device,):
        try:
            platform = add_device(console, wait_until, "三路录像机", device.port)
            page.goto("/platforms")
            page.get_by_role("link", name="三路录像机").click()
            rows = page.get_by_role("treeitem")
            expect(rows).to_have_count(3)
            # By keys alone: down to the second, space chooses.
            rows.first.focus()
            page.keyboard.press("Space")
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Space")
            expect(page.get_by_text("已选 2 个")).to_be_visible()
            page.get_by_role("button", name="转为摄像机…").click()
            dialog = page.get_by_role("dialog")
            dialog.locator("tbody input").first.fill("改名的通道")
            dialog.get_by_role("button", name="添加摄像机").click()
            expect(page.get_by_text("已添加 2 台摄像机")).to_be_visible(timeout=20_000)
            expect(page.get_by_role("link", name="查看画面")).to_have_count(2)
            page.get_by_label("已转为摄像机").select_option(label="未转为摄像机")
            expect(rows).to_have_count(1)
            found = console.call("GET", "/api/cameras?limit=100")["items"]
            ours = [one for one in found if one["platform_id"] == platform["id"]]
            assert len(ours) == 2
            assert "改名的通道" in [one["name"] for one in ours]
        finally:
            forget(console, "三路录像机")


def test_an_encoder_is_read_and_changed_in_the_device(
    console: Any,
    cameras: list[dict[str, Any]],
    wait_until: Callable[..., Any],
    page: Page,
    stream: str,
) -> None:
    with devices(Habits(password=PASSWORD, rtsp=stream)) as (device,):
        try:
            platform = add_device(console, wait_until, "编码器", device.port)
            take_over(console, platform)
            page.goto(f"/platforms/{platform['id']}")
            page.get_by_role("button", name="编码参数").click()
            dialog = page.get_by_role("dialog")
            bitrate = dialog.get_by_label("码率（kbit/s）")
            expect(bitrate).to_have_value("4096")
            change = dialog.get_by_role("button", name="写入设备")
            expect(change).to_be_disabled()
            bitrate.fill("2048")
            bitrate.blur()
            change.click()
            expect(page.get_by_text("设备已采用新参数")).to_be_visible()
            expect(change).to_be_disabled()
            assert device.encoders["enc_1_main"]["kbps"] == 2048
            assert device.encoders["enc_1_sub"]["kbps"] == 512
        finally:
            forget(console, "编码器")


def test_a_camera_is_steered_by_keys_and_taken_over_by_higher_priority(
    console: Any,
    cameras: list[dict[str, Any]],
    wait_until: Callable[..., Any],
    new_page: Callable[..., Page],
    stream: str,
    watch: Any,
) -> None:
    watch.expected_errors.append("status of 409")
    people: list[str] = []
    pages: list[Page] = []
    with devices(Habits(password=PASSWORD, rtsp=stream)) as (device,):
        try:
            camera = take_over(console, add_device(console, wait_until, "球机", device.port))
            for name, priority in (("lowly", 20), ("highly", 80)):
                user_id, once = operator(console, name, priority)
                people.append(user_id)
                page = new_page(signed_in=False)
                sign_in(page, name, once)
                tiles = [{"camera_id": camera["id"], "quality": "auto"}]
                page.request.put(
                    "/api/wall/1",
                    data={"document": {"grid": "1x1", "tiles": tiles}},
                    headers={"X-Gridsight": "1"},
                )
                page.goto("/wall")
                expect(page.locator(".tile[data-phase='playing']")).to_be_visible(timeout=60_000)
                page.keyboard.press("c")
                expect(page.locator(".ptz .holder")).to_be_visible(timeout=20_000)
                pages.append(page)
            low, high = pages

            def moves() -> list[str]:
                return [one for one in device.moves if one.startswith("ContinuousMove")]

            low.keyboard.down("ArrowRight")
            wait_until("a movement", moves)
            assert "PanTilt=0.5,0" in moves()[0].replace("0.0", "0")
            expect(low.locator(".ptz")).to_have_attribute("data-own", "true")
            # It is renewed while the key is held, and stopped when it comes up.
            wait_until("a renewal", lambda: len(moves()) >= 3)
            assert not any(one.startswith("Stop") for one in device.moves)
            low.keyboard.up("ArrowRight")
            wait_until("a stop", lambda: device.moves[-1].startswith("Stop"))

            holder = high.locator(".ptz .holder")
            expect(holder).to_contain_text("Lowly 控制中（优先级 20", timeout=20_000)
            holder.get_by_role("button", name="接管").click()
            expect(holder).to_contain_text("您正在控制")
            theirs = low.locator(".ptz .holder")
            expect(theirs).to_contain_text("Highly 控制中（优先级 80", timeout=20_000)
            expect(theirs).to_contain_text("您的优先级为 20")
            before = len(device.moves)
            low.keyboard.press("ArrowLeft")
            high.keyboard.press("2")
            wait_until("the preset", lambda: any("GotoPreset" in one for one in device.moves))
            assert not any(one.startswith("ContinuousMove") for one in device.moves[before:])
            holder.get_by_role("button", name="释放").click()
            expect(theirs).to_contain_text("空闲", timeout=20_000)

            # The hand that leaves the window lets go.
            low.keyboard.down("ArrowUp")
            before = len(device.moves)
            wait_until("a movement", lambda: len(device.moves) > before or moves()[-1:])
            low.evaluate("() => window.dispatchEvent(new Event('blur'))")
            wait_until("a stop", lambda: device.moves[-1].startswith("Stop"))
        finally:
            # What they watch is not to end under their eyes.
            for page in pages:
                page.context.close()
            for user_id in people:
                console.call("DELETE", f"/api/users/{user_id}")
            forget(console, "球机")


def test_an_alarm_comes_by_itself_and_is_acknowledged(
    console: Any,
    cameras: list[dict[str, Any]],
    wait_until: Callable[..., Any],
    page: Page,
    stream: str,
) -> None:
    page.goto("/alarms")
    expect(page.get_by_role("heading", name="报警与事件")).to_be_visible()
    try:
        with devices(Habits(password="another", rtsp=stream)) as (device,):
            area = console.call("GET", "/api/areas")["items"][0]["id"]
            form = {
                "kind": "onvif",
                "direction": "below",
                "name": "拒绝密码的设备",
                "area_id": area,
                "host": "127.0.0.1",
                "port": device.port,
                "username": "admin",
                "password": PASSWORD,
            }
            console.call("POST", "/api/platforms", form)
            row = page.locator("tbody tr").filter(has_text="拒绝密码的设备")
            expect(row).to_contain_text("密码被拒", timeout=60_000)
            expect(page.locator(".bell .count")).not_to_be_empty()
            waiting = int(page.locator(".bell .count").inner_text())
            row.get_by_role("button", name="确认").click()
            page.locator('textarea[name="alarm-note"]').fill("已通知运维")
            page.get_by_role("dialog").get_by_role("button", name="确认").click()
            expect(row).to_contain_text("已通知运维")
            left = str(waiting - 1) if waiting > 1 else None
            if left is None:
                expect(page.locator(".bell .count")).to_have_count(0, timeout=10_000)
            else:
                expect(page.locator(".bell .count")).to_have_text(left, timeout=10_000)
            records = console.call("GET", "/api/audit?action=alarm.")["items"]
            assert any(one["action"] == "alarm.acknowledge" for one in records)
    finally:
        forget(console, "拒绝密码的设备")


def test_a_diagnosis_shows_each_step_as_it_ends(cameras: list[dict[str, Any]], page: Page) -> None:
    page.goto("/cameras")
    row = page.locator("tbody tr").filter(has_text=cameras[0]["name"]).first
    row.get_by_role("button", name="更多").click()
    page.locator(".el-dropdown-menu__item:visible").filter(has_text="诊断").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator('[data-step="reach"][data-result="ok"]')).to_be_visible(timeout=20_000)
    expect(dialog.locator(".is-coming").first).to_be_visible()
    expect(dialog.locator('[data-step="recording"]')).to_contain_text("正在录像", timeout=40_000)
    expect(dialog.locator(".is-coming")).to_have_count(0)
    expect(dialog.locator(".verdict")).not_to_contain_text("正在检查")
