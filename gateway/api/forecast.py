"""The storage forecast of each day: who keeps how long, who will not, and since when that shows."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller
from gateway.api.errors import not_found
from gateway.api.forecast_answers import CameraForecastTrend, ForecastDocument, ForecastTrend
from gateway.api.kept_scope import kept_paths
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.api.services import ServicesDep
from gateway.database.capacity_tables import (
    forecast_area_days,
    forecast_camera_days,
    forecast_days,
)
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.areas import area_names, cameras_within, within
from gateway.sheets.csv_sheet import write_csv
from gateway.sheets.xlsx_sheet import write_xlsx

router = APIRouter(tags=["privacy"])

AreaId = Annotated[str | None, Query(max_length=40)]
State = Annotated[Literal["short", "empty", "filling", "ok"] | None, Query()]

_RISEN_SHOWN = 20
_SUMMED = ("cameras", "short", "empty", "filling", "used_bytes", "bytes_per_day")
_COLUMNS = (
    "camera_id",
    "name",
    "area",
    "state",
    "cause",
    "required_days",
    "kept_days",
    "reach_days",
    "short_from",
    "used_bytes",
    "bytes_per_day",
    "bitrate_kbps",
    "before_kbps",
    "risen_bytes_per_day",
)
_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@router.get("/api/forecast", response_model=ForecastDocument)
async def read_forecast(
    caller: Caller,
    services: ServicesDep,
    area_id: AreaId = None,
    state: State = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """The newest day: the store, the areas one below, and cameras, the worst first."""
    async with services.reader.connect() as connection:
        paths = await kept_paths(connection, caller, area_id, now_us())
        day = await _newest(connection)
        default_days = services.settings.retention.days
        if day is None:
            return _nothing(default_days)
        after = read_cursor(cursor, 1)
        found = await _cameras(connection, day.day, paths, state, after, limit + 1)
        names = await area_names(connection, [row["area_path"] for row in found])
        page = found[:limit]
        rows = await _area_rows(connection, day.day, paths)
        return {
            "day": day.day,
            "at_us": day.at_us,
            "default_days": default_days,
            "full_at_us": day.full_at_us,
            "store": _store(day) if "" in paths else None,
            "sums": _sums(rows),
            "areas": await _areas(connection, rows, paths),
            "risen": await _risen(connection, day.day, paths),
            "cameras": [_document(row, names) for row in page],
            "next_cursor": write_cursor([str(page[-1]["place"])]) if len(found) > limit else None,
        }


@router.get("/api/forecast/days", response_model=ForecastTrend)
async def read_trend(
    caller: Caller,
    services: ServicesDep,
    area_id: AreaId = None,
    days: Annotated[int, Query(ge=1, le=750)] = 90,
) -> dict[str, Any]:
    """What the forecast said on each of the last days."""
    table, whole = forecast_area_days.c, forecast_days.c
    async with services.reader.connect() as connection:
        at_us = now_us()
        paths = await kept_paths(connection, caller, area_id, at_us)
        first = at_us // 86_400_000_000 - days + 1
        rows = await connection.execute(
            sa.select(
                table.day,
                *(sa.func.sum(table[name]).label(name) for name in _SUMMED),
                sa.func.min(table.least_days).label("least_days"),
            )
            .join(areas, areas.c.id == table.area_id)
            .where(table.day >= first, within(areas.c.path, paths))
            .group_by(table.day)
        )
        of_areas = {row["day"]: dict(row) for row in rows.mappings()}
        stores = await connection.execute(
            sa.select(whole.day, whole.used_bytes, whole.free_bytes, whole.full_at_us)
            .where(whole.day >= first)
            .order_by(whole.day)
        )
        known = "" in paths
        return {
            "days": [
                {
                    **_EMPTY,
                    **of_areas.get(row.day, {}),
                    "day": row.day,
                    "store_used_bytes": row.used_bytes if known else None,
                    "store_free_bytes": row.free_bytes if known else None,
                    "full_at_us": row.full_at_us,
                }
                for row in stores
            ]
        }


@router.get("/api/forecast/cameras/{camera_id}", response_model=CameraForecastTrend)
async def read_camera_trend(
    caller: Caller, services: ServicesDep, camera_id: str
) -> dict[str, Any]:
    """The days of one camera."""
    table = forecast_camera_days.c
    async with services.reader.connect() as connection:
        paths = await kept_paths(connection, caller, None, now_us())
        mine = sa.select(cameras.c.id).where(cameras.c.id == camera_id, cameras_within(paths))
        if await connection.scalar(mine) is None:
            raise not_found("camera")
        whole = sa.select(forecast_days.c.day)
        rows = await connection.execute(
            sa.select(forecast_camera_days)
            .where(table.camera_id == camera_id, table.day.in_(whole))
            .order_by(table.day)
        )
        return {"days": [dict(row) for row in rows.mappings()]}


@router.get("/api/forecast.{form}", response_class=Response)
async def read_sheet(
    caller: Caller,
    services: ServicesDep,
    form: Literal["csv", "xlsx"],
    area_id: AreaId = None,
    state: State = None,
) -> Response:
    """All the cameras of the newest day as a sheet, the worst first."""
    lines: list[list[str]] = [list(_COLUMNS)]
    async with services.reader.connect() as connection:
        paths = await kept_paths(connection, caller, area_id, now_us())
        day = await _newest(connection)
        found = [] if day is None else await _cameras(connection, day.day, paths, state, None, None)
        names = await area_names(connection, sorted({row["area_path"] for row in found}))
    lines += [_line(row, names) for row in found]
    content = await asyncio.to_thread(_write, form, lines)
    return Response(
        content,
        media_type=_MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="forecast.{form}"'},
    )


_EMPTY: dict[str, Any] = {**dict.fromkeys(_SUMMED, 0), "least_days": None}


def _nothing(default_days: int) -> dict[str, Any]:
    return {
        "day": None,
        "at_us": None,
        "default_days": default_days,
        "full_at_us": None,
        "store": None,
        "sums": _EMPTY,
        "areas": [],
        "risen": [],
        "cameras": [],
        "next_cursor": None,
    }


def _store(day: sa.Row[Any]) -> dict[str, Any]:
    return {
        "used_bytes": day.used_bytes,
        "free_bytes": day.free_bytes,
        "bytes_per_day": day.bytes_per_day,
        "projected_bytes": day.projected,
    }


async def _newest(connection: AsyncConnection) -> sa.Row[Any] | None:
    statement = sa.select(forecast_days).order_by(forecast_days.c.day.desc()).limit(1)
    return (await connection.execute(statement)).one_or_none()


async def _cameras(
    connection: AsyncConnection,
    day: int,
    paths: Sequence[str],
    state: str | None,
    after: Sequence[str] | None,
    limit: int | None,
) -> list[dict[str, Any]]:
    table = forecast_camera_days
    statement = (
        sa.select(table, cameras.c.name, areas.c.path.label("area_path"))
        .join(cameras, cameras.c.id == table.c.camera_id)
        .join(areas, areas.c.id == cameras.c.area_id)
        .where(table.c.day == day, cameras.c.deleted_us.is_(None), cameras_within(paths))
        .order_by(table.c.place)
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(table.c.state == state)
    if after is not None:
        statement = statement.where(table.c.place > cursor_number(after[0]))
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def _risen(
    connection: AsyncConnection, day: int, paths: Sequence[str]
) -> list[dict[str, Any]]:
    table = forecast_camera_days
    rows = await connection.execute(
        sa.select(table, cameras.c.name, areas.c.path.label("area_path"))
        .join(cameras, cameras.c.id == table.c.camera_id)
        .join(areas, areas.c.id == cameras.c.area_id)
        .where(
            table.c.day == day,
            table.c.risen_bytes_per_day > 0,
            cameras.c.deleted_us.is_(None),
            cameras_within(paths),
        )
        .order_by(table.c.risen_bytes_per_day.desc(), table.c.camera_id)
        .limit(_RISEN_SHOWN)
    )
    found = [dict(row) for row in rows.mappings()]
    names = await area_names(connection, [row["area_path"] for row in found])
    return [_document(row, names) for row in found]


async def _area_rows(
    connection: AsyncConnection, day: int, paths: Sequence[str]
) -> list[dict[str, Any]]:
    table = forecast_area_days
    rows = await connection.execute(
        sa.select(table, areas.c.path)
        .join(areas, areas.c.id == table.c.area_id)
        .where(table.c.day == day, within(areas.c.path, paths))
    )
    return [dict(row) for row in rows.mappings()]


def _sums(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    total = dict(_EMPTY)
    for row in rows:
        for name in _SUMMED:
            total[name] += row[name]
        least = [days for days in (total["least_days"], row["least_days"]) if days is not None]
        total["least_days"] = min(least, default=None)
    return total


async def _areas(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], paths: Sequence[str]
) -> list[dict[str, Any]]:
    """The areas one below those that are looked at; where nothing is above, below the root."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        held = max((path for path in paths if row["path"].startswith(path)), key=len)
        parts = row["path"].split("/")[:-1]
        # Of the whole county the root itself says nothing more than the sums do.
        depth = len(held.split("/")[:-1]) if held else 1
        grouped.setdefault(parts[min(depth, len(parts) - 1)], []).append(row)
    found = await connection.execute(
        sa.select(areas.c.id, areas.c.name).where(areas.c.id.in_(grouped))
    )
    names = {row.id: row.name for row in found}
    made = [
        {"area_id": area_id, "name": names.get(area_id, "?"), **_sums(some)}
        for area_id, some in grouped.items()
    ]
    return sorted(made, key=lambda one: (-one["short"], -one["empty"], one["name"]))


def _document(row: Mapping[str, Any], names: Mapping[str, list[str]]) -> dict[str, Any]:
    return {**row, "area_path": names[row["area_path"]]}


def _line(row: Mapping[str, Any], names: Mapping[str, list[str]]) -> list[str]:
    short_from = row["short_from_us"]
    values = {
        **row,
        "area": "/".join(names[row["area_path"]]),
        "short_from": ""
        if short_from is None
        else f"{datetime.datetime.fromtimestamp(short_from / 1e6, datetime.UTC):%Y-%m-%d %H:%M}Z",
        "bitrate_kbps": _kbps(row["bitrate_bps"]),
        "before_kbps": _kbps(row["before_bps"]),
    }
    return ["" if values[name] is None else str(values[name]) for name in _COLUMNS]


def _kbps(bitrate_bps: int | None) -> int | None:
    return None if bitrate_bps is None else round(bitrate_bps / 1000)


def _write(form: str, lines: Sequence[Sequence[str]]) -> bytes:
    return write_csv(lines) if form == "csv" else write_xlsx("forecast", lines)
