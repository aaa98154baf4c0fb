"""What devices told."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from camera_adapters.device_events import DeviceEventKind
from gateway.api.access import Caller, permitted_area, permitted_camera
from gateway.api.device_event_pages import event_page
from gateway.api.operating_answers import DeviceEventPage
from gateway.api.services import ServicesDep
from gateway.database.operating_tables import device_events
from gateway.database.platform_tables import platforms
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.areas import cameras_within, within
from gateway.people.roles import Right

router = APIRouter(prefix="/api/device-events", tags=["devices and platforms"])


@router.get("", response_model=DeviceEventPage)
async def list_device_events(
    caller: Caller,
    services: ServicesDep,
    camera_id: Annotated[str | None, Query(max_length=40)] = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    platform_id: Annotated[str | None, Query(max_length=40)] = None,
    kind: DeviceEventKind | None = None,
    open: bool | None = None,
    start_us: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    end_us: Annotated[int, Query(ge=0, lt=2**62)] = 2**61,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Those on cameras that the caller may see live, and on devices that they configure; the newest
    first.
    """
    table = device_events.c
    at_us = now_us()
    where: list[sa.ColumnElement[bool]] = []
    async with services.reader.connect() as connection:
        if camera_id is not None:
            await permitted_camera(connection, caller, Right.LIVE, camera_id)
            where.append(table.camera_id == camera_id)
        if platform_id is not None:
            # What its cameras tell is shown by the right to each; who configures it sees all.
            where.append(table.platform_id == platform_id)
        visible: list[sa.ColumnElement[bool]] = []
        live = caller.areas_with(Right.LIVE, at_us)
        if "" not in live:
            mine = sa.select(cameras.c.id).where(cameras_within(live))
            visible.append(table.camera_id.in_(mine))
        else:
            visible.append(table.camera_id.is_not(None))
        configured = caller.areas_with(Right.CONFIGURE, at_us)
        devices = (
            sa.select(platforms.c.id)
            .join(areas, areas.c.id == platforms.c.area_id)
            .where(within(areas.c.path, configured))
        )
        visible.append(table.camera_id.is_(None) & table.platform_id.in_(devices))
        where.append(sa.or_(*visible))
        if area_id is not None:
            path = await permitted_area(connection, caller, Right.LIVE, area_id)
            inside = sa.select(cameras.c.id).where(cameras_within([path]))
            where.append(table.camera_id.in_(inside))
    return await event_page(
        services.reader, caller, where, kind=kind, open=open, start_us=start_us, end_us=end_us,
        limit=limit, cursor=cursor,
    )  # fmt: skip
