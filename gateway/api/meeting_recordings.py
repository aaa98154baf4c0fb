"""Recordings of meetings: switched on and off, found, read."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request

from gateway.api.access import Caller, CallerInPerson
from gateway.api.errors import ApiError
from gateway.api.meeting_access import led_by
from gateway.api.meeting_commands import command
from gateway.api.meeting_recording_access import watchable
from gateway.api.meeting_recording_answers import MeetingRecordingDetail, MeetingRecordingPage
from gateway.api.meeting_recording_documents import recording_detail, recording_documents
from gateway.api.meeting_recordings_known import known_meetings
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.api.services import ServicesDep
from gateway.database.meeting_tables import meeting_recordings, meetings
from gateway.identifiers import now_us

router = APIRouter(tags=["meetings"])


@router.get("/api/meeting-recordings", response_model=MeetingRecordingPage)
async def list_all_recordings(
    caller: Caller,
    services: ServicesDep,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Every recording that the caller may watch, the newest first."""
    table = meeting_recordings.c
    at_us = now_us()
    where = [table.removed_us.is_(None), known_meetings(caller, at_us)]
    if query.strip():
        where.append(meetings.c.title.icontains(query.strip(), autoescape=True))
    key = read_cursor(cursor, 2)
    if key is not None:
        after = sa.tuple_(cursor_number(key[0]), key[1])
        where.append(sa.tuple_(table.started_us, table.id) < after)
    statement = (
        sa.select(table.id, table.meeting_id, table.started_us)
        .join(meetings, meetings.c.id == table.meeting_id)
        .where(*where)
        .order_by(table.started_us.desc(), table.id.desc())
        .limit(limit + 1)
    )
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        page = {row.id for row in rows[:limit]}
        found = await recording_documents(
            services, connection, caller, {row.meeting_id for row in rows[:limit]}
        )
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "items": [one for one in found if one["id"] in page],
        "next_cursor": write_cursor((str(last.started_us), last.id)) if last else None,
    }


@router.get("/api/meetings/{meeting_id}/recordings", response_model=MeetingRecordingPage)
async def list_recordings(meeting_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The recordings of a meeting, the newest first."""
    async with services.reader.connect() as connection:
        await watchable(connection, caller, meeting_id)
        return {
            "items": await recording_documents(services, connection, caller, {meeting_id}),
            "next_cursor": None,
        }


@router.post(
    "/api/meetings/{meeting_id}/recordings", status_code=201, response_model=MeetingRecordingDetail
)
async def start_recording(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Record a running meeting from now on. Twice is harmless."""
    seat = await led_by(services, caller, meeting_id)
    if seat.meeting.state != "running":
        raise ApiError(409, "meeting_not_running", "only a running meeting can be recorded")
    recording_id = await command(
        services, request, caller, seat, "record", "meetings.record",
        {"on": True, "by": caller.user_id}, result_as="recording", on=True,
    )  # fmt: skip
    return await recording_detail(services, caller, meeting_id, recording_id)


@router.post("/api/meetings/{meeting_id}/recordings/stop", status_code=204)
async def stop_recording(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Record no more."""
    seat = await led_by(services, caller, meeting_id)
    arguments = {"on": False, "by": caller.user_id}
    await command(services, request, caller, seat, "record", "meetings.record", arguments, on=False)


@router.get(
    "/api/meetings/{meeting_id}/recordings/{recording_id}", response_model=MeetingRecordingDetail
)
async def read_recording(
    meeting_id: str, recording_id: str, caller: Caller, services: ServicesDep
) -> dict[str, Any]:
    """One recording: its tracks, what is missing of them and why, and who was on when."""
    return await recording_detail(services, caller, meeting_id, recording_id)
