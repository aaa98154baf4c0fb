"""Trails: the way of an object across cameras, as people make it of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import Field

from gateway.api.access import (
    CallerInPerson,
    act,
    audit_records,
    check,
    not_there,
)
from gateway.api.answers import Listing
from gateway.api.errors import ApiError
from gateway.api.search_also_seen import usable_trail
from gateway.api.search_answers import Trail
from gateway.api.search_hits import Eyes, hides
from gateway.api.search_likeness import permitted_passage
from gateway.api.search_scope import SearchCamera, read_search_cameras
from gateway.api.services import Services, ServicesDep
from gateway.audit import AuditRecord, ReasonGiven, append
from gateway.audit.records import act as act_and_append
from gateway.cameras import find_cameras
from gateway.database.investigation_tables import search_requests, trail_points, trails
from gateway.database.tables import cameras, users
from gateway.identifiers import US_PER_S, now_us
from gateway.investigations.filters import Form, Id
from gateway.investigations.requests import (
    in_force,
    own_cases,
    select_requests,
)
from gateway.mask_cover import is_hidden
from gateway.people.authorize import Principal, authorize
from gateway.people.roles import Right
from gateway.sightings.looks import LookSigner
from search.index.messages import StoredPassage
from search.index.reading import find_passages

router = APIRouter(prefix="/api/search", tags=["search"])

_LISTED_LIMIT = 200


class TrailForm(Form):
    """A new trail."""

    request_id: Id
    title: str = Field(min_length=1, max_length=200)


class TrailChange(Form):
    """Its title."""

    title: str = Field(min_length=1, max_length=200)


class PointForm(Form):
    """A passage that belongs to the way."""

    passage_id: str = Field(pattern=r"^[0-9]{1,19}$")
    note: str = Field(default="", max_length=500)


class Attachment(Form):
    """How the case takes it over. ``hold`` left out: footage is held where the caller may."""

    hold: bool | None = None
    before_s: int = Field(default=30, ge=0, le=3600)
    after_s: int = Field(default=30, ge=0, le=3600)


@router.get("/trails", response_model=Listing[Trail], response_model_by_alias=True)
async def list_trails(
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    case_id: Annotated[str | None, Query(max_length=40)] = None,
    request_id: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """Those of the caller's cases, the newest first. On record: their pictures are looked at."""
    where: list[sa.ColumnElement[bool]] = [trails.c.case_id.in_(own_cases(caller))]
    if case_id is not None:
        where.append(trails.c.case_id == case_id)
    if request_id is not None:
        where.append(trails.c.request_id == request_id)
    items, records = await _documents(services, caller, request, *where)
    await append(services.rows, records)
    return {"items": items}


@router.post("/trails", status_code=201, response_model=Trail, response_model_by_alias=True)
async def begin_trail(
    body: TrailForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """A trail without points, for a request in force."""
    async with services.reader.connect() as connection:
        asked = await usable_trail(connection, caller, body.request_id)
    trail_id = await act(
        services, request, caller, "trail.create", "investigations.begin_trail",
        {"request_id": asked.id, "user_id": caller.user_id, "title": body.title},
        area=asked.area_path, reason=ReasonGiven(case_id=asked.case_id), result_as="trail_id",
        detail={"request_id": asked.id, "title": body.title},
    )  # fmt: skip
    return await _document(services, caller, request, trail_id)


@router.get("/trails/{trail_id}", response_model=Trail, response_model_by_alias=True)
async def read_trail(
    trail_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """One trail. On record, as the list is."""
    return await _document(services, caller, request, trail_id)


@router.patch("/trails/{trail_id}", response_model=Trail, response_model_by_alias=True)
async def rename_trail(
    trail_id: str,
    body: TrailChange,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Another title."""
    row, asked = await _trail(services, caller, trail_id)
    await _act(
        services, request, caller, asked, "trail.change", "investigations.rename_trail",
        {"trail_id": row.id, "title": body.title}, title=body.title,
    )  # fmt: skip
    return await _document(services, caller, request, trail_id)


@router.delete("/trails/{trail_id}", status_code=204)
async def delete_trail(
    trail_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Forget it. Minutes that it put into the case stay there."""
    row, asked = await _trail(services, caller, trail_id)
    await _act(
        services, request, caller, asked, "trail.delete", "investigations.delete_trail",
        {"trail_id": row.id},
    )  # fmt: skip


@router.post("/trails/{trail_id}/points", response_model=Trail, response_model_by_alias=True)
async def add_point(
    trail_id: str,
    body: PointForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Add a passage to the way, at its time."""
    row, asked = await _trail(services, caller, trail_id)
    passage, camera, _ = await permitted_passage(services, caller, int(body.passage_id))
    if not any(path.startswith(asked.area_path) for path in camera.area_paths):
        raise ApiError(403, "not_allowed", "this camera is outside of the request's area")
    arguments = {
        "trail_id": row.id, "user_id": caller.user_id, "passage_id": passage.id,
        "camera_id": camera.id, "first_us": passage.first_us, "last_us": passage.last_us,
        "best_us": passage.best_us, "object_class": str(passage.object_class),
        "box": list(passage.box), "note": body.note,
    }  # fmt: skip
    records = audit_records(
        request, caller, "trail.add", cameras=[camera], start_us=passage.first_us,
        end_us=passage.last_us + 1, reason=ReasonGiven(case_id=asked.case_id),
        detail={"trail_id": row.id, "passage_id": body.passage_id},
    )  # fmt: skip
    await act_and_append(
        services.rows, "investigations.add_point", arguments, records, result_as="point_id"
    )
    return await _document(services, caller, request, trail_id)


@router.delete("/trails/{trail_id}/points/{point_id}", status_code=204)
async def remove_point(
    trail_id: str,
    point_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> None:
    """Take a passage out of the way again."""
    row, asked = await _trail(services, caller, trail_id)
    await _act(
        services, request, caller, asked, "trail.remove", "investigations.remove_point",
        {"trail_id": row.id, "point_id": point_id}, point_id=point_id,
    )  # fmt: skip


@router.post("/trails/{trail_id}/attach", response_model=Trail, response_model_by_alias=True)
async def attach_trail(
    trail_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: Attachment | None = None,
) -> dict[str, Any]:
    """Put the route into the case, which keeps it from now on: minutes of each camera on the way
    that the caller may play back, held where they may hold.
    """
    form = body or Attachment()
    row, asked = await _trail(services, caller, trail_id)
    async with services.reader.connect() as connection:
        points = (
            await connection.execute(
                sa.select(trail_points)
                .where(trail_points.c.trail_id == row.id)
                .order_by(trail_points.c.first_us)
            )
        ).all()
        places = await find_cameras(
            connection, list({one.camera_id for one in points}), deleted=True
        )
    if not points:
        raise ApiError(409, "conflict", "there is no point in this trail yet")
    items = []
    for number, one in enumerate(points, 1):
        camera = places[one.camera_id]
        check(caller, Right.PLAYBACK, camera)
        may_hold = authorize(caller, Right.HOLD, camera, now_us()).allowed
        if form.hold:
            check(caller, Right.HOLD, camera)
        items.append(
            {
                "point_id": one.id,
                "camera_id": one.camera_id,
                "start_us": max(0, one.first_us - form.before_s * US_PER_S),
                "end_us": one.last_us + form.after_s * US_PER_S,
                "title": f"{row.title} {number}/{len(points)}"[:200],
                "hold": may_hold if form.hold is None else form.hold,
            }
        )
    await act(
        services, request, caller, "trail.attach", "investigations.attach_trail",
        {"trail_id": row.id, "user_id": caller.user_id, "items": items,
         "reason": f"{asked.reason}"[:500]},
        area=asked.area_path, reason=ReasonGiven(case_id=row.case_id), result_as="made",
        detail={"trail_id": row.id, "title": row.title},
    )  # fmt: skip
    return await _document(services, caller, request, trail_id)


async def _trail(
    services: Services, caller: Principal, trail_id: str
) -> tuple[sa.Row[Any], sa.Row[Any]]:
    """The trail and its request, if the caller works on the case."""
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(trails).where(
                    trails.c.id == trail_id, trails.c.case_id.in_(own_cases(caller))
                )
            )
        ).one_or_none()
        if row is None:
            raise not_there()
        asked = (
            await connection.execute(
                select_requests().where(search_requests.c.id == row.request_id)
            )
        ).one()
    if row.attached_us is None and not in_force(asked, now_us()):
        # Gone at the next sweep.
        raise not_there()
    return row, asked


async def _act(
    services: Services,
    request: Request,
    caller: Principal,
    asked: sa.Row[Any],
    action: str,
    operation: str,
    arguments: dict[str, Any],
    **detail: Any,
) -> Any:
    return await act(
        services, request, caller, action, operation, arguments, area=asked.area_path,
        reason=ReasonGiven(case_id=asked.case_id),
        detail={"trail_id": arguments["trail_id"], **detail},
    )  # fmt: skip


async def _document(
    services: Services, caller: Principal, request: Request, trail_id: str
) -> dict[str, Any]:
    await _trail(services, caller, trail_id)
    items, records = await _documents(services, caller, request, trails.c.id == trail_id)
    await append(services.rows, records)
    return items[0]


async def _documents(
    services: Services, caller: Principal, request: Request, *where: sa.ColumnElement[bool]
) -> tuple[list[dict[str, Any]], list[AuditRecord]]:
    """The trails, and the records to be written before they are shown: one for each with points."""
    async with services.reader.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(trails)
                .where(*where)
                .order_by(trails.c.created_us.desc(), trails.c.id)
                .limit(_LISTED_LIMIT)
            )
        ).all()
        points = (
            await connection.execute(
                sa.select(trail_points)
                .where(trail_points.c.trail_id.in_([row.id for row in rows]))
                .order_by(trail_points.c.first_us, trail_points.c.id)
            )
        ).all()
        found = await read_search_cameras(
            connection, cameras.c.id.in_({one.camera_id for one in points})
        )
        known = {one.id: one for one in found}
        eyes = Eyes(caller, LookSigner(services.secret), ReasonGiven())
        await eyes.read(connection, found)
        passages = await find_passages(connection, [one.passage_id for one in points])
        names = {
            row.id: {"id": row.id, "name": row.name, "display_name": row.display_name}
            for row in await connection.execute(
                sa.select(users.c.id, users.c.name, users.c.display_name).where(
                    users.c.id.in_(
                        {row.created_by for row in rows} | {one.added_by for one in points}
                    )
                )
            )
        }
        asked = {
            row.id: row
            for row in await connection.execute(
                select_requests().where(search_requests.c.id.in_({row.request_id for row in rows}))
            )
        }
    documents: list[dict[str, Any]] = []
    records: list[AuditRecord] = []
    for row in rows:
        of = asked[row.request_id]
        usable = in_force(of, now_us())
        if row.attached_us is None and not usable:
            continue
        own = [one for one in points if one.trail_id == row.id]
        eyes.reason = ReasonGiven(text=of.reason, case_id=row.case_id)
        shown = [
            _point(eyes, one, known[one.camera_id], passages.get(one.passage_id), names)
            for one in own
            if authorize(caller, Right.SEARCH, known[one.camera_id], now_us()).allowed
        ]
        told = [one for one in shown if one is not None]
        documents.append(
            {
                "id": row.id,
                "case_id": row.case_id,
                "request_id": row.request_id,
                "title": row.title,
                "created_us": row.created_us,
                "created_by": names[row.created_by],
                "expires_us": None if row.attached_us is not None else of.expires_us,
                "attached_us": row.attached_us,
                "usable": usable,
                "hidden_points": len(own) - len(told),
                "points": told,
            }
        )
        if told:
            records += audit_records(
                request, caller, "trail.show", area=of.area_path, reason=eyes.reason,
                detail={"trail_id": row.id, "points": len(told),
                        "camera_ids": sorted({one["camera_id"] for one in told})},
            )  # fmt: skip
    return documents, records


def _point(
    eyes: Eyes,
    row: sa.Row[Any],
    camera: SearchCamera,
    passage: StoredPassage | None,
    names: dict[str, dict[str, str]],
) -> dict[str, Any] | None:
    """A point; None where it lies beneath a mask for them."""
    path: Sequence[Any] = []
    if passage is not None and hides(eyes, passage):
        return None
    if is_hidden(row.box, path, eyes.masks(camera.id, row.first_us, row.last_us)):
        return None
    crop = passage is not None and passage.crop is not None
    return {
        "id": row.id,
        "passage_id": str(row.passage_id),
        "camera_id": camera.id,
        "camera_name": camera.name,
        "area_path": eyes.area_names(camera.area_path),
        "position": camera.position,
        "first_us": row.first_us,
        "last_us": row.last_us,
        "best_us": row.best_us,
        "class": row.object_class,
        "note": row.note,
        "added_us": row.added_us,
        "added_by": names[row.added_by],
        "crop_url": eyes.crop_url(row.passage_id) if crop else None,
        "withheld": None if crop else "gone",
        "playback": authorize(eyes.caller, Right.PLAYBACK, camera, eyes.at_us).allowed,
    }
