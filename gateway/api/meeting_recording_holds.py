"""Holding a meeting's recording: nothing of it is deleted until it is released."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from gateway.api.access import CallerInPerson, act
from gateway.api.forms import Form
from gateway.api.meeting_recording_access import holdable
from gateway.api.meeting_recording_answers import MeetingRecordingDetail
from gateway.api.meeting_recording_documents import recording_detail
from gateway.api.services import ServicesDep

router = APIRouter(tags=["meetings"])


class RecordingHoldForm(Form):
    """Why nothing of it may be deleted."""

    reason: str = Field(min_length=1, max_length=500)


@router.put(
    "/api/meetings/{meeting_id}/recordings/{recording_id}/hold",
    response_model=MeetingRecordingDetail,
)
async def hold_recording(
    meeting_id: str,
    recording_id: str,
    body: RecordingHoldForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Let nothing of it be deleted until it is released."""
    recorded = await holdable(services, caller, meeting_id, recording_id)
    await act(
        services, request, caller, "meeting.hold", "meetings.hold_recording",
        {"recording_id": recording_id, "by": caller.user_id, "reason": body.reason},
        area=recorded.place.area_path or None,
        detail={"meeting": meeting_id, "recording": recording_id, "reason": body.reason},
    )  # fmt: skip
    return await recording_detail(services, caller, meeting_id, recording_id)


@router.delete(
    "/api/meetings/{meeting_id}/recordings/{recording_id}/hold",
    response_model=MeetingRecordingDetail,
)
async def release_recording(
    meeting_id: str,
    recording_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Its retention counts again."""
    recorded = await holdable(services, caller, meeting_id, recording_id)
    await act(
        services, request, caller, "meeting.release", "meetings.release_recording",
        {"recording_id": recording_id}, area=recorded.place.area_path or None,
        detail={"meeting": meeting_id, "recording": recording_id},
    )  # fmt: skip
    return await recording_detail(services, caller, meeting_id, recording_id)
