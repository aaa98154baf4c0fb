"""Camera health: from looks to findings, alarms, answers and the sheet."""

from __future__ import annotations

import io
from typing import Any

import pytest
from openpyxl import load_workbook

from gateway.api import health as health_api
from gateway.api import health_patrol
from gateway.health.conditions import CAMERA_HEALTH, health_conditions
from gateway.health.keeping import STORE_PREFIX
from gateway.health.seeing import NotSeen, Seen
from gateway.identifiers import now_us
from tests.gateway.api.conftest import County
from tests.gateway.health.damage import DAMAGES, jpeg, noisy, scene

MINUTE_US = 60_000_000


class Street:
    """What the camera of the first village shows, and the clock of its patrol."""

    def __init__(self, county: County, monkeypatch: pytest.MonkeyPatch) -> None:
        self.county = county
        self.at_us = now_us()
        self.picture = scene()
        self.silent = False
        for module in (health_patrol, health_api):
            monkeypatch.setattr(module, "see", self._see)
            monkeypatch.setattr(module, "now_us", lambda: self.at_us)

    async def _see(self, _: object, camera_id: str) -> Seen:
        if self.silent or camera_id != self.county.camera:
            raise NotSeen("nothing is pulled from this camera at the moment")
        return Seen(jpeg(noisy(self.picture, 1)), self.at_us)

    async def looks(self, times: int, minutes: int = 40) -> None:
        for _ in range(times):
            self.at_us += minutes * MINUTE_US
            await health_patrol.look_around(self.county.services, 100)

    async def shown(self, name: str = "li") -> dict[str, Any]:
        client = await self.county.sign_in(name)
        items = (await client.get("/api/health/cameras")).json()["items"]
        found: dict[str, Any] = next(one for one in items if one["camera_id"] == self.county.camera)
        return found

    async def alarmed(self) -> list[Any]:
        async with self.county.services.reader.connect() as connection:
            return [one.detail for one in (await health_conditions(connection)).values()]


@pytest.fixture
async def street(county: County, monkeypatch: pytest.MonkeyPatch) -> Street:
    await county.user("li", "system_admin")
    return Street(county, monkeypatch)


async def test_a_fault_that_stays_is_found_and_alarmed_and_goes_when_it_is_mended(
    street: Street,
) -> None:
    await street.looks(2)
    good = street.picture
    assert (await street.shown())["findings"] == []
    street.picture = DAMAGES["out of focus"][1](good)
    await street.looks(2)
    assert await street.alarmed() == []
    await street.looks(1)
    assert [one["finding"] for one in (await street.shown())["findings"]] == ["blurred"]
    assert await street.alarmed() == [{"findings": ["blurred"]}]
    watch = street.county.services.alarm_watch
    (opened,) = [one for one in await watch.look(street.at_us) if one.alarm.key[0] == CAMERA_HEALTH]
    assert opened.alarm.detail == {"findings": ["blurred"]}
    street.picture = good
    await street.looks(2)
    assert await street.alarmed() == []
    await watch.look(street.at_us)
    closed = await watch.look(street.at_us + MINUTE_US)
    assert [one.alarm.id for one in closed] == [opened.alarm.id]


async def test_what_is_right_now_is_said_by_a_person_and_is_on_record(street: Street) -> None:
    await street.looks(1)
    street.picture = DAMAGES["turned away"][1](street.picture)
    await street.looks(3)
    assert (await street.shown())["concerns"][0] == "shifted"
    client = await street.county.sign_in("li")
    path = f"/api/health/cameras/{street.county.camera}"
    answer = await client.post(f"{path}/reference")
    assert answer.status_code == 200, answer.text
    (reference,) = answer.json()["references"]
    assert (reference["mode"], reference["by_name"]) == ("day", "li!")
    await street.looks(3)
    assert (await street.shown())["findings"] == []
    for of in ("last", "day"):
        picture = await client.get(f"{path}/picture.jpg", params={"of": of})
        assert (picture.status_code, picture.content[:2]) == (200, b"\xff\xd8")
    assert (await client.get(f"{path}/picture.jpg", params={"of": "night"})).status_code == 404
    records = (await client.get("/api/audit", params={"action": "health."})).json()["items"]
    assert [one["action"] for one in records] == ["health.picture"] * 2 + ["health.refer"]


async def test_no_more_pictures_are_kept_than_rows_name(street: Street) -> None:
    good = street.picture
    for picture in (good, DAMAGES["a bag"][1](good), good):
        street.picture = picture
        await street.looks(4)
    kept = [one async for one in street.county.services.storage.store.list(STORE_PREFIX)]
    # The last, and the reference by day.
    assert len(kept) == 2


async def test_a_picture_that_comes_again_is_no_second_look(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.picture = DAMAGES["a bag"][1](street.picture)
    seen = Seen(jpeg(street.picture), street.at_us)

    async def same(*_: object) -> Seen:
        return seen

    monkeypatch.setattr(health_patrol, "see", same)
    await street.looks(5)
    assert (await street.shown())["findings"] == []


async def test_a_camera_without_a_picture_is_said_to_be_unseen_and_what_stood_stands(
    street: Street,
) -> None:
    street.picture = DAMAGES["a bag"][1](street.picture)
    await street.looks(3)
    street.silent = True
    await street.looks(2)
    shown = await street.shown()
    assert [one["finding"] for one in shown["findings"]] == ["covered"]
    assert "unseen" in shown["concerns"]
    assert shown["missing"] == "nothing is pulled from this camera at the moment"


async def test_a_drifting_clock_and_missing_footage_are_concerns(street: Street) -> None:
    street.county.services.states._states[street.county.camera] = {
        "main": {"state": "live", "clock_offset_us": -42_000_000}
    }
    await street.looks(1)
    # By tomorrow a whole day has passed without footage.
    await street.looks(1, minutes=36 * 60)
    shown = await street.shown()
    assert {"clock_drift", "incomplete"} <= set(shown["concerns"])
    assert shown["clock_offset_us"] == -42_000_000
    assert [day["recorded_us"] for day in shown["days"]] == [0] * len(shown["days"])
    client = await street.county.sign_in("li")
    counts = (await client.get("/api/health/counts")).json()
    assert (counts["cameras"], counts["looked"]) == (2, 2)
    assert (counts["concerns"]["clock_drift"], counts["concerns"]["unseen"]) == (1, 1)
    chosen = await client.get("/api/health/cameras", params={"concern": "clock_drift"})
    assert [one["camera_id"] for one in chosen.json()["items"]] == [street.county.camera]


async def test_pages_follow_one_another(street: Street) -> None:
    await street.looks(1)
    client = await street.county.sign_in("li")
    first = (await client.get("/api/health/cameras", params={"limit": 1})).json()
    asked = {"limit": 1, "cursor": first["next_cursor"]}
    second = (await client.get("/api/health/cameras", params=asked)).json()
    ids = {one["items"][0]["camera_id"] for one in (first, second)}
    assert ids == {street.county.camera, street.county.other_camera}
    assert second["next_cursor"] is None


async def test_the_sheet_has_a_row_for_each_camera_that_is_unwell(street: Street) -> None:
    street.picture = DAMAGES["no light"][1](street.picture)
    await street.looks(3)
    client = await street.county.sign_in("li")
    answer = await client.get("/api/health/report.xlsx", params={"language": "zh"})
    assert answer.status_code == 200
    rows = list(load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))
    told = {row[1]: row[3] for row in rows[1:]}
    assert any("黑屏" in str(words) for words in told.values())
    assert "无画面" in told.values() or any("无画面" in str(words) for words in told.values())
    records = (await client.get("/api/audit", params={"action": "health."})).json()["items"]
    assert [one["action"] for one in records] == ["health.report"]


async def test_each_person_has_the_cameras_that_they_may_see(street: Street) -> None:
    await street.county.user("there", "viewer", street.county.other_town)
    await street.looks(1)
    client = await street.county.sign_in("there")
    (only,) = (await client.get("/api/health/cameras")).json()["items"]
    assert (only["camera_id"], only["may_refer"]) == (street.county.other_camera, False)
    here = {"area_id": street.county.town}
    assert (await client.get("/api/health/cameras", params=here)).status_code == 404


async def test_masked_parts_are_beneath_their_masks_for_who_may_not_lift_them(
    street: Street,
) -> None:
    await street.county.user("viewer", "viewer", street.county.town)
    whole = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    admin = await street.county.sign_in("li")
    path = f"/api/cameras/{street.county.camera}/masks"
    masks = {"version": 0, "masks": [{"name": "窗", "points": whole}]}
    assert (await admin.put(path, json=masks)).status_code == 200
    await street.looks(1)
    picture = f"/api/health/cameras/{street.county.camera}/picture.jpg"
    seen = (await admin.get(picture)).content
    masked = (await (await street.county.sign_in("viewer")).get(picture)).content
    # What is one colour takes next to nothing.
    assert len(masked) < len(seen) / 2
