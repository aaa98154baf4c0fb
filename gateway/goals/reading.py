"""The figures of the four goals, read for what somebody may see, and kept for some seconds."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.audit.reading import RecordFilter, select_records
from gateway.audit.report import LOOK_PREFIXES, LOOKS
from gateway.database.platform_tables import platform_states, platforms
from gateway.database.tables import areas, cameras
from gateway.goals.coverage import AreaSeen, CameraSeen, count_cameras, covered, villages
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import cameras_within, within

_KEPT_S = 10.0
_KEPT_LIMIT = 64


class States(Protocol):
    """The part of :class:`gateway.api.states.CameraStates` that is needed here."""

    def of(self, camera_id: str) -> Mapping[str, Mapping[str, Any]]:
        """Variant → state."""


class Goals:
    """Reads the figures once for all who may see the same, however many screens ask."""

    def __init__(self, reader: AsyncEngine, states: States) -> None:
        self._reader = reader
        self._states = states
        self._kept: dict[tuple[object, ...], tuple[float, asyncio.Task[dict[str, Any]]]] = {}

    async def read(self, paths: Sequence[str], utc_offset_minutes: int) -> dict[str, Any]:
        """Of everything below ``paths``, a few seconds old at most."""
        key = (tuple(sorted(paths)), utc_offset_minutes)
        kept = self._kept.get(key)
        if kept is None or time.monotonic() - kept[0] > _KEPT_S or _failed(kept[1]):
            self._forget()
            kept = (time.monotonic(), asyncio.create_task(self._count(paths, utc_offset_minutes)))
            self._kept[key] = kept
        # Whoever asked first may go away; the others still wait.
        return await asyncio.shield(kept[1])

    def _forget(self) -> None:
        now = time.monotonic()
        self._kept = {key: one for key, one in self._kept.items() if now - one[0] <= _KEPT_S}
        while len(self._kept) >= _KEPT_LIMIT:
            del self._kept[next(iter(self._kept))]

    async def _count(self, paths: Sequence[str], utc_offset_minutes: int) -> dict[str, Any]:
        at_us = now_us()
        async with self._reader.connect() as connection:
            places = [
                AreaSeen(row.id, row.path, row.code)
                for row in await connection.execute(
                    sa.select(areas.c.id, areas.c.path, areas.c.code).where(
                        areas.c.axis == "area", within(areas.c.path, paths)
                    )
                )
            ]
            found = (
                await connection.execute(
                    sa.select(cameras.c.id, cameras.c.record, areas.c.path)
                    .join(areas, areas.c.id == cameras.c.area_id)
                    .where(cameras.c.deleted_us.is_(None), cameras.c.enabled, cameras_within(paths))
                )
            ).all()
            shared = await _platforms(connection, paths)
            control = await _looks(connection, paths, at_us, utc_offset_minutes)
        seen = [self._camera(row.id, row.record, row.path) for row in found]
        # Thousands of villages and cameras: not on the loop.
        coverage, counts = await asyncio.to_thread(_count_all, places, seen)
        return {
            "at_us": at_us,
            "coverage": coverage,
            "sharing": shared,
            "availability": counts,
            "control": control,
        }

    def _camera(self, camera_id: str, record: str, area_path: str) -> CameraSeen:
        states = self._states.of(camera_id)
        names = [state["state"] for state in states.values()]
        main = states.get("main", {})
        return CameraSeen(
            area_path=area_path,
            to_record=record != "off",
            state="live" if "live" in names else main.get("state"),
            recording=bool(main.get("recording")),
        )


def _failed(task: asyncio.Task[dict[str, Any]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _count_all(
    places: list[AreaSeen], seen: list[CameraSeen]
) -> tuple[dict[str, int], dict[str, int]]:
    known = villages(places)
    coverage = {"villages": len(known), "covered": len(covered(known, seen))}
    return coverage, asdict(count_cameras(seen))


async def _platforms(connection: AsyncConnection, paths: Sequence[str]) -> dict[str, int]:
    online = sa.case((platforms.c.enabled & (platform_states.c.state == "online"), 1), else_=0)
    rows = await connection.execute(
        sa.select(
            platforms.c.direction,
            sa.func.count().label("many"),
            sa.func.coalesce(sa.func.sum(online), 0).label("online"),
        )
        .select_from(
            platforms.join(areas, areas.c.id == platforms.c.area_id).outerjoin(
                platform_states, platform_states.c.platform_id == platforms.c.id
            )
        )
        .where(platforms.c.deleted_us.is_(None), within(areas.c.path, paths))
        .group_by(platforms.c.direction)
    )
    counts = {"above": 0, "above_online": 0, "below": 0, "below_online": 0}
    for row in rows:
        counts |= {row.direction: row.many, f"{row.direction}_online": row.online}
    return counts


async def _looks(
    connection: AsyncConnection, paths: Sequence[str], at_us: int, utc_offset_minutes: int
) -> dict[str, int]:
    """Looks at footage that are on record, today and this month, and how many say what for."""
    day_us, month_us = day_and_month(at_us, utc_offset_minutes)
    looks = select_records(RecordFilter(start_us=month_us, end_us=at_us + 1), paths).subquery()
    row = (
        await connection.execute(
            sa.select(
                _count(looks.c.at_us >= day_us).label("today"),
                _count((looks.c.at_us >= day_us) & looks.c.reason_code.is_not(None)).label(
                    "today_with_purpose"
                ),
                sa.func.count().label("month"),
                _count(looks.c.reason_code.is_not(None)).label("month_with_purpose"),
            ).where(
                sa.or_(
                    looks.c.action.in_(LOOKS),
                    *(looks.c.action.startswith(one, autoescape=True) for one in LOOK_PREFIXES),
                )
            )
        )
    ).one()
    return {name: int(value) for name, value in row._mapping.items()}


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def day_and_month(at_us: int, utc_offset_minutes: int) -> tuple[int, int]:
    """When this day and this month began, by the clock on the wall."""
    zone = datetime.timezone(datetime.timedelta(minutes=utc_offset_minutes))
    day = datetime.datetime.fromtimestamp(at_us // US_PER_S, zone).replace(
        hour=0, minute=0, second=0
    )
    return int(day.timestamp()) * US_PER_S, int(day.replace(day=1).timestamp()) * US_PER_S
