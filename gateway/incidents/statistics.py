"""How many incidents were opened and closed, how many in time, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.incident_tables import (
    incident_areas,
    incident_categories,
    incidents,
    units,
)
from gateway.database.tables import areas
from gateway.incidents.reading import Scope
from gateway.people.areas import within

Grouping = Literal["area", "category", "unit"]

_NOBODY = ""


async def count_by(
    connection: AsyncConnection,
    scope: Scope,
    grouping: Grouping,
    start_us: int,
    end_us: int,
    at_us: int,
    path: str | None,
) -> list[dict[str, Any]]:
    """A row of each area directly below ``path`` (or of the topmost ones), category or unit."""
    column = incidents.c
    where = [scope.condition()]
    if path is not None:
        where.append(within(column.area_path, [path]))
    names: sa.FromClause
    group: sa.ColumnElement[Any]
    source: sa.FromClause = incidents
    if grouping == "area":
        level = await _level(connection, scope, path)
        source = incidents.join(incident_areas, incident_areas.c.incident_id == column.id)
        group, names = incident_areas.c.area_id, areas
        where.append(group.in_(level))
    elif grouping == "category":
        group, names = column.category_id, incident_categories
    else:
        group, names = column.unit_id, units
    opened = sa.and_(column.opened_us >= start_us, column.opened_us < end_us)
    closed = sa.and_(column.closed_us >= start_us, column.closed_us < end_us)
    settled = sa.and_(closed, column.state == "closed")
    in_time = sa.and_(
        settled,
        sa.func.coalesce(column.arrived_late, sa.false()).is_(sa.false()),
        sa.func.coalesce(column.resolved_late, sa.false()).is_(sa.false()),
    )
    under_way = column.closed_us.is_(None)
    rows = await connection.execute(
        sa.select(
            group.label("id"),
            _count(opened).label("opened"),
            _count(settled).label("closed"),
            _count(in_time).label("on_time"),
            _average(settled, column.arrived_us - column.opened_us).label("average_arrive_us"),
            _average(settled, column.answered_us - column.opened_us).label("average_resolve_us"),
            sa.func.avg(sa.case((settled, column.rating))).label("average_rating"),
            _count(under_way).label("under_way"),
            _count(sa.and_(under_way, column.red_us <= at_us)).label("red"),
        )
        .select_from(source)
        .where(*where, sa.or_(opened, closed, under_way))
        .group_by(group)
    )
    counted = [dict(row._mapping) for row in rows]
    called = {
        row.id: row.name
        for row in await connection.execute(
            sa.select(names.c.id, names.c.name).where(
                names.c.id.in_([one["id"] for one in counted if one["id"] is not None])
            )
        )
    }
    for one in counted:
        one["name"] = called.get(one["id"], "")
        one["id"] = one["id"] or _NOBODY
        for name in ("average_arrive_us", "average_resolve_us"):
            one[name] = None if one[name] is None else round(one[name])
        if one["average_rating"] is not None:
            one["average_rating"] = round(float(one["average_rating"]), 2)
    return sorted(counted, key=lambda one: (-one["opened"], one["name"]))


async def _level(connection: AsyncConnection, scope: Scope, path: str | None) -> Sequence[str]:
    """The areas that are counted one by one: those below ``path``; else what the caller sees."""
    if path:
        parent = path.rstrip("/").rpartition("/")[2]
        below = areas.c.parent_id == parent
    elif "" in scope.paths:
        below = sa.and_(areas.c.parent_id.is_(None), areas.c.axis == "area")
    else:
        below = areas.c.path.in_(scope.paths)
    return (await connection.scalars(sa.select(areas.c.id).where(below))).all()


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _average(
    condition: sa.ColumnElement[bool], length_us: sa.ColumnElement[int]
) -> sa.ColumnElement[Any]:
    return sa.func.avg(sa.case((condition, length_us)))
