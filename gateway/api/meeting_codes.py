"""The code of a meeting's link at its door: tries are counted, and wrong ones are on record."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.api.errors import ApiError
from gateway.api.services import Services
from gateway.audit import AuditRecord, append
from gateway.database.meeting_tables import meetings
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.meetings.codes import code_hash


async def meeting_of_code(
    services: Services, address: str, meeting_id: str, code: str
) -> sa.Row[tuple[Any, ...]]:
    """The meeting that the code opens, with the ``path`` of its area. Raises ApiError 404
    ``wrong_code``, said alike of a meeting that is not there; 429 ``too_many_attempts``.
    """
    # Counted before it is looked at, so that many at once are counted, too.
    wait_s = await services.codes_tried.take(address) or await services.codes_wrong.take(meeting_id)
    if wait_s:
        message = f"too many tries: wait {wait_s} s"
        raise ApiError(429, "too_many_attempts", message, {"retry_after_s": wait_s})
    statement = (
        sa.select(meetings, areas.c.path)
        .select_from(meetings.outerjoin(areas, areas.c.id == meetings.c.area_id))
        .where(
            meetings.c.id == meeting_id,
            meetings.c.code_hash == code_hash(services.secret, meeting_id, code),
            meetings.c.code_expires_us > now_us(),
        )
    )
    async with services.reader.connect() as connection:
        row = (await connection.execute(statement)).one_or_none()
    if row is not None:
        await services.codes_wrong.give_back(meeting_id)
        return row
    # A flood of guesses must not flood the register.
    if services.refused_accesses.is_first("meeting code", meeting_id, address):
        refused = AuditRecord(
            "meeting.code_refused", address=address, detail={"meeting": meeting_id[:40]}
        )
        await append(services.rows, [refused])
    raise ApiError(404, "wrong_code", "this code leads nowhere, or not any more: ask for another")
