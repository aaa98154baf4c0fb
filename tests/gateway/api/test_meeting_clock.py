"""What goes on by itself: begun in time, rung so long, moved, ended when nobody came back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api import meeting_clock, processes
from gateway.api.meeting_clock import MeetingClock
from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.identifiers import now_us
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import People, meeting_people

MINUTE_US = 60_000_000


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    async with meeting_people(county) as made:
        yield made


async def meeting(people: People, meeting_id: str) -> Any:
    async with people.county.services.reader.connect() as connection:
        statement = sa.select(meetings).where(meetings.c.id == meeting_id)
        return (await connection.execute(statement)).one()


def alter(people: People, table: sa.Table, **values: Any) -> None:
    """Time goes by."""
    engine: sa.Engine = people.county.services.rows._engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(sa.update(table).values(**values))


async def test_a_meeting_begins_at_its_time_by_itself_and_not_before(people: People) -> None:
    clock = MeetingClock(people.county.services)
    meeting_id = await people.called(scheduled_us=now_us() + 30 * MINUTE_US)
    by_hand = await people.called(scheduled_us=now_us() + 30 * MINUTE_US, starts_itself=False)
    await clock.look()
    found = await meeting(people, meeting_id)
    assert (found.state, found.reminded_us) == ("scheduled", None)
    alter(people, meetings, scheduled_us=now_us() + 5 * MINUTE_US, created_us=1)
    await clock.look()
    reminded = (await meeting(people, meeting_id)).reminded_us
    assert reminded is not None
    await clock.look()
    assert (await meeting(people, meeting_id)).reminded_us == reminded
    alter(people, meetings, scheduled_us=now_us())
    await clock.look()
    assert (await meeting(people, meeting_id)).state == "running"
    assert (await meeting(people, by_hand)).state == "scheduled"
    (record,) = await people.register("meeting.start")
    assert (record["user_id"], '"by": "clock"' in record["detail"]) == (None, True)


async def test_a_meeting_whose_time_passed_while_nothing_ran_is_not_begun(people: People) -> None:
    meeting_id = await people.called(scheduled_us=now_us())
    alter(people, meetings, scheduled_us=now_us() - 2 * 3600_000_000)
    await MeetingClock(people.county.services).look()
    assert (await meeting(people, meeting_id)).state == "cancelled"


async def test_without_a_media_process_it_waits_for_one(people: People) -> None:
    meeting_id = await people.called(scheduled_us=now_us())
    await people.county.write("processes.keep_only", names=[])
    people.county.services.processes.forget("shard-1")
    await MeetingClock(people.county.services).look()
    assert (await meeting(people, meeting_id)).state == "scheduled"


async def test_a_call_that_nobody_takes_stops_ringing(people: People) -> None:
    _, site = await people.running()
    clock = MeetingClock(people.county.services)
    await clock.look()
    statement = sa.select(meeting_participants.c.state).where(meeting_participants.c.id == site)
    async with people.county.services.reader.connect() as connection:
        assert await connection.scalar(statement) == "ringing"
    alter(people, meeting_participants, rung_us=1)
    await clock.look()
    async with people.county.services.reader.connect() as connection:
        assert await connection.scalar(statement) == "invited"


async def test_the_chair_may_go_and_an_empty_meeting_ends(people: People) -> None:
    meeting_id, _ = await people.running()
    joined = await people.sits(people.village, meeting_id)
    clock = MeetingClock(people.county.services)
    # The chair was never there. The village is.
    alter(people, meetings, started_us=1)
    await clock.look()
    assert (await meeting(people, meeting_id)).state == "running"
    await people.county.write(
        "meetings.departed", participant_id=joined["participant_id"],
        session_id=joined["session_id"], at_us=now_us(), reason="left",
    )  # fmt: skip
    await clock.look()
    assert (await meeting(people, meeting_id)).state == "running"
    alter(people, meetings, empty_since_us=now_us() - 16 * MINUTE_US)
    await clock.look()
    found = await meeting(people, meeting_id)
    assert (found.state, found.end_reason) == ("ended", "abandoned")


async def test_a_meeting_goes_on_elsewhere_when_its_shard_is_gone(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting_id, site = await people.running()
    await people.sits(people.village, meeting_id)
    clock = MeetingClock(people.county.services)
    await people.county.write("processes.keep_only", names=[])
    await people.county.write(
        "processes.report", name="shard-2", kind="shard", node="here", process_id=2,
        started_us=1, http_address="127.0.0.1", http_port=1,
    )  # fmt: skip
    people.county.services.processes.forget("shard-1")
    await clock.look()
    assert (await meeting(people, meeting_id)).shard == "shard-1"
    monkeypatch.setattr(meeting_clock, "GONE_S", 0.0)
    await clock.look()
    assert (await meeting(people, meeting_id)).shard == "shard-2"
    statement = sa.select(meeting_participants.c.state).where(meeting_participants.c.id == site)
    async with people.county.services.reader.connect() as connection:
        assert await connection.scalar(statement) == "left"
    # Its people come back by themselves.
    assert (await people.sits(people.village, meeting_id))["shard"] == "shard-2"
