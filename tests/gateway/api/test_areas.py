"""Trees on four axes, searched as people type, and what hangs in them."""

from __future__ import annotations

import httpx

from tests.gateway.api.conftest import County

POLICE = "police"


async def names(client: httpx.AsyncClient, query: str) -> list[str]:
    answer = await client.get(f"/api/areas{query}")
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


async def create(client: httpx.AsyncClient, **form: object) -> httpx.Response:
    return await client.post("/api/areas", json=form)


async def test_each_axis_has_a_tree_of_its_own(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as boss:
        station = (await create(boss, name="石牌派出所", axis=POLICE, code="PCS-03")).json()
        assert station["axis"] == POLICE
        beat = (await create(boss, name="一警区", parent_id=station["id"])).json()
        assert beat["axis"] == POLICE
        assert await names(boss, "") == ["钟祥县"]
        assert await names(boss, "?axis=police") == ["石牌派出所"]
        assert await names(boss, f"?parent_id={station['id']}") == ["一警区"]
        # Neither by creation nor by moving does one axis hang below another.
        wrong = await create(boss, name="x", parent_id=county.town, axis=POLICE)
        assert wrong.status_code == 422
        moved = await boss.patch(f"/api/areas/{beat['id']}", json={"parent_id": county.town})
        assert moved.status_code == 422


async def test_a_camera_stands_in_several_trees(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as boss:
        station = (await create(boss, name="石牌派出所", axis=POLICE)).json()["id"]
        beat = (await create(boss, name="一警区", parent_id=station)).json()["id"]
        placed = await boss.patch(f"/api/cameras/{county.camera}", json={"place_ids": [beat]})
        assert placed.json()["places"] == [
            {"area_id": beat, "axis": POLICE, "names": ["石牌派出所", "一警区"]}
        ]
        (tree,) = (await boss.get("/api/areas?axis=police")).json()["items"]
        assert (tree["child_count"], tree["camera_count"]) == (1, 1)
        found = (await boss.get(f"/api/cameras?area_id={station}")).json()["items"]
        assert [one["id"] for one in found] == [county.camera]
        full = await boss.delete(f"/api/areas/{beat}")
        assert full.json()["error"]["code"] == "area_has_cameras"
        home = await boss.patch(f"/api/cameras/{county.camera}", json={"area_id": beat})
        assert home.status_code == 422


async def test_the_beat_officer_sees_the_beat(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as boss:
        station = (await create(boss, name="石牌派出所", axis=POLICE)).json()["id"]
        await boss.patch(f"/api/cameras/{county.camera}", json={"place_ids": [station]})
    await county.user("officer", "operator", station)
    async with await county.sign_in("officer") as officer:
        assert await names(officer, "") == []
        assert await names(officer, "?axis=police") == ["石牌派出所"]
        cameras = (await officer.get("/api/cameras")).json()["items"]
        assert [one["id"] for one in cameras] == [county.camera]
        assert (await officer.get(f"/api/areas?parent_id={county.town}")).status_code == 404


async def test_areas_are_found_as_people_type(county: County) -> None:
    await county.write("areas.change", area_id=county.other_town, code="420881101100")
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as boss:
        for typed, expected in (
            ("石牌", ["石牌镇"]),
            ("spz", ["石牌镇"]),
            ("SHIPAI", ["石牌镇"]),
            ("shi pai", ["石牌镇"]),
            ("4208811011", ["胡集镇"]),
            ("pd", ["彭墩村"]),
            # What begins so comes before what only holds it; high up before deep down.
            ("zhen", ["石牌镇", "胡集镇"]),
            ("zx", ["钟祥县"]),
            # What a database takes for wildcards.
            ("%", []),
            ("_", []),
            ("\\", []),
        ):
            answer = await boss.get("/api/areas/search", params={"query": typed})
            assert [one["name"] for one in answer.json()["items"]] == expected, typed


async def test_a_search_leads_only_where_one_may_look(county: County) -> None:
    await county.user("town", "viewer", county.town)
    async with await county.sign_in("town") as client:
        found = (await client.get("/api/areas/search?query=c")).json()["items"]
        assert [(one["name"], one["ids"]) for one in found] == [
            ("彭墩村", [county.town, county.village])
        ]
        assert found[0]["names"] == ["钟祥县", "石牌镇", "彭墩村"]
        assert (await client.get("/api/areas/search?query=hjz")).json()["items"] == []
        assert (await client.get("/api/areas/search?query=")).status_code == 422


async def test_codes_are_checked_and_unique(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as boss:
        first = await create(boss, name="荆台村", parent_id=county.town, code="420881100202")
        assert first.status_code == 201, first.text
        for code, status, said in (
            ("420881100202", 409, "code_taken"),
            ("1", 422, "code_length"),
            ("990881100202", 422, "code_province"),
        ):
            answer = await create(boss, name="x", parent_id=county.town, code=code)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, said)
        # On another axis the same code is another thing.
        assert (await create(boss, name="x", axis=POLICE, code="420881100202")).status_code == 201
        for name in ("../x", "a/b", "a\nb", ""):
            assert (await create(boss, name=name)).status_code == 422


async def test_cameras_are_found_by_initials_and_number(county: County) -> None:
    await county.add_camera("彭墩桥头", county.village, number="42088110001320000001")
    await county.user("town", "viewer", county.town)
    async with await county.sign_in("town") as client:
        for typed in ("pdqt", "pengdun", "桥头", "4208811000132"):
            found = (await client.get("/api/cameras", params={"query": typed})).json()
            assert [one["name"] for one in found["items"]] == ["彭墩桥头"], typed
        assert (await client.get("/api/cameras?query=qiaotou")).json()["total"] == 1
