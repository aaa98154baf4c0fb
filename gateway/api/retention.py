"""The retention report: what is kept, what was deleted, and that it is gone."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, record
from gateway.api.errors import unavailable
from gateway.api.kept_scope import kept_paths
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.privacy_answers import RetentionDocument, RetentionProof
from gateway.api.services import Services, ServicesDep
from gateway.cameras import Camera, read_cameras, select_cameras
from gateway.control.channel import ControlError
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.people.areas import area_names, cameras_within
from gateway.people.authorize import COUNTY, Principal
from gateway.people.roles import Right
from gateway.retention_report import (
    CameraReport,
    deleted_by_day,
    derived_overdue,
    prove_deletion,
    report_cameras,
)
from gateway.sheets.csv_sheet import write_csv
from gateway.store import open_configured_store
from recorder.retention import DAY_US
from recorder.stores import StoreError

router = APIRouter(tags=["privacy"])

AreaId = Annotated[str | None, Query(max_length=40)]
Days = Annotated[int, Query(ge=1, le=3650)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=2000)]

_COLUMNS = (
    "camera_id",
    "name",
    "area",
    "required_days",
    "kept_days",
    "overdue_segments",
    "holds",
    "deleted_segments",
    "deleted_bytes",
)


@router.get("/api/retention", response_model=RetentionDocument)
async def read_report(
    caller: Caller,
    services: ServicesDep,
    area_id: AreaId = None,
    days: Days = 30,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Cameras by name, and what was deleted of all of them in the last ``days``."""
    at_us = now_us()
    default_days = services.settings.retention.days
    async with services.reader.connect() as connection:
        where = await _where(connection, caller, area_id, at_us)
        reports, following = await _page(connection, services, where, days, limit, cursor, at_us)
        names = await area_names(connection, [one.camera.area_path for one in reports])
        own = sa.select(cameras.c.id).where(*where)
        return {
            "at_us": at_us,
            "default_days": default_days,
            "days": await deleted_by_day(connection, own, at_us // DAY_US - days),
            "cameras": [_document(one, names, at_us) for one in reports],
            "derived": await derived_overdue(connection, default_days, at_us),
            "next_cursor": following,
        }


@router.get("/api/retention.csv", response_class=Response)
async def read_sheet(
    caller: Caller, services: ServicesDep, area_id: AreaId = None, days: Days = 30
) -> Response:
    """All of the cameras as a sheet."""
    at_us = now_us()
    lines: list[list[str]] = [list(_COLUMNS)]
    cursor: str | None = None
    async with services.reader.connect() as connection:
        where = await _where(connection, caller, area_id, at_us)
        while True:
            reports, cursor = await _page(connection, services, where, days, 1000, cursor, at_us)
            names = await area_names(connection, [one.camera.area_path for one in reports])
            for one in reports:
                document = _document(one, names, at_us)
                document["area"] = "/".join(document["area_path"])
                lines.append([str(document[name]) for name in _COLUMNS])
            if cursor is None:
                break
    return Response(
        await asyncio.to_thread(write_csv, lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="retention.csv"'},
    )


@router.post("/api/retention/proof", response_model=RetentionProof)
async def prove(
    caller: Caller,
    request: Request,
    services: ServicesDep,
    area_id: AreaId = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Look into the store for what should be gone, a page of cameras at a time. With the last page
    of the whole county: also at the disks of the footage servers, for packages of evidence.
    """
    at_us = now_us()
    async with services.reader.connect() as connection:
        where = await _where(connection, caller, area_id, at_us)
        reports, following = await _page(connection, services, where, 1, limit, cursor, at_us)
    store = open_configured_store(services.settings)
    try:
        proof = await prove_deletion(services.reader, store, reports, at_us)
    except StoreError as error:
        raise unavailable(f"the store does not answer, so nothing is proven: {error}") from None
    finally:
        await store.close()
    whole_county = area_id is None and Right.AUDIT in caller.rights_at(COUNTY, at_us)
    if whole_county and following is None:
        proof.remaining += await _packages_left(services)
    await record(
        services, request, caller, "retention.proof",
        cameras_looked_at=len(reports), objects=proof.looked_at, remaining=len(proof.remaining),
    )  # fmt: skip
    return {
        "at_us": at_us,
        "cameras": len(reports),
        "looked_at": proof.looked_at,
        "remaining": proof.remaining,
        "ok": not proof.remaining,
        "next_cursor": following,
    }


async def _packages_left(services: Services) -> list[dict[str, str]]:
    """Packages whose time is over, and whose files are still there. Raises ApiError 503."""
    left: set[str] = set()
    for server in await services.processes.names("footage"):
        try:
            left.update(await services.processes.client(server).call("exports.leftovers"))
        except (ConnectionError, TimeoutError, ControlError) as error:
            raise unavailable(f"{server} does not answer, so nothing is proven: {error}") from None
    return [{"key": f"exports/{job}", "reason": "its time is over"} for job in sorted(left)]


async def _where(
    connection: AsyncConnection, caller: Principal, area_id: str | None, at_us: int
) -> list[sa.ColumnElement[bool]]:
    """Cameras of which the caller may know how they are kept: deleted ones too."""
    return [cameras_within(await kept_paths(connection, caller, area_id, at_us))]


async def _page(
    connection: AsyncConnection,
    services: Services,
    where: list[sa.ColumnElement[bool]],
    days: int,
    limit: int,
    cursor: str | None,
    at_us: int,
) -> tuple[list[CameraReport], str | None]:
    after = read_cursor(cursor, 2)
    conditions = list(where)
    if after is not None:
        conditions.append(sa.tuple_(cameras.c.name, cameras.c.id) > sa.tuple_(*after))
    statement = select_cameras().where(*conditions).order_by(cameras.c.name, cameras.c.id)
    found: list[Camera] = await read_cameras(connection, statement.limit(limit + 1))
    page = found[:limit]
    reports = await report_cameras(
        connection,
        page,
        default_days=services.settings.retention.days,
        since_day=at_us // DAY_US - days,
        at_us=at_us,
    )
    more = len(found) > limit
    return reports, write_cursor([page[-1].name, page[-1].id]) if more else None


def _document(report: CameraReport, names: dict[str, list[str]], at_us: int) -> dict[str, Any]:
    camera = report.camera
    return {
        "camera_id": camera.id,
        "name": camera.name,
        "area_path": names[camera.area_path],
        "deleted_camera": camera.deleted_us is not None,
        "required_days": report.required_days,
        "kept_days": report.kept_days(at_us),
        "oldest_us": report.oldest_us,
        "overdue_segments": report.overdue_segments,
        "holds": report.holds,
        "deleted_segments": report.deleted_segments,
        "deleted_bytes": report.deleted_bytes,
    }
