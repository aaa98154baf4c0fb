"""Camera health: how cameras stand, in a list and a sheet, their pictures, new references."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.accountability import require_purpose
from gateway.api.access import (
    Caller,
    act,
    permitted_area,
    permitted_areas,
    permitted_camera,
    record,
)
from gateway.api.errors import ApiError, not_found
from gateway.api.health_answers import CameraHealth, HealthCounts, HealthPage
from gateway.api.health_patrol import measured
from gateway.api.meeting_sheets import sheet_answer
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.services import Services, ServicesDep
from gateway.database.health_tables import camera_health, camera_health_references
from gateway.health.completeness import day_text
from gateway.health.keeping import forget_pictures, keep_picture
from gateway.health.reading import (
    CONCERNS,
    Chosen,
    Concern,
    Limits,
    count_concerns,
    read_days,
    read_health,
)
from gateway.health.report import report_rows
from gateway.health.seeing import NotSeen, see
from gateway.identifiers import now_us
from gateway.masks import covering, mask_history
from gateway.meetings.reports import Language
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right
from gateway.transcoder.picture import drawn_jpeg
from gateway.watermark import picture_lines, viewer_name
from recorder.stores import StoreError

router = APIRouter(prefix="/api/health", tags=["camera health"])

_REPORT_LIMIT = 20_000
_REPORT_DAYS = 30
_PICTURE_BYTES_LIMIT = 4 * 1024 * 1024

AreaId = Annotated[str | None, Query(max_length=40)]
Days = Annotated[int, Query(ge=1, le=90)]


@router.get("/counts", response_model=HealthCounts)
async def read_counts(
    caller: Caller, services: ServicesDep, area_id: AreaId = None
) -> dict[str, Any]:
    """How many of the cameras that the caller sees live have what."""
    at_us = now_us()
    paths = await _asked(services, caller, area_id)
    async with services.reader.connect() as connection:
        counts = await count_concerns(connection, paths, _limits(services, at_us))
    return {
        "at_us": at_us,
        **{name: counts[name] for name in ("cameras", "looked", "well")},
        "concerns": {name: counts[name] for name in CONCERNS},
    }


@router.get("/cameras", response_model=HealthPage)
async def list_health(
    caller: Caller,
    services: ServicesDep,
    area_id: AreaId = None,
    concern: Concern | None = None,
    only_unwell: bool = False,
    days: Days = 14,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Those that the caller sees live, by name."""
    key = read_cursor(cursor, 2)
    after = None if key is None else (key[0], key[1])
    chosen = Chosen(await _asked(services, caller, area_id), concern, only_unwell, after, limit + 1)
    found, strip = await _read(services, caller, chosen, days)
    items = found[:limit]
    last = items[-1] if len(found) > limit else None
    return {
        "items": items,
        "next_cursor": write_cursor((last["name"], last["camera_id"])) if last else None,
        "days": strip,
    }


@router.get("/report.xlsx", response_class=Response)
async def read_report(
    caller: Caller,
    request: Request,
    services: ServicesDep,
    area_id: AreaId = None,
    concern: Concern | None = None,
    only_unwell: bool = True,
    language: Language = "zh",
) -> Response:
    """The patrol report: those that are unwell, or with this concern, or all."""
    paths = await _asked(services, caller, area_id)
    await record(services, request, caller, "health.report", area_id=area_id, concern=concern)
    chosen = Chosen(paths, concern, only_unwell, None, _REPORT_LIMIT)
    found, strip = await _read(services, caller, chosen, _REPORT_DAYS)
    offset = services.settings.health.utc_offset_minutes
    rows = await asyncio.to_thread(report_rows, found, strip[-2], language, offset)
    return await sheet_answer("camera-health", rows)


@router.post("/cameras/{camera_id}/reference", response_model=CameraHealth)
async def refer(
    camera_id: str, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """What the camera shows now is right. 503 ``no_picture`` where it shows nothing."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    store = services.storage.store
    try:
        seen = await see(services.processes, camera.id)
        measures = await measured(seen)
        keys = [await keep_picture(store, camera.id, seen.jpeg) for _ in range(2)]
    except (NotSeen, StoreError, OSError) as error:
        raise ApiError(503, "no_picture", str(error)) from None
    from gateway.health.judging import reference_row
    from gateway.health.picture_measures import Reference

    name = caller.display_name or caller.name
    gone = await act(
        services, request, caller, "health.refer", "health.refer",
        {
            "camera_id": camera.id, "at_us": now_us(), "picture_us": seen.at_us,
            "picture_key": keys[0],
            "reference": reference_row(Reference.of(measures), seen.at_us, keys[1], name),
        },
        cameras=[camera], detail={"mode": measures.mode},
    )  # fmt: skip
    await forget_pictures(store, gone)
    chosen = Chosen([camera.area_path], only_camera=camera.id)
    return (await _read(services, caller, chosen, 14))[0][0]


@router.get("/cameras/{camera_id}/picture.jpg", response_class=Response)
async def read_picture(
    camera_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    of: Literal["last", "day", "dim", "night"] = "last",
) -> Response:
    """The picture that was kept last, or the reference of a light. 404 where there is none."""
    async with services.reader.connect() as connection:
        camera, decision = await permitted_camera(connection, caller, Right.LIVE, camera_id)
        key, at_us = await _kept(connection, camera.id, of)
        masks = covering(await mask_history(connection, camera.id), at_us, at_us + 1)
    reason = await require_purpose(services, caller, "live", None)
    await record(
        services, request, caller, "health.picture", cameras=[camera], reason=reason,
        start_us=at_us, end_us=at_us + 1, of=of,
    )  # fmt: skip
    try:
        jpeg = await services.storage.store.read(key, 0, _PICTURE_BYTES_LIMIT)
    except StoreError as error:
        raise ApiError(503, "no_picture", str(error)) from None
    lines = picture_lines(camera.name, viewer_name(caller.name, caller.display_name), at_us)
    covered = () if decision.may_lift_masks else masks
    drawn = await asyncio.to_thread(drawn_jpeg, jpeg, covered, lines)
    return Response(drawn, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _kept(connection: AsyncConnection, camera_id: str, of: str) -> tuple[str, int]:
    if of == "last":
        last = camera_health.c
        statement = sa.select(last.picture_key, last.kept_us).where(last.camera_id == camera_id)
    else:
        table = camera_health_references.c
        statement = sa.select(table.picture_key, table.at_us).where(
            table.camera_id == camera_id, table.mode == of
        )
    row = (await connection.execute(statement)).one_or_none()
    if row is None or row[0] is None:
        raise not_found("picture")
    return row[0], row[1]


async def _read(
    services: Services, caller: Principal, chosen: Chosen, days: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """``CameraHealth`` of those chosen, and the days of their strips."""
    at_us = now_us()
    limits = _limits(services, at_us)
    first, last = limits.yesterday + 2 - days, limits.yesterday + 1
    async with services.reader.connect() as connection:
        found = await read_health(connection, chosen, limits)
        strips = await read_days(connection, [one["camera_id"] for one in found], first, last)
    documents = []
    for one in found:
        place: AreaPlace = one.pop("place")
        documents.append(
            {
                **one,
                "days": strips[one["camera_id"]],
                "may_refer": Right.CONFIGURE in caller.rights_at(place, at_us),
            }
        )
    return documents, [day_text(day) for day in range(first, last + 1)]


async def _asked(services: Services, caller: Principal, area_id: str | None) -> list[str]:
    """Where the caller sees live, or the area in which they ask."""
    if area_id is None:
        return permitted_areas(caller, Right.LIVE)
    async with services.reader.connect() as connection:
        return [await permitted_area(connection, caller, Right.LIVE, area_id)]


def _limits(services: Services, at_us: int) -> Limits:
    return Limits.of(services.settings.health, services.settings.alarms, at_us)
