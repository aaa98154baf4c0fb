"""A question in the index's own numbers, and the ids that answer it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from search.index.looks import look_conditions
from search.index.messages import motion_number
from search.index.plan import Asked, Way, shortest_way, statement, windows
from search.index.questions import PassageQuery
from search.index.reading import camera_numbers_of
from search.index.tables import (
    LONG_MS,
    passage_cameras,
    passage_looks,
    passage_names,
    passage_plates,
    passages,
)
from search.passages import Direction, SpeedClass, first_id_at
from search.plates import UNREAD, PlatePattern

PLATES_LIMIT = 5000
# How many of all passages last long, about: cameras see more people pass than stay.
_LONG_SHARE = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Plates:
    """Plates that fit ``pattern``, but ``without``."""

    pattern: PlatePattern
    without: PlatePattern | None = None


async def matching_ids(
    connection: AsyncConnection,
    query: PassageQuery,
    plates: Plates | None,
    wanted: int,
    before_id: int | None = None,
) -> AsyncIterator[list[int]]:
    """The ids of passages older than ``before_id`` that fit the query (but its line and region,
    and its plate, for which ``plates`` stands), the newest first, about ``wanted`` at a time. Stop
    asking when there are enough.
    """
    asked = await _ask(connection, query, plates)
    if asked is None:
        return
    bounds = await _bounds(connection)
    if bounds is None:
        return
    oldest, newest = bounds
    total = await _total(connection)
    asked.density = total / max(newest - oldest, 1)
    if before_id is not None:
        asked.end = min(asked.end, before_id)
    dialect = connection.dialect.name
    for window in windows(asked, wanted, oldest, newest):
        way = shortest_way(asked, window)
        left = window
        while True:
            ids = list(await connection.scalars(statement(asked, left, way, wanted, dialect)))
            if ids:
                yield ids
            if len(ids) < wanted:
                break
            left = dataclasses.replace(left, highest=ids[-1])


async def _ask(
    connection: AsyncConnection, query: PassageQuery, plates: Plates | None
) -> Asked | None:
    """The question in numbers; None when nothing can fit."""
    asked = Asked(
        start=first_id_at(query.start_us),
        end=first_id_at(query.end_us + 999),
        motions=_motions(query),
        zone_how=query.zone_how,
        min_ms=query.min_duration_ms,
        max_ms=query.max_duration_ms,
    )
    if query.min_duration_ms is not None and query.min_duration_ms >= LONG_MS:
        asked.ways["long"] = Way(_LONG_SHARE, 1)
    total = max(await _total(connection), 1)
    if query.camera_ids is not None and not await _ask_cameras(connection, query, asked, total):
        return None
    if not await _ask_looks(connection, query, asked, total):
        return None
    if plates is not None and not await _ask_plates(connection, plates, asked):
        return None
    if query.zone_id is not None:
        asked.zone = await connection.scalar(
            sa.select(passage_names.c.number).where(
                passage_names.c.kind == "zone", passage_names.c.name == query.zone_id
            )
        )
        if asked.zone is None:
            return None
        asked.ways["zone"] = Way(1 / total, 1)
    return asked


async def _ask_cameras(
    connection: AsyncConnection, query: PassageQuery, asked: Asked, total: int
) -> bool:
    assert query.camera_ids is not None
    known = await camera_numbers_of(connection, query.camera_ids)
    if not known:
        return False
    asked.cameras = sorted(known.values())
    counted = sa.select(passage_cameras.c.number, passage_cameras.c.passages)
    counts = {row.number: row.passages for row in await connection.execute(counted)}
    passed = sum(counts.get(number, 0) for number in asked.cameras)
    asked.ways["camera"] = Way(passed / total, len(asked.cameras))
    return True


async def _ask_looks(
    connection: AsyncConnection, query: PassageQuery, asked: Asked, total: int
) -> bool:
    types: list[int] = []
    if query.vehicle_types is not None:
        types = list(
            await connection.scalars(
                sa.select(passage_names.c.number).where(
                    passage_names.c.kind == "vehicle_type",
                    passage_names.c.name.in_(query.vehicle_types),
                )
            )
        )
    conditions = look_conditions(query, types)
    if not conditions:
        return True
    conditions.append(passage_looks.c.passages > 0)
    counted = sa.select(sa.func.count(), sa.func.sum(passage_looks.c.passages)).where(*conditions)
    looks, passed = (await connection.execute(counted)).one()
    if not looks:
        return False
    asked.looks = sa.select(passage_looks.c.number).where(*conditions)
    asked.ways["look"] = Way(int(passed) / total, looks)
    return True


async def _ask_plates(connection: AsyncConnection, plates: Plates, asked: Asked) -> bool:
    fits = _fits(plates.pattern)
    if plates.without is not None:
        fits = sa.and_(fits, ~_fits(plates.without))
    statement = sa.select(passage_plates.c.number).where(fits).limit(PLATES_LIMIT + 1)
    numbers = list(await connection.scalars(statement))
    if not numbers:
        return False
    if len(numbers) > PLATES_LIMIT:
        asked.broad_plates = fits
        return True
    asked.plates = sorted(numbers)
    known = await connection.scalar(sa.select(sa.func.max(passage_plates.c.number)))
    asked.ways["plate"] = Way(len(numbers) / max(known or 1, len(numbers)), len(numbers))
    return True


def _fits(pattern: PlatePattern) -> sa.ColumnElement[bool]:
    column = passage_plates.c.folded if pattern.look_alikes else passage_plates.c.plate
    if pattern.exact:
        return column.in_(pattern.likes)
    whole, *unread = (column.like(one) for one in pattern.likes)
    if not unread:
        return whole
    # Few plates have a character unread: the others are compared once, not once for each place.
    return sa.or_(whole, sa.and_(column.contains(UNREAD), sa.or_(*unread)))


def _motions(query: PassageQuery) -> Collection[int] | None:
    if query.directions is None and query.speeds is None:
        return None
    directions = tuple(Direction) if query.directions is None else query.directions
    speeds = tuple(SpeedClass) if query.speeds is None else query.speeds
    return {motion_number(one, speed) for one in directions for speed in speeds}


async def _total(connection: AsyncConnection) -> int:
    return int(await connection.scalar(sa.select(sa.func.sum(passage_cameras.c.passages))) or 0)


async def _bounds(connection: AsyncConnection) -> tuple[int, int] | None:
    """The oldest and the newest id; None when there is none."""
    column = passages.c.id
    statement: sa.Select[Any] = sa.select(
        sa.select(sa.func.min(column)).scalar_subquery(),
        sa.select(sa.func.max(column)).scalar_subquery(),
    )
    oldest, newest = (await connection.execute(statement)).one()
    if oldest is None:
        return None
    return oldest, newest
