"""Writes to roll calls: begun, a site called, answered, ticked, pictured, ended.

What they amount to is decided by :mod:`gateway.meetings.roll_call`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord
from gateway.audit.records import append_rows
from gateway.database.meeting_tables import (
    meeting_participants,
    meetings,
    roll_call_answers,
    roll_calls,
)
from gateway.database.tables import areas, users, viewing_sessions
from gateway.identifiers import new_id, now_us
from gateway.meetings.rows import find_meeting, touch
from gateway.people.areas import subtree
from recorder.rows import RowError, row_operation

# Who is called by name. Guests are nobody's site.
_ANSWERING = ("site", "person", "sip")

_own = meeting_participants.c
_answers = roll_call_answers.c


@row_operation("roll_calls.begin")
def begin(
    connection: sa.Connection,
    meeting_id: str,
    area_id: str | None,
    title: str,
    late_after_s: int,
    user_id: str,
) -> str:
    """Begin one, of an area and all below it (None: of all); gives its id. Refused with
    ``roll_call_on``, ``meeting_not_running``, ``not_found`` where nobody of it is invited.
    """
    meeting = find_meeting(connection, meeting_id, "running")
    if meeting.roll_call_id is not None:
        raise RowError("roll_call_on", "a roll call is going on: end it first")
    path = ""
    if area_id is not None:
        path = connection.scalar(sa.select(areas.c.path).where(areas.c.id == area_id)) or ""
        if not path:
            raise RowError("not_found", "there is no such area")
    called = connection.execute(
        sa.select(_own.id, _own.position, areas.c.path)
        .select_from(meeting_participants.outerjoin(areas, areas.c.id == _own.area_id))
        .where(
            _own.meeting_id == meeting_id,
            _own.kind.in_(_ANSWERING),
            _own.role != "chair",
            _own.role != "observer",
            _own.state != "removed",
            subtree(areas.c.path, path),
        )
        .order_by(_own.position)
    ).all()
    if not called:
        raise RowError("not_found", "nobody of this area takes part")
    roll_call_id = new_id("rcl")
    connection.execute(
        sa.insert(roll_calls).values(
            id=roll_call_id,
            meeting_id=meeting_id,
            area_id=area_id,
            title=title,
            started_us=now_us(),
            started_by=user_id,
            late_after_s=late_after_s,
        )
    )
    names = _area_names(connection, [row.path or "" for row in called])
    connection.execute(
        sa.insert(roll_call_answers),
        [
            {
                "roll_call_id": roll_call_id,
                "participant_id": row.id,
                "position": position,
                "area_names": names[row.path or ""],
                "note": "",
            }
            for position, row in enumerate(called)
        ],
    )
    touch(connection, meeting_id, roll_call_id=roll_call_id)
    return roll_call_id


@row_operation("roll_calls.call")
def call(
    connection: sa.Connection, roll_call_id: str, participant_id: str | None
) -> dict[str, Any]:
    """Bring a site up before everybody; None: the next that was not called yet. Gives
    ``participant_id`` (None: there is no next) and whether it is ``connected``.
    """
    row = _find(connection, roll_call_id)
    if participant_id is None:
        participant_id = connection.scalar(
            sa.select(_answers.participant_id)
            .where(_answers.roll_call_id == roll_call_id, _answers.called_us.is_(None))
            .order_by(_answers.position)
            .limit(1)
        )
        if participant_id is None:
            _show(connection, row, None)
            return {"participant_id": None, "connected": False}
    _answer(connection, roll_call_id, participant_id)
    connected = connection.scalar(sa.select(_own.state).where(_own.id == participant_id))
    found = connected == "connected"
    _set(connection, roll_call_id, participant_id, called_us=now_us(), connected=found)
    _show(connection, row, participant_id)
    return {"participant_id": participant_id, "connected": found}


@row_operation("roll_calls.answer")
def answer(connection: sa.Connection, meeting_id: str, participant_id: str) -> str | None:
    """Somebody at the site says that they are there; gives the roll call, None where none is on
    that has called it. The first answer counts. May be repeated.
    """
    meeting = find_meeting(connection, meeting_id, "running")
    if meeting.roll_call_id is None:
        return None
    found, _ = _answered(connection, meeting.roll_call_id, participant_id, now_us())
    return found


@row_operation("roll_calls.answered")
def answered(
    connection: sa.Connection,
    roll_call_id: str,
    participant_id: str,
    at_us: int,
    session_id: str | None = None,
) -> str | None:
    """As :func:`answer`, told by the room; the first answer goes into the register in the same
    transaction, under the name of the account that took the seat as ``session_id``. A telephone
    has none.
    """
    found, first = _answered(connection, roll_call_id, participant_id, at_us)
    if first:
        _record(connection, roll_call_id, participant_id, session_id)
    return found


def _record(
    connection: sa.Connection, roll_call_id: str, participant_id: str, session_id: str | None
) -> None:
    row = connection.execute(
        sa.select(_own.name, meetings.c.id, meetings.c.title, areas.c.path)
        .select_from(
            meeting_participants.join(meetings, meetings.c.id == _own.meeting_id).outerjoin(
                areas, areas.c.id == meetings.c.area_id
            )
        )
        .where(_own.id == participant_id)
    ).one()
    user = connection.execute(
        sa.select(users.c.id, users.c.name)
        .join(viewing_sessions, viewing_sessions.c.user_id == users.c.id)
        .where(viewing_sessions.c.id == session_id)
    ).one_or_none()
    record = AuditRecord(
        "meeting.answer",
        user_id=user and user.id,
        user_name=user and user.name,
        area_path=row.path,
        detail={
            "meeting": row.id, "title": row.title, "name": row.name,
            "participant": participant_id, "roll_call": roll_call_id,
        },
    )  # fmt: skip
    append_rows(connection, [record.to_message()])


def _answered(
    connection: sa.Connection, roll_call_id: str, participant_id: str, at_us: int
) -> tuple[str | None, bool]:
    """The roll call that it answers, and whether it is the first answer to it."""
    call = connection.execute(
        sa.select(roll_calls).where(roll_calls.c.id == roll_call_id)
    ).one_or_none()
    if call is None or call.ended_us is not None:
        return None, False
    row = connection.execute(
        sa.select(roll_call_answers).where(
            _answers.roll_call_id == roll_call_id, _answers.participant_id == participant_id
        )
    ).one_or_none()
    # What was not asked cannot be answered: an answer in advance proves nothing.
    if row is None or row.called_us is None:
        return None, False
    if row.answered_us is None:
        values = {"answered_us": max(at_us, row.called_us), "connected": True}
        _set(connection, roll_call_id, participant_id, **values)
        touch(connection, call.meeting_id)
    return roll_call_id, row.answered_us is None


@row_operation("roll_calls.tick")
def tick(
    connection: sa.Connection,
    roll_call_id: str,
    participant_id: str,
    word: str | None,
    note: str,
    user_id: str,
) -> None:
    """The chair's word on a site: ``present``, ``absent``, or None to take it back."""
    row = _find(connection, roll_call_id)
    _answer(connection, roll_call_id, participant_id)
    _set(
        connection, roll_call_id, participant_id,
        tick=word, note=note, ticked_by=user_id if word is not None else None,
        ticked_us=now_us() if word is not None else None,
    )  # fmt: skip
    touch(connection, row.meeting_id)


@row_operation("roll_calls.picture")
def picture(
    connection: sa.Connection, roll_call_id: str, participant_id: str, key: str, at_us: int
) -> str | None:
    """Where the picture of its answer lies; gives where the one before did, which may go."""
    before = _answer(connection, roll_call_id, participant_id)
    _set(connection, roll_call_id, participant_id, snapshot_key=key, snapshot_us=at_us)
    old: str | None = before.snapshot_key
    return old


@row_operation("roll_calls.end")
def end(connection: sa.Connection, roll_call_id: str) -> None:
    """It is over: who did not answer was absent. Refused with ``roll_call_over``."""
    row = _find(connection, roll_call_id)
    connection.execute(
        sa.update(roll_calls)
        .where(roll_calls.c.id == roll_call_id)
        .values(ended_us=now_us(), current_id=None)
    )
    connection.execute(
        sa.update(meetings)
        .where(meetings.c.id == row.meeting_id, meetings.c.roll_call_id == roll_call_id)
        .values(roll_call_id=None)
    )
    touch(connection, row.meeting_id)


def _find(connection: sa.Connection, roll_call_id: str) -> sa.Row[tuple[Any, ...]]:
    row = connection.execute(
        sa.select(roll_calls).where(roll_calls.c.id == roll_call_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such roll call")
    if row.ended_us is not None:
        raise RowError("roll_call_over", "this roll call is over")
    return row


def _answer(
    connection: sa.Connection, roll_call_id: str, participant_id: str
) -> sa.Row[tuple[Any, ...]]:
    row = connection.execute(
        sa.select(roll_call_answers).where(
            _answers.roll_call_id == roll_call_id, _answers.participant_id == participant_id
        )
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "this site is not on the list")
    return row


def _set(connection: sa.Connection, roll_call_id: str, participant_id: str, **values: Any) -> None:
    connection.execute(
        sa.update(roll_call_answers)
        .where(_answers.roll_call_id == roll_call_id, _answers.participant_id == participant_id)
        .values(**values)
    )


def _show(
    connection: sa.Connection, row: sa.Row[tuple[Any, ...]], participant_id: str | None
) -> None:
    connection.execute(
        sa.update(roll_calls).where(roll_calls.c.id == row.id).values(current_id=participant_id)
    )
    touch(connection, row.meeting_id)


def _area_names(connection: sa.Connection, paths: list[str]) -> dict[str, list[str]]:
    ids = {part for path in paths for part in path.split("/") if part}
    rows = connection.execute(sa.select(areas.c.id, areas.c.name).where(areas.c.id.in_(ids)))
    names = {row.id: row.name for row in rows}
    return {path: [names.get(one, "?") for one in path.split("/") if one] for path in paths}
