"""What is said in writing in a meeting, and the files that are handed out."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Any
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, CallerInPerson, record
from gateway.api.answers import Listing, TimeUs
from gateway.api.errors import ApiError, invalid, not_found
from gateway.api.forms import Form
from gateway.api.guard import said_length, too_large
from gateway.api.meeting_access import Seat, find_participant, find_seat, led_by
from gateway.api.meeting_commands import command
from gateway.api.services import Services, ServicesDep
from gateway.database.meeting_tables import meeting_files, meeting_messages
from gateway.identifiers import new_id, now_us
from gateway.meetings.kept import STORE_PREFIX, keep, pieces
from gateway.meetings.said import message_document
from gateway.people.authorize import Principal
from recorder.stores import StoreError

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

_MESSAGES_AT_ONCE = 200


class MessageForm(Form):
    """Words to all, or to one."""

    text: str = Field(min_length=1, max_length=4000)
    to_participant_id: str | None = Field(default=None, max_length=40)


class MessageAnswer(BaseModel):
    """A message. Of one that was taken away the text is empty."""

    id: int
    participant_id: str | None
    name: str
    to_participant_id: str | None
    text: str
    at_us: TimeUs
    removed: bool


class FileAnswer(BaseModel):
    """A file that was handed out."""

    id: str
    name: str
    size_bytes: int
    sha256: str
    author: str
    at_us: TimeUs


@router.get("/{meeting_id}/messages", response_model=Listing[MessageAnswer])
async def list_messages(
    meeting_id: str,
    caller: Caller,
    services: ServicesDep,
    after: Annotated[int, Query(ge=0, lt=2**62)] = 0,
) -> dict[str, Any]:
    """Those after a number, the oldest first; without one, the newest. What was said to one person
    is shown to both alone.
    """
    async with services.reader.connect() as connection:
        seat = await find_seat(connection, caller, meeting_id)
        own = [one.id for one in seat.own if one.user_id == caller.user_id]
        return {"items": await messages_for(connection, meeting_id, own, caller.user_id, after)}


async def limit_saying(services: Services, who: str, meeting_id: str) -> None:
    """Count something that somebody says. Raises ApiError 429 ``too_many_messages``."""
    wait_s = await services.said.take(who, meeting_id)
    if wait_s:
        raise ApiError(
            429,
            "too_many_messages",
            f"you have said {services.said.limit} things within a minute: wait {wait_s} s",
            {"retry_after_s": wait_s},
        )


@router.post("/{meeting_id}/messages", status_code=201, response_model=MessageAnswer)
async def say(
    meeting_id: str,
    body: MessageForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Say something in writing: everybody's page shows it at once."""
    await limit_saying(services, caller.user_id, meeting_id)
    async with services.reader.connect() as connection:
        seat = await find_seat(connection, caller, meeting_id)
        if body.to_participant_id is not None:
            await find_participant(connection, meeting_id, body.to_participant_id)
    by = _author(seat, caller)
    message_id = await command(
        services, request, caller, seat, "message", "meetings.say",
        {"columns": {**by, **body.model_dump()}}, result_as="message",
        to=body.to_participant_id,
    )  # fmt: skip
    statement = sa.select(meeting_messages).where(meeting_messages.c.id == message_id)
    async with services.reader.connect() as connection:
        return message_document((await connection.execute(statement)).one())


@router.delete("/{meeting_id}/messages/{message_id}", status_code=204)
async def unsay(
    meeting_id: str,
    message_id: Annotated[int, Field(ge=0, lt=2**62)],
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> None:
    """Take a message away; who leads may."""
    seat = await led_by(services, caller, meeting_id)
    await command(
        services, request, caller, seat, "unsay", "meetings.unsay",
        {"message_id": message_id, "user_id": caller.user_id}, message=message_id,
    )  # fmt: skip


@router.get("/{meeting_id}/files", response_model=Listing[FileAnswer])
async def list_files(meeting_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What was handed out."""
    table = meeting_files.c
    async with services.reader.connect() as connection:
        await find_seat(connection, caller, meeting_id)
        rows = await connection.execute(
            sa.select(meeting_files)
            .where(table.meeting_id == meeting_id, table.removed_us.is_(None))
            .order_by(table.at_us, table.id)
        )
        return {"items": [dict(row._mapping) for row in rows]}


@router.post("/{meeting_id}/files", status_code=201, response_model=FileAnswer)
async def hand_out(
    meeting_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    name: Annotated[str, Query(min_length=1, max_length=200)],
) -> dict[str, Any]:
    """Hand out a file: the body is it. Nobody looks into it; it is only ever downloaded."""
    async with services.reader.connect() as connection:
        seat = await find_seat(connection, caller, meeting_id)
    limit = services.settings.meetings.file_bytes_limit
    if said_length(request.headers) > limit:
        raise too_large(limit)
    data = await request.body()
    if not data:
        raise invalid(file="the body of the request is the file, and it is empty")
    if len(data) > limit:
        raise too_large(limit)
    if seat.meeting.state not in ("scheduled", "running"):
        raise ApiError(409, "meeting_over", "nothing is handed out any more: the meeting is over")
    file_id = new_id("mfi")
    columns = {
        "id": file_id,
        **_author(seat, caller),
        "name": _printable(name),
        "size_bytes": len(data),
        "sha256": await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()),
        "key": f"{STORE_PREFIX}{meeting_id}/files/{file_id}",
    }
    store = services.storage.store
    try:
        await keep(store, columns["key"], data)
    except (StoreError, OSError) as error:
        raise ApiError(503, "unavailable", f"the store does not take it: {error}") from None
    try:
        await command(
            services, request, caller, seat, "file", "meetings.keep_file",
            {"columns": columns, "limit_bytes": services.settings.meetings.files_bytes_limit},
            file=file_id, name=columns["name"], sha256=columns["sha256"],
        )  # fmt: skip
    except Exception:
        await _forget(services, columns["key"])
        raise
    return {**columns, "at_us": now_us()}


@router.get("/{meeting_id}/files/{file_id}", response_class=StreamingResponse)
async def download(
    meeting_id: str, file_id: str, caller: Caller, request: Request, services: ServicesDep
) -> StreamingResponse:
    """The file, as an attachment: no browser shows it."""
    table = meeting_files.c
    async with services.reader.connect() as connection:
        seat = await find_seat(connection, caller, meeting_id)
        row = (
            await connection.execute(
                sa.select(meeting_files).where(
                    table.id == file_id,
                    table.meeting_id == meeting_id,
                    table.removed_us.is_(None),
                )
            )
        ).one_or_none()
    if row is None:
        raise not_found("file")
    store = services.storage.store
    try:
        if await store.stat(row.key) is None:
            raise not_found("file")
    except StoreError as error:
        raise ApiError(503, "unavailable", f"the store does not answer: {error}") from None
    await record(
        services, request, caller, "meeting.file_download", area=seat.place.area_path or None,
        meeting=meeting_id, title=seat.meeting.title, file=file_id, name=row.name,
    )  # fmt: skip
    return StreamingResponse(
        pieces(store, row.key, row.size_bytes),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(row.size_bytes),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row.name, safe='')}",
            "Content-Security-Policy": "sandbox",
            "Cache-Control": "no-store",
        },
    )


@router.delete("/{meeting_id}/files/{file_id}", status_code=204)
async def take_back(
    meeting_id: str, file_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Hand it out no more; who leads may."""
    seat = await led_by(services, caller, meeting_id)
    key = await command(
        services, request, caller, seat, "file_remove", "meetings.drop_file",
        {"file_id": file_id, "user_id": caller.user_id}, file=file_id,
    )  # fmt: skip
    await _forget(services, key)


async def messages_for(
    connection: AsyncConnection,
    meeting_id: str,
    own: list[str],
    user_id: str | None,
    after: int,
    *where: sa.ColumnElement[bool],
) -> list[dict[str, Any]]:
    """Messages that somebody may read, as whom they sit (``own``) or signed in; the oldest first:
    those after a number, or the newest.
    """
    table = meeting_messages.c
    statement = sa.select(meeting_messages).where(
        table.meeting_id == meeting_id,
        sa.or_(
            table.to_participant_id.is_(None),
            table.to_participant_id.in_(own),
            table.participant_id.in_(own),
            sa.false() if user_id is None else table.user_id == user_id,
        ),
        *where,
    )
    if after:
        statement = statement.where(table.id > after).order_by(table.id)
    else:
        statement = statement.order_by(table.id.desc())
    rows = (await connection.execute(statement.limit(_MESSAGES_AT_ONCE))).all()
    return [message_document(row) for row in sorted(rows, key=lambda row: row.id)]


async def _forget(services: Services, key: str) -> None:
    try:
        await services.storage.store.delete([key])
    except StoreError:
        # Nobody names it any more; it costs its bytes.
        return


def _author(seat: Seat, caller: Principal) -> dict[str, Any]:
    current = seat.current(caller.user_id)
    name = current.name if current is not None else caller.display_name or caller.name
    return {
        "participant_id": current.id if current is not None else None,
        "user_id": caller.user_id,
        "author": name,
    }


def _printable(name: str) -> str:
    plain = "".join(one for one in name if one.isprintable() and one not in "/\\:")
    return plain.strip(". ") or "file"
