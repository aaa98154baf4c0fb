"""Who has read a notice and who has not, by area; and which offices' screens confirmed it.

People are counted where they hold a grant: who holds two, in two areas, is counted in both, and
once in the whole.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.notice_tables import notice_receipts, notice_sites
from gateway.database.tables import areas, grants, users
from gateway.identifiers import now_us
from gateway.meetings.tree_order import AreaRow, tree_order
from gateway.notices.audience import NO_READERS
from gateway.notices.reading import published_to
from gateway.people.areas import area_names, within
from gateway.people.roles import Role


async def coverage(connection: AsyncConnection, notice_id: str) -> dict[str, Any]:
    """``NoticeCoverage``, in the order of the tree."""
    paths = [one.now_path for one in (await published_to(connection, [notice_id]))[notice_id]]
    people: dict[str, set[str]] = {}
    sites: set[str] = set()
    for row in await connection.execute(_held(paths)):
        if row.role == Role.SITE:
            sites.add(row.area_id)
        elif row.role not in NO_READERS:
            people.setdefault(row.area_id, set()).add(row.user_id)
    read = await _read(connection, notice_id)
    at_sites = await _at_sites(connection, notice_id)
    sites |= at_sites.keys()
    rows = (
        await connection.execute(
            sa.select(
                areas.c.id, areas.c.parent_id, areas.c.position, areas.c.name, areas.c.path
            ).where(within(areas.c.path, paths))
        )
    ).all()
    order = tree_order(AreaRow(*row[:4]) for row in rows)
    counted = [row for row in rows if row.id in people or row.id in sites]
    names = await area_names(connection, [row.path for row in counted])
    everybody = set[str]().union(*people.values())
    return {
        "people": len(everybody),
        "read": len(everybody & read.keys()),
        "sites": len(sites),
        "confirmed": sum(one["confirmed_us"] is not None for one in at_sites.values()),
        "areas": [
            {
                "area_id": row.id,
                "name": row.name,
                "area_path": names[row.path],
                "people": len(people.get(row.id, ())),
                **_times([read[one] for one in people.get(row.id, ()) if one in read]),
                "site": at_sites.get(row.id, _SILENT) if row.id in sites else None,
            }
            for row in sorted(counted, key=lambda row: order[row.id])
        ],
    }


async def readers(
    connection: AsyncConnection, notice_id: str, area_id: str
) -> list[dict[str, Any]]:
    """``NoticeReader``: the people of one area, those who have not read it first."""
    paths = [one.now_path for one in (await published_to(connection, [notice_id]))[notice_id]]
    held = _held(paths).where(grants.c.area_id == area_id)
    rows = (await connection.execute(held)).all()
    read = await _read(connection, notice_id)
    named = {
        row.user_id: row.display_name or row.name for row in rows if row.role not in NO_READERS
    }
    return sorted(
        ({"id": one, "name": name, "read_us": read.get(one)} for one, name in named.items()),
        key=lambda one: (one["read_us"] is not None, -(one["read_us"] or 0), one["name"]),
    )


_SILENT: dict[str, Any] = {"shown_us": None, "confirmed_us": None, "confirmed_by": None}


def _held(paths: list[str]) -> sa.Select[Any]:
    """The grants of living accounts that are in force in the areas at these paths or below."""
    at_us = now_us()
    table = grants.c
    return (
        sa.select(table.area_id, table.role, table.user_id, users.c.display_name, users.c.name)
        .join(users, users.c.id == table.user_id)
        .join(areas, areas.c.id == table.area_id)
        .where(
            within(areas.c.path, paths),
            users.c.enabled,
            users.c.deleted_us.is_(None),
            sa.func.coalesce(table.valid_from_us, 0) <= at_us,
            sa.or_(table.valid_until_us.is_(None), table.valid_until_us > at_us),
        )
    )


async def _read(connection: AsyncConnection, notice_id: str) -> dict[str, int]:
    table = notice_receipts.c
    rows = await connection.execute(
        sa.select(table.user_id, table.read_us).where(table.notice_id == notice_id)
    )
    return {row.user_id: row.read_us for row in rows}


async def _at_sites(connection: AsyncConnection, notice_id: str) -> dict[str, dict[str, Any]]:
    table = notice_sites.c
    rows = await connection.execute(
        sa.select(
            table.area_id, table.shown_us, table.confirmed_us,
            users.c.display_name.label("confirmed_by"),
        )
        .outerjoin(users, users.c.id == table.confirmed_by)
        .where(table.notice_id == notice_id)
    )  # fmt: skip
    return {row.area_id: {name: row._mapping[name] for name in _SILENT} for row in rows.all()}


def _times(read_us: list[int]) -> dict[str, int | None]:
    return {
        "read": len(read_us),
        "first_read_us": min(read_us, default=None),
        "last_read_us": max(read_us, default=None),
    }
