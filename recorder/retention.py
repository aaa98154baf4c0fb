"""Deleting footage by policy: days, bytes, and when space runs out. Held footage never goes.

Deletion runs the order of recording backwards: row marked (the time becomes a gap with its cause),
object deleted, row gone. A crash in between is finished by the next pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from camera_adapters.stream import GapCause
from recorder.hold_rows import has_lock
from recorder.index import chunks
from recorder.rows import RowWriter
from recorder.stores import DeletionError, Store
from recorder.tables import DELETING, STORED, daily_usage, segments, sources, spans

_log = structlog.get_logger(__name__)

DAY_US = 86_400_000_000
_BATCH = 500
# A source is looked at when some ten segments are due, not for each one.
_PATIENCE_US = 600_000_000


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long, and how much, one source keeps; None: no limit of that kind.

    ``least_days`` is what must be kept: footage younger than that which goes for want of space is
    a breach.
    """

    days: float | None = 30.0
    size_bytes: int | None = None
    least_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Breach:
    """Footage of a source went, or will go, before its time: it reaches back ``kept_days`` only."""

    source_id: str
    kept_days: float
    required_days: float


@dataclass(slots=True)
class RetentionReport:
    """What a pass did. ``breaches``: whose footage had to go for want of space."""

    deleted_segments: int = 0
    deleted_bytes: int = 0
    breaches: list[Breach] = field(default_factory=list)
    space_short_bytes: int = 0  # what could not be freed, since the rest is held


@dataclass(frozen=True, slots=True)
class Doomed:
    """A segment that a policy picks."""

    id: str
    source_id: str
    size_bytes: int
    start_us: int


class Retention:
    """Applies policies. ``policies`` maps source ids; others get ``default``.

    ``reserve_bytes`` is the free space below which the oldest footage of all sources goes;
    ``capacity_bytes`` limits what all sources keep together (S3 cannot tell its free space).
    """

    def __init__(
        self,
        engine: AsyncEngine,
        rows: RowWriter,
        store: Store,
        *,
        default: RetentionPolicy,
        policies: Mapping[str, RetentionPolicy] | None = None,
        reserve_bytes: int = 0,
        capacity_bytes: int | None = None,
    ) -> None:
        self._engine = engine
        self._rows = rows
        self._store = store
        self.default = default
        self.policies: Mapping[str, RetentionPolicy] = policies or {}
        self.reserve_bytes = reserve_bytes
        self.capacity_bytes = capacity_bytes
        self._pruned_day = -1

    async def run(self, now_us: int) -> RetentionReport:
        """One pass: finish earlier deletions, then days, bytes, space. Raises StoreError,
        ConnectionError; what was begun is finished by a later pass.
        """
        report = RetentionReport()
        await self.finish_deletions()
        async with self._engine.connect() as connection:
            standing = await _survey(connection)
        for source in standing:
            policy = self.policies.get(source.source_id, self.default)
            if policy.days is not None:
                before_us = now_us - round(policy.days * DAY_US)
                if source.hidden or source.first_us < before_us - _PATIENCE_US:
                    await self._apply_days(source.source_id, policy.days, before_us, report)
            if policy.size_bytes is not None and source.used_bytes > policy.size_bytes:
                await self._apply_bytes(source.source_id, policy.size_bytes, report)
        await self._make_space(now_us, report)
        await self._prune_gaps(now_us)
        return report

    async def finish_deletions(self) -> int:
        """Delete the objects and rows of segments that were marked earlier; returns how many."""
        finished = 0
        after = ""
        while True:
            async with self._engine.connect() as connection:
                marked = (
                    await connection.execute(
                        sa.select(segments.c.id, segments.c.store_key)
                        .where(segments.c.effective_start_us.is_(None))
                        .where(segments.c.state == DELETING, segments.c.id > after)
                        .order_by(segments.c.id)
                        .limit(_BATCH)
                    )
                ).all()
            if not marked:
                return finished
            after = marked[-1].id
            gone = await self._delete_objects({row.id: row.store_key for row in marked})
            finished += await self._rows.write("recorder.forget_segments", segment_ids=gone)

    async def _delete_objects(self, keys: Mapping[str, str]) -> list[str]:
        """Delete the objects of these segments; gives those whose object is gone. What the store
        refuses is said, stays marked, and is tried again by each pass; it stops nothing else.
        """
        try:
            await self._store.delete(list(keys.values()))
        except DeletionError as error:
            _log.error(
                "the store keeps footage whose time is over",
                objects=len(error.failed),
                error=str(error),
            )
            return [name for name, key in keys.items() if key not in error.failed]
        return list(keys)

    async def _apply_days(
        self, source_id: str, days: float, before_us: int, report: RetentionReport
    ) -> None:
        while True:
            async with self._engine.connect() as connection:
                doomed = await ended_before(connection, source_id, before_us, _BATCH)
            if not doomed or not await self._delete(
                doomed, GapCause.RETENTION, f"kept for {days:g} days", report
            ):
                return

    async def _apply_bytes(self, source_id: str, limit_bytes: int, report: RetentionReport) -> None:
        while True:
            async with self._engine.connect() as connection:
                excess = await _used_bytes(connection, source_id) - limit_bytes
                doomed = await _oldest(connection, source_id, excess)
            if not doomed or not await self._delete(
                doomed, GapCause.RETENTION, f"no more than {limit_bytes} bytes are kept", report
            ):
                return

    async def _prune_gaps(self, now_us: int) -> None:
        """Once a day: forget gaps from before the time that is kept."""
        if now_us // DAY_US == self._pruned_day:
            return
        async with self._engine.connect() as connection:
            source_ids = list((await connection.execute(sa.select(sources.c.id))).scalars())
        for source_id in source_ids:
            policy = self.policies.get(source_id, self.default)
            if policy.days is not None:
                before_us = now_us - round(policy.days * DAY_US)
                await self._rows.write(
                    "recorder.prune_gaps", source_id=source_id, before_us=before_us
                )
        self._pruned_day = now_us // DAY_US

    async def _make_space(self, now_us: int, report: RetentionReport) -> None:
        """Free what is short, always taking the oldest footage of all sources."""
        short = await self._short_bytes()
        shortened: set[str] = set()
        while short > 0:
            async with self._engine.connect() as connection:
                oldest = await oldest_of_all(connection)
            doomed = []
            for segment in oldest:
                if short <= 0:
                    break
                doomed.append(segment)
                short -= segment.size_bytes
                policy = self.policies.get(segment.source_id, self.default)
                if now_us - segment.start_us < policy.least_days * DAY_US:
                    shortened.add(segment.source_id)
            if not doomed or not await self._delete(
                doomed, GapCause.SPACE, "the storage was full", report
            ):
                break
            short = await self._short_bytes()
        report.space_short_bytes = max(short, 0)
        for source_id in sorted(shortened):
            policy = self.policies.get(source_id, self.default)
            async with self._engine.connect() as connection:
                kept = await kept_days(connection, source_id, now_us)
            report.breaches.append(Breach(source_id, kept, policy.least_days))
            _log.error(
                "footage had to go before its time",
                source=source_id,
                kept_days=round(kept, 2),
                required_days=policy.least_days,
            )

    async def _short_bytes(self) -> int:
        short = 0
        if self.reserve_bytes:
            free = await self._store.free_bytes()
            if free is not None:
                short = self.reserve_bytes - free
        if self.capacity_bytes is not None:
            async with self._engine.connect() as connection:
                short = max(short, await _used_bytes(connection, None) - self.capacity_bytes)
        return short

    async def _delete(
        self, doomed: list[Doomed], cause: GapCause, detail: str, report: RetentionReport
    ) -> bool:
        """Mark, delete, forget. False when nothing could be deleted (all held meanwhile)."""
        sizes = {segment.id: segment.size_bytes for segment in doomed}
        deleted = 0
        for ids in chunks(list(sizes)):
            marked = await self._rows.write(
                "recorder.mark_deleting", segment_ids=ids, cause=str(cause), detail=detail
            )
            if not marked:
                continue
            gone = await self._delete_objects({item["id"]: item["store_key"] for item in marked})
            await self._rows.write("recorder.forget_segments", segment_ids=gone)
            deleted += len(gone)
            report.deleted_bytes += sum(sizes[name] for name in gone)
        report.deleted_segments += deleted
        return deleted > 0


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far back a source's footage goes, how much it is, whether some is hidden by other."""

    source_id: str
    first_us: int
    used_bytes: int
    hidden: bool


async def _survey(connection: AsyncConnection) -> list[_Standing]:
    """All sources that have footage: three statements, however many they are."""
    used = await connection.execute(
        sa.select(daily_usage.c.source_id, sa.func.sum(daily_usage.c.size_bytes)).group_by(
            daily_usage.c.source_id
        )
    )
    firsts = await connection.execute(
        sa.select(spans.c.source_id, sa.func.min(spans.c.start_us)).group_by(spans.c.source_id)
    )
    hidden = await connection.execute(
        sa.select(segments.c.source_id)
        .where(segments.c.effective_start_us.is_(None), segments.c.state == STORED)
        .distinct()
    )
    first_us: dict[str, int] = {row[0]: row[1] for row in firsts}
    hiding = set(hidden.scalars())
    return [
        _Standing(source_id, first_us.get(source_id, 1 << 62), int(total), source_id in hiding)
        for source_id, total in used
    ]


async def ended_before(
    connection: AsyncConnection, source_id: str, before_us: int, limit: int
) -> list[Doomed]:
    """The oldest segments that ended before an instant and are not held."""
    deletable = _deletable(source_id)
    visible = await connection.execute(
        sa.select(*_DOOMED_COLUMNS)
        .where(
            *deletable,
            segments.c.effective_start_us < before_us,
            segments.c.effective_end_us <= before_us,
        )
        .order_by(segments.c.effective_start_us)
        .limit(limit)
    )
    shadowed = await connection.execute(
        sa.select(*_DOOMED_COLUMNS)
        .where(*deletable, segments.c.effective_start_us.is_(None), segments.c.end_us <= before_us)
        .limit(limit)
    )
    return [Doomed(*row) for row in [*shadowed, *visible]][:limit]


async def kept_days(connection: AsyncConnection, source_id: str, now_us: int) -> float:
    """How many days back the source's footage reaches."""
    first_us = (
        await connection.execute(
            sa.select(spans.c.start_us)
            .where(spans.c.source_id == source_id)
            .order_by(spans.c.start_us)
            .limit(1)
        )
    ).scalar()
    return 0.0 if first_us is None else max(now_us - first_us, 0) / DAY_US


async def _used_bytes(connection: AsyncConnection, source_id: str | None) -> int:
    statement = sa.select(sa.func.sum(daily_usage.c.size_bytes))
    if source_id is not None:
        statement = statement.where(daily_usage.c.source_id == source_id)
    return int((await connection.execute(statement)).scalar() or 0)


async def _oldest(connection: AsyncConnection, source_id: str, excess: int) -> list[Doomed]:
    """The oldest segments, not held, that together have ``excess`` bytes (or the first batch)."""
    if excess <= 0:
        return []
    doomed = []
    for segment in await _oldest_of(connection, source_id, _BATCH):
        if excess <= 0:
            break
        doomed.append(segment)
        excess -= segment.size_bytes
    return doomed


async def oldest_of_all(connection: AsyncConnection) -> list[Doomed]:
    """The oldest deletable segments of all sources, in order: none older is left out.

    Sources are tried from the one with the oldest footage on, a group at a time, so that neither
    the number of sources nor that of segments matters.
    """
    first = sa.func.min(spans.c.start_us)
    by_age = (
        await connection.execute(
            sa.select(spans.c.source_id, first).group_by(spans.c.source_id).order_by(first)
        )
    ).all()
    for start in range(0, len(by_age), _SOURCES_GROUP):
        group = by_age[start : start + _SOURCES_GROUP]
        following = by_age[start + _SOURCES_GROUP : start + _SOURCES_GROUP + 1]
        # Beyond this instant a source of a later group, or the rest of a batch, may be older.
        horizon_us = following[0][1] if following else 1 << 62
        found: list[Doomed] = []
        for source_id, _ in group:
            batch = await _oldest_of(connection, source_id, _SOURCE_BATCH)
            if len(batch) == _SOURCE_BATCH:
                horizon_us = min(horizon_us, batch[-1].start_us)
            found += batch
        within = sorted(
            (segment for segment in found if segment.start_us <= horizon_us),
            key=lambda segment: segment.start_us,
        )
        if within:
            return within
    return []


_SOURCES_GROUP = 64
_SOURCE_BATCH = 20
_DOOMED_COLUMNS = (
    segments.c.id,
    segments.c.source_id,
    segments.c.size_bytes,
    segments.c.start_us,
)


def _deletable(source_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        segments.c.source_id == source_id,
        segments.c.state == STORED,
        segments.c.held.is_(False),
        ~has_lock(),
    )


async def _oldest_of(connection: AsyncConnection, source_id: str, limit: int) -> list[Doomed]:
    rows = await connection.execute(
        sa.select(*_DOOMED_COLUMNS)
        .where(*_deletable(source_id))
        .order_by(segments.c.effective_start_us)
        .limit(limit)
    )
    return [Doomed(*row) for row in rows]
