"""The one MP4 of a meeting's recording: ordered, and taken away."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from typing import Any

from fastapi import APIRouter, Request

from gateway.accountability import Purpose
from gateway.api.access import CallerInPerson, audit_records
from gateway.api.errors import ApiError, unavailable
from gateway.api.evidence_answers import DownloadUrl
from gateway.api.forms import Form
from gateway.api.meeting_recording_access import decidable
from gateway.api.meeting_recording_answers import MeetingRecordingDetail, RenderLayout
from gateway.api.meeting_recording_cameras import export_records
from gateway.api.meeting_recording_documents import recording_detail, recording_documents
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import open_viewing
from gateway.audit import act as act_and_append
from gateway.control.channel import ControlError
from gateway.footage.renders import render_package
from gateway.meetings.recording.access import Recorded
from gateway.people.authorize import Principal

router = APIRouter(tags=["meetings"])

_WAKE_S = 1.0


class RenderForm(Form):
    """``speaker``: the program; ``beside``: with who leads in its corner. ``purpose``: as for an
    export, where a camera of the gateway was in the meeting.
    """

    layout: RenderLayout = "speaker"
    purpose: Purpose | None = None


class RecordingDownloadForm(Form):
    """``purpose``: as for an export, where a camera of the gateway was in the meeting."""

    purpose: Purpose | None = None


@router.post(
    "/api/meetings/{meeting_id}/recordings/{recording_id}/render",
    response_model=MeetingRecordingDetail,
)
async def render_recording(
    meeting_id: str,
    recording_id: str,
    body: RenderForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Have one MP4 made of it, in place of one that was made before. Right ``export`` at every
    camera that was in the meeting meanwhile.
    """
    recorded, document = await _decided(services, caller, meeting_id, recording_id)
    records = audit_records(
        request, caller, "meeting.render", area=recorded.place.area_path or None,
        detail={"meeting": meeting_id, "recording": recording_id, "layout": body.layout},
    )  # fmt: skip
    records += await export_records(
        services, request, caller, "meeting.render", document, body.purpose
    )
    order = {"recording_id": recording_id, "layout": body.layout}
    await act_and_append(services.rows, "meetings.order_render", order, records)
    for server in await services.processes.names("footage"):
        # One that is away looks by itself.
        with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
            async with asyncio.timeout(_WAKE_S):
                await services.processes.client(server).call("renders.wake")
    return await recording_detail(services, caller, meeting_id, recording_id)


@router.post(
    "/api/meetings/{meeting_id}/recordings/{recording_id}/download", response_model=DownloadUrl
)
async def download_recording(
    meeting_id: str,
    recording_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: RecordingDownloadForm | None = None,
) -> dict[str, Any]:
    """Where the MP4 is fetched from; on record before it is said. Right ``export`` at every camera
    that was in the meeting meanwhile.
    """
    recorded, document = await _decided(services, caller, meeting_id, recording_id)
    purpose = None if body is None else body.purpose
    of_cameras = await export_records(
        services, request, caller, "meeting.download", document, purpose
    )
    render = document["render"]
    if render is None or render["state"] != "done":
        raise ApiError(409, "conflict", "it is not rendered: order that first")
    servers = await services.processes.at_hand("footage")
    if not servers:
        raise unavailable("no footage server is running: try again")
    server = servers[zlib.crc32(meeting_id.encode()) % len(servers)]
    _, ticket = await open_viewing(
        services,
        caller,
        audit_records(
            request,
            caller,
            "meeting.download",
            area=recorded.place.area_path or None,
            start_us=document["started_us"],
            end_us=document["ended_us"],
            detail={
                "meeting": meeting_id,
                "title": document["title"],
                "recording": recording_id,
                "sha256": render["sha256"],
            },
        )
        + of_cameras,
        process=server,
        action="export",
        camera_ids=[f"{meeting_id}.program"],
        variant="main",
        start_us=document["started_us"],
        end_us=document["ended_us"],
        may_lift_masks=False,
        package=render_package(recording_id),
    )
    return {"url": f"/s/{server}/renders/{recording_id}.mp4?ticket={ticket}"}


async def _decided(
    services: Services, caller: Principal, meeting_id: str, recording_id: str
) -> tuple[Recorded, dict[str, Any]]:
    """The meeting and the recording, if the caller decides about it."""
    async with services.reader.connect() as connection:
        recorded = await decidable(connection, caller, meeting_id)
        (document,) = await recording_documents(
            services, connection, caller, {meeting_id}, recording_id
        )
    return recorded, document
