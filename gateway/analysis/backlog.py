"""What of recorded footage should be in the index and is not: found again and again, and queued.

That covers everything alike: pictures dropped under load, a worker that was down, footage fetched
from a device or imported later, a crash. Nothing has to be remembered for it but what is in the
index, and which stretches failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.analysis.desired import is_analysed
from gateway.analysis.hours import analysis_hours
from gateway.database.analysis_tables import analysis_stretches
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from recorder.intervals import Interval, merge, subtract
from recorder.rows import RowError, RowWriter
from recorder.tables import sources, spans
from search.index.tables import indexed_spans, passage_cameras

_log = structlog.get_logger(__name__)

EVERY_S = 30.0
# So many stretches wait at most: the rest is found when those are done.
WAITING_LIMIT = 500
_CAMERAS_AT_ONCE = 200
# Footage is on its way to the disk, live pictures to the index.
SETTLED_US = 180_000_000
# Jobs take it up to here: what is younger may not be on the disk yet.
YOUNGEST_US = 60_000_000
# Shorter ones are seams; a camera whose worker begins anew has one.
LEAST_US = 5_000_000
LONGEST_US = 3_600_000_000
_JOIN_US = 10_000_000
_HOUR_US = 3_600_000_000
_KEPT_US = 14 * 24 * _HOUR_US
_REASONS = {"import": "import", "backfill": "backfill"}


class Backlog:
    """``on_found`` is called when there is more to look through."""

    def __init__(
        self,
        reader: AsyncEngine,
        rows: RowWriter,
        *,
        hours: float,
        on_found: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._rows = rows
        self._reach_us = round(hours * _HOUR_US)
        self._on_found = on_found

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                if await self.look(now_us()):
                    self._on_found()
                await self._rows.write("analysis.forget", before_us=now_us() - _KEPT_US)
            except (sa.exc.DBAPIError, RowError, ConnectionError, TimeoutError) as error:
                _log.warning("what is not indexed cannot be looked for", why=str(error))
            except Exception:
                _log.exception("what is not indexed cannot be looked for")
            await asyncio.sleep(EVERY_S)

    async def look(self, at_us: int) -> int:
        """Queue what is missing; gives how many stretches were new. Raises what the database
        and the writer raise.
        """
        if not self._reach_us:
            return 0
        async with self._reader.connect() as connection:
            waiting = await connection.scalar(
                sa.select(sa.func.count())
                .select_from(analysis_stretches)
                .where(analysis_stretches.c.state == "waiting", analysis_stretches.c.rank > 0)
            )
            room = WAITING_LIMIT - (waiting or 0)
            if room <= 0:
                return 0
            ids = list(await connection.scalars(sa.select(cameras.c.id).where(is_analysed())))
            missing: list[tuple[str, dict[str, Any]]] = []
            for first in range(0, len(ids), _CAMERAS_AT_ONCE):
                missing += await self._missing(
                    connection, ids[first : first + _CAMERAS_AT_ONCE], at_us
                )
        # The newest is asked for most.
        missing.sort(key=lambda one: -one[1]["end_us"])
        found = 0
        for reason in ("import", "backfill", "missed"):
            some = [stretch for kind, stretch in missing[:room] if kind == reason]
            if some:
                found += await self._rows.write("analysis.find", stretches=some, reason=reason)
        return found

    async def _missing(
        self, connection: AsyncConnection, camera_ids: Sequence[str], at_us: int
    ) -> list[tuple[str, dict[str, Any]]]:
        start_us, end_us = at_us - self._reach_us, at_us - SETTLED_US
        indexed = await _indexed(connection, camera_ids)
        failed = await _given_up(connection, camera_ids)
        hours = await analysis_hours(connection, camera_ids)
        found: list[tuple[str, dict[str, Any]]] = []
        rows = await connection.execute(
            sa.select(sources.c.camera_id, sources.c.kind, spans.c.start_us, spans.c.end_us)
            .select_from(spans.join(sources, sources.c.id == spans.c.source_id))
            .where(
                sources.c.camera_id.in_(camera_ids),
                sources.c.variant == "main",
                sources.c.kind.in_(("camera", "import", "backfill")),
                sa.or_(
                    sa.and_(spans.c.end_us > start_us, spans.c.start_us < end_us),
                    # Footage of long ago that has only just come.
                    sa.and_(sources.c.kind != "camera", sources.c.created_us > start_us),
                ),
            )
        )
        for row in rows:
            whole = (row.start_us, min(row.end_us, end_us))
            if row.kind == "camera":
                whole = (max(row.start_us, start_us), whole[1])
            if whole[1] <= whole[0]:
                continue
            known = [*indexed.get(row.camera_id, ()), *failed.get(row.camera_id, ())]
            if row.camera_id in hours:
                # Nobody wants it looked at, unless they ask.
                known += hours[row.camera_id].outside(*whole)
            reason = _REASONS.get(row.kind, "missed")
            for piece in pieces(whole, known):
                stretch = {"camera_id": row.camera_id, "start_us": piece[0], "end_us": piece[1]}
                found.append((reason, stretch))
        return found


def pieces(whole: Interval, known: Iterable[Interval]) -> list[Interval]:
    """What of ``whole`` none of ``known`` covers: near ones together, long ones apart, and none so
    short that it is a seam.
    """
    covered = merge(sorted(known))
    found: list[Interval] = []
    for start_us, end_us in merge(subtract(whole, covered), _JOIN_US):
        if end_us - start_us < LEAST_US:
            continue
        while end_us - start_us > LONGEST_US:
            found.append((start_us, start_us + LONGEST_US))
            start_us += LONGEST_US
        found.append((start_us, end_us))
    return found


async def recorded_pieces(
    connection: AsyncConnection,
    camera_ids: Sequence[str],
    start_us: int,
    end_us: int,
    *,
    again: bool = False,
) -> list[dict[str, Any]]:
    """Stretches ``{camera_id, start_us, end_us}`` of a range of which there is footage, and that no
    model has looked at, or all of them ``again``.
    """
    found = []
    for first in range(0, len(camera_ids), _CAMERAS_AT_ONCE):
        some = camera_ids[first : first + _CAMERAS_AT_ONCE]
        indexed = {} if again else await _indexed(connection, some)
        rows = await connection.execute(
            sa.select(sources.c.camera_id, spans.c.start_us, spans.c.end_us)
            .select_from(spans.join(sources, sources.c.id == spans.c.source_id))
            .where(
                sources.c.camera_id.in_(some),
                sources.c.variant == "main",
                sources.c.kind.in_(("camera", "import", "backfill")),
                spans.c.end_us > start_us,
                spans.c.start_us < end_us,
            )
            .order_by(sources.c.camera_id, spans.c.start_us)
        )
        footage: dict[str, list[Interval]] = {}
        for row in rows:
            piece = (max(row.start_us, start_us), min(row.end_us, end_us))
            footage.setdefault(row.camera_id, []).append(piece)
        for camera_id, recorded in footage.items():
            for whole in merge(sorted(recorded), _JOIN_US):
                found += [
                    {"camera_id": camera_id, "start_us": piece[0], "end_us": piece[1]}
                    for piece in pieces(whole, indexed.get(camera_id, ()))
                ]
    return found


async def _indexed(
    connection: AsyncConnection, camera_ids: Sequence[str]
) -> dict[str, list[Interval]]:
    rows = await connection.execute(
        sa.select(passage_cameras.c.camera_id, indexed_spans.c.start_us, indexed_spans.c.end_us)
        .select_from(
            indexed_spans.join(passage_cameras, passage_cameras.c.number == indexed_spans.c.camera)
        )
        .where(passage_cameras.c.camera_id.in_(camera_ids))
    )
    found: dict[str, list[Interval]] = {}
    for row in rows:
        found.setdefault(row.camera_id, []).append((row.start_us, row.end_us))
    return found


async def _given_up(
    connection: AsyncConnection, camera_ids: Sequence[str]
) -> dict[str, list[Interval]]:
    """What waits already, and what could not be looked through; or was, and is not indexed: there
    are pictures in it that cannot be looked at.
    """
    table = analysis_stretches.c
    rows = await connection.execute(
        sa.select(table.camera_id, table.start_us, table.end_us).where(
            table.camera_id.in_(camera_ids), table.state.in_(("waiting", "failed", "done"))
        )
    )
    found: dict[str, list[Interval]] = {}
    for row in rows:
        found.setdefault(row.camera_id, []).append((row.start_us, row.end_us))
    return found
