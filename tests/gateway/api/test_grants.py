"""Who gives what to whom, what somebody can see, and who can see something."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.identifiers import now_us
from gateway.people import grant_rows
from tests.gateway.api.conftest import County

HOUR_US = 3600 * 1_000_000


async def ask(client: httpx.AsyncClient, method: str, path: str, **arguments: Any) -> Any:
    response = await client.request(method, path, **arguments)
    assert response.status_code < 300, response.text
    return response.json() if response.content else None


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture
async def police_station(county: County) -> str:
    """An area of another axis, whose jurisdiction has the camera of the first town."""
    root = await county.write("areas.create", parent_id=None, name="县公安局", axis="police")
    station = await county.write("areas.create", parent_id=root, name="石牌派出所")
    await county.write("cameras.place", camera_id=county.camera, area_ids=[station])
    return str(station)


async def test_a_grant_is_given_listed_and_withdrawn(county: County) -> None:
    await county.user("root", "system_admin")
    clerk = await county.user("clerk", None)
    until_us = now_us() + HOUR_US
    async with await county.sign_in("root") as client, await county.sign_in("clerk") as seer:
        assert refusal(await seer.get(f"/api/cameras/{county.camera}")) == (404, "not_found")
        given = await ask(client, "POST", "/api/grants", json={
            "user_id": clerk, "role": "operator", "area_id": county.town,
            "valid_until_us": until_us, "ptz_priority": 70,
        })  # fmt: skip
        assert given["area_path"] == ["钟祥县", "石牌镇"]
        assert given["axis"] == "area"
        assert given["in_force"]
        assert given["granted_by"]["name"] == "root"
        seen = await ask(seer, "GET", f"/api/cameras/{county.camera}")
        assert "ptz" in seen["rights"]
        listed = await ask(client, "GET", "/api/grants", params={"area_id": county.root})
        assert listed["items"] == [given]
        await ask(client, "DELETE", f"/api/grants/{given['id']}")
        assert refusal(await seer.get(f"/api/cameras/{county.camera}")) == (404, "not_found")


@pytest.mark.parametrize(
    ("from_us", "until_us", "sees"),
    [(None, -1, False), (1, None, False), (-1, 1, True), (None, None, True), (-2, -1, False)],
)
async def test_a_grant_holds_in_its_time_alone(
    county: County,
    monkeypatch: pytest.MonkeyPatch,
    from_us: int | None,
    until_us: int | None,
    sees: bool,
) -> None:
    await county.user("clerk", None)
    at_us = now_us()
    # Given long ago: what has ended already cannot be given now.
    monkeypatch.setattr(grant_rows, "now_us", lambda: at_us - 9 * HOUR_US)
    await county.write(
        "grants.add",
        user_id=county.users["clerk"],
        role="viewer",
        area_id=county.town,
        valid_from_us=None if from_us is None else at_us + from_us * HOUR_US,
        valid_until_us=None if until_us is None else at_us + until_us * HOUR_US,
    )
    async with await county.sign_in("clerk") as client:
        found = await ask(client, "GET", "/api/cameras")
        assert [one["id"] for one in found["items"]] == ([county.camera] if sees else [])
        assert found["total"] == (1 if sees else 0)
        response = await client.get(f"/api/cameras/{county.camera}")
        assert response.status_code == (200 if sees else 404)


async def test_a_camera_is_seen_from_any_axis_on_which_it_stands(
    county: County, police_station: str
) -> None:
    await county.user("officer", "operator", police_station)
    async with await county.sign_in("officer") as client:
        found = await ask(client, "GET", "/api/cameras")
        assert [one["id"] for one in found["items"]] == [county.camera]
        for deep in ("true", "false"):
            inside = {"area_id": police_station, "deep": deep}
            assert (await ask(client, "GET", "/api/cameras", params=inside))["total"] == 1
        assert "playback" in (await ask(client, "GET", f"/api/cameras/{county.camera}"))["rights"]
        foreign = await client.get(f"/api/cameras/{county.other_camera}")
        assert refusal(foreign) == (404, "not_found")
        # Its home is another's: the tree of townships stays closed.
        assert refusal(await client.get("/api/areas", params={"parent_id": county.town})) == (
            404, "not_found",
        )  # fmt: skip
    await county.write("cameras.place", camera_id=county.camera, area_ids=[])
    async with await county.sign_in("officer") as client:
        assert (await ask(client, "GET", "/api/cameras"))["total"] == 0


async def test_an_area_admin_gives_what_they_hold_where_they_hold_it(county: County) -> None:
    await county.user("chief", "area_admin", county.town)
    clerk = await county.user("clerk", None, home=county.village)
    stranger = await county.user("stranger", None, home=county.other_town)
    async with await county.sign_in("chief") as client:

        async def give(**terms: Any) -> httpx.Response:
            return await client.post(
                "/api/grants",
                json={"user_id": clerk, "role": "operator", "area_id": county.village, **terms},
            )

        assert (await give()).status_code == 201
        assert (await give(role="area_admin", area_id=county.town)).status_code == 201
        for role in ("investigator", "auditor", "inspector"):
            response = await give(role=role)
            assert refusal(response) == (403, "more_than_held"), role
            assert response.json()["error"]["detail"]["rights"]
        assert refusal(await give(role="system_admin", area_id="*")) == (403, "not_allowed")
        assert refusal(await give(role="system_admin")) == (403, "more_than_held")
        assert refusal(await give(area_id="*")) == (403, "not_allowed")
        assert refusal(await give(area_id=county.root)) == (404, "not_found")
        assert refusal(await give(area_id=county.other_town)) == (404, "not_found")
        assert refusal(await give(user_id=stranger)) == (404, "not_found")
        assert refusal(await give(ptz_priority=90)) == (403, "more_than_held")
        listed = await ask(client, "GET", "/api/grants")
        assert {one["area_id"] for one in listed["items"]} == {county.town, county.village}


async def test_what_is_given_does_not_outlive_what_is_held(county: County) -> None:
    chief = await county.user("chief", None)
    clerk = await county.user("clerk", None, home=county.village)
    until_us = now_us() + HOUR_US
    await county.write(
        "grants.add",
        user_id=chief,
        role="area_admin",
        area_id=county.town,
        valid_until_us=until_us,
    )
    form = {"user_id": clerk, "role": "viewer", "area_id": county.town}
    async with await county.sign_in("chief") as client:
        assert refusal(await client.post("/api/grants", json=form)) == (403, "more_than_held")
        later = await client.post("/api/grants", json={**form, "valid_until_us": until_us + 1})
        assert refusal(later) == (403, "more_than_held")
        await ask(client, "POST", "/api/grants", json={**form, "valid_until_us": until_us})


async def test_an_area_admin_takes_away_no_more_than_they_could_give(county: County) -> None:
    await county.user("chief", "area_admin", county.town)
    detective = await county.user("detective", "investigator", county.town, home=county.town)
    await county.user("foreigner", "viewer", county.other_town)
    async with await county.sign_in("chief") as client:
        seen = await ask(client, "GET", "/api/grants", params={"user_id": detective})
        path = f"/api/grants/{seen['items'][0]['id']}"
        assert refusal(await client.delete(path)) == (403, "more_than_held")
    async with await county.sign_in("foreigner") as client:
        assert refusal(await client.delete(path)) == (404, "not_found")


async def test_the_last_administrator_keeps_their_grant(county: County) -> None:
    root = await county.user("root", "system_admin")
    async with await county.sign_in("root") as client:
        held = await ask(client, "GET", "/api/grants", params={"user_id": root})
        response = await client.delete(f"/api/grants/{held['items'][0]['id']}")
        assert refusal(response) == (409, "last_admin")


async def test_area_admins_manage_the_accounts_of_their_own_area(county: County) -> None:
    await county.user("root", "system_admin")
    await county.user("chief", "area_admin", county.town, home=county.town)
    await county.user("clerk", "viewer", county.village, home=county.village)
    await county.user("boss", "investigator", county.root, home=county.town)
    await county.user("stranger", "viewer", county.other_town, home=county.other_town)
    async with await county.sign_in("chief") as client:
        listed = await ask(client, "GET", "/api/users")
        assert [one["name"] for one in listed["items"]] == ["boss", "chief", "clerk"]
        assert listed["total"] == 3
        # Of the county's grant to boss, nothing is told here.
        assert listed["items"][0]["grants"] == []
        assert (await client.get("/api/users", params={"query": "CLE"})).json()["total"] == 1
        clerk, stranger = county.users["clerk"], county.users["stranger"]
        reset = {"reset_password": True}
        assert (await ask(client, "PATCH", f"/api/users/{clerk}", json=reset))["one_time_password"]
        # Whose password one sets, as them one may act.
        response = await client.patch(f"/api/users/{county.users['boss']}", json=reset)
        assert refusal(response) == (403, "more_than_held")
        for request in (
            client.patch(f"/api/users/{stranger}", json=reset),
            client.delete(f"/api/users/{stranger}"),
            client.patch(f"/api/users/{clerk}", json={"area_id": county.other_town}),
        ):
            assert refusal(await request) == (404, "not_found")
        move_up = await client.patch(f"/api/users/{clerk}", json={"area_id": None})
        assert refusal(move_up) == (403, "not_allowed")
        assert refusal(await client.post("/api/users", json={"name": "new"})) == (
            403, "not_allowed",
        )  # fmt: skip
        granted = [{"role": "operator", "area_id": county.village}]
        form = {"name": "new", "area_id": county.village, "grants": granted}
        made = await ask(client, "POST", "/api/users", json=form)
        assert made["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
        assert [one["role"] for one in made["grants"]] == ["operator"]
        await ask(client, "DELETE", f"/api/users/{made['id']}")


async def test_replacing_grants_leaves_what_is_not_ones_business(county: County) -> None:
    await county.user("root", "system_admin")
    await county.user("chief", "area_admin", county.town)
    clerk = await county.user("clerk", "viewer", county.village, home=county.village)
    await county.write("grants.add", user_id=clerk, role="viewer", area_id=county.other_town)
    async with await county.sign_in("chief") as client, await county.sign_in("root") as root:
        # The account holds something elsewhere, which the chief does not.
        path = f"/api/users/{clerk}"
        assert refusal(await client.patch(path, json={"grants": []})) == (403, "more_than_held")
        held = await ask(root, "GET", "/api/grants", params={"user_id": clerk})
        assert {one["area_id"] for one in held["items"]} == {county.village, county.other_town}
        kept = next(one["id"] for one in held["items"] if one["area_id"] == county.village)
        wanted = [{"role": "viewer", "area_id": county.village}]
        changed = await ask(root, "PATCH", path, json={"grants": wanted})
        assert [one["id"] for one in changed["grants"]] == [kept]
        wanted = [{"role": "operator", "area_id": county.town}]
        changed = await ask(client, "PATCH", path, json={"grants": wanted})
        assert [one["role"] for one in changed["grants"]] == ["operator"]


async def test_what_can_this_person_see(county: County, police_station: str) -> None:
    await county.user("root", "system_admin")
    await county.user("chief", "area_admin", county.other_town)
    officer = await county.user("officer", "viewer", police_station, home=county.other_town)
    await county.write("grants.add", user_id=officer, role="operator", area_id=county.root)
    async with await county.sign_in("root") as client:
        seen = await ask(client, "GET", f"/api/users/{officer}/cameras")
        assert seen["user"]["name"] == "officer"
        by_id = {one["camera"]["id"]: one for one in seen["items"]}
        assert by_id.keys() == {county.camera, county.other_camera}
        assert len(by_id[county.camera]["grant_ids"]) == 2
        assert len(by_id[county.other_camera]["grant_ids"]) == 1
        assert by_id[county.camera]["camera"]["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
        assert {one["id"] for one in seen["grants"]} == set(by_id[county.camera]["grant_ids"])
        exporting = await ask(
            client, "GET", f"/api/users/{officer}/cameras", params={"right": "export"}
        )
        assert exporting["items"] == []
        first = await ask(client, "GET", f"/api/users/{officer}/cameras", params={"limit": 1})
        rest = await ask(
            client,
            "GET",
            f"/api/users/{officer}/cameras",
            params={"limit": 1, "cursor": first["next_cursor"]},
        )
        assert {one["items"][0]["camera"]["id"] for one in (first, rest)} == by_id.keys()
        assert rest["next_cursor"] is None
    async with await county.sign_in("chief") as client:
        seen = await ask(client, "GET", f"/api/users/{officer}/cameras")
        assert [one["camera"]["id"] for one in seen["items"]] == [county.other_camera]
        assert (seen["total"], seen["elsewhere"]) == (1, 1)
    async with await county.sign_in("officer") as client:
        assert (await ask(client, "GET", f"/api/users/{officer}/cameras"))["total"] == 2
        chief = county.users["chief"]
        assert refusal(await client.get(f"/api/users/{chief}/cameras")) == (404, "not_found")


async def test_who_can_see_this_camera(county: County, police_station: str) -> None:
    await county.user("root", "system_admin")
    await county.user("officer", "operator", police_station)
    await county.user("clerk", "viewer", county.village)
    await county.user("stranger", "operator", county.other_town)
    await county.user("gone", "operator", county.town)
    await county.write("accounts.change", user_id=county.users["gone"], enabled=False)
    path = f"/api/cameras/{county.camera}/people"
    async with await county.sign_in("root") as client:
        found = await ask(client, "GET", path)
        assert [one["user"]["name"] for one in found["items"]] == ["clerk", "officer", "root"]
        assert [one["ptz_priority"] for one in found["items"]] == [None, 50, 50]
        assert found["items"][0]["rights"] == ["live", "meet"]
        assert found["total"] == 3
        replaying = await ask(client, "GET", path, params={"right": "playback"})
        assert [one["user"]["name"] for one in replaying["items"]] == ["officer", "root"]
        first = await ask(client, "GET", path, params={"limit": 2})
        rest = await ask(client, "GET", path, params={"cursor": first["next_cursor"]})
        assert [one["user"]["name"] for one in rest["items"]] == ["root"]
    async with await county.sign_in("clerk") as client:
        assert refusal(await client.get(path)) == (403, "not_allowed")
    async with await county.sign_in("stranger") as client:
        assert refusal(await client.get(path)) == (404, "not_found")


@pytest.mark.parametrize(
    "cursor", ["x", "W10=", "WyJcdWQ4MDAiLCAieCJd", "WyIxIiwgIlx1MDAwMCJd", "é"]
)
async def test_a_cursor_of_ones_own_making_is_refused(county: County, cursor: str) -> None:
    root = await county.user("root", "system_admin")
    async with await county.sign_in("root") as client:
        for path in (
            "/api/grants",
            "/api/users",
            f"/api/users/{root}/cameras",
            f"/api/cameras/{county.camera}/people",
        ):
            response = await client.get(path, params={"cursor": cursor})
            assert refusal(response) == (422, "invalid"), path
