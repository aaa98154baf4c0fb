"""A mask that is drawn later covers what was told before: matches, their counts, alarms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.api import masked_alarms
from gateway.api.events import _Outbox
from gateway.identifiers import now_us
from gateway.investigations import masked_matches, standing_rows
from gateway.people.authorize import Grant, Principal
from gateway.people.roles import Role
from gateway.zones.zone_events import ZoneEvents
from search.objects import ObjectClass
from search.passages import Passage
from tests.gateway.api.conftest import County
from tests.gateway.api.searching import BEGIN_US, S, dark_coat, index, mask, passage, plate
from tests.gateway.api.test_search_requests import (
    DARK,
    LATER_S,
    PATH,
    a_case,
    approved,
    people,  # noqa: F401
    watch,
)
from tests.gateway.zones.test_zone_events import happening

EVERYTHING = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
ON_THE_LEFT, ON_THE_RIGHT = (0.1, 0.3, 0.3, 0.9), (0.7, 0.3, 0.9, 0.9)
NEUTRAL = {"masked": True}

Look = Callable[[str], Awaitable[tuple[int, list[str | None], list[dict[str, Any]]]]]


@pytest.fixture
async def found(people: County) -> Callable[..., Awaitable[Look]]:  # noqa: F811
    """A standing search that has found these; both of the case look, one may lift masks."""

    async def finds(*passages: Passage, query: dict[str, Any] = DARK) -> Look:
        case_id = await a_case(people)
        request_id = await approved(people, case_id, "standing", query=query)
        await people.user("desk", "operator", people.town)
        async with await people.sign_in("asker") as client:
            await client.put(f"/api/cases/{case_id}/members/desk", json={"role": "member"})
        await index(people, *passages)
        await watch(people).look()

        async def look(name: str) -> tuple[int, list[str | None], list[dict[str, Any]]]:
            """The count, the listed matches by passage, the alarms' details."""
            async with await people.sign_in(name) as client:
                counted = (await client.get(f"{PATH}/{request_id}")).json()["matches"]
                (listed,) = (await client.get(PATH)).json()["items"]
                assert listed["matches"] == counted
                matches = (await client.get(f"{PATH}/{request_id}/matches")).json()["items"]
                alarms = (await client.get("/api/alarms")).json()
                details = [one["detail"] for one in alarms["items"]]
                for one in alarms["items"]:
                    alone = (await client.get(f"/api/alarms/{one['id']}")).json()
                    assert alone["detail"] == one["detail"]
            return counted, [one["passage_id"] for one in matches], details

        return look

    return finds


async def test_a_match_that_a_later_mask_covers_is_neither_listed_nor_counted(
    people: County,  # noqa: F811
    found: Callable[..., Awaitable[Look]],
) -> None:
    left = passage(people.camera, LATER_S, box=ON_THE_LEFT, **dark_coat())
    right = passage(people.camera, LATER_S + 60, box=ON_THE_RIGHT, **dark_coat())
    look = await found(left, right)
    assert (await look("desk"))[:2] == (2, [str(right.id), str(left.id)])
    await mask(people, people.camera, *LEFT_HALF)
    counted, listed, details = await look("desk")
    assert (counted, listed) == (1, [str(right.id)])
    # The alarm was told, and stays: without what, and without a way there.
    assert NEUTRAL in details and len(details) == 2
    assert [one["passage_id"] for one in details if one != NEUTRAL] == [str(right.id)]
    counted, listed, details = await look("asker")
    assert (counted, len(listed)) == (2, 2) and NEUTRAL not in details


async def test_a_plate_beneath_a_later_mask_is_no_match_any_more(
    people: County,  # noqa: F811
    found: Callable[..., Awaitable[Look]],
) -> None:
    """That it was found says what its plate is, even of a car that is still to be seen."""
    car = passage(people.camera, LATER_S, ObjectClass.CAR, **plate("鄂H12345"))
    look = await found(car, query={"plate": {"pattern": "鄂H12345"}})
    assert (await look("desk"))[0] == 1
    await mask(people, people.camera, (0.4, 0.8), (0.6, 0.8), (0.6, 0.9), (0.4, 0.9))
    assert await look("desk") == (0, [], [NEUTRAL])
    assert (await look("asker"))[0] == 1


async def test_of_a_passage_that_is_gone_a_mask_drawn_since_hides_the_match(
    people: County,  # noqa: F811
    found: Callable[..., Awaitable[Look]],
) -> None:
    await mask(people, people.camera, (0.0, 0.0), (0.1, 0.0), (0.1, 0.1))
    look = await found(passage(people.camera, LATER_S, **dark_coat()))
    await people.write(
        "passages.expire", camera=1, start_us=0, end_us=BEGIN_US + (LATER_S + 900) * S,
        cause="retention", limit=10,
    )  # fmt: skip
    counted, listed, (detail,) = await look("desk")
    assert (counted, len(listed)) == (1, 1) and detail != NEUTRAL
    await people.write(
        "masks.put", camera_id=people.camera, version=1, user_id=people.users["asker"],
        user_name="x", masks=[{"name": "窗", "points": list(EVERYTHING)}],
    )  # fmt: skip
    assert await look("desk") == (0, [], [NEUTRAL])
    assert (await look("asker"))[0] == 1


async def test_an_alarm_counts_no_further_matches_beneath_masks(
    people: County,  # noqa: F811
    found: Callable[..., Awaitable[Look]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing_rows, "ALARMS_AN_HOUR", 1)
    boxes = (ON_THE_RIGHT, ON_THE_LEFT, ON_THE_LEFT, ON_THE_RIGHT)
    look = await found(
        *(
            passage(people.camera, LATER_S + n, box=box, **dark_coat())
            for n, box in enumerate(boxes)
        )
    )
    ((_, _, (before,)), (_, _, (whole,))) = await look("desk"), await look("asker")
    assert before == whole and whole["more"] == 3
    await mask(people, people.camera, *LEFT_HALF)
    counted, _, (detail,) = await look("desk")
    assert counted == 2 and detail == {**whole, "more": 1}
    assert (await look("asker"))[2] == [whole]
    # What there are too many of to judge is not counted.
    monkeypatch.setattr(masked_matches, "JUDGED_LIMIT", 1)
    assert (await look("desk"))[0] == 1
    monkeypatch.setattr(masked_alarms, "JUDGED_LIMIT", 2)
    (detail,) = (await look("desk"))[2]
    assert detail == {name: value for name, value in whole.items() if name != "more"}


async def test_an_alarm_of_a_zone_stays_as_a_record_and_leads_nowhere(county: County) -> None:
    telling = ZoneEvents(county.services.rows, lambda _: "院子")
    begin_us = now_us()
    telling.take([happening("begin", begin_us, camera_id=county.camera, box=ON_THE_LEFT)])
    await telling.flush()
    await county.services.alarm_watch.look(now_us())
    await county.user("desk", "operator", county.town)
    await county.user("town", "investigator", county.town)

    async def detail(name: str) -> dict[str, Any]:
        async with await county.sign_in(name) as client:
            (alarm,) = (await client.get("/api/alarms")).json()["items"]
            assert (await client.get(f"/api/alarms/{alarm['id']}")).json() == alarm
            assert alarm["kind"] == "intrusion"
            told: dict[str, Any] = alarm["detail"]
            return told

    whole = await detail("desk")
    assert whole == {"source": "zone:zon_1", "zone_name": "院子"}
    await mask(county, county.camera, *LEFT_HALF)
    assert await detail("desk") == NEUTRAL and await detail("town") == whole
    # What happened beside the mask meanwhile is told, and so is the alarm.
    beside = happening("begin", begin_us + 1, "2", camera_id=county.camera, box=ON_THE_RIGHT)
    telling.take([beside])
    await telling.flush()
    assert await detail("desk") == whole


async def test_news_of_alarms_follow_the_same_rule(county: County) -> None:
    telling = ZoneEvents(county.services.rows, lambda _: "院子")
    telling.take([happening("begin", now_us(), camera_id=county.camera, box=ON_THE_LEFT)])
    await telling.flush()
    await county.user("admin", "system_admin")
    await mask(county, county.camera, *LEFT_HALF)
    services = county.services
    outboxes = []
    for role in (Role.OPERATOR, Role.INVESTIGATOR):
        held = (Grant(role, ""),)
        who = Principal("usr_x", "x", "x", held, False, now_us() + 3600 * S, "")
        outboxes.append(_Outbox(services, who))
    changes = await services.alarm_watch.look(now_us())
    with (
        services.alarms.listening(outboxes[0].take_alarms),
        services.alarms.listening(outboxes[1].take_alarms),
    ):
        await services.alarms._tell([one.alarm.id for one in changes])
    told = [(await outbox.take_messages())[0]["detail"] for outbox in outboxes]
    assert told == [NEUTRAL, {"source": "zone:zon_1", "zone_name": "院子"}]


async def test_who_sees_an_alarm_when_a_mask_is_drawn_is_told_of_it_anew(county: County) -> None:
    telling = ZoneEvents(county.services.rows, lambda _: "院子")
    telling.take([happening("begin", now_us(), camera_id=county.camera)])
    await telling.flush()
    changes = await county.services.alarm_watch.look(now_us())
    await county.user("admin", "system_admin")
    masks = [{"name": "窗", "points": [list(corner) for corner in EVERYTHING]}]
    told: list[str] = []
    with county.services.alarm_watch.listening(told.extend):
        async with await county.sign_in("admin") as client:
            drawn = await client.put(
                f"/api/cameras/{county.camera}/masks", json={"version": 0, "masks": masks}
            )
    assert drawn.status_code == 200
    (changed,) = changes
    assert told == [changed.alarm.id]
