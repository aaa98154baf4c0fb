"""What of the cameras' time was not indexed, and why: said with every answer, an empty one above
all.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from camera_adapters.stream import GapCause
from recorder.intervals import Interval, merge, subtract
from recorder.tables import gaps, sources, spans
from search.index.rows import UNDESCRIBED
from search.index.tables import indexed_spans, missed_spans, passage_cameras

Why = Literal[
    "not_analysed", "lagging", "dropped", "no_footage", "failed", "expired", "undescribed",
    "not_comparable",
]  # fmt: skip

# Of several reasons for the same time, the first.
_MISSED_ORDER: tuple[Why, ...] = ("expired", "failed", "dropped", "no_footage", "not_analysed")
# Live indexing that has told nothing for so long is not behind: it has stopped.
_LIVE_US = 600_000_000
# Footage is a segment and its way to the store behind the present.
_ON_ITS_WAY_US = 600_000_000
_CAMERAS_AT_ONCE = 500
COARSE_US = 600_000_000
"""Steps in which is told when something passed beneath a mask."""
UNDESCRIBED_LIMIT = 10_000
"""So many times at which something could not be described are read for a question, the newest."""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """[``start_us``, ``end_us``) of a camera is not in the index. ``why``:

    - ``not_analysed``: nobody had it looked at: there is footage, so that it can be done now, or it
      was ``unwanted``;
    - ``lagging``: it is being looked at, and not so far yet;
    - ``dropped``: there was more to look at than could be;
    - ``no_footage``: the camera gave no pictures, or none were kept;
    - ``failed``: the model or its process broke;
    - ``expired``: its time is over, or it was deleted with its footage;
    - ``undescribed``: it was looked at, and what passed then could not be described;
    - ``not_comparable``: a likeness search found no vector to compare with, see
      :mod:`search.index.comparable`; :func:`coverage` itself does not know of it.
    """

    camera_id: str
    start_us: int
    end_us: int
    why: Why


async def coverage(
    connection: AsyncConnection,
    camera_ids: Collection[str],
    start_us: int,
    end_us: int,
    *,
    now_us: int | None = None,
    tolerance_us: int = 0,
    described: Undescribed | None = None,
    coarse: Collection[str] = (),
    unwanted: Mapping[str, list[Interval]] | None = None,
) -> list[Uncovered]:
    """What of [``start_us``, ``end_us``), up to now, is not indexed, of each camera in the order in
    which they are given, by time. Pieces up to ``tolerance_us`` are left out.

    ``described``: also what is indexed and could not be described, however short, as
    :func:`undescribed` read it: for questions that ask what things look like. Of the cameras in
    ``coarse`` that is told in whole steps of :data:`COARSE_US`, whichever part of one is asked for.
    ``unwanted``: when nobody wants a camera looked at: that is not behind.
    """
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    end_us = min(end_us, now_us)
    uncovered: list[Uncovered] = []
    if end_us <= start_us:
        return uncovered
    ordered = list(dict.fromkeys(camera_ids))
    for first in range(0, len(ordered), _CAMERAS_AT_ONCE):
        some = ordered[first : first + _CAMERAS_AT_ONCE]
        found = await _uncovered(connection, some, start_us, end_us, now_us, unwanted or {})
        if described is not None:
            found = _with_undescribed(found, some, (start_us, end_us), described, coarse)
        uncovered += [
            one
            for one in found
            if one.why == UNDESCRIBED or one.end_us - one.start_us > tolerance_us
        ]
    return uncovered


@dataclass(frozen=True, slots=True)
class Undescribed:
    """When things passed that could not be described, of the cameras where there were such."""

    times: Mapping[str, list[Interval]]
    more: bool
    """There were more than :data:`UNDESCRIBED_LIMIT`."""


async def undescribed(
    connection: AsyncConnection, camera_ids: Sequence[str], start_us: int, end_us: int
) -> Undescribed:
    """In all steps of :data:`COARSE_US` that the range meets."""
    first_us, last_us = _steps((start_us, end_us))
    found: dict[str, list[Interval]] = {}
    left = UNDESCRIBED_LIMIT
    for at in range(0, len(camera_ids), _CAMERAS_AT_ONCE):
        rows = await connection.execute(
            sa.select(passage_cameras.c.camera_id, missed_spans.c.start_us, missed_spans.c.end_us)
            .join(passage_cameras, passage_cameras.c.number == missed_spans.c.camera)
            .where(
                passage_cameras.c.camera_id.in_(camera_ids[at : at + _CAMERAS_AT_ONCE]),
                missed_spans.c.cause == UNDESCRIBED,
                missed_spans.c.start_us < last_us,
                missed_spans.c.end_us > first_us,
            )
            .order_by(missed_spans.c.start_us.desc(), missed_spans.c.camera)
            .limit(left + 1)
        )
        for row in rows:
            if left == 0:
                return Undescribed(found, more=True)
            left -= 1
            found.setdefault(row.camera_id, []).append((row.start_us, row.end_us))
    return Undescribed(found, more=False)


def _with_undescribed(
    uncovered: Sequence[Uncovered],
    camera_ids: Sequence[str],
    whole: Interval,
    described: Undescribed,
    coarse: Collection[str],
) -> list[Uncovered]:
    """What is not indexed stays what it is."""
    by_camera: dict[str, list[Uncovered]] = {}
    for one in uncovered:
        by_camera.setdefault(one.camera_id, []).append(one)
    told: list[Uncovered] = []
    for camera_id in camera_ids:
        known = by_camera.get(camera_id, [])
        ranges = described.times.get(camera_id, [])
        if camera_id in coarse:
            ranges = [_steps(one) for one in ranges]
        ranges = merge(ranges)
        looked_at = subtract(whole, [(one.start_us, one.end_us) for one in known])
        found = [
            Uncovered(camera_id, max(start, piece[0]), min(end, piece[1]), UNDESCRIBED)
            for piece in looked_at
            for start, end in _meeting_ranges(ranges, piece)
        ]
        told += sorted([*known, *found], key=lambda one: one.start_us)
    return told


def _meeting_ranges(ranges: list[Interval], piece: Interval) -> list[Interval]:
    """Of ``ranges``, in order and apart, those that meet the piece."""
    first = bisect.bisect_right(ranges, piece[0], key=lambda one: one[1])
    return ranges[first : bisect.bisect_left(ranges, piece[1], key=lambda one: one[0])]


def _steps(span: Interval) -> Interval:
    """The whole steps that a range meets."""
    return span[0] // COARSE_US * COARSE_US, -(-span[1] // COARSE_US) * COARSE_US


async def _uncovered(
    connection: AsyncConnection,
    camera_ids: Sequence[str],
    start_us: int,
    end_us: int,
    now_us: int,
    unwanted: Mapping[str, list[Interval]],
) -> list[Uncovered]:
    table = passage_cameras
    known = {
        row.camera_id: row
        for row in await connection.execute(
            sa.select(table.c.camera_id, table.c.number, table.c.live_us).where(
                table.c.camera_id.in_(camera_ids)
            )
        )
    }
    numbers = [row.number for row in known.values()]
    indexed: dict[int, list[Interval]] = {}
    for row in await _meeting(connection, indexed_spans, numbers, start_us, end_us):
        indexed.setdefault(row.camera, []).append((row.start_us, row.end_us))
    missing = {
        camera_id: subtract(
            (start_us, end_us),
            indexed.get(known[camera_id].number, []) if camera_id in known else [],
        )
        for camera_id in camera_ids
    }
    missing = {camera_id: pieces for camera_id, pieces in missing.items() if pieces}
    missed: dict[int, dict[str, list[Interval]]] = {}
    open_numbers = [known[one].number for one in missing if one in known]
    for row in await _meeting(connection, missed_spans, open_numbers, start_us, end_us):
        by_cause = missed.setdefault(row.camera, {})
        by_cause.setdefault(row.cause, []).append((row.start_us, row.end_us))
    footage = await _footage(connection, missing, start_us, end_us, now_us)
    deleted = await _deleted(connection, missing, start_us, end_us)
    uncovered: list[Uncovered] = []
    for camera_id, pieces in missing.items():
        camera = known.get(camera_id)
        told = missed.get(camera.number, {}) if camera is not None else {}
        reasons: list[tuple[Why, list[Interval]]] = [
            (cause, told.get(cause, [])) for cause in _MISSED_ORDER
        ]
        reasons.append(("not_analysed", unwanted.get(camera_id, [])))
        live_us = camera.live_us if camera is not None else None
        if live_us is not None and now_us - live_us <= _LIVE_US:
            reasons.append(("lagging", [(live_us, now_us)]))
        reasons += [
            ("expired", deleted.get(camera_id, [])),
            ("not_analysed", footage.get(camera_id, [])),
        ]
        uncovered += _explain(camera_id, pieces, reasons)
    return uncovered


def _explain(
    camera_id: str, pieces: Iterable[Interval], reasons: Sequence[tuple[Why, list[Interval]]]
) -> list[Uncovered]:
    """The pieces cut by reason, the first that holds; what has none had no footage."""
    explained: list[Uncovered] = []
    left = list(pieces)
    for why, ranges in reasons:
        remaining: list[Interval] = []
        for piece in left:
            rest = subtract(piece, ranges)
            remaining += rest
            explained += [
                Uncovered(camera_id, start, end, why) for start, end in subtract(piece, rest)
            ]
        left = remaining
    explained += [Uncovered(camera_id, start, end, "no_footage") for start, end in left]
    explained.sort(key=lambda one: one.start_us)
    return _joined(explained)


def _joined(pieces: Iterable[Uncovered]) -> list[Uncovered]:
    joined: list[Uncovered] = []
    for one in pieces:
        last = joined[-1] if joined else None
        if last is not None and last.why == one.why and last.end_us == one.start_us:
            joined[-1] = Uncovered(one.camera_id, last.start_us, one.end_us, one.why)
        else:
            joined.append(one)
    return joined


async def _meeting(
    connection: AsyncConnection,
    table: sa.Table,
    numbers: Collection[int],
    start_us: int,
    end_us: int,
) -> Sequence[sa.Row[Any]]:
    if not numbers:
        return []
    statement = sa.select(table).where(
        table.c.camera.in_(numbers), table.c.start_us < end_us, table.c.end_us > start_us
    )
    return (await connection.execute(statement)).all()


async def _footage(
    connection: AsyncConnection,
    missing: Mapping[str, Any],
    start_us: int,
    end_us: int,
    now_us: int,
) -> dict[str, list[Interval]]:
    """What is recorded of cameras, by any of their sources."""
    if not missing:
        return {}
    recent_us = now_us - _ON_ITS_WAY_US
    statement = (
        sa.select(sources.c.camera_id, spans.c.start_us, spans.c.end_us)
        .join(spans, spans.c.source_id == sources.c.id)
        .where(
            sources.c.camera_id.in_(list(missing)),
            # Up to the present where it matters which is the newest.
            spans.c.start_us < (now_us if end_us > recent_us else end_us),
            spans.c.end_us > min(start_us, recent_us),
        )
    )
    found: dict[str, list[Interval]] = {}
    for row in await connection.execute(statement):
        found.setdefault(row.camera_id, []).append((row.start_us, row.end_us))
    merged = {camera_id: merge(ranges) for camera_id, ranges in found.items()}
    for ranges in merged.values():
        newest_start_us, newest_end_us = ranges[-1]
        if newest_end_us >= recent_us:
            ranges[-1] = (newest_start_us, max(newest_end_us, now_us))
    return merged


async def _deleted(
    connection: AsyncConnection, missing: Mapping[str, Any], start_us: int, end_us: int
) -> dict[str, list[Interval]]:
    """Of what of cameras the footage was deleted."""
    if not missing:
        return {}
    statement = (
        sa.select(sources.c.camera_id, gaps.c.start_us, gaps.c.end_us)
        .join(gaps, gaps.c.source_id == sources.c.id)
        .where(
            sources.c.camera_id.in_(list(missing)),
            gaps.c.cause.in_(DELETED_CAUSES),
            gaps.c.start_us < end_us,
            gaps.c.end_us > start_us,
        )
    )
    found: dict[str, list[Interval]] = {}
    for row in await connection.execute(statement):
        found.setdefault(row.camera_id, []).append((row.start_us, row.end_us))
    return found


DELETED_CAUSES = (str(GapCause.RETENTION), str(GapCause.SPACE))
"""Of gaps whose footage there was, and is no more."""
