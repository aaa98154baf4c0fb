"""Configuring cameras over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cluster.interface import SUPERVISOR
from gateway.control.channel import ControlError, ControlServer, control_path
from gateway.database.tables import audit_log, cameras
from gateway.secrets import unseal
from tests.gateway.api.conftest import County


async def stored(county: County, camera_id: str) -> sa.Row[tuple[object, ...]]:
    async with county.services.reader.connect() as connection:
        return (await connection.execute(sa.select(cameras).where(cameras.c.id == camera_id))).one()


@pytest.mark.sqlite
async def test_credentials_leave_the_url_and_are_never_given_back(
    county: County, tmp_path: Path
) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    form = {
        "name": "村口",
        "area_id": county.village,
        "main_url": "rtsp://root:p%40ss@w0rd@127.0.0.1:554/main",
        "sub_url": "rtsp://127.0.0.1:554/sub",
    }
    response = await client.post("/api/cameras", json=form)
    assert response.status_code == 201
    camera = response.json()
    assert camera["main_url"] == "rtsp://127.0.0.1:554/main"
    assert camera["username"] == "root"
    assert camera["has_password"] is True
    assert camera["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
    assert "w0rd" not in response.text
    row = await stored(county, camera["id"])
    assert unseal(county.services.secret, row.password_sealed, camera["id"]) == "p@ss@w0rd"
    assert b"w0rd" not in (tmp_path / "gridsight.db-wal").read_bytes()
    async with county.services.reader.connect() as connection:
        for line in (await connection.execute(sa.select(audit_log.c.detail))).scalars():
            assert "w0rd" not in line
    await client.aclose()


async def test_a_camera_is_added_whatever_the_supervisor_says(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")

    async def reconcile() -> None:
        raise ControlError("busy", "come back later")

    path = control_path(county.services.settings, SUPERVISOR)
    server = ControlServer(path, county.services.secret, {"cluster.reconcile": reconcile})
    await server.start()
    form = {"name": "村口", "area_id": county.village, "main_url": "rtsp://127.0.0.1:554/main"}
    response = await client.post("/api/cameras", json=form)
    await server.close()
    assert response.status_code == 201
    await client.aclose()


async def test_numbers_that_no_database_holds_are_refused(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    form = {"name": "村口", "area_id": county.village, "main_url": "rtsp://127.0.0.1:554/main"}
    response = await client.post("/api/cameras", json={**form, "retention_bytes": 2**70})
    assert response.status_code == 422
    assert "retention_bytes" in response.json()["error"]["detail"]["fields"]
    await client.aclose()


async def test_a_stored_password_is_not_sent_to_another_host(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    form = {
        "name": "a",
        "area_id": county.village,
        "main_url": "rtsp://u:secret@127.0.0.1:554/main",
    }
    camera_id = (await client.post("/api/cameras", json=form)).json()["id"]
    path = f"/api/cameras/{camera_id}"
    for change in (
        {"main_url": "rtsp://127.0.0.9:554/main"},
        {"main_url": "rtsp://127.0.0.1:9/main"},
        {"sub_url": "rtsp://127.0.0.9/sub"},
    ):
        response = await client.patch(path, json=change)
        assert response.status_code == 422, change
        assert "password" in response.json()["error"]["detail"]["fields"]
    assert (await client.patch(path, json={"main_url": "rtsp://127.0.0.1/x"})).status_code == 200
    moved = {"main_url": "rtsp://127.0.0.9/x", "password": "new one"}
    assert (await client.patch(path, json=moved)).status_code == 200
    assert (await client.patch(path, json={"password": None})).json()["has_password"] is False
    await client.aclose()


async def test_a_push_name_is_one_camera_s(county: County) -> None:
    """Else whoever configures one township could keep another one's publishers out."""
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    form = {"name": "a", "area_id": county.village, "main_url": "push://gate", "password": "k"}
    made = (await client.post("/api/cameras", json=form)).json()["id"]
    elsewhere = {**form, "area_id": county.other_town, "password": "other"}
    assert (await client.post("/api/cameras", json=elsewhere)).status_code == 409
    path = f"/api/cameras/{county.camera}"
    changed = await client.patch(path, json={"main_url": "push://gate", "password": "other"})
    replaced = await client.post(f"{path}/replace", json={"main_url": "push://gate"})
    assert (changed.status_code, replaced.status_code) == (409, 409)
    same = {"main_url": "push://gate", "name": "b"}
    assert (await client.patch(f"/api/cameras/{made}", json=same)).status_code == 200
    await client.delete(f"/api/cameras/{made}")
    assert (await client.post("/api/cameras", json=elsewhere)).status_code == 201
    await client.aclose()


async def test_a_change_leaves_the_rest(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    before = await stored(county, county.camera)
    response = await client.patch(f"/api/cameras/{county.camera}", json={"record": "off"})
    assert response.json()["record"] == "off"
    after = await stored(county, county.camera)
    assert (after.name, after.main_url, after.enabled) == (
        before.name,
        before.main_url,
        before.enabled,
    )
    assert after.changed_us > before.changed_us
    await client.aclose()


async def test_lists_are_paged_without_loss_and_only_of_what_may_be_seen(county: County) -> None:
    await county.user("clerk", "viewer", county.town)
    names = {f"cam {number:03}" for number in range(25)}
    for name in names:
        await county.add_camera(name, county.village)
    # The same name twice must not make a page lose one.
    await county.add_camera("cam 007", county.town)
    client = await county.sign_in("clerk")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 4, "query": "cam ", **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/cameras", params=query)).json()
        assert page["total"] == 26
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 26
    assert set(seen) == names
    everything = (await client.get("/api/cameras")).json()
    assert county.other_camera not in {item["id"] for item in everything["items"]}
    shallow = {"area_id": county.town, "deep": "false"}
    assert (await client.get("/api/cameras", params=shallow)).json()["total"] == 1
    foreign = await client.get("/api/cameras", params={"area_id": county.other_town})
    assert foreign.status_code == 404
    assert (await client.get("/api/cameras", params={"cursor": "!"})).status_code == 422
    await client.aclose()


async def test_the_tree_begins_where_the_grant_begins(county: County) -> None:
    await county.user("clerk", "viewer", county.town)
    await county.user("admin", "system_admin")
    client = await county.sign_in("clerk")
    roots = (await client.get("/api/areas")).json()["items"]
    assert [root["id"] for root in roots] == [county.town]
    assert (roots[0]["child_count"], roots[0]["camera_count"]) == (1, 1)
    assert (await client.get("/api/areas", params={"parent_id": county.root})).status_code == 404
    await client.aclose()
    client = await county.sign_in("admin")
    roots = (await client.get("/api/areas")).json()["items"]
    assert [root["camera_count"] for root in roots] == [2]
    await client.aclose()


async def test_an_area_cannot_be_moved_to_where_one_has_no_right(county: County) -> None:
    await county.user("boss", "area_admin", county.town)
    client = await county.sign_in("boss")
    path = f"/api/areas/{county.village}"
    assert (await client.patch(path, json={"parent_id": county.other_town})).status_code == 404
    assert (await client.patch(path, json={"parent_id": None})).status_code == 403
    move = {"area_id": county.other_town}
    camera = f"/api/cameras/{county.camera}"
    assert (await client.patch(camera, json=move)).status_code == 404
    await client.aclose()


async def test_a_deleted_camera_is_gone_but_its_footage_may_be_played(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    assert (await client.delete(f"/api/cameras/{county.camera}")).status_code == 204
    assert (await client.get(f"/api/cameras/{county.camera}")).status_code == 404
    query = {"camera_id": county.camera, "start_us": 1, "end_us": 2}
    assert (await client.get("/api/timeline", params=query)).status_code == 200
    live = {"camera_id": county.camera}
    assert (await client.post("/api/live", json=live)).status_code == 404
    await client.aclose()


@pytest.mark.parametrize(
    "url",
    ["", "rtsp://", "ftp://h/", "rtsp://h:0/", "rtsp://h:99999/", "rtsp://h/a b", "rtsp:///x"],
)
async def test_addresses_that_are_none_are_refused(county: County, url: str) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    form = {"name": "x", "area_id": county.village, "main_url": url}
    assert (await client.post("/api/cameras", json=form)).status_code == 422
    assert (await client.post("/api/cameras/test", json={"main_url": url})).status_code == 422
    await client.aclose()


async def test_what_was_configured_and_looked_at_is_in_the_register(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    await client.patch(f"/api/cameras/{county.camera}", json={"name": "新"})
    await client.post("/api/users", json={"name": "li"})
    lines = (await client.get("/api/audit")).json()["items"]
    actions = [line["action"] for line in lines]
    assert actions[:3] == ["audit.read", "user.create", "camera.change"]
    assert lines[2]["camera_id"] == county.camera
    assert lines[2]["detail"] == {"fields": ["name"]}
    await client.aclose()


async def test_an_area_auditor_reads_of_that_area_only(county: County) -> None:
    await county.user("admin", "system_admin")
    await county.user("watch", "auditor", county.town)
    client = await county.sign_in("admin")
    for camera_id in (county.camera, county.other_camera):
        await client.patch(f"/api/cameras/{camera_id}", json={"name": "x"})
    await client.aclose()
    client = await county.sign_in("watch")
    lines = (await client.get("/api/audit")).json()["items"]
    assert {line["camera_id"] for line in lines} == {county.camera}
    await client.aclose()
