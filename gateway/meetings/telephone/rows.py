"""Rows of who comes by telephone, and what is read of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from gateway.audit import append_rows
from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.meetings.participant_rows import GUESTS_WAITING_LIMIT, invite
from gateway.meetings.rows import find_meeting, touch
from recorder.rows import RowError, row_operation

CALLER_PREFIX, ACCOUNT_PREFIX = "from:", "account:"
"""Whoever dialled in: who they say they are, which proves nothing; or whose password they knew."""

_own = meeting_participants.c


@row_operation("meetings.called_in")
def called_in(
    connection: sa.Connection,
    meeting_id: str,
    caller: str,
    proven: bool,
    session_id: str,
    records: list[dict[str, Any]],
) -> str:
    """Somebody who dialled in and knew the PIN waits in the lobby, as a guest does; gives the
    participant's id. Who calls again after they left has the seat that they had, and waits again.
    Nobody has another's: of two who say the same name, one ``proven``, each has their own.

    Refused with ``meeting_locked``, ``too_many``, ``removed``, ``meeting_over``.
    """
    meeting = find_meeting(connection, meeting_id, "running")
    if meeting.locked:
        raise RowError("meeting_locked", "this meeting is locked")
    waiting = connection.scalar(
        sa.select(sa.func.count()).where(
            _own.meeting_id == meeting_id, _own.kind == "sip", _own.state == "lobby"
        )
    )
    if (waiting or 0) >= GUESTS_WAITING_LIMIT:
        raise RowError("too_many", "too many callers are waiting already")
    subject = f"{ACCOUNT_PREFIX if proven else CALLER_PREFIX}{caller}"[:250]
    known = connection.execute(
        sa.select(_own.id, _own.state).where(
            _own.meeting_id == meeting_id, _own.kind == "sip", _own.subject == subject
        )
    ).one_or_none()
    if known is not None and known.state == "removed":
        raise RowError("removed", "this caller was taken out of the meeting")
    if known is not None and known.state in ("lobby", "connected"):
        # Another with the same number, or with none, is not thrown out by it.
        known, subject = None, f"{subject}#{session_id}"
    participant_id = known.id if known is not None else ""
    if known is None:
        seat = {"kind": "sip", "subject": subject, "name": shown_name(caller, proven)}
        (participant_id,) = invite(connection, meeting_id, [seat], "telephone")
    at_us = now_us()
    connection.execute(
        sa.update(meeting_participants)
        .where(_own.id == participant_id)
        .values(
            session_id=session_id, state="lobby", lobby_us=at_us, answered_us=at_us,
            admitted_us=None, admitted_by=None, refusal=None, rung_us=None, rings=0,
        )
    )  # fmt: skip
    append_rows(connection, records)
    touch(connection, meeting_id)
    return str(participant_id)


def shown_name(caller: str, proven: bool) -> str:
    """What the room is told: a name that anybody may claim is never told like one that is so."""
    return caller if proven else f"☎ {caller} (?)"


@row_operation("meetings.resumed_call")
def resumed_call(connection: sa.Connection, participant_id: str, session_id: str) -> None:
    """The call of this participant goes on in a new session: its shard was lost. Who was let in
    stays so. Refused with ``removed``, ``meeting_over``.
    """
    row = connection.execute(
        sa.select(_own.meeting_id, _own.state).where(_own.id == participant_id)
    ).one_or_none()
    if row is None or row.state in ("removed", "refused"):
        raise RowError("removed", "this caller is not in the meeting any more")
    find_meeting(connection, row.meeting_id, "running")
    connection.execute(
        sa.update(meeting_participants)
        .where(_own.id == participant_id)
        .values(session_id=session_id)
    )
    touch(connection, row.meeting_id)


def to_dial() -> sa.Select[tuple[Any, ...]]:
    """Who is to be dialled now: ``id``, ``meeting_id``, ``subject``, ``rung_us``, ``title``,
    ``shard``, ``area_id``.
    """
    return (
        sa.select(
            _own.id, _own.meeting_id, _own.subject, _own.rung_us, meetings.c.title,
            meetings.c.shard, meetings.c.area_id,
        )
        .join(meetings, meetings.c.id == _own.meeting_id)
        .where(
            meetings.c.state == "running",
            _own.kind == "sip",
            _own.state == "ringing",
            _own.subject.not_like(f"{CALLER_PREFIX}%"),
            _own.subject.not_like(f"{ACCOUNT_PREFIX}%"),
        )
        .order_by(_own.rung_us)
    )  # fmt: skip


def may_accept(participant_ids: Collection[str]) -> sa.Select[tuple[str]]:
    """Which of these may take the call that they have picked up."""
    return (
        sa.select(_own.id)
        .join(meetings, meetings.c.id == _own.meeting_id)
        .where(
            _own.id.in_(participant_ids),
            _own.state.in_(("ringing", "invited")),
            meetings.c.state == "running",
        )
    )


def open_to_telephones(at_us: int) -> sa.Select[tuple[Any, ...]]:
    """Running meetings that have a link: ``id``, ``title``, ``code_hash``, ``path`` of its area."""
    table = meetings.c
    return (
        sa.select(table.id, table.title, table.code_hash, areas.c.path)
        .outerjoin(areas, areas.c.id == table.area_id)
        .where(
            table.state == "running", table.code_hash.is_not(None), table.code_expires_us > at_us
        )
    )
