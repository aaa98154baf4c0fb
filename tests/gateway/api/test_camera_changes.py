"""Another device in a camera's place, and one change to many cameras."""

from __future__ import annotations

from typing import Any

import httpx

from tests.gateway.api.conftest import County


async def test_another_device_takes_the_cameras_place(county: County) -> None:
    await county.user("town", "area_admin", county.town)
    async with await county.sign_in("town") as client:
        url = f"/api/cameras/{county.camera}"
        with_password = {"main_url": "rtsp://127.0.0.1:1/old", "password": "s3cret"}
        assert (await client.patch(url, json=with_password)).status_code == 200
        device = {
            "main_url": "rtsp://viewer:n3w@127.0.0.1:1/new",
            "model": "DS-2CD",
            "serial_number": "F123",
            "note": "struck by lightning",
        }
        replaced = (await client.post(f"{url}/replace", json=device)).json()
        assert (replaced["id"], replaced["name"]) == (county.camera, "村口")
        assert (replaced["main_url"], replaced["username"]) == ("rtsp://127.0.0.1:1/new", "viewer")
        without = {"main_url": "rtsp://127.0.0.1:1/newest"}
        replaced = (await client.post(f"{url}/replace", json=without)).json()
        # No stored password goes to a device that it was not given for.
        assert not replaced["has_password"]
        newest, new, old = (await client.get(f"{url}/devices")).json()["items"]
        assert [one["main_url"] for one in (newest, new, old)] == [
            "rtsp://127.0.0.1:1/newest",
            "rtsp://127.0.0.1:1/new",
            "rtsp://127.0.0.1:1/old",
        ]
        assert (new["model"], new["note"], new["replaced_by"]) == (
            "DS-2CD",
            "struck by lightning",
            "town",
        )
        assert newest["until_us"] is None
        assert (new["until_us"], old["until_us"]) == (newest["from_us"], new["from_us"])
        foreign = f"/api/cameras/{county.other_camera}"
        assert (await client.post(f"{foreign}/replace", json=without)).status_code == 404
        assert (await client.get(f"{foreign}/devices")).status_code == 404


async def test_a_camera_that_was_never_replaced_has_its_one_device(county: County) -> None:
    await county.user("town", "area_admin", county.town)
    async with await county.sign_in("town") as client:
        (only,) = (await client.get(f"/api/cameras/{county.camera}/devices")).json()["items"]
        assert (only["main_url"], only["until_us"]) == ("rtsp://127.0.0.1:1/村口", None)


async def test_a_position_is_given_and_taken_away_as_a_whole(county: County) -> None:
    await county.user("town", "area_admin", county.town)
    url = f"/api/cameras/{county.camera}"
    placed = {"longitude": 112.5881, "latitude": 31.1678, "heading_deg": 90, "view_deg": 60}
    async with await county.sign_in("town") as client:
        changed = (await client.patch(url, json=placed)).json()
        assert {name: changed[name] for name in placed} == placed
        # What is not about its position leaves it where it is.
        renamed = (await client.patch(url, json={"name": "村口二"})).json()
        assert renamed["longitude"] == 112.5881
        assert (await client.patch(url, json={"longitude": 113.0})).status_code == 422
        for wrong in (
            {"longitude": 181, "latitude": 0},
            {"longitude": 0, "latitude": 91},
            {"heading_deg": 360},
            {"view_deg": 0},
        ):
            assert (await client.patch(url, json=wrong)).status_code == 422, wrong
        gone = (await client.patch(url, json={"longitude": None, "latitude": None})).json()
        assert (gone["longitude"], gone["latitude"], gone["heading_deg"]) == (None, None, 90)


async def bulk(client: httpx.AsyncClient, select: Any, change: Any, token: str = "") -> Any:
    body = {"select": select, "change": change, **({"token": token} if token else {})}
    return await client.post("/api/cameras/bulk", json=body)


async def test_a_bulk_change_is_previewed_then_done_as_previewed(county: County) -> None:
    second = await county.add_camera("村口二", county.village, retention_days=90)
    await county.user("town", "area_admin", county.town)
    async with await county.sign_in("town") as client:
        change = {
            "retention_days": 90,
            "area_id": county.town,
            "rename": {"find": "村口", "replace": "彭墩村口"},
        }
        select = {"area_id": county.town}
        preview = (await bulk(client, select, change)).json()
        assert (preview["count"], preview["changed"]) == (2, 2)
        shown = {
            item["camera_id"]: {
                one["field"]: (one["before"], one["after"]) for one in item["changes"]
            }
            for item in preview["items"]
        }
        assert shown[second] == {
            "area_id": ("钟祥县/石牌镇/彭墩村", "钟祥县/石牌镇"),
            "name": ("村口二", "彭墩村口二"),
        }
        assert shown[county.camera]["retention_days"] == ("", "90")
        # Nothing yet.
        assert (await client.get(f"/api/cameras/{second}")).json()["name"] == "村口二"
        done = await bulk(client, select, change, preview["token"])
        assert done.json()["changed"] == 2, done.text
        camera = (await client.get(f"/api/cameras/{county.camera}")).json()
        assert (camera["name"], camera["retention_days"]) == ("彭墩村口", 90)
        assert camera["area_path"] == ["钟祥县", "石牌镇"]
        again = (await bulk(client, select, {"retention_days": 90})).json()
        assert (again["count"], again["changed"]) == (2, 0)


async def test_what_changed_since_the_preview_is_not_overwritten(county: County) -> None:
    await county.user("town", "area_admin", county.town)
    async with await county.sign_in("town") as client:
        select, change = {"camera_ids": [county.camera]}, {"enabled": False}
        token = (await bulk(client, select, change)).json()["token"]
        await client.patch(f"/api/cameras/{county.camera}", json={"record": "off"})
        refused = await bulk(client, select, change, token)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "changed_meanwhile")
        # Nor does the token allow another change.
        token = (await bulk(client, select, change)).json()["token"]
        other = await bulk(client, select, {"record": "continuous"}, token)
        assert other.status_code == 409


async def test_a_bulk_change_reaches_nothing_that_is_not_ones_own(county: County) -> None:
    await county.user("town", "area_admin", county.town)
    police = await county.write("areas.create", parent_id=None, name="所", axis="police")
    await county.user("boss", "system_admin")
    async with await county.sign_in("town") as client:
        foreign = {"camera_ids": [county.camera, county.other_camera]}
        assert (await bulk(client, foreign, {"enabled": False})).status_code == 404
        elsewhere = {"area_id": county.other_town}
        assert (await bulk(client, elsewhere, {"enabled": False})).status_code == 404
        every = (await bulk(client, {}, {"enabled": False})).json()
        assert [item["camera_id"] for item in every["items"]] == [county.camera]
        for change in (
            {"area_id": county.other_town},
            {"add_place_ids": [police]},
            {"remove_place_ids": [police]},
        ):
            answer = await bulk(client, {"camera_ids": [county.camera]}, change)
            assert answer.status_code == 404, change
        for wrong in ({}, {"colour": "red"}, {"retention_days": 0}, {"record": "maybe"}):
            assert (await bulk(client, {"camera_ids": [county.camera]}, wrong)).status_code == 422
    async with await county.sign_in("boss") as boss:
        placed = {"add_place_ids": [police]}
        select = {"camera_ids": [county.camera, county.other_camera]}
        token = (await bulk(boss, select, placed)).json()["token"]
        assert (await bulk(boss, select, placed, token)).json()["changed"] == 2
        assert (await boss.get(f"/api/cameras?area_id={police}")).json()["total"] == 2
        gone = {"remove_place_ids": [police]}
        token = (await bulk(boss, {"area_id": police}, gone)).json()["token"]
        assert (await bulk(boss, {"area_id": police}, gone, token)).json()["changed"] == 2
        assert (await boss.get(f"/api/cameras?area_id={police}")).json()["total"] == 0


async def test_a_number_belongs_to_one_camera(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as client:
        one, two = (f"/api/cameras/{id}" for id in (county.camera, county.other_camera))
        assert (await client.patch(one, json={"number": "A-1"})).json()["number"] == "A-1"
        taken = await client.patch(two, json={"number": "A-1"})
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "number_taken")
        assert (await client.delete(one)).status_code == 204
        assert (await client.patch(two, json={"number": "A-1"})).status_code == 200
