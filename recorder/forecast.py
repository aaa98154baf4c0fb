"""How far back footage really reaches, and when the storage will be full. From sums by day.

The arithmetic (:func:`reckon`) is pure; :func:`forecast` reads what it needs in two statements,
however much footage there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.retention import DAY_US, Breach, RetentionPolicy
from recorder.tables import daily_usage, spans

RATE_DAYS = 7
# Below a thousandth of a day two reaches are one.
_SAME_DAYS = 0.001


@dataclass(frozen=True, slots=True)
class SourceUse:
    """One source: bytes kept, bytes a day, and where its oldest footage begins (None: it has none
    on the timeline).
    """

    source_id: str
    used_bytes: int
    bytes_per_day: float
    first_us: int | None


@dataclass(frozen=True, slots=True)
class SourceForecast:
    """One source: bytes kept, bytes a day (of the last whole days), how many days back it reaches,
    and how many it will once the storage is full (None: as its policy says). ``short_from_us``:
    from when on it keeps less than its policy's days; None: it never will.
    """

    source_id: str
    used_bytes: int
    bytes_per_day: float
    kept_days: float
    reachable_days: float | None
    short_from_us: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """``full_at_us``: when the space runs out, given what policies delete meanwhile; None: never,
    or free space unknown. ``breaches``: sources that will not reach their required days then.
    """

    used_bytes: int
    free_bytes: int | None
    bytes_per_day: float
    full_at_us: int | None
    sources: list[SourceForecast]
    breaches: list[Breach]
    # What all sources together will keep after 0, 1, 2, … days.
    projected_bytes: tuple[float, ...] = ()

    @property
    def real_days(self) -> float:
        """The shortest reach of all sources that have footage, in days; 0 when none has."""
        return min((source.kept_days for source in self.sources), default=0.0)

    @property
    def history_days(self) -> float:
        """The longest reach: a forecast of a few hours' footage is a guess."""
        return max((source.kept_days for source in self.sources), default=0.0)


async def forecast(
    connection: AsyncConnection,
    *,
    now_us: int,
    free_bytes: int | None,
    default: RetentionPolicy,
    policies: Mapping[str, RetentionPolicy] | None = None,
    capacity_bytes: int | None = None,
    projected_days: int = 0,
) -> Forecast:
    """The forecast at ``now_us``. ``free_bytes``: what may still be filled (see Store.free_bytes);
    ``capacity_bytes``: what all sources may keep together (see recorder.retention.Retention), which
    leaves less to be filled.
    """
    return reckon(
        await read_use(connection, now_us),
        now_us=now_us,
        free_bytes=free_bytes,
        default=default,
        policies=policies or {},
        capacity_bytes=capacity_bytes,
        projected_days=projected_days,
    )


async def read_use(connection: AsyncConnection, now_us: int) -> list[SourceUse]:
    """What every source keeps and how fast it grows, by source id."""
    today = now_us // DAY_US
    firsts = (
        sa.select(spans.c.source_id, sa.func.min(spans.c.start_us).label("first_us"))
        .group_by(spans.c.source_id)
        .subquery()
    )
    day, size = daily_usage.c.day, daily_usage.c.size_bytes
    recent = day >= today - RATE_DAYS
    # PostgreSQL multiplies in the width of the column, which is that of days.
    day_us = sa.cast(day, sa.BigInteger) * sa.literal(DAY_US, sa.BigInteger)
    # A day in whose midst recording began says little.
    began_before = sa.or_(firsts.c.first_us.is_(None), firsts.c.first_us <= day_us)
    whole = sa.and_(recent, day < today, began_before)
    rows = await connection.execute(
        sa.select(
            daily_usage.c.source_id,
            sa.func.sum(size).label("used"),
            sa.func.sum(sa.case((whole, size), else_=0)).label("whole_bytes"),
            sa.func.sum(sa.case((whole, 1), else_=0)).label("whole_days"),
            sa.func.sum(sa.case((sa.and_(recent, day <= today), size), else_=0)).label("recent"),
            firsts.c.first_us,
        )
        .select_from(daily_usage.outerjoin(firsts, firsts.c.source_id == daily_usage.c.source_id))
        .group_by(daily_usage.c.source_id, firsts.c.first_us)
        .order_by(daily_usage.c.source_id)
    )
    return [
        SourceUse(
            row.source_id,
            int(row.used),
            int(row.whole_bytes) / int(row.whole_days)
            if row.whole_days
            else _rate_so_far(int(row.recent), now_us, row.first_us),
            row.first_us,
        )
        for row in rows
    ]


def reckon(
    uses: Sequence[SourceUse],
    *,
    now_us: int,
    free_bytes: int | None,
    default: RetentionPolicy,
    policies: Mapping[str, RetentionPolicy],
    capacity_bytes: int | None = None,
    projected_days: int = 0,
) -> Forecast:
    """Each source grows by its daily rate until its policy's days or bytes; the storage is full
    when the sum of that outgrows the space. From then on the oldest of all goes, so that all reach
    equally far back, but for those whose policies ask for less.
    """
    used = sum(one.used_bytes for one in uses)
    if capacity_bytes is not None:
        room_bytes = max(capacity_bytes - used, 0)
        free_bytes = room_bytes if free_bytes is None else min(free_bytes, room_bytes)
    final = {
        one.source_id: final_bytes(one.bytes_per_day, policies.get(one.source_id, default))
        for one in uses
    }
    full_at_us = reach = None
    if free_bytes is not None:
        full_at_us = _full_at(now_us, free_bytes, uses, final)
        if full_at_us is not None:
            # None although it is full: what policies let go by then makes room for all the rest.
            reach = reach_of_all(
                used + free_bytes, [(one.bytes_per_day, final[one.source_id]) for one in uses]
            )
    found: list[SourceForecast] = []
    breaches: list[Breach] = []
    for one in uses:
        policy = policies.get(one.source_id, default)
        kept = max(now_us - (now_us if one.first_us is None else one.first_us), 0) / DAY_US
        reached = [] if reach is None else [(reach, full_at_us)]
        if policy.size_bytes is not None and one.bytes_per_day > 0:
            left = max(policy.size_bytes - one.used_bytes, 0) / one.bytes_per_day
            days = policy.size_bytes / one.bytes_per_day
            reached.append((days, now_us + round(left * DAY_US)))
        wanted = policy.days if policy.days is not None else policy.least_days
        short = [at for days, at in reached if days < wanted - _SAME_DAYS and at is not None]
        found.append(
            SourceForecast(
                one.source_id,
                one.used_bytes,
                one.bytes_per_day,
                kept,
                reach,
                min(short, default=None),
            )
        )
        reaches = min((days for days, _ in reached), default=None)
        if reaches is not None and reaches < policy.least_days:
            breaches.append(Breach(one.source_id, reaches, policy.least_days))
    limit = None if free_bytes is None else float(used + free_bytes)
    return Forecast(
        used,
        free_bytes,
        sum(one.bytes_per_day for one in uses),
        full_at_us,
        found,
        breaches,
        tuple(_used_after(days, uses, final, limit) for days in range(projected_days + 1))
        if projected_days
        else (),
    )


def final_bytes(bytes_per_day: float, policy: RetentionPolicy) -> float | None:
    """What a source will keep in the end by its policy alone; None: it grows for ever."""
    limits = []
    if policy.days is not None:
        limits.append(bytes_per_day * policy.days)
    if policy.size_bytes is not None:
        limits.append(float(policy.size_bytes))
    return min(limits) if limits else (0.0 if bytes_per_day == 0 else None)


def reach_of_all(
    capacity_bytes: float, wanted: Iterable[tuple[float, float | None]]
) -> float | None:
    """How many days back all reach that ask for more, when they share the space and the oldest of
    all goes first; None: everybody gets what they want. ``wanted``: bytes a day, and bytes in the
    end (None: without end).
    """
    growing = sorted(
        (float("inf") if final is None else final / rate, rate)
        for rate, final in wanted
        if rate > 0
    )
    rate_left = sum(rate for _, rate in growing)
    left = float(capacity_bytes)
    reached = 0.0
    for days, rate in growing:
        # Up to here everybody who is left reaches equally far.
        if days == float("inf") or rate_left * (days - reached) > left * (1 + 1e-9):
            return reached + left / rate_left
        left -= rate_left * (days - reached)
        rate_left -= rate
        reached = days
    return None


def _rate_so_far(size_bytes: int, now_us: int, first_us: int | None) -> float:
    """Bytes a day while there is no whole day yet: of today so far."""
    if first_us is None or now_us <= first_us:
        return 0.0
    return size_bytes / max((now_us - first_us) / DAY_US, 1 / 24)


def _full_at(
    now_us: int, free_bytes: int, uses: Sequence[SourceUse], final: Mapping[str, float | None]
) -> int | None:
    """Walk from one source's saturation to the next; growth is linear in between."""
    growing: list[tuple[float, float]] = []  # days until it stops growing, bytes a day
    for one in uses:
        limit, rate = final[one.source_id], one.bytes_per_day
        if rate > 0:
            days = float("inf") if limit is None else max(limit - one.used_bytes, 0) / rate
            growing.append((days, rate))
    growing.sort()
    slope = sum(rate for _, rate in growing)
    elapsed, left = 0.0, float(free_bytes)
    for days, rate in growing:
        if slope > 0 and (days == float("inf") or left < slope * (days - elapsed)):
            return now_us + round((elapsed + left / slope) * DAY_US)
        left -= slope * (days - elapsed)
        elapsed = days
        slope -= rate
    return None


def _used_after(
    days: int,
    uses: Sequence[SourceUse],
    final: Mapping[str, float | None],
    limit: float | None,
) -> float:
    total = 0.0
    for one in uses:
        grown = one.used_bytes + one.bytes_per_day * days
        most = final[one.source_id]
        total += grown if most is None else min(grown, max(most, float(one.used_bytes)))
    return total if limit is None else min(total, limit)
