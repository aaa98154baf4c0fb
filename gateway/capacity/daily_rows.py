"""A day's forecast as rows: cameras first, in parts; the day last, so that it is whole or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.capacity_tables import (
    forecast_area_days,
    forecast_camera_days,
    forecast_days,
)
from recorder.rows import row_operation

CAMERAS_AT_ONCE = 1000
CAMERA_DAYS_KEPT = 92
DAYS_KEPT = 750


@row_operation("capacity.keep_cameras")
def keep_cameras(connection: sa.Connection, day: int, rows: Sequence[dict[str, Any]]) -> None:
    """Some cameras of a day, in place of what is known of them. May be repeated."""
    ids = [row["camera_id"] for row in rows]
    table = forecast_camera_days
    connection.execute(sa.delete(table).where(table.c.day == day, table.c.camera_id.in_(ids)))
    if rows:
        connection.execute(sa.insert(table), [{"day": day, **row} for row in rows])


@row_operation("capacity.keep_day")
def keep_day(
    connection: sa.Connection,
    day: int,
    whole: dict[str, Any],
    by_area: Sequence[dict[str, Any]],
) -> None:
    """The day itself and its areas, in place of what is known; so do the cameras go that an earlier
    look at the day knew and this one did not, and all that is older than is kept.
    """
    known = forecast_camera_days.c
    gone = sa.and_(known.day == day, known.kept_us < whole["at_us"])
    old = forecast_camera_days.c.day < day - CAMERA_DAYS_KEPT
    connection.execute(sa.delete(forecast_camera_days).where(sa.or_(gone, old)))
    for table in (forecast_area_days, forecast_days):
        connection.execute(
            sa.delete(table).where(sa.or_(table.c.day == day, table.c.day < day - DAYS_KEPT))
        )
    if by_area:
        connection.execute(sa.insert(forecast_area_days), [{"day": day, **row} for row in by_area])
    connection.execute(sa.insert(forecast_days).values(day=day, **whole))
