"""Alarm rules: who is told on the console, what is held through the night, who is next."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.api.alarm_notice_news import AlarmNotice, watch_alarm_notices
from gateway.api.alarm_rule_clock import tell_due
from gateway.database.operating_tables import alarms
from gateway.identifiers import US_PER_S, now_us
from gateway.people.authorize import Grant, Principal
from gateway.people.roles import Role
from tests.gateway.api.accounts import audited
from tests.gateway.api.conftest import County
from tests.gateway.api.test_alarm_inbox import raised

ALWAYS = [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "end": "00:00"}]


async def heard(county: County) -> list[AlarmNotice]:
    """What a listener that comes now is told."""
    watch = watch_alarm_notices(county.services.reader)
    told: list[AlarmNotice] = []
    with watch.listening(told.append):
        await watch.look_once()
    return told


async def pass_time(county: County) -> None:
    """More than a week goes by: whatever waits is due."""
    await tell_due(county.services, now_us() + 8 * 86_400 * US_PER_S)


def somebody(user_id: str, role: Role, path: str) -> Principal:
    grant = Grant(role, path)
    return Principal(user_id, user_id, user_id, (grant,), False, now_us() + US_PER_S, "")


async def test_who_a_rule_names_is_told_and_the_next_when_nobody_acknowledges(
    county: County,
) -> None:
    clerk = await county.user("clerk", "operator", county.town)
    chief = await county.user("chief", "area_admin", county.town)
    steps = [{"user_ids": [clerk]}, {"after_minutes": 5, "user_ids": [chief]}]
    body = {"name": "夜班", "area_id": county.town, "priority": "emergency", "steps": steps}
    async with await county.sign_in("chief") as client:
        made = await client.post("/api/alarm-rules", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["steps"][1]["people"] == [{"id": chief, "name": "chief!"}]
        await raised(county, "alm_1", "tamper", county.camera, 1)
        (first,) = await heard(county)
        assert (first.rule_name, first.step, first.user_ids) == ("夜班", 0, frozenset({clerk}))
        listed = (await client.get("/api/alarms?priority=emergency")).json()["items"]
        assert [(one["id"], one["priority"]) for one in listed] == [("alm_1", "emergency")]
        await pass_time(county)
        assert {one.step: one.user_ids for one in await heard(county)} == {0: {clerk}, 1: {chief}}
    (record,) = await audited(county, "alarm.escalate")
    assert (record["detail"]["id"], record["detail"]["step"]) == ("alm_1", 1)


async def test_nobody_further_is_told_of_what_is_acknowledged_or_over(county: County) -> None:
    clerk = await county.user("clerk", "operator", county.town)
    await county.user("chief", "area_admin", county.town)
    steps = [{"user_ids": [clerk]}, {"after_minutes": 5, "roles": ["area_admin"]}]
    async with await county.sign_in("chief") as client:
        body = {"name": "夜班", "area_id": county.town, "steps": steps}
        await client.post("/api/alarm-rules", json=body)
        await raised(county, "alm_seen", "tamper", county.camera, 1)
        await raised(county, "alm_over", "video_loss", county.camera, 2)
        # A call for help lasts a moment, and still wants somebody.
        await raised(county, "alm_help", "emergency", county.camera, 3)
        assert (await client.post("/api/alarms/alm_seen/acknowledge", json={})).status_code == 200
    ended = [{"id": one, "end_us": 9} for one in ("alm_over", "alm_help")]
    await county.write("alarms.apply", opened=[], changed=[], closed=ended)
    await pass_time(county)
    further = [one for one in await heard(county) if one.step == 1]
    assert [one.alarm.document["id"] for one in further if one.alarm] == ["alm_help"]


async def test_what_comes_back_is_escalated_as_if_it_began(county: County) -> None:
    clerk = await county.user("clerk", "operator", county.town)
    await county.user("chief", "area_admin", county.town)
    steps = [{"user_ids": [clerk]}, {"after_minutes": 5, "roles": ["area_admin"]}]
    async with await county.sign_in("chief") as client:
        body = {"name": "夜班", "area_id": county.town, "steps": steps}
        await client.post("/api/alarm-rules", json=body)
    await raised(county, "alm_1", "video_loss", county.camera, now_us())
    ended = [{"id": "alm_1", "end_us": now_us()}]
    await county.write("alarms.apply", opened=[], changed=[], closed=ended)
    await pass_time(county)
    back = [{"id": "alm_1", "since_us": now_us(), "detail": {}}]
    # What is written twice came back once.
    for _ in range(2):
        await county.write("alarms.apply", opened=[], changed=[], closed=[], again=back)
    async with county.services.reader.connect() as connection:
        rows = await connection.execute(sa.select(alarms.c.again, alarms.c.end_us))
        assert rows.one() == (1, None)
    assert [one.step for one in await heard(county)] == [0]
    await pass_time(county)
    assert sorted(one.step for one in await heard(county)) == [0, 1]


async def test_a_person_escalates_without_waiting_and_says_why(county: County) -> None:
    clerk = await county.user("clerk", "operator", county.town)
    chief = await county.user("chief", "area_admin", county.town)
    steps = [{"user_ids": [clerk]}, {"after_minutes": 60, "user_ids": [chief]}]
    async with await county.sign_in("chief") as client:
        await client.post(
            "/api/alarm-rules", json={"name": "夜班", "area_id": county.town, "steps": steps}
        )
    await raised(county, "alm_1", "tamper", county.camera, now_us())
    path = "/api/alarms/alm_1"
    async with await county.sign_in("clerk") as client:
        await client.post(f"{path}/snooze", json={"until_us": now_us() + 3600 * US_PER_S})
        assert (await client.post(f"{path}/escalate", json={"words": " "})).status_code == 422
        body = {"words": "<b>有人翻墙</b>，电话无人接"}
        answer = (await client.post(f"{path}/escalate", json=body)).json()
        assert (answer["priority"], answer["escalated_by"]) == ("emergency", "clerk!")
        # Words stay words, and it waits for somebody again.
        assert (answer["escalated_words"], answer["snoozed_until_us"]) == (body["words"], None)
        await tell_due(county.services, now_us())
        assert {one.step: one.user_ids for one in await heard(county)} == {0: {clerk}, 1: {chief}}
        again = await client.post(f"{path}/escalate", json=body)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
        await client.post(f"{path}/acknowledge", json={})
        late = await client.post(f"{path}/escalate", json=body)
        assert late.status_code == 409
    by_hand, by_rule = await audited(county, "alarm.escalate")
    told = {one["detail"].get("words") for one in (by_hand, by_rule)}
    assert told == {body["words"], None}


async def test_quiet_hours_hold_all_but_emergencies_and_end_in_one_digest(county: County) -> None:
    await county.user("chief", "area_admin", county.town)
    async with await county.sign_in("chief") as client:
        body = {
            "name": "静默", "area_id": county.town, "quiet": ALWAYS,
            "steps": [{"roles": ["operator"]}],
        }  # fmt: skip
        assert (await client.post("/api/alarm-rules", json=body)).status_code == 201
    await raised(county, "alm_1", "tamper", county.camera, 1)
    await raised(county, "alm_2", "video_loss", county.camera, 2)
    await raised(county, "alm_help", "emergency", county.camera, 3)
    (through,) = await heard(county)
    assert through.alarm is not None
    assert through.alarm.document["id"] == "alm_help"
    async with county.services.reader.connect() as connection:
        silent = await connection.scalars(sa.select(alarms.c.id).where(alarms.c.silent))
        assert set(silent) == {"alm_1", "alm_2"}
    await pass_time(county)
    digests = [one for one in await heard(county) if one.alarm is None]
    assert [(one.count, one.roles) for one in digests] == [(2, frozenset({"operator"}))]


async def test_only_who_is_named_and_may_see_the_alarm_hears_of_it(county: County) -> None:
    clerk = await county.user("clerk", "operator", county.town)
    await county.user("chief", "area_admin", county.town)
    async with await county.sign_in("chief") as client:
        steps = [{"user_ids": [clerk], "roles": ["supervisor"]}]
        body = {"name": "夜班", "area_id": county.town, "steps": steps}
        await client.post("/api/alarm-rules", json=body)
    await raised(county, "alm_1", "tamper", county.camera, 1)
    (notice,) = await heard(county)
    assert notice.alarm is not None
    path = notice.alarm.place.area_path
    told = {
        (user, role): notice.message_for(somebody(user, role, where)) is not None
        for user, role, where in (
            (clerk, Role.OPERATOR, path),
            ("usr_other", Role.OPERATOR, path),
            ("usr_other", Role.SUPERVISOR, path),
            # Named, but blind there: an auditor sees no camera.
            (clerk, Role.AUDITOR, path),
        )
    }
    assert list(told.values()) == [True, False, True, False]
    assert notice.message_for(somebody("usr_2", Role.SUPERVISOR, "/elsewhere/")) is None


async def test_a_rule_says_what_is_wrong_with_it(county: County) -> None:
    await county.user("chief", "area_admin", county.town)
    async with await county.sign_in("chief") as client:

        async def status(**fields: Any) -> int:
            body = {"name": "夜班", "area_id": county.town, **fields}
            return int((await client.post("/api/alarm-rules", json=body)).status_code)

        assert await status(name=" ") == 422
        assert await status(steps=[{}]) == 422
        assert await status(steps=[{"after_minutes": 3, "roles": ["operator"]}]) == 422
        assert await status(steps=[{"roles": ["operator"]}, {"roles": ["operator"]}]) == 422
        assert await status(steps=[{"user_ids": ["usr_gone"]}]) == 422
        assert await status(camera_ids=["cam_gone"]) == 422
        assert await status(quiet=[{"days": [8], "start": "22:00", "end": "07:00"}]) == 422
        # Telling other systems is for who may set them up.
        assert await status(steps=[{"channel_ids": ["och_1"]}]) == 403
        assert await status(area_id=None) == 403
        assert (await client.get("/api/alarm-rules")).json()["items"] == []
