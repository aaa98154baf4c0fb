"""Layouts and tours: one's own, and those that somebody shares."""

from __future__ import annotations

import pytest

from tests.gateway.api.conftest import County


@pytest.mark.parametrize("kind", ["layouts", "tours"])
async def test_what_is_shared_is_seen_by_all_and_changed_by_its_owner(
    county: County, kind: str
) -> None:
    for name, role in (("chen", "operator"), ("li", "viewer"), ("boss", "system_admin")):
        await county.user(name, role)
    chen, li, boss = [await county.sign_in(name) for name in ("chen", "li", "boss")]
    path = f"/api/{kind}"

    async def keep(name: str, shared: bool) -> str:
        form = {"name": name, "shared": shared, "document": {"grid": "2x2", "tiles": []}}
        answer = await chen.post(path, json=form)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    own, shared = await keep("甲", False), await keep("乙", True)
    (seen,) = (await li.get(path)).json()["items"]
    assert (seen["id"], seen["owner"], seen["shared"]) == (shared, "chen", True)
    assert seen["document"] == {"grid": "2x2", "tiles": []}
    assert len((await chen.get(path)).json()["items"]) == 2

    form = {"name": "丙", "shared": True, "document": {}}
    for document_id, status in ((own, 404), (shared, 403)):
        assert (await li.put(f"{path}/{document_id}", json=form)).status_code == status
        assert (await li.delete(f"{path}/{document_id}")).status_code == status
    assert (await boss.put(f"{path}/{own}", json=form)).status_code == 404
    replaced = await boss.put(f"{path}/{shared}", json=form)
    assert (replaced.json()["name"], replaced.json()["owner"]) == ("丙", "chen")

    # Not shared any more: gone for the others.
    await chen.put(f"{path}/{shared}", json={**form, "shared": False})
    assert (await li.get(path)).json()["items"] == []
    assert (await chen.delete(f"{path}/{own}")).status_code == 204
    assert [one["id"] for one in (await chen.get(path)).json()["items"]] == [shared]


async def test_each_screen_of_each_user_remembers_its_own(county: County) -> None:
    for name in ("chen", "li"):
        await county.user(name, "viewer")
    chen, li = await county.sign_in("chen"), await county.sign_in("li")
    assert (await chen.get("/api/wall/1")).json() == {"document": None}
    for screen in ("1", "2"):
        body = {"document": {"grid": f"{screen}x{screen}"}}
        assert (await chen.put(f"/api/wall/{screen}", json=body)).status_code == 204
    await chen.put("/api/wall/1", json={"document": {"grid": "3x3"}})
    assert (await chen.get("/api/wall/1")).json() == {"document": {"grid": "3x3"}}
    assert (await chen.get("/api/wall/2")).json() == {"document": {"grid": "2x2"}}
    assert (await li.get("/api/wall/1")).json() == {"document": None}
    assert (await chen.get("/api/wall/..%2Fx")).status_code in (404, 422)
