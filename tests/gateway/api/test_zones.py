"""Drawing zones, and what happened in them: who may, what is refused, what is on record."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.identifiers import now_us
from gateway.zones.zone_events import ZoneEvents
from tests.gateway.api.conftest import County
from tests.gateway.api.searching import mask
from tests.gateway.zones.test_zone_events import AT_US, S, happening

GATE = {
    "name": "北门",
    "kind": "line",
    "points": [[0.5, 1.0], [0.5, 0.0]],
    "rules": [{"kind": "line_crossing", "way": "forward"}],
}


def drawn(version: int, *zones: dict[str, Any]) -> dict[str, Any]:
    return {"version": version, "zones": list(zones)}


async def test_zones_are_kept_in_versions_and_each_change_is_on_record(county: County) -> None:
    await county.user("li", "system_admin")
    client = await county.sign_in("li")
    path = f"/api/cameras/{county.camera}/zones"
    never = (await client.get(path)).json()
    assert (never["version"], never["zones"], never["changed_by"]) == (0, [], None)
    first = await client.put(path, json=drawn(0, GATE))
    assert (first.status_code, first.json()["version"]) == (200, 1)
    (zone,) = first.json()["zones"]
    assert zone["id"].startswith("zon_") and zone["rules"][0]["way"] == "forward"
    assert zone["time_zone"] == "Asia/Shanghai"
    stale = await client.put(path, json=drawn(0))
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "conflict")
    again = await client.put(path, json=drawn(1, zone))
    assert again.json()["zones"] == [zone], "what was answered can be sent"
    records = (await client.get("/api/audit", params={"camera_id": county.camera})).json()["items"]
    details = [one["detail"] for one in records if one["action"] == "camera.zones"]
    assert [(one["version"], one["zones"]) for one in details] == [(2, ["北门"]), (1, ["北门"])]


async def test_it_is_said_whether_anybody_looks(county: County) -> None:
    await county.user("li", "system_admin")
    client = await county.sign_in("li")
    path = f"/api/cameras/{county.camera}/zones"
    for mode, watched in (("on", True), ("off", False)):
        answer = await client.patch(f"/api/cameras/{county.camera}/analysis", json={"mode": mode})
        assert answer.status_code in (200, 204)
        assert (await client.get(path)).json()["watched"] is watched


@pytest.mark.parametrize(
    "rules", [[{"kind": "crowd"}], [{"kind": "wrong_way"}], [{"kind": "line_crossing"}] * 2]
)
async def test_what_cannot_be_watched_is_refused_with_what_to_do(
    county: County, rules: list[dict[str, Any]]
) -> None:
    await county.user("li", "system_admin")
    client = await county.sign_in("li")
    path = f"/api/cameras/{county.camera}/zones"
    refused = await client.put(path, json=drawn(0, {**GATE, "rules": rules}))
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")
    assert (await client.get(path)).json()["version"] == 0


async def test_what_happened_is_shown_with_its_clip_to_who_may_see_the_camera(
    county: County,
) -> None:
    telling = ZoneEvents(county.services.rows, lambda _: "院子")
    telling.take(
        [
            happening("begin", camera_id=county.camera),
            happening("pulse", AT_US + S, "2", camera_id=county.camera, kind="wrong_way"),
            happening("pulse", AT_US + 2 * S, "3", camera_id=county.other_camera, zone_id="zon_9"),
        ]
    )
    await telling.flush()
    await county.user("viewer", "operator", county.town)
    client = await county.sign_in("viewer")
    items = (await client.get("/api/zones/events")).json()["items"]
    assert [one["id"] for one in items] == ["zev_2", "zev_1"], "the other town's is not theirs"
    intrusion = items[1]
    assert (intrusion["zone_id"], intrusion["zone_name"], intrusion["state"]) == (
        "zon_1", "院子", "open",
    )  # fmt: skip
    assert intrusion["clip"] == {"start_us": AT_US - 10 * S, "end_us": AT_US + 20 * S}
    assert intrusion["detail"]["passage_id"] == "77"

    async def ids(**query: Any) -> list[str]:
        answer = await client.get("/api/zones/events", params=query)
        return [one["id"] for one in answer.json()["items"]]

    assert await ids(kind="wrong_way") == ["zev_2"]
    assert await ids(open="true") == ["zev_1"]
    assert await ids(zone_id="zon_9") == []
    page = (await client.get("/api/zones/events", params={"limit": 1})).json()
    assert await ids(limit=1, cursor=page["next_cursor"]) == ["zev_1"]
    refused = await client.get("/api/zones/events", params={"camera_id": county.other_camera})
    assert refused.status_code == 404


async def test_what_happened_beneath_a_mask_is_told_to_who_may_lift_it_alone(
    county: County,
) -> None:
    telling = ZoneEvents(county.services.rows, lambda _: "院子")
    nobody = {"passage_id": None, "class": None, "box": None}
    crowd = {"kind": "crowd", **nobody, "detail": {"count": "9"}}
    telling.take(
        [
            happening("pulse", AT_US, "1", camera_id=county.camera),
            happening("pulse", AT_US + S, "2", camera_id=county.camera, box=[0.6, 0.2, 0.8, 0.9]),
            happening("pulse", AT_US + 2 * S, "3", camera_id=county.camera),
            happening("pulse", AT_US + 3 * S, "4", camera_id=county.camera, **crowd),
        ]
    )
    await telling.flush()
    await county.user("desk", "operator", county.town)
    await county.user("town", "investigator", county.town)
    await mask(county, county.camera, (0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    for path in ("/api/zones/events", "/api/device-events"):
        async with await county.sign_in("desk") as client:
            items = (await client.get(path)).json()["items"]
            assert [one["id"] for one in items] == ["zev_4", "zev_2"], path
            assert items[0]["detail"] == {"zone_name": "院子"}
            pages, cursor = [], None
            for _ in range(4):
                query = {"limit": 1, **({"cursor": cursor} if cursor else {})}
                page = (await client.get(path, params=query)).json()
                pages += [one["id"] for one in page["items"]]
                cursor = page["next_cursor"]
            assert (pages, cursor) == (["zev_4", "zev_2"], None), "pages go on past it"
        async with await county.sign_in("town") as client:
            items = (await client.get(path)).json()["items"]
            assert [one["id"] for one in items] == ["zev_4", "zev_3", "zev_2", "zev_1"]
            assert items[0]["detail"]["count"] == "9" and items[1]["detail"]["class"] == "person"


async def test_an_alarm_of_a_zone_says_neither_what_it_was_nor_where(county: County) -> None:
    telling = ZoneEvents(county.services.rows, lambda _: "院子")
    telling.take([happening("begin", now_us(), camera_id=county.camera)])
    await telling.flush()
    await county.services.alarm_watch.look(now_us())
    await county.user("desk", "operator", county.town)
    async with await county.sign_in("desk") as client:
        (alarm,) = (await client.get("/api/alarms")).json()["items"]
    assert alarm["kind"] == "intrusion"
    assert alarm["detail"] == {"source": "zone:zon_1", "zone_name": "院子"}
