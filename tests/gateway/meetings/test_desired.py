"""What a shard reads of its meetings: all that a room needs, and only what has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.database.meeting_tables import meeting_agenda
from gateway.meetings.desired import MeetingReader, Polling
from gateway.meetings.tiles import Sight
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_county import Rows


@pytest.fixture
async def reader(rows: Rows) -> AsyncIterator[MeetingReader]:
    engine = reader_beside(rows.engine)
    yield MeetingReader(engine, "shard-1")
    await engine.dispose()


def running(rows: Rows, *villages: str, shard: str = "shard-1") -> tuple[str, list[str]]:
    meeting_id = rows.called()
    ids = rows.invite(meeting_id, *villages)
    rows.write("meetings.start", meeting_id=meeting_id, shard=shard)
    return meeting_id, ids


async def test_a_shard_sees_its_running_meetings_and_no_others(
    rows: Rows, reader: MeetingReader
) -> None:
    mine, _ = running(rows, "a")
    running(rows, "b", shard="shard-2")
    rows.called()
    assert list(await reader.read()) == [mine]
    rows.write("meetings.move", meeting_id=mine, shard="shard-2", gone="shard-1")
    assert await reader.read() == {}
    assert await reader.why_gone(mine) == "moved"
    rows.write("meetings.end", meeting_id=mine, reason="chair")
    assert await reader.why_gone(mine) == "ended"


async def test_participants_are_read_again_only_when_something_has_changed(
    rows: Rows, reader: MeetingReader
) -> None:
    meeting_id, (a, b) = running(rows, "a", "b")
    first = (await reader.read())[meeting_id]
    assert (await reader.read())[meeting_id] is first
    assert [one.name for one in first.invited.values()][-1] == "chair"
    rows.write("meetings.mute", meeting_id=meeting_id, participant_ids=[a], muted=True)
    second = (await reader.read())[meeting_id]
    assert second.invited[a].muted and not second.invited[b].muted


async def test_what_is_dealt_with_now_is_told_to_all(rows: Rows, reader: MeetingReader) -> None:
    meeting_id, _ = running(rows, "a")
    items = [{"title": title, "speaker": "", "planned_s": None} for title in ("汛情", "部署")]
    rows.write("meetings.agenda", meeting_id=meeting_id, items=items)
    assert (await reader.read())[meeting_id].agenda_item is None
    agenda = sorted(rows.all(meeting_agenda), key=lambda row: row.position)
    for item in agenda:
        rows.write("meetings.agenda_item", meeting_id=meeting_id, item_id=item.id)
        assert (await reader.read())[meeting_id].agenda_item == item.title
    rows.write("meetings.agenda_item", meeting_id=meeting_id, item_id=None)
    assert (await reader.read())[meeting_id].agenda_item is None


async def test_what_the_chair_decides_is_all_there(rows: Rows, reader: MeetingReader) -> None:
    meeting_id, (a, b) = running(rows, "a", "b")
    here = {"meeting_id": meeting_id}
    rows.joined(meeting_id, a)
    rows.write("meetings.give_floor", **here, participant_id=a, given=True)
    rows.write("meetings.pin", **here, participant_id=b, kind="screen")
    rows.write("meetings.layout", **here, layout="grid")
    rows.write("meetings.polling", **here, interval_s=5, area_id=rows.areas["town"])
    rows.write("meetings.lock", **here, locked=True)
    state = (await reader.read())[meeting_id]
    assert state.pinned == Sight(b, "screen")
    assert (state.layout, state.locked) == ("grid", True)
    assert state.polling is not None
    assert isinstance(state.polling, Polling) and state.polling.interval_us == 5_000_000
    assert state.invited[a].area_path.startswith(state.polling.area_path)
    assert state.invited[a].floor_us is not None and state.invited[a].admitted
    assert not state.invited[b].admitted


async def test_a_session_that_has_been_there_is_known(rows: Rows, reader: MeetingReader) -> None:
    meeting_id, (a,) = running(rows, "a")
    assert not await reader.session_was_used("ses")
    rows.joined(meeting_id, a, "ses")
    assert await reader.session_was_used("ses")


async def test_a_camera_waits_in_no_lobby(rows: Rows, reader: MeetingReader) -> None:
    meeting_id, _ = running(rows)
    camera = {"kind": "whip", "subject": "", "name": "codec", "token_hash": "x"}
    (participant_id,) = rows.write(
        "meetings.invite", meeting_id=meeting_id, participants=[camera], invited_by="x"
    )
    state = (await reader.read())[meeting_id]
    assert state.invited[participant_id].admitted
