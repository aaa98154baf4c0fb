"""Files of reports, piece by piece: what a dead spot interrupts goes on where it was, and comes
once. After tus 1.0: an offset, a checksum for each piece, an expiry.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gateway.api.access import CallerInPerson, act, not_there, permitted_areas
from gateway.api.answers import TimeUs
from gateway.api.attachments import FileAnswer, file_refused, plain_name
from gateway.api.errors import ApiError, invalid, unavailable
from gateway.api.field_reports import ClientId
from gateway.api.forms import Form
from gateway.api.guard import said_length, too_large
from gateway.api.services import Services, ServicesDep
from gateway.attachments.keeping import examine_in_turn, put, staging
from gateway.attachments.kinds import FileRefused
from gateway.attachments.reading import file_document
from gateway.database.attachment_tables import attached_files
from gateway.database.field_tables import field_pieces, field_uploads
from gateway.field.expiry import delete_pieces
from gateway.field.pieces import PIECE_BYTES_LIMIT, Piece, next_offset
from gateway.field.upload_rows import piece_key
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.meetings.kept import keep
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from recorder.stores import Store, StoreError

router = APIRouter(prefix="/api/field/uploads", tags=["field"])

_DAY_US = 86400 * US_PER_S


class UploadForm(Form):
    """``id`` is made by the telephone and never used again. ``report_id``: of the report, as the
    telephone made it, sent before this or after.
    """

    id: ClientId
    report_id: ClientId | None = None
    name: str = Field(min_length=1, max_length=200)
    size_bytes: int = Field(ge=1, lt=2**62)


class UploadAnswer(BaseModel):
    """How far an upload is. ``refused``: why it will never be a file; ``file_id``: what it is."""

    id: str
    size_bytes: int
    offset: int
    piece_bytes_limit: int
    expires_us: TimeUs
    file_id: str | None
    refused: str | None


@router.post("", status_code=201, response_model=UploadAnswer)
async def begin_upload(
    body: UploadForm, caller: CallerInPerson, services: ServicesDep
) -> dict[str, Any]:
    """Begin to send a file, or learn how far one is. 413 before a byte is taken."""
    # Pictures of tasks come this way, too.
    if not caller.areas_with(Right.HANDLE, now_us()):
        permitted_areas(caller, Right.REPORT)
    limit = services.settings.attachments.largest_bytes
    if body.size_bytes > limit:
        raise ApiError(
            413,
            "too_large",
            f"this file has {body.size_bytes // 2**20} MB; a video may have {limit // 2**20}: "
            "send a shorter one",
            {"limit_bytes": limit},
        )
    columns = {
        "user_id": caller.user_id,
        "client_id": body.id,
        "report_client_id": body.report_id,
        "name": plain_name(body.name),
        "size_bytes": body.size_bytes,
    }
    expires_us = now_us() + round(services.settings.field.upload_days * _DAY_US)
    upload_id = await services.rows.write(
        "field.begin_upload", columns=columns, expires_us=expires_us
    )
    return (await _find(services, caller, upload_id))[1]


@router.get("/{upload_id}", response_model=UploadAnswer)
async def read_upload(
    upload_id: str, caller: CallerInPerson, response: Response, services: ServicesDep
) -> dict[str, Any]:
    """How far it is."""
    _, document = await _find(services, caller, upload_id)
    response.headers["Upload-Offset"] = str(document["offset"])
    response.headers["Cache-Control"] = "no-store"
    return document


@router.patch("/{upload_id}", status_code=204)
async def send_piece(
    upload_id: str,
    caller: CallerInPerson,
    request: Request,
    response: Response,
    services: ServicesDep,
) -> None:
    """The body is the file from ``Upload-Offset`` on; ``Upload-Checksum`` is ``sha256`` and its
    base64. The answer's ``Upload-Offset`` is where to go on. A piece that comes again is none the
    worse; 409 ``offset_differs`` says from where it is wanted, 422 ``checksum_differs`` that it was
    changed on its way.
    """
    if said_length(request.headers) > PIECE_BYTES_LIMIT:
        raise too_large(PIECE_BYTES_LIMIT)
    row, document = await _find(services, caller, upload_id)
    start, wanted = _asked(request)
    data = await request.body()
    if len(data) > PIECE_BYTES_LIMIT:
        raise too_large(PIECE_BYTES_LIMIT)
    if not data:
        raise invalid(body="the body of the request is the piece, and it is empty")
    if document["file_id"] is not None:
        response.headers["Upload-Offset"] = str(row.size_bytes)
        return
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
    if digest != wanted:
        raise ApiError(422, "checksum_differs", "this piece was changed on its way: send it again")
    if start > document["offset"] or start + len(data) > row.size_bytes:
        raise _offset_differs(document["offset"])
    piece = Piece(start, len(data), digest.hex())
    key = piece_key(row.id, start, piece.sha256)
    try:
        await keep(services.storage.store, key, data)
    except (StoreError, OSError) as error:
        raise unavailable(f"the store does not take it: {error}") from None
    verdict, offset = await services.rows.write(
        "field.take_piece",
        upload_id=row.id,
        start=start,
        size=piece.size,
        sha256=piece.sha256,
    )
    if verdict not in ("new", "known"):
        raise _offset_differs(offset)
    response.headers["Upload-Offset"] = str(offset)


@router.post("/{upload_id}/finish", response_model=FileAnswer)
async def finish_upload(
    upload_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """All of it is there: read it, keep it, attach it to its report. May be repeated. 409
    ``offset_differs`` while something is missing; what is no file that is taken is refused for
    good, as by ``POST /api/attachments``.
    """
    row, document = await _find(services, caller, upload_id)
    file_id: str | None = document["file_id"]
    if document["refused"] is not None:
        raise file_refused(FileRefused(document["refused"], "this file is not taken: send another"))
    if file_id is None:
        if document["offset"] != row.size_bytes:
            raise _offset_differs(document["offset"])
        file_id = await _finish(services, request, caller, row)
    # Else expiry finds them.
    with contextlib.suppress(StoreError):
        await delete_pieces(services.storage.store, row.id)
    async with services.reader.connect() as connection:
        kept = (
            await connection.execute(
                sa.select(attached_files).where(attached_files.c.id == file_id)
            )
        ).one_or_none()
    if kept is None:
        raise not_there()
    return file_document(kept)


async def _finish(services: Services, request: Request, caller: Principal, row: sa.Row[Any]) -> str:
    store = services.storage.store
    pieces = await _pieces(services, row.id)
    async with staging(services.settings) as folder:
        source = folder / "sent"
        try:
            await _assemble(store, row.id, pieces, source)
            examined = await examine_in_turn(services.settings, source, row.name)
            file_id = new_id("att")
            await put(services.rows, store, file_id, caller.user_id, examined)
        except FileRefused as refusal:
            await services.rows.write("field.refuse_upload", upload_id=row.id, code=refusal.code)
            raise file_refused(refusal) from None
        except (StoreError, OSError) as error:
            raise unavailable(f"the store does not answer: {error}") from None
    detail = {
        "file": file_id,
        "name": row.name,
        "kind": examined.columns["kind"],
        "sha256": examined.columns["sha256"],
    }
    finished: str = await act(
        services, request, caller, "attachment.add", "field.finish_upload",
        {"upload_id": row.id, "file_id": file_id}, detail=detail,
    )  # fmt: skip
    services.incidents.look()
    return finished


async def _assemble(store: Store, upload_id: str, pieces: list[Piece], path: Path) -> None:
    with await asyncio.to_thread(path.open, "wb") as file:
        for piece in pieces:
            data = await store.read(piece_key(upload_id, piece.start, piece.sha256), 0, piece.size)
            await asyncio.to_thread(file.write, data)


async def _find(
    services: Services, caller: Principal, upload_id: str
) -> tuple[sa.Row[Any], dict[str, Any]]:
    """One's own. Raises ApiError 404."""
    own = field_uploads.c
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(field_uploads).where(
                    own.id == upload_id, own.user_id == caller.user_id, own.expires_us > now_us()
                )
            )
        ).one_or_none()
    if row is None:
        raise not_there()
    over = row.file_id is not None or row.refused is not None
    offset = row.size_bytes if over else next_offset(await _pieces(services, upload_id))
    return row, {
        "id": row.id,
        "size_bytes": row.size_bytes,
        "offset": offset,
        "piece_bytes_limit": PIECE_BYTES_LIMIT,
        "expires_us": row.expires_us,
        "file_id": row.file_id,
        "refused": row.refused,
    }


async def _pieces(services: Services, upload_id: str) -> list[Piece]:
    table = field_pieces.c
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(table.start, table.size_bytes, table.sha256)
            .where(table.upload_id == upload_id)
            .order_by(table.start)
        )
        return [Piece(*row) for row in rows]


def _asked(request: Request) -> tuple[int, bytes]:
    """Where the piece begins, and its SHA-256. Raises ApiError 422."""
    offset = request.headers.get("upload-offset", "")
    kind, _, checksum = request.headers.get("upload-checksum", "").partition(" ")
    if not offset.isascii() or not offset.isdecimal() or len(offset) > 18:
        raise invalid(upload_offset="say in Upload-Offset where this piece begins, in bytes")
    try:
        digest = base64.b64decode(checksum, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if kind != "sha256" or len(digest) != hashlib.sha256().digest_size:
        raise invalid(upload_checksum="send Upload-Checksum: sha256 and the base64 of it")
    return int(offset), digest


def _offset_differs(offset: int) -> ApiError:
    return ApiError(
        409, "offset_differs", f"this upload goes on at byte {offset}", {"offset": offset}
    )
