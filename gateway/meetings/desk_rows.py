"""Writes of the chair's desk: let in, taken out, muted, given the floor, shown to all, leading.

Each names the meeting and raises its version (:func:`gateway.meetings.rows.touch`).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.identifiers import now_us
from gateway.meetings.kinds import LEADING
from gateway.meetings.participant_rows import find_participant, set_participants
from gateway.meetings.rows import OPEN, find_meeting, touch
from recorder.rows import RowError, row_operation

_table = meeting_participants
_own = meeting_participants.c


@row_operation("meetings.admit")
def admit(
    connection: sa.Connection, meeting_id: str, participant_ids: list[str], user_id: str
) -> None:
    """Let in who waits. Their room shows them from now on."""
    find_meeting(connection, meeting_id, "running")
    rows = [find_participant(connection, meeting_id, one) for one in participant_ids]
    if any(row.state == "removed" for row in rows):
        raise RowError("removed", "who was taken out has to be invited again")
    set_participants(
        connection, meeting_id, participant_ids, admitted_us=now_us(), admitted_by=user_id
    )


@row_operation("meetings.remove")
def remove(connection: sa.Connection, meeting_id: str, participant_id: str) -> str | None:
    """Take somebody out, of what they led too; gives the session to end. Refused with
    ``last_chair``.
    """
    find_meeting(connection, meeting_id, *OPEN)
    row = find_participant(connection, meeting_id, participant_id)
    if row.role == "chair":
        raise RowError("last_chair", "hand over the chair first")
    set_participants(
        connection, meeting_id, [participant_id],
        state="removed", role="site" if row.role in LEADING else row.role,
        admitted_us=None, left_us=now_us(), floor_us=None, hand_us=None,
        session_id=None, token_hash=None,
    )  # fmt: skip
    _unpin(connection, meeting_id, participant_id)
    session_id: str | None = row.session_id
    return session_id


@row_operation("meetings.mute")
def mute(
    connection: sa.Connection, meeting_id: str, participant_ids: list[str] | None, muted: bool
) -> None:
    """Forward nothing of their sound, or again. None: of all who do not lead; and of who comes
    later, too.
    """
    find_meeting(connection, meeting_id, *OPEN)
    if participant_ids is None:
        connection.execute(
            sa.update(_table)
            .where(_own.meeting_id == meeting_id, _own.role.not_in(LEADING))
            .values(muted=muted)
        )
        touch(connection, meeting_id, muted_on_entry=muted)
        return
    for one in participant_ids:
        find_participant(connection, meeting_id, one)
    set_participants(connection, meeting_id, participant_ids, muted=muted)


@row_operation("meetings.give_floor")
def give_floor(
    connection: sa.Connection, meeting_id: str, participant_id: str, given: bool
) -> None:
    """Let somebody speak, and show them to all; or take it back. Who is given it is heard, and its
    hand is down.
    """
    find_meeting(connection, meeting_id, "running")
    row = find_participant(connection, meeting_id, participant_id)
    if given and row.state in ("removed", "lobby"):
        raise RowError("conflict", "who is not in the meeting cannot speak in it")
    values: dict[str, Any] = (
        {"floor_us": now_us(), "hand_us": None, "muted": False}
        if given
        # As it was before: whoever had to be given the floor to be heard is not heard any more.
        else {"floor_us": None, "muted": _entry_mute(connection, meeting_id, row)}
    )
    set_participants(connection, meeting_id, [participant_id], **values)


@row_operation("meetings.hand")
def raise_hand(
    connection: sa.Connection, meeting_id: str, participant_id: str | None, raised: bool
) -> None:
    """Ask to speak; who asked first is first. Lowered: of one, or of all."""
    find_meeting(connection, meeting_id, "running")
    if participant_id is None:
        where = [_own.meeting_id == meeting_id, _own.hand_us.is_not(None)]
        connection.execute(sa.update(_table).where(*where).values(hand_us=None))
        touch(connection, meeting_id)
        return
    row = find_participant(connection, meeting_id, participant_id)
    if raised and row.state != "connected":
        raise RowError("conflict", "join the meeting first")
    up_us = (row.hand_us or now_us()) if raised else None
    set_participants(connection, meeting_id, [participant_id], hand_us=up_us)


@row_operation("meetings.role")
def set_role(connection: sa.Connection, meeting_id: str, participant_id: str, role: str) -> None:
    """Another role. Who is made the chair takes it from the one before, who stays as a co-chair.
    Refused with ``last_chair``, ``conflict``.
    """
    find_meeting(connection, meeting_id, *OPEN)
    row = find_participant(connection, meeting_id, participant_id)
    if row.role == role:
        return
    if row.role == "chair":
        raise RowError("last_chair", "make somebody else the chair: then this one is free")
    if role in LEADING and row.kind not in ("site", "person"):
        raise RowError("conflict", "only somebody who signs in can lead a meeting")
    if row.state == "removed":
        raise RowError("removed", "who was taken out has to be invited again")
    if role == "chair":
        connection.execute(
            sa.update(_table)
            .where(_own.meeting_id == meeting_id, _own.role == "chair")
            .values(role="co_chair")
        )
    values: dict[str, Any] = {"role": role}
    if role in LEADING:
        values["muted"] = False
    set_participants(connection, meeting_id, [participant_id], **values)


@row_operation("meetings.pin")
def pin(connection: sa.Connection, meeting_id: str, participant_id: str, kind: str | None) -> None:
    """On everybody's screen: this one's camera or screen; None: not any more."""
    find_meeting(connection, meeting_id, "running")
    row = find_participant(connection, meeting_id, participant_id)
    if kind is None:
        _unpin(connection, meeting_id, participant_id)
        touch(connection, meeting_id)
        return
    if row.state in ("removed", "lobby"):
        raise RowError("conflict", "who is not in the meeting cannot be shown in it")
    touch(connection, meeting_id, pinned_id=participant_id, pinned_kind=kind)


def _entry_mute(connection: sa.Connection, meeting_id: str, row: sa.Row[tuple[Any, ...]]) -> bool:
    muted = connection.scalar(
        sa.select(meetings.c.muted_on_entry).where(meetings.c.id == meeting_id)
    )
    return bool(muted) and row.role not in LEADING


def _unpin(connection: sa.Connection, meeting_id: str, participant_id: str) -> None:
    connection.execute(
        sa.update(meetings)
        .where(meetings.c.id == meeting_id, meetings.c.pinned_id == participant_id)
        .values(pinned_id=None, pinned_kind=None)
    )
