"""Lines and regions in cameras' pictures, and what happened in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.analysis.desired import is_analysed
from gateway.api.access import Caller, act, permitted_area, permitted_camera
from gateway.api.device_event_pages import event_page
from gateway.api.errors import ApiError
from gateway.api.services import Services, ServicesDep
from gateway.api.zone_answers import CameraZones, ZoneEventPage
from gateway.database.operating_tables import device_events
from gateway.database.tables import cameras
from gateway.database.zone_tables import ZONE_SOURCE
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import cameras_within
from gateway.people.roles import Right
from gateway.zones.form import ZONES_LIMIT, ZoneForm, documents_of
from gateway.zones.zone_reader import zones_of
from search.zones.document import ZoneRefused
from search.zones.zone import RuleKind

router = APIRouter(prefix="/api", tags=["zones"])

CLIP_BEFORE_US = 10 * US_PER_S
CLIP_AFTER_US = 20 * US_PER_S


class ZonesForm(BaseModel):
    """All zones of a camera, in place of those of ``version``."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=0, le=2**31)
    zones: list[ZoneForm] = Field(max_length=ZONES_LIMIT)


@router.get("/cameras/{camera_id}/zones", response_model=CameraZones)
async def read_zones(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The zones in force."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.LIVE, camera_id)
        return await _document(services, connection, camera.id)


@router.put("/cameras/{camera_id}/zones", response_model=CameraZones)
async def put_zones(
    camera_id: str, body: ZonesForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Replace the zones. They hold from the next picture on."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
        before = await zones_of(connection, camera.id)
    known = [zone["id"] for zone in before["zones"]] if before is not None else []
    try:
        zones = documents_of(body.zones, known)
    except ZoneRefused as error:
        raise ApiError(422, "invalid", str(error)) from None
    await act(
        services, request, caller, "camera.zones", "zones.put",
        {
            "camera_id": camera.id,
            "version": body.version,
            "zones": zones,
            "user_id": caller.user_id,
            "user_name": caller.name,
        },
        cameras=[camera],
        detail={
            "version": body.version + 1,
            "zones": [zone["name"] for zone in zones],
            "removed": len(set(known) - {zone["id"] for zone in zones}),
        },
    )  # fmt: skip
    # They would look within seconds.
    await services.analysts.all_told("analysis.reconcile")
    async with services.reader.connect() as connection:
        return await _document(services, connection, camera.id)


@router.get("/zones/events", response_model=ZoneEventPage)
async def list_zone_events(
    caller: Caller,
    services: ServicesDep,
    camera_id: Annotated[str | None, Query(max_length=40)] = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    zone_id: Annotated[str | None, Query(max_length=40)] = None,
    kind: RuleKind | None = None,
    open: bool | None = None,
    start_us: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    end_us: Annotated[int, Query(ge=0, lt=2**62)] = 2**61,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """What happened in zones of cameras that the caller may see live; the newest first."""
    table = device_events.c
    where: list[sa.ColumnElement[bool]] = [
        table.source.startswith(ZONE_SOURCE)
        if zone_id is None
        else table.source == f"{ZONE_SOURCE}{zone_id}",
    ]
    async with services.reader.connect() as connection:
        if camera_id is not None:
            await permitted_camera(connection, caller, Right.LIVE, camera_id)
            where.append(table.camera_id == camera_id)
        paths = caller.areas_with(Right.LIVE, now_us())
        if area_id is not None:
            paths = [await permitted_area(connection, caller, Right.LIVE, area_id)]
        where.append(table.camera_id.in_(sa.select(cameras.c.id).where(cameras_within(paths))))
    page = await event_page(
        services.reader, caller, where, kind=kind, open=open, start_us=start_us, end_us=end_us,
        limit=limit, cursor=cursor,
    )  # fmt: skip
    return {**page, "items": [_event(item) for item in page["items"]]}


def _event(item: Mapping[str, Any]) -> dict[str, Any]:
    begin_us: int = item["begin_us"]
    return {
        **item,
        "zone_id": item["source"].removeprefix(ZONE_SOURCE),
        "zone_name": item["detail"].get("zone_name", ""),
        "clip": {
            "start_us": max(0, begin_us - CLIP_BEFORE_US),
            "end_us": begin_us + CLIP_AFTER_US,
        },
    }


async def _document(services: Services, connection: Any, camera_id: str) -> dict[str, Any]:
    row = await zones_of(connection, camera_id)
    analysed = await connection.scalar(sa.select(is_analysed()).where(cameras.c.id == camera_id))
    return {
        "camera_id": camera_id,
        "version": row["version"] if row is not None else 0,
        "zones": row["zones"] if row is not None else [],
        "changed_us": row["changed_us"] if row is not None else None,
        "changed_by": row["user_name"] if row is not None else None,
        "watched": bool(analysed) and services.settings.search.enabled,
    }
