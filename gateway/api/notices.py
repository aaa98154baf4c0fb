"""Notices: published to areas, read, confirmed by the screens of offices, withdrawn."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import (
    Caller,
    CallerInPerson,
    act,
    check,
    not_there,
    permitted_areas,
)
from gateway.api.answers import Listing
from gateway.api.errors import invalid, not_found
from gateway.api.forms import Form
from gateway.api.holds import Instant
from gateway.api.meeting_sites import own_site
from gateway.api.notice_answers import (
    CurrentNotices,
    Notice,
    NoticeCoverage,
    NoticePage,
    NoticePriority,
    NoticeReader,
    PublishableArea,
)
from gateway.api.paging import behind, cursor_behind
from gateway.api.second_person import Refusal, Said
from gateway.api.services import Services, ServicesDep
from gateway.attachments.subjects import seen_by
from gateway.database.notice_tables import notices
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.notices.audience import is_for
from gateway.notices.coverage import coverage, readers
from gateway.notices.notice_rows import SUBJECT
from gateway.notices.reading import (
    LISTED_LIMIT,
    count_unread,
    emergencies,
    find_notice,
    is_current,
    is_managed_by,
    is_unread_by,
    is_visible_to,
    notice_document,
    published_to,
    select_notices,
    summaries,
)
from gateway.people.areas import within
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/notices", tags=["notices"])

AREAS_LIMIT = 1000
FILES_LIMIT = 20
# A browser's clock may be a little ahead.
_TOLERATED_US = 60 * US_PER_S
LONGEST_US = 366 * 24 * 3600 * US_PER_S
Id = Annotated[str, Field(max_length=40)]


class NoticeForm(Said):
    """What is published, to whom and how long. ``from_us`` left out or past: from now on."""

    title: str = Field(min_length=1, max_length=200)
    words: str = Field(min_length=1, max_length=10_000)
    priority: NoticePriority = "normal"
    area_ids: list[Id] = Field(min_length=1, max_length=AREAS_LIMIT)
    from_us: Instant | None = None
    until_us: Instant
    file_ids: list[Id] = Field(default=[], max_length=FILES_LIMIT)


class AtSite(Form):
    """What goes on at a site: its screen shows it, or somebody confirms there."""

    confirmed: bool


@router.get("", response_model=NoticePage)
async def list_notices(
    caller: Caller,
    services: ServicesDep,
    side: Literal["received", "managed"] = "received",
    only: Literal["current", "unread"] | None = None,
    limit: Annotated[int, Query(ge=1, le=LISTED_LIMIT)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> dict[str, Any]:
    """Those that have begun and that the caller may see, or those of areas where they publish; the
    newest first.
    """
    table = notices.c
    if side == "managed":
        statement = select_notices().where(is_managed_by(caller))
    else:
        statement = select_notices().where(is_visible_to(caller), table.from_us <= now_us())
    if only is not None:
        statement = statement.where(
            is_unread_by(caller) if only == "unread" else is_current(now_us())
        )
    statement = statement.where(behind(cursor, table.created_us, table.id)).limit(limit + 1)
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        items = await summaries(connection, caller, rows[:limit])
    return {
        "items": items,
        "next_cursor": cursor_behind(items[-1]) if len(rows) > limit else None,
    }


@router.get("/current", response_model=CurrentNotices)
async def read_current(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What every page shows: how many are unread, and the emergencies that hold now."""
    async with services.reader.connect() as connection:
        return {
            "unread": await count_unread(connection, caller),
            "emergencies": await emergencies(connection, caller),
        }


@router.get("/areas", response_model=Listing[PublishableArea])
async def list_areas(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Every area of the administrative tree to which the caller may publish."""
    paths = permitted_areas(caller, Right.ANNOUNCE)
    statement = (
        sa.select(areas.c.id, areas.c.parent_id, areas.c.name)
        .where(areas.c.axis == "area", within(areas.c.path, paths))
        .order_by(areas.c.position, areas.c.name, areas.c.id)
    )
    async with services.reader.connect() as connection:
        return {"items": [dict(row) for row in (await connection.execute(statement)).mappings()]}


@router.post("", status_code=201, response_model=Notice)
async def publish(
    body: NoticeForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Publish to areas and all below them, in each of which the caller may publish."""
    at_us = now_us()
    area_ids = list(dict.fromkeys(body.area_ids))
    async with services.reader.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(areas.c.id, areas.c.path, areas.c.name).where(areas.c.id.in_(area_ids))
            )
        ).all()
    if len(rows) != len(area_ids):
        raise not_found("area")
    for row in rows:
        check(caller, Right.ANNOUNCE, AreaPlace(row.path))
    from_us = max(at_us, body.from_us or 0)
    if body.until_us <= from_us:
        raise invalid(until_us="it would be over before anybody could read it: choose a later end")
    if body.until_us > at_us + LONGEST_US + _TOLERATED_US:
        raise invalid(until_us="a notice holds for a year at most")
    notice_id = new_id("ntc")
    arguments = {
        "notice_id": notice_id, "user_id": caller.user_id, "title": body.title,
        "words": body.words, "priority": body.priority, "from_us": from_us,
        "until_us": body.until_us, "file_ids": list(dict.fromkeys(body.file_ids)),
        "publisher_path": _speaks_for(caller, [row.path for row in rows], at_us),
        "areas": [{"area_id": row.id, "path": row.path, "name": row.name} for row in rows],
    }  # fmt: skip
    await act(
        services, request, caller, "notice.publish", "notices.publish", arguments,
        area=rows[0].path,
        detail={
            "notice": notice_id, "title": body.title, "priority": body.priority,
            "area_ids": area_ids, "from_us": from_us, "until_us": body.until_us,
            "files": len(body.file_ids),
        },
    )  # fmt: skip
    return await _document(services, caller, notice_id)


@router.get("/{notice_id}", response_model=Notice)
async def read_notice(notice_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One notice; to look at it is no receipt."""
    return await _document(services, caller, notice_id)


@router.post("/{notice_id}/read", response_model=Notice)
async def mark_read(
    notice_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """The caller has read it. The first time counts."""
    async with services.reader.connect() as connection:
        row, paths = await _seen(connection, caller, notice_id)
        (summary,) = await summaries(connection, caller, [row])
    if summary["read_us"] is None:
        await act(
            services, request, caller, "notice.read", "notices.read",
            {"notice_id": notice_id, "user_id": caller.user_id},
            area=paths[0], detail={"notice": notice_id, "title": row.title},
        )  # fmt: skip
    return await _document(services, caller, notice_id)


@router.put("/{notice_id}/sites/{site_id}", response_model=Notice)
async def at_site(
    notice_id: str,
    site_id: str,
    body: AtSite,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """The screen of an office shows an emergency, or somebody confirms it there. Only who sits for
    the site may say so.
    """
    async with services.reader.connect() as connection:
        path = await own_site(connection, caller, site_id)
        row, paths = await _seen(connection, caller, notice_id)
    if not is_for([path], paths):
        raise not_there()
    await act(
        services, request, caller, "notice.site", "notices.at_site",
        {
            "notice_id": notice_id, "area_id": site_id, "user_id": caller.user_id,
            "confirmed": body.confirmed,
        },
        area=path,
        detail={"notice": notice_id, "title": row.title, "confirmed": body.confirmed},
    )  # fmt: skip
    return await _document(services, caller, notice_id)


@router.post("/{notice_id}/withdraw", response_model=Notice)
async def withdraw(
    notice_id: str, body: Refusal, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """It does not hold any more, and why. Who had it sees that."""
    row, paths = await _managed(services, caller, notice_id)
    await act(
        services, request, caller, "notice.withdraw", "notices.withdraw",
        {"notice_id": notice_id, "user_id": caller.user_id, "note": body.note},
        area=paths[0], detail={"notice": notice_id, "title": row.title, "note": body.note},
    )  # fmt: skip
    return await _document(services, caller, notice_id)


@router.get("/{notice_id}/coverage", response_model=NoticeCoverage)
async def read_coverage(notice_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """How many have read it, by area, and which screens confirmed it; to who publishes there."""
    await _managed(services, caller, notice_id)
    async with services.reader.connect() as connection:
        return await coverage(connection, notice_id)


@router.get("/{notice_id}/coverage/{area_id}", response_model=Listing[NoticeReader])
async def read_readers(
    notice_id: str, area_id: str, caller: Caller, services: ServicesDep
) -> dict[str, Any]:
    """Who of an area has read it, and when; those who have not come first."""
    await _managed(services, caller, notice_id)
    async with services.reader.connect() as connection:
        return {"items": await readers(connection, notice_id, area_id)}


async def _seen(
    connection: AsyncConnection, caller: Principal, notice_id: str
) -> tuple[sa.Row[Any], list[str]]:
    """The notice and where it went. Raises ApiError 404."""
    row = await find_notice(connection, caller, notice_id)
    if row is None:
        raise not_there()
    to = await published_to(connection, [notice_id])
    return row, [one.now_path for one in to[notice_id]]


async def _managed(
    services: Services, caller: Principal, notice_id: str
) -> tuple[sa.Row[Any], list[str]]:
    """As :func:`_seen`, for who publishes in all its areas. Raises ApiError 404, 403."""
    async with services.reader.connect() as connection:
        row, paths = await _seen(connection, caller, notice_id)
    at_us = now_us()
    # Where they hold anything comes first: nobody is told of areas that they do not know.
    for path in sorted(paths, key=lambda one: not caller.rights_at(AreaPlace(one), at_us)):
        check(caller, Right.ANNOUNCE, AreaPlace(path))
    return row, paths


async def _document(services: Services, caller: Principal, notice_id: str) -> dict[str, Any]:
    services.notices.look()
    async with services.reader.connect() as connection:
        row, _ = await _seen(connection, caller, notice_id)
        return await notice_document(connection, caller, row)


def _speaks_for(caller: Principal, paths: list[str], at_us: int) -> str:
    """The area for which the caller publishes to these: theirs that holds the first of them."""
    own = caller.areas_with(Right.ANNOUNCE, at_us)
    return next(one for one in own if paths[0].startswith(one))


async def _sight(connection: AsyncConnection, principal: Principal, subject_id: str) -> str | None:
    if await find_notice(connection, principal, subject_id) is None:
        return None
    (first, *_) = (await published_to(connection, [subject_id]))[subject_id]
    return str(first.now_path)


seen_by(SUBJECT, _sight)
