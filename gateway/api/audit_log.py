"""Reading the register of who looked at what: pages, sheets, the auditors' report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, permitted_area, permitted_areas, record
from gateway.api.audit_answers import (
    AuditActions,
    AuditEntry,
    AuditorsReport,
    AuditPage,
    AuditState,
)
from gateway.api.errors import invalid
from gateway.api.services import Services, ServicesDep
from gateway.audit.reading import (
    REPORT_COLUMNS,
    SHEET_COLUMNS,
    RecordFilter,
    make_report,
    report_lines,
    select_records,
    sheet_line,
)
from gateway.audit.report import Report
from gateway.control.channel import ControlError
from gateway.database.audit_tables import audit_log
from gateway.database.engine import create_sync_reader_engine
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_names
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.sheets.csv_sheet import write_csv

router = APIRouter(tags=["audit"])

SHEET_LINES_LIMIT = 200_000
REPORT_SPAN_LIMIT_US = 92 * 24 * 3600 * US_PER_S
_SHEET_PAGE = 2000
# Each reads every look of its period.
_reports = asyncio.Semaphore(1)

TimeParameter = Annotated[int, Query(ge=0, lt=2**62)]
Offset = Annotated[int, Query(ge=-14 * 60, le=14 * 60)]


def _auditor(caller: Caller) -> Principal:
    """Who holds the right somewhere; what they see of the register is of those areas."""
    permitted_areas(caller, Right.AUDIT)
    return caller


Auditor = Annotated[Principal, Depends(_auditor)]


async def _filter(
    caller: Auditor,
    services: ServicesDep,
    camera_id: Annotated[str | None, Query(max_length=40)] = None,
    user_id: Annotated[str | None, Query(max_length=40)] = None,
    action: Annotated[str | None, Query(max_length=40)] = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    reason_code: Annotated[str | None, Query(max_length=32)] = None,
    case_id: Annotated[str | None, Query(max_length=64)] = None,
    address: Annotated[str | None, Query(max_length=64)] = None,
    query: Annotated[str | None, Query(max_length=200)] = None,
    start_us: TimeParameter = 0,
    end_us: TimeParameter = 2**61,
) -> RecordFilter:
    area = None
    if area_id is not None:
        async with services.reader.connect() as connection:
            area = await permitted_area(connection, caller, Right.AUDIT, area_id)
    return RecordFilter(
        camera_id, user_id, action, area, reason_code, case_id, address, query, start_us, end_us
    )


Filter = Annotated[RecordFilter, Depends(_filter)]


@router.get("/api/audit", response_model=AuditPage)
async def list_audit(
    caller: Auditor,
    wanted: Filter,
    request: Request,
    services: ServicesDep,
    cursor: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Records of the areas in which the caller is auditor, newest first. Reading leaves one too."""
    # Each page: a cursor may begin anywhere.
    await _note(services, request, caller, "audit.read", wanted, before=cursor)
    statement = _select(caller, wanted)
    if cursor is not None:
        statement = statement.where(audit_log.c.sequence < cursor)
    statement = statement.order_by(audit_log.c.sequence.desc()).limit(limit + 1)
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).mappings().all()
        items = await _entries(connection, rows[:limit])
    return {"items": items, "next_cursor": items[-1]["sequence"] if len(rows) > limit else None}


@router.get("/api/audit.csv", response_class=Response)
async def audit_sheet(
    caller: Auditor,
    wanted: Filter,
    request: Request,
    services: ServicesDep,
    utc_offset_minutes: Offset = 480,
) -> Response:
    """The same records as a sheet, oldest first."""
    await _note(services, request, caller, "audit.export", wanted)
    statement = _select(caller, wanted)
    counted = sa.select(sa.func.count()).select_from(
        statement.with_only_columns(audit_log.c.sequence).limit(SHEET_LINES_LIMIT + 1).subquery()
    )
    async with services.reader.connect() as connection:
        count = (await connection.execute(counted)).scalar_one()
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    if count > SHEET_LINES_LIMIT:
        headers["X-Gridsight-Truncated"] = "1"
    lines = _sheet(services, statement, utc_offset_minutes)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/api/audit/actions", response_model=AuditActions)
async def list_actions(caller: Auditor, services: ServicesDep) -> dict[str, Any]:
    """The actions that occur."""
    # One look into an index would be better; there are few actions, and auditors.
    statement = _select(caller, RecordFilter()).with_only_columns(audit_log.c.action).distinct()
    async with services.reader.connect() as connection:
        return {"items": sorted((await connection.execute(statement)).scalars())}


async def _report(
    caller: Auditor,
    request: Request,
    services: ServicesDep,
    start_us: TimeParameter,
    end_us: TimeParameter,
    utc_offset_minutes: Offset = 480,
) -> Report:
    if end_us <= start_us:
        raise invalid(end_us="the range ends before it begins")
    if end_us - start_us > REPORT_SPAN_LIMIT_US:
        raise invalid(end_us="ask for at most 92 days")
    await record(services, request, caller, "audit.report", start_us=start_us, end_us=end_us)
    visible = caller.areas_with(Right.AUDIT, now_us())

    def make() -> Report:
        engine = create_sync_reader_engine(services.settings)
        try:
            with engine.connect() as connection:
                return make_report(
                    connection,
                    services.settings.accountability,
                    start_us=start_us,
                    end_us=end_us,
                    utc_offset_minutes=utc_offset_minutes,
                    visible=visible,
                )
        finally:
            engine.dispose()

    async with _reports:
        return await asyncio.to_thread(make)


MadeReport = Annotated[Report, Depends(_report)]


@router.get("/api/audit/report", response_model=AuditorsReport)
async def auditors_report(report: MadeReport) -> dict[str, Any]:
    """What an auditor should look at first."""
    return report.to_document()


@router.get("/api/audit/report.csv", response_class=Response)
async def report_sheet(report: MadeReport, utc_offset_minutes: Offset = 480) -> Response:
    """The same as a sheet."""
    return Response(
        write_csv([REPORT_COLUMNS, *report_lines(report, utc_offset_minutes)]),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit-report.csv"'},
    )


@router.get("/api/audit/state", response_model=AuditState)
async def audit_state(caller: Auditor, services: ServicesDep) -> dict[str, Any]:
    """How far the register is signed, and where the signatures are kept."""
    async with services.reader.connect() as connection:
        last = (await connection.execute(sa.select(sa.func.max(audit_log.c.sequence)))).scalar()
    try:
        state = await services.processes.client("writer").call("audit.state")
    except (ConnectionError, TimeoutError, ControlError):
        state = {"signed": None, "outside": []}
    return {"records": last or 0, **state}


def _select(caller: Principal, wanted: RecordFilter) -> sa.Select[Any]:
    return select_records(wanted, caller.areas_with(Right.AUDIT, now_us()))


async def _note(
    services: Services,
    request: Request,
    caller: Principal,
    action: str,
    wanted: RecordFilter,
    *,
    before: int | None = None,
) -> None:
    """Who reads the register is in it."""
    filters = {name: value for name, value in asdict(wanted).items() if value}
    filters.pop("start_us", None), filters.pop("end_us", None)
    page: dict[str, Any] = {} if before is None else {"before": before}
    await record(
        services,
        request,
        caller,
        action,
        start_us=wanted.start_us or None,
        end_us=wanted.end_us if wanted.end_us < 2**61 else None,
        filters=filters,
        **page,
    )


async def _entries(connection: AsyncConnection, rows: Any) -> list[dict[str, Any]]:
    names = await area_names(connection, [row["area_path"] for row in rows if row["area_path"]])
    return [
        {
            **{name: row[name] for name in AuditEntry.model_fields},
            "area_path": names.get(row["area_path"]),
            "detail": json.loads(row["detail"]),
        }
        for row in rows
    ]


async def _sheet(
    services: Services, statement: sa.Select[Any], utc_offset_minutes: int
) -> AsyncIterator[bytes]:
    yield write_csv([SHEET_COLUMNS])
    after, left = 0, SHEET_LINES_LIMIT
    while left > 0:
        page = (
            statement.where(audit_log.c.sequence > after)
            .order_by(audit_log.c.sequence)
            .limit(min(_SHEET_PAGE, left))
        )
        async with services.reader.connect() as connection:
            rows = (await connection.execute(page)).mappings().all()
        if not rows:
            return
        lines = [sheet_line(row, utc_offset_minutes) for row in rows]
        yield await asyncio.to_thread(write_csv, lines, "utf-8")
        after, left = rows[-1]["sequence"], left - len(rows)
