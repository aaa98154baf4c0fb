"""Guard rails hold against who goes around them: nothing off the record, nobody by a token."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api import search as search_routes
from gateway.api import search_watch
from gateway.api.alarm_audience import audiences
from gateway.api.search_turns import AT_ONCE_LIMIT
from gateway.cameras import read_places
from gateway.database.evidence_tables import case_members
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.investigations import standing_rows
from gateway.people.authorize import Grant, Principal
from gateway.people.roles import Right, Role
from gateway.settings import AccountabilitySettings
from gateway.sightings import looks
from tests.gateway.api.conftest import County
from tests.gateway.api.searching import (
    RANGE,
    dark_coat,
    hits,
    index,
    lines,
    mask,
    passage,
    records,
)
from tests.gateway.api.test_desks import at_desk, switch
from tests.gateway.api.test_search_requests import (
    DARK,
    LATER_S,
    PATH,
    a_case,
    a_photo,
    a_trail,
    approved,
    asked,
    back_in_time,
    does,
    form,
    people,  # noqa: F401
    watch,
)
from tests.gateway.api.test_tokens import bearing

HOUR_US = 3_600_000_000
EVERYTHING = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


async def test_pictures_of_a_trail_are_on_record_each_time(people: County) -> None:  # noqa: F811
    _, _, path, _ = await a_trail(people)
    before = len(await records(people, "trail.show"))
    async with await people.sign_in("asker") as client:
        trail = (await client.get(path)).json()
        assert (await client.get(trail["points"][0]["crop_url"])).status_code == 200
        await client.get("/api/search/trails")
    told = (await records(people, "trail.show"))[before:]
    assert len(told) == 2
    detail = json.loads(told[0].detail)
    assert (detail["trail_id"], detail["points"]) == (trail["id"], 2)
    assert detail["camera_ids"] == [people.camera]
    assert (told[0].user_name, told[0].case_id) == ("asker", trail["case_id"])


async def test_matches_are_on_record_when_their_pictures_are_told(
    people: County,  # noqa: F811
) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "standing", query=DARK)
    await index(people, passage(people.camera, LATER_S, **dark_coat()))
    await watch(people).look()
    async with await people.sign_in("asker") as client:
        (match,) = (await client.get(f"{PATH}/{request_id}/matches")).json()["items"]
        assert (await client.get(match["hit"]["crop_url"])).status_code == 200
    (record,) = await records(people, "search.matches")
    detail = json.loads(record.detail)
    assert (detail["request_id"], detail["matches"]) == (request_id, 1)
    assert detail["camera_ids"] == [people.camera]
    assert (record.user_name, record.case_id) == ("asker", case_id)


async def test_no_look_renews_itself(
    people: County,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A passage read by a look tells of its picture no longer than that look is good."""
    known = await index(people, *(passage(people.camera, 10 * n) for n in range(1, 4)))
    begun_us = now_us()
    async with await people.sign_in("asker") as client:
        told = await lines(client, limit=1)
        at = {"look": told[1]["hit"]["crop_url"].split("look=")[1]}
        monkeypatch.setattr(looks, "now_us", lambda: begun_us + HOUR_US // 2)
        shown = (await client.get(f"/api/search/passages/{known[2]}", params=at)).json()
        page = await lines(client, limit=1, cursor=told[-1]["next_cursor"], look=told[0]["look"])
        crop = shown["crop_url"]
        assert (await client.get(crop)).status_code == 200
        assert len(await records(people, "search.crop")) == 0
        monkeypatch.setattr(looks, "now_us", lambda: begun_us + HOUR_US + 60_000_000)
        assert (await client.get(crop)).status_code == 200
        # It was looked at by itself, and is on record for itself.
        assert len(await records(people, "search.crop")) == 1
        signer = looks.LookSigner(people.services.secret)
        assert signer.read(page[0]["look"], people.users["asker"]) is None


async def test_one_break_glass_at_a_time(people: County) -> None:  # noqa: F811
    case_id = await a_case(people)
    first, second = await asked(people, case_id), await asked(people, case_id)
    await does(people, "asker", first["id"], "break-glass", reason="急")
    refused = await does(people, "asker", second["id"], "break-glass", reason="还急")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "review_pending")
    async with await people.sign_in("asker") as client:
        assert "break_glass" not in (await client.get(f"{PATH}/{second['id']}")).json()["can"]
    # Neither when it stopped by itself, nor when it was ended.
    await back_in_time(people, first["id"], review_until_us=now_us() - 1)
    await people.write("investigations.sweep")
    refused = await does(people, "asker", second["id"], "break-glass", reason="急")
    assert refused.json()["error"]["code"] == "review_pending"
    await does(people, "chief", first["id"], "review", justified=False, note="无据")
    done = await does(people, "asker", second["id"], "break-glass", reason="急")
    assert done.json()["usable"]


async def test_a_pin_approves_refuses_and_reviews_nothing(people: County) -> None:  # noqa: F811
    await people.user("wang", "supervisor", people.town)
    await people.user("li", "supervisor", people.town)
    case_id = await a_case(people)
    waiting, broken = await asked(people, case_id), await asked(people, case_id)
    await does(people, "asker", broken["id"], "break-glass", reason="急")
    browser = await at_desk(people, "li", "wang")
    assert (await switch(people, browser, "li")).status_code == 200
    deeds: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (waiting["id"], "approve", {}),
        (waiting["id"], "refuse", {"note": "否"}),
        (broken["id"], "review", {"justified": True, "note": "对"}),
    )
    for request_id, deed, body in deeds:
        refused = await browser.post(f"{PATH}/{request_id}/{deed}", json=body)
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "full_sign_in_required"
    await browser.aclose()


async def a_token(county: County) -> str:
    body = {
        "user_id": county.users["asker"], "name": "平台", "scopes": ["search", "live", "playback"],
        "expires_in_days": 30,
    }  # fmt: skip
    async with await county.sign_in("all") as client:
        made = await client.post("/api/tokens", json=body)
    assert made.status_code == 201, made.text
    token: str = made.json()["token"]
    return token


async def test_a_token_follows_nobody(people: County) -> None:  # noqa: F811
    """It searches by words; what a second person guards, and likeness, is for people."""
    case_id, request_id, path, known = await a_trail(people)
    photos = await approved(people, case_id, "photo")
    photo_id = await a_photo(people, photos, [1, 0])
    token = await a_token(people)
    async with bearing(people, token) as client:
        assert len(await hits(client, upper_color=["black"])) == 2
        for like in ({"passage_id": known[0]}, {"photo_id": photo_id}):
            refused = await client.post("/api/search", json={**RANGE, "like": like})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
        camera = {"camera_id": people.camera}
        assert (await client.post("/api/search/looks", json=camera)).status_code == 403
        for url in (
            path, "/api/search/trails", f"/api/search/photos?request_id={photos}",
            f"/api/search/photos/{photo_id}", f"/api/search/photos/{photo_id}/picture",
            f"{PATH}/{request_id}/matches",
        ):  # fmt: skip
            assert (await client.get(url)).status_code == 403, url


async def test_likeness_at_cameras_one_names_is_for_a_case(people: County) -> None:  # noqa: F811
    """To point at where the same may have been is to follow it."""
    near = await people.add_camera("路口", people.village)
    known = await index(
        people,
        passage(people.camera, 10, vector=[1, 0]),
        passage(near, 700, vector=[1, 0.1]),
    )
    like = {"passage_id": known[0]}
    async with await people.sign_in("asker") as client:
        assert [one["id"] for one in await hits(client, like=like)] == [known[1]]
        assert await hits(client, like=like, camera_ids=[people.camera]) == []
        for narrowed in (
            {"camera_ids": [near]},
            {"camera_ids": [near, people.camera]},
            {"region": {"camera_id": near, "points": [[0, 0], [1, 0], [1, 1]]}},
        ):
            body: dict[str, Any] = {**RANGE, "like": like, **narrowed}
            for purpose in (None, {"code": "patrol"}):
                refused = await client.post("/api/search", json={**body, "purpose": purpose})
                assert (refused.status_code, refused.json()["error"]["code"]) == (
                    422,
                    "case_required",
                )
        before = len(await records(people, "search.passages"))
        purpose = {"code": "lost_person", "case_id": "2026-1"}
        found = await hits(client, like=like, camera_ids=[near], purpose=purpose)
        assert [one["id"] for one in found] == [known[1]]
    (record,) = (await records(people, "search.passages"))[before:]
    assert record.case_id == "2026-1"
    assert json.loads(record.detail)["filters"]["like_camera_id"] == people.camera


async def test_what_likeness_could_not_compare_is_told(people: County) -> None:  # noqa: F811
    """Infra-red, or described by another model: it passed, and nobody compared it."""
    await people.user("desk", "operator", people.town)
    made = [passage(people.camera, 10 + 100 * n, vector=[1, 0]) for n in range(3)]
    made[1].vector, made[1].vector_kind = None, "newer"
    foreign = passage(people.other_camera, 50)
    plain = passage(people.camera, 500)
    known = await index(people, *made, foreign, plain)
    await people.write(
        "passages.note_indexed", camera_id=people.camera, start_us=RANGE["start_us"],
        end_us=RANGE["end_us"], model="test model", late=False,
    )  # fmt: skip
    like = {"passage_id": known[0]}
    async with await people.sign_in("asker") as client:
        told = await lines(client, like=like)
        assert [one["hit"]["id"] for one in told if one["type"] == "hit"] == [known[2]]
        coverage = told[-2]
        assert {one["why"] for one in coverage["items"]} == {"not_comparable"}
        times = {(one["start_us"], one["end_us"]) for one in coverage["items"]}
        here = [made[1], plain]
        assert {(one.first_us, one.last_us) for one in here} - times == set()
        assert coverage["seconds_asked"] - coverage["seconds_indexed"] == pytest.approx(8)
        # What does not fit in all else is not missed, and words compare nothing.
        cars = await lines(client, like=like, classes=["car"])
        assert cars[-2]["items"] == []
        assert (await lines(client))[-2]["items"] == []
    await mask(people, people.camera, *EVERYTHING)
    async with await people.sign_in("desk") as client:
        refused = await client.post("/api/search", json={**RANGE, "like": like})
        assert refused.status_code == 404
        await index(people, passage(people.camera, 900))
        fresh = await people.add_camera("路口", people.village)
        (seen,) = await index(people, passage(fresh, 20, vector=[1, 0]))
        told = await lines(client, like={"passage_id": seen})
        assert "not_comparable" not in {one["why"] for one in told[-2]["items"]}


async def test_a_match_beneath_a_mask_is_none_for_who_may_not_lift_it(
    people: County,  # noqa: F811
) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "standing", query=DARK)
    await people.user("desk", "operator", people.town)
    async with await people.sign_in("asker") as client:
        await client.put(f"/api/cases/{case_id}/members/desk", json={"role": "member"})
    await index(people, passage(people.camera, LATER_S, **dark_coat()))
    await mask(people, people.camera, *EVERYTHING)
    _, (alarm_id,) = await watch(people).look()
    for name, seen in (("desk", 0), ("asker", 1)):
        async with await people.sign_in(name) as client:
            assert (await client.get(f"{PATH}/{request_id}")).json()["matches"] == seen
            assert len((await client.get(f"{PATH}/{request_id}/matches")).json()["items"]) == seen
            told = (await client.get("/api/alarms")).json()
            assert (len(told["items"]), told["open"]) == (seen, seen)
            assert (await client.get(f"/api/alarms/{alarm_id}")).status_code == (
                200 if seen else 404
            )
    async with people.services.reader.connect() as connection:
        audience = (await audiences(connection, [alarm_id]))[alarm_id]
        place = (await read_places(connection, cameras.c.id == people.camera))[people.camera]
    for name, role, seen in (("desk", Role.OPERATOR, False), ("asker", Role.INVESTIGATOR, True)):
        user_id, held = people.users[name], (Grant(role, ""),)
        principal = Principal(user_id, name, name, held, False, now_us() + HOUR_US, "")
        assert audience.includes(principal, place) is seen


@pytest.mark.parametrize("gone", ["ended", "expired", "case", "member"])
async def test_a_search_by_a_photo_ends_with_its_request(
    people: County,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    gone: str,
) -> None:
    """Even while its lines are taken, however slowly."""
    monkeypatch.setattr(search_watch, "_ASK_AGAIN_S", 0.0)
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "photo")
    photo_id = await a_photo(people, request_id, [1, 0])
    await index(people, passage(people.camera, 10, vector=[1, 0]))
    told = search_routes._told

    async def then(*arguments: Any) -> Any:
        async for line in told(*arguments):
            yield line
            if line["type"] != "search":
                continue
            if gone == "ended":
                await does(people, "asker", request_id, "end")
            elif gone == "expired":
                await back_in_time(people, request_id, expires_us=now_us() - 1)
            elif gone == "case":
                async with await people.sign_in("asker") as other:
                    body = {"note": "找到", "release_holds": True}
                    closed = await other.post(f"/api/cases/{case_id}/close", json=body)
                    assert closed.status_code == 200
            else:
                engine: sa.Engine = people.services.rows._engine  # type: ignore[attr-defined]
                with engine.begin() as connection:
                    connection.execute(
                        sa.delete(case_members).where(
                            case_members.c.user_id == people.users["asker"]
                        )
                    )

    monkeypatch.setattr(search_routes, "_told", then)
    async with await people.sign_in("asker") as client:
        answer = await lines(client, like={"photo_id": photo_id})
    assert [one["type"] for one in answer] == ["search", "error"]
    assert answer[1]["code"] == "request_not_usable"


async def test_a_search_ends_when_playback_is_withdrawn(people: County) -> None:  # noqa: F811
    """A search for changes shows what playback would show."""
    held = (Grant(Role.INVESTIGATOR, ""),)
    user_id = people.users["asker"]
    principal = Principal(user_id, "asker", "asker", held, False, now_us() + HOUR_US, "")
    with search_watch.watched(people.services, principal) as running:
        running.take_principal(replace(principal, scopes=frozenset({Right.SEARCH})))
        with pytest.raises(search_watch.SearchStopped) as stopped:
            running.check()
    assert stopped.value.code == "revoked"


async def test_boxes_over_live_pictures_are_looked_at_for_a_reason(
    people: County,  # noqa: F811
) -> None:
    services = people.services
    services.settings = services.settings.model_copy(
        update={"accountability": AccountabilitySettings(live_purpose=True)}
    )
    path = f"/api/analysis/boxes?camera_id={people.camera}"
    async with await people.sign_in("asker") as client:
        refused = await client.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "purpose_required")
        assert await records(people, "analysis.boxes") == []
        said = await client.put("/api/purposes/shift", json={"code": "patrol"})
        assert said.status_code == 200
        # Analysis does not run here.
        assert (await client.get(path)).status_code == 503
    (record,) = await records(people, "analysis.boxes")
    assert record.reason_code == "patrol"


async def test_alarms_of_a_standing_search_are_so_many_an_hour(
    people: County,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is found beyond is counted in the last, and among the matches."""
    monkeypatch.setattr(standing_rows, "ALARMS_AN_HOUR", 2)
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "standing", query=DARK)
    made = [passage(people.camera, LATER_S + n, **dark_coat()) for n in range(5)]
    await index(people, *made)
    await watch(people).look()
    async with await people.sign_in("asker") as client:
        told = (await client.get("/api/alarms")).json()
        assert told["open"] == 2
        assert sorted(one["detail"].get("more", 0) for one in told["items"]) == [0, 3]
        assert (await client.get(f"{PATH}/{request_id}")).json()["matches"] == 5
        assert len((await client.get(f"{PATH}/{request_id}/matches")).json()["items"]) == 5
    assert len(await records(people, "search.match")) == 5


async def test_a_standing_search_for_everybody_is_refused(people: County) -> None:  # noqa: F811
    case_id = await a_case(people)
    async with await people.sign_in("asker") as client:
        body = form(case_id, "standing", query={"classes": ["person"]})
        assert (await client.post(PATH, json=body)).status_code == 422
        body["query"]["camera_ids"] = [people.camera]
        assert (await client.post(PATH, json=body)).status_code == 201


async def test_looks_take_turns_with_ones_searches(people: County) -> None:  # noqa: F811
    people.services.searching[people.users["asker"]] = AT_ONCE_LIMIT
    async with await people.sign_in("asker") as client:
        refused = await client.post("/api/search/looks", json={"camera_id": people.camera})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_searches")
    assert await records(people, "search.look") == []


async def test_who_looks_at_picture_after_picture_is_told_to_wait(
    people: County,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(people.services.looks, "limit", 2)
    body = {"camera_id": people.camera, "purpose": {"code": "incident"}}
    async with await people.sign_in("asker") as client:
        # Nothing answers for analysis here; it was asked all the same.
        asked = [await client.post("/api/search/looks", json=body) for _ in range(2)]
        refused = await client.post("/api/search/looks", json=body)
    assert [one.json()["error"]["code"] for one in asked] == ["unavailable"] * 2
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_looks")
    wait_s = refused.json()["error"]["detail"]["retry_after_s"]
    assert 0 < wait_s <= 60
    assert refused.headers["Retry-After"] == str(wait_s)
    assert len(await records(people, "search.look")) == 2
