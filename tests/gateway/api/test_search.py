"""Search: who finds what, why, what they see of it, and what is on record."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api import search as search_routes
from gateway.api import search_sources
from gateway.api.process import bind, serve_http
from gateway.api.search_answers import CoverageLine, EndLine, HitLine, SearchLine
from gateway.identifiers import now_us
from gateway.people.roles import Role
from gateway.settings import AccountabilitySettings, ListenSettings
from search.index import coverage as coverage_module
from search.objects import ObjectClass
from search.passages import Color, ColorFound
from tests.gateway.api.conftest import County
from tests.gateway.api.searching import (
    BEGIN_US,
    MASKED_GREY,
    RANGE,
    S,
    dark_coat,
    hits,
    ids,
    index,
    lines,
    mask,
    passage,
    plate,
    records,
)
from tests.gateway.database.test_stoppable import ENDLESS
from tests.gateway.sightings.making import a_platform, told
from tests.peers.gat1400_device import PASSED_US, local_time, motor_vehicle


@pytest.fixture
async def seen(county: County) -> County:
    """Two walkers and a car in the first town, a walker in the second."""
    await county.user("all", "system_admin")
    await county.user("town", "investigator", county.town)
    await county.user("desk", "operator", county.town)
    await county.user("other", "investigator", county.other_town)
    await index(
        county,
        passage(county.camera, 10, **dark_coat()),
        passage(county.camera, 20, upper_color=ColorFound(Color.RED, 0.8)),
        passage(county.camera, 30, ObjectClass.CAR, **plate("鄂H12345")),
        passage(county.other_camera, 40, **dark_coat()),
    )
    return county


async def test_the_lines_are_what_the_document_says(seen: County) -> None:
    async with await seen.sign_in("town") as client:
        told = await lines(client)
    models = {"search": SearchLine, "hit": HitLine, "coverage": CoverageLine, "end": EndLine}
    for line in told:
        models[line["type"]].model_validate(line)
    assert told[0]["total_cameras"] == 1
    hit = told[1]["hit"]
    assert hit["class"] == "car"
    assert hit["attributes"]["plate"] == {"value": "鄂H12345", "confidence": 0.9}
    assert hit["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
    assert (hit["first_us"], hit["last_us"]) == (BEGIN_US + 30 * S, BEGIN_US + 34 * S)
    assert hit["playback"] and hit["live"] and hit["crop_url"]


async def test_each_finds_what_passed_in_their_areas(seen: County) -> None:
    async with await seen.sign_in("town") as client:
        found = await hits(client)
        assert {one["camera_id"] for one in found} == {seen.camera}
        assert [one["first_us"] for one in found] == [BEGIN_US + s * S for s in (30, 20, 10)]
        assert await ids(client, camera_ids=[seen.other_camera]) == []
        for area in (seen.other_town, "are_nowhere"):
            refused = await client.post("/api/search", json={**RANGE, "area_id": area})
            assert refused.status_code == 404
    async with await seen.sign_in("all") as client:
        assert len(await ids(client)) == 4
        assert len(await ids(client, area_id=seen.other_town)) == 1


async def test_foreign_cameras_are_not_even_told_by_what_was_not_looked_at(seen: County) -> None:
    async with await seen.sign_in("other") as client:
        told = await lines(client, classes=["bus"], camera_ids=[seen.camera, seen.other_camera])
        assert [one["type"] for one in told] == ["search", "coverage", "end"]
        assert told[0]["total_cameras"] == 1
        assert {one["camera_id"] for one in told[1]["items"]} == {seen.other_camera}
        assert seen.camera not in json.dumps(told)
        foreign = {"camera_id": seen.camera, "points": [[0, 0], [1, 1]]}
        for camera in (seen.camera, "cam_nowhere"):
            refused = await client.post(
                "/api/search", json={**RANGE, "line": {**foreign, "camera_id": camera}}
            )
            assert refused.status_code == 404
            assert refused.json()["error"]["message"] == "there is no such camera"


async def test_an_empty_answer_lists_what_was_not_looked_at(seen: County) -> None:
    await seen.write(
        "passages.note_indexed",
        camera_id=seen.camera,
        start_us=BEGIN_US,
        end_us=BEGIN_US + 600 * S,
        model="test model",
        late=False,
    )
    await seen.write(
        "passages.note_missed",
        camera_id=seen.camera,
        start_us=BEGIN_US + 600 * S,
        end_us=BEGIN_US + 900 * S,
        cause="dropped",
    )
    async with await seen.sign_in("town") as client:
        told = await lines(client, classes=["bus"], end_us=BEGIN_US + 1200 * S)
    assert [one["type"] for one in told] == ["search", "coverage", "end"]
    coverage = told[1]
    assert coverage["seconds_asked"] == 1200
    assert coverage["seconds_indexed"] == 600
    first = coverage["items"][0]
    assert (first["why"], first["camera_name"]) == ("dropped", "村口")
    assert first["start_us"] == BEGIN_US + 600 * S


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"classes": ["person"]}, 2),
        ({"upper_color": ["black"]}, 1),
        ({"upper_color": ["black", "red"], "classes": ["person"]}, 2),
        ({"plate": {"pattern": "鄂h12?45"}}, 1),
        ({"plate": {"pattern": "234", "infix": True}}, 1),
        ({"plate": {"pattern": "I2345", "infix": True, "look_alikes": True}}, 1),
        ({"direction": ["right"], "speed": ["slow"]}, 3),
        ({"direction": ["left"]}, 0),
        ({"min_duration_s": 3.5, "max_duration_s": 4.5}, 3),
        ({"min_duration_s": 5}, 0),
        ({"sources": ["sighting"]}, 0),
    ],
)
async def test_what_is_asked_is_found(seen: County, asked: dict[str, Any], found: int) -> None:
    async with await seen.sign_in("town") as client:
        assert len(await ids(client, **asked)) == found


async def test_a_line_or_region_asks_one_camera(seen: County) -> None:
    region = {"camera_id": seen.camera, "points": [[0.3, 0.5], [0.7, 0.5], [0.7, 1], [0.3, 1]]}
    elsewhere = {"camera_id": seen.camera, "points": [[0, 0], [0.1, 0], [0.1, 0.1]]}
    async with await seen.sign_in("all") as client:
        assert len(await ids(client, region=region)) == 3
        assert await ids(client, region=elsewhere) == []
        both = {**elsewhere, "camera_id": seen.other_camera}
        line = {"camera_id": seen.camera, "points": [[0, 0], [1, 1]]}
        refused = await client.post("/api/search", json={**RANGE, "region": both, "line": line})
        assert refused.status_code == 422


async def test_pages_follow_one_another_without_a_gap(seen: County) -> None:
    found: list[str] = []
    async with await seen.sign_in("all") as client:
        cursor, look = None, None
        while True:
            told = await lines(client, limit=1, cursor=cursor, look=look)
            found += [one["hit"]["id"] for one in told if one["type"] == "hit"]
            cursor, look = told[-1]["next_cursor"], told[0]["look"]
            if cursor is None:
                break
        assert found == await ids(client)
    assert len(set(found)) == 4


async def test_a_made_up_cursor_finds_nothing_and_breaks_nothing(seen: County) -> None:
    from gateway.api.paging import write_cursor

    async with await seen.sign_in("all") as client:
        for parts in (["x", "y", "z", "é"], ["-1", "9" * 40, "*", "*"], ["9" * 19, "1", "", ""]):
            told = await lines(client, cursor=write_cursor(parts))
            assert told[-1]["type"] == "end"
        bad = await client.post("/api/search", json={**RANGE, "cursor": "x"})
        assert bad.status_code == 422


async def test_checkpoints_are_searched_like_cameras(seen: County) -> None:
    here = await a_platform(seen, seen.town)
    await told(
        seen, here,
        motor_vehicle(1, PlateNo="鄂H12345", PassTime=local_time(1), VehicleClass="K33"),
        motor_vehicle(2, PlateNo="鄂HB8S01", PassTime=local_time(2), VehicleClass="H31"),
    )  # fmt: skip
    around = {"start_us": PASSED_US - 60 * S, "end_us": PASSED_US + 60 * S}
    async with await seen.sign_in("town") as client:
        found = await hits(client, **around, plate={"pattern": "鄂H*"})
        assert [one["source"] for one in found] == ["sighting", "sighting"]
        assert [one["attributes"]["plate"]["value"] for one in found] == ["鄂HB8S01", "鄂H12345"]
        for one in found:
            HitLine.model_validate({"type": "hit", "hit": one})
        assert [one["class"] for one in await hits(client, **around, classes=["truck"])] == [
            "truck"
        ]
        picture = await client.get(found[0]["crop_url"])
        assert picture.headers["content-type"] == "image/jpeg"
        # What they cannot tell of is not answered by them.
        assert await ids(client, **around, direction=["left"]) == []
        assert await ids(client, **around, classes=["person"]) == []
        pages = await lines(client, **around, limit=1)
        following = await lines(
            client, **around, limit=1, cursor=pages[-1]["next_cursor"], look=pages[0]["look"]
        )
        assert following[1]["hit"]["attributes"]["plate"]["value"] == "鄂H12345"
    async with await seen.sign_in("other") as client:
        assert await ids(client, **around) == []


async def test_passages_and_sightings_come_in_one_order(county: County) -> None:
    await county.user("all", "system_admin")
    here = await a_platform(county, county.town)
    await told(
        county, here,
        motor_vehicle(1, PlateNo="鄂H12345", PassTime=local_time(1)),
        motor_vehicle(2, PlateNo="鄂H12346", PassTime=local_time(9)),
    )  # fmt: skip
    offset = (PASSED_US - BEGIN_US) / S
    await index(county, *(passage(county.camera, offset + second) for second in (0, 5, 12)))
    around = {"start_us": PASSED_US - 60 * S, "end_us": PASSED_US + 60 * S}
    async with await county.sign_in("all") as client:
        found = await hits(client, **around)
        assert [one["source"][0] for one in found] == ["p", "s", "p", "s", "p"]
        assert [one["first_us"] for one in found] == sorted(
            (one["first_us"] for one in found), reverse=True
        )
        collected: list[str] = []
        cursor, look = None, None
        for _ in range(5):
            page = await lines(client, **around, limit=1, cursor=cursor, look=look)
            collected.append(page[1]["hit"]["id"])
            cursor, look = page[-1]["next_cursor"], page[0]["look"]
        assert collected == [one["id"] for one in found]


async def test_the_question_is_on_record_before_anything_is_found(seen: County) -> None:
    async with await seen.sign_in("town") as client:
        await lines(
            client,
            upper_color=["black"],
            purpose={"code": "lost_person", "text": "老人走失", "case_id": "2026-7"},
        )
    (record,) = await records(seen, "search.passages")
    assert json.loads(record.detail)["filters"] == {"upper_color": ["black"]}
    assert (record.reason_code, record.reason, record.case_id) == (
        "lost_person", "老人走失", "2026-7",
    )  # fmt: skip
    assert (record.start_us, record.end_us) == (RANGE["start_us"], RANGE["end_us"])


def _ask_reasons(county: County) -> None:
    county.services.settings = county.services.settings.model_copy(
        update={"accountability": AccountabilitySettings(case_roles=[Role.INVESTIGATOR])}
    )


async def test_a_reason_is_carried_to_pages_of_the_same_search_alone(seen: County) -> None:
    _ask_reasons(seen)
    async with await seen.sign_in("desk") as client:
        refused = await client.post("/api/search", json=RANGE)
        assert refused.json()["error"]["code"] == "purpose_required"
        assert await records(seen, "search.passages") == []
        page = await lines(client, limit=1, purpose={"code": "incident"})
        further = {
            **RANGE, "limit": 1, "cursor": page[-1]["next_cursor"], "look": page[0]["look"],
        }  # fmt: skip
        assert (await client.post("/api/search", json=further)).status_code == 200
        for change in ({"upper_color": ["red"]}, {"end_us": RANGE["end_us"] - S}):
            refused = await client.post("/api/search", json={**further, **change})
            assert refused.json()["error"]["code"] == "purpose_required", change
    assert len(await records(seen, "search.passages")) == 2


async def test_crops_are_seen_by_the_search_or_for_a_reason_of_their_own(seen: County) -> None:
    _ask_reasons(seen)
    async with await seen.sign_in("desk") as client:
        found = await hits(client, purpose={"code": "incident"})
        shown = await client.get(found[0]["crop_url"])
        assert shown.status_code == 200
        assert shown.headers["cache-control"] == "no-store"
        assert await records(seen, "search.crop") == []
        # The signature is for this picture alone.
        look = found[0]["crop_url"].partition("?look=")[2]
        other = f"/api/search/passages/{found[1]['id']}/crop"
        refused = await client.get(other, params={"look": look})
        assert refused.json()["error"]["code"] == "purpose_required"
        asked = await client.get(other, params={"purpose_code": "patrol"})
        assert asked.status_code == 200
        (record,) = await records(seen, "search.crop")
        assert (record.reason_code, record.camera_id) == ("patrol", seen.camera)
        assert json.loads(record.detail)["passage_id"] == found[1]["id"]
        document = await client.get(f"/api/search/passages/{found[1]['id']}?purpose_code=patrol")
        assert document.json()["id"] == found[1]["id"]
    async with await seen.sign_in("town") as client:
        stolen = await client.get(found[0]["crop_url"])
        assert stolen.json()["error"]["code"] == "purpose_required"


async def test_what_one_may_not_know_of_is_as_if_it_were_not_there(seen: County) -> None:
    async with await seen.sign_in("all") as client:
        (foreign,) = await hits(client, area_id=seen.other_town)
    async with await seen.sign_in("town") as client:
        for path in ("", "/crop"):
            answers = [
                await client.get(f"/api/search/passages/{one}{path}")
                for one in (foreign["id"], "12345", "9" * 19)
            ]
            assert [one.status_code for one in answers] == [404, 404, 404]
            assert len({one.json()["error"]["message"] for one in answers}) == 1


HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
WHOLE = ((0.35, 0.2), (0.7, 0.2), (0.7, 1.0), (0.35, 1.0))


async def _crop(client: httpx.AsyncClient, url: str) -> Any:
    shown = await client.get(url)
    assert shown.status_code == 200, shown.text
    return cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_COLOR)


async def test_masks_are_drawn_into_crops_for_who_may_not_lift_them(seen: County) -> None:
    # The half of the crop that lies beneath it.
    await mask(seen, seen.camera, (0.0, 0.0), (0.49, 0.0), (0.49, 1.0), (0.0, 1.0))
    async with await seen.sign_in("desk") as client:
        found = await hits(client, upper_color=["black"], include_possible=False)
        picture = await _crop(client, found[0]["crop_url"])
    left, right = picture[:, :20].mean(), picture[:, 45:].mean(axis=(0, 1))
    assert abs(left - MASKED_GREY) < 4
    assert abs(right - (120, 60, 30)).max() < 6
    async with await seen.sign_in("town") as client:
        found = await hits(client, upper_color=["black"], include_possible=False)
        picture = await _crop(client, found[0]["crop_url"])
    assert abs(picture.mean(axis=(0, 1)) - (120, 60, 30)).max() < 6


async def test_what_lies_mostly_beneath_a_mask_is_not_told_at_all(seen: County) -> None:
    async with await seen.sign_in("desk") as client:
        (before,) = await hits(client, upper_color=["black"], include_possible=False)
    await mask(seen, seen.camera, *WHOLE)
    async with await seen.sign_in("desk") as client:
        told = await lines(client)
        assert [one["type"] for one in told] == ["search", "coverage", "end"]
        assert told[-1]["next_cursor"] is None
        for path in (f"/api/search/passages/{before['id']}", before["crop_url"]):
            assert (await client.get(path)).status_code == 404
    async with await seen.sign_in("town") as client:
        assert len(await ids(client)) == 3


async def test_a_mask_that_was_taken_away_still_covers_what_was_seen_then(seen: County) -> None:
    await mask(seen, seen.camera, *WHOLE)
    (later,) = await index(seen, passage(seen.camera, (now_us() - BEGIN_US) / S))
    await asyncio.sleep(0.01)
    await seen.write(
        "masks.put", camera_id=seen.camera, version=1, masks=[],
        user_id=seen.users["all"], user_name="all",
    )  # fmt: skip
    async with await seen.sign_in("desk") as client:
        # Those of days ago were never masked.
        everything = await ids(client, end_us=now_us() + 60 * S)
    assert later not in everything
    assert len(everything) == 3


async def test_likeness_finds_the_likest_first(county: County) -> None:
    await county.user("all", "system_admin")
    made = [
        passage(county.camera, 10, vector=[1, 0, 0, 0]),
        passage(county.camera, 20, vector=[0.9, 0.4, 0, 0]),
        passage(county.other_camera, 30, vector=[1, 0.05, 0, 0]),
        passage(county.other_camera, 40, vector=[0, 0, 1, 0]),
        passage(county.camera, 50),
    ]
    known = await index(county, *made)
    async with await county.sign_in("all") as client:
        like = {"passage_id": known[0]}
        found = await hits(client, like=like)
        assert [one["id"] for one in found] == [known[2], known[1], known[3]]
        assert found[0]["likeness"] > found[1]["likeness"] > 0.8
        alike = await ids(client, like={**like, "least": 0.95})
        assert alike == [known[2]]
        page = await lines(client, like=like, limit=1)
        further = await lines(
            client, like=like, limit=1, cursor=page[-1]["next_cursor"], look=page[0]["look"]
        )
        assert further[1]["hit"]["id"] == known[1]
        refused = await client.post("/api/search", json={**RANGE, "like": {"passage_id": known[4]}})
        assert refused.json()["error"]["code"] == "nothing_to_compare"
        both = {"passage_id": known[0], "photo_id": "x"}
        assert (await client.post("/api/search", json={**RANGE, "like": both})).status_code == 422


async def test_nobody_searches_by_what_they_may_not_see(county: County) -> None:
    await county.user("other", "investigator", county.other_town)
    (hidden,) = await index(county, passage(county.camera, 10, vector=[1, 0]))
    async with await county.sign_in("other") as client:
        refused = await client.post("/api/search", json={**RANGE, "like": {"passage_id": hidden}})
        assert refused.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"start_us": 5, "end_us": 5},
        {"start_us": 0, "end_us": 93 * 86_400 * S},
        {**RANGE, "like": {"passage_id": "1"}, "start_us": RANGE["end_us"] - 32 * 86_400 * S},
        {**RANGE, "classes": ["dog"]},
        {**RANGE, "color": ["beige"]},
        {**RANGE, "plate": {"pattern": "%"}},
        {**RANGE, "face": "x"},
        {**RANGE, "camera_ids": ["x"] * 501},
        {**RANGE, "region": {"camera_id": "x", "points": [[0, 0], [2, 2], [1, 1]]}},
        {**RANGE, "min_duration_s": 9, "max_duration_s": 1},
        {**RANGE, "limit": 201},
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_reason(
    county: County, body: dict[str, Any]
) -> None:
    await county.user("all", "system_admin")
    async with await county.sign_in("all") as client:
        refused = await client.post("/api/search", json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["detail"]["fields"]


async def test_somebody_runs_three_searches_at_once(
    seen: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, begun = asyncio.Event(), asyncio.Semaphore(0)
    told = search_routes._told

    async def slowly(*arguments: Any) -> Any:
        begun.release()
        await waits.wait()
        async for line in told(*arguments):
            yield line

    monkeypatch.setattr(search_routes, "_told", slowly)
    async with await seen.sign_in("town") as client, await seen.sign_in("all") as other:
        running = [asyncio.create_task(client.post("/api/search", json=RANGE)) for _ in range(3)]
        for _ in running:
            await begun.acquire()
        refused = await client.post("/api/search", json=RANGE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_searches")
        assert refused.headers["retry-after"]
        waits.set()
        assert (await other.post("/api/search", json=RANGE)).status_code == 200
        for one in running:
            assert (await one).status_code == 200
        assert (await client.post("/api/search", json=RANGE)).status_code == 200
    assert not seen.services.searching


async def test_a_search_whose_right_goes_ends(
    seen: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, begun = asyncio.Event(), asyncio.Event()
    passages = search_sources.PassageSource._query

    async def slowly(*arguments: Any) -> Any:
        begun.set()
        await waits.wait()
        return await passages(*arguments)

    monkeypatch.setattr(search_sources.PassageSource, "_query", slowly)
    async with await seen.sign_in("town") as client:
        running = asyncio.create_task(lines(client))
        await begun.wait()
        (listener,) = seen.services.audience
        listener.take_principal(replace(listener.principal, grants=()))
        told_lines = await running
    assert [one["type"] for one in told_lines] == ["search", "error"]
    assert told_lines[1]["code"] == "revoked"
    assert not seen.services.audience
    assert not seen.services.searching


async def test_who_goes_away_is_searched_for_no_more(
    seen: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(_: Any, connection: AsyncConnection, *__: Any) -> Any:
        begun.set()
        try:
            await connection.execute(ENDLESS)
        finally:
            ended.set()

    monkeypatch.setattr(search_sources.PassageSource, "_query", endless)
    listening = bind(ListenSettings(port=0))
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with serve_http(seen.app, listening), await seen.sign_in("town") as signed_in:
        async with (
            httpx.AsyncClient(
                base_url=origin, cookies=dict(signed_in.cookies), headers={"X-Gridsight": "1"}
            ) as client,
            client.stream("POST", "/api/search", json=RANGE) as response,
        ):
            await anext(response.aiter_lines())
            await begun.wait()
        async with asyncio.timeout(10):
            await ended.wait()
    # Its server has ended with all that it did.
    assert not seen.services.searching
    assert not seen.services.audience


PLATE_PLACE = (0.47, 0.78, 0.53, 0.81)
BELOW = ((0.3, 0.7), (0.7, 0.7), (0.7, 1.0), (0.3, 1.0))
BESIDE = ((0.3, 0.82), (0.7, 0.82), (0.7, 1.0), (0.3, 1.0))


@pytest.mark.parametrize(
    ("places", "masked", "told"),
    [
        ((PLATE_PLACE,), BELOW, False),
        ((PLATE_PLACE,), BESIDE, True),
        # Read twice, once beneath it.
        (((0.4, 0.4, 0.46, 0.43), PLATE_PLACE), BELOW, False),
        # Indexed before places were kept: wherever on the car it may have been.
        ((), BESIDE, False),
        ((), ((0.0, 0.0), (0.3, 0.0), (0.3, 1.0), (0.0, 1.0)), True),
    ],
)
async def test_a_plate_beneath_a_mask_is_neither_told_nor_found(
    seen: County, places: Any, masked: Any, told: bool
) -> None:
    looks = {**plate("鄂H12345"), "plate_color": ColorFound(Color.BLUE, 0.9)}
    known = await index(
        seen, passage(seen.camera, 20, ObjectClass.CAR, plate_places=places, **looks)
    )
    await mask(seen, seen.camera, *masked)
    asked = {"pattern": "H1234", "infix": True}
    async with await seen.sign_in("desk") as client:
        (hit,) = [one for one in await hits(client) if one["id"] == known[0]]
        assert (hit["attributes"]["plate"] is not None) is told
        assert (hit["attributes"]["plate_color"] is not None) is told
        assert (known[0] in await ids(client, plate=asked)) is told
        alone = (await client.get(f"/api/search/passages/{known[0]}")).json()
        assert (alone["attributes"]["plate"] is not None) is told
    async with await seen.sign_in("town") as client:
        assert known[0] in await ids(client, plate=asked), "who may lift masks"


async def test_clothes_beneath_a_mask_are_not_told(seen: County) -> None:
    (known,) = await index(
        seen,
        passage(seen.camera, 20, **dark_coat(), lower_color=ColorFound(Color.RED, 0.9)),
    )
    await mask(seen, seen.camera, (0.3, 0.65), (0.7, 0.65), (0.7, 1.0), (0.3, 1.0))
    async with await seen.sign_in("desk") as client:
        assert known not in await ids(client, lower_color=["red"], include_possible=False)
        (hit,) = [one for one in await hits(client, lower_color=["red"]) if one["id"] == known]
        assert hit["attributes"]["lower_color"] is None and hit["possible_why"] == ["lower_color"]
        assert hit["attributes"]["upper_color"]["value"] == "black"


async def test_what_could_not_be_described_is_told_to_who_asks_what_things_look_like(
    seen: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To who may not lift the masks of its camera, in steps that do not tell when it passed."""
    await seen.write(
        "passages.note_indexed", camera_id=seen.camera, start_us=RANGE["start_us"],
        end_us=RANGE["end_us"], model="test model",
    )  # fmt: skip
    begin_us = (BEGIN_US // (600 * S) + 1) * 600 * S + 100 * S
    await seen.write(
        "passages.note_missed", camera_id=seen.camera, start_us=begin_us, end_us=begin_us + 2,
        cause="undescribed",
    )  # fmt: skip

    async def told(name: str, **asked: Any) -> list[tuple[str, int, int]]:
        async with await seen.sign_in(name) as client:
            coverage = (await lines(client, camera_ids=[seen.camera], **asked))[-2]
            return [(one["why"], one["start_us"], one["end_us"]) for one in coverage["items"]]

    exactly = [("undescribed", begin_us, begin_us + 2)]
    for asked in (
        {"upper_color": ["red"]}, {"lower_color": ["red"]}, {"color": ["red"]}, {"rider": "yes"},
        {"vehicle_type": ["van"]}, {"plate": {"pattern": "鄂H*"}},
    ):  # fmt: skip
        assert await told("desk", **asked) == exactly, asked
    assert await told("desk") == await told("desk", classes=["car"]) == []
    await mask(seen, seen.camera, *HALF)
    step_us = begin_us - 100 * S
    assert await told("town", upper_color=["red"]) == exactly
    coarse = [("undescribed", step_us, step_us + 600 * S)]
    assert await told("desk", upper_color=["red"]) == coarse
    within = {"start_us": step_us + 300 * S, "end_us": step_us + 400 * S}
    assert await told("desk", upper_color=["red"], **within) == [("undescribed", *within.values())]
    monkeypatch.setattr(coverage_module, "UNDESCRIBED_LIMIT", 0)
    async with await seen.sign_in("desk") as client:
        too_much = (await lines(client, camera_ids=[seen.camera], upper_color=["red"]))[-2]
    assert too_much["items"] == [] and too_much["left_out"] == 1
