"""Meetings and who takes part in them, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.meeting_access import Seat, invited_to
from gateway.api.meeting_recordings_known import known_meetings
from gateway.database.meeting_tables import (
    meeting_attendance,
    meeting_participants,
    meeting_playbacks,
    meeting_recordings,
    meetings,
)
from gateway.database.tables import areas, users
from gateway.identifiers import now_us
from gateway.meetings.playing.playback import playback_document
from gateway.people.areas import area_names
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

_own = meeting_participants.c
_SHOWN = (
    "id", "title", "area_id", "state", "version", "created_us", "scheduled_us", "planned_s",
    "started_us", "ended_us", "end_reason", "starts_itself", "rings", "lobby", "locked",
    "muted_on_entry", "records", "layout", "pinned_id", "pinned_kind", "polling", "roll_call_id",
    "shard",
)  # fmt: skip
_PARTICIPANT_SHOWN = (
    "id", "kind", "role", "state", "name", "area_id", "user_id", "camera_id", "position",
    "invited_us", "rung_us", "rings", "answered_us", "refusal", "lobby_us", "admitted_us",
    "left_us", "muted", "floor_us", "hand_us",
)  # fmt: skip


def select_meetings() -> sa.Select[Any]:
    """``meetings`` with ``area_path`` and ``creator``."""
    return sa.select(
        meetings, areas.c.path.label("area_path"), users.c.display_name.label("creator")
    ).select_from(
        meetings.outerjoin(areas, areas.c.id == meetings.c.area_id).join(
            users, users.c.id == meetings.c.created_by
        )
    )


async def meeting_documents(
    connection: AsyncConnection, caller: Principal, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    """The Meeting documents of rows of :func:`select_meetings`."""
    ids = [row.id for row in rows]
    counts: dict[str, dict[str, int]] = {one: {} for one in ids}
    for row in await connection.execute(
        sa.select(_own.meeting_id, _own.state, sa.func.count().label("number"))
        .where(_own.meeting_id.in_(ids))
        .group_by(_own.meeting_id, _own.state)
    ):
        counts[row.meeting_id][row.state] = row.number
    own: dict[str, list[sa.Row[Any]]] = {one: [] for one in ids}
    for row in await connection.execute(
        sa.select(meeting_participants, areas.c.path.label("area_path"))
        .select_from(meeting_participants.outerjoin(areas, areas.c.id == _own.area_id))
        .where(_own.meeting_id.in_(ids), invited_to(caller))
        .order_by(_own.position, _own.id)
    ):
        own[row.meeting_id].append(row)
    names = await area_names(connection, [row.area_path or "" for row in rows])
    at_us = now_us()
    recorded = meeting_recordings.c
    recordings = {
        row.meeting_id: row.number
        for row in await connection.execute(
            sa.select(recorded.meeting_id, sa.func.count().label("number"))
            .join(meetings, meetings.c.id == recorded.meeting_id)
            .where(
                recorded.meeting_id.in_(ids),
                recorded.removed_us.is_(None),
                known_meetings(caller, at_us),
            )
            .group_by(recorded.meeting_id)
        )
    }
    documents = []
    for row in rows:
        place = AreaPlace(row.area_path or "")
        convenes = authorize(caller, Right.CONVENE, place, at_us).allowed
        seat = Seat(row, place, convenes, own[row.id])
        documents.append(
            {
                **{name: row._mapping[name] for name in _SHOWN},
                "area_path": names[row.area_path or ""],
                "created_by": row.creator,
                "link": {"expires_us": row.code_expires_us}
                if row.code_hash is not None and row.code_expires_us > at_us
                else None,
                "counts": counts[row.id],
                "recordings": recordings.get(row.id, 0),
                "you": _you(seat, caller.user_id),
            }
        )
    return documents


def _you(seat: Seat, user_id: str) -> dict[str, Any]:
    current = seat.current(user_id)
    return {
        "participant_id": current.id if current is not None else None,
        "role": current.role if current is not None else None,
        "state": current.state if current is not None else None,
        "leads": seat.leads(user_id),
        "sites": [one.id for one in seat.own if one.kind == "site"],
    }


async def meeting_document(
    connection: AsyncConnection, caller: Principal, meeting_id: str
) -> dict[str, Any]:
    """One, which the caller is known to know of."""
    rows = (await connection.execute(select_meetings().where(meetings.c.id == meeting_id))).all()
    return (await meeting_documents(connection, caller, rows))[0]


async def participant_documents(
    connection: AsyncConnection, meeting_id: str, *where: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    """Everybody who takes part, in the order of the tree of areas."""
    first = (
        sa.select(sa.func.min(meeting_attendance.c.connected_us))
        .where(meeting_attendance.c.participant_id == _own.id)
        .correlate(meeting_participants)
        .scalar_subquery()
    )
    rows = (
        await connection.execute(
            sa.select(meeting_participants, first.label("joined_us"), areas.c.path)
            .select_from(meeting_participants.outerjoin(areas, areas.c.id == _own.area_id))
            .where(_own.meeting_id == meeting_id, *where)
            .order_by(_own.position, _own.id)
        )
    ).all()
    names = await area_names(connection, [row.path for row in rows if row.path])
    playing = await _playbacks(connection, meeting_id)
    return [
        {
            **{name: row._mapping[name] for name in _PARTICIPANT_SHOWN},
            "joined_us": row.joined_us,
            "area_path": names.get(row.path or "", []),
            "playback": playing.get(row.id),
        }
        for row in rows
    ]


async def _playbacks(connection: AsyncConnection, meeting_id: str) -> dict[str, Any]:
    table = meeting_playbacks.c
    rows = await connection.execute(
        sa.select(meeting_playbacks, _own.camera_id)
        .join(meeting_participants, _own.id == table.participant_id)
        .where(table.meeting_id == meeting_id)
    )
    return {row["participant_id"]: playback_document(row) for row in rows.mappings()}
