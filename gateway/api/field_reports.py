"""Reports from the field: sent from telephones, each once however often it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import (
    Caller,
    CallerInPerson,
    audit_records,
    not_there,
    permitted_areas,
)
from gateway.api.answers import Listing, TimeUs
from gateway.api.attachments import FileAnswer
from gateway.api.errors import ApiError, invalid
from gateway.api.forms import Form
from gateway.api.services import Services, ServicesDep
from gateway.attachments.reading import files_of
from gateway.attachments.subjects import seen_by
from gateway.database.field_tables import field_reports
from gateway.database.incident_tables import incident_categories
from gateway.database.tables import areas, users
from gateway.field.judging import Fix, judge_place, judge_times
from gateway.field.placing import (
    Cell,
    area_near,
    county_box,
    find_cell,
    home_area,
    last_fix,
    places_in,
)
from gateway.field.report_rows import REPORT
from gateway.identifiers import now_us
from gateway.incidents.categories import DEFAULTS
from gateway.people.areas import area_names
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

router = APIRouter(prefix="/api/field", tags=["field"])

FILES_LIMIT = 9
_LISTED = 50
_PhoneUs = Annotated[int, Field(ge=0, lt=2**62)]
CategoryName = Annotated[str, Field(description="what is reported, as people call it")]
ClientId = Annotated[str, Field(pattern=r"^[a-z0-9]{16,40}$")]


class PlaceForm(Form):
    """A fix by satellite, WGS-84, by the telephone's clock."""

    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    accuracy_m: float | None = Field(default=None, ge=0, le=1e7, allow_inf_nan=False)
    at_phone_us: _PhoneUs


class ReportForm(Form):
    """``id`` is made by the telephone and never used again. ``grid``: the code that was scanned.
    ``made_phone_us`` and ``sent_phone_us``: the telephone's clock when it was written, and when
    this was sent. ``files``: how many follow as uploads with this ``id``.
    """

    id: ClientId
    category: str | None = Field(default=None, max_length=100)
    words: str = Field(default="", max_length=2000)
    place_words: str = Field(default="", max_length=200)
    grid: str | None = Field(default=None, max_length=60)
    place: PlaceForm | None = None
    made_phone_us: _PhoneUs
    sent_phone_us: _PhoneUs
    files: int = Field(default=0, ge=0, le=FILES_LIMIT)


class ReportAnswer(BaseModel):
    """A report as it is kept. ``flags`` say what to doubt of its place and times."""

    id: str
    client_id: str
    area_id: str
    area_path: list[str]
    grid_id: str | None
    category: str | None
    words: str
    place_words: str
    longitude: float | None
    latitude: float | None
    accuracy_m: float | None
    flags: list[str]
    made_us: TimeUs
    skew_ms: int
    received_us: TimeUs
    files_expected: int
    files: list[FileAnswer]
    incident_id: str | None
    reporter: str


@dataclass(frozen=True, slots=True)
class _Placed:
    area_id: str
    grid_id: str | None
    flags: list[str]


@router.get("/categories", response_model=Listing[CategoryName])
async def list_categories(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The names of what is reported, in the order in which they are offered."""
    permitted_areas(caller, Right.REPORT)
    table = incident_categories.c
    async with services.reader.connect() as connection:
        rows = (
            await connection.execute(sa.select(table.name, table.retired).order_by(table.position))
        ).all()
    offered = [row.name for row in rows if not row.retired]
    return {"items": offered if rows else [name for name, *_ in DEFAULTS]}


@router.post("/reports", status_code=201, response_model=ReportAnswer)
async def send_report(
    body: ReportForm,
    caller: CallerInPerson,
    request: Request,
    response: Response,
    services: ServicesDep,
) -> dict[str, Any]:
    """Report something; 200 for one that is known by its id already, with what is kept of it."""
    paths = permitted_areas(caller, Right.REPORT)
    if not (body.words or body.files or body.category):
        raise invalid(words="say what it is about, or send a picture with it")
    received_us = now_us()
    times = judge_times(body.made_phone_us, body.sent_phone_us, received_us)
    fix = None
    if body.place is not None:
        at_us = min(received_us, body.place.at_phone_us + times.skew_us)
        place = body.place
        fix = Fix(place.longitude, place.latitude, place.accuracy_m, max(0, at_us))
    async with services.reader.connect() as connection:
        placed = await _placed(connection, services, caller, paths, body.grid, fix, times.made_us)
    columns = {
        "user_id": caller.user_id,
        "client_id": body.id,
        "area_id": placed.area_id,
        "grid_id": placed.grid_id,
        "category": plain(body.category) if body.category else None,
        "words": plain(body.words),
        "place_words": plain(body.place_words),
        "longitude": None if fix is None else fix.longitude,
        "latitude": None if fix is None else fix.latitude,
        "accuracy_m": None if fix is None else fix.accuracy_m,
        "flags": [*times.flags, *placed.flags],
        "made_phone_us": body.made_phone_us,
        "made_us": times.made_us,
        "skew_ms": times.skew_us // 1000,
        "received_us": received_us,
        "files": body.files,
    }
    (record,) = audit_records(
        request, caller, "report.make", detail={"flags": columns["flags"], "files": body.files}
    )
    report_id, is_new = await _keep(services, caller, columns, record.to_message())
    if is_new:
        services.incidents.look()
    else:
        response.status_code = 200
    async with services.reader.connect() as connection:
        return (await report_documents(connection, field_reports.c.id == report_id))[0]


@router.get("/reports", response_model=Listing[ReportAnswer])
async def list_reports(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """One's own, the newest first."""
    async with services.reader.connect() as connection:
        own = field_reports.c.user_id == caller.user_id
        return {"items": await report_documents(connection, own)}


@router.get("/reports/{report_id}", response_model=ReportAnswer)
async def read_report(report_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One's own, or one of a place where one reads incidents."""
    async with services.reader.connect() as connection:
        if await sight(connection, caller, report_id) is None:
            raise not_there()
        return (await report_documents(connection, field_reports.c.id == report_id))[0]


async def sight(connection: AsyncConnection, principal: Principal, report_id: str) -> str | None:
    """The path of a report's area, where the principal may see the report."""
    row = (
        await connection.execute(
            sa.select(field_reports.c.user_id, areas.c.path)
            .select_from(field_reports.outerjoin(areas, areas.c.id == field_reports.c.area_id))
            .where(field_reports.c.id == report_id)
        )
    ).one_or_none()
    if row is None:
        return None
    path = row.path or ""
    if row.user_id == principal.user_id:
        return path
    seen = authorize(principal, Right.INCIDENTS, AreaPlace(path), now_us()).allowed
    return path if seen else None


seen_by(REPORT, sight)


async def report_documents(
    connection: AsyncConnection, where: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    """The newest fifty of these."""
    rows = (
        await connection.execute(
            sa.select(
                field_reports, areas.c.path, users.c.display_name, users.c.name.label("user_name")
            )
            .select_from(
                field_reports.outerjoin(areas, areas.c.id == field_reports.c.area_id).join(
                    users, users.c.id == field_reports.c.user_id
                )
            )
            .where(where)
            .order_by(field_reports.c.received_us.desc(), field_reports.c.id)
            .limit(_LISTED)
        )
    ).all()
    names = await area_names(connection, [row.path or "" for row in rows])
    files = await files_of(connection, REPORT, [row.id for row in rows])
    return [
        {
            **row._mapping,
            "area_path": names[row.path or ""],
            "files_expected": row.files,
            "files": files[row.id],
            "reporter": row.display_name or row.user_name,
        }
        for row in rows
    ]


def plain(words: str) -> str:
    """Words without what no keyboard writes."""
    return "".join(one for one in words if one.isprintable() or one in "\n\t").strip()


async def _placed(
    connection: AsyncConnection,
    services: Services,
    caller: Principal,
    paths: Sequence[str],
    code: str | None,
    fix: Fix | None,
    made_us: int,
) -> _Placed:
    """Where it is handled: the scanned cell if it is theirs, what is near, or where they work."""
    flags: list[str] = []
    cell: Cell | None = None
    if code is not None:
        cell = await find_cell(connection, code)
        if cell is None:
            flags.append("unknown_grid")
    if fix is not None:
        flags += judge_place(
            fix,
            made_us,
            await county_box(connection, services.settings.field),
            await last_fix(connection, caller.user_id),
            await places_in(connection, cell) if cell is not None else (),
        )
    if cell is not None and any(cell.path.startswith(path) for path in paths):
        return _Placed(cell.id, cell.id, flags)
    if cell is not None:
        flags.append("foreign_grid")
    trusted = fix if "outside" not in flags else None
    area_id = await area_near(connection, trusted, paths)
    if area_id is None:
        area_id = await home_area(connection, caller.user_id, paths)
    if area_id is None:
        raise ApiError(409, "no_areas", "there is no area yet that this could be reported from")
    return _Placed(area_id, None if cell is None else cell.id, flags)


async def _keep(
    services: Services, caller: Principal, columns: dict[str, Any], record: dict[str, Any]
) -> tuple[str, bool]:
    known = sa.select(field_reports.c.id).where(
        field_reports.c.user_id == caller.user_id,
        field_reports.c.client_id == columns["client_id"],
    )
    async with services.reader.connect() as connection:
        report_id = await connection.scalar(known)
    if report_id is not None:
        return report_id, False
    await limit_reports(services, caller)
    kept = await services.rows.write("field.report", columns=columns, record=record)
    return str(kept[0]), bool(kept[1])


async def limit_reports(services: Services, caller: Principal) -> None:
    """Count a report. Raises ApiError 429 ``too_many_reports``."""
    wait_s = await services.field_reports.take(caller.user_id)
    if wait_s:
        raise ApiError(
            429,
            "too_many_reports",
            f"this is more than {services.field_reports.limit} reports within a minute: "
            f"wait {wait_s} s",
            {"retry_after_s": wait_s},
        )
