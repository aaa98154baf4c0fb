"""Writes to meetings: called, changed, started, moved to another shard, ended, cancelled.

``scheduled`` → ``running``, ``cancelled``; ``running`` → ``ended``. Whatever changes a meeting or
who is in it raises ``version`` in the same transaction, by which rooms and pages see that they have
to look again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.meeting_tables import (
    meeting_attendance,
    meeting_floor,
    meeting_participants,
    meetings,
    roll_calls,
)
from gateway.identifiers import US_PER_S, new_id, now_us
from recorder.rows import RowError, row_operation

OPEN = frozenset({"scheduled", "running"})
# What may be changed of a meeting; when it is only while it is still to come.
_CHANGEABLE = frozenset(
    {
        "title",
        "scheduled_us",
        "planned_s",
        "starts_itself",
        "rings",
        "lobby",
        "muted_on_entry",
        "records",
    }
)
_BEFORE_IT_STARTS = frozenset({"scheduled_us", "planned_s", "starts_itself"})
_TOLERATED_US = 60 * US_PER_S

_participants = meeting_participants.c


def touch(connection: sa.Connection, meeting_id: str, **columns: Any) -> None:
    """Raise the version of a meeting, and change what is named."""
    connection.execute(
        sa.update(meetings)
        .where(meetings.c.id == meeting_id)
        .values(version=meetings.c.version + 1, **columns)
    )


def find_meeting(
    connection: sa.Connection, meeting_id: str, *states: str
) -> sa.Row[tuple[Any, ...]]:
    """The meeting, in one of the states where any is named. Refused with ``not_found``,
    ``meeting_over``, ``meeting_not_running``.
    """
    row = connection.execute(sa.select(meetings).where(meetings.c.id == meeting_id)).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such meeting")
    if states and row.state not in states:
        if row.state in OPEN:
            raise RowError("meeting_not_running", f"this meeting is {row.state}: start it first")
        raise RowError("meeting_over", f"this meeting is {row.state}")
    return row


@row_operation("meetings.create")
def create(connection: sa.Connection, columns: dict[str, Any], chair: dict[str, Any]) -> str:
    """A meeting that is to come, and its chair as the first who takes part; gives its id.

    ``columns``: title, area_id, created_by, and what may be changed. ``chair``: user_id, name,
    area_id. Refused with ``invalid`` for a time that has passed.
    """
    at_us = now_us()
    if columns["scheduled_us"] < at_us - _TOLERATED_US:
        raise RowError("invalid", "a meeting cannot begin in the past: choose another time")
    meeting_id = new_id("mtg")
    connection.execute(
        sa.insert(meetings).values(
            id=meeting_id,
            state="scheduled",
            version=1,
            created_us=at_us,
            locked=False,
            layout="speaker_grid",
            **columns,
        )
    )
    connection.execute(
        sa.insert(meeting_participants).values(
            id=new_id("mpt"),
            meeting_id=meeting_id,
            kind="person",
            subject=chair["user_id"],
            user_id=chair["user_id"],
            name=chair["name"],
            area_id=chair["area_id"],
            role="chair",
            state="invited",
            position=0,
            invited_us=at_us,
            invited_by=columns["created_by"],
            rings=0,
            muted=False,
        )
    )
    return meeting_id


@row_operation("meetings.change")
def change(connection: sa.Connection, meeting_id: str, columns: dict[str, Any]) -> None:
    """Change what a meeting is called, when it begins, or how it goes. Refused with
    ``meeting_over``, ``meeting_started``, ``invalid``.
    """
    row = find_meeting(connection, meeting_id, *OPEN)
    if unknown := columns.keys() - _CHANGEABLE:
        raise RowError("invalid", f"{', '.join(sorted(unknown))} cannot be changed")
    if row.state == "running" and columns.keys() & _BEFORE_IT_STARTS:
        raise RowError("meeting_started", "when it begins cannot be changed: it has begun")
    if columns.get("scheduled_us", row.scheduled_us) != row.scheduled_us:
        if columns["scheduled_us"] < now_us() - _TOLERATED_US:
            raise RowError("invalid", "a meeting cannot begin in the past: choose another time")
        # Who was reminded of the old hour is reminded of the new one.
        columns = {**columns, "reminded_us": None}
    touch(connection, meeting_id, **columns)


@row_operation("meetings.start")
def start(connection: sa.Connection, meeting_id: str, shard: str) -> None:
    """Begin, on a shard; those who are invited ring, where the meeting says so. Refused with
    ``meeting_over``, ``meeting_started``.
    """
    row = find_meeting(connection, meeting_id, *OPEN)
    if row.state == "running":
        raise RowError("meeting_started", "this meeting is running already: join it")
    at_us = now_us()
    touch(
        connection, meeting_id,
        state="running", started_us=at_us, shard=shard, empty_since_us=at_us,
    )  # fmt: skip
    if row.rings:
        connection.execute(
            sa.update(meeting_participants)
            .where(
                _participants.meeting_id == meeting_id,
                _participants.state == "invited",
                _participants.kind.in_(["site", "person", "sip"]),
                # Whoever convenes knows of it.
                _participants.role != "chair",
            )
            .values(state="ringing", rung_us=at_us, rings=_participants.rings + 1)
        )


@row_operation("meetings.move")
def move(connection: sa.Connection, meeting_id: str, shard: str, gone: str) -> bool:
    """Run it on another shard, because the one that ran it is gone; whether that was so."""
    row = find_meeting(connection, meeting_id)
    if row.state != "running" or row.shard != gone:
        return False
    connection.execute(
        sa.update(meeting_participants)
        .where(_participants.meeting_id == meeting_id, _participants.shard == shard)
        .values(shard=None)
    )
    touch(connection, meeting_id, shard=shard)
    return True


@row_operation("meetings.end")
def end(connection: sa.Connection, meeting_id: str, reason: str) -> None:
    """End it for everybody. Refused with ``meeting_over``, ``meeting_not_running``.

    ``abandoned`` holds only where nobody has come back meanwhile: refused with ``conflict``.
    """
    row = find_meeting(connection, meeting_id, "running")
    if reason == "abandoned" and row.empty_since_us is None:
        raise RowError("conflict", "somebody has come back")
    _finish(connection, row, "ended", reason)


@row_operation("meetings.cancel")
def cancel(connection: sa.Connection, meeting_id: str) -> None:
    """It will not take place. Refused with ``meeting_over``, ``meeting_started``."""
    row = find_meeting(connection, meeting_id, *OPEN)
    if row.state == "running":
        raise RowError("meeting_started", "this meeting is running: end it")
    _finish(connection, row, "cancelled", "cancelled")


@row_operation("meetings.reminded")
def reminded(connection: sa.Connection, meeting_id: str) -> None:
    """Those who are invited were told that it begins soon. May be repeated."""
    find_meeting(connection, meeting_id, "scheduled")
    touch(connection, meeting_id, reminded_us=now_us())


@row_operation("meetings.link")
def link(
    connection: sa.Connection, meeting_id: str, code_hash: str | None, expires_us: int | None
) -> None:
    """Let people come by a code until then, in place of the code before; None: by none."""
    find_meeting(connection, meeting_id, *OPEN)
    touch(connection, meeting_id, code_hash=code_hash, code_expires_us=expires_us)


@row_operation("meetings.lock")
def lock(connection: sa.Connection, meeting_id: str, locked: bool) -> None:
    """Nobody comes in any more but who was in already; or let them again."""
    find_meeting(connection, meeting_id, *OPEN)
    touch(connection, meeting_id, locked=locked)


@row_operation("meetings.layout")
def set_layout(connection: sa.Connection, meeting_id: str, layout: str) -> None:
    """What everybody's screen looks like."""
    find_meeting(connection, meeting_id, *OPEN)
    touch(connection, meeting_id, layout=layout)


@row_operation("meetings.polling")
def poll(
    connection: sa.Connection, meeting_id: str, interval_s: int | None, area_id: str | None
) -> None:
    """Show the sites of an area (None: of all) in turn, each so long; no interval: stop."""
    find_meeting(connection, meeting_id, "running")
    turns = {"interval_s": interval_s, "area_id": area_id, "started_us": now_us()}
    touch(connection, meeting_id, polling=turns if interval_s is not None else None)


def _finish(
    connection: sa.Connection, row: sa.Row[tuple[Any, ...]], state: str, reason: str
) -> None:
    at_us = now_us()
    touch(
        connection, row.id,
        state=state, end_reason=reason, ended_us=at_us, polling=None, pinned_id=None,
        pinned_kind=None, roll_call_id=None, code_hash=None, code_expires_us=None,
    )  # fmt: skip
    for table in (meeting_attendance, meeting_floor):
        column = table.c.left_us if table is meeting_attendance else table.c.end_us
        connection.execute(
            sa.update(table)
            .where(table.c.meeting_id == row.id, column.is_(None))
            .values({column.name: at_us})
        )
    connection.execute(
        sa.update(roll_calls)
        .where(roll_calls.c.meeting_id == row.id, roll_calls.c.ended_us.is_(None))
        .values(ended_us=at_us, current_id=None)
    )
    here = _participants.meeting_id == row.id
    connection.execute(
        sa.update(meeting_participants)
        .where(here, _participants.state.in_(["connected", "lobby"]))
        .values(state="left", left_us=at_us)
    )
    connection.execute(
        sa.update(meeting_participants)
        .where(here, _participants.state == "ringing")
        .values(state="invited")
    )
    connection.execute(
        sa.update(meeting_participants)
        .where(here)
        # Who comes by a token comes no more.
        .values(floor_us=None, hand_us=None, session_id=None, token_hash=None, shard=None)
    )
