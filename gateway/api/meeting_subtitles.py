"""What was understood of what was said in a meeting, line by line with its time."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel

from gateway.api.access import Caller
from gateway.api.answers import TimeUs
from gateway.api.meeting_access import find_seat
from gateway.api.services import ServicesDep
from gateway.api.timeline import TIME_LIMIT_US
from gateway.database.meeting_tables import meeting_participants, meeting_subtitles

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

_AT_ONCE = 1000


class SubtitleAnswer(BaseModel):
    """One line of somebody."""

    id: int
    at_us: TimeUs
    end_us: TimeUs
    participant_id: str
    name: str
    text: str


class SubtitlePage(BaseModel):
    """A page of lines, in order of time; ``next_us`` is where the next begins."""

    items: list[SubtitleAnswer]
    next_us: TimeUs | None


@router.get("/{meeting_id}/subtitles", response_model=SubtitlePage)
async def list_subtitles(
    meeting_id: str,
    caller: Caller,
    services: ServicesDep,
    from_us: Annotated[int, Query(ge=0, le=TIME_LIMIT_US)] = 0,
) -> dict[str, Any]:
    """The lines from a time on. Whoever reads the minutes reads them."""
    table, own = meeting_subtitles.c, meeting_participants.c
    async with services.reader.connect() as connection:
        await find_seat(connection, caller, meeting_id)
        rows = await connection.execute(
            sa.select(
                table.id, table.at_us, table.end_us, table.participant_id, own.name, table.text
            )
            .join(meeting_participants, own.id == table.participant_id)
            .where(table.meeting_id == meeting_id, table.at_us >= from_us)
            .order_by(table.at_us, table.id)
            .limit(_AT_ONCE + 1)
        )
        items = [dict(row) for row in rows.mappings()]
    more = items[_AT_ONCE:]
    if more:
        # Lines of one moment stay together.
        items = [one for one in items[:_AT_ONCE] if one["at_us"] < more[0]["at_us"]]
    return {"items": items, "next_us": more[0]["at_us"] if more else None}
