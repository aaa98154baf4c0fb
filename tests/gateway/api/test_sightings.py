"""Searching what checkpoints told of: who finds what, why, and what is on record."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.api.access import SESSION_COOKIE
from gateway.database.audit_tables import audit_log
from gateway.people.roles import Role
from gateway.settings import AccountabilitySettings
from tests.gateway.api.conftest import County
from tests.gateway.sightings.making import a_platform, link, told
from tests.peers.gat1400_device import CHECKPOINT, PASSED_US, jpeg, local_time, motor_vehicle

RANGE = {"start_us": str(PASSED_US - 3_600_000_000), "end_us": str(PASSED_US + 3_600_000_000)}
DEVICE_2 = "42088100001190000002"


async def search(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    response = await client.get("/api/sightings", params={**RANGE, **more})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def plates(client: httpx.AsyncClient, **more: Any) -> list[str]:
    return [one["plate"] for one in (await search(client, **more))["items"]]


async def records(county: County, action: str) -> list[Any]:
    async with county.services.reader.connect() as connection:
        rows = await connection.execute(sa.select(audit_log).where(audit_log.c.action == action))
        return list(rows)


@pytest.fixture
async def passes(county: County) -> County:
    """Four passes in the first town, one in the second."""
    here = await a_platform(county, county.town)
    there = await a_platform(county, county.other_town)
    await told(
        county, here,
        motor_vehicle(1, PlateNo="鄂H12345", PassTime=local_time(1)),
        motor_vehicle(
            2, PlateNo="鄂HB8S01", PassTime=local_time(2), VehicleColor="4", VehicleClass="H31"
        ),
        motor_vehicle(3, PlateNo="鄂HBBS0I", PassTime=local_time(3), DeviceID=DEVICE_2),
        motor_vehicle(4, PlateNo="无车牌", PassTime=local_time(4)),
    )  # fmt: skip
    await told(county, there, motor_vehicle(5, PlateNo="鄂H12346", PassTime=local_time(5)))
    return county


async def test_each_finds_what_passed_in_their_areas(passes: County) -> None:
    await passes.user("town", "operator", passes.town)
    await passes.user("all", "system_admin")
    await passes.user("viewer", "viewer", passes.town)
    async with await passes.sign_in("town") as client:
        assert await plates(client) == [None, "鄂HBBS0I", "鄂HB8S01", "鄂H12345"]
        assert await plates(client, area_id=passes.village) == []
        hidden = await client.get("/api/sightings", params={**RANGE, "area_id": passes.other_town})
        assert hidden.status_code == 404
    async with await passes.sign_in("all") as client:
        assert len(await plates(client)) == 5
        assert await plates(client, area_id=passes.other_town) == ["鄂H12346"]
    async with await passes.sign_in("viewer") as client:
        assert (await client.get("/api/sightings", params=RANGE)).status_code == 403


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"plate": "鄂h12345"}, ["鄂H12345"]),
        ({"plate": "鄂H1234?"}, ["鄂H12346", "鄂H12345"]),
        ({"plate": "*345"}, ["鄂H12345"]),
        ({"plate": "34", "infix": "true"}, ["鄂H12346", "鄂H12345"]),
        ({"plate": "鄂H"}, []),
        ({"plate": "鄂H8BS01", "look_alikes": "true"}, ["鄂HBBS0I", "鄂HB8S01"]),
        ({"plate": "8501", "infix": "true", "look_alikes": "true"}, ["鄂HBBS0I", "鄂HB8S01"]),
        ({"color": ["red"]}, ["鄂HB8S01"]),
        ({"color": ["red", "white"], "vehicle_type": "truck"}, ["鄂HB8S01"]),
        ({"vehicle_type": ["van"], "plate": "鄂H*5"}, ["鄂H12345"]),
        ({"kind": "person"}, []),
        ({"plate_color": "blue", "limit": 2}, ["鄂H12346", None]),
    ],
)
async def test_what_is_asked_is_found(
    passes: County, asked: dict[str, Any], found: list[str]
) -> None:
    await passes.user("all", "system_admin")
    async with await passes.sign_in("all") as client:
        assert await plates(client, **asked) == found


async def test_pages_follow_one_another_without_a_gap(passes: County) -> None:
    await passes.user("all", "system_admin")
    found: list[str] = []
    async with await passes.sign_in("all") as client:
        page = await search(client, limit=2)
        while True:
            found += [one["id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            page = await search(client, limit=2, cursor=page["next_cursor"], look=page["look"])
        everything = [one["id"] for one in (await search(client))["items"]]
    assert found == everything
    assert len(set(found)) == 5


async def test_checkpoints_choose(passes: County) -> None:
    await passes.user("town", "operator", passes.town)
    async with await passes.sign_in("town") as client:
        items = (await client.get("/api/sightings/checkpoints")).json()["items"]
        assert [one["code"] for one in items] == [CHECKPOINT, DEVICE_2]
        second = next(one["id"] for one in items if one["code"] == DEVICE_2)
        assert await plates(client, checkpoint_id=second) == ["鄂HBBS0I"]
        # Another's checkpoint is as if it were not there.
        assert await plates(client, checkpoint_id="3") == []


async def test_pictures_are_shown_and_each_look_is_on_record(passes: County) -> None:
    await passes.user("town", "operator", passes.town)
    async with await passes.sign_in("town") as client:
        page = await search(client, plate="鄂H12345")
        pictures = page["items"][0]["pictures"]
        assert [(one["kind"], one["width"]) for one in pictures] == [("vehicle", 64), ("plate", 20)]
        shown = [await client.get(one["url"]) for one in pictures]
        assert [one.content for one in shown] == [jpeg(), jpeg(20, 8)]
        assert shown[0].headers["content-type"] == "image/jpeg"
        assert shown[0].headers["cache-control"] == "no-store"
    (searched,) = await records(passes, "search.sightings")
    assert json.loads(searched.detail)["filters"] == {"plate": "鄂H12345"}
    looks = await records(passes, "sighting.picture")
    assert len(looks) == 2
    assert looks[0].start_us == PASSED_US + 1_000_000


async def test_a_reason_is_carried_to_pages_of_the_same_search_alone(passes: County) -> None:
    passes.services.settings = passes.services.settings.model_copy(
        update={"accountability": AccountabilitySettings(case_roles=[Role.INVESTIGATOR])}
    )
    await passes.user("all", "system_admin")
    async with await passes.sign_in("all") as client:
        page = await search(client, limit=2, purpose_code="incident")
        further = {**RANGE, "cursor": page["next_cursor"], "look": page["look"], "limit": 2}
        assert (await client.get("/api/sightings", params=further)).status_code == 200
        for change in (
            {"plate": "鄂H*"},
            {"end_us": str(PASSED_US + 3_500_000_000)},
            {"kind": "person"},
        ):
            refused = await client.get("/api/sightings", params={**further, **change})
            assert refused.status_code == 422, change
            assert refused.json()["error"]["code"] == "purpose_required"


async def test_what_one_may_not_know_of_is_as_if_it_were_not_there(passes: County) -> None:
    await passes.user("all", "system_admin")
    await passes.user("town", "operator", passes.town)
    async with await passes.sign_in("all") as client:
        ids = [one["id"] for one in (await search(client))["items"]]
    async with await passes.sign_in("town") as client:
        known = [one["id"] for one in (await search(client))["items"]]
        (foreign,) = set(ids) - set(known)
        answers = [
            await client.get(f"/api/sightings/{one}/pictures/0") for one in (foreign, "999999")
        ]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].json()["error"] == answers[1].json()["error"]


async def test_no_look_without_a_reason(passes: County) -> None:
    passes.services.settings = passes.services.settings.model_copy(
        update={"accountability": AccountabilitySettings(case_roles=[Role.INVESTIGATOR])}
    )
    await passes.user("town", "operator", passes.town)
    await passes.user("detective", "investigator", passes.town)
    async with await passes.sign_in("town") as client:
        refused = await client.get("/api/sightings", params=RANGE)
        assert refused.status_code == 422
        assert refused.json()["error"]["code"] == "purpose_required"
        page = await search(client, purpose_code="incident")
        url = page["items"][-1]["pictures"][0]["url"]
        assert (await client.get(url.partition("?")[0])).status_code == 422
        assert (await client.get(url)).status_code == 200
        cookie = client.cookies[SESSION_COOKIE]
    async with await passes.sign_in("detective") as client:
        # What another was shown for their reason is not one's own.
        assert (await client.get(url)).status_code == 422
        no_case = await client.get("/api/sightings", params={**RANGE, "purpose_code": "incident"})
        assert no_case.json()["error"]["code"] == "case_required"
        await search(client, purpose_code="incident", case_id="A-7")
        assert client.cookies[SESSION_COOKIE] != cookie
    searched = await records(passes, "search.sightings")
    assert [(one.reason_code, one.case_id) for one in searched] == [
        ("incident", None), ("incident", "A-7"),
    ]  # fmt: skip
    assert [one.reason_code for one in await records(passes, "sighting.picture")] == ["incident"]


async def test_a_masked_camera_shows_no_picture_to_who_may_not_lift_masks(passes: County) -> None:
    await passes.user("operator", "operator", passes.town)
    await passes.user("detective", "investigator", passes.town)
    await link(passes, f"plf_{passes.town}", CHECKPOINT, passes.camera)
    async with await passes.sign_in("operator") as client:
        before = (await search(client, plate="鄂H12345"))["items"][0]
        assert before["checkpoint"]["camera_id"] == passes.camera
        assert before["playback"] is True
        await passes.write(
            "masks.put", camera_id=passes.camera, version=0, user_name="u",
            user_id=passes.users["detective"],
            masks=[{"name": "窗", "points": [[0, 0], [0.5, 0], [0.5, 0.5]]}],
        )  # fmt: skip
        after = (await search(client, plate="鄂H12345"))["items"][0]
        assert (after["pictures"], after["withheld"]) == ([], "masked")
        refused = await client.get(before["pictures"][0]["url"])
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "masked"
        # Another checkpoint is not touched by it.
        assert (await search(client, plate="鄂HBBS0I"))["items"][0]["pictures"]
    async with await passes.sign_in("detective") as client:
        seen = (await search(client, plate="鄂H12345"))["items"][0]
        assert (await client.get(seen["pictures"][0]["url"])).status_code == 200


async def test_a_camera_s_area_decides_where_a_device_is_one(passes: County) -> None:
    await link(passes, f"plf_{passes.town}", DEVICE_2, passes.other_camera)
    await passes.user("there", "operator", passes.other_town)
    async with await passes.sign_in("there") as client:
        assert await plates(client) == ["鄂H12346", "鄂HBBS0I"]
        assert await plates(client, camera_id=passes.other_camera) == ["鄂HBBS0I"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"plate": "%"},
        {"plate": "' OR 1=1"},
        {"color": "beige"},
        {"end_us": "1"},
        {"cursor": "x"},
        {"kind": "face"},
    ],
)
async def test_what_cannot_be_asked_is_said(passes: County, wrong: dict[str, str]) -> None:
    await passes.user("all", "system_admin")
    async with await passes.sign_in("all") as client:
        refused = await client.get("/api/sightings", params={**RANGE, **wrong})
    assert refused.status_code == 422
