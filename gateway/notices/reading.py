"""Notices as documents, and who may see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.attachments.reading import files_of
from gateway.database.notice_tables import notice_areas, notice_receipts, notice_sites, notices
from gateway.database.tables import areas, users
from gateway.identifiers import now_us
from gateway.meetings.seats import sites_of
from gateway.notices.audience import homes_of, is_for, ways_to
from gateway.notices.notice_rows import SUBJECT
from gateway.people.areas import area_names, within
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

LISTED_LIMIT = 200
EMERGENCIES_LIMIT = 20

_notice = notices.c
placed_areas = notice_areas.outerjoin(areas, areas.c.id == notice_areas.c.area_id)
"""``notice_areas`` with :func:`path_now` beside it."""


def path_now() -> sa.ColumnElement[str]:
    """On :data:`placed_areas`: where an area lies today, or lay at last."""
    return sa.func.coalesce(areas.c.path, notice_areas.c.path)


def select_notices() -> sa.Select[Any]:
    """Notices with the names that go with them, the newest first."""
    publisher, withdrawer = users.alias("publisher"), users.alias("withdrawer")
    return (
        sa.select(
            notices,
            publisher.c.display_name.label("publisher"),
            withdrawer.c.display_name.label("withdrawer"),
        )
        .select_from(
            notices.join(publisher, publisher.c.id == _notice.created_by).outerjoin(
                withdrawer, withdrawer.c.id == _notice.withdrawn_by
            )
        )
        .order_by(_notice.created_us.desc(), _notice.id.desc())
    )


def is_current(at_us: int) -> sa.ColumnElement[bool]:
    """On ``notices``: it holds then."""
    return sa.and_(
        _notice.from_us <= at_us, _notice.until_us > at_us, _notice.withdrawn_us.is_(None)
    )


def is_managed_by(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``notices``: the caller publishes in all areas that it went to."""
    announced = within(path_now(), caller.areas_with(Right.ANNOUNCE, now_us()))
    elsewhere = (
        sa.select(notice_areas.c.area_id)
        .select_from(placed_areas)
        .where(notice_areas.c.notice_id == _notice.id, sa.not_(announced))
        .correlate(notices)
    )
    return ~sa.exists(elsewhere)


def is_addressed_to(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``notices``: the caller is asked to have read it."""
    return _reaches(path_now().in_(ways_to(homes_of(caller, now_us(), reading=True))))


def is_visible_to(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``notices``: it reaches the caller or lies where they hold any right, since it began; or
    the caller publishes there.
    """
    at_us = now_us()
    reached = sa.or_(
        path_now().in_(ways_to(homes_of(caller, at_us))),
        within(path_now(), caller.areas_with(None, at_us)),
    )
    return sa.or_(sa.and_(_notice.from_us <= at_us, _reaches(reached)), is_managed_by(caller))


def is_unread_by(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``notices``: it holds now, and the caller is asked to read it and has not."""
    receipt = (
        sa.select(notice_receipts.c.read_us)
        .where(
            notice_receipts.c.notice_id == _notice.id,
            notice_receipts.c.user_id == caller.user_id,
        )
        .correlate(notices)
    )
    return sa.and_(is_current(now_us()), is_addressed_to(caller), ~sa.exists(receipt))


def _reaches(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    reached = sa.select(notice_areas.c.notice_id).select_from(placed_areas).where(condition)
    return _notice.id.in_(reached)


async def find_notice(
    connection: AsyncConnection, caller: Principal, notice_id: str
) -> sa.Row[Any] | None:
    """One notice that the caller may know of."""
    statement = select_notices().where(_notice.id == notice_id, is_visible_to(caller))
    row: sa.Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return row


async def published_to(
    connection: AsyncConnection, notice_ids: Sequence[str]
) -> dict[str, list[sa.Row[Any]]]:
    """The areas that each went to, with ``now_path``, by position and name."""
    columns: list[sa.ColumnElement[Any]] = [
        notice_areas.c.notice_id,
        notice_areas.c.area_id,
        notice_areas.c.name,
        path_now().label("now_path"),
    ]
    statement = (
        sa.select(*columns)
        .select_from(placed_areas)
        .where(notice_areas.c.notice_id.in_(notice_ids))
        .order_by(sa.func.coalesce(areas.c.position, 0), notice_areas.c.name, path_now())
    )
    found: dict[str, list[sa.Row[Any]]] = {one: [] for one in notice_ids}
    for row in await connection.execute(statement):
        found[row.notice_id].append(row)
    return found


async def count_unread(connection: AsyncConnection, caller: Principal) -> int:
    """How many wait to be read by the caller."""
    statement = sa.select(sa.func.count()).select_from(notices).where(is_unread_by(caller))
    return await connection.scalar(statement) or 0


async def summaries(
    connection: AsyncConnection, caller: Principal, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    """``NoticeSummary`` of docs/http-api.md, for rows of :func:`select_notices`."""
    at_us = now_us()
    ids = [row.id for row in rows]
    to = await published_to(connection, ids)
    names = await area_names(connection, [row.publisher_path for row in rows])
    own = notice_receipts.c
    read = {
        row.notice_id: row.read_us
        for row in await connection.execute(
            sa.select(own.notice_id, own.read_us).where(
                own.user_id == caller.user_id, own.notice_id.in_(ids)
            )
        )
    }
    homes = homes_of(caller, at_us, reading=True)
    return [
        {
            "id": row.id,
            "state": state_at(row, at_us),
            "priority": row.priority,
            "title": row.title,
            "publisher": row.publisher,
            "publisher_area": names[row.publisher_path],
            "areas": [{"area_id": one.area_id, "name": one.name} for one in to[row.id]],
            "from_us": row.from_us,
            "until_us": row.until_us,
            "created_us": row.created_us,
            "addressed": is_for(homes, [one.now_path for one in to[row.id]]),
            "read_us": read.get(row.id),
            "managed": manages(caller, [one.now_path for one in to[row.id]], at_us),
        }
        for row in rows
    ]


async def notice_document(
    connection: AsyncConnection, caller: Principal, row: sa.Row[Any]
) -> dict[str, Any]:
    """``Notice``: all of it."""
    (summary,) = await summaries(connection, caller, [row])
    return {
        **summary,
        "words": row.words,
        "files": (await files_of(connection, SUBJECT, [row.id]))[row.id],
        "withdrawn_us": row.withdrawn_us,
        "withdrawn_by": row.withdrawer,
        "withdrawal_note": row.withdrawal_note,
    }


async def emergencies(connection: AsyncConnection, caller: Principal) -> list[dict[str, Any]]:
    """``Emergency``: those that hold now and that the caller may see, the newest first, with what
    the sites that they sit for have done.
    """
    statement = (
        select_notices()
        .where(_notice.priority == "emergency", is_current(now_us()), is_visible_to(caller))
        .limit(EMERGENCIES_LIMIT)
    )
    rows = (await connection.execute(statement)).all()
    told = await summaries(connection, caller, rows)
    to = await published_to(connection, [row.id for row in rows])
    sites = (
        await connection.execute(
            sa.select(areas.c.id, areas.c.path).where(areas.c.path.in_(sites_of(caller)))
        )
    ).all()
    table = notice_sites.c
    known = {
        (row.notice_id, row.area_id): row
        for row in await connection.execute(
            sa.select(table.notice_id, table.area_id, table.shown_us, table.confirmed_us).where(
                table.notice_id.in_([row.id for row in rows]),
                table.area_id.in_([site.id for site in sites]),
            )
        )
    }
    return [
        {
            **summary,
            "words": row.words,
            "sites": [
                {
                    "area_id": site.id,
                    "shown_us": getattr(known.get((row.id, site.id)), "shown_us", None),
                    "confirmed_us": getattr(known.get((row.id, site.id)), "confirmed_us", None),
                }
                for site in sites
                if is_for([site.path], [one.now_path for one in to[row.id]])
            ],
        }
        for row, summary in zip(rows, told, strict=True)
    ]


def state_at(row: sa.Row[Any], at_us: int) -> str:
    """``withdrawn``, ``coming``, ``current`` or ``over``."""
    if row.withdrawn_us is not None:
        return "withdrawn"
    if at_us < row.from_us:
        return "coming"
    return "current" if at_us < row.until_us else "over"


def manages(caller: Principal, paths: Sequence[str], at_us: int) -> bool:
    """Whether the caller publishes in all of these."""
    return all(authorize(caller, Right.ANNOUNCE, AreaPlace(path), at_us).allowed for path in paths)
