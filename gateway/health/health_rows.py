"""Writes to camera health: a look, a new reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.health_tables import (
    camera_health,
    camera_health_days,
    camera_health_references,
)
from recorder.rows import RowError, row_operation

DAYS_KEPT = 400


@row_operation("health.look")
def look(
    connection: sa.Connection,
    camera_id: str,
    known_version: int,
    columns: dict[str, Any],
    days: Sequence[dict[str, Any]],
    reference: dict[str, Any] | None,
) -> list[str]:
    """A look at a camera: ``columns`` of its row, its ``days`` in place of those known, and the
    ``reference`` of a light that has none yet. Gives the keys of pictures that no row names now;
    that is what was just kept where the row is no more of ``known_version`` (0: there is none).
    """
    table = camera_health.c
    known = connection.execute(
        sa.select(table.version, table.picture_key).where(table.camera_id == camera_id)
    ).one_or_none()
    kept = columns.get("picture_key")
    version = 0 if known is None else known.version
    if version != known_version:
        return [one for one in (kept, (reference or {}).get("picture_key")) if one is not None]
    gone = []
    if known is None:
        connection.execute(
            sa.insert(camera_health).values(camera_id=camera_id, version=1, **columns)
        )
    else:
        connection.execute(
            sa.update(camera_health)
            .where(table.camera_id == camera_id)
            .values(version=version + 1, **columns)
        )
        if kept is not None and known.picture_key is not None:
            gone.append(known.picture_key)
    if reference is not None:
        gone += _put_reference(connection, camera_id, reference)
    for day in days:
        _put_day(connection, camera_id, day)
    if days:
        old = camera_health_days.c.day < days[-1]["day"] - DAYS_KEPT
        connection.execute(
            sa.delete(camera_health_days).where(camera_health_days.c.camera_id == camera_id, old)
        )
    return gone


@row_operation("health.refer")
def refer(
    connection: sa.Connection,
    camera_id: str,
    at_us: int,
    picture_us: int,
    picture_key: str,
    reference: dict[str, Any],
) -> list[str]:
    """Somebody says that a camera looks as it should: nothing about its picture stands any more.
    Gives the keys of pictures that no row names now. Refused with ``not_found`` where the camera is
    gone.
    """
    table = camera_health.c
    columns: dict[str, Any] = {
        "looked_us": at_us, "picture_us": picture_us, "missing": None, "standing": {}, "found": 0,
        "next_us": at_us, "samples": None, "picture_key": picture_key, "kept_us": picture_us,
    }  # fmt: skip
    known = connection.execute(
        sa.select(table.version, table.picture_key).where(table.camera_id == camera_id)
    ).one_or_none()
    if known is None:
        try:
            connection.execute(
                sa.insert(camera_health).values(camera_id=camera_id, version=1, **columns)
            )
        except sa.exc.IntegrityError:
            raise RowError("not_found", "this camera is gone") from None
        gone = []
    else:
        connection.execute(
            sa.update(camera_health)
            .where(table.camera_id == camera_id)
            .values(version=known.version + 1, **columns)
        )
        gone = [] if known.picture_key is None else [known.picture_key]
    return gone + _put_reference(connection, camera_id, reference)


def _put_reference(
    connection: sa.Connection, camera_id: str, reference: dict[str, Any]
) -> list[str]:
    table = camera_health_references.c
    same = sa.and_(table.camera_id == camera_id, table.mode == reference["mode"])
    before = connection.scalar(sa.select(table.picture_key).where(same))
    if before is None:
        connection.execute(
            sa.insert(camera_health_references).values(camera_id=camera_id, **reference)
        )
        return []
    connection.execute(sa.update(camera_health_references).where(same).values(**reference))
    return [before]


def _put_day(connection: sa.Connection, camera_id: str, day: dict[str, Any]) -> None:
    table = camera_health_days.c
    same = sa.and_(table.camera_id == camera_id, table.day == day["day"])
    before = connection.scalar(sa.select(table.found).where(same))
    if before is None:
        connection.execute(sa.insert(camera_health_days).values(camera_id=camera_id, **day))
    else:
        # What was wrong in the morning was wrong on that day.
        values = {**day, "found": before | day["found"]}
        connection.execute(sa.update(camera_health_days).where(same).values(**values))
