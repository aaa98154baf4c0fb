"""An ONVIF camera from its discovery to its picture, by the HTTP API of a whole gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.peers.onvif_device import Habits, OnvifDevice
from tests.peers.processes import gstreamer_camera
from tests.peers.running_gateway import Gateway, running_gateway

pytestmark = [
    pytest.mark.gstreamer,
    pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs Debian's Python"),
]


async def lines_of(gateway: Gateway, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    async with gateway.client.post(gateway.url + path, json=body) as response:
        assert response.status == 200, await response.text()
        return [json.loads(line) async for line in response.content]


async def discovered(gateway: Gateway, **where: Any) -> list[dict[str, Any]]:
    return await lines_of(gateway, "/api/platforms/discovery", where)


async def test_one_account_is_tried_at_one_device_before_it_is_at_all_of_them(
    tmp_path: Path,
) -> None:
    habits = Habits(service_path="/cgi-bin/onvif")
    async with (
        OnvifDevice(habits) as first,
        OnvifDevice() as second,
        OnvifDevice(Habits(password="another")) as third,
        running_gateway(tmp_path) as gateway,
    ):
        targets: list[dict[str, Any]] = [
            {"host": one.host, "port": one.port} for one in (first, second, third)
        ]
        targets[0]["service_path"] = habits.service_path
        form = {"kind": "onvif", "targets": targets, "username": habits.username}
        path = "/api/platforms/probe-many"
        told = await lines_of(gateway, path, {**form, "password": "wrong"})
        assert [one["type"] for one in told] == ["refused", "stopped"]
        assert (told[0]["code"], told[1]["left"]) == ("refused", 2)
        assert (first.wrong_passwords, second.wrong_passwords, third.wrong_passwords) == (1, 0, 0)
        told = await lines_of(gateway, path, {**form, "password": habits.password})
        assert (told[0]["port"], told[0]["type"]) == (first.port, "probed")
        assert told[0]["channels"][0]["code"] == "vs_1"
        results = {one["port"]: one["type"] for one in told[1:]}
        assert results == {second.port: "probed", third.port: "refused"}
        said = (await gateway.get("/api/audit?action=platform.probe_many"))["items"]
        assert len(said) == 2
        assert f"{third.host}:{third.port}" in said[0]["detail"]["targets"]
        assert habits.password not in str(said)
        too_many = {**form, "password": "x", "targets": targets * 400}
        async with gateway.client.post(gateway.url + path, json=too_many) as response:
            assert response.status == 422


async def test_found_probed_added_taken_over_shown_and_steered(
    pedestrians_h264: Path, tmp_path: Path
) -> None:
    with gstreamer_camera(pedestrians_h264, "h264") as stream:
        habits = Habits(rtsp=stream, told_host="192.168.1.64")
        async with OnvifDevice(habits) as device, running_gateway(tmp_path) as gateway:
            told = await discovered(gateway, ranges=["127.0.0.1"], ports=[device.port])
            assert [one["type"] for one in told] == ["found", "progress", "end"]
            assert (told[0]["host"], told[0]["port"]) == ("127.0.0.1", device.port)
            account = {"username": habits.username, "password": habits.password}
            where = {"kind": "onvif", "host": "127.0.0.1", "port": device.port}
            probed = await gateway.post("/api/platforms/probe", {**where, **account})
            assert probed["facts"]["manufacturer"] == "海康"
            assert [one["code"] for one in probed["channels"]] == ["vs_1"]

            area = (await gateway.get("/api/areas"))["items"][0]["id"]
            form = {**where, **account, "direction": "below", "name": "村口", "area_id": area}
            added = await gateway.post("/api/platforms", {**form, "enabled": True, "options": {}})
            path = f"/api/platforms/{added['id']}"

            async def is_online() -> bool:
                return bool((await gateway.get(path))["state"]["state"] == "online")

            await gateway.until(is_online)
            channels = [{"code": "vs_1"}]
            taken = await gateway.post(
                f"{path}/cameras", {"area_id": area, "record": "continuous", "channels": channels}
            )
            camera = taken["cameras"][0]["id"]

            async def is_live() -> bool:
                one = await gateway.get(f"/api/cameras/{camera}")
                return bool(one["states"] and one["states"]["main"]["state"] == "live")

            await gateway.until(is_live)
            time = await gateway.get(f"{path}/time")
            assert abs(time["offset_us"]) < 2_000_000
            streams = (await gateway.get(f"/api/cameras/{camera}/encoder"))["streams"]
            assert streams[0]["bitrate_bps"] == 4_096_000
            await gateway.post(
                f"/api/cameras/{camera}/ptz", {"action": "move", "pan": 0.5, "tilt": 0, "zoom": 0}
            )
            await device.until(lambda one: one.moves)
            assert device.moves[0].startswith("ContinuousMove PanTilt=0.5,0")
            told = await discovered(gateway, ranges=["127.0.0.1"], ports=[device.port])
            assert told[0]["known"] == added["id"]
            assert device.wrong_passwords == 0
