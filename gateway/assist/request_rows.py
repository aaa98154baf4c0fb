"""Writes to assist requests: asked, approved, reminded, extended, ended.

``waiting`` → ``open``, ``refused``, ``closed``, ``expired``; ``open`` → ``closed``, ``expired``.
Photos go in the transaction that ends a request, whatever ends it:
:func:`_end`. What a request lends is lent by its row, and so ends with it, and at its deadline
even before anybody writes that down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.assist.states import IN_FORCE
from gateway.audit import AuditRecord, append_rows
from gateway.database.assist_tables import (
    OUTCOMES,
    assist_areas,
    assist_photos,
    assist_requests,
    assist_steps,
)
from gateway.database.evidence_tables import cases
from gateway.evidence.hold_rows import require_open_case
from gateway.identifiers import US_PER_S, now_us
from gateway.investigations.request_rows import require_member
from recorder.rows import RowError, row_operation

# A photo whose request is never sent.
PHOTO_WAITS_US = 3600 * US_PER_S
_SWEPT_AT_ONCE = 200
_REMIND_APART_US = 60 * US_PER_S


@row_operation("assist.add_photo")
def add_photo(
    connection: sa.Connection, photo_id: str, user_id: str, limit: int, **columns: Any
) -> None:
    """Keep a photo for an hour, for a request that is being written. Refused with ``conflict``."""
    own = sa.and_(assist_photos.c.created_by == user_id, assist_photos.c.request_id.is_(None))
    count = connection.scalar(sa.select(sa.func.count()).select_from(assist_photos).where(own))
    if (count or 0) >= limit:
        # Of a form that was left.
        oldest = sa.select(sa.func.min(assist_photos.c.created_us)).where(own).scalar_subquery()
        connection.execute(
            sa.delete(assist_photos).where(own, assist_photos.c.created_us == oldest)
        )
    connection.execute(
        sa.insert(assist_photos).values(
            id=photo_id, created_by=user_id, created_us=now_us(), **columns
        )
    )


@row_operation("assist.ask")
def ask(
    connection: sa.Connection,
    request_id: str,
    case_id: str,
    user_id: str,
    areas: Sequence[dict[str, str]],
    photo_ids: Sequence[str],
    is_approved: bool,
    **columns: Any,
) -> str:
    """A new request of these ``areas`` (``area_id``, ``path``, ``name``): open, or waiting for
    approval; gives its id. Refused with ``case_closed``, ``not_member``, ``invalid``.
    """
    require_open_case(connection, case_id)
    require_member(connection, case_id, user_id)
    at_us = now_us()
    if columns["deadline_us"] <= at_us:
        raise RowError("invalid", "this deadline is over already")
    connection.execute(
        sa.insert(assist_requests).values(
            id=request_id,
            version=1,
            state="open" if is_approved else "waiting",
            case_id=case_id,
            created_us=at_us,
            created_by=user_id,
            **columns,
        )
    )
    connection.execute(
        sa.insert(assist_areas),
        [{"request_id": request_id, "state": "asked", "missing": [], **one} for one in areas],
    )
    if photo_ids:
        taken = connection.execute(
            sa.update(assist_photos)
            .where(
                assist_photos.c.id.in_(photo_ids),
                assist_photos.c.created_by == user_id,
                assist_photos.c.request_id.is_(None),
            )
            .values(request_id=request_id)
        )
        if taken.rowcount != len(photo_ids):
            raise RowError("invalid", "a photo waits an hour for its request: send it again")
    note(connection, request_id, user_id, "ask", at_us, detail={"areas": len(areas)})
    return request_id


@row_operation("assist.decide")
def decide(
    connection: sa.Connection,
    request_id: str,
    user_id: str,
    desk_id: str | None,
    approve: bool,
    words: str | None,
) -> None:
    """The second person's word. Refused with ``own_request``, ``request_decided``."""
    row = find(connection, request_id)
    if row.created_by == user_id or (desk_id is not None and desk_id == row.desk_id):
        raise RowError("own_request", "somebody else, elsewhere, decides on what you asked for")
    at_us = now_us()
    if row.state != "waiting" or row.deadline_us <= at_us:
        raise RowError("request_decided", f"this request waits no more: it is {row.state}")
    if approve:
        require_open_case(connection, row.case_id)
    decided = {"decided_us": at_us, "decided_by": user_id, "decision_note": words}
    if approve:
        change(connection, row.id, state="open", **decided)
    else:
        _end(connection, row, "refused", at_us, ended_by=user_id, **decided)
    note(connection, row.id, user_id, "approve" if approve else "refuse", at_us, words)


@row_operation("assist.remind")
def remind(
    connection: sa.Connection,
    request_id: str,
    user_id: str,
    area_ids: Sequence[str] | None,
    words: str | None,
) -> list[str]:
    """Urge those who have not answered, each at most once a minute; gives their areas. Refused
    with ``not_in_force``, and ``conflict`` where there is nobody.
    """
    row = require_open(connection, request_id)
    at_us = now_us()
    table = assist_areas.c
    due = sa.and_(
        table.request_id == row.id,
        table.state == "asked",
        sa.func.coalesce(table.reminded_us, 0) <= at_us - _REMIND_APART_US,
        sa.true() if area_ids is None else table.area_id.in_(area_ids),
    )
    told = list(connection.scalars(sa.select(table.area_id).where(due).order_by(table.area_id)))
    if not told:
        raise RowError("conflict", "all of them have answered, or were reminded a moment ago")
    connection.execute(sa.update(assist_areas).where(due).values(reminded_us=at_us))
    change(connection, row.id)
    for area_id in told:
        note(connection, row.id, user_id, "remind", at_us, words, area_id)
    return told


@row_operation("assist.extend")
def extend(
    connection: sa.Connection, request_id: str, user_id: str, deadline_us: int, words: str
) -> int:
    """Give it a later deadline; gives the one before. Refused with ``not_in_force``,
    ``invalid``.
    """
    row = require_in_force(connection, request_id)
    if deadline_us <= row.deadline_us:
        raise RowError("invalid", "this is no later than its deadline")
    change(connection, row.id, deadline_us=deadline_us)
    detail = {"from_us": row.deadline_us, "to_us": deadline_us}
    note(connection, row.id, user_id, "extend", now_us(), words, detail=detail)
    before: int = row.deadline_us
    return before


@row_operation("assist.close")
def close(
    connection: sa.Connection, request_id: str, user_id: str, outcome: str, words: str
) -> None:
    """End it with what came of it. Refused with ``not_in_force``."""
    if outcome not in OUTCOMES:
        raise RowError("invalid", f"{outcome!r} is no outcome: there are {', '.join(OUTCOMES)}")
    row = require_in_force(connection, request_id)
    at_us = now_us()
    _end(connection, row, "closed", at_us, ended_by=user_id, outcome=outcome, result=words)
    note(connection, row.id, user_id, "close", at_us, words, detail={"outcome": outcome})


@row_operation("assist.sweep")
def sweep(connection: sa.Connection) -> list[str]:
    """End what its deadline or its case's end ends, and record each; gives their ids. Photos of
    requests that were never sent go too.

    May be repeated: what a crash left undone is found again by the same conditions.
    """
    at_us = now_us()
    table = assist_requests.c
    closed = sa.select(cases.c.id).where(cases.c.closed_us.is_not(None))
    due = connection.execute(
        sa.select(assist_requests)
        .where(
            table.state.in_(IN_FORCE),
            sa.or_(table.deadline_us <= at_us, table.case_id.in_(closed)),
        )
        .order_by(table.deadline_us, table.id)
        .limit(_SWEPT_AT_ONCE)
    ).all()
    records = []
    for row in due:
        why = "its deadline" if row.deadline_us <= at_us else "its case"
        _end(connection, row, "expired", at_us)
        note(connection, row.id, None, "expire", at_us, detail={"why": why})
        records.append(
            AuditRecord(
                "assist.expire",
                case_id=row.case_id,
                detail={"request_id": row.id, "why": why},
            ).to_message()
        )
    if records:
        append_rows(connection, records)
    connection.execute(
        sa.delete(assist_photos).where(
            assist_photos.c.request_id.is_(None),
            assist_photos.c.created_us <= at_us - PHOTO_WAITS_US,
        )
    )
    return [row.id for row in due]


def find(connection: sa.Connection, request_id: str) -> sa.Row[Any]:
    """The request. Raises RowError ``not_found``."""
    statement = sa.select(assist_requests).where(assist_requests.c.id == request_id)
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such request")
    return row


def require_in_force(connection: sa.Connection, request_id: str) -> sa.Row[Any]:
    """The request while it waits or is open. Raises RowError ``not_in_force``."""
    row = find(connection, request_id)
    if row.state not in IN_FORCE or row.deadline_us <= now_us():
        raise RowError("not_in_force", "this request is over: ask anew")
    require_open_case(connection, row.case_id)
    return row


def require_open(connection: sa.Connection, request_id: str) -> sa.Row[Any]:
    """The request while it may be answered. Raises RowError ``not_in_force``."""
    row = require_in_force(connection, request_id)
    if row.state != "open":
        raise RowError("not_in_force", "this request waits for its approval")
    return row


def change(connection: sa.Connection, request_id: str, **columns: Any) -> None:
    """Set columns, and have those who watch see that it is another one."""
    connection.execute(
        sa.update(assist_requests)
        .where(assist_requests.c.id == request_id)
        .values(version=assist_requests.c.version + 1, **columns)
    )


def note(
    connection: sa.Connection,
    request_id: str,
    user_id: str | None,
    kind: str,
    at_us: int,
    words: str | None = None,
    area_id: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write one step into its history."""
    connection.execute(
        sa.insert(assist_steps).values(
            request_id=request_id,
            at_us=at_us,
            user_id=user_id,
            kind=kind,
            area_id=area_id,
            words=words,
            detail=detail or {},
        )
    )


def _end(
    connection: sa.Connection, row: sa.Row[Any], state: str, at_us: int, **columns: Any
) -> None:
    connection.execute(sa.delete(assist_photos).where(assist_photos.c.request_id == row.id))
    change(connection, row.id, state=state, ended_us=at_us, **columns)
