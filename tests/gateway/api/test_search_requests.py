"""Guard rails: a case, a second person, an end; and what goes on hangs on all three."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.analysis.asked_vectors import VectorsElsewhere
from gateway.api.search_vectors import EveryMachinesVectors, vectors_of_all
from gateway.control.channel import ControlClient
from gateway.database.investigation_tables import (
    search_looks,
    search_photos,
    search_requests,
    standing_dropped,
    standing_matches,
    standing_queue,
    trail_points,
    trails,
)
from gateway.database.operating_tables import alarms
from gateway.identifiers import now_us
from gateway.investigations.sealed import seal_bytes, unseal_bytes
from gateway.investigations.standing import PATIENCE_S, StandingSearches
from search.index.likeness import Vectors
from search.index.tables import passage_cameras
from search.passages import Color, ColorFound
from tests.gateway.api.conftest import County
from tests.gateway.api.searching import (
    BEGIN_US,
    S,
    dark_coat,
    hits,
    index,
    lines,
    mask,
    passage,
    records,
    rows,
)

DAY_US = 86_400 * S
PATH = "/api/search/requests"


@pytest.fixture
async def people(county: County) -> County:
    await county.user("asker", "investigator", county.town)
    await county.user("colleague", "investigator", county.town)
    await county.user("chief", "supervisor", county.town)
    await county.user("boss", "area_admin", county.root)
    await county.user("foreign", "supervisor", county.other_town)
    await county.user("village", "supervisor", county.village)
    await county.user("all", "system_admin")
    return county


async def a_case(county: County, name: str = "asker", number: str = "2026-1") -> str:
    async with await county.sign_in(name) as client:
        made = await client.post(
            "/api/cases", json={"number": number, "title": "走失", "area_id": county.town}
        )
    assert made.status_code == 201, made.text
    case_id: str = made.json()["id"]
    return case_id


def form(case_id: str, kind: str = "trail", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind, "case_id": case_id, "reason": "老人走失，家属报案",
        "expires_us": now_us() + DAY_US, **more,
    }  # fmt: skip


async def asked(county: County, case_id: str, kind: str = "trail", **more: Any) -> dict[str, Any]:
    async with await county.sign_in("asker") as client:
        made = await client.post(PATH, json=form(case_id, kind, **more))
    assert made.status_code == 201, made.text
    document: dict[str, Any] = made.json()
    return document


async def does(
    county: County, name: str, request_id: str, deed: str, **body: Any
) -> httpx.Response:
    async with await county.sign_in(name) as client:
        return await client.post(f"{PATH}/{request_id}/{deed}", json=body)


async def approved(county: County, case_id: str, kind: str = "trail", **more: Any) -> str:
    request = await asked(county, case_id, kind, **more)
    assert (await does(county, "chief", request["id"], "approve")).status_code == 200
    request_id: str = request["id"]
    return request_id


async def back_in_time(county: County, request_id: str, **columns: int) -> None:
    """As if what is stored had been stored earlier."""
    engine: sa.Engine = county.services.rows._engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(
            sa.update(search_requests).where(search_requests.c.id == request_id).values(**columns)
        )


async def test_a_second_person_approves(people: County) -> None:
    case_id = await a_case(people)
    request = await asked(people, case_id)
    assert (request["state"], request["usable"]) == ("waiting", False)
    assert request["can"] == ["end", "break_glass"]
    own = await does(people, "asker", request["id"], "approve")
    assert own.status_code == 403
    # A colleague who has no part in the case does not even know of it.
    assert (await does(people, "colleague", request["id"], "approve")).status_code == 404
    done = await does(people, "chief", request["id"], "approve", note="同意")
    document = done.json()
    assert (document["state"], document["usable"]) == ("approved", True)
    assert document["decided_by"]["name"] == "chief"
    again = await does(people, "boss", request["id"], "approve")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "request_decided")
    (record,) = await records(people, "search.request_approve")
    assert record.user_name == "chief"
    assert json.loads(record.detail)["request_id"] == request["id"]
    (record,) = await records(people, "search.request")
    assert (record.reason, record.case_id) == ("老人走失，家属报案", case_id)


async def test_nobody_approves_their_own_request(people: County) -> None:
    case_id = await a_case(people, "chief")
    async with await people.sign_in("chief") as client:
        request = (await client.post(PATH, json=form(case_id))).json()
        assert "approve" not in request["can"]
        refused = await client.post(f"{PATH}/{request['id']}/approve")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "own_request")
    async with await people.sign_in("all") as client:
        assert (await client.post(f"{PATH}/{request['id']}/approve")).status_code == 200


async def test_nor_through_another_account_at_the_same_desk(people: County) -> None:
    case_id = await a_case(people)
    desk = await people.write(
        "desks.create", name="值班台", area_id=people.town, token_hash="1" * 64,
        registered_by=people.users["boss"],
    )  # fmt: skip
    request = await asked(people, case_id)
    await back_in_time(people, request["id"], desk_id=desk)
    arguments = {"request_id": request["id"], "approve": True, "note": None}
    from recorder.rows import RowError

    with pytest.raises(RowError) as refused:
        await people.write(
            "investigations.decide", user_id=people.users["chief"], desk_id=desk, **arguments
        )
    assert refused.value.code == "own_request"
    await people.write(
        "investigations.decide", user_id=people.users["chief"], desk_id="another", **arguments
    )


async def test_who_approves_covers_the_area_of_the_request(people: County) -> None:
    case_id = await a_case(people)
    request = await asked(people, case_id)
    for name in ("foreign", "village"):
        assert (await does(people, name, request["id"], "approve")).status_code == 404
        async with await people.sign_in(name) as client:
            assert (await client.get(PATH)).json()["items"] == []
    smaller = await asked(people, case_id, area_id=people.village)
    assert (await does(people, "village", smaller["id"], "approve")).status_code == 200
    async with await people.sign_in("asker") as client:
        refused = await client.post(PATH, json=form(case_id, area_id=people.other_town))
        assert refused.status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"expires_us": 1},
        {"expires_us": lambda: now_us() + 8 * DAY_US},
        {"reason": "  "},
        {"kind": "face"},
        {"query": {"upper_color": ["black"]}},
        {"kind": "standing"},
        {"kind": "standing", "query": {}},
        {"kind": "standing", "query": {"like": {"look_id": "x"}}},
    ],
)
async def test_what_cannot_be_asked_for(people: County, change: dict[str, Any]) -> None:
    case_id = await a_case(people)
    body = form(case_id, **{k: v() if callable(v) else v for k, v in change.items()})
    async with await people.sign_in("asker") as client:
        assert (await client.post(PATH, json=body)).status_code == 422
    async with await people.sign_in("colleague") as client:
        # Not of the case.
        assert (await client.post(PATH, json=form(case_id))).status_code == 404


async def test_breaking_the_glass_is_reviewed(people: County) -> None:
    case_id = await a_case(people)
    request = await asked(people, case_id)
    assert (
        await does(people, "chief", request["id"], "break-glass", reason="x")
    ).status_code == 403
    broken = (await does(people, "asker", request["id"], "break-glass", reason="孩子落水")).json()
    assert (broken["state"], broken["usable"]) == ("broken", True)
    glass = broken["break_glass"]
    assert glass["review_until_us"] == glass["at_us"] + DAY_US
    assert (
        await does(people, "asker", request["id"], "review", justified=True, note="对")
    ).status_code == 403
    reviewed = (
        await does(people, "chief", request["id"], "review", justified=True, note="属实")
    ).json()
    assert (reviewed["state"], reviewed["usable"]) == ("approved", True)
    assert reviewed["break_glass"]["reviewed_by"]["name"] == "chief"
    assert len(await records(people, "search.request_break")) == 1
    assert len(await records(people, "search.request_review")) == 1


async def test_what_was_not_justified_ends(people: County) -> None:
    case_id = await a_case(people)
    request = await asked(people, case_id)
    await does(people, "asker", request["id"], "break-glass", reason="急")
    ended = (
        await does(people, "chief", request["id"], "review", justified=False, note="无据")
    ).json()
    assert (ended["state"], ended["usable"]) == ("ended", False)


async def test_without_a_review_it_stops_and_raises_an_alarm(people: County) -> None:
    case_id = await a_case(people)
    request = await asked(people, case_id)
    await does(people, "asker", request["id"], "break-glass", reason="孩子落水")
    await back_in_time(people, request["id"], review_until_us=now_us() - 1)
    async with await people.sign_in("asker") as client:
        # Even before anybody swept.
        assert not (await client.get(f"{PATH}/{request['id']}")).json()["usable"]
    done = await people.write("investigations.sweep")
    assert done["overdue"] == [request["id"]]
    assert (await people.write("investigations.sweep"))["overdue"] == []
    async with await people.sign_in("boss") as client:
        (alarm,) = (await client.get("/api/alarms?kind=review_overdue")).json()["items"]
        assert alarm["detail"]["request_id"] == request["id"]
    for name in ("foreign", "colleague", "village"):
        async with await people.sign_in(name) as client:
            assert (await client.get("/api/alarms")).json()["items"] == []
            assert (await client.get(f"/api/alarms/{alarm['id']}")).status_code == 404
    late = await does(people, "chief", request["id"], "review", justified=True, note="晚了")
    assert (late.json()["state"], late.json()["usable"]) == ("ended", False)
    async with await people.sign_in("boss") as client:
        assert (await client.get("/api/alarms?state=open")).json()["items"] == []
    assert len(await records(people, "search.request_overdue")) == 1


async def test_one_that_ended_before_its_review_is_reviewed_still(people: County) -> None:
    case_id = await a_case(people)
    request = await asked(people, case_id)
    await does(people, "asker", request["id"], "break-glass", reason="孩子落水")
    await does(people, "asker", request["id"], "end")
    await back_in_time(people, request["id"], review_until_us=now_us() - 1)
    assert (await people.write("investigations.sweep"))["overdue"] == [request["id"]]
    reviewed = await does(people, "chief", request["id"], "review", justified=True, note="属实")
    assert reviewed.json()["state"] == "ended"
    async with await people.sign_in("boss") as client:
        assert (await client.get("/api/alarms?state=open")).json()["items"] == []


async def a_photo(county: County, request_id: str, vector: list[float]) -> str:
    import numpy as np

    photo_id = f"pho_{request_id}"
    array = np.asarray([vector], np.float32)
    secret = county.services.secret
    await county.write(
        "investigations.add_photo", photo_id=photo_id, request_id=request_id,
        user_id=county.users["asker"], name="x.jpg", width=64, height=64,
        objects=[{"box": [0, 0, 1, 1], "class": "person", "confidence": 0.9}],
        picture_sealed=seal_bytes(secret, b"\xff\xd8 not stored bare", f"photo:{photo_id}"),
        vector_kind="test-vectors",
        vectors_sealed=seal_bytes(secret, array.tobytes(), f"photo vectors:{photo_id}"),
    )  # fmt: skip
    return photo_id


async def test_photos_go_with_their_request_and_so_does_what_searches_by_them(
    people: County,
) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "photo")
    photo_id = await a_photo(people, request_id, [1, 0])
    standing = await approved(
        people, case_id, "standing", query={"like": {"photo_id": photo_id, "least": 0.9}}
    )
    (row,) = await rows(people, search_photos)
    assert b"not stored bare" not in str(tuple(row)).encode()
    assert unseal_bytes(people.services.secret, row.picture_sealed, f"photo:{photo_id}")
    async with await people.sign_in("asker") as client:
        shown = await client.get(f"/api/search/photos/{photo_id}/picture")
        assert shown.content.startswith(b"\xff\xd8")
        assert shown.headers["cache-control"] == "no-store"
        assert (
            len((await client.get(f"/api/search/photos?request_id={request_id}")).json()["items"])
            == 1
        )
    for name, status in (("chief", 403), ("colleague", 404), ("foreign", 404)):
        async with await people.sign_in(name) as client:
            assert (await client.get(f"/api/search/photos/{photo_id}")).status_code == status
    await back_in_time(people, request_id, expires_us=now_us() - 1)
    async with await people.sign_in("asker") as client:
        # Even before anybody swept.
        assert (await client.get(f"/api/search/photos/{photo_id}/picture")).status_code == 404
    done = await people.write("investigations.sweep")
    assert done["expired"] == [request_id]
    assert await rows(people, search_photos) == []
    by_id = {row.id: row for row in await rows(people, search_requests)}
    assert by_id[standing].state == "ended"
    assert by_id[standing].vector_sealed is None
    assert len(await records(people, "search.photo_show")) == 1
    assert len(await records(people, "search.request_expire")) == 1


async def test_a_photo_is_searched_by_within_its_request_alone(people: County) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "photo", area_id=people.village)
    photo_id = await a_photo(people, request_id, [1, 0])
    known = await index(
        people,
        passage(people.camera, 10, vector=[1, 0]),
        passage(people.other_camera, 20, vector=[1, 0]),
    )
    await people.write("grants.add", user_id=people.users["asker"], role="operator", area_id="*")
    async with await people.sign_in("asker") as client:
        found = await hits(client, like={"photo_id": photo_id})
        assert [one["id"] for one in found] == [known[0]]
        beyond = {"like": {"photo_id": photo_id, "object": 1}}
        asked_for = {"start_us": BEGIN_US, "end_us": BEGIN_US + S, **beyond}
        assert (await client.post("/api/search", json=asked_for)).status_code == 422
        await client.post(f"{PATH}/{request_id}/end")
        refused = await client.post(
            "/api/search", json={**asked_for, "like": {"photo_id": photo_id}}
        )
        assert refused.status_code == 404


async def test_nothing_is_uploaded_without_a_request_in_force(people: County) -> None:
    case_id = await a_case(people)
    waiting = (await asked(people, case_id, "photo"))["id"]
    trail = await approved(people, case_id, "trail")
    async with await people.sign_in("asker") as client:
        for one in (waiting, trail):
            refused = await client.post(f"/api/search/photos?request_id={one}", content=b"\xff\xd8")
            assert refused.json()["error"]["code"] == "request_not_usable"
        usable = await approved(people, case_id, "photo")
        huge = await client.post(
            f"/api/search/photos?request_id={usable}", content=b"x" * (16 * 1024 * 1024 + 1)
        )
        assert huge.status_code == 413
        away = await client.post(f"/api/search/photos?request_id={usable}", content=b"\xff\xd8")
        assert away.status_code == 503
    assert await rows(people, search_photos) == []


async def a_trail(county: County) -> tuple[str, str, str, list[str]]:
    case_id = await a_case(county)
    request_id = await approved(county, case_id)
    known = await index(
        county,
        passage(county.camera, 10, vector=[1, 0], **dark_coat()),
        passage(county.camera, 300, vector=[1, 0.1], **dark_coat()),
    )
    async with await county.sign_in("asker") as client:
        made = await client.post(
            "/api/search/trails", json={"request_id": request_id, "title": "去向"}
        )
        assert made.status_code == 201, made.text
        path = f"/api/search/trails/{made.json()['id']}"
        for one in reversed(known):
            added = await client.post(f"{path}/points", json={"passage_id": one})
            assert added.status_code == 200, added.text
    return case_id, request_id, path, known


async def test_a_trail_is_points_in_the_order_of_time(people: County) -> None:
    _, _, path, known = await a_trail(people)
    async with await people.sign_in("asker") as client:
        trail = (await client.get(path)).json()
        assert [one["passage_id"] for one in trail["points"]] == known
        assert (await client.get(trail["points"][0]["crop_url"])).status_code == 200
        again = await client.post(f"{path}/points", json={"passage_id": known[0]})
        assert again.status_code == 409
        (foreign,) = await index(people, passage(people.other_camera, 20))
        assert (
            await client.post(f"{path}/points", json={"passage_id": foreign})
        ).status_code == 404
        point = trail["points"][0]["id"]
        assert (await client.delete(f"{path}/points/{point}")).status_code == 204
        assert len((await client.get(path)).json()["points"]) == 1
    for name in ("chief", "all", "colleague"):
        async with await people.sign_in(name) as client:
            assert (await client.get(path)).status_code == 404
            assert (await client.get("/api/search/trails")).json()["items"] == []


async def test_the_case_keeps_a_route_that_was_attached(people: County) -> None:
    case_id, request_id, path, _ = await a_trail(people)
    async with await people.sign_in("asker") as client:
        attached = await client.post(f"{path}/attach", json={"hold": True, "before_s": 5})
        assert attached.json()["attached_us"]
        await client.post(f"{path}/attach")
        case = (await client.get(f"/api/cases/{case_id}")).json()
        assert [one["start_us"] for one in case["items"]] == [BEGIN_US + 5 * S, BEGIN_US + 295 * S]
        assert len(case["holds"]) == 2
        await client.post(f"{PATH}/{request_id}/end")
        trail = (await client.get(path)).json()
        assert (len(trail["points"]), trail["usable"]) == (2, False)


async def test_a_route_that_no_case_keeps_goes_with_its_request(people: County) -> None:
    _, request_id, path, _ = await a_trail(people)
    await back_in_time(people, request_id, expires_us=now_us() - 1)
    async with await people.sign_in("asker") as client:
        assert (await client.get(path)).status_code == 404
    await people.write("investigations.sweep")
    assert await rows(people, trails) == []
    assert await rows(people, trail_points) == []


async def test_points_beneath_a_mask_are_counted_not_told(people: County) -> None:
    case_id, _, path, _ = await a_trail(people)
    await people.user("desk", "operator", people.town)
    async with await people.sign_in("asker") as client:
        await client.put(f"/api/cases/{case_id}/members/desk", json={"role": "member"})
    await mask(people, people.camera, (0.3, 0.2), (0.7, 0.2), (0.7, 1.0), (0.3, 1.0))
    async with await people.sign_in("desk") as client:
        trail = (await client.get(path)).json()
        assert (trail["points"], trail["hidden_points"]) == ([], 2)
    async with await people.sign_in("asker") as client:
        assert len((await client.get(path)).json()["points"]) == 2


async def test_where_else_something_was_seen(people: County) -> None:
    case_id = await a_case(people)
    near = await people.add_camera("路口", people.village)
    known = await index(
        people,
        passage(people.camera, 10, vector=[1, 0], **dark_coat()),
        passage(near, 700, vector=[1, 0.1], **dark_coat()),
        passage(near, 800, vector=[0, 1], upper_color=ColorFound(Color.RED, 0.9)),
        passage(people.other_camera, 700, vector=[1, 0], **dark_coat()),
    )
    waiting = (await asked(people, case_id))["id"]
    request_id = await approved(people, case_id)
    path = f"/api/search/passages/{known[0]}/also-seen"
    async with await people.sign_in("asker") as client:
        refused = await client.post(path, json={"request_id": waiting})
        assert refused.json()["error"]["code"] == "request_not_usable"
        assert await records(people, "search.also_seen") == []
        told = await lines(client, path, request_id=request_id)
    assert [one["type"] for one in (told[0], told[-2], told[-1])] == ["search", "coverage", "end"]
    found = [one["hit"]["id"] for one in told[1:-2]]
    # Likelier ones first; what is elsewhere is as if it were not there.
    assert found == [known[1], known[2]]
    assert told[1]["also_seen"]["gap_s"] == 700 - 14
    assert told[1]["also_seen"]["score"] > told[2]["also_seen"]["score"]
    (record,) = await records(people, "search.also_seen")
    assert json.loads(record.detail)["request_id"] == request_id
    async with await people.sign_in("colleague") as client:
        assert (await client.post(path, json={"request_id": request_id})).status_code == 404


def watch(county: County) -> StandingSearches:
    services = county.services
    return StandingSearches(
        services.reader, services.rows, services.secret, lambda: vectors_of_all(services)
    )


DARK = {"classes": ["person"], "upper_color": ["black"], "include_possible": False}
LATER_S = 50 * 3600


async def test_a_standing_search_alarms_once_for_each_passage(people: County) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "standing", query=DARK)
    standing = watch(people)
    made = passage(people.camera, LATER_S, **dark_coat())
    (before,) = await index(people, passage(people.camera, 5, **dark_coat()))
    known = await index(people, made, passage(people.camera, LATER_S + 9))
    assert len(await rows(people, standing_queue)) == 3
    count, told = await standing.look()
    assert (count, len(told)) == (3, 1)
    # A long passage is handed on again.
    await index(people, made)
    assert await standing.look() == (1, [])
    assert await standing.look() == (0, [])
    async with await people.sign_in("asker") as client:
        (match,) = (await client.get(f"{PATH}/{request_id}/matches")).json()["items"]
        assert (match["passage_id"], match["alarm_id"]) == (known[0], told[0])
        assert match["hit"]["id"] == known[0]
        assert match["passage_id"] != before
        (alarm,) = (await client.get("/api/alarms?state=open")).json()["items"]
        assert (alarm["kind"], alarm["detail"]["request_id"]) == ("standing_match", request_id)
        assert (await client.post(f"/api/alarms/{alarm['id']}/acknowledge")).status_code == 200
        assert (await client.get("/api/alarms?state=open")).json()["items"] == []
    (record,) = await records(people, "search.match")
    assert record.camera_id == people.camera


async def test_matches_are_seen_by_members_of_the_case_alone(people: County) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "standing", query=DARK)
    await index(people, passage(people.camera, LATER_S, **dark_coat()))
    _, (alarm_id,) = await watch(people).look()
    for name in ("colleague", "chief", "boss", "foreign", "village"):
        async with await people.sign_in(name) as client:
            assert (await client.get("/api/alarms")).json()["items"] == []
            assert (await client.get("/api/alarms")).json()["open"] == 0
            assert (await client.get(f"/api/alarms/{alarm_id}")).status_code == 404
            hidden = await client.get(f"{PATH}/{request_id}/matches")
            assert hidden.status_code in (403, 404)


async def test_a_standing_search_looks_as_far_as_who_asked_may(people: County) -> None:
    case_id = await a_case(people)
    await approved(people, case_id, "standing", query=DARK)
    standing = watch(people)
    # Elsewhere.
    await index(people, passage(people.other_camera, LATER_S, **dark_coat()))
    assert await standing.look() == (1, [])
    # The right is gone.
    async with await people.sign_in("all") as client:
        held = (await client.get(f"/api/grants?user_id={people.users['asker']}")).json()["items"]
        for one in held:
            await client.delete(f"/api/grants/{one['id']}")
    await index(people, passage(people.camera, LATER_S + 1, **dark_coat()))
    assert await standing.look() == (1, [])


async def test_a_standing_search_by_likeness(people: County) -> None:
    case_id = await a_case(people)
    (sought,) = await index(people, passage(people.camera, 5, vector=[1, 0]))
    await approved(
        people, case_id, "standing", query={"like": {"passage_id": sought, "least": 0.95}}
    )
    known = await index(
        people,
        passage(people.camera, LATER_S, vector=[1, 0.1]),
        passage(people.camera, LATER_S + 1, vector=[0.5, 0.8]),
        passage(people.camera, LATER_S + 2),
    )
    _, told = await watch(people).look()
    assert len(told) == 1
    (match,) = await rows(people, standing_matches)
    assert str(match.passage_id) == known[0]
    assert match.likeness > 0.95


async def test_nothing_waits_while_nobody_searches(people: County) -> None:
    case_id = await a_case(people)
    await index(people, passage(people.camera, 5, **dark_coat()))
    assert await rows(people, standing_queue) == []
    request_id = await approved(people, case_id, "standing", query=DARK)
    await index(people, passage(people.camera, LATER_S, **dark_coat()))
    await watch(people).look()
    await does(people, "asker", request_id, "end")
    await index(people, passage(people.camera, LATER_S + 1, **dark_coat()))
    assert await rows(people, standing_queue) == []
    assert await rows(people, standing_matches) == []
    (alarm,) = await rows(people, alarms)
    assert (alarm.detail, alarm.end_us is not None) == ({}, True)


async def what_it_missed(county: County, request_id: str) -> Any:
    async with await county.sign_in("asker") as client:
        page = await client.get(f"{PATH}/{request_id}/matches")
        assert page.status_code == 200, page.text
        return page.json()["coverage"]


async def test_a_standing_search_says_what_it_did_not_see(people: County) -> None:
    case_id = await a_case(people)
    request = await asked(people, case_id, "standing", query=DARK)
    request_id = request["id"]
    # Never in force: nothing was to be seen.
    assert await what_it_missed(people, request_id) is None
    await does(people, "chief", request_id, "approve")
    hour_us = 3600 * S
    begin_us = now_us() - 2 * hour_us
    ended: dict[str, Any] = {
        "decided_us": begin_us,
        "ended_us": begin_us + hour_us,
        "state": "ended",
    }
    await back_in_time(people, request_id, **ended)
    await people.write(
        "passages.note_indexed", camera_id=people.camera, start_us=begin_us - hour_us,
        end_us=begin_us + hour_us // 2, model="m",
    )  # fmt: skip
    await people.write(
        "passages.note_missed", camera_id=people.camera, start_us=begin_us + hour_us // 2,
        end_us=begin_us + 2 * hour_us, cause="failed",
    )  # fmt: skip
    told = await what_it_missed(people, request_id)
    own = [one for one in told["items"] if one["camera_id"] == people.camera]
    (missing,) = own
    assert (missing["why"], missing["start_us"]) == ("failed", begin_us + hour_us // 2)
    assert missing["end_us"] == begin_us + hour_us
    # Of cameras within the request's area alone.
    assert people.other_camera not in {one["camera_id"] for one in told["items"]}
    assert told["seconds_asked"] == 3600 * len({one["camera_id"] for one in told["items"]})
    assert told["seconds_indexed"] == 1800


async def test_a_standing_search_waits_a_little_for_a_machine_that_is_away(
    people: County, tmp_path: Path
) -> None:
    case_id = await a_case(people)
    (sought,) = await index(people, passage(people.camera, 5, vector=[1, 0, 0]))
    await approved(
        people, case_id, "standing", query={"like": {"passage_id": sought, "least": 0.95}}
    )
    await watch(people).look()
    await index(people, passage(people.camera, LATER_S, vector=[1, 0, 0]), vectors=tmp_path / "far")
    services = people.services
    clock = iter([0.0, PATIENCE_S - 1, PATIENCE_S])

    async def vectors() -> Vectors:
        path = tmp_path / "nobody.sock"
        client = ControlClient(path, services.secret, connect_timeout_s=0.05)
        own = (await vectors_of_all(services))._own
        return EveryMachinesVectors(own, {"analysis.far": VectorsElsewhere(client)})

    standing = StandingSearches(
        services.reader, services.rows, services.secret, vectors, lambda: next(clock)
    )
    for _ in range(2):
        with pytest.raises(ConnectionError, match="does not answer"):
            await standing.look()
    assert len(await rows(people, standing_queue)) == 1
    # Everybody else's searches do not wait for ever; that this was not compared is told.
    await index(people, passage(people.camera, LATER_S + 1, vector=[1, 0, 0]))
    count, told = await standing.look()
    assert (count, len(told)) == (2, 1)
    assert await rows(people, standing_queue) == []
    (dropped,) = await rows(people, standing_dropped)
    assert dropped.start_us <= BEGIN_US + LATER_S * S < dropped.end_us


async def test_what_waited_too_long_to_be_compared_is_told(
    people: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id, "standing", query=DARK)
    await back_in_time(people, request_id, decided_us=BEGIN_US, expires_us=BEGIN_US + 3600 * S)
    await people.write(
        "passages.note_indexed", camera_id=people.camera, start_us=BEGIN_US,
        end_us=BEGIN_US + 3600 * S, model="m",
    )  # fmt: skip
    monkeypatch.setattr("gateway.investigations.standing_rows._QUEUE_LIMIT", 1)
    await index(people, passage(people.camera, 1000, **dark_coat()), passage(people.camera, 2900))
    assert len(await rows(people, standing_queue)) == 1
    told = await what_it_missed(people, request_id)
    (dropped,) = [one for one in told["items"] if one["camera_id"] == people.camera]
    assert dropped["why"] == "dropped"
    assert dropped["start_us"] <= BEGIN_US + 1000 * S < dropped["end_us"]
    # To ten minutes: when exactly something passed beneath a mask is nobody's business.
    assert dropped["end_us"] - dropped["start_us"] == 600 * S


async def test_that_passages_went_uncompared_is_forgotten_with_them(
    people: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await a_case(people)
    await approved(people, case_id, "standing", query=DARK)
    monkeypatch.setattr("gateway.investigations.standing_rows._QUEUE_LIMIT", 1)
    await index(people, *[passage(people.camera, second) for second in (1000, 2200, 2900)])
    first, second = await rows(people, standing_dropped)
    (number,) = [
        one.number for one in await rows(people, passage_cameras) if one.camera_id == people.camera
    ]
    expired = {
        "camera": number, "start_us": 0, "end_us": first.end_us + 10 * S, "cause": "retention",
    }  # fmt: skip
    await people.write("investigations.sweep")
    assert await rows(people, standing_dropped) == [first, second]
    await people.write("passages.expire", **expired, limit=500)
    await people.write("investigations.sweep")
    assert await rows(people, standing_dropped) == [second]


async def test_a_standing_search_by_likeness_says_what_it_could_not_compare(
    people: County,
) -> None:
    case_id = await a_case(people)
    (sought,) = await index(people, passage(people.camera, 5, vector=[1, 0]))
    request_id = await approved(
        people, case_id, "standing", query={"like": {"passage_id": sought, "least": 0.95}}
    )
    await back_in_time(people, request_id, decided_us=BEGIN_US, expires_us=BEGIN_US + 3600 * S)
    await index(people, passage(people.camera, 100), passage(people.camera, 200, vector=[1, 0]))
    told = await what_it_missed(people, request_id)
    (unlike,) = [one for one in told["items"] if one["why"] == "not_comparable"]
    assert unlike["start_us"] == BEGIN_US + 100 * S


async def test_a_closed_case_ends_its_requests(people: County) -> None:
    case_id = await a_case(people)
    request_id = await approved(people, case_id)
    async with await people.sign_in("asker") as client:
        await client.post(
            f"/api/cases/{case_id}/close", json={"note": "找到", "release_holds": True}
        )
        assert not (await client.get(f"{PATH}/{request_id}")).json()["usable"]
    assert (await people.write("investigations.sweep"))["ended"] == [request_id]


async def test_looks_are_forgotten_after_an_hour(people: County) -> None:
    secret = people.services.secret
    await people.write(
        "investigations.add_look", look_id="look_1", user_id=people.users["asker"],
        camera_id=people.camera, at_us=1, objects=[], vector_kind="k",
        picture_sealed=seal_bytes(secret, b"jpeg", "look picture:look_1"),
        vectors_sealed=seal_bytes(secret, b"", "look:look_1"),
    )  # fmt: skip
    async with await people.sign_in("asker") as client:
        assert (await client.get("/api/search/looks/look_1/picture")).content == b"jpeg"
    async with await people.sign_in("colleague") as client:
        assert (await client.get("/api/search/looks/look_1/picture")).status_code == 404
    engine: sa.Engine = people.services.rows._engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(sa.update(search_looks).values(expires_us=1))
    await people.write("investigations.sweep")
    assert await rows(people, search_looks) == []


async def test_a_standing_search_by_colour_says_what_could_not_be_described(people: County) -> None:
    case_id = await a_case(people)
    by_colour = await approved(people, case_id, "standing", query=DARK)
    cars = {"classes": ["car"], "camera_ids": [people.camera]}
    by_class = await approved(people, case_id, "standing", query=cars)
    for request_id in (by_colour, by_class):
        await back_in_time(people, request_id, decided_us=BEGIN_US, expires_us=BEGIN_US + 3600 * S)
    await people.write(
        "passages.note_indexed", camera_id=people.camera, start_us=BEGIN_US,
        end_us=BEGIN_US + 3600 * S, model="m",
    )  # fmt: skip
    await people.write(
        "passages.note_missed", camera_id=people.camera, start_us=BEGIN_US + 60 * S,
        end_us=BEGIN_US + 70 * S, cause="undescribed",
    )  # fmt: skip
    for request_id, whys in ((by_colour, ["undescribed"]), (by_class, [])):
        told = await what_it_missed(people, request_id)
        own = [one["why"] for one in told["items"] if one["camera_id"] == people.camera]
        assert own == whys
