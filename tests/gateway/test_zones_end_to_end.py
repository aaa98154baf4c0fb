"""A zone, from its drawing to the alarm: on the demo's cameras, whose footage is real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.running_gateway import Gateway, running_gateway

YARD = {
    "name": "广场",
    "kind": "region",
    "points": [[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98]],
    "classes": ["person"],
    "rules": [{"kind": "intrusion", "cool_down_s": 0}],
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, SEARCH__ENABLED="true") as made:
        yield made


async def test_somebody_in_a_zone_is_an_event_with_a_clip_and_an_alarm(gateway: Gateway) -> None:
    async def is_recorded() -> bool:
        return await gateway.recording() >= 1

    await gateway.until(is_recorded)
    camera = (await gateway.get("/api/cameras"))["items"][0]
    path = f"/api/cameras/{camera['id']}/zones"
    zones = await draw(gateway, path, 0, [YARD])
    assert zones["watched"] is True

    async def happened() -> bool:
        return bool((await events(gateway))["items"])

    await gateway.until(happened, 120)
    newest = (await events(gateway))["items"][0]
    assert (newest["kind"], newest["camera_id"], newest["zone_name"]) == (
        "intrusion", camera["id"], "广场",
    )  # fmt: skip
    assert newest["clip"]["start_us"] < newest["begin_us"] < newest["clip"]["end_us"]
    assert newest["detail"]["class"] == "person"

    async def alarmed() -> bool:
        found = (await gateway.get("/api/alarms", kind="intrusion"))["items"]
        return bool(found) and found[0]["detail"].get("zone_name") == "广场"

    await gateway.until(alarmed)

    # Another zone in its place: what lasted in the old one is over at once, and the new one holds.
    renamed = {**YARD, "name": "门", "rules": [{"kind": "loitering", "seconds": 1}]}
    await draw(gateway, path, 1, [renamed])

    async def holds() -> bool:
        items = (await events(gateway))["items"]
        old = [one for one in items if one["zone_name"] == "广场"]
        new = [one for one in items if one["kind"] == "loitering"]
        return bool(new) and all(one["state"] == "ended" for one in old)

    await gateway.until(holds, 120)


async def events(gateway: Gateway) -> Any:
    return await gateway.get("/api/zones/events")


async def draw(gateway: Gateway, path: str, version: int, zones: list[dict[str, Any]]) -> Any:
    body = {"version": version, "zones": zones}
    async with gateway.client.put(gateway.url + path, json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()
