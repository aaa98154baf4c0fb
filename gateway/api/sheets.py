"""Areas, cameras and users as files: out, and in by way of a check that changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from gateway.api.access import (
    Caller,
    audit_records,
    permitted_area,
    permitted_areas,
    record,
    require_full_sign_in,
)
from gateway.api.errors import ApiError, not_found, unavailable
from gateway.api.guard import FILE_BYTES_LIMIT, said_length, too_large
from gateway.api.passthrough import forward_signed_in
from gateway.api.services import Services, ServicesDep
from gateway.identifiers import now_us
from gateway.people.area_codes import Axis
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.sheets import worker
from gateway.sheets.csv_sheet import write_csv
from gateway.sheets.files import Form, Kind
from gateway.sheets.jobs import ImportJob, ImportJobs, TooManyImports
from gateway.sheets.register import THINGS
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import SheetError

router = APIRouter(tags=["sheets"])

_FAULTS_SHOWN = 500
_ITEMS_SHOWN = 200
_MEDIA_TYPES: dict[Form, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_RIGHTS: dict[Kind, Right] = {
    "areas": Right.CONFIGURE,
    "cameras": Right.CONFIGURE,
    "users": Right.USERS,
}


class SheetFault(BaseModel):
    """One thing to correct: ``column`` as the file writes it, ``field`` as we call it."""

    line: int
    column: str
    field: str
    code: str
    reason: str
    detail: dict[str, Any]


class SheetChange(BaseModel):
    """A field, before and after."""

    field: str
    before: str
    after: str


class SheetItem(BaseModel):
    """A line that creates or changes something."""

    line: int
    key: str
    name: str
    action: Literal["create", "change"]
    changes: list[SheetChange]


class SheetImportError(BaseModel):
    """Why it could not be read, or was not written."""

    code: str
    message: str


class SheetImport(BaseModel):
    """An import. ``done`` lines have been read; of faults and items only the first are shown."""

    id: str
    kind: Kind
    name: str
    state: Literal["checking", "checked", "applying", "applied", "failed"]
    done: int
    total: int
    create: int
    change: int
    unchanged: int
    faults: list[SheetFault]
    fault_count: int
    warnings: list[SheetFault]
    warning_count: int
    items: list[SheetItem]
    has_passwords: bool
    error: SheetImportError | None


@router.get("/api/sheets/{kind}.{form}", response_class=Response)
async def export_sheet(
    kind: Kind,
    form: Form,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    axis: Axis | None = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    encoding: Literal["utf-8", "gb18030"] = "utf-8",
    template: bool = False,
) -> Response:
    """What the caller configures (users: manages), without secrets; or headings and an example."""
    _require(caller, kind)
    within = ""
    if area_id is not None:
        async with services.reader.connect() as connection:
            within = await permitted_area(connection, caller, _RIGHTS[kind], area_id)
    wanted = worker.Export(
        kind,
        form,
        Scope.of(caller, now_us()),
        encoding="utf-8-sig" if encoding == "utf-8" else encoding,
        axis=axis,
        within=within,
        template=template,
    )
    if not template:
        await record(
            services, request, caller, f"{THINGS[kind]}.export", area=within or None, form=form
        )
    try:
        content = await worker.export(services.settings, wanted)
    except SheetError as error:
        raise ApiError(503, error.code, str(error)) from None
    name = f"{kind}-template.{form}" if template else f"{kind}.{form}"
    return _file(content, name, form, encoding)


@router.post(
    "/api/sheets/{kind}/imports",
    status_code=202,
    response_model=SheetImport,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def start_import(
    kind: Kind,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    name: Annotated[str, Query(max_length=300)] = "",
) -> dict[str, Any]:
    """Take a file and check it; nothing is written before it is applied."""
    _require(caller, kind)
    # Only ever shown; some browsers send where it was.
    shown = "".join(filter(str.isprintable, name.replace("\\", "/").rpartition("/")[2]))[:200]
    try:
        content = await _read(request)
    except ApiError as error:
        action = f"{THINGS[kind]}.import_refused"
        await record(services, request, caller, action, file=shown, code=error.code)
        raise
    (by,) = audit_records(request, caller, "import")
    try:
        job = await services.imports.start(kind, shown, content, Scope.of(caller, now_us()), by)
    except TooManyImports as error:
        raise unavailable(str(error)) from None
    return _document(services, job)


@router.get("/api/imports/{import_id}", response_model=SheetImport)
async def read_import(
    import_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Any:
    """How far it is, what it would do, and every fault."""
    if holder := await _elsewhere(services, import_id):
        return await forward_signed_in(holder, request, services)
    return _document(services, _own(services, caller, import_id))


@router.post("/api/imports/{import_id}/apply", status_code=202, response_model=SheetImport)
async def apply_import(
    import_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Any:
    """Check it anew, and write all of it or nothing."""
    if holder := await _elsewhere(services, import_id):
        return await forward_signed_in(holder, request, services)
    job = _own(services, caller, import_id)
    _require(caller, job.kind)
    if job.state != "checked":
        raise ApiError(409, "import_not_ready", f"this import is {job.state}: it cannot be applied")
    if job.plan.faults:
        raise ApiError(
            409, "import_has_faults", "the file has faults: correct them and send it again"
        )
    (by,) = audit_records(request, caller, "import")
    services.imports.apply(job, Scope.of(caller, now_us()), by)
    return _document(services, job)


@router.delete("/api/imports/{import_id}", status_code=204)
async def forget_import(
    import_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Response:
    """Forget it and its file."""
    if holder := await _elsewhere(services, import_id):
        return await forward_signed_in(holder, request, services)
    job = _own(services, caller, import_id)
    if job.state == "applying":
        raise ApiError(409, "import_not_ready", "this import is being written: wait for its end")
    await services.imports.forget(job)
    return Response(status_code=204)


@router.get("/api/imports/{import_id}/passwords.csv", response_class=Response)
async def read_passwords(
    import_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Response:
    """The one-time passwords of the accounts that were made, for a quarter of an hour."""
    if holder := await _elsewhere(services, import_id):
        return await forward_signed_in(holder, request, services)
    job = _own(services, caller, import_id)
    passwords = services.imports.passwords(job)
    if not passwords:
        raise not_found("list of passwords; set new ones for who has none")
    await record(services, request, caller, "user.passwords", count=len(passwords))
    content = write_csv([("账号", "姓名", "一次性密码"), *passwords])
    return _file(content, "passwords.csv", "csv", "utf-8")


async def _read(request: Request) -> bytes:
    """The file. Raises ApiError 413, before the file is read where its size was said."""
    if said_length(request.headers) > FILE_BYTES_LIMIT:
        raise too_large(FILE_BYTES_LIMIT)
    return await request.body()


def _require(caller: Principal, kind: Kind) -> None:
    require_full_sign_in(caller)
    permitted_areas(caller, _RIGHTS[kind])


async def _elsewhere(services: Services, import_id: str) -> str | None:
    """The other API process that holds an import, if it is there."""
    holder = ImportJobs.process_of(import_id)
    if not holder or holder == services.name:
        return None
    return holder if holder in await services.processes.names("api") else None


def _own(services: Services, caller: Principal, import_id: str) -> ImportJob:
    job = services.imports.find(import_id, caller.user_id)
    if job is None:
        raise not_found("import; it may be too old")
    return job


def _document(services: Services, job: ImportJob) -> dict[str, Any]:
    plan = job.plan
    counted = len(plan.items) + plan.unchanged
    return {
        "id": job.id,
        "kind": job.kind,
        "name": job.name,
        "state": job.state,
        "done": job.lines if job.state == "checking" else counted,
        "total": counted,
        "create": plan.count("create"),
        "change": plan.count("change"),
        "unchanged": plan.unchanged,
        "faults": [asdict(fault) for fault in plan.faults[:_FAULTS_SHOWN]],
        "fault_count": len(plan.faults),
        "warnings": [asdict(fault) for fault in plan.warnings[:_FAULTS_SHOWN]],
        "warning_count": len(plan.warnings),
        "items": [asdict(item) for item in plan.items[:_ITEMS_SHOWN]],
        "has_passwords": bool(services.imports.passwords(job)),
        "error": None if job.error is None else {"code": job.error[0], "message": job.error[1]},
    }


def _file(content: bytes, name: str, form: Form, encoding: str) -> Response:
    media_type = _MEDIA_TYPES[form]
    return Response(
        content,
        media_type=f"{media_type}; charset={encoding}" if form == "csv" else media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )
