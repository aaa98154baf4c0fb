"""Big screens: kept in versions, on record, and shown to their area's people."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.api.conftest import County

TITLE = {"kind": "title", "x": 0, "y": 0, "width": 32, "height": 2, "text": "指挥中心"}
GOALS = {"kind": "goals", "x": 0, "y": 2, "width": 8, "height": 16}


def form(area_id: str, *widgets: dict[str, Any], **fields: Any) -> dict[str, Any]:
    scenes = [{"name": "平时", "widgets": list(widgets)}]
    return {"name": "大厅", "area_id": area_id, "scenes": scenes, **fields}


async def test_a_screen_is_kept_in_versions_and_each_change_is_on_record(county: County) -> None:
    await county.user("li", "system_admin")
    client = await county.sign_in("li")
    made = await client.post("/api/screens", json=form(county.town, TITLE))
    assert made.status_code == 201
    screen = made.json()
    path = f"/api/screens/{screen['id']}"
    assert (screen["version"], screen["area_names"][-1]) == (1, "石牌镇")
    changed = await client.put(path, json=form(county.town, TITLE, GOALS, version=1))
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    stale = await client.put(path, json=form(county.town, version=1))
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "conflict")
    kept = (await client.get(path)).json()
    assert [one["kind"] for one in kept["scenes"][0]["widgets"]] == ["title", "goals"]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    records = (await client.get("/api/audit", params={"action": "screen."})).json()["items"]
    told = [(one["action"], one["detail"]["name"]) for one in records]
    assert told == [(f"screen.{name}", "大厅") for name in ("delete", "change", "add")]


async def test_another_area_s_people_know_nothing_of_it(county: County) -> None:
    await county.user("li", "system_admin")
    await county.user("viewer", "viewer", county.town)
    await county.user("stranger", "area_admin", county.other_town)
    admin = await county.sign_in("li")
    screen = (await admin.post("/api/screens", json=form(county.town))).json()
    path = f"/api/screens/{screen['id']}"
    viewer, stranger = await county.sign_in("viewer"), await county.sign_in("stranger")
    assert (await viewer.get("/api/screens")).json()["items"][0]["may_change"] is False
    assert (await viewer.put(path, json=form(county.town, version=1))).status_code == 403
    assert (await stranger.get("/api/screens")).json()["items"] == []
    assert (await stranger.get(path)).status_code == 404
    # Nor is it given away, or brought in.
    moved = await stranger.post("/api/screens", json=form(county.town))
    assert moved.status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"scenes": []},
        {"scenes": [{"name": "平时", "widgets": [{**GOALS, "x": 25}]}]},
        {"scenes": [{"name": "平时", "widgets": [GOALS, {**GOALS, "x": 7}]}]},
        {"scenes": [{"name": "平时", "widgets": [{**GOALS, "kind": "script"}]}]},
        {"scenes": [{"name": "平时", "widgets": [{**GOALS, "area_id": "area_1"}]}]},
        {"alarm": {"scene": 1, "priority": "high", "hold_s": 30}},
        {"tour_s": 1},
    ],
)
async def test_what_cannot_be_shown_is_refused(county: County, changes: dict[str, Any]) -> None:
    await county.user("li", "system_admin")
    client = await county.sign_in("li")
    refused = await client.post("/api/screens", json=form(county.town, **changes))
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")
    assert (await client.get("/api/screens")).json()["items"] == []
