"""Writes to requests: asked, approved, refused, used before approval, reviewed, ended.

``waiting`` → ``approved``, ``refused``, ``broken``, ``ended``, ``expired``;
``broken`` (break-glass) → ``approved``, ``ended``, ``expired``, ``overdue``;
``approved``, ``overdue`` → ``ended``, ``expired``. What hangs on a request goes in the transaction
that ends it, whatever ends it: :func:`close`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.alarms.rule_rows import apply_rules
from gateway.audit import AuditRecord, append_rows
from gateway.database.evidence_tables import case_members, cases
from gateway.database.investigation_tables import (
    search_looks,
    search_photos,
    search_requests,
    standing_dropped,
    standing_matches,
    standing_queue,
    trail_points,
    trails,
)
from gateway.database.operating_tables import alarms
from gateway.database.tables import areas
from gateway.evidence.hold_rows import require_open_case
from gateway.identifiers import US_PER_S, new_id, now_us
from recorder.rows import RowError, row_operation
from search.index.expiry_rows import id_at
from search.index.tables import passage_cameras, passages

LONGEST_US = 7 * 24 * 3600 * US_PER_S
REVIEW_US = 24 * 3600 * US_PER_S
# A browser's clock may be a little ahead.
_TOLERATED_US = 60 * US_PER_S
_SWEPT_AT_ONCE = 200

IN_USE = frozenset({"approved", "broken"})
OVER = frozenset({"refused", "ended", "expired"})
REVIEW_OVERDUE = "review_overdue"


@row_operation("investigations.ask")
def ask(
    connection: sa.Connection,
    kind: str,
    case_id: str,
    area_id: str,
    reason: str,
    user_id: str,
    desk_id: str | None,
    expires_us: int,
    query: dict[str, Any] | None = None,
    vector_kind: str | None = None,
    vector_sealed: str | None = None,
    request_id: str | None = None,
) -> str:
    """A new request, waiting; gives its id. Refused with ``case_closed``, ``not_found``,
    ``not_member``, ``invalid``.
    """
    require_open_case(connection, case_id)
    require_member(connection, case_id, user_id)
    at_us = now_us()
    if not at_us < expires_us <= at_us + LONGEST_US + _TOLERATED_US:
        raise RowError("invalid", "a request ends within seven days: choose another end")
    request_id = request_id or new_id("req")
    connection.execute(
        sa.insert(search_requests).values(
            id=request_id,
            kind=kind,
            case_id=case_id,
            area_id=area_id,
            reason=reason,
            query=query if query is not None else sa.null(),
            state="waiting",
            created_us=at_us,
            created_by=user_id,
            desk_id=desk_id,
            expires_us=expires_us,
            vector_kind=vector_kind,
            vector_sealed=vector_sealed,
        )
    )
    return request_id


@row_operation("investigations.decide")
def decide(
    connection: sa.Connection,
    request_id: str,
    user_id: str,
    desk_id: str | None,
    approve: bool,
    note: str | None,
) -> None:
    """The second person's word. Refused with ``own_request``, ``request_decided``,
    ``case_closed``.
    """
    row = _find(connection, request_id)
    _require_second_person(row, user_id, desk_id)
    if row.state != "waiting" or row.expires_us <= now_us():
        raise RowError(
            "request_decided", f"this request is not waiting any more: it is {row.state}"
        )
    if approve:
        require_open_case(connection, row.case_id)
    state = "approved" if approve else "refused"
    _change(
        connection, row, state, decided_us=now_us(), decided_by=user_id, decision_note=note
    )  # fmt: skip
    if not approve:
        close(connection, [row.id])


@row_operation("investigations.break_glass")
def break_glass(connection: sa.Connection, request_id: str, user_id: str, reason: str) -> None:
    """The requester uses it at once. Refused with ``not_requester``, ``request_decided``;
    ``review_pending`` while another that they used so was not reviewed, in time or not.
    """
    row = _find(connection, request_id)
    if row.created_by != user_id:
        raise RowError("not_requester", "only who asked may use it before it is approved")
    require_open_case(connection, row.case_id)
    require_member(connection, row.case_id, user_id)
    at_us = now_us()
    if row.state != "waiting" or row.expires_us <= at_us:
        raise RowError(
            "request_decided", f"this request is not waiting any more: it is {row.state}"
        )
    if connection.execute(sa.select(search_requests.c.id).where(unreviewed(user_id))).first():
        raise RowError(
            "review_pending",
            "what you used before it was approved was not reviewed yet: have that reviewed first,"
            " or have this one approved",
        )
    _change(
        connection, row, "broken",
        broken_us=at_us, break_reason=reason, review_until_us=at_us + REVIEW_US,
    )  # fmt: skip


@row_operation("investigations.review")
def review(
    connection: sa.Connection,
    request_id: str,
    user_id: str,
    desk_id: str | None,
    justified: bool,
    note: str,
) -> list[str]:
    """The second person's word afterwards. One that is overdue has stopped, and ends. Gives the
    alarms that this ended. Refused with ``own_request``, ``request_decided``.
    """
    row = _find(connection, request_id)
    _require_second_person(row, user_id, desk_id)
    if row.broken_us is None or row.reviewed_us is not None:
        raise RowError("request_decided", "there is nothing here to be reviewed")
    at_us = now_us()
    values: dict[str, Any] = {
        "reviewed_us": at_us, "reviewed_by": user_id, "justified": justified, "review_note": note,
    }  # fmt: skip
    in_time = row.state == "broken" and at_us < row.review_until_us
    if in_time and justified:
        _change(
            connection, row, "approved",
            **values, decided_us=at_us, decided_by=user_id, decision_note=note,
        )  # fmt: skip
        return []
    told: list[str] = []
    if row.state in OVER:
        _change(connection, row, row.state, **values)
    else:
        _change(connection, row, "ended", **values, ended_us=at_us, ended_by=user_id)
        told = close(connection, [row.id])
    return told + _end_alarms(connection, [row.id], REVIEW_OVERDUE)


@row_operation("investigations.end")
def end(connection: sa.Connection, request_id: str, user_id: str, note: str | None) -> list[str]:
    """End it with all that hangs on it; gives the alarms that this ended. Refused with
    ``request_decided`` when it is over.
    """
    row = _find(connection, request_id)
    if row.state in OVER:
        raise RowError("request_decided", f"this request is over: it is {row.state}")
    _change(connection, row, "ended", ended_us=now_us(), ended_by=user_id, end_note=note)
    return close(connection, [row.id])


@row_operation("investigations.sweep")
def sweep(connection: sa.Connection) -> dict[str, list[str]]:
    """End what its time, its case's end or a missing review ends, and record each; forget looks,
    and what went uncompared of passages that are gone. Gives the ids that ``expired``, ``ended``
    and became ``overdue``, and ``alarms`` that changed.

    May be repeated: what a crash left undone is found again by the same conditions.
    """
    at_us = now_us()
    table = search_requests.c
    going = table.state.not_in(OVER)
    expired = _due(connection, going, table.expires_us <= at_us)
    closed = _due(
        connection,
        going,
        table.expires_us > at_us,
        table.case_id.in_(sa.select(cases.c.id).where(cases.c.closed_us.is_not(None))),
    )
    late = _due(
        connection,
        table.state.in_(("broken", *OVER)),
        table.broken_us.is_not(None),
        table.reviewed_us.is_(None),
        table.review_until_us <= at_us,
        ~sa.exists().where(alarms.c.search_request_id == table.id, alarms.c.kind == REVIEW_OVERDUE),
    )
    records, told = [], []
    for rows, state, action in (
        (expired, "expired", "search.request_expire"),
        (closed, "ended", "search.request_end"),
    ):
        for row in rows:
            note = None if state == "expired" else "the case was closed"
            _change(connection, row, state, ended_us=at_us, end_note=note)
            records.append(
                _record(row, action, {"why": "its time" if note is None else "its case"})
            )
    told += close(connection, [row.id for row in (*expired, *closed)])
    for row in late:
        if row.state == "broken" and row.id not in {one.id for one in (*expired, *closed)}:
            _change(connection, row, "overdue")
            told += close(connection, [row.id])
        told.append(_raise_overdue(connection, row, at_us))
        records.append(_record(row, "search.request_overdue", {"broken_us": row.broken_us}))
    connection.execute(sa.delete(search_looks).where(search_looks.c.expires_us <= at_us))
    _forget_dropped(connection)
    if records:
        append_rows(connection, records)
    return {
        "expired": [row.id for row in expired],
        "ended": [row.id for row in closed],
        "overdue": [row.id for row in late],
        "alarms": told,
    }


def close(connection: sa.Connection, request_ids: Sequence[str]) -> list[str]:
    """Forget what hangs on these requests: photos and vectors, matches, trails that no case keeps.
    Standing searches by one of the photos end with it. Gives the alarms that this ended.
    """
    if not request_ids:
        return []
    ids = list(request_ids)
    photos = list(
        connection.scalars(sa.select(search_photos.c.id).where(search_photos.c.request_id.in_(ids)))
    )
    further = close_standing_by(connection, photos)
    connection.execute(
        sa.update(search_requests)
        .where(search_requests.c.id.in_(ids))
        .values(vector_kind=None, vector_sealed=None)
    )
    connection.execute(sa.delete(standing_matches).where(standing_matches.c.request_id.in_(ids)))
    loose = sa.select(trails.c.id).where(
        trails.c.request_id.in_(ids), trails.c.attached_us.is_(None)
    )
    connection.execute(sa.delete(trail_points).where(trail_points.c.trail_id.in_(loose)))
    connection.execute(
        sa.delete(trails).where(trails.c.request_id.in_(ids), trails.c.attached_us.is_(None))
    )
    ended = _end_alarms(connection, ids, "standing_match")
    connection.execute(
        sa.update(alarms)
        .where(alarms.c.search_request_id.in_(ids), alarms.c.kind == "standing_match")
        .values(detail=sa.literal({}, sa.JSON))
    )
    if not connection.execute(
        sa.select(search_requests.c.id)
        .where(search_requests.c.kind == "standing", search_requests.c.state.in_(IN_USE))
        .limit(1)
    ).first():
        connection.execute(sa.delete(standing_queue))
    return further + ended


def close_standing_by(connection: sa.Connection, photo_ids: Sequence[str]) -> list[str]:
    """Delete photos, bytes and vectors; standing searches by them end. Gives the alarms that this
    ended.
    """
    if not photo_ids:
        return []
    hanging = _searching_by(connection, photo_ids)
    for row in hanging:
        _change(connection, row, "ended", ended_us=now_us(), end_note="its photo is gone")
    if hanging:
        told = [_record(row, "search.request_end", {"why": "its photo"}) for row in hanging]
        append_rows(connection, told)
    connection.execute(sa.delete(search_photos).where(search_photos.c.id.in_(photo_ids)))
    return close(connection, [row.id for row in hanging])


def require_member(connection: sa.Connection, case_id: str, user_id: str) -> None:
    """Raise RowError ``not_member``."""
    joined = sa.select(case_members.c.user_id).where(
        case_members.c.case_id == case_id, case_members.c.user_id == user_id
    )
    if connection.execute(joined).first() is None:
        raise RowError("not_member", "only members of the case may do this")


def require_usable(connection: sa.Connection, request_id: str, kind: str) -> sa.Row[Any]:
    """The request. Raises RowError ``request_not_usable`` unless it may be used now."""
    row = _find(connection, request_id)
    if row.kind != kind or not is_usable(row, now_us()):
        raise RowError("request_not_usable", "this request is not in force: ask for another")
    require_open_case(connection, row.case_id)
    return row


def unreviewed(user_id: str) -> sa.ColumnElement[bool]:
    """On ``search_requests``: what they used before it was approved, and nobody reviewed since."""
    table = search_requests.c
    return sa.and_(
        table.created_by == user_id, table.broken_us.is_not(None), table.reviewed_us.is_(None)
    )


def is_usable(row: Any, at_us: int) -> bool:
    """Whether it may be used then, as far as its own row says; its case must be open, too."""
    if row.state not in IN_USE or row.expires_us <= at_us:
        return False
    return row.state != "broken" or bool(at_us < row.review_until_us)


def _forget_dropped(connection: sa.Connection) -> None:
    """That passages went uncompared is kept for as long as one of them; later, their time is told
    as expired.
    """
    dropped = standing_dropped.c
    left = sa.exists().where(
        passage_cameras.c.camera_id == dropped.camera_id,
        passages.c.camera == passage_cameras.c.number,
        passages.c.id >= id_at(dropped.start_us),
        passages.c.id < id_at(dropped.end_us),
    )
    connection.execute(sa.delete(standing_dropped).where(~left))


def _find(connection: sa.Connection, request_id: str) -> sa.Row[Any]:
    row = connection.execute(
        sa.select(search_requests).where(search_requests.c.id == request_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such request")
    return row


def _require_second_person(row: sa.Row[Any], user_id: str, desk_id: str | None) -> None:
    if row.created_by == user_id:
        raise RowError("own_request", "somebody else must decide on your own request")
    if desk_id is not None and row.desk_id == desk_id:
        raise RowError(
            "own_request", "this was asked for at this very desk: decide on it somewhere else"
        )


def _change(connection: sa.Connection, row: sa.Row[Any], state: str, **values: Any) -> None:
    connection.execute(
        sa.update(search_requests)
        .where(search_requests.c.id == row.id)
        .values(state=state, **values)
    )


def _due(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
    statement = (
        sa.select(search_requests, areas.c.path.label("area_path"))
        .join(areas, areas.c.id == search_requests.c.area_id)
        .where(*where)
        .order_by(search_requests.c.expires_us)
        .limit(_SWEPT_AT_ONCE)
    )
    return list(connection.execute(statement))


def _searching_by(connection: sa.Connection, photo_ids: Collection[str]) -> list[sa.Row[Any]]:
    return _due(
        connection,
        search_requests.c.kind == "standing",
        search_requests.c.state.not_in(OVER),
        search_requests.c.query["like"]["photo_id"].as_string().in_(photo_ids),
    )


def _record(row: sa.Row[Any], action: str, detail: dict[str, Any]) -> dict[str, Any]:
    return AuditRecord(
        action,
        area_path=row.area_path,
        case_id=row.case_id,
        detail={"request_id": row.id, "kind": row.kind, **detail},
    ).to_message()


def _raise_overdue(connection: sa.Connection, row: sa.Row[Any], at_us: int) -> str:
    alarm_id = new_id("alm")
    connection.execute(
        sa.insert(alarms).values(
            id=alarm_id,
            kind=REVIEW_OVERDUE,
            subject=f"request:{row.id}",
            area_id=row.area_id,
            search_request_id=row.id,
            begin_us=at_us,
            detail={"request_id": row.id, "kind": row.kind, "broken_us": row.broken_us},
        )
    )
    apply_rules(connection, [alarm_id])
    return alarm_id


def _end_alarms(connection: sa.Connection, request_ids: Sequence[str], kind: str) -> list[str]:
    open_ones = sa.and_(
        alarms.c.search_request_id.in_(request_ids),
        alarms.c.kind == kind,
        alarms.c.end_us.is_(None),
    )
    ids = list(connection.scalars(sa.select(alarms.c.id).where(open_ones)))
    if ids:
        connection.execute(sa.update(alarms).where(alarms.c.id.in_(ids)).values(end_us=now_us()))
    return ids
