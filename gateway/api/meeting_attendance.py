"""Who was in a meeting from when to when, on screen and as a sheet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.api.access import Caller, record
from gateway.api.answers import TimeUs
from gateway.api.meeting_access import led_by
from gateway.api.meeting_documents import participant_documents
from gateway.api.meeting_sheets import Offset, sheet_answer
from gateway.api.services import Services, ServicesDep
from gateway.identifiers import now_us
from gateway.meetings.attendance import attended
from gateway.meetings.board import spans_of
from gateway.meetings.reports import Language, attendance_rows
from gateway.meetings.roll_call import Span

router = APIRouter(prefix="/api/meetings", tags=["meetings"])


class AttendanceRow(BaseModel):
    """One who takes part. ``connected_us``: how long in all, what overlaps once."""

    participant_id: str
    kind: str
    role: str
    name: str
    area_path: list[str]
    state: str
    first_us: TimeUs | None
    last_us: Annotated[TimeUs | None, Field(description="none while they are there")]
    times: int
    connected_us: int


class AttendanceAnswer(BaseModel):
    """Everybody who takes part, in the order of the tree; counted up to ``until_us``."""

    until_us: TimeUs
    items: list[AttendanceRow]


@router.get("/{meeting_id}/attendance", response_model=AttendanceAnswer)
async def read_attendance(meeting_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Who was there from when to when."""
    seat = await led_by(services, caller, meeting_id)
    participants, spans = await _attendance(services, meeting_id)
    until_us = seat.meeting.ended_us or now_us()
    return {
        "until_us": until_us,
        "items": [
            {
                "participant_id": one["id"],
                **{name: one[name] for name in ("kind", "role", "name", "area_path", "state")},
                **asdict(attended(spans.get(one["id"], []), until_us)),
            }
            for one in participants
        ],
    }


@router.get("/{meeting_id}/attendance.xlsx", response_class=Response)
async def attendance_sheet(
    meeting_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    language: Language = "zh",
    utc_offset_minutes: Offset = 480,
) -> Response:
    """The same as a sheet."""
    seat = await led_by(services, caller, meeting_id)
    participants, spans = await _attendance(services, meeting_id)
    await record(
        services, request, caller, "meeting.attendance", area=seat.place.area_path or None,
        meeting=meeting_id, title=seat.meeting.title,
    )  # fmt: skip
    until_us = seat.meeting.ended_us or now_us()
    rows = attendance_rows(participants, spans, until_us, language, utc_offset_minutes)
    return await sheet_answer("attendance", rows)


async def _attendance(
    services: Services, meeting_id: str
) -> tuple[list[dict[str, Any]], dict[str, list[Span]]]:
    async with services.reader.connect() as connection:
        participants = await participant_documents(connection, meeting_id)
        return participants, await spans_of(connection, meeting_id)
