"""Who may watch, decide about and hold what was recorded of a meeting."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import check
from gateway.api.errors import AccessRefused, ApiError, not_found
from gateway.api.meeting_access import find_seat
from gateway.api.services import Services
from gateway.database.meeting_tables import meeting_recordings
from gateway.identifiers import now_us
from gateway.meetings.recording.access import Recorded, Viewer, read_recorded
from gateway.people.authorize import Principal
from gateway.people.roles import Right


async def watchable(connection: AsyncConnection, caller: Principal, meeting_id: str) -> Recorded:
    """The meeting, if the caller may watch its recordings, now or when it is over. Raises ApiError
    404, and 403 for who was invited to it and knows of it anyway.
    """
    at_us = now_us()
    recorded = (await read_recorded(connection, [meeting_id], at_us)).get(meeting_id)
    if recorded is None:
        raise not_found("meeting")
    if recorded.knows(Viewer.of(caller, at_us)):
        return recorded
    # Says 404 to everybody who may not know of the meeting at all.
    await find_seat(connection, caller, meeting_id)
    refusal = ApiError(
        403, "not_passed_on", "ask who led this meeting to pass its recording on to your area"
    )
    raise AccessRefused(refusal, caller, Right.MEET, recorded.place)


async def decidable(connection: AsyncConnection, caller: Principal, meeting_id: str) -> Recorded:
    """The meeting, if the caller decides about its recordings."""
    recorded = await watchable(connection, caller, meeting_id)
    if not recorded.leads(Viewer.of(caller, now_us())):
        refusal = ApiError(403, "not_allowed", "only who led this meeting may do this")
        raise AccessRefused(refusal, caller, Right.CONVENE, recorded.place)
    return recorded


async def holdable(
    services: Services, caller: Principal, meeting_id: str, recording_id: str
) -> Recorded:
    """The meeting, if the caller may hold what was recorded of it: by the right to hold in its
    area, or because they decide about it.
    """
    at_us = now_us()
    async with services.reader.connect() as connection:
        recorded = (await read_recorded(connection, [meeting_id], at_us)).get(meeting_id)
        if recorded is None:
            raise not_found("meeting")
        if not recorded.leads(Viewer.of(caller, at_us)):
            check(caller, Right.HOLD, recorded.place)
        table = meeting_recordings.c
        known = await connection.execute(
            sa.select(table.id).where(table.id == recording_id, table.meeting_id == meeting_id)
        )
        if known.first() is None:
            raise not_found("recording")
    return recorded
