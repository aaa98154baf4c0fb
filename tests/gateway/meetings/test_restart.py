"""A shard that is killed in a meeting: the rows say who was there, and who is back."""

from __future__ import annotations

import pytest

from gateway.identifiers import now_us
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import a_shard


async def test_spans_end_where_they_were_seen_last_and_begin_anew(rows: Rows) -> None:
    meeting_id = rows.called()
    (a, b) = rows.invite(meeting_id, "a", "b")
    rows.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    # What a shard had written when it was killed.
    rows.joined(meeting_id, a, "ses_a")
    rows.joined(meeting_id, b, "ses_b")
    seen_us = now_us()
    rows.write("meetings.seen", shard="shard-1", session_ids=["ses_a", "ses_b"], at_us=seen_us)
    rows.write("meetings.give_floor", meeting_id=meeting_id, participant_id=a, given=True)
    async with a_shard(rows) as shard:
        await shard.written(lambda: all(span.left_us for span in rows.spans(a) + rows.spans(b)))
        for span in rows.spans(a) + rows.spans(b):
            assert span.left_us == pytest.approx(seen_us, abs=1) and span.reason
        # What the chair had decided is still so: nobody has to say it again.
        page = await shard.join(meeting_id, a, microphone=True)
        listener = await shard.join(meeting_id, b)
        await listener.listens_to(page)
        room = shard.rooms.rooms[meeting_id]
        assert room.status()["program"] == a
        await shard.written(lambda: rows.participant(a).state == "connected")
        assert [span.left_us is None for span in rows.spans(a)] == [False, True]


async def test_a_shard_that_stops_says_so_to_its_pages_and_to_the_rows(rows: Rows) -> None:
    async with a_shard(rows) as shard:
        meeting_id, (a,) = await shard.running("a")
        page = await shard.join(meeting_id, a)
        await shard.written(lambda: bool(rows.spans(a)))
        await shard.rooms.close()
        await page.hears("end", reason="shard_stopping")
    (span,) = rows.spans(a)
    assert span.reason == "shard_stopping"
