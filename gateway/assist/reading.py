"""Assist requests as documents: the board of who asks, and what each village's clerks are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.assist.coverage import Looked, looked_of
from gateway.assist.states import is_open, path_now
from gateway.database.assist_tables import (
    assist_areas,
    assist_clips,
    assist_photos,
    assist_requests,
    assist_steps,
)
from gateway.database.evidence_tables import cases
from gateway.database.tables import areas, cameras, users
from gateway.identifiers import now_us
from gateway.investigations.requests import own_cases
from gateway.people.areas import area_names, within
from gateway.people.authorize import COUNTY, AreaPlace, Principal, authorize
from gateway.people.roles import Right

LISTED_LIMIT = 200
_STEPS_LIMIT = 2000

_request = assist_requests.c
_asked_of = assist_areas.outerjoin(areas, areas.c.id == assist_areas.c.area_id)


def select_requests() -> sa.Select[Any]:
    """Requests with the names that go with them."""
    asker = users.alias("asker")
    decider, ender = users.alias("decider"), users.alias("ender")
    return (
        sa.select(
            assist_requests,
            cases.c.number.label("case_number"),
            cases.c.title.label("case_title"),
            cases.c.closed_us.label("case_closed_us"),
            asker.c.display_name.label("asker"),
            decider.c.display_name.label("decider"),
            ender.c.display_name.label("ender"),
        )
        .select_from(
            assist_requests.join(cases, cases.c.id == _request.case_id)
            .join(asker, asker.c.id == _request.created_by)
            .outerjoin(decider, decider.c.id == _request.decided_by)
            .outerjoin(ender, ender.c.id == _request.ended_by)
        )
        .order_by(_request.created_us.desc(), _request.id.desc())
    )


def is_managed_by(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``assist_requests``: of the caller's cases, or for the caller to approve: all of it is
    theirs to see.
    """
    at_us = now_us()
    if authorize(caller, Right.SYSTEM, COUNTY, at_us).allowed:
        return sa.true()
    approved = within(path_now(), caller.areas_with(Right.APPROVE, at_us))
    elsewhere = (
        sa.select(assist_areas.c.area_id)
        .select_from(_asked_of)
        .where(assist_areas.c.request_id == _request.id, sa.not_(approved))
        .correlate(assist_requests)
    )
    return sa.or_(
        _request.created_by == caller.user_id,
        _request.case_id.in_(own_cases(caller)),
        ~sa.exists(elsewhere),
    )


def is_asked_of(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``assist_requests``: open, and the caller plays back in an area that it asks."""
    at_us = now_us()
    paths = caller.areas_with(Right.PLAYBACK, at_us)
    asked = (
        sa.select(assist_areas.c.request_id).select_from(_asked_of).where(within(path_now(), paths))
    )
    return sa.and_(is_open(at_us), _request.id.in_(asked))


async def find_request(
    connection: AsyncConnection, caller: Principal, request_id: str, *, managed: bool = False
) -> sa.Row[Any] | None:
    """One request that the caller may know of. ``managed``: all of it."""
    mine = is_managed_by(caller)
    seen = mine if managed else sa.or_(mine, is_asked_of(caller))
    statement = select_requests().where(_request.id == request_id, seen)
    row: sa.Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return row


async def asked_areas(
    connection: AsyncConnection, request_ids: Sequence[str]
) -> dict[str, list[sa.Row[Any]]]:
    """The areas that each request asks, with ``now_path`` and who answered, by name."""
    statement = (
        sa.select(
            assist_areas, path_now().label("now_path"), users.c.display_name.label("answerer")
        )
        .select_from(_asked_of.outerjoin(users, users.c.id == assist_areas.c.answered_by))
        .where(assist_areas.c.request_id.in_(request_ids))
        .order_by(assist_areas.c.path)
    )
    found: dict[str, list[sa.Row[Any]]] = {one: [] for one in request_ids}
    for row in await connection.execute(statement):
        found[row.request_id].append(row)
    return found


async def summaries(
    connection: AsyncConnection, caller: Principal, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    """``AssistSummary`` of docs/http-api.md, for rows of :func:`select_requests`."""
    ids = [row.id for row in rows]
    asked = await asked_areas(connection, ids)
    managed = set(
        await connection.scalars(
            sa.select(_request.id).where(_request.id.in_(ids), is_managed_by(caller))
        )
    )
    at_us = now_us()
    return [_summary(caller, row, asked[row.id], row.id in managed, at_us) for row in rows]


def _summary(
    caller: Principal, row: sa.Row[Any], asked: list[sa.Row[Any]], managed: bool, at_us: int
) -> dict[str, Any]:
    state = state_at(row, at_us)
    own = [one for one in asked if _plays(caller, one.now_path, at_us)] if state == "open" else []
    counts = {
        kind: sum(one.state == kind for one in asked)
        for kind in ("asked", "seen", "not_seen", "missing")
    }
    return {
        "id": row.id,
        "state": state,
        "title": row.title,
        "case": {"id": row.case_id, "number": row.case_number, "title": row.case_title}
        if managed
        else None,
        "start_us": row.start_us,
        "end_us": row.end_us,
        "deadline_us": row.deadline_us,
        "created_us": row.created_us,
        "created_by": row.asker,
        "outcome": row.outcome if managed else None,
        "counts": counts if managed else None,
        "own": [
            {
                "area_id": one.area_id,
                "name": one.name,
                "state": one.state,
                "reminded_us": one.reminded_us,
            }
            for one in own
        ],
        "managed": managed,
        "can": _can(caller, row, asked, state, managed, at_us),
    }


def state_at(row: sa.Row[Any], at_us: int) -> str:
    """What it is then, whether or not somebody has written it down."""
    is_over = row.deadline_us <= at_us or row.case_closed_us is not None
    return "expired" if is_over and row.state in ("waiting", "open") else str(row.state)


def _can(
    caller: Principal,
    row: sa.Row[Any],
    asked: list[sa.Row[Any]],
    state: str,
    managed: bool,
    at_us: int,
) -> list[str]:
    can = []
    if state in ("waiting", "open") and row.created_by == caller.user_id:
        can += ["extend", "close"] + (["remind"] if state == "open" else [])
    same_desk = caller.desk_id is not None and caller.desk_id == row.desk_id
    approver = managed and all(
        authorize(caller, Right.APPROVE, AreaPlace(one.now_path), at_us).allowed for one in asked
    )
    if state == "waiting" and approver and row.created_by != caller.user_id and not same_desk:
        can += ["approve", "refuse"]
    return can


def _plays(caller: Principal, path: str, at_us: int) -> bool:
    return authorize(caller, Right.PLAYBACK, AreaPlace(path), at_us).allowed


async def board(connection: AsyncConnection, caller: Principal, row: sa.Row[Any]) -> dict[str, Any]:
    """``AssistRequest``: to who may see all of it the whole board and its history; to a clerk what
    is asked, and the own areas.
    """
    (summary,) = await summaries(connection, caller, [row])
    at_us = now_us()
    asked = (await asked_areas(connection, [row.id]))[row.id]
    if not summary["managed"]:
        asked = [one for one in asked if _plays(caller, one.now_path, at_us)]
    names = await area_names(connection, [one.now_path for one in asked])
    looked = await looked_of(connection, row, [(one.area_id, one.now_path) for one in asked])
    clips = await clips_of(connection, row, [one.area_id for one in asked])
    lends = summary["state"] == "open" and row.created_by == caller.user_id
    return {
        **summary,
        "words": row.words,
        "plate": row.plate,
        "photos": await photos_of(connection, row, at_us),
        "decided_us": row.decided_us,
        "decided_by": row.decider,
        "decision_note": row.decision_note,
        "ended_us": row.ended_us,
        "ended_by": row.ender,
        "result": row.result,
        "areas": [
            _area(one, names[one.now_path], looked[one.area_id], clips[one.area_id], lends)
            for one in asked
        ],
        "steps": await _steps(connection, row.id, asked) if summary["managed"] else [],
    }


def _area(
    row: sa.Row[Any], names: list[str], looked: Looked, clips: list[dict[str, Any]], lends: bool
) -> dict[str, Any]:
    return {
        "area_id": row.area_id,
        "name": row.name,
        "area_path": names,
        "state": row.state,
        "answered_us": row.answered_us,
        "answered_by": row.answerer,
        "note": row.note,
        "missing": row.missing,
        "reminded_us": row.reminded_us,
        "cameras": looked.cameras,
        "cameras_looked": looked.cameras_looked,
        "looked_us": looked.looked_us,
        "whole_us": looked.whole_us,
        "looked_by": looked.people,
        "clips": [{**one, "lent": lends} for one in clips],
    }


async def photos_of(
    connection: AsyncConnection, row: sa.Row[Any], at_us: int
) -> list[dict[str, Any]]:
    """Its photos while it waits or is open; none afterwards, whoever deletes them when."""
    if state_at(row, at_us) not in ("waiting", "open"):
        return []
    table = assist_photos.c
    columns: list[sa.ColumnElement[Any]] = [table.id, table.name, table.width, table.height]
    found = await connection.execute(
        sa.select(*columns).where(table.request_id == row.id).order_by(table.created_us, table.id)
    )
    return [_photo(one) for one in found]


def _photo(row: sa.Row[Any]) -> dict[str, Any]:
    """A photo, and where its picture is."""
    return {
        "id": row.id,
        "name": row.name,
        "width": row.width,
        "height": row.height,
        "url": f"/api/assist/photos/{row.id}/picture",
    }


async def clips_of(
    connection: AsyncConnection, row: sa.Row[Any], area_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """What was attached in each area, in order of time."""
    clip = assist_clips.c
    found: dict[str, list[dict[str, Any]]] = {one: [] for one in area_ids}
    rows = await connection.execute(
        sa.select(
            assist_clips,
            cameras.c.name.label("camera_name"),
            users.c.display_name.label("attacher"),
        )
        .join(cameras, cameras.c.id == clip.camera_id)
        .join(users, users.c.id == clip.created_by)
        .where(clip.request_id == row.id, clip.area_id.in_(area_ids))
        .order_by(clip.start_us, clip.id)
    )
    for one in rows:
        found[one.area_id].append(
            {
                "id": one.id,
                "camera_id": one.camera_id,
                "camera_name": one.camera_name,
                "start_us": one.start_us,
                "end_us": one.end_us,
                "note": one.note,
                "created_us": one.created_us,
                "created_by": one.attacher,
            }
        )
    return found


async def _steps(
    connection: AsyncConnection, request_id: str, asked: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    names = {one.area_id: one.name for one in asked}
    step = assist_steps.c
    rows = await connection.execute(
        sa.select(assist_steps, users.c.display_name.label("who"))
        .outerjoin(users, users.c.id == step.user_id)
        .where(step.request_id == request_id)
        .order_by(step.number.desc())
        .limit(_STEPS_LIMIT)
    )
    return [
        {
            "at_us": one.at_us,
            "by": one.who,
            "kind": one.kind,
            "area_id": one.area_id,
            "area_name": names.get(one.area_id),
            "words": one.words,
            "detail": one.detail,
        }
        for one in rows
    ]
