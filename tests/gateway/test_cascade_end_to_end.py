"""Two gateways, the lower registered with the upper across a network: live, replay, steering."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers.far_network import FarNetwork, far_network, ip
from tests.peers.onvif_device import Habits, OnvifDevice
from tests.peers.running_gateway import Gateway, running_gateway
from tests.peers.sipp_device import free_udp_port

UPPER, LOWER = "42088100002000000001", "42088100002000000002"
PASSWORD = "a secret between platforms"
SECOND = 1_000_000
# Two whole gateways on a machine that may have other things to do.
PATIENCE_S = 120.0


@dataclass
class Both:
    """``link`` is the lower platform as the upper one sees it; ``device`` a camera of the lower
    one that moves, ``moving`` that camera's name.
    """

    upper: Gateway
    lower: Gateway
    link: dict[str, Any]
    device: OnvifDevice
    moving: str = "球机"


async def area_of(gateway: Gateway) -> str:
    return str((await gateway.get("/api/areas"))["items"][0]["id"])


async def both_running(
    stack: AsyncExitStack, network: FarNetwork, folder: Path, transport: str
) -> Both:
    """The upper one here, the lower one on the far side of the link, one device here too."""
    port = free_udp_port(network.ours)
    upper = await stack.enter_async_context(
        running_gateway(
            folder / "upper",
            GB28181__ADDRESS=network.ours,
            GB28181__PORT=str(port),
            GB28181__CODE=UPPER,
        )
    )
    lower = await stack.enter_async_context(
        running_gateway(
            folder / "lower",
            namespace=network.namespace,
            LISTEN__ADDRESS=network.theirs,
            TLS__CERTIFICATES="off",
            CASCADE__ADDRESS=network.theirs,
            GB28181__CODE=LOWER,
            GB28181__MEDIA_ADDRESS=network.theirs,
            RECORDING__SEGMENT_S="10",
        )
    )
    habits = Habits(rtsp=f"rtsp://{network.ours}:9/nothing")
    device = await stack.enter_async_context(OnvifDevice(habits, host=network.ours))
    await with_a_camera_that_moves(lower, device, "球机")
    link = await upper.post(
        "/api/platforms",
        {
            "kind": "gb28181",
            "name": "下级平台",
            "code": LOWER,
            "password": PASSWORD,
            "area_id": await area_of(upper),
            "options": {"media_transport": transport},
        },
    )
    above = await lower.post(
        "/api/platforms",
        {
            "kind": "gb28181",
            "direction": "above",
            "name": "上级平台",
            "code": UPPER,
            "area_id": await area_of(lower),
            "host": network.ours,
            "port": port,
            "username": LOWER,
            "password": PASSWORD,
            "options": {"may_playback": True, "may_download": True, "may_steer": True},
        },
    )
    shares = {"area_ids": [await area_of(lower)], "camera_ids": []}
    url = f"{lower.url}/api/platforms/{above['id']}/shares"
    async with lower.client.put(url, json=shares) as response:
        assert response.status == 200, await response.text()
    return Both(upper, lower, link, device)


async def with_a_camera_that_moves(gateway: Gateway, device: OnvifDevice, name: str) -> None:
    area = await area_of(gateway)
    form = {
        "kind": "onvif",
        "name": name,
        "area_id": area,
        "host": device.host,
        "port": device.port,
        "username": device.habits.username,
        "password": device.habits.password,
    }
    added = await gateway.post("/api/platforms", form)
    path = f"/api/platforms/{added['id']}"

    async def is_online() -> bool:
        return bool((await gateway.get(path))["state"]["state"] == "online")

    await gateway.until(is_online)
    chosen = {"area_id": area, "channels": [{"code": "vs_1", "name": name}]}
    await gateway.post(f"{path}/cameras", chosen)


async def channels_of(both: Both) -> dict[str, dict[str, Any]]:
    """The lower platform's cameras as the upper one knows them, by name."""
    answer = await both.upper.get(f"/api/platforms/{both.link['id']}/channels")
    return {one["name"]: one for one in answer["items"] if one["kind"] == "camera"}


async def taken_over(both: Both, code: str, record: str = "off") -> str:
    """A camera of the upper gateway made of a channel."""
    taken = await both.upper.post(
        f"/api/platforms/{both.link['id']}/cameras",
        {"area_id": await area_of(both.upper), "record": record, "channels": [{"code": code}]},
    )
    return str(taken["cameras"][0]["id"])


async def shows_a_picture(gateway: Gateway, camera: str) -> bool:
    async with gateway.client.get(f"{gateway.url}/api/cameras/{camera}/snapshot.jpg") as response:
        return response.status == 200 and (await response.read()).startswith(b"\xff\xd8\xff")


async def recorded_below(both: Both, camera: str) -> int:
    """An instant that the lower gateway has recorded, and the upper one has not."""
    now_us = time.time_ns() // 1000
    query = {"camera_id": camera, "start_us": now_us - 60 * SECOND, "end_us": now_us}
    assert (await both.upper.get("/api/timeline", **query))["spans"] == []
    known = await both.upper.get("/api/timeline/device", **query)
    assert known["state"] == "known", known
    whole: int = max(one["start_us"] for one in known["recordings"])
    return whole


async def plays_what_is_recorded_below(both: Both, camera: str) -> None:
    own = (await both.lower.get("/api/cameras"))["items"]
    original = next(one["id"] for one in own if one["name"] == "校园路口 东")

    async def is_stored() -> bool:
        now_us = time.time_ns() // 1000
        query = {"camera_id": original, "start_us": now_us - 3600 * SECOND, "end_us": now_us}
        found = await both.lower.get("/api/timeline", **query)
        return sum(one["end_us"] - one["start_us"] for one in found["spans"]) > 15 * SECOND

    await both.lower.until(is_stored, PATIENCE_S)
    at_us = await recorded_below(both, camera) + SECOND
    minutes = {"start_us": at_us - 60 * SECOND, "end_us": at_us + 60 * SECOND}
    session = await both.upper.post("/api/playback", {"camera_ids": [camera], **minutes})
    await both.upper.post(f"/s/{session['server']}/sessions", {"ticket": session["ticket"]})
    base = both.upper.url + session["cameras"][0]["base_url"]

    async def is_fetched() -> bool:
        async with both.upper.client.post(f"{base}/borrow", params={"at_us": at_us}) as response:
            answer = await response.json()
            assert response.status == 202, answer
            assert answer["state"] != "failed", answer
        url = f"{base}/frame.jpg"
        async with both.upper.client.get(url, params={"at_us": at_us}) as response:
            return response.status == 200

    await both.upper.until(is_fetched, PATIENCE_S)
    now_us = time.time_ns() // 1000
    query = {"camera_id": camera, "start_us": now_us - 300 * SECOND, "end_us": now_us}
    added = (await both.upper.get("/api/timeline", **query))["added"]
    assert {one["kind"] for one in added} <= {"borrowed"}


async def is_backfilled_after_an_outage(both: Both, network: FarNetwork, camera: str) -> None:
    """The link is cut, and what was missed comes from the lower gateway's own recording."""

    async def state() -> str:
        return str((await both.upper.get(f"/api/cameras/{camera}"))["states"]["main"]["state"])

    async def is_live() -> bool:
        return await state() == "live"

    async def is_gone() -> bool:
        return await state() != "live"

    async def is_filled() -> bool:
        now_us = time.time_ns() // 1000
        query = {"camera_id": camera, "start_us": now_us - 600 * SECOND, "end_us": now_us}
        found = await both.upper.get("/api/timeline", **query)
        return any(one["kind"] == "backfill" for one in found["added"])

    await both.upper.until(is_live, PATIENCE_S)
    ip("link", "set", network.link, "down")
    await both.upper.until(is_gone, PATIENCE_S)
    ip("link", "set", network.link, "up")
    await both.upper.until(is_live, PATIENCE_S)
    # What the device may still be writing is not asked for yet.
    await both.upper.until(is_filled, 2 * PATIENCE_S)


@pytest.mark.timeout(600)
async def test_live_recordings_and_steering_through_both(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        network = stack.enter_context(far_network())
        both = await both_running(stack, network, tmp_path, "tcp_passive")

        async def knows_all_five() -> bool:
            return len(await channels_of(both)) == 5

        await both.upper.until(knows_all_five, PATIENCE_S)
        channels = await channels_of(both)
        south = await taken_over(both, channels["校园路口 南"]["code"], "continuous")
        east = await taken_over(both, channels["校园路口 东"]["code"])
        await both.upper.until(lambda: shows_a_picture(both.upper, east), PATIENCE_S)

        moving = await taken_over(both, channels[both.moving]["code"])
        await both.upper.post(f"/api/cameras/{moving}/ptz", {"action": "move", "pan": 0.5})
        await both.device.until(lambda one: one.moves)
        assert both.device.moves[0].startswith("ContinuousMove PanTilt=0.")
        async with both.upper.client.delete(f"{both.upper.url}/api/cameras/{moving}/ptz"):
            pass
        await both.device.until(lambda one: any("Stop" in move for move in one.moves))

        await plays_what_is_recorded_below(both, east)
        await is_backfilled_after_an_outage(both, network, south)
        # Both what is played and what is backfilled are fetched by download, where that is allowed.
        assert await on_record_below(both.lower) >= {"ptz.hold", "cascade.live", "cascade.download"}


async def on_record_below(lower: Gateway) -> set[str]:
    """What the lower gateway's register says of those above."""
    async with asyncio.timeout(60):
        while True:
            answer = await lower.get("/api/audit", limit=200)
            actions = {one["action"] for one in answer["items"]}
            if any(action.startswith("cascade.") for action in actions):
                return actions
            await asyncio.sleep(0.2)
