"""The alarm inbox: what matters most, and what is put off until later."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.alarms.priorities import PRIORITIES
from gateway.api.alarm_documents import ToldAlarm, ToldAlarms
from gateway.api.events import _Outbox
from gateway.database.operating_tables import alarms
from gateway.identifiers import US_PER_S, now_us
from gateway.people.authorize import COUNTY, Grant, Principal
from gateway.people.roles import Role
from tests.gateway.api.conftest import County

DAY_US = 86_400 * US_PER_S


async def raised(county: County, alarm_id: str, kind: str, camera_id: str, begin_us: int) -> None:
    row: dict[str, Any] = {
        "id": alarm_id, "kind": kind, "subject": f"camera:{camera_id}", "camera_id": camera_id,
        "area_id": None, "begin_us": begin_us, "folded_into": None, "detail": {},
    }  # fmt: skip
    await county.write("alarms.apply", opened=[row], changed=[], closed=[])


async def listed(client: Any, **query: Any) -> tuple[list[str], int]:
    page = (await client.get("/api/alarms", params=query)).json()
    return [one["id"] for one in page["items"]], page["open"]


async def test_every_alarm_has_a_priority_by_which_it_is_found(county: County) -> None:
    await county.user("clerk", "operator", county.town)
    for at, kind in enumerate(("emergency", "tamper", "loitering", "clock_drift")):
        await raised(county, f"alm_{kind}", kind, county.camera, at)
    async with await county.sign_in("clerk") as client:
        page = (await client.get("/api/alarms")).json()["items"]
        assert {one["id"]: one["priority"] for one in page} == {
            "alm_emergency": "emergency",
            "alm_tamper": "high",
            "alm_loitering": "medium",
            "alm_clock_drift": "low",
        }
        # Each is found under one priority, and none is lost.
        found = [(await listed(client, priority=one))[0] for one in PRIORITIES]
        assert found == [["alm_emergency"], ["alm_tamper"], ["alm_loitering"], ["alm_clock_drift"]]
        assert (await client.get("/api/alarms?priority=loud")).status_code == 422


async def test_what_is_put_off_waits_for_nobody_until_its_time(county: County) -> None:
    await county.user("clerk", "operator", county.town)
    await raised(county, "alm_1", "tamper", county.camera, 1)
    await raised(county, "alm_2", "video_loss", county.camera, 2)
    path = "/api/alarms/alm_1/snooze"
    async with await county.sign_in("clerk") as client:
        until_us = now_us() + 3_600 * US_PER_S
        told = (await client.post(path, json={"until_us": until_us})).json()
        assert (told["snoozed_until_us"], told["snoozed_by"]) == (until_us, "clerk!")
        assert await listed(client, snoozed=False) == (["alm_2"], 1)
        assert await listed(client, snoozed=True) == (["alm_1"], 1)
        # Its time has come, and it is still on: it waits for somebody again.
        async with county.services.reader.connect() as connection:
            assert await connection.scalar(
                sa.select(alarms.c.snoozed_until_us).where(alarms.c.id == "alm_1")
            )
        await county.write("alarms.snooze", alarm_id="alm_1", until_us=now_us() - 1, name="clerk")
        assert await listed(client, snoozed=False) == (["alm_2", "alm_1"], 2)
        # Whoever put it off can end that.
        await client.post(path, json={"until_us": until_us})
        told = (await client.post(path, json={"until_us": None})).json()
        assert (told["snoozed_until_us"], told["snoozed_by"]) == (None, None)


async def test_it_is_put_off_into_the_next_seven_days_only_and_not_once_it_is_over(
    county: County,
) -> None:
    await county.user("clerk", "operator", county.town)
    await county.user("guest", "viewer", county.town)
    await raised(county, "alm_1", "tamper", county.camera, 1)
    path = "/api/alarms/alm_1/snooze"
    async with await county.sign_in("guest") as client:
        assert (await client.post(path, json={"until_us": None})).status_code == 403
    async with await county.sign_in("clerk") as client:
        for until_us in (now_us() - 1, now_us() + 8 * DAY_US, 2**70, "soon"):
            refused = await client.post(path, json={"until_us": until_us})
            assert refused.status_code == 422, until_us
        assert (await client.post(path, json={})).status_code == 422
        over = [{"id": "alm_1", "end_us": 9}]
        await county.write("alarms.apply", opened=[], changed=[], closed=over)
        late = await client.post(path, json={"until_us": now_us() + DAY_US})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")


async def test_of_a_storm_the_newest_are_told_and_that_there_are_more(county: County) -> None:
    services = county.services
    ids = [f"alm_{number:03}" for number in range(120)]
    rows = [
        {
            "id": one, "kind": "tamper", "subject": f"camera:{one}", "camera_id": county.camera,
            "area_id": None, "begin_us": number, "folded_into": None, "detail": {},
        }
        for number, one in enumerate(ids)
    ]  # fmt: skip
    await county.write("alarms.apply", opened=rows, changed=[], closed=[])
    heard: list[ToldAlarms] = []
    enough = asyncio.Event()

    def listen(told: ToldAlarms) -> None:
        heard.append(told)
        enough.set()

    held = (Grant(Role.OPERATOR, ""),)
    operator = Principal("usr_x", "x", "x", held, False, now_us() + DAY_US, "")
    outbox, elsewhere = _Outbox(services, operator), _Outbox(services, replace(operator, grants=()))
    news = asyncio.create_task(services.alarms.run())
    with (
        services.alarms.listening(listen),
        services.alarms.listening(outbox.take_alarms),
        services.alarms.listening(elsewhere.take_alarms),
    ):
        await asyncio.sleep(0)
        services.alarm_watch.tell(ids)
        async with asyncio.timeout(10):
            await enough.wait()
    news.cancel()
    (told,) = heard
    assert told.more and {one.document["id"] for one in told.alarms} == set(ids[-50:])
    messages = await outbox.take_messages()
    assert [one["type"] for one in messages] == ["alarm"] * 50 + ["alarms_changed"]
    assert messages[49]["id"] == ids[-1]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await elsewhere.take_messages()


async def test_who_does_not_read_holds_the_newest(county: County) -> None:
    held = (Grant(Role.OPERATOR, ""),)
    outbox = _Outbox(
        county.services, Principal("usr_x", "x", "x", held, False, now_us() + DAY_US, "")
    )
    for number in range(500):
        document: dict[str, Any] = {
            "id": f"alm_{number:03}",
            "kind": "tamper",
            "detail": {},
            "camera_id": None,
        }
        outbox.take_alarms(ToldAlarms([ToldAlarm(COUNTY, document, document, None)]))
    messages = await outbox.take_messages()
    assert [one["type"] for one in messages] == ["alarm"] * 200 + ["alarms_changed"]
    assert [messages[0]["id"], messages[199]["id"]] == ["alm_300", "alm_499"]
