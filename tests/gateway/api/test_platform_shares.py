"""What a platform above is given, said over the HTTP API."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from gateway.database.tables import audit_log
from tests.gateway.api.conftest import County

ABOVE = "plf_above"
BELOW = "plf_below"


@pytest.fixture
async def above(county: County) -> County:
    await county.user("admin", "system_admin")
    for platform_id, direction, code in (
        (ABOVE, "above", "42080000002000000001"),
        (BELOW, "below", "42080000002000000002"),
    ):
        await county.write(
            "platforms.create",
            columns={
                "id": platform_id,
                "kind": "gb28181",
                "direction": direction,
                "name": "市局",
                "code": code,
                "area_id": county.village,
                "host": "127.0.0.1",
                "port": 1,
                "options": {},
                "enabled": False,
            },
        )
    return county


async def test_shares_are_exactly_what_was_said(above: County) -> None:
    admin = await above.sign_in("admin")
    empty = await admin.get(f"/api/platforms/{ABOVE}/shares")
    assert empty.json() == {"items": [], "cameras": 0}
    body = {"area_ids": [above.village], "camera_ids": [above.camera]}
    put = await admin.put(f"/api/platforms/{ABOVE}/shares", json=body)
    assert put.status_code == 200
    found = put.json()
    assert {(one["area_id"], one["camera_id"]) for one in found["items"]} == {
        (above.village, None),
        (None, above.camera),
    }
    assert all(one["name"] and one["area_path"] and one["shared_by"] for one in found["items"])
    # The camera stands in that village: it is one camera.
    assert found["cameras"] == 1
    await admin.put(f"/api/platforms/{ABOVE}/shares", json={"area_ids": [], "camera_ids": []})
    assert (await admin.get(f"/api/platforms/{ABOVE}/shares")).json() == empty.json()
    async with above.services.reader.connect() as connection:
        details = await connection.scalars(
            sa.select(audit_log.c.detail)
            .where(audit_log.c.action == "platform.share")
            .order_by(audit_log.c.sequence)
        )
        changed = [json.loads(one)["changed"] for one in details]
    assert changed == [{"added": 2, "removed": 0}, {"added": 0, "removed": 2}]


async def test_platform_below_is_given_nothing(above: County) -> None:
    admin = await above.sign_in("admin")
    body = {"area_ids": [above.village], "camera_ids": []}
    response = await admin.put(f"/api/platforms/{BELOW}/shares", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "not_above")


async def test_what_does_not_exist_is_not_shared(above: County) -> None:
    admin = await above.sign_in("admin")
    body = {"area_ids": ["area_of_nobody"], "camera_ids": []}
    response = await admin.put(f"/api/platforms/{ABOVE}/shares", json=body)
    assert response.status_code == 404


async def test_code_names_one_thing_for_ever(above: County) -> None:
    admin = await above.sign_in("admin")
    chosen = "34020000001327000042"
    put = await admin.put(
        f"/api/platforms/{ABOVE}/codes",
        json={"kind": "camera", "id": above.camera, "code": chosen},
    )
    assert put.status_code == 204
    listed = (await admin.get(f"/api/platforms/{ABOVE}/codes", params={"query": "1327"})).json()
    assert [(one["id"], one["code"]) for one in listed["items"]] == [(above.camera, chosen)]
    taken = await admin.put(
        f"/api/platforms/{ABOVE}/codes",
        json={"kind": "area", "id": above.village, "code": chosen},
    )
    assert taken.status_code == 409
    codes = await above.write(
        "platforms.codes",
        platform_id=ABOVE,
        centre="34020000",
        items=[["group", ABOVE], ["camera", above.camera], ["area", above.village]],
    )
    assert codes["camera"] == {above.camera: chosen}
    pages, cursor = [], None
    while True:
        params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get(f"/api/platforms/{ABOVE}/codes", params=params)).json()
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [one["kind"] for one in pages] == ["camera", "group", "area"]
