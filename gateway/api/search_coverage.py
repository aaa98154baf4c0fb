"""What an answer knows nothing of: cameras and minutes that were not looked at, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.analysis.hours import outside_hours
from gateway.api.search_hits import Eyes, hides
from gateway.api.search_scope import SearchCamera, search_scope
from gateway.database.investigation_tables import standing_dropped
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, now_us
from gateway.investigations.filters import Filters
from gateway.investigations.questions import drawn_on, passage_query
from gateway.investigations.requests import force_range
from recorder.intervals import Interval, merge, subtract
from search.index.comparable import not_comparable
from search.index.coverage import Uncovered, Undescribed, undescribed
from search.index.query import coverage
from search.index.questions import PassageQuery

_UNCOVERED_LIMIT = 1000
_SHORTEST_UNCOVERED_US = US_PER_S
_CAMERAS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Compared:
    """A likeness search: what of its passages could not be compared with vectors of ``kind``.
    ``own_id``: the passage that it searches by.
    """

    eyes: Eyes
    cameras: Mapping[str, SearchCamera]
    query: PassageQuery
    kind: str
    own_id: int | None

    async def read(self, connection: AsyncConnection) -> tuple[list[Uncovered], bool]:
        """When such passed, as far as the caller may know of it; and whether there is more."""
        query, cameras = self.query, self.cameras
        found, more = await not_comparable(connection, query, self.kind, _UNCOVERED_LIMIT)
        found = [one for one in found if one.camera_id in cameras]
        await self.eyes.read(connection, [cameras[one.camera_id] for one in found])
        times: dict[str, list[Interval]] = {}
        for one in found:
            if not hides(self.eyes, one) and one.id != self.own_id:
                begin_us = max(query.start_us, one.first_us)
                end_us = max(begin_us + 1, min(query.end_us, one.last_us))
                times.setdefault(one.camera_id, []).append((begin_us, end_us))
        return [
            Uncovered(camera_id, start_us, end_us, "not_comparable")
            for camera_id, ranges in times.items()
            for start_us, end_us in merge(ranges)
        ], more


async def uncovered_line(
    connection: AsyncConnection,
    cameras: Mapping[str, SearchCamera],
    start_us: int,
    end_us: int,
    compared: Compared | None = None,
    *,
    described_for: Eyes | None = None,
    standing: bool = False,
) -> dict[str, Any]:
    """What of these cameras was not looked at in that time, and why. ``described_for``: or could
    not be described, as these eyes may know of it, for a question that asks what things look like;
    ``standing``: or was in the index, and never compared.
    """
    until_us = min(end_us, now_us())
    # Of a camera that was deleted, nothing was to be looked at since.
    ids = [
        one.id for one in cameras.values() if one.deleted_us is None or one.deleted_us > start_us
    ]
    described: Undescribed | None = None
    coarse: set[str] = set()
    if described_for is not None:
        described = await undescribed(connection, ids, start_us, until_us)
        coarse = await _beneath_masks(connection, described_for, cameras, described)
    unwanted = await outside_hours(connection, ids, start_us, until_us)
    found = await coverage(
        connection, ids, start_us, end_us, unwanted=unwanted, tolerance_us=_SHORTEST_UNCOVERED_US,
        described=described, coarse=coarse,
    )  # fmt: skip
    if standing:
        found += await _dropped(connection, ids, (start_us, until_us), found)
    more = int(described is not None and described.more)
    if compared is not None:
        beyond, more_compared = await compared.read(connection)
        more += more_compared
        # First: they were looked at, and nobody would think that they are missing.
        found = beyond + found
    asked_us = max(0, until_us - start_us) * len(ids)
    missing_us = _length_us(found)
    return {
        "type": "coverage",
        "items": [
            {
                "camera_id": one.camera_id,
                "camera_name": cameras[one.camera_id].name,
                "start_us": one.start_us,
                "end_us": one.end_us,
                "why": one.why,
            }
            for one in found[:_UNCOVERED_LIMIT]
        ],
        "left_out": max(0, len(found) - _UNCOVERED_LIMIT) + more,
        "seconds_asked": asked_us / US_PER_S,
        "seconds_indexed": max(0, asked_us - missing_us) / US_PER_S,
    }


async def standing_coverage(
    connection: AsyncConnection, eyes: Eyes, paths: Sequence[str], request: sa.Row[Any]
) -> dict[str, Any] | None:
    """What a standing search has not seen while it was in force, where the caller may search; None
    for one that never was.
    """
    span = force_range(request)
    if span is None:
        return None
    asked = Filters.model_validate(request.query)
    within = [request.area_path]
    if asked.area_id is not None:
        path = await connection.scalar(sa.select(areas.c.path).where(areas.c.id == asked.area_id))
        # An area that is gone has nothing below it.
        within.append(path or "?")
    drawn = drawn_on(asked)
    scope = await search_scope(
        connection, paths, within=within, camera_ids=asked.camera_ids or ([drawn] if drawn else [])
    )
    cameras = scope.cameras
    if drawn is not None:
        cameras = {one: camera for one, camera in cameras.items() if one == drawn}
    compared = None
    if request.vector_kind is not None:
        own = asked.like.passage_id if asked.like is not None else None
        query = passage_query(asked, *span, list(cameras))
        own_id = None if own is None else int(own)
        compared = Compared(eyes, cameras, query, request.vector_kind, own_id)
    described_for = eyes if asked.asks_for_looks() else None
    return await uncovered_line(
        connection, cameras, *span, compared, described_for=described_for, standing=True
    )


async def _beneath_masks(
    connection: AsyncConnection,
    eyes: Eyes,
    cameras: Mapping[str, SearchCamera],
    described: Undescribed,
) -> set[str]:
    """At which of the cameras something that could not be described may have passed beneath a mask:
    when exactly is nobody's business who may not lift it.
    """
    await eyes.read(connection, [cameras[one] for one in described.times])
    return {
        camera_id
        for camera_id, ranges in described.times.items()
        if any(eyes.masks(camera_id, *one) for one in ranges)
    }


def _length_us(found: Sequence[Uncovered]) -> int:
    """Of all the stretches together, what is missing for two reasons once."""
    ranges: dict[str, list[Interval]] = {}
    for one in found:
        ranges.setdefault(one.camera_id, []).append((one.start_us, one.end_us))
    return sum(end - start for some in ranges.values() for start, end in merge(some))


async def _dropped(
    connection: AsyncConnection,
    camera_ids: Sequence[str],
    span: Interval,
    known: Sequence[Uncovered],
) -> list[Uncovered]:
    """When passages of these cameras began that no standing search was compared with, but for what
    is known to be missing anyway.
    """
    told: dict[str, list[Interval]] = {}
    for one in known:
        told.setdefault(one.camera_id, []).append((one.start_us, one.end_us))
    table = standing_dropped.c
    found: list[Uncovered] = []
    for first in range(0, len(camera_ids), _CAMERAS_AT_ONCE):
        rows = await connection.execute(
            sa.select(standing_dropped)
            .where(
                table.camera_id.in_(camera_ids[first : first + _CAMERAS_AT_ONCE]),
                table.start_us < span[1],
                table.end_us > span[0],
            )
            .order_by(table.camera_id, table.start_us)
        )
        for row in rows:
            piece = (max(span[0], row.start_us), min(span[1], row.end_us))
            found += [
                Uncovered(row.camera_id, *rest, "dropped")
                for rest in subtract(piece, told.get(row.camera_id, []))
            ]
    return found
