"""What devices told, patrols, switches, homes: whose business they are, what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.api.steering import can_be_steered
from tests.gateway.api.conftest import County, county  # noqa: F401


def event(number: int, camera_id: str | None, **columns: Any) -> dict[str, Any]:
    return {
        "id": f"dev_{number:03}", "platform_id": "plf_town", "camera_id": camera_id,
        "channel": "1", "kind": "motion", "source": "rule", "state": "ended",
        "begin_us": number, "end_us": number + 5, "count": 1, "detail": {"rule": "x"}, **columns,
    }  # fmt: skip


@pytest.fixture
async def told(county: County) -> County:  # noqa: F811
    """Events of a camera in each town, and of a device itself."""
    await county.write(
        "platforms.create",
        columns={
            "id": "plf_town", "kind": "onvif", "direction": "below", "name": "硬盘机",
            "code": None, "host": "127.0.0.1", "area_id": county.town, "options": {},
            "enabled": True,
        },
    )  # fmt: skip
    rows = [event(number, county.camera) for number in range(10)]
    rows += [event(20, county.other_camera), event(30, None, kind="storage_fault")]
    rows.append(event(40, county.camera, kind="tamper", state="open", end_us=None))
    await county.write("device_events.store", new=rows, changed=[])
    await county.user("viewer", "viewer", county.town)
    await county.user("admin", "area_admin", county.town)
    await county.user("stranger", "viewer", county.other_town)
    return county


async def numbers(client: httpx.AsyncClient, **query: Any) -> list[int]:
    answer = await client.get("/api/device-events", params=query)
    assert answer.status_code == 200, answer.text
    return [one["begin_us"] for one in answer.json()["items"]]


async def test_everybody_sees_what_their_cameras_told(told: County) -> None:
    viewer = await told.sign_in("viewer")
    assert await numbers(viewer) == [40, *range(9, -1, -1)]
    stranger = await told.sign_in("stranger")
    assert await numbers(stranger) == [20]
    # What a device tells of itself is for who configures it.
    admin = await told.sign_in("admin")
    assert await numbers(admin) == [40, 30, *range(9, -1, -1)]
    foreign = await stranger.get("/api/device-events", params={"camera_id": told.camera})
    assert foreign.status_code == 404


async def test_filters_and_pages(told: County) -> None:
    viewer = await told.sign_in("viewer")
    assert await numbers(viewer, kind="tamper") == [40]
    assert await numbers(viewer, open=True) == [40]
    assert await numbers(viewer, open=False, limit=3) == [9, 8, 7]
    assert await numbers(viewer, start_us=3, end_us=5) == [4, 3]
    assert await numbers(viewer, area_id=told.village, limit=1) == [40]
    found, cursor = [], None
    while True:
        query = {"limit": 4} | ({} if cursor is None else {"cursor": cursor})
        page = (await viewer.get("/api/device-events", params=query)).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 11
    (first,) = (await viewer.get("/api/device-events", params={"limit": 1})).json()["items"]
    assert (first["camera_name"], first["platform_name"]) == ("村口", "硬盘机")
    refused = await viewer.get("/api/device-events", params={"cursor": "x"})
    assert refused.status_code == 422


async def test_patrols_are_checked_before_they_are_kept(told: County) -> None:
    admin = await told.sign_in("admin")
    path = f"/api/cameras/{told.camera}/patrols"
    step = {"preset": "1", "dwell_s": 10}
    for wrong in (
        {"name": "x", "steps": [step]},
        {"name": "", "steps": [step, step]},
        {"name": "x", "steps": [step, {**step, "dwell_s": 1}]},
        {"name": "x", "steps": [step, step], "schedule": [{"days": [8], "start": "1", "end": "2"}]},
    ):
        assert (await admin.post(path, json=wrong)).status_code == 422
    schedule = [{"days": [1, 2], "start": "22:00", "end": "06:00"}]
    for _ in range(16):
        made = await admin.post(
            path, json={"name": "夜", "steps": [step, step], "schedule": schedule}
        )
        assert made.status_code == 201
    assert made.json()["schedule"] == schedule
    assert made.json()["state"] == "idle"
    full = await admin.post(path, json={"name": "夜", "steps": [step, step]})
    assert full.status_code == 409


async def test_a_switch_names_only_cameras_that_one_configures(told: County) -> None:
    admin = await told.sign_in("admin")
    form = {"name": "交换机", "area_id": told.village, "networks": ["10.1.2.7/24"]}
    made = await admin.post("/api/switches", json=form)
    assert made.json()["networks"] == ["10.1.2.0/24"]
    for wrong, status in (
        ({**form, "networks": ["10.1.2.0/33"]}, 422),
        ({**form, "management_host": "a b"}, 422),
        ({**form, "area_id": told.other_town}, 404),
        ({**form, "camera_ids": [told.other_camera]}, 404),
        ({**form, "camera_ids": ["cam_nobody"]}, 422),
    ):
        assert (await admin.post("/api/switches", json=wrong)).status_code == status, wrong
    gone = await admin.delete(f"/api/switches/{made.json()['id']}")
    assert gone.status_code == 204
    assert (await admin.get("/api/switches")).json()["items"] == []


def test_what_a_device_says_of_itself_decides_whether_it_is_steered() -> None:
    assert can_be_steered({}, {})  # it says nothing: it may be tried
    assert can_be_steered({"capabilities": ["ptz"]}, {})
    assert not can_be_steered({"capabilities": ["talk"]}, {"capabilities": ["ptz"]})
    assert not can_be_steered({}, {"capabilities": ["events"]})
    assert can_be_steered({"ptz_type": 1}, {})
    assert not can_be_steered({"ptz_type": "3"}, {"capabilities": ["ptz"]})


async def test_home_is_kept_and_taken_away(told: County) -> None:
    admin = await told.sign_in("admin")
    path = f"/api/cameras/{told.camera}/ptz"
    made = await admin.put(f"{path}/home", json={"preset": "", "after_s": 30})
    assert made.json()["home"] == {"preset": "", "after_s": 30}
    assert made.json()["supported"] is False  # it is known by its stream alone
    await admin.put(f"{path}/home", json={"preset": None, "after_s": 30})
    assert (await admin.get(path)).json()["home"] is None
