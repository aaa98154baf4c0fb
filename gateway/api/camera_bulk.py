"""One change to many cameras: previewed, then done as previewed or not at all."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, audit_records, check, permitted_area, visible_area
from gateway.api.errors import ApiError, invalid, not_found
from gateway.api.services import ServicesDep
from gateway.audit import act as act_and_append
from gateway.camera_bulk import CAMERAS_LIMIT, BulkChange, CameraEdit, bulk_token, plan_bulk
from gateway.cameras import Camera, find_cameras, read_cameras, select_cameras
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.areas import area_names, cameras_within, last_area
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.people.search_key import matches

router = APIRouter(prefix="/api/cameras", tags=["cameras"])

_SHOWN = 200


class CameraSelection(BaseModel):
    """Which cameras: these; or those in an area's subtree that a search finds."""

    model_config = ConfigDict(extra="forbid")

    camera_ids: list[Annotated[str, Field(max_length=40)]] | None = Field(
        default=None, min_length=1, max_length=CAMERAS_LIMIT
    )
    area_id: str | None = Field(default=None, max_length=40)
    query: str = Field(default="", max_length=200)


class BulkForm(BaseModel):
    """What to do to which cameras; with the ``token`` of a preview it is done."""

    model_config = ConfigDict(extra="forbid")

    select: CameraSelection
    change: BulkChange
    token: str | None = Field(default=None, max_length=64)


class BulkFieldChange(BaseModel):
    """A field, before and after."""

    field: str
    before: str
    after: str


class BulkItem(BaseModel):
    """A camera that changes."""

    camera_id: str
    name: str
    changes: list[BulkFieldChange]


class BulkAnswer(BaseModel):
    """``count`` cameras were chosen and ``changed`` of them change; the first are shown."""

    count: int
    changed: int
    items: list[BulkItem]
    token: str | None


@router.post("/bulk", response_model=BulkAnswer)
async def change_cameras(
    body: BulkForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Without a token, what it would do; with it, do exactly that."""
    async with services.reader.connect() as connection:
        chosen = await _chosen(connection, caller, body.select)
        for area_id in body.change.place_ids():
            await permitted_area(connection, caller, Right.CONFIGURE, area_id)
        names = await _names(connection, chosen, body.change)
    try:
        edits = plan_bulk(chosen, body.change, names)
    except ValueError as error:
        raise invalid(**{"change.rename": str(error)}) from None
    token = bulk_token(edits)
    if body.token is None:
        return _answer(chosen, edits, token)
    if body.token != token:
        raise ApiError(
            409, "changed_meanwhile", "these cameras have changed since the preview: look again"
        )
    if edits:
        steps = [
            {
                "camera_id": edit.camera.id,
                "changed_us": edit.camera.changed_us,
                "columns": edit.columns,
            }
            for edit in edits
        ]
        records = [
            record
            for edit in edits
            for record in audit_records(
                request,
                caller,
                "camera.change",
                cameras=[edit.camera],
                detail={"fields": sorted(edit.columns), "bulk": token[:16]},
            )
        ]
        await act_and_append(services.rows, "cameras.change_many", {"steps": steps}, records)
        await services.processes.configuration_changed()
    return _answer(chosen, edits, None)


async def _chosen(
    connection: AsyncConnection, caller: Principal, select: CameraSelection
) -> list[Camera]:
    """The cameras, every one of which the caller may configure."""
    if select.camera_ids is not None:
        found = await find_cameras(connection, select.camera_ids)
        if any(camera_id not in found for camera_id in select.camera_ids):
            raise not_found("camera")
        cameras_chosen = [found[camera_id] for camera_id in dict.fromkeys(select.camera_ids)]
    else:
        where = [cameras.c.deleted_us.is_(None), cameras_within(caller.areas_with(None, now_us()))]
        if select.area_id is not None:
            path = await visible_area(connection, caller, select.area_id)
            where.append(cameras_within([path]))
        if select.query:
            where.append(matches(cameras.c.search_key, select.query))
        statement = select_cameras().where(*where).order_by(cameras.c.name, cameras.c.id)
        cameras_chosen = await read_cameras(connection, statement.limit(CAMERAS_LIMIT + 1))
        if len(cameras_chosen) > CAMERAS_LIMIT:
            raise invalid(select=f"these are more than {CAMERAS_LIMIT} cameras: choose fewer")
    for camera in cameras_chosen:
        check(caller, Right.CONFIGURE, camera)
    return cameras_chosen


async def _names(
    connection: AsyncConnection, chosen: list[Camera], change: BulkChange
) -> dict[str, str]:
    """How each area that may be shown is called, by id."""
    rows = await connection.execute(
        sa.select(areas.c.path).where(areas.c.id.in_(change.place_ids()))
    )
    paths = {path for camera in chosen for path in camera.area_paths} | {row.path for row in rows}
    names = await area_names(connection, sorted(paths))
    return {last_area(path): "/".join(parts) for path, parts in names.items()}


def _answer(chosen: list[Camera], edits: list[CameraEdit], token: str | None) -> dict[str, Any]:
    return {
        "count": len(chosen),
        "changed": len(edits),
        "items": [
            {"camera_id": edit.camera.id, "name": edit.camera.name, "changes": edit.changes}
            for edit in edits[:_SHOWN]
        ],
        "token": token,
    }
