"""How far back footage really reaches, and when the storage will be full. From sums by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.retention import DAY_US, Breach, RetentionPolicy
from recorder.tables import daily_usage, spans

_RATE_DAYS = 7


@dataclass(frozen=True, slots=True)
class SourceForecast:
    """One source: bytes kept, bytes a day (of the last whole days), how many days back it reaches,
    and how many it will once the storage is full (None: as its policy says).
    """

    source_id: str
    used_bytes: int
    bytes_per_day: float
    kept_days: float
    reachable_days: float | None


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

    @property
    def real_days(self) -> float:
        """The shortest reach of all sources that have footage, in days; 0 when none has."""
        return min((source.kept_days for source in self.sources), default=0.0)


async def forecast(
    connection: AsyncConnection,
    *,
    now_us: int,
    free_bytes: int | None,
    default: RetentionPolicy,
    policies: Mapping[str, RetentionPolicy] | None = None,
    capacity_bytes: int | None = None,
) -> Forecast:
    """The forecast at ``now_us``. ``free_bytes``: what may still be filled (see Store.free_bytes);
    ``capacity_bytes``: what all sources may keep together (see recorder.retention.Retention), which
    leaves less to be filled.

    Each source grows by its daily rate until its policy's days or bytes; the storage is full when
    the sum of that outgrows the space.
    """
    policies = policies or {}
    today = now_us // DAY_US
    used: dict[str, int] = {}
    recent: dict[str, list[tuple[int, int]]] = {}
    for source_id, day, size_bytes in await connection.execute(
        sa.select(daily_usage.c.source_id, daily_usage.c.day, daily_usage.c.size_bytes)
    ):
        used[source_id] = used.get(source_id, 0) + size_bytes
        if today - _RATE_DAYS <= day <= today:
            recent.setdefault(source_id, []).append((day, size_bytes))
    if capacity_bytes is not None:
        room_bytes = max(capacity_bytes - sum(used.values()), 0)
        free_bytes = room_bytes if free_bytes is None else min(free_bytes, room_bytes)
    oldest = await connection.execute(
        sa.select(spans.c.source_id, sa.func.min(spans.c.start_us)).group_by(spans.c.source_id)
    )
    firsts: dict[str, int] = {row[0]: row[1] for row in oldest}
    rates = {
        source_id: _rate(recent.get(source_id, []), today, now_us, firsts.get(source_id))
        for source_id in used
    }
    final = {
        source_id: _final_bytes(rates[source_id], policies.get(source_id, default))
        for source_id in used
    }
    full_at_us = None
    share = 1.0
    if free_bytes is not None:
        full_at_us = _full_at(now_us, free_bytes, used, rates, final)
        capacity = sum(used.values()) + free_bytes
        wanted = sum(size for size in final.values() if size is not None)
        if any(size is None for size in final.values()) or wanted > capacity:
            # Space goes to the oldest of all sources: in the end all reach equally far back.
            total_rate = sum(rates.values())
            share = capacity / total_rate if total_rate > 0 else 1.0
    found = []
    breaches = []
    for source_id in sorted(used):
        policy = policies.get(source_id, default)
        kept = max(now_us - firsts.get(source_id, now_us), 0) / DAY_US
        reachable = share if full_at_us is not None else None
        found.append(SourceForecast(source_id, used[source_id], rates[source_id], kept, reachable))
        by_bytes = (
            policy.size_bytes / rates[source_id]
            if policy.size_bytes is not None and rates[source_id] > 0
            else None
        )
        reaches = min((days for days in (reachable, by_bytes) if days is not None), default=None)
        if reaches is not None and reaches < policy.least_days:
            breaches.append(Breach(source_id, reaches, policy.least_days))
    return Forecast(
        sum(used.values()), free_bytes, sum(rates.values()), full_at_us, found, breaches
    )


def _rate(days: list[tuple[int, int]], today: int, now_us: int, first_us: int | None) -> float:
    """Bytes a day: of the last whole days, or of today so far when there is no other."""
    whole = [
        size for day, size in days if day < today and (first_us is None or first_us <= day * DAY_US)
    ]
    if whole:
        return sum(whole) / len(whole)
    total = sum(size for _, size in days)
    if first_us is None or now_us <= first_us:
        return 0.0
    return total / max((now_us - first_us) / DAY_US, 1 / 24)


def _final_bytes(rate: float, policy: RetentionPolicy) -> float | None:
    """What a source will keep in the end by its policy alone; None: it grows for ever."""
    limits = []
    if policy.days is not None:
        limits.append(rate * policy.days)
    if policy.size_bytes is not None:
        limits.append(float(policy.size_bytes))
    return min(limits) if limits else (0.0 if rate == 0 else None)


def _full_at(
    now_us: int,
    free_bytes: int,
    used: Mapping[str, int],
    rates: Mapping[str, float],
    final: Mapping[str, float | None],
) -> int | None:
    """Walk from one source's saturation to the next; growth is linear in between."""
    growing: list[tuple[float, float]] = []  # days until it stops growing, bytes a day
    for source_id, rate in rates.items():
        limit = final[source_id]
        if rate <= 0:
            continue
        days = float("inf") if limit is None else max(limit - used[source_id], 0) / rate
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
