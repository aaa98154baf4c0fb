"""A roll call as it stands: every site on its list, with what is known and what it amounts to."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.meeting_tables import (
    meeting_attendance,
    meeting_participants,
    meetings,
    roll_call_answers,
    roll_calls,
)
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.roll_call import (
    Called,
    Sitting,
    Span,
    connected_us,
    early_by_us,
    late_by_us,
    presence,
    tally,
)

_answers = roll_call_answers.c
_own = meeting_participants.c


async def spans_of(connection: AsyncConnection, meeting_id: str) -> dict[str, list[Span]]:
    """When each participant was connected."""
    table = meeting_attendance.c
    found: dict[str, list[Span]] = defaultdict(list)
    for row in await connection.execute(
        sa.select(table.participant_id, table.connected_us, table.left_us)
        .where(table.meeting_id == meeting_id)
        .order_by(table.connected_us)
    ):
        found[row.participant_id].append(Span(row.connected_us, row.left_us))
    return found


async def roll_call_board(
    connection: AsyncConnection, meeting_id: str, roll_call_id: str
) -> dict[str, Any] | None:
    """The RollCall document with its rows in the order of the list; None where there is none."""
    call = (
        await connection.execute(
            sa.select(
                roll_calls,
                meetings.c.title.label("meeting_title"),
                meetings.c.started_us.label("meeting_started_us"),
                meetings.c.ended_us.label("meeting_ended_us"),
            )
            .join(meetings, meetings.c.id == roll_calls.c.meeting_id)
            .where(roll_calls.c.id == roll_call_id, roll_calls.c.meeting_id == meeting_id)
        )
    ).one_or_none()
    if call is None:
        return None
    sitting = Sitting(
        call.meeting_started_us or call.started_us,
        call.meeting_ended_us,
        call.ended_us,
        call.late_after_s * US_PER_S,
    )
    spans = await spans_of(connection, meeting_id)
    answers = await connection.execute(
        sa.select(roll_call_answers, _own.name, _own.kind, _own.state.label("now"), _own.area_id)
        .join(meeting_participants, _own.id == _answers.participant_id)
        .where(_answers.roll_call_id == roll_call_id)
        .order_by(_answers.position)
    )
    until_us = call.meeting_ended_us or now_us()
    rows, states = [], []
    for row in answers:
        there = spans.get(row.participant_id, [])
        state = presence(Called(row.called_us, row.answered_us, row.tick), there, sitting)
        states.append(state)
        rows.append(
            {
                "participant_id": row.participant_id,
                "position": row.position,
                "kind": row.kind,
                "name": row.name,
                "area_id": row.area_id,
                "area_path": row.area_names,
                "state": str(state),
                "called_us": row.called_us,
                "connected": row.connected,
                "connected_now": row.now == "connected",
                "answered_us": row.answered_us,
                "tick": row.tick,
                "ticked_us": row.ticked_us,
                "note": row.note,
                "snapshot_us": row.snapshot_us,
                "late_us": late_by_us(there, sitting),
                "early_us": early_by_us(there, call.meeting_ended_us),
                "connected_us": connected_us(there, until_us),
            }
        )
    return {
        "id": call.id,
        "meeting_id": meeting_id,
        "meeting_title": call.meeting_title,
        "title": call.title,
        "area_id": call.area_id,
        "started_us": call.started_us,
        "ended_us": call.ended_us,
        "current_id": call.current_id,
        "late_after_s": call.late_after_s,
        "tally": tally(states),
        "rows": rows,
    }
