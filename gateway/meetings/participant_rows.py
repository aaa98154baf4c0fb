"""Writes to who takes part: invited, rung, seated. What the chair decides is in ``desk_rows``.

Each names the meeting and raises its version (:func:`gateway.meetings.rows.touch`). A participant
who was removed stays in its row, so that an old ticket and a second invitation meet what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.audit import append_rows
from gateway.database.meeting_tables import meeting_participants
from gateway.database.tables import areas
from gateway.identifiers import new_id, now_us
from gateway.meetings import lobby
from gateway.meetings.kinds import BROUGHT, BY_LINK, LEADING, RUNG
from gateway.meetings.placing import people_at, seat_at
from gateway.meetings.rows import OPEN, find_meeting, touch
from gateway.meetings.tree_order import AreaRow, tree_order
from gateway.people.account_rows import open_viewing
from recorder.rows import RowError, row_operation

PARTICIPANTS_LIMIT = 2000
GUESTS_WAITING_LIMIT = 50

_ABSENT = ("invited", "ringing", "left", "refused")

_table = meeting_participants
_own = meeting_participants.c


@row_operation("meetings.invite")
def invite(
    connection: sa.Connection,
    meeting_id: str,
    participants: list[dict[str, Any]],
    invited_by: str,
) -> list[str]:
    """Invite, and give the ids in order; who is invited already stays as they are, who was removed
    may come again. While the meeting runs they ring at once, where it rings. Who came by the link
    is invited from now on by whoever does it.

    Each: kind, subject, name, and of area_id, user_id, camera_id, token_hash, role what applies.
    Refused with ``too_many``, ``meeting_over``.
    """
    meeting = find_meeting(connection, meeting_id, *OPEN)
    at_us = now_us()
    known = {
        (row.kind, row.subject): row
        for row in connection.execute(
            sa.select(
                _own.id, _own.kind, _own.subject, _own.state, _own.role, _own.invited_by
            ).where(_own.meeting_id == meeting_id)
        )
    }
    ids = []
    rung = meeting.state == "running" and meeting.rings
    for one in participants:
        row = known.get((one["kind"], one["subject"]))
        state = "ringing" if rung and one["kind"] in RUNG else "invited"
        calls = {"rung_us": at_us, "rings": 1} if state == "ringing" else {"rings": 0}
        admitted = {"admitted_us": at_us} if one["kind"] in BROUGHT else {}
        if row is None:
            participant_id = new_id("mpt")
            connection.execute(
                sa.insert(_table).values(
                    {
                        "role": "site",
                        **one,
                        "id": participant_id,
                        "meeting_id": meeting_id,
                        "subject": one["subject"] or participant_id,
                        "state": state,
                        "position": 0,
                        "invited_us": at_us,
                        "invited_by": invited_by,
                        "muted": meeting.muted_on_entry,
                        **calls,
                        **admitted,
                    }
                )
            )
        else:
            participant_id = row.id
            if row.state == "removed":
                connection.execute(
                    sa.update(_table)
                    .where(_own.id == participant_id)
                    .values(
                        {
                            # Who was taken out while rows kept the role leads no more.
                            "role": "site" if row.role in LEADING else row.role,
                            **one, "state": state, "invited_us": at_us, "invited_by": invited_by,
                            **calls, **admitted,
                        }
                    )
                )  # fmt: skip
            elif row.invited_by == BY_LINK:
                connection.execute(
                    sa.update(_table).where(_own.id == participant_id).values(invited_by=invited_by)
                )
        ids.append(participant_id)
    if len(known) + len(ids) > PARTICIPANTS_LIMIT:
        raise RowError("too_many", f"a meeting has at most {PARTICIPANTS_LIMIT} participants")
    _number(connection, meeting_id)
    touch(connection, meeting_id)
    return ids


@row_operation("meetings.guest")
def add_guest(connection: sa.Connection, meeting_id: str, name: str, token_hash: str) -> str:
    """Somebody who came by the link's code, waiting in the lobby; gives the participant's id.
    Refused with ``meeting_locked``, ``too_many``, ``meeting_over``.
    """
    meeting = find_meeting(connection, meeting_id, *OPEN)
    _refuse_locked(meeting)
    waiting = connection.scalar(
        sa.select(sa.func.count()).where(
            _own.meeting_id == meeting_id, _own.kind == "guest", _own.admitted_us.is_(None),
            _own.state != "removed",
        )
    )  # fmt: skip
    if (waiting or 0) >= GUESTS_WAITING_LIMIT:
        raise RowError("too_many", "too many guests are waiting already: ask the chair")
    guest = {"kind": "guest", "subject": "", "name": name, "token_hash": token_hash}
    (participant_id,) = invite(connection, meeting_id, [guest], BY_LINK)
    return participant_id


@row_operation("meetings.by_link")
def add_by_link(connection: sa.Connection, meeting_id: str, user_id: str, name: str) -> str:
    """Somebody with an account who came by the link's code, and waits in the lobby whatever the
    meeting says; gives the participant's id. Refused with ``meeting_locked``, ``meeting_over``,
    ``removed``.
    """
    meeting = find_meeting(connection, meeting_id, *OPEN)
    _refuse_locked(meeting)
    removed = connection.execute(
        sa.select(_own.id).where(
            _own.meeting_id == meeting_id, _own.kind == "person", _own.subject == user_id
        )
    ).first()
    if removed is not None:
        # No code undoes what the chair has decided.
        raise RowError("removed", "you were taken out of this meeting: ask its chair")
    # Nobody calls them: they are at the door.
    person = {"kind": "person", "subject": user_id, "user_id": user_id, "name": name}
    (participant_id,) = invite(connection, meeting_id, [person], BY_LINK)
    set_participants(
        connection, meeting_id, [participant_id], state="invited", rung_us=None, rings=0
    )
    return participant_id


@row_operation("meetings.join")
def join(
    connection: sa.Connection,
    meeting_id: str,
    participant_id: str,
    session_id: str,
    viewing: dict[str, Any] | None,
    records: list[dict[str, Any]],
    shards: Sequence[str] = (),
    sites_per_shard: int = 0,
) -> dict[str, str]:
    """Give a seat to a session, and take it from the one before; gives ``{state, shard}``:
    ``lobby`` for who has to wait to be let in, else ``admitted``, and where they sit. Whoever
    refused the call may come after all.

    ``viewing``: the row of ``viewing_sessions`` but for its process; None of a guest. ``shards``:
    those that live, ``sites_per_shard``: how many may sit at each; who has no page of their own
    sits where the meeting is run. Refused with ``meeting_locked``, ``meeting_not_running``,
    ``meeting_over``, ``removed``.
    """
    meeting = find_meeting(connection, meeting_id, "running")
    row = find_participant(connection, meeting_id, participant_id)
    if row.state == "removed":
        raise RowError("removed", "you were taken out of this meeting: ask its chair")
    if lobby.is_new_at_the_door(row):
        _refuse_locked(meeting)
    waits = lobby.has_to_wait(row, meeting)
    at_us = now_us()
    home = shard = str(meeting.shard)
    if len(shards) > 1:
        filled = people_at(connection, participant_id, at_us)
        living = {name: filled.get(name, 0) for name in shards}
        shard = seat_at(home, row.shard or home, living, sites_per_shard)
    values: dict[str, Any] = {
        "session_id": session_id, "answered_us": at_us, "refusal": None,
        "shard": None if shard == home else shard,
    }  # fmt: skip
    if waits:
        values |= lobby.waiting(row, at_us)
    elif row.admitted_us is None:
        values["admitted_us"] = at_us
    if not waits and row.state == "refused":
        # They have thought better of it, and the room keeps out who refuses.
        values["state"] = "invited"
    if viewing is not None:
        values["user_id"] = viewing["user_id"]
        open_viewing(connection, records, id=session_id, **{**viewing, "process": shard})
    else:
        append_rows(connection, records)
    set_participants(connection, meeting_id, [participant_id], **values)
    return {"state": "lobby" if waits else "admitted", "shard": shard}


@row_operation("meetings.ring")
def ring(
    connection: sa.Connection, meeting_id: str, participant_ids: list[str] | None
) -> list[str]:
    """Call who is not there (None: everybody who is not), once more; gives who rings."""
    find_meeting(connection, meeting_id, "running")
    where = [
        _own.meeting_id == meeting_id,
        _own.kind.in_(RUNG),
        _own.state.in_(_ABSENT),
    ]
    if participant_ids is None:
        where.append(_own.role != "chair")
    else:
        where.append(_own.id.in_(participant_ids))
    ids = list(connection.scalars(sa.select(_own.id).where(*where).order_by(_own.position)))
    set_participants(
        connection, meeting_id, ids,
        state="ringing", rung_us=now_us(), rings=_own.rings + 1, refusal=None,
    )  # fmt: skip
    return ids


@row_operation("meetings.stop_ringing")
def stop_ringing(connection: sa.Connection, before_us: int) -> int:
    """Nobody answered who was rung before then; gives how many. They are invited still. May be
    repeated.
    """
    rows = connection.execute(
        sa.select(_own.id, _own.meeting_id).where(_own.state == "ringing", _own.rung_us < before_us)
    ).all()
    connection.execute(
        sa.update(_table).where(_own.id.in_([row.id for row in rows])).values(state="invited")
    )
    for meeting_id in {row.meeting_id for row in rows}:
        touch(connection, meeting_id)
    return len(rows)


def _refuse_locked(meeting: sa.Row[tuple[Any, ...]]) -> None:
    if meeting.locked:
        raise RowError("meeting_locked", "this meeting is locked: ask its chair to let you in")


def find_participant(
    connection: sa.Connection, meeting_id: str, participant_id: str
) -> sa.Row[tuple[Any, ...]]:
    """A participant's row. Refused with ``not_found``."""
    row = connection.execute(
        sa.select(_table).where(_own.id == participant_id, _own.meeting_id == meeting_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such participant")
    return row


def set_participants(
    connection: sa.Connection, meeting_id: str, participant_ids: Sequence[str], **values: Any
) -> None:
    """Write these columns of their rows; the meeting's version rises."""
    connection.execute(
        sa.update(_table)
        .where(_own.meeting_id == meeting_id, _own.id.in_(participant_ids))
        .values(**values)
    )
    touch(connection, meeting_id)


def _number(connection: sa.Connection, meeting_id: str) -> None:
    """Sites in the order of the tree; the others behind them, as they were invited."""
    tree = connection.execute(
        sa.select(areas.c.id, areas.c.parent_id, areas.c.position, areas.c.name).where(
            areas.c.axis == "area"
        )
    )
    order = tree_order(AreaRow(*row) for row in tree)
    rows = connection.execute(
        sa.select(_own.id, _own.kind, _own.area_id, _own.position, _own.invited_us).where(
            _own.meeting_id == meeting_id
        )
    ).all()
    behind = len(order)
    ranked = sorted(
        rows,
        key=lambda row: (
            order.get(row.area_id, behind) if row.kind == "site" else behind + 1,
            row.invited_us,
            row.id,
        ),
    )
    moved = [
        {"participant": row.id, "at": at} for at, row in enumerate(ranked) if row.position != at
    ]
    if moved:
        connection.execute(
            sa.update(_table)
            .where(_own.id == sa.bindparam("participant"))
            .values(position=sa.bindparam("at")),
            moved,
        )
