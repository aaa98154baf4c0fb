"""Cameras in meetings, and recordings, held against the rights of who brought them: a camera stays
only as long as whoever brought it may look at it live themselves, its footage as long as they may
play it back, a meeting's recording as long as they decide about it, a file until it is taken back.

Asked every moment of meetings that run and of those to come, so that a camera whose bringer lost
the right in between is not there when the meeting begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.meeting_commands import changed
from gateway.api.services import Services
from gateway.audit import AuditRecord
from gateway.audit import act as act_and_append
from gateway.cameras import read_places
from gateway.database.meeting_tables import (
    meeting_files,
    meeting_participants,
    meeting_playbacks,
    meeting_recordings,
    meetings,
)
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.meetings.recording.access import Recorded, Viewer, read_recorded
from gateway.meetings.rows import OPEN
from gateway.people.authorize import Place, Principal, authorize
from gateway.people.grants import principal_of_user
from gateway.people.roles import Right
from recorder.rows import RowError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Brought:
    id: str
    meeting_id: str
    title: str
    camera_id: str | None
    name: str
    invited_by: str | None
    kind: str
    # Of a recording: what it plays, as far as that is no camera's footage.
    recording_id: str | None
    recorded_in: str | None
    file_id: str | None
    taken_back: bool


async def withdraw_cameras(services: Services) -> list[str]:
    """Take cameras and recordings out of meetings that may not be shown there any more, each with
    its cause in the register; gives the ids of those participants.
    """
    at_us = now_us()
    async with services.reader.connect() as connection:
        brought = await _brought(connection)
        if not brought:
            return []
        wanted = {row.camera_id for row in brought}
        places = await read_places(connection, cameras.c.id.in_(wanted))
        living = await read_places(
            connection, cameras.c.id.in_(wanted), cameras.c.deleted_us.is_(None)
        )
        recorded = await read_recorded(
            connection, {row.recorded_in for row in brought if row.recorded_in is not None}, at_us
        )
        # Of somebody without a sign-in of this moment: their rights are what is asked for.
        bringers = {
            user_id: await principal_of_user(connection, user_id, at_us + 1)
            for user_id in {row.invited_by for row in brought if row.invited_by is not None}
        }
    taken_out = []
    for row in brought:
        place = places.get(row.camera_id or "")
        # What was recorded of a camera outlives it.
        stands = living.get(row.camera_id or "") if row.kind == "camera" else place
        watched = recorded.get(row.recorded_in or "")
        cause = _cause(row, bringers.get(row.invited_by or ""), stands, watched, at_us)
        if cause is not None and await _take_out(services, row, cause, place):
            taken_out.append(row.id)
    return taken_out


async def _brought(connection: AsyncConnection) -> list[_Brought]:
    own, played, files = meeting_participants.c, meeting_playbacks.c, meeting_files.c
    rows = await connection.execute(
        sa.select(
            own.id, own.meeting_id, meetings.c.title, own.camera_id, own.name, own.invited_by,
            own.kind, played.recording_id, meeting_recordings.c.meeting_id, played.file_id,
            sa.and_(
                played.file_id.is_not(None),
                sa.or_(files.id.is_(None), files.removed_us.is_not(None)),
            ),
        )
        .join(meetings, meetings.c.id == own.meeting_id)
        .outerjoin(meeting_playbacks, played.participant_id == own.id)
        .outerjoin(
            meeting_recordings,
            sa.and_(
                meeting_recordings.c.id == played.recording_id,
                meeting_recordings.c.removed_us.is_(None),
            ),
        )
        .outerjoin(meeting_files, files.id == played.file_id)
        .where(
            meetings.c.state.in_(OPEN),
            own.kind.in_(["camera", "recording"]),
            own.state != "removed",
        )
    )  # fmt: skip
    return [_Brought(*row) for row in rows]


def _cause(
    row: _Brought,
    bringer: Principal | None,
    place: Place | None,
    recorded: Recorded | None,
    at_us: int,
) -> str | None:
    """Why it may not stay; None where it may."""
    if row.taken_back:
        return "file_taken_back"
    if row.camera_id is not None and place is None:
        return "camera_gone"
    if row.recording_id is not None and recorded is None:
        return "recording_gone"
    if bringer is None:
        return "account_closed"
    if place is not None:
        right = Right.LIVE if row.kind == "camera" else Right.PLAYBACK
        return authorize(bringer, right, place, at_us).refusal
    if recorded is not None and not recorded.leads(Viewer.of(bringer, at_us)):
        return "not_allowed"
    return None


async def _take_out(services: Services, row: _Brought, cause: str, place: Place | None) -> bool:
    is_camera = row.kind == "camera"
    record = AuditRecord(
        "meeting.camera_withdrawn" if is_camera else "meeting.recording_withdrawn",
        user_id=row.invited_by,
        camera_id=row.camera_id,
        area_path=None if place is None else place.area_path,
        detail={
            "meeting": row.meeting_id,
            "title": row.title,
            "participant": row.id,
            "name": row.name,
            "cause": cause,
            **_what(row),
        },
    )
    arguments = {"meeting_id": row.meeting_id, "participant_id": row.id}
    try:
        await act_and_append(services.rows, "meetings.remove", arguments, [record])
    except RowError as error:
        # The meeting was over before.
        _log.info("it was in a meeting no more", meeting=row.meeting_id, why=str(error))
        return False
    await changed(services, row.meeting_id)
    return True


def _what(row: _Brought) -> dict[str, str]:
    told = {"recording": row.recording_id, "file": row.file_id}
    return {name: value for name, value in told.items() if value is not None}
