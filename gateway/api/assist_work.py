"""What clerks do for an assist request: look at its photos, through their cameras, and answer."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from gateway.api.access import (
    Caller,
    CallerInPerson,
    act,
    check,
    not_there,
    permitted_areas,
    record,
)
from gateway.api.assist_answers import AssistPhoto, AssistRequest, AssistWork
from gateway.api.attachments import file_refused, plain_name
from gateway.api.errors import ApiError, invalid
from gateway.api.guard import said_length, too_large
from gateway.api.holds import Instant
from gateway.api.open_segments import read_open_segments
from gateway.api.pictures import jpeg_answer
from gateway.api.services import Services, ServicesDep
from gateway.assist.coverage import looked_ranges
from gateway.assist.reading import asked_areas, board, find_request, state_at
from gateway.attachments.keeping import examine_in_turn, staging
from gateway.attachments.kinds import FileRefused
from gateway.audit import ReasonGiven
from gateway.cameras import Camera, find_cameras, read_cameras, select_cameras
from gateway.database.assist_tables import assist_photos
from gateway.database.tables import cameras
from gateway.footage.camera_timeline import camera_timeline
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.investigations.filters import Form
from gateway.investigations.sealed import seal_bytes, unseal_bytes
from gateway.people.areas import cameras_within
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right
from recorder.intervals import subtract

router = APIRouter(prefix="/api/assist", tags=["assist"])

# A clip is what one shows to somebody, not what one searches.
CLIP_LIMIT_US = 1800 * US_PER_S
_CAMERAS_LIMIT = 500
# What of a gap is worth a word.
_GAP_US = 2 * US_PER_S
_GAPS_LIMIT = 200
_AT_ONCE = 8


class ClipForm(Form):
    """Minutes of one camera in which they are seen."""

    camera_id: str = Field(max_length=40)
    start_us: Instant
    end_us: Instant
    note: str = Field(default="", max_length=500)


class AnswerForm(Form):
    """``camera_ids``: of missing footage; all cameras where it is left out."""

    state: Literal["seen", "not_seen", "missing"]
    note: str | None = Field(default=None, max_length=1000)
    camera_ids: list[Annotated[str, Field(max_length=40)]] | None = Field(
        default=None, max_length=_CAMERAS_LIMIT
    )


@router.post("/photos", status_code=201, response_model=AssistPhoto)
async def add_photo(
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    name: Annotated[str, Query(max_length=200)] = "photo",
) -> dict[str, Any]:
    """Keep a photo for an hour, for a request that is being written. The body is the file. It is
    drawn anew in a process of its own, and kept sealed.
    """
    permitted_areas(caller, Right.SEARCH)
    limits = services.settings.assist
    if limits.photos_limit == 0:
        raise invalid(photo="requests have no photos here")
    if said_length(request.headers) > limits.photo_bytes_limit:
        raise too_large(limits.photo_bytes_limit)
    data = await request.body()
    if not data:
        raise invalid(photo="the body of the request is the file, and it is empty")
    if len(data) > limits.photo_bytes_limit:
        raise too_large(limits.photo_bytes_limit)
    plain = plain_name(name)[:200]
    async with staging(services.settings) as folder:
        source = folder / "sent"
        await asyncio.to_thread(source.write_bytes, data)
        try:
            examined = await examine_in_turn(services.settings, source, plain)
        except FileRefused as refusal:
            raise file_refused(refusal) from None
        if examined.columns["kind"] != "photo":
            raise ApiError(415, "not_accepted", "this is no photo: send a JPEG, PNG, WebP or HEIC")
        drawn = await asyncio.to_thread(examined.path.read_bytes)
    photo_id = new_id("aph")
    columns = {one: examined.columns[one] for one in ("name", "width", "height")}
    sealed = await asyncio.to_thread(seal_bytes, services.secret, drawn, _context(photo_id))
    await act(
        services, request, caller, "assist.photo_add", "assist.add_photo",
        {"photo_id": photo_id, "user_id": caller.user_id, "limit": limits.photos_limit,
         "picture_sealed": sealed, **columns},
        detail={"photo_id": photo_id, "sha256": examined.columns["sha256"]},
    )  # fmt: skip
    return {"id": photo_id, **columns, "url": f"/api/assist/photos/{photo_id}/picture"}


@router.get("/photos/{assist_photo_id}/picture", response_class=Response)
async def show_photo(
    assist_photo_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> Response:
    """The photo, while its request waits or is open. Each look is on record."""
    table = assist_photos.c
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(sa.select(assist_photos).where(table.id == assist_photo_id))
        ).one_or_none()
        asked = None
        if row is not None and row.request_id is not None:
            asked = await find_request(connection, caller, row.request_id)
    if row is None:
        raise not_there()
    if row.request_id is None:
        if row.created_by != caller.user_id:
            raise not_there()
    elif asked is None or state_at(asked, now_us()) not in ("waiting", "open"):
        raise not_there()
    reason = ReasonGiven() if asked is None else _reason(asked)
    await record(
        services, request, caller, "assist.photo_show", reason=reason, photo_id=assist_photo_id,
        assist_id=row.request_id,
    )  # fmt: skip
    data = await asyncio.to_thread(
        unseal_bytes, services.secret, row.picture_sealed, _context(assist_photo_id)
    )
    return jpeg_answer(data)


@router.get("/{assist_id}/areas/{asked_area}", response_model=AssistWork)
async def read_work(
    assist_id: str, asked_area: str, caller: Caller, services: ServicesDep
) -> dict[str, Any]:
    """The cameras of an area that the caller answers for: what of the window is recorded, what is
    missing and why, and what was played so far.
    """
    row, path = await _asked(services, caller, assist_id, asked_area)
    found = await _cameras(services, path)
    async with services.reader.connect() as connection:
        looked = await looked_ranges(connection, assist_id)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one_of(camera: Camera) -> dict[str, Any]:
        async with turns:
            recorded_us, gaps = await _recorded(services, camera, row.start_us, row.end_us)
        ranges, _ = looked.get(camera.id, ([], set()))
        return {
            "id": camera.id,
            "name": camera.name,
            "recorded_us": recorded_us,
            "gaps": gaps,
            "looked": ranges,
            "looked_us": sum(end - start for start, end in ranges),
        }

    return {"cameras": await asyncio.gather(*(one_of(camera) for camera in found))}


@router.post("/{assist_id}/areas/{asked_area}/clips", status_code=201, response_model=AssistRequest)
async def attach_clip(
    assist_id: str,
    asked_area: str,
    body: ClipForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Attach minutes in which they are seen. They become a bookmark and are held for the case; who
    asked may play them until the request ends.
    """
    if not body.start_us < body.end_us <= body.start_us + CLIP_LIMIT_US:
        raise invalid(end_us="a clip has from a moment to half an hour: mark its begin and end")
    row, path = await _asked(services, caller, assist_id, asked_area)
    async with services.reader.connect() as connection:
        camera = (await find_cameras(connection, [body.camera_id])).get(body.camera_id)
    if camera is None or not any(one.startswith(path) for one in camera.area_paths):
        raise invalid(camera_id="this camera does not stand in the area that is asked")
    check(caller, Right.PLAYBACK, camera)
    await act(
        services, request, caller, "assist.clip", "assist.attach_clip",
        {"request_id": assist_id, "area_id": asked_area, "user_id": caller.user_id,
         "camera_id": body.camera_id, "start_us": body.start_us, "end_us": body.end_us,
         "note_words": body.note},
        cameras=[camera], reason=_reason(row), result_as="made",
        detail={"request_id": assist_id, "area_id": asked_area, "start_us": body.start_us,
                "end_us": body.end_us},
    )  # fmt: skip
    return await _document(services, caller, assist_id)


@router.post("/{assist_id}/areas/{asked_area}/answer", response_model=AssistRequest)
async def answer(
    assist_id: str,
    asked_area: str,
    body: AnswerForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Answer for an area: seen (a clip is attached), not seen, or footage missing, with its gaps
    and their causes as the timelines tell them.
    """
    row, path = await _asked(services, caller, assist_id, asked_area)
    missing: list[dict[str, Any]] = []
    if body.state == "missing":
        for camera in await _cameras(services, path):
            if body.camera_ids is None or camera.id in body.camera_ids:
                _, gaps = await _recorded(services, camera, row.start_us, row.end_us)
                missing += gaps
    await act(
        services, request, caller, "assist.answer", "assist.answer",
        {"request_id": assist_id, "area_id": asked_area, "user_id": caller.user_id,
         "state": body.state, "words": body.note, "missing": missing[:_GAPS_LIMIT]},
        area=path, reason=_reason(row),
        detail={"request_id": assist_id, "area_id": asked_area, "state": body.state,
                "gaps": len(missing)},
    )  # fmt: skip
    return await _document(services, caller, assist_id)


def _context(photo_id: str) -> str:
    return f"assist photo:{photo_id}"


def _reason(row: sa.Row[Any]) -> ReasonGiven:
    return ReasonGiven(text=row.title, case_id=row.case_id)


async def _asked(
    services: Services, caller: Principal, assist_id: str, area_id: str
) -> tuple[sa.Row[Any], str]:
    """An open request and the path of an area in which the caller answers it. Raises ApiError 404,
    403, 409 ``not_in_force``.
    """
    async with services.reader.connect() as connection:
        row = await find_request(connection, caller, assist_id)
        if row is None:
            raise not_there()
        asked = (await asked_areas(connection, [assist_id]))[assist_id]
    path = next((one.now_path for one in asked if one.area_id == area_id), None)
    if path is None:
        raise not_there()
    check(caller, Right.PLAYBACK, AreaPlace(path))
    if state_at(row, now_us()) != "open":
        raise ApiError(409, "not_in_force", "this request is not open: it waits, or it is over")
    return row, path


async def _cameras(services: Services, path: str) -> list[Camera]:
    statement = (
        select_cameras()
        .where(cameras.c.deleted_us.is_(None), cameras_within([path]))
        .order_by(cameras.c.name, cameras.c.id)
        .limit(_CAMERAS_LIMIT)
    )
    async with services.reader.connect() as connection:
        return await read_cameras(connection, statement)


async def _recorded(
    services: Services, camera: Camera, start_us: int, end_us: int
) -> tuple[int, list[dict[str, Any]]]:
    """How much of the window there is, and what is missing, with its cause."""
    at_us = now_us()
    open_segments, silent = await read_open_segments(services.processes, camera.id)
    async with services.reader.connect() as connection:
        found = await camera_timeline(
            connection, camera.id, start_us, end_us,
            now_us=at_us, open_segments=open_segments, held_on=silent,
        )  # fmt: skip
    until_us = min(end_us, at_us)
    recorded = [
        (max(start, start_us), min(end, until_us))
        for start, end in found.spans
        if start < until_us and end > start_us
    ]
    told = [
        (max(one.start_us, start_us), min(one.end_us, until_us), one.cause) for one in found.gaps
    ]
    # Of the time before its first footage no timeline tells.
    known = [*recorded, *((start, end) for start, end, _ in told)]
    told += [(start, end, "not_recorded") for start, end in subtract((start_us, until_us), known)]
    gaps = [
        {
            "camera_id": camera.id,
            "camera_name": camera.name,
            "start_us": start,
            "end_us": end,
            "cause": cause,
        }
        for start, end, cause in sorted(told)
        if end - start >= _GAP_US
    ]
    return sum(end - start for start, end in recorded), gaps


async def _document(services: Services, caller: Principal, assist_id: str) -> dict[str, Any]:
    services.assist.look()
    async with services.reader.connect() as connection:
        row = await find_request(connection, caller, assist_id)
        if row is None:
            raise not_there()
        return await board(connection, caller, row)
