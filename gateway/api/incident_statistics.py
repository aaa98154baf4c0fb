"""Statistics of incidents, as an answer and as a sheet."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.api.access import Caller, permitted_areas, record
from gateway.api.answers import Listing
from gateway.api.errors import not_found
from gateway.api.incident_access import scope_of
from gateway.api.incident_answers import StatisticsRow
from gateway.api.services import Services, ServicesDep
from gateway.identifiers import now_us
from gateway.incidents.statistics import Grouping, count_by
from gateway.people.areas import area_path
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.sheets.csv_sheet import write_csv

router = APIRouter(prefix="/api/incident-statistics", tags=["incidents"])

Instant = Annotated[int, Query(ge=0, lt=2**62)]
AreaId = Annotated[str | None, Query(max_length=40)]
_COLUMNS = (
    "name", "opened", "closed", "on_time", "average_arrive_us", "average_resolve_us",
    "average_rating", "under_way", "red",
)  # fmt: skip


@router.get("", response_model=Listing[StatisticsRow])
async def read_statistics(
    caller: Caller,
    services: ServicesDep,
    by: Grouping,
    start_us: Instant,
    end_us: Instant,
    area_id: AreaId = None,
) -> dict[str, Any]:
    """By area (those right below ``area_id``), category or unit, the busiest first."""
    return {"items": await _rows(services, caller, by, start_us, end_us, area_id)}


@router.get("/sheet", response_class=Response)
async def read_sheet(
    caller: Caller,
    request: Request,
    services: ServicesDep,
    by: Grouping,
    start_us: Instant,
    end_us: Instant,
    area_id: AreaId = None,
) -> Response:
    """The same as CSV, which spreadsheets open."""
    rows = await _rows(services, caller, by, start_us, end_us, area_id)
    await record(
        services, request, caller, "incident.statistics",
        start_us=start_us, end_us=end_us, by=by, area_id=area_id,
    )  # fmt: skip
    cells = [["" if row[name] is None else str(row[name]) for name in _COLUMNS] for row in rows]
    return Response(
        write_csv([_COLUMNS, *cells]),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="incidents-{by}.csv"'},
    )


async def _rows(
    services: Services,
    caller: Principal,
    by: Grouping,
    start_us: int,
    end_us: int,
    area_id: str | None,
) -> list[dict[str, Any]]:
    permitted_areas(caller, Right.INCIDENTS)
    async with services.reader.connect() as connection:
        path = None if area_id is None else await area_path(connection, area_id)
        if area_id is not None and path is None:
            raise not_found("area")
        scope = await scope_of(connection, caller)
        return await count_by(connection, scope, by, start_us, end_us, now_us(), path)
