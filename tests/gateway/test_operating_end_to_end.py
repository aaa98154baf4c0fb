"""The whole gateway and an ONVIF device: steering by several people, patrols, what the device
tells, its diagnosis, and what is left of it all in the register.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.control.channel import ControlClient, control_path
from gateway.secrets import cluster_secret
from tests.peers.onvif_device import Habits, OnvifDevice
from tests.peers.running_gateway import Gateway, running_gateway

PASSWORD = "correct horse 9"
QUICK = {
    "STEERING__IDLE_S": "3",
    "STEERING__MOVE_TIMEOUT_S": "1",
    "ALARMS__CAMERA_OFFLINE_AFTER_S": "1",
}


class Desk:
    """Somebody who is signed in, and what they are told."""

    def __init__(self, gateway: Gateway, client: aiohttp.ClientSession) -> None:
        self.url = gateway.url
        self.client = client
        self.told: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    async def ask(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        async with self.client.request(method, self.url + path, json=body or None) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def listen(self) -> None:
        async with self.client.ws_connect(f"{self.url}/api/events") as socket:
            async for message in socket:
                self.told.append(message.json())
                self._news.set()

    async def hears(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that fits, those that have come included."""
        async with asyncio.timeout(30):
            while True:
                self._news.clear()
                for message in self.told:
                    if what(message):
                        return message
                await self._news.wait()


@contextlib.asynccontextmanager
async def desk(gateway: Gateway, name: str, priority: int) -> AsyncIterator[Desk]:
    """A new operator of the whole county who steers with this priority."""
    grant = {"role": "operator", "area_id": "*", "ptz_priority": priority}
    await gateway.post("/api/users", {"name": name, "password": PASSWORD, "grants": [grant]})
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
        made = Desk(gateway, client)
        assert (await made.ask("POST", "/api/session", name=name, password=PASSWORD))[0] == 200
        status, _ = await made.ask(
            "POST", "/api/session/password", old_password=PASSWORD, new_password="another horse 7"
        )
        assert status == 204
        listening = asyncio.create_task(made.listen())
        yield made
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def camera_of(gateway: Gateway, device: OnvifDevice) -> tuple[str, str]:
    """Take the device's camera over; gives the ids of platform and camera."""
    area = (await gateway.get("/api/areas"))["items"][0]["id"]
    form = {
        "kind": "onvif", "direction": "below", "name": "球机", "area_id": area,
        "host": "127.0.0.1", "port": device.port, "username": "admin",
        "password": device.habits.password, "enabled": True, "options": {"events": True},
    }  # fmt: skip
    platform = (await gateway.post("/api/platforms", form))["id"]
    channels: list[dict[str, Any]] = []

    async def found() -> bool:
        channels[:] = (await gateway.get(f"/api/platforms/{platform}/channels"))["items"]
        return bool(channels)

    await gateway.until(found)
    body = {"area_id": area, "channels": [{"code": channels[0]["code"]}]}
    made = await gateway.post(f"/api/platforms/{platform}/cameras", body)
    return platform, made["cameras"][0]["id"]


async def register(gateway: Gateway, action: str, camera: str) -> list[dict[str, Any]]:
    """What the register has of this, the oldest first."""
    page = await gateway.get("/api/audit", action=action, camera_id=camera)
    return list(reversed(page["items"]))


@pytest.mark.timeout(240)
async def test_steering_from_the_desk_to_the_device(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, **QUICK) as gateway, OnvifDevice(Habits()) as device:
        demo = (await gateway.get("/api/cameras"))["items"][0]
        device.habits.rtsp = demo["main_url"]
        platform, camera = await camera_of(gateway, device)
        async with desk(gateway, "wang", 40) as wang, desk(gateway, "chief", 80) as chief:
            await _people_take_turns(gateway, device, camera, wang, chief)
            await _presets(device, camera, wang)
            await _a_patrol_gives_way(gateway, device, camera, wang)
            await _what_a_device_tells(gateway, device, camera, wang)
            await _a_killed_process_stops_what_it_moved(gateway, device, camera, wang)
            await _a_sign_out_lets_go(gateway, device, camera, wang)
            await _diagnosis(gateway, camera)
            await _a_keyframe_is_asked_for(gateway, device, camera)
            await _a_device_that_is_away_is_an_alarm(gateway, device, platform, chief)


async def _people_take_turns(
    gateway: Gateway, device: OnvifDevice, camera: str, wang: Desk, chief: Desk
) -> None:
    path = f"/api/cameras/{camera}/ptz"
    status, ptz = await wang.ask("GET", path)
    assert (status, ptz["holder"], ptz["may_steer"], ptz["priority"]) == (200, None, True, 40)
    assert ptz["supported"]
    status, ptz = await wang.ask("POST", path, action="move", pan=0.5)
    assert (status, ptz["own"], ptz["moving"]) == (200, True, True)
    assert "address" not in ptz["holder"] and "token_hash" not in ptz["holder"]
    # It is not renewed: the camera is stopped.
    await device.until(lambda one: [move.split()[0] for move in one.moves] == MOVED_AND_STOPPED)
    heard = await chief.hears(lambda one: one["type"] == "ptz" and one["holder"] is not None)
    assert (heard["holder"]["name"], heard["own"], heard["may_steer"]) == ("wang", False, True)
    # An equal and a lower priority do not take over; a higher one does.
    await wang.ask("POST", path, action="move", pan=0.5)
    async with desk(gateway, "li", 40) as li:
        status, refused = await li.ask("POST", path, action="move", pan=-1)
        assert (status, refused["error"]["code"]) == (409, "ptz_held")
        assert refused["error"]["detail"]["holder"]["name"] == "wang"
        status, refused = await li.ask("DELETE", path)
        assert status == 409
    status, ptz = await chief.ask("POST", path, action="move", tilt=1)
    assert (status, ptz["holder"]["name"]) == (200, "chief")
    status, refused = await wang.ask("POST", path, action="stop")
    assert status == 409
    status, ptz = await chief.ask("DELETE", path)
    assert (status, ptz["holder"]) == (200, None)
    assert device.moves[-1].startswith("Stop")
    begun = await register(gateway, "ptz.hold", camera)
    assert [one["user_name"] for one in begun] == ["wang", "chief"]
    over = await register(gateway, "ptz.released", camera)
    assert [(one["user_name"], one["detail"]["cause"]) for one in over] == [
        ("wang", "taken_over"),
        ("chief", "released"),
    ]
    assert over[0]["detail"]["by"] == "chief"
    assert all(one["start_us"] < one["end_us"] for one in over)
    refusals = await register(gateway, "ptz.refused", camera)
    assert {one["user_name"] for one in refusals} == {"li", "wang"}
    # Idle, it is let go.
    await wang.ask("POST", path + "/take")
    wang.told.clear()
    await wang.hears(lambda one: one["type"] == "ptz" and one["holder"] is None)
    assert (await register(gateway, "ptz.released", camera))[-1]["detail"]["cause"] == "idle"


MOVED_AND_STOPPED = ["ContinuousMove", "Stop"]


async def _presets(device: OnvifDevice, camera: str, wang: Desk) -> None:
    path = f"/api/cameras/{camera}/presets"
    status, listed = await wang.ask("GET", path)
    assert (status, listed["items"][0]) == (200, {"token": "1", "name": "大门"})
    status, made = await wang.ask("POST", path, name="路口")
    assert status == 201
    assert device.presets[made["token"]]
    status, _ = await wang.ask("PATCH", f"{path}/1", name="正门")
    assert status == 200
    status, listed = await wang.ask("GET", path)
    names = {one["token"]: one["name"] for one in listed["items"]}
    assert names["1"] == "正门" and names[made["token"]] == "路口"
    assert device.presets["1"] == "大门"
    status, _ = await wang.ask("DELETE", f"{path}/{made['token']}")
    assert status == 204
    assert made["token"] not in device.presets
    status, _ = await wang.ask(
        "POST", f"/api/cameras/{camera}/ptz", action="goto_preset", preset="2"
    )
    assert status == 200
    assert device.moves[-1].startswith("GotoPreset")
    await wang.ask("DELETE", f"/api/cameras/{camera}/ptz")


async def _a_patrol_gives_way(
    gateway: Gateway, device: OnvifDevice, camera: str, wang: Desk
) -> None:
    steps = [{"preset": one, "dwell_s": 2} for one in ("1", "2")]
    patrol = await gateway.post(f"/api/cameras/{camera}/patrols", {"name": "巡", "steps": steps})
    device.moves.clear()
    status, _ = await wang.ask("POST", f"/api/patrols/{patrol['id']}/start")
    assert status == 200
    await device.until(lambda one: len(one.moves) >= 3)
    assert all(move.startswith("GotoPreset") for move in device.moves)
    wang.told.clear()
    status, ptz = await wang.ask("POST", f"/api/cameras/{camera}/ptz", action="move", pan=1)
    assert (status, ptz["own"]) == (200, True)
    await wang.hears(lambda one: one["type"] == "ptz" and _is(one["patrol"], "waiting"))
    # Nobody steers for a while: it goes on by itself.
    await wang.hears(
        lambda one: (
            one["type"] == "ptz"
            and _is(one["patrol"], "running")
            and one["holder"] is not None
            and one["holder"]["kind"] == "patrol"
        )
    )
    wang.told.clear()
    status, _ = await wang.ask("POST", f"/api/patrols/{patrol['id']}/stop")
    assert status == 200
    await wang.hears(
        lambda one: one["type"] == "ptz" and one["patrol"] is None and one["holder"] is None
    )
    assert (await register(gateway, "patrol.start", camera))[0]["user_name"] == "wang"


def _is(patrol: dict[str, Any] | None, state: str) -> bool:
    return patrol is not None and patrol["state"] == state


async def _what_a_device_tells(
    gateway: Gateway, device: OnvifDevice, camera: str, wang: Desk
) -> None:
    await device.until(lambda one: one.subscriptions)
    topic = "tns1:RuleEngine/CellMotionDetector/Motion"
    source = {"VideoSourceConfigurationToken": "vsc_1", "Rule": "rule"}
    device.fire(topic, source=source, data={"IsMotion": "true"})
    begun = await wang.hears(lambda one: one["type"] == "device_event")
    assert (begun["camera_id"], begun["kind"], begun["state"]) == (camera, "motion", "open")
    device.fire(topic, source=source, data={"IsMotion": "false"})
    await wang.hears(lambda one: one["type"] == "device_event" and one["state"] == "ended")
    page = await gateway.get("/api/device-events", camera_id=camera)
    (stored,) = page["items"]
    assert stored["id"] == begun["id"]
    assert stored["begin_us"] <= stored["end_us"]


async def _a_killed_process_stops_what_it_moved(
    gateway: Gateway, device: OnvifDevice, camera: str, wang: Desk
) -> None:
    device.moves.clear()
    status, _ = await wang.ask("POST", f"/api/cameras/{camera}/ptz", action="move", pan=1)
    assert status == 200
    os.kill((await gateway.processes())["signalling"]["process_id"], signal.SIGKILL)
    await device.until(lambda one: [move.split()[0] for move in one.moves][-1:] == ["Stop"])

    async def ended() -> bool:
        last = (await register(gateway, "ptz.released", camera))[-1]
        return bool(last["detail"]["cause"] == "restarted" and last["detail"]["estimated"])

    await gateway.until(ended)


async def _a_sign_out_lets_go(
    gateway: Gateway, device: OnvifDevice, camera: str, wang: Desk
) -> None:
    async def taken() -> bool:
        # Signalling has just been started again.
        status, _ = await wang.ask("POST", f"/api/cameras/{camera}/ptz/take", for_s=600)
        return status == 200

    await gateway.until(taken)
    users = (await gateway.get("/api/users", query="wang"))["items"]
    await gateway.post("/api/sessions/close", {"user_id": users[0]["id"]})

    async def let_go() -> bool:
        last = (await register(gateway, "ptz.released", camera))[-1]
        return bool(last["detail"]["cause"] == "withdrawn")

    await gateway.until(let_go)
    assert (await gateway.get(f"/api/cameras/{camera}/ptz"))["holder"] is None


async def _diagnosis(gateway: Gateway, camera: str) -> None:
    steps: dict[str, dict[str, Any]] = {}
    async with gateway.client.post(f"{gateway.url}/api/cameras/{camera}/diagnosis") as response:
        assert response.status == 200
        async for line in response.content:
            step = json.loads(line)
            steps[step["step"]] = step
    order = list(steps)
    assert (order[0], order[-1]) == ("name", "done")
    assert steps["name"]["code"] == "is_address"
    assert steps["reach"]["code"] == "reachable"
    assert steps["platform"]["code"] == "online"
    assert steps["stream.main"]["code"] == "live", steps
    assert steps["picture.main"]["codec"] == "h264"
    assert steps["picture.main"]["profile"]
    assert steps["loss"]["code"] == "none" and steps["loss"]["packets"] > 100
    assert steps["recording"]["code"] == "recording"
    assert (await register(gateway, "camera.diagnosis", camera))[0]["user_name"] == "admin"


async def _a_keyframe_is_asked_for(gateway: Gateway, device: OnvifDevice, camera: str) -> None:
    """As a media process does, over the control channel."""
    path = control_path(gateway.settings, "signalling")
    client = ControlClient(path, cluster_secret(gateway.settings))
    await client.call("device.keyframe", camera_id=camera, variant="main")
    await client.close()
    assert len(device.keyframes) == 1


@pytest.mark.timeout(240)
async def test_cameras_of_one_network_that_fail_together_are_one_alarm(tmp_path: Path) -> None:
    """The four demo cameras are all of one network: each is given an address where nobody is."""
    async with (
        running_gateway(tmp_path, **QUICK) as gateway,
        desk(gateway, "chief", 80) as chief,
    ):

        async def are(state: str) -> bool:
            states = [
                one["states"].get("main", {}).get("state")
                for one in (await gateway.get("/api/cameras"))["items"]
            ]
            return states == [state] * 4

        await gateway.until(lambda: are("live"))
        cameras = (await gateway.get("/api/cameras"))["items"]
        for camera in cameras:
            change = {"main_url": "rtsp://127.0.0.1:9/nobody", "password": None}
            async with gateway.client.patch(
                f"{gateway.url}/api/cameras/{camera['id']}", json=change
            ) as response:
                assert response.status == 200, await response.text()
        alarm = await chief.hears(
            lambda one: (
                one["type"] == "alarm" and one["kind"] == "network_down" and one["state"] == "open"
            )
        )
        assert alarm["network"] == "127.0.0.0/24"

        async def folded() -> bool:
            page = await gateway.get("/api/alarms", state="open")
            return [(one["kind"], one["folded"]) for one in page["items"]] == [("network_down", 4)]

        await gateway.until(folded)
        for camera in cameras:
            change = {"main_url": camera["main_url"], "password": None}
            async with gateway.client.patch(
                f"{gateway.url}/api/cameras/{camera['id']}", json=change
            ) as response:
                assert response.status == 200, await response.text()

        async def over() -> bool:
            page = await gateway.get("/api/alarms")
            return bool(page["open"] == 0 and page["items"][0]["state"] == "ended")

        await gateway.until(over)


async def _a_device_that_is_away_is_an_alarm(
    gateway: Gateway, device: OnvifDevice, platform: str, chief: Desk
) -> None:
    await device._runner.cleanup()
    alarm = await chief.hears(
        lambda one: one["type"] == "alarm" and one["kind"] == "platform_offline"
    )
    assert (alarm["platform_id"], alarm["state"]) == (platform, "open")
    status, seen = await chief.ask("POST", f"/api/alarms/{alarm['id']}/acknowledge", note="去看")
    assert (status, seen["acknowledged_by"], seen["note"]) == (200, "chief", "去看")
    status, _ = await chief.ask("POST", f"/api/alarms/{alarm['id']}/acknowledge")
    assert status == 409
