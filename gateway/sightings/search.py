"""Finding sightings among tens of millions.

Three ways, each by an index that ends in the time, the newest first:

- *by plate*: part of a plate, wildcards and look-alikes are first looked for among the plates that
  occur (``sighting_plates``), some hundred times fewer than what passed; then by
  ``ix_sightings_plate``. A pattern that fits very many plates is common among the newest rows, too,
  and goes the third way.
- *by place*: up to :data:`PLACES_LIMIT` places are each walked from their newest by
  ``ix_sightings_place_id``, and merged.
- *by time*: all others walk ``ix_sightings_at_us``, which holds every filter, so that a row is read
  only when it is in the answer.

Conditions that would tempt SQLite, which keeps no statistics, to another index are written so that
they cannot use one (``+ 0``, ``|| ''``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.sighting_tables import sighting_plates, sightings
from search.plates import PlatePattern

PLACES_LIMIT = 32
PLATES_LIMIT = 300

_COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    sightings.c.id,
    sightings.c.own_key,
    sightings.c.place_id,
    sightings.c.kind,
    sightings.c.at_us,
    sightings.c.received_us,
    sightings.c.plate,
    sightings.c.plate_color,
    sightings.c.color,
    sightings.c.lower_color,
    sightings.c.vehicle_type,
    sightings.c.facts,
    sightings.c.pictures,
)

Key = tuple[int, int]
"""Where a page goes on: (``at_us``, ``id``) of the last row before it."""


@dataclass(frozen=True, slots=True)
class SightingQuery:
    """What is looked for in [``start_us``, ``end_us``); None is no limit of that kind.

    ``place_ids`` None is everywhere. Colours are ColorType codes, ``color`` of vehicles and coats.
    """

    start_us: int
    end_us: int
    kinds: Collection[str] | None = None
    place_ids: Collection[int] | None = None
    plate: PlatePattern | None = None
    plate_colors: Collection[int] | None = None
    colors: Collection[int] | None = None
    lower_colors: Collection[int] | None = None
    vehicle_types: Collection[str] | None = None


async def search(
    connection: AsyncConnection, query: SightingQuery, limit: int, after: Key | None = None
) -> list[sa.Row[Any]]:
    """At most ``limit`` rows of ``sightings``, the newest first, that follow ``after``."""
    if query.place_ids is not None and not query.place_ids:
        return []
    conditions = _filters(query)
    if query.plate is not None:
        plates = await _plates(connection, query.plate)
        if plates is not None:
            if not plates:
                return []
            by_plate = [sightings.c.plate.in_(plates), *conditions]
            return await _rows(connection, _walk(query, after, by_plate, limit))
        conditions.append(_broad(query.plate))
    elif query.place_ids is not None and len(query.place_ids) <= PLACES_LIMIT:
        without_places = _filters(query, places=False)
        walks = [
            _walk(query, after, [sightings.c.place_id == one, *without_places], limit).subquery()
            for one in sorted(query.place_ids)
        ]
        merged = sa.union_all(*(sa.select(one.c.at_us, one.c.id) for one in walks)).subquery()
        at_us, sighting_id = merged.c["at_us"], merged.c["id"]
        page: sa.Select[Any] = (
            sa.select(at_us, sighting_id).order_by(at_us.desc(), sighting_id.desc()).limit(limit)
        )
        return await _rows(connection, page)
    return await _rows(connection, _walk(query, after, conditions, limit))


async def find_sighting(connection: AsyncConnection, sighting_id: int) -> sa.Row[Any] | None:
    """One row by its id."""
    found = await connection.execute(sa.select(*_COLUMNS).where(sightings.c.id == sighting_id))
    return found.one_or_none()


async def find_by_keys(connection: AsyncConnection, keys: Sequence[bytes]) -> list[sa.Row[Any]]:
    """Rows by :func:`gateway.sightings.keys.own_key`."""
    statement = sa.select(*_COLUMNS).where(sightings.c.own_key.in_(keys))
    return list((await connection.execute(statement)).all())


async def read_after(
    connection: AsyncConnection,
    after_id: int,
    place_ids: Collection[int],
    kinds: Collection[str],
    limit: int,
    window: int = 5000,
) -> tuple[list[sa.Row[Any]], int]:
    """The next that arrived after ``after_id``, in order of arrival, and up to which id was looked:
    at most ``window`` ids are walked at once.
    """
    newest = await connection.scalar(
        sa.select(sa.func.max(sightings.c.id)).where(sightings.c.id <= after_id + window)
    )
    if newest is None or newest <= after_id:
        # Ids that were given away and never used leave a hole.
        following = await connection.scalar(
            sa.select(sa.func.min(sightings.c.id)).where(sightings.c.id > after_id)
        )
        return [], after_id if following is None else following - 1
    rows = (
        await connection.execute(
            sa.select(*_COLUMNS)
            .where(
                sightings.c.id > after_id,
                sightings.c.id <= newest,
                (sightings.c.place_id + 0).in_(place_ids),
                sightings.c.kind.in_(kinds),
            )
            .order_by(sightings.c.id)
            .limit(limit)
        )
    ).all()
    return list(rows), rows[-1].id if len(rows) == limit else newest


def _filters(query: SightingQuery, *, places: bool = True) -> list[sa.ColumnElement[bool]]:
    column = sightings.c
    conditions: list[sa.ColumnElement[bool]] = []
    if places and query.place_ids is not None:
        conditions.append((column.place_id + 0).in_(sorted(query.place_ids)))
    wanted: Sequence[tuple[sa.Column[Any], Collection[Any] | None]] = (
        (column.kind, query.kinds),
        (column.plate_color, query.plate_colors),
        (column.color, query.colors),
        (column.lower_color, query.lower_colors),
        (column.vehicle_type, query.vehicle_types),
    )
    conditions += [one.in_(values) for one, values in wanted if values is not None]
    return conditions


def _walk(
    query: SightingQuery,
    after: Key | None,
    conditions: Sequence[sa.ColumnElement[bool]],
    limit: int,
) -> sa.Select[Any]:
    """Times and ids, from the newest, of an index that ends in both."""
    column = sightings.c
    statement = sa.select(column.at_us, column.id).where(
        column.at_us >= query.start_us, column.at_us < query.end_us, *conditions
    )
    if after is not None:
        at_us, sighting_id = after
        statement = statement.where(
            column.at_us <= at_us,
            sa.or_(column.at_us < at_us, column.id < sighting_id),
        )
    return statement.order_by(column.at_us.desc(), column.id.desc()).limit(limit)


async def _rows(connection: AsyncConnection, ids: sa.Select[Any]) -> list[sa.Row[Any]]:
    page = ids.subquery("page")
    statement = (
        sa.select(*_COLUMNS)
        .where(sightings.c.id.in_(sa.select(page.c.id)))
        .order_by(sightings.c.at_us.desc(), sightings.c.id.desc())
    )
    return list((await connection.execute(statement)).all())


async def _plates(connection: AsyncConnection, pattern: PlatePattern) -> list[str] | None:
    """The plates that occur and fit; None when they are too many to go by each."""
    if pattern.exact and not pattern.look_alikes:
        return [pattern.text]
    statement = sa.select(sighting_plates.c.plate).where(_fits(pattern)).limit(PLATES_LIMIT + 1)
    found = list(await connection.scalars(statement))
    return None if len(found) > PLATES_LIMIT else found


def _fits(pattern: PlatePattern) -> sa.ColumnElement[bool]:
    column = sighting_plates.c.folded if pattern.look_alikes else sighting_plates.c.plate
    if pattern.exact:
        return column == pattern.compared
    return column.like(pattern.like)


def _broad(pattern: PlatePattern) -> sa.ColumnElement[bool]:
    """On ``sightings``, by a set of plates that is made once for the whole walk."""
    plates = sa.select(sighting_plates.c.plate).where(_fits(pattern))
    return (sightings.c.plate + sa.literal("")).in_(plates)
