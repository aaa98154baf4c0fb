"""What devices tell, read from its rows and put into GB/T 28181's words for those above us."""

from __future__ import annotations

from dataclasses import dataclass

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
from gateway.identifiers import US_PER_S, now_us
from gateway.masks import mask_histories
from gateway.zones.beside_masks import Row, of_zone, told_beside_masks

_ROWS_AT_ONCE = 500
# Rows become visible a little after their time, and a device's own time counts where its clock is
# less than five minutes off: so far back one looks, each second and from time to time.
_LATE_US = 10 * US_PER_S
_CLOCK_US = 330 * US_PER_S
_WIDE_EVERY = 10

# Kind of device event → AlarmMethod, AlarmType (A.2.5 b), priority.
_WORDS: dict[str, tuple[int, int | None, int]] = {
    "motion": (BY_VIDEO, 2, 4),
    "tamper": (BY_DEVICE, 2, 2),
    "line_crossing": (BY_VIDEO, 5, 3),
    "intrusion": (BY_VIDEO, 6, 3),
    "wrong_way": (BY_VIDEO, 7, 3),
    "loitering": (BY_VIDEO, 8, 3),
    "crowd": (BY_VIDEO, 10, 3),
    "abandoned_object": (BY_VIDEO, 3, 3),
    "digital_input": (BY_DEVICE, None, 3),
    "sound": (BY_OTHER, None, 4),
    "video_loss": (BY_DEVICE, 1, 2),
    "storage_fault": (BY_DEVICE_FAULT, 1, 3),
    "device_fault": (BY_DEVICE_FAULT, None, 3),
    "emergency": (BY_OTHER, None, 1),
    "other": (BY_OTHER, None, 4),
}


@dataclass(frozen=True, slots=True)
class CameraAlarm:
    """An alarm without number and code. ``beneath_mask``: only for who may lift masks."""

    camera_id: str
    alarm: Alarm
    beneath_mask: bool


class AlarmFeed:
    """Gives each event once, from its making on; what happened before is history."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._made_us = now_us()
        # Those of the last minutes, with their begin; None before history was read.
        self._known: dict[str, int] | None = None
        self._reads = 0

    async def read(self) -> list[CameraAlarm]:
        """What is new, in order."""
        wide = self._reads % _WIDE_EVERY == 0
        from_us = now_us() - (_CLOCK_US if wide else _LATE_US)
        table = device_events
        async with self._reader.connect() as connection:
            if self._known is None:
                earlier = await connection.execute(
                    sa.select(table.c.id, table.c.begin_us).where(
                        table.c.begin_us >= from_us, table.c.begin_us < self._made_us
                    )
                )
                self._known = {row.id: row.begin_us for row in earlier}
            known = self._known
            rows = (
                await connection.execute(
                    sa.select(
                        table.c.id,
                        table.c.camera_id,
                        table.c.kind,
                        table.c.begin_us,
                        table.c.end_us,
                        table.c.source,
                        table.c.detail,
                    )
                    .where(table.c.begin_us >= from_us, table.c.camera_id.is_not(None))
                    .order_by(table.c.begin_us, table.c.id)
                    .limit(_ROWS_AT_ONCE + len(known))
                )
            ).mappings()
            new = [dict(row) for row in rows if row["id"] not in known]
            watched = {row["camera_id"] for row in new if of_zone(row)}
            masks = await mask_histories(connection, watched) if watched else {}
        self._reads += 1
        known.update((row["id"], row["begin_us"]) for row in new)
        if wide:
            self._known = {one: at_us for one, at_us in known.items() if at_us >= from_us}
        found = []
        for row in new:
            alarm = _alarm_of(row)
            if alarm is not None:
                versions = masks.get(row["camera_id"], ())
                beneath = of_zone(row) and told_beside_masks(row, versions) is None
                found.append(CameraAlarm(row["camera_id"], alarm, beneath))
        return found


def _alarm_of(row: Row) -> Alarm | None:
    """An event's row in the words of the standard; None for what is no alarm (positions)."""
    words = _WORDS.get(row["kind"])
    if words is None:
        return None
    method, kind, priority = words
    description = f"{row['kind']} {row['source']}".strip()[:200]
    return Alarm(0, "", priority, method, row["begin_us"], description, kind)
