"""Cameras with how they stand, chosen and counted for what somebody may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.cameras import place_columns, place_of
from gateway.database.health_tables import (
    camera_health,
    camera_health_days,
    camera_health_references,
)
from gateway.database.tables import areas, cameras
from gateway.health.completeness import day_of, day_text
from gateway.health.findings import FINDINGS, Finding
from gateway.health.standing import bits_of, from_rows, names_of, open_of
from gateway.identifiers import US_PER_S
from gateway.people.areas import area_names, cameras_within
from gateway.settings import AlarmSettings
from gateway.settings.health import HealthSettings

Concern = Literal[
    "black", "frozen", "covered", "blurred", "shifted", "color_cast", "noisy",
    "incomplete", "clock_drift", "unseen",
]  # fmt: skip
"""What a list is chosen by: a finding of pictures, or what else is wrong."""
CONCERNS: tuple[Concern, ...] = get_args(Concern)


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on it is a concern, and the day that counts: the last whole one."""

    drift_us: int
    least_share: float
    yesterday: int

    @classmethod
    def of(cls, health: HealthSettings, alarms: AlarmSettings, at_us: int) -> Limits:
        """By the settings, at an instant."""
        return cls(
            round(alarms.clock_drift_s * US_PER_S),
            health.least_recorded_percent / 100,
            day_of(at_us, health.utc_offset_minutes) - 1,
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """Cameras within these paths, with this concern; ``after``: name and id of the one before."""

    paths: Sequence[str]
    concern: Concern | None = None
    only_unwell: bool = False
    after: tuple[str, str] | None = None
    limit: int = 100
    only_camera: str | None = None


def _joined() -> sa.FromClause:
    return cameras.join(areas, areas.c.id == cameras.c.area_id).outerjoin(
        camera_health, camera_health.c.camera_id == cameras.c.id
    )


def _in_use(paths: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(cameras.c.deleted_us.is_(None), cameras.c.enabled, cameras_within(paths))


def _concerns(limits: Limits) -> dict[Concern, sa.ColumnElement[bool]]:
    table, days = camera_health.c, camera_health_days.c
    bits = sa.func.coalesce(table.found, 0)
    poor = sa.exists().where(
        days.camera_id == cameras.c.id,
        days.day == limits.yesterday,
        days.recorded_us < days.expected_us * limits.least_share,
    )
    drifts = sa.func.abs(sa.func.coalesce(table.clock_offset_us, 0)) >= limits.drift_us
    conditions: dict[Concern, sa.ColumnElement[bool]] = {}
    for name in FINDINGS:
        conditions[name] = bits.bitwise_and(bits_of([name])) != 0
    conditions["incomplete"] = poor
    conditions["clock_drift"] = drifts
    conditions["unseen"] = table.missing.is_not(None)
    return conditions


async def count_concerns(
    connection: AsyncConnection, paths: Sequence[str], limits: Limits
) -> dict[str, int]:
    """``cameras`` in use, ``looked`` of them, ``well`` of those, and each concern's."""
    conditions = _concerns(limits)
    looked = camera_health.c.camera_id.is_not(None)
    well = sa.and_(looked, *(sa.not_(one) for one in conditions.values()))
    columns: list[tuple[str, sa.ColumnElement[bool]]] = [("looked", looked), ("well", well)]
    columns += [(name, one) for name, one in conditions.items()]
    row = (
        await connection.execute(
            sa.select(
                sa.func.count().label("cameras"),
                *(
                    sa.func.coalesce(sa.func.sum(sa.case((one, 1), else_=0)), 0).label(name)
                    for name, one in columns
                ),
            )
            .select_from(_joined())
            .where(_in_use(paths))
        )
    ).one()
    return {name: int(value) for name, value in row._mapping.items()}


async def read_health(
    connection: AsyncConnection, chosen: Chosen, limits: Limits
) -> list[dict[str, Any]]:
    """Cameras by name, each as it stands."""
    conditions = _concerns(limits)
    where = [_in_use(chosen.paths)]
    if chosen.concern is not None:
        where.append(conditions[chosen.concern])
    elif chosen.only_unwell:
        where.append(sa.or_(*conditions.values()))
    if chosen.only_camera is not None:
        where.append(cameras.c.id == chosen.only_camera)
    if chosen.after is not None:
        where.append(sa.tuple_(cameras.c.name, cameras.c.id) > sa.tuple_(*chosen.after))
    own = [one for one in camera_health.c if one.name not in ("camera_id", "samples")]
    rows = (
        await connection.execute(
            sa.select(
                cameras.c.id.label("camera_id"),
                cameras.c.name,
                cameras.c.number,
                *own,
                *place_columns(),
                *(one.label(f"is_{name}") for name, one in conditions.items()),
            )
            .select_from(_joined())
            .where(*where)
            .order_by(cameras.c.name, cameras.c.id)
            .limit(chosen.limit)
        )
    ).all()
    names = await area_names(connection, [row.area_path for row in rows])
    references = await _references(connection, [row.camera_id for row in rows])
    return [
        {
            "camera_id": row.camera_id,
            "name": row.name,
            "number": row.number,
            "area_names": names.get(row.area_path, []),
            "place": place_of(row.area_path, row.area_paths),
            "looked_us": row.looked_us,
            "picture_us": row.picture_us,
            "missing": row.missing,
            "kept_us": row.kept_us,
            "clock_offset_us": row.clock_offset_us,
            "findings": _findings(row),
            "concerns": [name for name in CONCERNS if row._mapping[f"is_{name}"]],
            "references": references.get(row.camera_id, []),
        }
        for row in rows
    ]


def _findings(row: sa.Row[Any]) -> list[dict[str, Any]]:
    state = from_rows(row.standing or {})
    return [
        {
            "finding": name,
            "since_us": state[name].since_us,
            "value": state[name].value,
            "limit": state[name].limit,
        }
        for name in open_of(state)
    ]


async def _references(
    connection: AsyncConnection, camera_ids: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    table = camera_health_references.c
    rows = await connection.execute(
        sa.select(table.camera_id, table.mode, table.at_us, table.by_name)
        .where(table.camera_id.in_(camera_ids))
        .order_by(table.camera_id, table.mode)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        one = {"mode": row.mode, "at_us": row.at_us, "by_name": row.by_name}
        found.setdefault(row.camera_id, []).append(one)
    return found


async def read_days(
    connection: AsyncConnection, camera_ids: Collection[str], first: int, last: int
) -> dict[str, list[dict[str, Any]]]:
    """Days of cameras, the oldest first: what was recorded of what should have been."""
    table = camera_health_days.c
    rows = await connection.execute(
        sa.select(camera_health_days)
        .where(table.camera_id.in_(camera_ids), table.day >= first, table.day <= last)
        .order_by(table.camera_id, table.day)
    )
    found: dict[str, list[dict[str, Any]]] = {one: [] for one in camera_ids}
    for row in rows:
        findings: list[Finding] = names_of(row.found)
        found[row.camera_id].append(
            {
                "day": day_text(row.day), "recorded_us": row.recorded_us,
                "expected_us": row.expected_us, "findings": findings,
            }
        )  # fmt: skip
    return found
