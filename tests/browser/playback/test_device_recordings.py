"""Footage that only the camera's own recorder has: drawn as such, fetched and played on demand."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from gateway.identifiers import US_PER_S, now_us
from tests.browser.playback.conftest import Gateway
from tests.camera_adapters.rtsp.test_gstreamer import make_clip
from tests.peers.onvif_device import Habits, OnvifDevice
from tests.peers.processes import gstreamer_replay

pytestmark = [
    pytest.mark.browser,
    pytest.mark.gstreamer,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs Debian's Python"),
    pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg"),
]

# GStreamer's recordings begin on 1 January 1900; so the device's clock stands ten minutes later.
_1900_S = -2_208_988_800
AGO_S = 600
LENGTH_S = 20


@pytest.fixture
async def recorder(pedestrians_h264: Path, tmp_path: Path) -> AsyncIterator[OnvifDevice]:
    """A recorder that holds 20 s of ten minutes ago."""
    clip = make_clip(pedestrians_h264, tmp_path / "clip.mp4", LENGTH_S)
    with gstreamer_replay(clip, "h264") as url:
        habits = Habits(
            username="viewer",
            password="secret",
            skew_s=_1900_S + AGO_S - time.time(),
            recordings={1: [(_1900_S * US_PER_S, (_1900_S + LENGTH_S) * US_PER_S)]},
            replay=url,
        )
        async with OnvifDevice(habits) as device:
            yield device


def call(gateway: Gateway, method: str, path: str, body: Any = None) -> Any:
    answer = gateway.api.request(method, path, json=body).raise_for_status()
    return answer.json() if answer.content else None


@pytest.fixture
async def camera(gateway: Gateway, recorder: OnvifDevice) -> AsyncIterator[str]:
    """The recorder's one channel, as a camera that is not recorded here."""
    platform = await asyncio.to_thread(_add, gateway, recorder)
    path = f"/api/platforms/{platform['id']}"

    def is_online() -> bool:
        return bool(call(gateway, "GET", path)["state"]["state"] == "online")

    await asyncio.to_thread(gateway.until, "the recorder is online", is_online)
    chosen = {"area_id": platform["area_id"], "record": "off", "channels": [{"code": "vs_1"}]}
    taken = await asyncio.to_thread(call, gateway, "POST", f"{path}/cameras", chosen)
    yield str(taken["cameras"][0]["id"])
    await asyncio.to_thread(call, gateway, "DELETE", f"{path}?with_cameras=true")


def _add(gateway: Gateway, device: OnvifDevice) -> dict[str, Any]:
    form = {
        "kind": "onvif",
        "name": "村部录像机",
        "area_id": call(gateway, "GET", "/api/areas")["items"][0]["id"],
        "host": device.host,
        "port": device.port,
        "username": device.habits.username,
        "password": device.habits.password,
    }
    added: dict[str, Any] = call(gateway, "POST", "/api/platforms", form)
    return added


async def test_what_only_the_device_has_is_fetched_and_plays(
    gateway: Gateway, page: Page, recorder: OnvifDevice, camera: str
) -> None:
    at_us = now_us() - (AGO_S - 3) * US_PER_S
    query = f"camera_id={camera}&start_us={at_us - 60 * US_PER_S}&end_us={at_us + 60 * US_PER_S}"
    await page.goto(f"{gateway.url}/playback?camera={camera}&at={at_us}")
    tile = page.locator("section.tile")
    await page.wait_for_function(
        "() => document.querySelector('section.tile')?.dataset.state === 'ready'", timeout=90_000
    )
    assert await tile.get_attribute("data-camera-id") == camera
    timeline = await asyncio.to_thread(call, gateway, "GET", f"/api/timeline?{query}")
    assert [one["kind"] for one in timeline["added"]] in ([], ["borrowed"])

    # It plays as soon as there is something to play.
    await page.wait_for_function(
        "(from) => Number(document.querySelector('[data-position-us]').dataset.positionUs) > from",
        arg=at_us + 2 * US_PER_S,
        timeout=60_000,
    )
    # What was fetched is footage like any other: backwards, too.
    await page.keyboard.press("j")
    await page.wait_for_function(
        "(to) => Number(document.querySelector('[data-position-us]').dataset.positionUs) < to",
        arg=at_us + 1 * US_PER_S,
        timeout=60_000,
    )
