"""Hours of the week in which a camera's live pictures are searched, written as zones' are.

What lies outside is not looked at by wish: it is not behind, and is not made up from footage. Jobs
that somebody asks for look at it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import cameras
from gateway.zones.form import SpanForm
from recorder.intervals import Interval
from search.zones.document import DEFAULT_TIME_ZONE, schedule_from_document
from search.zones.schedule import ALWAYS, Schedule

_CAMERAS_AT_ONCE = 500


class HoursForm(BaseModel):
    """When: at least one span of the week; always is to have no hours."""

    model_config = ConfigDict(extra="forbid")

    schedule: list[SpanForm] = Field(min_length=1, max_length=32)
    time_zone: str = Field(default=DEFAULT_TIME_ZONE, max_length=60)

    @model_validator(mode="after")
    def _has_a_clock(self) -> Self:
        hours_of(self.model_dump())
        return self


def hours_of(stored: Mapping[str, Any] | None) -> Schedule:
    """Of the column ``analysis_hours`` of ``cameras``."""
    if stored is None:
        return ALWAYS
    return schedule_from_document(stored["schedule"], stored["time_zone"])


def hours_text(stored: Mapping[str, Any] | None) -> str:
    """The same for people to read."""
    if stored is None:
        return ""
    spans = [
        f"{','.join(str(day) for day in span['days'])} {span['start']}–{span['end']}"
        for span in stored["schedule"]
    ]
    return f"{'; '.join(spans)} ({stored['time_zone']})"


async def analysis_hours(
    connection: AsyncConnection, camera_ids: Sequence[str]
) -> dict[str, Schedule]:
    """Of those of these cameras that have some."""
    found: dict[str, Schedule] = {}
    for first in range(0, len(camera_ids), _CAMERAS_AT_ONCE):
        rows = await connection.execute(
            sa.select(cameras.c.id, cameras.c.analysis_hours).where(
                cameras.c.id.in_(camera_ids[first : first + _CAMERAS_AT_ONCE]),
                cameras.c.analysis_hours.is_not(None),
            )
        )
        found.update({row.id: hours_of(row.analysis_hours) for row in rows})
    return found


async def outside_hours(
    connection: AsyncConnection, camera_ids: Sequence[str], start_us: int, end_us: int
) -> dict[str, list[Interval]]:
    """What of the range lies outside the hours that these cameras have now; of those that have
    some.
    """
    hours = await analysis_hours(connection, camera_ids)
    # Most have the same.
    outside = {one: one.outside(start_us, end_us) for one in set(hours.values())}
    return {camera_id: outside[one] for camera_id, one in hours.items()}
