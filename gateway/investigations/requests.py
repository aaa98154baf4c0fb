"""Reading requests: with their case, their area and who did what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.evidence_tables import case_members, cases
from gateway.database.investigation_tables import search_photos, search_requests, standing_matches
from gateway.database.operating_tables import alarms
from gateway.database.tables import areas, cameras, users
from gateway.identifiers import now_us
from gateway.investigations.masked_matches import untold_counts
from gateway.investigations.request_rows import OVER, is_usable, unreviewed
from gateway.people.areas import area_names, cameras_within, within
from gateway.people.authorize import COUNTY, AreaPlace, Principal, authorize
from gateway.people.roles import Right

LISTED_LIMIT = 200

_WHO = ("created_by", "decided_by", "reviewed_by", "ended_by")


def select_requests() -> sa.Select[Any]:
    """Every column of ``search_requests``, with ``area_path``, the case's ``case_number``,
    ``case_title`` and ``case_closed_us``, the newest first.
    """
    return (
        sa.select(
            search_requests,
            areas.c.path.label("area_path"),
            cases.c.number.label("case_number"),
            cases.c.title.label("case_title"),
            cases.c.closed_us.label("case_closed_us"),
        )
        .select_from(
            search_requests.join(areas, areas.c.id == search_requests.c.area_id).join(
                cases, cases.c.id == search_requests.c.case_id
            )
        )
        .order_by(search_requests.c.created_us.desc(), search_requests.c.id.desc())
    )


def visible_to(caller: Principal) -> sa.ColumnElement[bool]:
    """Of :func:`select_requests`: those of the caller's cases, and those that the caller may
    approve; all to a system administrator.
    """
    if authorize(caller, Right.SYSTEM, COUNTY, now_us()).allowed:
        return sa.true()
    approving = caller.areas_with(Right.APPROVE, now_us())
    return search_requests.c.case_id.in_(own_cases(caller)) | within(areas.c.path, approving)


def own_cases(caller: Principal) -> sa.Select[tuple[str]]:
    """The ids of the cases of which the caller is a member."""
    return sa.select(case_members.c.case_id).where(case_members.c.user_id == caller.user_id)


def tells_of_match(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``alarms`` of matches: where the caller may search, and see what it is about."""
    at_us = now_us()
    searched = sa.select(cameras.c.id).where(cameras_within(caller.areas_with(Right.SEARCH, at_us)))
    lifted = sa.select(cameras.c.id).where(
        cameras_within(caller.areas_with(Right.LIFT_MASKS, at_us))
    )
    masked = sa.func.coalesce(alarms.c.detail["masked"].as_boolean(), sa.false())
    return sa.and_(
        alarms.c.camera_id.in_(searched), sa.or_(sa.not_(masked), alarms.c.camera_id.in_(lifted))
    )


async def find_request(
    connection: AsyncConnection, caller: Principal, request_id: str
) -> sa.Row[Any] | None:
    """One request that the caller may know of."""
    statement = select_requests().where(search_requests.c.id == request_id, visible_to(caller))
    row: sa.Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return row


async def is_member(connection: AsyncConnection, caller: Principal, case_id: str) -> bool:
    """Whether the caller works on the case."""
    statement = own_cases(caller).where(case_members.c.case_id == case_id)
    return (await connection.execute(statement)).first() is not None


def in_force(row: sa.Row[Any], at_us: int) -> bool:
    """Whether a row of :func:`select_requests` may be used then."""
    return row.case_closed_us is None and is_usable(row, at_us)


def force_range(row: sa.Row[Any]) -> tuple[int, int] | None:
    """From when until when, up to now, it was in force; None for one that never was."""
    begun = [row.broken_us]
    if row.state != "refused":
        begun.append(row.decided_us)
    begins = [one for one in begun if one is not None]
    if not begins:
        return None
    ends = [now_us(), row.expires_us, row.ended_us, row.case_closed_us]
    if row.broken_us is not None and not _reviewed_in_time(row):
        ends.append(row.review_until_us)
    start_us = min(begins)
    return start_us, max(start_us, min(one for one in ends if one is not None))


def _reviewed_in_time(row: sa.Row[Any]) -> bool:
    return row.reviewed_us is not None and bool(row.reviewed_us < row.review_until_us)


async def request_documents(
    connection: AsyncConnection, caller: Principal, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    """``SearchRequest`` of docs/http-api.md, for rows of :func:`select_requests`."""
    ids = [row.id for row in rows]
    names = await area_names(connection, [row.area_path for row in rows])
    people = await _people(connection, {getattr(row, one) for row in rows for one in _WHO})
    photos = await _counts(connection, search_photos.c.request_id, ids)
    # As many as they may see.
    told = standing_matches.c.alarm_id.in_(sa.select(alarms.c.id).where(tells_of_match(caller)))
    matches = await _counts(connection, standing_matches.c.request_id, ids, told)
    untold = await untold_counts(connection, caller, ids, told)
    joined = set(
        await connection.scalars(
            own_cases(caller).where(case_members.c.case_id.in_({row.case_id for row in rows}))
        )
    )
    pending = (
        await connection.execute(sa.select(search_requests.c.id).where(unreviewed(caller.user_id)))
    ).first() is not None
    at_us = now_us()
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "state": row.state,
            "usable": in_force(row, at_us),
            "case": {"id": row.case_id, "number": row.case_number, "title": row.case_title},
            "area_id": row.area_id,
            "area_path": names[row.area_path],
            "reason": row.reason,
            "query": row.query,
            "created_us": row.created_us,
            "created_by": people[row.created_by],
            "expires_us": row.expires_us,
            "decided_us": row.decided_us,
            "decided_by": people.get(row.decided_by),
            "decision_note": row.decision_note,
            "break_glass": _break_glass(row, people, at_us),
            "ended_us": row.ended_us,
            "ended_by": people.get(row.ended_by),
            "end_note": row.end_note,
            "photos": photos.get(row.id, 0),
            "matches": max(0, matches.get(row.id, 0) - untold[row.id]),
            "can": _can(caller, row, row.case_id in joined, pending, at_us),
        }
        for row in rows
    ]


def _break_glass(
    row: sa.Row[Any], people: dict[str, dict[str, str]], at_us: int
) -> dict[str, Any] | None:
    if row.broken_us is None:
        return None
    return {
        "at_us": row.broken_us,
        "reason": row.break_reason,
        "review_until_us": row.review_until_us,
        "overdue": row.reviewed_us is None and row.review_until_us <= at_us,
        "reviewed_us": row.reviewed_us,
        "reviewed_by": people.get(row.reviewed_by),
        "justified": row.justified,
        "note": row.review_note,
    }


def _can(caller: Principal, row: sa.Row[Any], member: bool, pending: bool, at_us: int) -> list[str]:
    """``pending``: something that they used before it was approved awaits its review."""
    can = []
    open_case = row.case_closed_us is None
    waiting = row.state == "waiting" and row.expires_us > at_us
    own = row.created_by == caller.user_id
    same_desk = caller.desk_id is not None and caller.desk_id == row.desk_id
    place = AreaPlace(row.area_path)
    approver = authorize(caller, Right.APPROVE, place, at_us).allowed
    second = approver and not own and not same_desk
    if in_force(row, at_us) and member:
        can.append("use")
    if waiting and second:
        can += ["approve", "refuse"] if open_case else ["refuse"]
    if row.state not in OVER and (member or approver):
        can.append("end")
    if waiting and own and member and open_case and not pending:
        can.append("break_glass")
    if row.broken_us is not None and row.reviewed_us is None and second:
        can.append("review")
    return can


async def _people(
    connection: AsyncConnection, user_ids: set[str | None]
) -> dict[str, dict[str, str]]:
    rows = await connection.execute(
        sa.select(users.c.id, users.c.name, users.c.display_name).where(
            users.c.id.in_([one for one in user_ids if one is not None])
        )
    )
    return {
        row.id: {"id": row.id, "name": row.name, "display_name": row.display_name} for row in rows
    }


async def _counts(
    connection: AsyncConnection,
    column: sa.Column[Any],
    ids: Sequence[str],
    *where: sa.ColumnElement[bool],
) -> dict[str, int]:
    rows = await connection.execute(
        sa.select(column, sa.func.count()).where(column.in_(ids), *where).group_by(column)
    )
    return {row[0]: row[1] for row in rows}
