"""Exports: packages of footage that prove where they come from. Ordered here, made elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import Caller, act, audit_records, check, client_address
from gateway.api.answers import Listing
from gateway.api.case_access import LEAD, joined_case, sees_every_case, visible_case
from gateway.api.errors import ApiError, invalid, not_found, unavailable
from gateway.api.evidence_answers import BurnIn, DownloadUrl, EvidenceKey, Export
from gateway.api.holds import Instant, recorded_us
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import open_viewing
from gateway.audit import ReasonGiven
from gateway.audit.records import act as act_and_append
from gateway.cameras import Camera, find_cameras
from gateway.control.channel import ControlError
from gateway.database.evidence_tables import cases, export_files, export_jobs
from gateway.database.tables import users
from gateway.evidence.keys import PackageSigner
from gateway.evidence.order import Order, OrderedCamera
from gateway.evidence.pages import verifier_page
from gateway.identifiers import now_us
from gateway.masks import covering, mask_history
from gateway.people.areas import area_names
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(tags=["evidence"])

CAMERAS_LIMIT = 16
SPAN_LIMIT_US = 24 * 3_600_000_000
# Younger footage may not be in the index yet.
_SETTLED_US = 600_000_000
_EXPORTS_LIMIT = 200


class ExportForm(BaseModel):
    """What to export, why, and how; see ExportOrder in docs/http-api.md."""

    model_config = ConfigDict(extra="forbid")

    camera_ids: list[str] = Field(min_length=1, max_length=CAMERAS_LIMIT)
    start_us: Instant
    end_us: Instant
    case_id: str | None = Field(default=None, max_length=40)
    purpose: Purpose | None = None
    original: bool = True
    viewing: Literal["auto", "always", "never"] = "auto"
    burn_in: BurnIn = BurnIn()
    utc_offset_minutes: int = Field(default=480, ge=-720, le=840)


class DownloadForm(BaseModel):
    """Which file of the package; none: the whole."""

    path: str | None = Field(default=None, max_length=200)


def select_exports() -> sa.Select[Any]:
    """Exports with the names that go with them, newest first."""
    return (
        sa.select(
            export_jobs,
            cases.c.number.label("case_number"),
            users.c.display_name.label("creator"),
        )
        .select_from(
            export_jobs.join(users, users.c.id == export_jobs.c.user_id).outerjoin(
                cases, cases.c.id == export_jobs.c.case_id
            )
        )
        .order_by(export_jobs.c.created_us.desc(), export_jobs.c.id)
    )


async def export_documents(
    connection: AsyncConnection, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    """Export documents, with the files that are ready."""
    files = defaultdict(list)
    found = await connection.execute(
        sa.select(export_files)
        .where(export_files.c.job_id.in_([row.id for row in rows]))
        .order_by(export_files.c.position, export_files.c.path)
    )
    for file in found:
        files[file.job_id].append(_file_document(file))
    queue: list[str] = []
    if any(row.state == "queued" for row in rows):
        waiting = sa.select(export_jobs.c.id).where(export_jobs.c.state == "queued")
        order = (export_jobs.c.lease_us, export_jobs.c.created_us)
        ordered = await connection.execute(waiting.order_by(*order))
        queue = list(ordered.scalars())
    return [_export_document(row, files[row.id], queue) for row in rows]


def _export_document(
    row: sa.Row[Any], files: list[dict[str, Any]], queue: Sequence[str]
) -> dict[str, Any]:
    names = (
        "id", "case_id", "case_number", "camera_ids", "start_us", "end_us", "created_us", "state",
        "code", "message", "size_bytes", "finished_us", "expires_us",
    )  # fmt: skip
    order = row.order
    return {
        **{name: row._mapping[name] for name in names},
        "created_by": row.creator,
        "original": order["original"],
        "viewing": order["viewing"],
        "burn_in": {
            "time": order["burn_time"],
            "viewer": order["burn_viewer"],
            "masks": order["burn_masks"],
        },
        "utc_offset_minutes": order["utc_offset_minutes"],
        "progress": 1.0 if row.state == "done" else row.done_us / max(1, row.total_us),
        "queue_position": queue.index(row.id) + 1 if row.id in queue else None,
        "files": files,
    }


def _file_document(row: sa.Row[Any]) -> dict[str, Any]:
    document = row.document
    return {
        "path": row.path,
        "kind": document["kind"],
        "camera_id": document.get("camera_id"),
        "start_us": document.get("start_us"),
        "end_us": document.get("end_us"),
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
        "sm3": row.sm3,
    }


@router.get("/api/exports", response_model=Listing[Export])
async def list_exports(
    caller: Caller, services: ServicesDep, case_id: str | None = None
) -> dict[str, Any]:
    """The caller's own exports, or those of a case."""
    statement = select_exports().limit(_EXPORTS_LIMIT)
    async with services.reader.connect() as connection:
        if case_id is None:
            statement = statement.where(export_jobs.c.user_id == caller.user_id)
        else:
            await visible_case(connection, caller, case_id)
            statement = statement.where(export_jobs.c.case_id == case_id)
        rows = (await connection.execute(statement)).all()
        return {"items": await export_documents(connection, rows)}


@router.post("/api/exports", status_code=201, response_model=Export)
async def order_export(
    body: ExportForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Check every camera, ask why, write both into the register, and queue the job."""
    if not body.start_us < body.end_us <= body.start_us + SPAN_LIMIT_US:
        raise invalid(end_us="the range is empty or longer than 24 hours")
    # What has not come yet cannot be promised: a package tells of its range what is missing in it.
    body.end_us = min(body.end_us, now_us())
    if body.end_us <= body.start_us:
        raise invalid(start_us="this time has not come yet: place a hold instead")
    camera_ids = list(dict.fromkeys(body.camera_ids))
    case = None
    async with services.reader.connect() as connection:
        found = await find_cameras(connection, camera_ids, deleted=True)
        if len(found) != len(camera_ids):
            raise not_found("camera")
        for camera_id in camera_ids:
            check(caller, Right.EXPORT, found[camera_id])
        if body.case_id is not None:
            case = await joined_case(connection, caller, body.case_id)
        areas = await area_names(connection, [found[one].area_path for one in camera_ids])
        await _require_footage(connection, body, camera_ids)
    purpose = body.purpose
    if purpose is not None and case is not None and purpose.case_id is None:
        purpose = purpose.model_copy(update={"case_id": case.number})
    reason = await require_purpose(
        services, caller, "export", purpose, address=client_address(request)
    )
    cameras = [found[camera_id] for camera_id in camera_ids]
    order = _order(body, caller, cameras, areas, reason, case)
    records = audit_records(
        request,
        caller,
        "export.order",
        cameras=cameras,
        start_us=body.start_us,
        end_us=body.end_us,
        reason=reason,
        detail={
            "original": body.original,
            "viewing": body.viewing,
            "burn_in": body.burn_in.model_dump(),
            "case": body.case_id,
        },
    )
    arguments = {
        "user_id": caller.user_id,
        "case_id": body.case_id,
        "camera_ids": camera_ids,
        "start_us": body.start_us,
        "end_us": body.end_us,
        "order": order.to_document(),
    }
    job_id = await act_and_append(
        services.rows, "evidence.order_export", arguments, records, result_as="export_id"
    )
    await _wake(services)
    return await _document(services, job_id)


def _order(
    body: ExportForm,
    caller: Principal,
    cameras: Sequence[Camera],
    areas: dict[str, list[str]],
    reason: ReasonGiven,
    case: sa.Row[Any] | None,
) -> Order:
    return Order(
        cameras=tuple(
            OrderedCamera(camera.id, camera.name, tuple(areas[camera.area_path]))
            for camera in cameras
        ),
        original=body.original,
        viewing=body.viewing,
        burn_time=body.burn_in.time,
        burn_viewer=body.burn_in.viewer,
        burn_masks=body.burn_in.masks,
        utc_offset_minutes=body.utc_offset_minutes,
        requester={
            "id": caller.user_id,
            "name": caller.name,
            "display_name": caller.display_name,
        },
        reason={"code": reason.code, "text": reason.text, "case_id": reason.case_id},
        case=None if case is None else {"id": case.id, "number": case.number, "title": case.title},
    )


@router.get("/api/exports/{export_id}", response_model=Export)
async def read_export(export_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """How far it is, and what is ready."""
    await _visible(services, caller, export_id)
    return await _document(services, export_id)


@router.post("/api/exports/{export_id}/cancel", response_model=Export)
async def cancel_export(
    export_id: str, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """End it and delete its files: one's own, or one of a case that one leads."""
    row, role = await _visible(services, caller, export_id)
    if row.user_id != caller.user_id and role != LEAD and not sees_every_case(caller):
        raise ApiError(403, "not_allowed", "only who ordered it, or the case's lead, may end it")
    async with services.reader.connect() as connection:
        cameras = await find_cameras(connection, row.camera_ids, deleted=True)
    await act(
        services, request, caller, "export.cancel", "evidence.cancel_export",
        {"job_id": export_id}, cameras=list(cameras.values()), detail={"export_id": export_id},
    )  # fmt: skip
    await _wake(services)
    return await _document(services, export_id)


@router.post("/api/exports/{export_id}/download", response_model=DownloadUrl)
async def download_export(
    export_id: str, body: DownloadForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Where the package, or one file of it, is fetched from."""
    row, _ = await _visible(services, caller, export_id)
    if row.state != "done":
        raise ApiError(409, "conflict", f"there is nothing to download: it is {row.state}")
    cameras, may_lift_masks = await _permit_download(services, caller, row, body.path)
    # Where it was made, there it lies.
    server = row.process
    if server not in await services.processes.names("footage"):
        servers = await services.processes.at_hand("footage")
        if not servers:
            raise unavailable("no footage server is running: try again")
        server = servers[0]
    records = audit_records(
        request,
        caller,
        "export.download",
        cameras=cameras,
        start_us=row.start_us,
        end_us=row.end_us,
        reason=ReasonGiven(**row.order["reason"]),
        detail={"export_id": export_id, "path": body.path, "size_bytes": row.size_bytes},
    )
    _, ticket = await open_viewing(
        services,
        caller,
        records,
        process=server,
        action="export",
        camera_ids=list(row.camera_ids),
        variant="main",
        start_us=row.start_us,
        end_us=row.end_us,
        may_lift_masks=may_lift_masks,
        package=export_id if body.path is None else f"{export_id}/{body.path}",
    )
    below = "package.zip" if body.path is None else f"files/{quote(body.path)}"
    return {"url": f"/s/{server}/packages/{export_id}/{below}?ticket={ticket}"}


async def _permit_download(
    services: Services, caller: Principal, row: sa.Row[Any], path: str | None
) -> tuple[list[Camera], bool]:
    """The cameras, and whether masks may be lifted at all of them. Raises ApiError 403 where the
    caller has no right to export, or may not see beneath a mask that is not burnt in.
    """
    async with services.reader.connect() as connection:
        found = await find_cameras(connection, row.camera_ids, deleted=True)
        cameras = [found[camera_id] for camera_id in row.camera_ids]
        decisions = {one.id: check(caller, Right.EXPORT, one) for one in cameras}
        files = (
            await connection.execute(sa.select(export_files).where(export_files.c.job_id == row.id))
        ).all()
        if path is not None and path not in {file.path for file in files}:
            raise not_found("file")
        for file in files:
            camera_id = file.document.get("camera_id")
            if camera_id is None or decisions[camera_id].may_lift_masks:
                continue
            if path not in (None, file.path) or "masks" in file.document["burnt_in"]:
                continue
            versions = await mask_history(connection, camera_id)
            if covering(versions, row.start_us, row.end_us):
                raise ApiError(
                    403, "not_allowed",
                    f"{file.path} shows what is masked for you: order a copy of your own",
                )  # fmt: skip
    return cameras, all(one.may_lift_masks for one in decisions.values())


@router.get("/api/evidence/key", response_model=EvidenceKey)
async def read_key(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The public keys that verify packages of this gateway."""
    sm2_key_file = services.settings.evidence.sm2_key_file
    try:
        signer = await asyncio.to_thread(PackageSigner.open, services.secret, sm2_key_file)
    except (OSError, ValueError) as error:
        raise unavailable(f"the key cannot be read: {error}") from None
    first, *others = [
        {"public_key": key.public_key, "fingerprint": key.fingerprint}
        for key in signer.public_keys()
    ]
    return {"algorithm": "Ed25519", **first, "sm2": others[0] if others else None}


@router.get("/api/evidence/verifier.html")
async def read_verifier(caller: Caller) -> Response:
    """The offline verifier, to be kept and given apart from the packages."""
    return Response(
        await asyncio.to_thread(verifier_page),
        media_type="text/html; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="verifier.html"'},
    )


async def _require_footage(
    connection: AsyncConnection, body: ExportForm, camera_ids: Sequence[str]
) -> None:
    if body.end_us > now_us() - _SETTLED_US:
        return
    for camera_id in camera_ids:
        if await recorded_us(connection, camera_id, body.start_us, body.end_us):
            return
    raise ApiError(404, "no_footage", "there is no footage in that range: see the timeline's gaps")


async def _visible(
    services: Services, caller: Principal, export_id: str
) -> tuple[sa.Row[Any], str | None]:
    """The job, and the caller's role in its case. Raises ApiError 404."""
    async with services.reader.connect() as connection:
        found = await connection.execute(select_exports().where(export_jobs.c.id == export_id))
        row = found.first()
        if row is None:
            raise not_found("export")
        role = None
        if row.case_id is not None:
            with contextlib.suppress(ApiError):
                role = (await visible_case(connection, caller, row.case_id)).role
    if row.user_id != caller.user_id and role is None and not sees_every_case(caller):
        raise not_found("export")
    return row, role


async def _document(services: Services, export_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        rows = await connection.execute(select_exports().where(export_jobs.c.id == export_id))
        return (await export_documents(connection, rows.all()))[0]


async def _wake(services: Services) -> None:
    """Tell the footage servers that the queue has changed. They look by themselves too."""
    for server in await services.processes.names("footage"):
        with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
            async with asyncio.timeout(2.0):
                await services.processes.client(server).call("exports.wake")
