"""How much of the window was really looked through, by camera and by area."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.audit.watching import RANGES_LIMIT, merged
from gateway.cameras import read_places
from gateway.database.assist_tables import assist_looked
from gateway.database.tables import cameras, users
from gateway.people.areas import cameras_within

Ranges = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Looked:
    """Of one area: ``looked_us`` of ``whole_us``, the window as often as there are cameras."""

    cameras: int
    cameras_looked: int
    looked_us: int
    whole_us: int
    people: list[str]


def union(ranges: Iterable[Sequence[int]]) -> Ranges:
    """The ranges as few as they can be."""
    return merged([(one[0], one[1]) for one in ranges], RANGES_LIMIT)


async def looked_ranges(
    connection: AsyncConnection, request_id: str
) -> dict[str, tuple[Ranges, set[str]]]:
    """By camera: what was played of the window, and the names of those who did."""
    table = assist_looked.c
    rows = await connection.execute(
        sa.select(table.camera_id, table.ranges, users.c.display_name)
        .join(users, users.c.id == table.user_id)
        .where(table.request_id == request_id)
    )
    found: dict[str, tuple[Ranges, set[str]]] = {}
    for row in rows:
        known, people = found.get(row.camera_id, ([], set()))
        found[row.camera_id] = (
            union([*known, *((start, end) for start, end in row.ranges)]),
            people | {row.display_name},
        )
    return found


async def looked_of(
    connection: AsyncConnection, row: sa.Row[Any], areas: Sequence[tuple[str, str]]
) -> dict[str, Looked]:
    """Of each area (its id, and its path today)."""
    places = await read_places(
        connection,
        cameras.c.deleted_us.is_(None),
        cameras_within([path for _, path in areas]),
    )
    looked = await looked_ranges(connection, row.id)
    window_us = row.end_us - row.start_us
    found = {}
    for area_id, path in areas:
        here = [
            camera_id
            for camera_id, place in places.items()
            if any(one.startswith(path) for one in place.area_paths)
        ]
        seen = [looked[one] for one in here if one in looked]
        found[area_id] = Looked(
            cameras=len(here),
            cameras_looked=len(seen),
            looked_us=sum(end - start for ranges, _ in seen for start, end in ranges),
            whole_us=len(here) * window_us,
            people=sorted({name for _, people in seen for name in people}),
        )
    return found
