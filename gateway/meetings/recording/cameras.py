"""Which cameras of the gateway were in a meeting, and when: what was recorded then may show them.

A camera counts from when it was brought until it was taken out, whether or not its picture ever
came: what is on the program is written down behind the room, and may be missing after a crash. So
does its footage that was played there, and so do the cameras of an earlier meeting whose recording
was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.meeting_tables import (
    meeting_attendance,
    meeting_participants,
    meeting_playbacks,
    meeting_recordings,
)


@dataclass(frozen=True, slots=True)
class CameraInMeeting:
    """A camera, by the name under which it took part, from a time until another; None: still."""

    camera_id: str
    name: str
    from_us: int
    until_us: int | None

    def was_there(self, start_us: int, end_us: int | None) -> bool:
        """Whether it was in any of that time (``end_us`` None: until now)."""
        return (end_us is None or self.from_us < end_us) and (
            self.until_us is None or start_us < self.until_us
        )


async def read_cameras_in_meetings(
    connection: AsyncConnection, meeting_ids: Collection[str]
) -> dict[str, list[CameraInMeeting]]:
    """The cameras of these meetings; one that came twice is there twice."""
    found = await _own_cameras(connection, meeting_ids)
    played = await _played(connection, set(meeting_ids))
    earlier = {one.recorded_in for one in played} - set(meeting_ids)
    while earlier:
        # What was played in the earlier one, too.
        found |= await _own_cameras(connection, earlier)
        more = await _played(connection, earlier)
        played += more
        earlier = {one.recorded_in for one in more} - found.keys()
    # As often as a recording was played in a meeting whose recording was played again.
    for _ in played:
        if not _pass_on(found, played):
            break
    return {one: found[one] for one in meeting_ids if found[one]}


@dataclass(frozen=True, slots=True)
class _Played:
    """A recording of ``recorded_in`` that was in ``meeting_id`` from a time until another."""

    meeting_id: str
    recorded_in: str
    start_us: int
    end_us: int | None
    from_us: int
    until_us: int | None


def _pass_on(found: dict[str, list[CameraInMeeting]], played: list[_Played]) -> bool:
    """Count the cameras of recordings as cameras of where they were played; whether any is new."""
    new = False
    for one in played:
        for camera in tuple(found[one.recorded_in]):
            there = CameraInMeeting(camera.camera_id, camera.name, one.from_us, one.until_us)
            if camera.was_there(one.start_us, one.end_us) and there not in found[one.meeting_id]:
                found[one.meeting_id].append(there)
                new = True
    return new


async def _played(connection: AsyncConnection, meeting_ids: set[str]) -> list[_Played]:
    own, spans, playbacks = meeting_participants.c, meeting_attendance.c, meeting_playbacks.c
    recordings = meeting_recordings.c
    common = (
        sa.select(
            own.meeting_id, recordings.meeting_id.label("recorded_in"),
            recordings.started_us, recordings.ended_us,
        )
        .join(meeting_playbacks, playbacks.participant_id == own.id)
        .join(meeting_recordings, recordings.id == playbacks.recording_id)
        .where(own.meeting_id.in_(meeting_ids))
    )  # fmt: skip
    brought = await connection.execute(
        common.add_columns(own.invited_us, sa.case((own.state == "removed", own.left_us)))
    )
    present = await connection.execute(
        common.add_columns(spans.connected_us, spans.left_us).join(
            meeting_attendance,
            sa.and_(spans.participant_id == own.id, spans.meeting_id == own.meeting_id),
        )
    )
    return [_Played(*row) for row in (*brought, *present)]


async def _own_cameras(
    connection: AsyncConnection, meeting_ids: Collection[str]
) -> dict[str, list[CameraInMeeting]]:
    """Those that were brought to it themselves, and whose footage was."""
    found: dict[str, list[CameraInMeeting]] = defaultdict(list)
    if not meeting_ids:
        return found
    own, spans = meeting_participants.c, meeting_attendance.c
    brought = await connection.execute(
        sa.select(
            own.meeting_id, own.camera_id, own.name, own.invited_us,
            sa.case((own.state == "removed", own.left_us)),
        ).where(own.meeting_id.in_(meeting_ids), own.camera_id.is_not(None))
    )  # fmt: skip
    # A second invitation has taken the place of the first one's time: presence has it still.
    present = await connection.execute(
        sa.select(own.meeting_id, own.camera_id, own.name, spans.connected_us, spans.left_us)
        .join(meeting_participants, own.id == spans.participant_id)
        .where(
            spans.meeting_id.in_(meeting_ids),
            own.meeting_id == spans.meeting_id,
            own.camera_id.is_not(None),
        )
    )
    for meeting_id, camera_id, name, from_us, until_us in (*brought, *present):
        found[meeting_id].append(CameraInMeeting(camera_id, name, from_us, until_us))
    return found
