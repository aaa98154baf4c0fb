"""What devices tell, read from its rows and put into GB/T 28181's words for those above us."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.gb28181.alarm import (
    BY_DEVICE,
    BY_DEVICE_FAULT,
    BY_OTHER,
    BY_VIDEO,
    Alarm,
)
from gateway.database.operating_tables import device_events
from gateway.identifiers import now_us

_ROWS_AT_ONCE = 500
# How far back one looks: rows become visible a little after their time.
_LATE_US = 10_000_000
_TOLD_LIMIT = 20_000

# Kind of device event → AlarmMethod, AlarmType (A.2.5 b), priority.
_WORDS: dict[str, tuple[int, int | None, int]] = {
    "motion": (BY_VIDEO, 2, 4),
    "tamper": (BY_DEVICE, 2, 2),
    "line_crossing": (BY_VIDEO, 5, 3),
    "intrusion": (BY_VIDEO, 6, 3),
    "digital_input": (BY_DEVICE, None, 3),
    "sound": (BY_OTHER, None, 4),
    "video_loss": (BY_DEVICE, 1, 2),
    "storage_fault": (BY_DEVICE_FAULT, 1, 3),
    "device_fault": (BY_DEVICE_FAULT, None, 3),
    "emergency": (BY_OTHER, None, 1),
    "other": (BY_OTHER, None, 4),
}


class AlarmFeed:
    """Gives each event once, from its making on; what happened before is history."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._since_us = now_us()
        self._told: dict[str, int] = {}

    async def read(self) -> list[tuple[str, Alarm]]:
        """``(camera_id, alarm)`` of what is new, in order; the alarms without number and code."""
        table = device_events
        from_us = max(self._since_us, now_us() - _LATE_US)
        statement = (
            sa.select(
                table.c.id,
                table.c.camera_id,
                table.c.kind,
                table.c.begin_us,
                table.c.source,
            )
            .where(table.c.begin_us >= from_us, table.c.camera_id.is_not(None))
            .order_by(table.c.begin_us, table.c.id)
            .limit(_ROWS_AT_ONCE + len(self._told))
        )
        async with self._reader.connect() as connection:
            rows = (await connection.execute(statement)).all()
        found = [
            (str(row.camera_id), alarm)
            for row in rows
            if row.id not in self._told and (alarm := alarm_of(row)) is not None
        ]
        self._told = {row.id: row.begin_us for row in rows[-_TOLD_LIMIT:]}
        return found


def alarm_of(row: Any) -> Alarm | None:
    """An event's row in the words of the standard; None for what is no alarm (positions)."""
    words = _WORDS.get(row.kind)
    if words is None:
        return None
    method, kind, priority = words
    description = f"{row.kind} {row.source}".strip()[:200]
    return Alarm(0, "", priority, method, row.begin_us, description, kind)
