"""A GB/T 28181 device from its registration to its picture, by the HTTP API of a whole gateway."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from camera_adapters.gb28181.catalog import CatalogItem
from camera_adapters.gb28181.device_control import DeviceControl, Steer
from camera_adapters.gb28181.steering import Move
from camera_adapters.sip.endpoint import IncomingRequest
from tests.peers.gb28181_device import DOMAIN, PLATFORM_CODE, GbDevice
from tests.peers.ps_sender import PsSender
from tests.peers.running_gateway import running_gateway
from tests.peers.sipp_device import free_udp_port

pytestmark = pytest.mark.gstreamer

CODE = "34020000001110000001"
GATE = "34020000001310000001"
PASSWORD = "12345678a"


@pytest.mark.parametrize("media_transport", ["udp", "tcp_passive"])
async def test_registered_taken_over_shown_steered_and_not_lost_with_signalling(
    pedestrians_h264: Path, tmp_path: Path, media_transport: str
) -> None:
    port = free_udp_port()
    sender = PsSender(pedestrians_h264)
    device = GbDevice(CODE, PASSWORD, items=[CatalogItem(GATE, "大门", (CODE,))])
    settings = {
        "GB28181__PORT": str(port),
        "GB28181__CODE": PLATFORM_CODE,
        "GB28181__DOMAIN": DOMAIN,
    }

    def invited(incoming: IncomingRequest) -> None:
        device.accept(incoming)
        sender.start(device.offers[-1])

    device.on_invite = invited
    async with running_gateway(tmp_path, **settings) as gateway:
        await device.open(port)
        try:
            # Nobody has entered it: it is shown, and stays outside.
            assert (await device.register()).status == 403

            async def has_knocked() -> bool:
                items = (await gateway.get("/api/platforms/applicants"))["items"]
                return [one["code"] for one in items] == [CODE]

            await gateway.until(has_knocked)
            area = (await gateway.get("/api/areas"))["items"][0]["id"]
            added = await gateway.post(
                "/api/platforms",
                {
                    "kind": "gb28181",
                    "direction": "below",
                    "name": "石牌所录像机",
                    "code": CODE,
                    "password": PASSWORD,
                    "area_id": area,
                    "enabled": True,
                    "options": {"media_transport": media_transport},
                },
            )
            path = f"/api/platforms/{added['id']}"

            async def is_let_in() -> bool:
                return bool((await device.register()).status == 200)

            await gateway.until(is_let_in)

            async def has_channels() -> bool:
                return bool((await gateway.get(path))["channels"]["total"] == 1)

            await gateway.until(has_channels)
            shown = await gateway.get(path)
            assert shown["state"]["facts"]["manufacturer"] == "海康威视"
            taken = await gateway.post(
                f"{path}/cameras",
                {"area_id": area, "record": "continuous", "channels": [{"code": GATE}]},
            )
            camera = taken["cameras"][0]["id"]

            async def is_live() -> bool:
                one = await gateway.get(f"/api/cameras/{camera}")
                main = (one["states"] or {}).get("main", {})
                return bool(main.get("state") == "live" and main["recording"])

            await gateway.until(is_live)
            one = (await gateway.get(f"/api/cameras/{camera}"))["states"]["main"]
            assert (one["codec"], one["width"]) == ("h264", 768)
            session = await device.sessions.get()

            steered = {"action": "move", "pan": 1.0, "tilt": 0, "zoom": 0}
            await gateway.post(f"/api/cameras/{camera}/ptz", steered)
            came = DeviceControl.read(await device.controls.get())
            assert came.device_id == GATE
            assert isinstance(came.control, Steer) and isinstance(came.control.command, Move)

            before = (await gateway.processes())["signalling"]["process_id"]
            os.kill(before, signal.SIGKILL)

            async def is_back() -> bool:
                now = (await gateway.processes())["signalling"]["process_id"]
                return bool(now not in (before, None) and await device.keepalive() == 200)

            await gateway.until(is_back)
            assert (await gateway.get(path))["state"]["state"] == "online"
            assert session.ended is None
            assert (sender.connections, device.sessions.empty()) == (1, True)
            assert await is_live()

            # The dialog was taken over: its end is ours to say.
            async with gateway.client.delete(f"{gateway.url}/api/cameras/{camera}") as deleted:
                assert deleted.status < 300

            async def has_ended() -> bool:
                return session.ended == "bye"

            await gateway.until(has_ended)
        finally:
            sender.close()
            await device.close()
