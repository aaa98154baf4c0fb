"""Bookmarks: moments and ranges that people marked on a camera's timeline."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, check, permitted_camera
from gateway.api.answers import Listing
from gateway.api.errors import invalid, not_found
from gateway.api.footage_answers import Bookmark
from gateway.api.services import ServicesDep
from gateway.cameras import place_columns, place_of
from gateway.database.tables import areas, bookmarks, cameras, users
from gateway.identifiers import now_us
from gateway.people.areas import cameras_within
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/bookmarks", tags=["bookmarks"])

_BOOKMARKS_LIMIT = 1000


class BookmarkForm(BaseModel):
    """A moment, or a range, and what there is to see."""

    camera_id: str = Field(max_length=40)
    at_us: int = Field(ge=0, lt=2**62)
    end_us: int | None = Field(default=None, ge=0, lt=2**62)
    note: str = Field(default="", max_length=2000)


class BookmarkChange(BaseModel):
    """What of a bookmark changes; absent fields stay."""

    at_us: int | None = Field(default=None, ge=0, lt=2**62)
    end_us: int | None = Field(default=None, ge=0, lt=2**62)
    note: str | None = Field(default=None, max_length=2000)


def select_bookmarks() -> sa.Select[Any]:
    """Bookmarks with their author's name and their camera's place."""
    return sa.select(bookmarks, users.c.display_name.label("author"), *place_columns()).select_from(
        bookmarks.join(users, users.c.id == bookmarks.c.author_id)
        .join(cameras, cameras.c.id == bookmarks.c.camera_id)
        .join(areas, areas.c.id == cameras.c.area_id)
    )


def bookmark_document(row: sa.Row[Any]) -> dict[str, Any]:
    """The Bookmark document."""
    names = ("id", "camera_id", "at_us", "end_us", "note", "author", "created_us")
    return {name: row._mapping[name] for name in names}


@router.get("", response_model=Listing[Bookmark])
async def list_bookmarks(
    caller: Caller,
    services: ServicesDep,
    camera_id: str | None = None,
    start_us: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    end_us: Annotated[int, Query(ge=0, lt=2**62)] = 2**61,
) -> dict[str, Any]:
    """Bookmarks on cameras that the caller may play back, in order of time."""
    statement = select_bookmarks().where(
        cameras_within(caller.areas_with(Right.PLAYBACK, now_us())),
        bookmarks.c.at_us >= start_us,
        bookmarks.c.at_us < end_us,
    )
    if camera_id is not None:
        statement = statement.where(bookmarks.c.camera_id == camera_id)
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            statement.order_by(bookmarks.c.at_us).limit(_BOOKMARKS_LIMIT)
        )
        return {"items": [bookmark_document(row) for row in rows]}


@router.post("", status_code=201, response_model=Bookmark)
async def create_bookmark(
    body: BookmarkForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Mark a moment."""
    if body.end_us is not None and body.end_us < body.at_us:
        raise invalid(end_us="the range ends before it begins")
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(
            connection, caller, Right.BOOKMARK, body.camera_id, deleted=True
        )
    bookmark_id = await act(
        services,
        request,
        caller,
        "bookmark.create",
        "bookmarks.create",
        {"author_id": caller.user_id, **body.model_dump()},
        cameras=[camera],
        result_as="id",
    )
    async with services.reader.connect() as connection:
        return bookmark_document(await _bookmark(connection, bookmark_id))


@router.patch("/{bookmark_id}", response_model=Bookmark)
async def change_bookmark(
    bookmark_id: str,
    body: BookmarkChange,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Change a bookmark of one's own, or any in an area that one configures."""
    given = body.model_dump(exclude_unset=True)
    if any(given.get(name, "") is None for name in ("at_us", "note")):
        raise invalid(at_us="at_us and note cannot be taken away")
    async with services.reader.connect() as connection:
        row = await _own_bookmark(connection, caller, bookmark_id)
    at_us, end_us = given.get("at_us", row.at_us), given.get("end_us", row.end_us)
    if end_us is not None and end_us < at_us:
        raise invalid(end_us="the range ends before it begins")
    if given:
        await act(
            services,
            request,
            caller,
            "bookmark.change",
            "bookmarks.change",
            {"bookmark_id": bookmark_id, "columns": given},
            area=row.area_path,
            detail={"id": bookmark_id, "camera_id": row.camera_id, **given},
        )
    async with services.reader.connect() as connection:
        return bookmark_document(await _bookmark(connection, bookmark_id))


@router.delete("/{bookmark_id}", status_code=204)
async def delete_bookmark(
    bookmark_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Delete a bookmark of one's own, or any in an area that one configures."""
    async with services.reader.connect() as connection:
        row = await _own_bookmark(connection, caller, bookmark_id)
    await act(
        services,
        request,
        caller,
        "bookmark.delete",
        "bookmarks.delete",
        {"bookmark_id": bookmark_id},
        area=row.area_path,
        detail={"id": bookmark_id, "camera_id": row.camera_id, "note": row.note},
    )


async def _bookmark(connection: AsyncConnection, bookmark_id: str) -> sa.Row[Any]:
    found = await connection.execute(select_bookmarks().where(bookmarks.c.id == bookmark_id))
    row: sa.Row[Any] | None = found.one_or_none()
    if row is None:
        raise not_found("bookmark")
    return row


async def _own_bookmark(
    connection: AsyncConnection, caller: Principal, bookmark_id: str
) -> sa.Row[Any]:
    row = await _bookmark(connection, bookmark_id)
    place = place_of(row.area_path, row.area_paths)
    if Right.PLAYBACK not in caller.rights_at(place, now_us()):
        raise not_found("bookmark")
    own = Right.BOOKMARK if row.author_id == caller.user_id else Right.CONFIGURE
    check(caller, own, place)
    return row
