"""What the index has already of a stretch that is looked at once more: the same object's passage is
not kept twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from search.index.messages import StoredPassage
from search.index.reading import camera_numbers_of, find_passages
from search.index.tables import passages
from search.objects import TWO_WHEELERS, VEHICLES, ObjectClass
from search.passages import PathPoint, first_id_at
from search.tracks.overlap import overlap_of

# The longest passage, and by how much two looks at one object may differ at its ends.
_LONGEST_US = 3_700_000_000
_SAME_TIME = 0.5
_SAME_PLACE = 0.3

Path = Sequence[PathPoint]


class KnownPassages:
    """One camera's, read from the index as they are needed."""

    def __init__(self, reader: AsyncEngine, camera_id: str) -> None:
        self._reader = reader
        self._camera_id = camera_id

    async def between(self, start_us: int, end_us: int) -> list[StoredPassage]:
        """Those that were there at some time of [``start_us``, ``end_us``). Raises DBAPIError."""
        async with self._reader.connect() as connection:
            numbers = await camera_numbers_of(connection, [self._camera_id])
            if self._camera_id not in numbers:
                return []
            rows = await connection.execute(
                sa.select(passages.c.id, passages.c.lasts_ms).where(
                    passages.c.camera == numbers[self._camera_id],
                    passages.c.id >= first_id_at(start_us - _LONGEST_US),
                    passages.c.id < first_id_at(end_us + 999),
                )
            )
            ids = [row.id for row in rows if (row.id >> 20) + row.lasts_ms >= start_us // 1000]
            found = await find_passages(connection, ids)
        return list(found.values())


def is_known(
    object_class: ObjectClass,
    first_us: int,
    last_us: int,
    path: Path,
    known: Sequence[StoredPassage],
) -> bool:
    """Whether one of the known ones is this object: of its kind, for most of its time, and there
    where it was.
    """
    for one in known:
        if _kind(one.object_class) != _kind(object_class):
            continue
        start_us, end_us = max(first_us, one.first_us), min(last_us, one.last_us)
        if end_us < start_us or end_us - start_us < _SAME_TIME * (last_us - first_us):
            continue
        middle_us = (start_us + end_us) // 2
        here = _box_at(path, (middle_us - first_us) // 1000)
        there = _box_at(one.path, (middle_us - one.first_us) // 1000)
        if here is not None and there is not None and overlap_of(here, there) >= _SAME_PLACE:
            return True
    return False


def _kind(object_class: ObjectClass) -> int:
    if object_class in VEHICLES:
        return 2
    return 1 if object_class in TWO_WHEELERS else 0


def _box_at(path: Path, after_ms: int) -> tuple[float, float, float, float] | None:
    """Where it was, between the two points around that time."""
    if not path:
        return None
    at = bisect_right([point.after_ms for point in path], after_ms)
    before, after = path[max(at - 1, 0)], path[min(at, len(path) - 1)]
    lasts_ms = after.after_ms - before.after_ms
    share = 0.0 if lasts_ms <= 0 else min(1.0, max(0.0, (after_ms - before.after_ms) / lasts_ms))
    return (
        before.left + (after.left - before.left) * share,
        before.top + (after.top - before.top) * share,
        before.right + (after.right - before.right) * share,
        before.bottom + (after.bottom - before.bottom) * share,
    )
