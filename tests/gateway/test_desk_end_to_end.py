"""A duty desk on the whole gateway: the wall plays on while the person changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.peers.running_gateway import NEW_PASSWORD, Gateway, running_gateway

PIN = "802491"
# Longer than the gateway takes to end what nobody may watch any more.
FRAGMENTS = 60


async def at_home(gateway: Gateway, name: str) -> str:
    """Somebody with an account who signs in at this desk for the first time; gives their id."""
    grants = [{"role": "operator", "area_id": "*"}]
    made = await gateway.post("/api/users", {"name": name, "grants": grants})
    await gateway.post("/api/session", {"name": name, "password": made["one_time_password"]})
    change = {"old_password": made["one_time_password"], "new_password": f"{NEW_PASSWORD} too"}
    await gateway.post("/api/session/password", change)
    pin = {"password": f"{NEW_PASSWORD} too", "pin": PIN}
    async with gateway.client.put(f"{gateway.url}/api/account/pin", json=pin) as response:
        assert response.status == 204, await response.text()
    return str(made["id"])


async def fragments(socket: aiohttp.ClientWebSocketResponse, count: int) -> None:
    while count:
        message = await socket.receive(timeout=60)
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
        count -= message.type is aiohttp.WSMsgType.BINARY


async def admin(gateway: Gateway) -> None:
    await gateway.post("/api/session", {"name": "admin", "password": NEW_PASSWORD})


@pytest.mark.timeout(400)
async def test_the_wall_plays_on_while_the_person_changes(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        area_id = (await gateway.get("/api/areas"))["items"][0]["id"]
        await gateway.post("/api/desks", {"name": "值班一席", "area_id": area_id})
        wang = await at_home(gateway, "wang")
        await admin(gateway)
        li = await at_home(gateway, "li")
        await gateway.post("/api/desk/switch", {"user_id": wang, "pin": PIN})

        async def live() -> bool:
            return await gateway.recording() == 4

        await gateway.until(live)
        camera_id = (await gateway.get("/api/cameras"))["items"][0]["id"]
        form = {"camera_id": camera_id, "client": {"webrtc": False}}
        opened = await gateway.post("/api/live", form)
        async with gateway.client.ws_connect(gateway.url + opened["mse_url"]) as socket:
            await fragments(socket, 5)
            switched = await gateway.post("/api/desk/switch", {"user_id": li, "pin": PIN})
            assert switched["user"]["name"] == "li"
            assert switched["kept"] == [opened["session_id"]]
            await fragments(socket, FRAGMENTS)
            async with gateway.client.delete(f"{gateway.url}/api/session") as response:
                assert response.status == 204
            while (message := await socket.receive(timeout=60)).type not in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.CLOSING,
            ):
                pass
            assert message.data == 4403
        await admin(gateway)

        async def both_on_record() -> bool:
            return len(await _watched(gateway, opened["session_id"])) == 2

        await gateway.until(both_on_record)
        first, second = await _watched(gateway, opened["session_id"])
        assert (first["user_name"], second["user_name"]) == ("wang", "li")
        assert first["end_us"] <= second["start_us"]
        looks = (await gateway.get("/api/audit", action="live.open"))["items"]
        assert [one["user_name"] for one in looks] == ["li", "wang"]


async def _watched(gateway: Gateway, session_id: str) -> list[dict[str, Any]]:
    items = (await gateway.get("/api/audit", action="live.watched"))["items"]
    mine = [one for one in items if one["detail"]["session_id"] == session_id]
    return sorted(mine, key=lambda one: int(one["start_us"]))
