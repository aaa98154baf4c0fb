"""Vehicle passes in Chromium: a foreign checkpoint tells by GA/T 1400, a person searches."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import REPOSITORY, Console, _free_port, serve_demo
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens
from tests.peers.gat1400_device import (
    CHECKPOINT,
    PASSWORD,
    Device,
    local_time,
    motor_vehicle,
    sub_image,
    vehicles,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PLATES = ("鄂H12345", "鄂HB8S01", "鄂HD90876", "湘A7K3M2")
COLORS, PLATE_COLORS = ("2", "4", "5", "1"), ("5", "6", "9", "5")


def street(count: int) -> list[bytes]:
    """Pictures of a street, as a checkpoint takes them."""
    pictures = []
    with av.open(str(REPOSITORY / "gateway/demo/crossing.mp4")) as clip:
        for number, frame in enumerate(clip.decode(video=0)):
            if number % 40 == 0:
                made = io.BytesIO()
                with av.open(made, "w", format="mjpeg") as output:
                    stream = output.add_stream("mjpeg", rate=1)
                    stream.width, stream.height, stream.pix_fmt = 640, 360, "yuvj420p"
                    small = frame.reformat(640, 360, "yuvj420p")
                    small.pts = None
                    output.mux([*stream.encode(small), *stream.encode(None)])
                pictures.append(made.getvalue())
            if len(pictures) == count:
                break
    return pictures


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A gateway that asks why one searches, and listens for checkpoints."""
    port = _free_port()
    settings = {
        "GRIDSIGHT_ACCOUNTABILITY__PLAYBACK_REASON": "true",
        "GRIDSIGHT_GAT1400__ENABLED": "true",
        "GRIDSIGHT_GAT1400__PORT": str(port),
        "GRIDSIGHT_GAT1400__CODE": "42088100002000000001",
    }
    with serve_demo(tmp_path_factory.mktemp("passes"), **settings) as gateway:
        gateway.gat1400_url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
        yield gateway


@pytest.fixture(scope="module")
def passes(console: Console) -> None:
    """Eight passes of a checkpoint that was added by hand."""
    area = console.call("GET", "/api/areas")["items"][0]["id"]
    platform = {
        "kind": "gat1400", "direction": "below", "name": "东门卡口", "area_id": area,
        "code": CHECKPOINT, "password": PASSWORD, "enabled": True, "options": {},
    }  # fmt: skip
    console.call("POST", "/api/platforms", platform)
    pictures = street(4)

    async def tell() -> None:
        async with Device(console.gat1400_url) as device:  # type: ignore[attr-defined]
            for _ in range(100):
                if await device.register() == 200:
                    break
                await asyncio.sleep(0.3)
            ape = {"ApeID": CHECKPOINT, "Name": "东门卡口 1 号", "IsOnline": "1"}
            await device.post("APEs", {"APEListObject": {"APEObject": [ape]}})
            for number in range(8):
                data = pictures[number % len(pictures)]
                images = [sub_image("01", data), sub_image("14", pictures[0])]
                one = motor_vehicle(
                    number, PlateNo=PLATES[number % 4], PassTime=local_time(number),
                    PlateColor=PLATE_COLORS[number % 4], VehicleColor=COLORS[number % 4],
                    SubImageList={"SubImageInfoObject": images},
                )  # fmt: skip
                (status,) = await device.post("MotorVehicles", vehicles(one))
                assert status["StatusCode"] == 0

    # Playwright has taken this thread's loop for its own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, tell()).result()


@pytest.fixture(autouse=True)
def asked(watch: Any) -> None:
    """The gateway's question comes as a refusal, which browsers note."""
    watch.expected_errors.append(r"status of 422.*/api/sightings\?")


def say_why(page: Page) -> None:
    """Answer the question that the first search asks."""
    page.get_by_role("dialog").locator("button[type=submit]").click()


def test_a_pass_is_found_by_its_plate_and_looked_at(
    console: Console, passes: None, page: Page, wait_until: Callable[..., Any]
) -> None:
    page.goto(f"{console.url}/sightings")
    expect(page.get_by_role("heading", name="过车记录")).to_be_visible()
    expect(page.get_by_text("填写条件后点击")).to_be_visible()
    # Nothing is searched before somebody says so and why.
    assert console.call("GET", "/api/audit?action=search.sightings")["items"] == []
    page.get_by_role("searchbox", name="车牌").fill("鄂HBBS0I")
    page.get_by_text("相似字符").click()
    page.get_by_role("button", name="查询").click()
    say_why(page)
    cards = page.locator(".card")
    expect(cards).to_have_count(2)
    expect(cards.first).to_contain_text("鄂H·B8S01")
    expect(cards.first).to_contain_text("红色面包车")
    expect(cards.first).to_contain_text("东门卡口 1 号")
    picture = cards.first.locator("img")
    expect(picture).to_be_visible()
    wait_until("the picture", lambda: picture.evaluate("one => one.naturalWidth") == 640)
    cards.first.get_by_role("button", name="查看详情").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img.large")).to_be_visible()
    expect(dialog).to_contain_text("54 km/h")
    dialog.get_by_role("tab", name="场景").click()
    large = dialog.locator("img.large")
    wait_until("the scene", lambda: large.evaluate("one => one.naturalWidth") == 640)
    page.keyboard.press("Escape")
    (searched,) = console.call("GET", "/api/audit?action=search.sightings")["items"]
    assert searched["reason_code"] == "incident"
    looks = console.call("GET", "/api/audit?action=sighting.picture")["items"]
    assert len(looks) >= 3
    assert {one["reason_code"] for one in looks} == {"incident"}


def test_nothing_found_says_what_to_do(console: Console, passes: None, page: Page) -> None:
    page.goto(f"{console.url}/sightings")
    page.get_by_role("searchbox", name="车牌").fill("粤Z00000")
    page.get_by_role("button", name="查询").click()
    say_why(page)
    expect(page.get_by_text("没有符合条件的记录")).to_be_visible()
    # All of them, of the same visit: the reason stands.
    page.get_by_role("button", name="清除条件").click()
    page.get_by_role("button", name="查询").click()
    expect(page.locator(".card")).to_have_count(8)


def test_who_will_not_say_why_finds_nothing(console: Console, passes: None, page: Page) -> None:
    page.goto(f"{console.url}/sightings")
    page.get_by_role("button", name="查询").click()
    page.get_by_role("dialog").get_by_role("button", name="暂不").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.get_by_role("alert")).to_be_visible()


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_it_fits_every_screen(
    console: Console, passes: None, new_page: Callable[..., Page], locale: str, tmp_path: Path
) -> None:
    page = new_page(locale=locale)
    page.goto("/sightings")
    page.locator(".filter button[type=submit]").click()
    say_why(page)
    expect(page.locator(".card")).to_have_count(8)
    expect(page.locator(".card img").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    for width in on_screens(page, DESK, LARGE_DESK, TELEPHONE):
        page.screenshot(path=str(tmp_path / f"{locale}-{width}.png"))
    page.locator(".card .picture").first.click()
    expect(page.get_by_role("dialog").locator("img.large")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    for width in on_screens(page, DESK, LARGE_DESK, TELEPHONE):
        page.screenshot(path=str(tmp_path / f"{locale}-{width}-details.png"))
