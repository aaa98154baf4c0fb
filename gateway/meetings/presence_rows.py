"""Writes of a meeting's room: who has come and gone, and what was on the program.

A shard that dies says nothing of it: what it said last (``seen_us``) is where its people's presence
ends, written by whoever takes the meeting over.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.meeting_tables import (
    meeting_attendance,
    meeting_floor,
    meeting_participants,
    meetings,
)
from gateway.identifiers import new_id, now_us
from gateway.meetings import lobby
from gateway.meetings.kinds import UNATTENDED
from gateway.meetings.placing import COMING_US
from gateway.meetings.rows import touch
from recorder.rows import row_operation

_own = meeting_participants.c
_spans = meeting_attendance.c
_LOST = "its media process was lost"


@row_operation("meetings.arrived")
def arrived(
    connection: sa.Connection, participant_id: str, session_id: str | None, at_us: int
) -> str:
    """Somebody's connection stands; gives what they are now: ``connected``, ``lobby``, or ``gone``
    for who may not be there (removed, another session has the seat, the meeting is over). May be
    repeated: one session has one span of presence.
    """
    row = connection.execute(
        sa.select(meeting_participants).where(_own.id == participant_id)
    ).one_or_none()
    if row is None or row.state == "removed" or row.session_id != session_id:
        return "gone"
    state = connection.scalar(sa.select(meetings.c.state).where(meetings.c.id == row.meeting_id))
    if state != "running":
        return "gone"
    if not lobby.is_in(row):
        if row.state != "lobby":
            _set(connection, row.meeting_id, participant_id, **lobby.waiting(row, at_us))
        return "lobby"
    # Said once more because the answer was lost, after it was said that it is over.
    said = _spans.session_id == session_id if session_id else _spans.connected_us == at_us
    over = [_spans.participant_id == participant_id, said, _spans.left_us.is_not(None)]
    if connection.execute(sa.select(_spans.id).where(*over)).first() is not None:
        return str(row.state)
    open_span = connection.execute(
        sa.select(_spans.id, _spans.session_id).where(
            _spans.participant_id == participant_id, _spans.left_us.is_(None)
        )
    ).one_or_none()
    if open_span is not None and open_span.session_id == session_id:
        if row.state != "connected":
            _set(connection, row.meeting_id, participant_id, state="connected", left_us=None)
        return "connected"
    if open_span is not None:
        _close(connection, [open_span.id], at_us, "joined again")
    connection.execute(
        sa.insert(meeting_attendance).values(
            id=new_id("mat"),
            meeting_id=row.meeting_id,
            participant_id=participant_id,
            session_id=session_id,
            connected_us=at_us,
            seen_us=at_us,
        )
    )
    _set(connection, row.meeting_id, participant_id, state="connected", left_us=None)
    _note_empty(connection, row.meeting_id, at_us)
    return "connected"


@row_operation("meetings.waits")
def waits(
    connection: sa.Connection, participant_id: str, session_id: str | None, at_us: int
) -> None:
    """That connection stands in the lobby. Nothing where it may go in, or holds no seat any more.
    May be repeated.
    """
    row = connection.execute(
        sa.select(meeting_participants).where(_own.id == participant_id)
    ).one_or_none()
    if row is None or row.session_id != session_id or lobby.is_in(row):
        return
    if row.state not in ("lobby", "removed"):
        _set(connection, row.meeting_id, participant_id, **lobby.waiting(row, at_us))


@row_operation("meetings.refused_call")
def refused_call(connection: sa.Connection, participant_id: str, why: str) -> bool:
    """Whoever was called does not take the call: no packet of theirs was sent. Whether it rang. May
    be repeated.
    """
    row = connection.execute(
        sa.select(_own.meeting_id, _own.state).where(_own.id == participant_id)
    ).one_or_none()
    if row is None or row.state not in ("ringing", "invited"):
        return False
    values = {"state": "refused", "refusal": why[:200], "answered_us": now_us()}
    _set(connection, row.meeting_id, participant_id, **values)
    return True


@row_operation("meetings.departed")
def departed(
    connection: sa.Connection, participant_id: str, session_id: str | None, at_us: int, reason: str
) -> None:
    """That connection is over. One that another session has replaced leaves the seat alone. May be
    repeated.
    """
    spans = connection.execute(
        sa.select(_spans.id, _spans.meeting_id).where(
            _spans.participant_id == participant_id,
            _spans.session_id.is_not_distinct_from(session_id),
            _spans.left_us.is_(None),
        )
    ).all()
    _close(connection, [span.id for span in spans], at_us, reason)
    row = connection.execute(
        sa.select(_own.meeting_id, _own.state, _own.session_id).where(_own.id == participant_id)
    ).one_or_none()
    if row is None:
        return
    waited = row.state == "lobby" and row.session_id == session_id
    if waited or (row.state == "connected" and not _is_there(connection, participant_id)):
        # Also when another session has taken the seat and has not come yet.
        _leave(connection, row.meeting_id, participant_id, at_us)
    # Also when somebody was who has been taken out, or sits elsewhere now.
    _note_empty(connection, row.meeting_id, at_us)


@row_operation("meetings.seen")
def seen(connection: sa.Connection, shard: str, session_ids: list[str], at_us: int) -> list[str]:
    """A shard says which sessions it holds, and by their participants those that come without one
    (cameras, telephones); presence on it that is not among them ends where it was seen last, and so
    does waiting in its lobbies. Gives the participants whose presence this ended.
    """
    rows = connection.execute(
        sa.select(_spans.id, _spans.session_id, _spans.participant_id, _spans.meeting_id,
                  _spans.seen_us)
        .join(meetings, meetings.c.id == _spans.meeting_id)
        .join(meeting_participants, _own.id == _spans.participant_id)
        .where(_spans.left_us.is_(None), _sits_at(shard))
    ).all()  # fmt: skip
    held = set(session_ids)
    living = [row.id for row in rows if (row.session_id or row.participant_id) in held]
    gone = [row for row in rows if (row.session_id or row.participant_id) not in held]
    connection.execute(
        sa.update(meeting_attendance).where(_spans.id.in_(living)).values(seen_us=at_us)
    )
    _clear_lobbies(connection, shard, held, at_us)
    return _lose(connection, gone)


@row_operation("meetings.lost")
def lost(connection: sa.Connection, meeting_id: str) -> list[str]:
    """The shard of a meeting is gone: nobody who sat at it is connected until they come again. Who
    sits at others goes on sitting there.
    """
    return _lose_seats(connection, meeting_id, _own.shard.is_(None))


@row_operation("meetings.unseat")
def unseat(connection: sa.Connection, meeting_id: str, shard: str) -> list[str]:
    """Another shard at which some of a meeting sat is gone: they are seated anew when they come
    again. Gives the participants whose presence this ended. May be repeated.
    """
    ended = _lose_seats(connection, meeting_id, _own.shard == shard)
    connection.execute(
        sa.update(meeting_participants)
        .where(_own.meeting_id == meeting_id, _own.shard == shard)
        .values(shard=None)
    )
    touch(connection, meeting_id)
    return ended


@row_operation("meetings.program")
def program(
    connection: sa.Connection,
    meeting_id: str,
    participant_id: str | None,
    kind: str,
    why: str,
    at_us: int,
) -> None:
    """From now on this is on the program; None: nothing. What was ends. May be repeated, also after
    what came later.
    """
    floor = meeting_floor.c
    told = floor.begin_us >= at_us if participant_id is not None else floor.begin_us > at_us
    newer = sa.select(floor.id).where(floor.meeting_id == meeting_id, told)
    if connection.execute(newer).first() is not None:
        return
    if participant_id is not None and not connection.scalar(
        sa.select(meetings.c.id).where(meetings.c.id == meeting_id, meetings.c.state == "running")
    ):
        # Nothing begins any more.
        return
    current = connection.execute(
        sa.select(meeting_floor).where(floor.meeting_id == meeting_id, floor.end_us.is_(None))
    ).all()
    same = (participant_id, kind, why)
    if any((row.participant_id, row.kind, row.why) == same for row in current):
        return
    connection.execute(
        sa.update(meeting_floor)
        .where(floor.id.in_([row.id for row in current]))
        .values(end_us=at_us)
    )
    if participant_id is not None:
        connection.execute(
            sa.insert(meeting_floor).values(
                id=new_id("mfl"),
                meeting_id=meeting_id,
                participant_id=participant_id,
                kind=kind,
                why=why,
                begin_us=at_us,
            )
        )


def _clear_lobbies(connection: sa.Connection, shard: str, held: set[str], at_us: int) -> None:
    """Nobody waits whose connection the shard does not hold, or whose ticket may yet open one."""
    waiting = connection.execute(
        sa.select(_own.id, _own.meeting_id, _own.session_id)
        .join(meetings, meetings.c.id == _own.meeting_id)
        .where(
            _sits_at(shard),
            meetings.c.state == "running",
            _own.state == "lobby",
            sa.or_(_own.answered_us.is_(None), _own.answered_us < at_us - COMING_US),
        )
    )
    for row in waiting.all():
        if (row.session_id or row.id) not in held:
            _leave(connection, row.meeting_id, row.id, at_us)


def _sits_at(shard: str) -> sa.ColumnElement[bool]:
    """Of a participant joined to their meeting: it runs there, or their own seat is there."""
    own_seat = _own.shard == shard
    return sa.or_(own_seat, sa.and_(_own.shard.is_(None), meetings.c.shard == shard))


def _lose_seats(
    connection: sa.Connection, meeting_id: str, seats: sa.ColumnElement[bool]
) -> list[str]:
    rows = connection.execute(
        sa.select(_spans.id, _spans.session_id, _spans.participant_id, _spans.meeting_id,
                  _spans.seen_us)
        .join(meeting_participants, _own.id == _spans.participant_id)
        .where(_spans.left_us.is_(None), _spans.meeting_id == meeting_id, seats)
    ).all()  # fmt: skip
    return _lose(connection, rows)


def _lose(connection: sa.Connection, rows: Any) -> list[str]:
    for row in rows:
        _close(connection, [row.id], row.seen_us, _LOST)
        state = connection.scalar(sa.select(_own.state).where(_own.id == row.participant_id))
        if state == "connected" and not _is_there(connection, row.participant_id):
            _leave(connection, row.meeting_id, row.participant_id, row.seen_us)
    for meeting_id in {row.meeting_id for row in rows}:
        _note_empty(connection, meeting_id, now_us())
    return [row.participant_id for row in rows]


def _is_there(connection: sa.Connection, participant_id: str) -> bool:
    open_span = sa.select(_spans.id).where(
        _spans.participant_id == participant_id, _spans.left_us.is_(None)
    )
    return connection.execute(open_span).first() is not None


def _leave(connection: sa.Connection, meeting_id: str, participant_id: str, at_us: int) -> None:
    # The floor stays: who lost the line comes back to it.
    _set(connection, meeting_id, participant_id, state="left", left_us=at_us, hand_us=None)


def _close(connection: sa.Connection, span_ids: list[str], at_us: int, reason: str) -> None:
    connection.execute(
        sa.update(meeting_attendance)
        .where(_spans.id.in_(span_ids))
        # A clock that was set back makes nobody leave before they came.
        .values(left_us=_later(_spans.connected_us, at_us), reason=reason)
    )


def _later(column: sa.ColumnElement[int], at_us: int) -> sa.ColumnElement[int]:
    return sa.case((column > at_us, column), else_=at_us)


def _note_empty(connection: sa.Connection, meeting_id: str, at_us: int) -> None:
    """Whether anybody is there behind whom people sit: cameras alone hold no meeting."""
    here = connection.scalar(
        sa.select(sa.func.count())
        .select_from(
            meeting_attendance.join(meeting_participants, _own.id == _spans.participant_id)
        )
        .where(
            _spans.meeting_id == meeting_id,
            _spans.left_us.is_(None),
            _own.kind.not_in(UNATTENDED),
        )
    )
    if here:
        touch(connection, meeting_id, empty_since_us=None)
    else:
        connection.execute(
            sa.update(meetings)
            .where(meetings.c.id == meeting_id, meetings.c.empty_since_us.is_(None))
            .values(empty_since_us=at_us)
        )


def _set(connection: sa.Connection, meeting_id: str, participant_id: str, **values: Any) -> None:
    connection.execute(
        sa.update(meeting_participants).where(_own.id == participant_id).values(**values)
    )
    touch(connection, meeting_id)
