"""Attendance is kept for ever: what is asked of it for one participant never reads all of it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api.meeting_documents import participant_documents
from gateway.meetings.desired import MeetingReader
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_county import Rows

pytestmark = pytest.mark.sqlite


class Asked:
    """What an engine is asked of attendance, as SQLite would go about it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._said: list[tuple[str, Any]] = []
        sa.event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if "meeting_attendance" in statement and not statement.startswith(("INSERT", "EXPLAIN")):
            self._said.append((statement, given))

    def plans(self, engine: sa.Engine) -> list[str]:
        """A line for each step that reads attendance."""
        steps = []
        with engine.connect() as connection:
            for statement, given in list(self._said):
                found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
                steps += [row.detail for row in found if "meeting_attendance" in row.detail]
        return steps


def a_village_that_came(rows: Rows) -> tuple[str, str]:
    meeting_id = rows.called()
    (village,) = rows.invite(meeting_id, "a")
    rows.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    assert rows.joined(meeting_id, village, "one") == "connected"
    return meeting_id, village


def test_who_arrives_again_is_found_by_an_index(rows: Rows) -> None:
    meeting_id, village = a_village_that_came(rows)
    asked = Asked(rows.engine)
    assert rows.joined(meeting_id, village, "two") == "connected"
    plans = asked.plans(rows.engine)
    assert len(plans) >= 3
    narrow = ("(participant_id=", "(session_id=", "(meeting_id=", "(id=")
    assert not [plan for plan in plans if not any(one in plan for one in narrow)], plans


async def test_the_list_and_the_door_find_theirs_by_an_index(rows: Rows) -> None:
    meeting_id, village = a_village_that_came(rows)
    engine = reader_beside(rows.engine)
    asked = Asked(engine.sync_engine)
    try:
        async with engine.connect() as connection:
            documents = await participant_documents(connection, meeting_id)
        assert await MeetingReader(engine, "shard-1").session_was_used("one")
    finally:
        await engine.dispose()
    assert [one["id"] for one in documents if one["joined_us"] is not None] == [village]
    assert [plan.rpartition("ix_")[2].split()[0] for plan in asked.plans(rows.engine)] == [
        "meeting_attendance_participant_id",
        "meeting_attendance_session_id",
    ]
