"""Pages of incidents for who may see them, of a table that has a million rows.

A page walks one index back in time. However seldom something fits, it looks at so many rows only:
then it says how far it has come, and the next page goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.incident_tables import incident_areas, incidents, unit_members
from gateway.incidents.clocks import Light
from gateway.people.areas import last_area, within

# Of each index that is walked: mostly the first few hold a page, the most cost some tens of
# milliseconds.
_LOOKED_AT = (600, 8_000)
# Of one person's grants and units together; who has more looks through the whole county's.
_WAYS_LIMIT = 24
_NEVER_US = 2**62

Order = Literal["opened", "due"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody may see: incidents below ``paths``, of ``unit_ids``, and what they reported."""

    paths: tuple[str, ...]
    unit_ids: tuple[str, ...]
    user_id: str

    def condition(self) -> sa.ColumnElement[bool]:
        """On ``incidents``."""
        if "" in self.paths:
            return sa.true()
        column = incidents.c
        return sa.or_(
            within(column.area_path, self.paths),
            column.unit_id.in_(self.unit_ids),
            column.reporter_user_id == self.user_id,
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; None is no condition. ``light`` is of those under way, ``late`` of those
    that are over. ``path``: an area and all below it.
    """

    under_way: bool | None = None
    states: tuple[str, ...] | None = None
    light: Light | None = None
    late: bool | None = None
    category_id: str | None = None
    priority: str | None = None
    origin: str | None = None
    unit_id: str | None = None
    own_units: bool = False
    reported_by: str | None = None
    camera_id: str | None = None
    path: str | None = None
    start_us: int = 0
    end_us: int = _NEVER_US
    text: str = ""
    order: Order = "opened"


@dataclass(frozen=True, slots=True)
class Page:
    """``after``: the sort key to go on with, None at the end. ``looked_back_to_us``: set where not
    everything was looked at, though the page is not full.
    """

    rows: list[sa.Row[Any]]
    after: tuple[int, str] | None
    looked_back_to_us: int | None = None


async def own_units(connection: AsyncConnection, user_id: str) -> tuple[str, ...]:
    """The units that somebody belongs to."""
    found = await connection.scalars(
        sa.select(unit_members.c.unit_id).where(unit_members.c.user_id == user_id)
    )
    return tuple(sorted(found))


async def read_page(
    connection: AsyncConnection,
    scope: Scope,
    wanted: Wanted,
    at_us: int,
    limit: int,
    after: tuple[int, str] | None,
) -> Page:
    """The newest first, or what is due first."""
    where = [scope.condition(), *_conditions(scope, wanted, at_us)]
    column = incidents.c
    if wanted.order == "due":
        where += [column.opened_us >= wanted.start_us, column.opened_us < wanted.end_us]
        return await _due_page(connection, where, limit, after)
    if after is not None:
        where.append(sa.tuple_(column.opened_us, column.id) < sa.tuple_(*after))
    end_us = wanted.end_us if after is None else min(wanted.end_us, after[0] + 1)
    newest = sa.select(incidents).order_by(column.opened_us.desc(), column.id.desc())
    newest = newest.where(*where).limit(limit + 1)
    rows: list[sa.Row[Any]] = []
    bound_us = None
    if wanted.under_way is True:
        rows = list(await connection.execute(_opened(newest, wanted.start_us, end_us)))
    else:
        ways = _ways(scope, wanted)
        for most in _LOOKED_AT:
            bound_us = await _bound_us(connection, ways, wanted.start_us, end_us, most)
            near = _near(newest, ways, bound_us or wanted.start_us, end_us)
            rows = list(await connection.execute(near))
            if len(rows) > limit or bound_us is None:
                break
    if len(rows) > limit:
        last = rows[limit - 1]
        return Page(rows[:limit], (last.opened_us, last.id))
    if bound_us is not None:
        return Page(rows, (bound_us, ""), bound_us)
    return Page(rows, None)


def _near(
    newest: sa.Select[Any], ways: Sequence[_Way], start_us: int, end_us: int
) -> sa.Select[Any]:
    """Those that the ways lead to between two times."""
    newest = _opened(newest, start_us, end_us)
    if len(ways) == 1 and ways[0].get_final_froms() == [incidents]:
        # Its conditions are those of the page, too.
        return newest
    near = [_between(way, start_us, end_us) for way in ways]
    found = sa.union(*near).subquery() if len(near) > 1 else near[0].subquery()
    return newest.where(incidents.c.id.in_(sa.select(found.c.id)))


def _opened(newest: sa.Select[Any], start_us: int, end_us: int) -> sa.Select[Any]:
    """Said once: of two lower limits SQLite takes the first that it meets for the index."""
    opened_us = incidents.c.opened_us
    return newest.where(opened_us >= start_us, opened_us < end_us)


async def _due_page(
    connection: AsyncConnection,
    where: list[sa.ColumnElement[bool]],
    limit: int,
    after: tuple[int, str] | None,
) -> Page:
    """Of those under way, which are few."""
    column = incidents.c
    due = sa.func.coalesce(column.red_us, _NEVER_US)
    if after is not None:
        where = [*where, sa.tuple_(due, column.id) > sa.tuple_(*after)]
    rows = list(
        await connection.execute(
            sa.select(incidents)
            .where(column.closed_us.is_(None), *where)
            .order_by(due, column.id)
            .limit(limit + 1)
        )
    )
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], (_NEVER_US if last.red_us is None else last.red_us, last.id))


async def count_lights(
    connection: AsyncConnection, scope: Scope, path: str | None, at_us: int
) -> dict[str, int]:
    """How many are under way in each light; all of them are looked at, which are few."""
    column = incidents.c
    where = [column.closed_us.is_(None), scope.condition()]
    if path is not None:
        where.append(within(column.area_path, [path]))
    light = _light(at_us)
    rows = await connection.execute(
        sa.select(light.label("light"), sa.func.count().label("many"))
        .select_from(incidents)
        .where(*where)
        .group_by(light)
    )
    counts = {row.light: int(row.many) for row in rows}
    return {name: counts.get(name, 0) for name in ("green", "yellow", "red", "paused")}


def _light(at_us: int) -> sa.ColumnElement[str]:
    """As :func:`gateway.incidents.timing.light_of` of one that is under way."""
    column = incidents.c
    return sa.case(
        (column.red_us <= at_us, "red"),
        (_suspended(), "paused"),
        (column.yellow_us <= at_us, "yellow"),
        else_="green",
    )


def _suspended() -> sa.ColumnElement[bool]:
    # Its list of suspensions ends with one that has no end.
    return sa.cast(incidents.c.suspensions, sa.Text).like("%null]]")


def _conditions(scope: Scope, wanted: Wanted, at_us: int) -> list[sa.ColumnElement[bool]]:
    column = incidents.c
    where: list[sa.ColumnElement[bool]] = []
    if wanted.under_way is not None:
        over = column.closed_us.is_not(None)
        where.append(~over if wanted.under_way else over)
    if wanted.states is not None:
        where.append(column.state.in_(wanted.states))
    if wanted.light is not None:
        where += [column.closed_us.is_(None), _light(at_us) == wanted.light]
    if wanted.late is not None:
        late = sa.or_(column.arrived_late.is_(True), column.resolved_late.is_(True))
        where += [column.closed_us.is_not(None), late if wanted.late else ~late]
    for name in ("category_id", "priority", "origin", "unit_id", "camera_id"):
        value = getattr(wanted, name)
        if value is not None:
            where.append(column[name] == value)
    if wanted.own_units:
        where.append(column.unit_id.in_(scope.unit_ids))
    if wanted.reported_by is not None:
        where.append(column.reporter_user_id == wanted.reported_by)
    if wanted.path is not None:
        where.append(within(column.area_path, [wanted.path]))
    if wanted.text:
        where.append(column.search_text.contains(wanted.text.lower(), autoescape=True))
    return where


_Way = sa.Select[tuple[str, int]]


def _ways(scope: Scope, wanted: Wanted) -> list[_Way]:
    """Indexes that lead to all that may fit: of what is asked for where that is narrow, else of
    what may be seen.
    """
    column = incidents.c
    every = sa.select(column.id, column.opened_us)
    if wanted.under_way is False:
        # What is under way is mostly the newest.
        every = every.where(column.closed_us.is_not(None))
    if wanted.reported_by is not None:
        return [every.where(column.reporter_user_id == wanted.reported_by)]
    if wanted.own_units:
        return [every.where(column.unit_id == one) for one in scope.unit_ids] or [every]
    if wanted.unit_id is not None:
        return [every.where(column.unit_id == wanted.unit_id)]
    if wanted.path:
        return [_lying_in(wanted.path)]
    if wanted.category_id is not None:
        return [every.where(column.category_id == wanted.category_id)]
    ways = [_lying_in(path) for path in scope.paths if path]
    ways += [every.where(column.unit_id == one) for one in scope.unit_ids]
    if "" in scope.paths or len(ways) > _WAYS_LIMIT:
        return [every]
    return [*ways, every.where(column.reporter_user_id == scope.user_id)]


def _lying_in(path: str) -> _Way:
    table = incident_areas.c
    return sa.select(table.incident_id.label("id"), table.opened_us).where(
        table.area_id == last_area(path)
    )


def _between(way: _Way, start_us: int, end_us: int) -> _Way:
    opened_us = way.selected_columns[1]
    return way.where(opened_us >= start_us, opened_us < end_us)


async def _bound_us(
    connection: AsyncConnection, ways: Sequence[_Way], start_us: int, end_us: int, most: int
) -> int | None:
    """The time before which not all is looked at; None: everything is."""
    reached = []
    for way in ways:
        opened_us = way.selected_columns[1]
        last = await connection.scalar(
            _between(way, start_us, end_us)
            .with_only_columns(opened_us)
            .order_by(opened_us.desc())
            .offset(most - 1)
            .limit(1)
        )
        if last is not None:
            reached.append(int(last))
    return max(reached, default=None)
