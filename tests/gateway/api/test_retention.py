"""The retention report over HTTP: for auditors everywhere, for area admins at home."""

from __future__ import annotations

import pytest

from gateway.api.processes import Processes
from gateway.identifiers import now_us
from tests.gateway.api.conftest import County


async def test_auditors_see_the_county_and_area_admins_their_own(county: County) -> None:
    await county.user("auditor", "auditor")
    await county.user("keeper", "area_admin", county.town)
    await county.user("viewer", "viewer")
    auditor, keeper = await county.sign_in("auditor"), await county.sign_in("keeper")
    every = (await auditor.get("/api/retention")).json()
    assert {one["camera_id"] for one in every["cameras"]} == {county.camera, county.other_camera}
    [own] = (await keeper.get("/api/retention")).json()["cameras"]
    assert own["camera_id"] == county.camera
    assert (own["required_days"], own["kept_days"], own["oldest_us"]) == (30, 0.0, None)
    assert own["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
    foreign = {"area_id": county.other_town}
    assert (await keeper.get("/api/retention", params=foreign)).status_code == 404
    [there] = (await auditor.get("/api/retention", params=foreign)).json()["cameras"]
    assert there["camera_id"] == county.other_camera
    assert (await (await county.sign_in("viewer")).get("/api/retention")).status_code == 403


async def test_pages_go_on_where_the_last_ended(county: County) -> None:
    await county.user("auditor", "auditor")
    client = await county.sign_in("auditor")
    first = (await client.get("/api/retention", params={"limit": 1})).json()
    following = {"limit": 1, "cursor": first["next_cursor"]}
    second = (await client.get("/api/retention", params=following)).json()
    assert second["next_cursor"] is None
    assert first["cameras"] != second["cameras"]
    bad = await client.get("/api/retention", params={"cursor": "no cursor"})
    assert bad.status_code == 422


async def test_a_deleted_camera_is_shown_until_its_footage_is_gone(county: County) -> None:
    await county.user("auditor", "auditor")
    client = await county.sign_in("auditor")
    await county.write("cameras.delete", camera_id=county.camera)
    cameras = (await client.get("/api/retention")).json()["cameras"]
    assert [one["deleted_camera"] for one in cameras if one["camera_id"] == county.camera] == [True]


async def test_the_sheet_is_safe_in_a_spreadsheet(county: County) -> None:
    await county.user("auditor", "auditor")
    await county.add_camera("=HYPERLINK(1)", county.village)
    client = await county.sign_in("auditor")
    answer = await client.get("/api/retention.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("camera_id,name,area,required_days")
    assert len(lines) == 4
    assert "'=HYPERLINK(1)" in answer.text
    assert "钟祥县/石牌镇/彭墩村" in answer.text


async def test_a_look_into_the_store_is_on_record(county: County) -> None:
    await county.user("auditor", "auditor")
    client = await county.sign_in("auditor")
    proof = (await client.post("/api/retention/proof")).json()
    assert (proof["ok"], proof["cameras"], proof["remaining"]) == (True, 2, [])
    assert proof["at_us"] <= now_us()
    records = (await client.get("/api/audit")).json()["items"]
    assert "retention.proof" in [one["action"] for one in records]


class FootageServer:
    """What its control channel says of packages."""

    def __init__(self, left: list[str]) -> None:
        self.left = left
        self.away = False

    async def call(self, name: str) -> list[str]:
        assert name == "exports.leftovers"
        if self.away:
            raise ConnectionError("nobody listens")
        return self.left


async def test_packages_that_are_still_there_are_told_to_an_auditor_of_the_county(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {"footage-1": FootageServer(["exp_1"]), "footage-2": FootageServer(["exp_1"])}

    async def names(self: Processes, kind: str | None = None) -> list[str]:
        return sorted(servers) if kind == "footage" else []

    monkeypatch.setattr(Processes, "names", names)
    monkeypatch.setattr(Processes, "client", lambda self, name: servers[name])
    await county.user("auditor", "auditor")
    await county.user("town", "auditor", county.town)
    auditor, town = await county.sign_in("auditor"), await county.sign_in("town")
    first = (await auditor.post("/api/retention/proof?limit=1")).json()
    assert (first["ok"], first["remaining"]) == (True, [])
    query = {"limit": 1, "cursor": first["next_cursor"]}
    last = (await auditor.post("/api/retention/proof", params=query)).json()
    assert (last["ok"], last["next_cursor"]) == (False, None)
    assert last["remaining"] == [{"key": "exports/exp_1", "reason": "its time is over"}]
    # A town's auditor is told nothing of other towns' packages.
    assert (await town.post("/api/retention/proof")).json()["remaining"] == []
    servers["footage-2"].away = True
    refused = await auditor.post("/api/retention/proof")
    assert refused.status_code == 503
    assert "footage-2 does not answer" in refused.json()["error"]["message"]
