"""Files that people bring: sent, and shown to who may see what they are attached to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, CallerInPerson, act, not_there, permitted_by_any, record
from gateway.api.answers import TimeUs
from gateway.api.errors import ApiError, invalid, unavailable
from gateway.api.guard import said_length
from gateway.api.pictures import jpeg_answer, stored_picture
from gateway.api.ranges import asked_range
from gateway.api.services import Services, ServicesDep
from gateway.attachments.keeping import examine_in_turn, put, staging
from gateway.attachments.kinds import FileRefused
from gateway.attachments.reading import file_document
from gateway.attachments.rows import object_key, thumbnail_key
from gateway.attachments.subjects import where_seen
from gateway.database.attachment_tables import attached_files
from gateway.identifiers import new_id
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from recorder.stores import Store, StoreError

router = APIRouter(prefix="/api/attachments", tags=["attachments"])

# Whoever has something to attach a file to.
BRINGING = (Right.REPORT, Right.HANDLE, Right.DISPATCH, Right.ANNOUNCE, Right.SEARCH)
_REFUSED_STATUS = {"too_large": 413, "not_accepted": 415}
_WRITTEN_BYTES = 1024 * 1024
_THUMBNAIL_BYTES_LIMIT = 4 * 1024 * 1024


class FileAnswer(BaseModel):
    """A file that somebody brought. ``media_type`` is what is kept: photos become JPEG, and what a
    photo said of its place and time stands here and not in the file.
    """

    id: str
    kind: Literal["photo", "video", "sound", "document"]
    media_type: str
    name: str
    sha256: str
    size_bytes: int
    width: int | None
    height: int | None
    duration_ms: int | None
    longitude: float | None
    latitude: float | None
    taken_us: TimeUs | None
    has_thumbnail: bool
    created_us: TimeUs


def may_bring(caller: Principal) -> None:
    """Raises ApiError 403 for who has nothing to attach a file to."""
    permitted_by_any(caller, BRINGING)


def file_refused(refusal: FileRefused) -> ApiError:
    """413 for its size, 415 for its kind, 422 for what is wrong in it."""
    return ApiError(_REFUSED_STATUS.get(refusal.code, 422), refusal.code, str(refusal))


def plain_name(name: str) -> str:
    """A file's name without what a path or a terminal would take for more."""
    plain = "".join(one for one in name if one.isprintable() and one not in "/\\:<>")
    return plain.strip(". ") or "file"


@router.post("", status_code=201, response_model=FileAnswer)
async def bring(
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    name: Annotated[str, Query(min_length=1, max_length=200)],
) -> dict[str, Any]:
    """Send a file: the body is it. It is attached to something within two days, or deleted."""
    may_bring(caller)
    limit = services.settings.attachments.largest_bytes
    if said_length(request.headers) > limit:
        raise _too_large(limit)
    async with staging(services.settings) as folder:
        source = folder / "sent"
        if not await _write(request, source, limit):
            raise invalid(file="the body of the request is the file, and it is empty")
        try:
            examined = await examine_in_turn(services.settings, source, plain_name(name))
        except FileRefused as refusal:
            raise file_refused(refusal) from None
        file_id = new_id("att")
        try:
            await put(services.rows, services.storage.store, file_id, caller.user_id, examined)
        except (StoreError, OSError) as error:
            raise unavailable(f"the store does not take it: {error}") from None
    await act(
        services, request, caller, "attachment.add", "attachments.keep", {"file_id": file_id},
        detail={
            "file": file_id,
            "name": examined.columns["name"],
            "kind": examined.columns["kind"],
            "sha256": examined.columns["sha256"],
        },
    )  # fmt: skip
    async with services.reader.connect() as connection:
        return file_document(await _find(connection, file_id))


@router.get("/{attachment_id}", response_model=FileAnswer)
async def read_file(attachment_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What it is."""
    row, _ = await _seen(services, caller, attachment_id)
    return file_document(row)


@router.get("/{attachment_id}/content", response_class=Response)
async def read_content(
    attachment_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Response:
    """The file, whole or a range (RFC 9110 §14). Photos, videos and sound are shown where they are
    asked for; a document is only ever downloaded.
    """
    row, detail = await _seen(services, caller, attachment_id)
    store, key = services.storage.store, object_key(row.id)
    start, end = asked_range(request.headers.get("range"), row.size_bytes)
    try:
        if await store.stat(key) is None:
            raise not_there()
    except StoreError as error:
        raise unavailable(f"the store does not answer: {error}") from None
    # A player asks for one file in many pieces.
    if start == 0:
        await record(services, request, caller, "attachment.view", **detail)
    shown = "attachment" if row.kind == "document" else "inline"
    headers = {
        "Content-Length": str(end - start),
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(_saved_name(row), safe='')}",
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "no-store",
    }
    partial = (start, end) != (0, row.size_bytes)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{row.size_bytes}"
    return StreamingResponse(
        _pieces(store, key, start, end),
        status_code=206 if partial else 200,
        media_type=row.media_type,
        headers=headers,
    )


@router.get("/{attachment_id}/thumbnail", response_class=Response)
async def read_thumbnail(
    attachment_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Response:
    """A photo, or the first picture of a video, at most 480 pixels wide and high."""
    row, detail = await _seen(services, caller, attachment_id)
    if not row.has_thumbnail:
        raise not_there()
    data = await stored_picture(services, thumbnail_key(row.id), 0, _THUMBNAIL_BYTES_LIMIT)
    await record(services, request, caller, "attachment.view", thumbnail=True, **detail)
    return jpeg_answer(data)


@router.delete("/{attachment_id}", status_code=204)
async def discard(
    attachment_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Take back what one brought and attached to nothing."""
    row, _ = await _seen(services, caller, attachment_id)
    await act(
        services, request, caller, "attachment.discard", "attachments.discard",
        {"file_id": row.id, "user_id": caller.user_id},
        detail={"file": row.id, "name": row.name},
    )  # fmt: skip


async def _find(connection: AsyncConnection, file_id: str) -> sa.Row[Any]:
    table = attached_files.c
    row = (
        await connection.execute(
            sa.select(attached_files).where(
                table.id == file_id, table.kept_us.is_not(None), table.removed_us.is_(None)
            )
        )
    ).one_or_none()
    if row is None:
        raise not_there()
    return row


async def _seen(
    services: Services, caller: Principal, file_id: str
) -> tuple[sa.Row[Any], dict[str, Any]]:
    """The row, and what a record of a look at it says. Raises ApiError 404."""
    async with services.reader.connect() as connection:
        row = await _find(connection, file_id)
        detail: dict[str, Any] = {"file": row.id, "name": row.name}
        seen = await where_seen(connection, caller, file_id)
        if seen is not None:
            kind, subject_id, path = seen
            return row, {**detail, kind: subject_id, "area": path or None}
        if row.created_by != caller.user_id:
            raise not_there()
    return row, detail


def _saved_name(row: sa.Row[Any]) -> str:
    """What is kept of a photo is a JPEG, whatever it was."""
    name = str(row.name)
    return f"{name.rpartition('.')[0] or name}.jpg" if row.kind == "photo" else name


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413,
        "too_large",
        f"a file may have {limit // 2**20} MB: send a shorter video or a smaller photo",
        {"limit_bytes": limit},
    )


async def _write(request: Request, path: Path, limit: int) -> int:
    """The body into a file; gives its size in bytes. Raises ApiError 413."""
    held, size = bytearray(), 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for piece in request.stream():
            held += piece
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            if len(held) >= _WRITTEN_BYTES:
                await asyncio.to_thread(file.write, bytes(held))
                held.clear()
        await asyncio.to_thread(file.write, bytes(held))
    return size


async def _pieces(store: Store, key: str, start: int, end: int) -> AsyncIterator[bytes]:
    for at in range(start, end, _WRITTEN_BYTES):
        yield await store.read(key, at, min(_WRITTEN_BYTES, end - at))
