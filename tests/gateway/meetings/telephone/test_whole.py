"""A telephone and the whole gateway as one command: API, signalling, worker, shard."""

from __future__ import annotations

import json
from pathlib import Path

from tests.peers.running_gateway import running_gateway
from tests.peers.sipp_device import free_udp_port
from tests.peers.telephone import Telephone


async def test_a_meeting_of_the_api_is_called_and_its_caller_let_in(tmp_path: Path) -> None:
    port = free_udp_port()
    async with running_gateway(
        tmp_path / "data",
        MEETINGS__SIP__ENABLED="true",
        MEETINGS__SIP__PORT=str(port),
        MEETINGS__SIP__TRUNK_NETWORKS=json.dumps(["127.0.0.1/32"]),
    ) as gateway:
        area_id = (await gateway.get("/api/areas"))["items"][0]["id"]
        meeting = await gateway.post("/api/meetings", {"title": "防汛会商", "area_id": area_id})
        at = f"/api/meetings/{meeting['id']}"
        await gateway.post(f"{at}/start", {})
        way = (await gateway.post(f"{at}/link", {"expires_in_s": 3600}))["telephone"]

        async def state_is(state: str) -> bool:
            seats = (await gateway.get(at))["participants"]
            return [one["state"] for one in seats if one["kind"] == "sip"] == [state]

        phone = Telephone("13800001111", port)
        await phone.open()
        try:
            assert await phone.call(f"{way['number']}*{way['pin']}") == 200
            phone.talk(1300)
            await gateway.until(lambda: state_is("lobby"))
            (seat,) = [
                one for one in (await gateway.get(at))["participants"] if one["kind"] == "sip"
            ]
            assert seat["name"] == "☎ 13800001111 (?)"
            await gateway.post(f"{at}/participants/{seat['id']}/admit", {})
            await gateway.until(lambda: state_is("connected"))
            await phone.until_tone(900, share=0.2)  # it is told that it is in
            await gateway.post(f"{at}/end", {})
            await phone.hears("BYE")
        finally:
            phone.close()
        said = await gateway.get("/api/audit", action="telephone.call")
        assert len(said["items"]) == 1
