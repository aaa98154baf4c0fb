"""The command line beside a running gateway: through its writer, and taken up at once."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from tests.peers.misbehaving_camera import MisbehavingCamera
from tests.peers.running_gateway import Gateway, command, running_gateway


async def signs_in(gateway: Gateway, name: str, password: str) -> bool:
    async with aiohttp.ClientSession(headers={"X-Gridsight": "1"}) as client:
        body = {"name": name, "password": password}
        async with client.post(f"{gateway.url}/api/session", json=body) as response:
            assert response.status in (200, 401), await response.text()
            return response.status == 200


async def test_cameras_and_accounts_are_managed_beside_a_running_gateway(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    async with running_gateway(data) as gateway, MisbehavingCamera() as peer:
        file = tmp_path / "cameras.csv"
        file.write_text(f"name,area,main_url,transport\n村口,县/镇,{peer.url},tcp\n")
        status, said = await command(data, "camera", "import", str(file))
        assert (status, said.splitlines()[-1]) == (0, "1 created, 0 changed, 0 unchanged")

        async def taken_up() -> bool:
            found = (await gateway.get("/api/cameras", query="村口"))["items"]
            assert [one["area_path"] for one in found] == [["县", "镇"]]
            state = found[0]["states"]["main"]
            return state["state"] == "live" and state["recording"]

        await gateway.until(taken_up)
        status, said = await command(data, "camera", "import", str(file))
        assert (status, said) == (0, "0 created, 0 changed, 1 unchanged\n")

        status, said = await command(data, "user", "add", "wang", "--grant", "operator")
        assert status == 0, said
        password = re.search(r"one-time password: (\S+)", said)
        assert password is not None
        assert await signs_in(gateway, "wang", password.group(1))
        assert (await command(data, "user", "disable", "wang"))[0] == 0
        assert not await signs_in(gateway, "wang", password.group(1))
        status, said = await command(data, "user", "disable", "admin")
        assert (status, said.count("\n")) == (1, 1)
        assert "last system administrator" in said
        names = {
            user["name"]: user["enabled"] for user in (await gateway.get("/api/users"))["items"]
        }
        assert names == {"admin": True, "wang": False}
        done = {one["action"] for one in (await gateway.get("/api/audit", limit=500))["items"]}
        assert {"camera.import", "camera.create", "user.create", "user.disable"} <= done
    # And beside none: the same rows, by a writer of its own.
    assert "wang" in (await command(data, "user", "list"))[1]
    status, said = await command(data, "audit", "verify")
    assert status == 0, said
