"""What devices told: pages of it, and its names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from camera_adapters.device_events import DeviceEventKind
from gateway.api.access import Caller, permitted_area, permitted_camera
from gateway.api.operating_answers import DeviceEventPage
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.services import ServicesDep
from gateway.database.operating_tables import device_events
from gateway.database.platform_tables import platforms
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.areas import cameras_within, within
from gateway.people.roles import Right

router = APIRouter(prefix="/api/device-events", tags=["devices and platforms"])

_SHOWN = (
    "id", "platform_id", "camera_id", "channel", "kind", "source", "begin_us", "end_us", "state",
    "count", "detail",
)  # fmt: skip


class EventNames:
    """Names of cameras and platforms for rows of events, remembered."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._names: dict[str, str] = {}

    async def of(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The DeviceEvent documents of rows as they were stored."""
        if not rows:
            return []
        ids = {row[name] for row in rows for name in ("camera_id", "platform_id") if row[name]}
        unknown = ids - self._names.keys()
        if unknown:
            async with self._reader.connect() as connection:
                self._names = await _names_of(connection, ids)
        return [
            {
                **{name: row[name] for name in _SHOWN},
                "camera_name": self._names.get(row["camera_id"] or ""),
                "platform_name": self._names.get(row["platform_id"], ""),
            }
            for row in rows
        ]


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
    where: list[sa.ColumnElement[bool]] = [table.begin_us >= start_us, table.begin_us < end_us]
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
        if kind is not None:
            where.append(table.kind == str(kind))
        if open is not None:
            where.append((table.state == "open") if open else (table.state != "open"))
        key = read_cursor(cursor, 2)
        if key is not None:
            where.append(sa.tuple_(table.begin_us, table.id) < sa.tuple_(_time(key[0]), key[1]))
        statement = (
            sa.select(device_events)
            .where(*where)
            .order_by(table.begin_us.desc(), table.id.desc())
            .limit(limit + 1)
        )
        rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
    items = await EventNames(services.reader).of(rows[:limit])
    last = items[-1] if len(rows) > limit else None
    return {
        "items": items,
        "next_cursor": write_cursor((str(last["begin_us"]), last["id"])) if last else None,
    }


def _time(text: str) -> int:
    # Of a cursor that somebody made himself.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


async def _names_of(connection: AsyncConnection, ids: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for table in (cameras, platforms):
        rows = await connection.execute(
            sa.select(table.c.id, table.c.name).where(table.c.id.in_(ids))
        )
        names.update({row.id: row.name for row in rows})
    return names
