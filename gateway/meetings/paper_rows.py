"""Writes to what a meeting leaves behind: messages, files, agenda, minutes; and its end."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord
from gateway.audit.records import append_rows
from gateway.database.meeting_tables import (
    meeting_agenda,
    meeting_files,
    meeting_messages,
    meeting_minutes,
    meeting_recordings,
    meeting_subtitles,
    meetings,
    roll_call_answers,
    roll_calls,
)
from gateway.database.tables import areas
from gateway.identifiers import new_id, now_us
from gateway.meetings.rows import OPEN, find_meeting, touch
from recorder.rows import RowError, row_operation

MESSAGES_LIMIT = 20_000
AGENDA_LIMIT = 100
MINUTES_LIMIT = 2000


@row_operation("meetings.say")
def say(connection: sa.Connection, meeting_id: str, columns: dict[str, Any]) -> int:
    """A message to all, or to one; gives its number. Refused with ``too_many``."""
    find_meeting(connection, meeting_id, *OPEN)
    table = meeting_messages
    _require_room(connection, table, meeting_id, MESSAGES_LIMIT)
    made = connection.execute(
        sa.insert(table)
        .values(meeting_id=meeting_id, at_us=now_us(), **columns)
        .returning(table.c.id)
    )
    touch(connection, meeting_id)
    return int(made.scalar_one())


@row_operation("meetings.unsay")
def unsay(connection: sa.Connection, meeting_id: str, message_id: int, user_id: str) -> None:
    """Show a message no more; its text stays in the row."""
    table = meeting_messages
    changed = connection.execute(
        sa.update(table)
        .where(
            table.c.id == message_id, table.c.meeting_id == meeting_id, table.c.removed_us.is_(None)
        )
        .values(removed_us=now_us(), removed_by=user_id)
    )
    if not changed.rowcount:
        raise RowError("not_found", "there is no such message")
    touch(connection, meeting_id)


@row_operation("meetings.keep_file")
def keep_file(
    connection: sa.Connection, meeting_id: str, columns: dict[str, Any], limit_bytes: int
) -> None:
    """A file that lies in the store already. Refused with ``too_large`` where all of the meeting's
    would be more than ``limit_bytes``, ``meeting_over``.
    """
    find_meeting(connection, meeting_id, *OPEN)
    table = meeting_files
    kept = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(table.c.size_bytes), 0)).where(
            table.c.meeting_id == meeting_id, table.c.removed_us.is_(None)
        )
    )
    if (kept or 0) + columns["size_bytes"] > limit_bytes:
        raise RowError("too_large", "the files of this meeting are too many: remove some first")
    connection.execute(sa.insert(table).values(meeting_id=meeting_id, at_us=now_us(), **columns))
    touch(connection, meeting_id)


@row_operation("meetings.drop_file")
def drop_file(connection: sa.Connection, meeting_id: str, file_id: str, user_id: str) -> str:
    """Hand it out no more; gives its key in the store, whose object may go."""
    table = meeting_files
    row = connection.execute(
        sa.select(table).where(
            table.c.id == file_id, table.c.meeting_id == meeting_id, table.c.removed_us.is_(None)
        )
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such file")
    connection.execute(
        sa.update(table)
        .where(table.c.id == file_id)
        .values(removed_us=now_us(), removed_by=user_id)
    )
    touch(connection, meeting_id)
    return str(row.key)


@row_operation("meetings.agenda")
def set_agenda(connection: sa.Connection, meeting_id: str, items: list[dict[str, Any]]) -> None:
    """All items in their order, in place of those before; known ids keep their times. Refused with
    ``meeting_over``, ``too_many``.
    """
    find_meeting(connection, meeting_id, *OPEN)
    if len(items) > AGENDA_LIMIT:
        raise RowError("too_many", f"an agenda has at most {AGENDA_LIMIT} items")
    table = meeting_agenda
    known = set(connection.scalars(sa.select(table.c.id).where(table.c.meeting_id == meeting_id)))
    kept = {item["id"] for item in items if item.get("id") in known}
    connection.execute(
        sa.delete(table).where(table.c.meeting_id == meeting_id, table.c.id.not_in(kept))
    )
    for position, item in enumerate(items):
        values = {name: item[name] for name in ("title", "speaker", "planned_s")}
        if item.get("id") in kept:
            connection.execute(
                sa.update(table).where(table.c.id == item["id"]).values(position=position, **values)
            )
        else:
            connection.execute(
                sa.insert(table).values(
                    id=new_id("mag"), meeting_id=meeting_id, position=position, **values
                )
            )
    touch(connection, meeting_id)


@row_operation("meetings.agenda_item")
def deal_with(connection: sa.Connection, meeting_id: str, item_id: str | None) -> None:
    """From now on this item is dealt with; the one before is done. None: none is."""
    find_meeting(connection, meeting_id, "running")
    table, at_us = meeting_agenda, now_us()
    connection.execute(
        sa.update(table)
        .where(
            table.c.meeting_id == meeting_id,
            table.c.started_us.is_not(None),
            table.c.ended_us.is_(None),
        )
        .values(ended_us=at_us)
    )
    if item_id is not None:
        changed = connection.execute(
            sa.update(table)
            .where(table.c.meeting_id == meeting_id, table.c.id == item_id)
            # Taken up again, it goes on from when it was begun first.
            .values(started_us=sa.func.coalesce(table.c.started_us, at_us), ended_us=None)
        )
        if not changed.rowcount:
            raise RowError("not_found", "there is no such item")
    touch(connection, meeting_id)


@row_operation("meetings.minute")
def write_minute(
    connection: sa.Connection, meeting_id: str, minute_id: str | None, columns: dict[str, Any]
) -> str:
    """A line of the minutes, new or changed; gives its id. Also when the meeting is over."""
    find_meeting(connection, meeting_id)
    table = meeting_minutes
    if minute_id is not None:
        changed = connection.execute(
            sa.update(table)
            .where(
                table.c.id == minute_id,
                table.c.meeting_id == meeting_id,
                table.c.removed_us.is_(None),
            )
            .values(**columns, changed_us=now_us())
        )
        if not changed.rowcount:
            raise RowError("not_found", "there is no such line of the minutes")
        touch(connection, meeting_id)
        return minute_id
    _require_room(connection, table, meeting_id, MINUTES_LIMIT)
    minute_id = new_id("mmn")
    connection.execute(
        sa.insert(table).values(id=minute_id, meeting_id=meeting_id, changed_us=now_us(), **columns)
    )
    touch(connection, meeting_id)
    return minute_id


@row_operation("meetings.strike_minute")
def strike(connection: sa.Connection, meeting_id: str, minute_id: str) -> None:
    """Show a line no more."""
    table = meeting_minutes
    changed = connection.execute(
        sa.update(table)
        .where(
            table.c.id == minute_id,
            table.c.meeting_id == meeting_id,
            table.c.removed_us.is_(None),
        )
        .values(removed_us=now_us())
    )
    if not changed.rowcount:
        raise RowError("not_found", "there is no such line of the minutes")
    touch(connection, meeting_id)


def over_and_unheld(before_us: int) -> sa.ColumnElement[bool]:
    """On ``meetings``: was over before, and nobody holds a recording of it."""
    recording = meeting_recordings.c
    held = sa.exists().where(
        recording.meeting_id == meetings.c.id,
        recording.held_us.is_not(None),
        recording.removed_us.is_(None),
    )
    return sa.and_(
        meetings.c.state.in_(("ended", "cancelled")), meetings.c.ended_us < before_us, ~held
    )


@row_operation("meetings.expire_papers")
def expire_papers(connection: sa.Connection, meeting_id: str, before_us: int) -> bool:
    """The days of what was said and handed out are over: nobody finds it any more, and the register
    says so. False where the meeting is not over, or somebody holds a recording of it meanwhile. May
    be repeated.
    """
    row = connection.execute(
        sa.select(meetings.c.title, meetings.c.started_us, meetings.c.ended_us, areas.c.path)
        .select_from(meetings.outerjoin(areas, areas.c.id == meetings.c.area_id))
        .where(meetings.c.id == meeting_id, over_and_unheld(before_us))
    ).one_or_none()
    if row is None:
        return False
    files, calls = meeting_files.c, sa.select(roll_calls.c.id)
    gone = {
        "messages": sa.delete(meeting_messages).where(meeting_messages.c.meeting_id == meeting_id),
        "subtitles": sa.delete(meeting_subtitles).where(
            meeting_subtitles.c.meeting_id == meeting_id
        ),
        "files": sa.update(meeting_files)
        .where(files.meeting_id == meeting_id, files.removed_us.is_(None))
        .values(removed_us=now_us()),
        "pictures": sa.update(roll_call_answers)
        .where(
            roll_call_answers.c.roll_call_id.in_(
                calls.where(roll_calls.c.meeting_id == meeting_id)
            ),
            roll_call_answers.c.snapshot_us.is_not(None),
        )
        .values(snapshot_us=None),
    }
    counts = {name: connection.execute(statement).rowcount for name, statement in gone.items()}
    if any(counts.values()):
        record = AuditRecord(
            "meeting.papers_expire",
            area_path=row.path,
            start_us=row.started_us,
            end_us=row.ended_us,
            detail={"meeting": meeting_id, "title": row.title, **counts},
        )
        append_rows(connection, [record.to_message()])
    return True


@row_operation("meetings.forget_papers")
def forget_papers(connection: sa.Connection, meeting_id: str) -> None:
    """What was expired has left the store. May be repeated."""
    files, answers = meeting_files.c, roll_call_answers.c
    over = sa.exists().where(
        meetings.c.id == meeting_id, meetings.c.state.in_(("ended", "cancelled"))
    )
    connection.execute(
        sa.delete(meeting_files).where(
            files.meeting_id == meeting_id, files.removed_us.is_not(None), over
        )
    )
    calls = sa.select(roll_calls.c.id).where(roll_calls.c.meeting_id == meeting_id)
    connection.execute(
        sa.update(roll_call_answers)
        .where(answers.roll_call_id.in_(calls), answers.snapshot_us.is_(None))
        .values(snapshot_key=None)
    )


def _require_room(connection: sa.Connection, table: sa.Table, meeting_id: str, limit: int) -> None:
    count = connection.scalar(
        sa.select(sa.func.count()).select_from(table).where(table.c.meeting_id == meeting_id)
    )
    if (count or 0) >= limit:
        raise RowError("too_many", f"a meeting has at most {limit} of these")
