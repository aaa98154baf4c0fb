"""Taking a meeting's recording away is exporting the cameras that were in it: each of them asks for
the right to, and for a reason as an export does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import audit_records, client_address
from gateway.api.errors import AccessRefused, ApiError
from gateway.api.services import Services
from gateway.audit import AuditRecord
from gateway.cameras import Camera, find_cameras
from gateway.identifiers import now_us
from gateway.meetings.recording.cameras import CameraInMeeting, read_cameras_in_meetings
from gateway.people.authorize import Principal, authorize
from gateway.people.roles import Right


async def cameras_in(
    connection: AsyncConnection, caller: Principal, documents: Iterable[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Of each of these recordings (documents with id, meeting_id, started_us, ended_us): the
    cameras that were in it, ``{camera_id, name, may_export}``, by name.
    """
    asked = list(documents)
    there = await read_cameras_in_meetings(connection, {one["meeting_id"] for one in asked})
    ids = {one.camera_id for of_meeting in there.values() for one in of_meeting}
    found = await find_cameras(connection, sorted(ids), deleted=True) if ids else {}
    of_recordings = {}
    for one in asked:
        names = {
            camera.camera_id: camera.name for camera in _in(there.get(one["meeting_id"], []), one)
        }
        of_recordings[one["id"]] = [
            {**camera, "may_export": _may_export(caller, found.get(camera["camera_id"]))}
            for camera in _named(names)
        ]
    return of_recordings


async def export_records(
    services: Services,
    request: Request,
    caller: Principal,
    action: str,
    document: dict[str, Any],
    purpose: Purpose | None,
) -> list[AuditRecord]:
    """What the register has to say of each camera in a recording that is taken away; nothing of one
    without cameras. Raises ApiError 403 that names the cameras at which the caller may not export,
    and 422 ``purpose_required``, ``case_required`` as for an export.
    """
    meeting_id = document["meeting_id"]
    async with services.reader.connect() as connection:
        there = (await read_cameras_in_meetings(connection, {meeting_id})).get(meeting_id, [])
        names = {one.camera_id: one.name for one in _in(there, document)}
        if not names:
            return []
        found = await find_cameras(connection, sorted(names), deleted=True)
    withheld = [one for one in names if not _may_export(caller, found.get(one))]
    if withheld:
        named = ", ".join(sorted(names[one] for one in withheld))
        refusal = ApiError(
            403, "not_allowed",
            f"cameras were in this meeting that you may not export: {named}. Ask somebody who may,"
            " or watch the recording here",
            {"cameras": _named({one: names[one] for one in withheld})},
        )  # fmt: skip
        raise AccessRefused(refusal, caller, Right.EXPORT, found[withheld[0]])
    reason = await require_purpose(
        services, caller, "export", purpose, address=client_address(request)
    )
    return audit_records(
        request, caller, action, cameras=[found[one] for one in names],
        start_us=document["started_us"], end_us=document["ended_us"], reason=reason,
        detail={"meeting": meeting_id, "recording": document["id"]},
    )  # fmt: skip


def _in(there: Iterable[CameraInMeeting], document: dict[str, Any]) -> list[CameraInMeeting]:
    return [one for one in there if one.was_there(document["started_us"], document["ended_us"])]


def _named(cameras: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"camera_id": one, "name": cameras[one]} for one in sorted(cameras, key=cameras.__getitem__)
    ]


def _may_export(caller: Principal, camera: Camera | None) -> bool:
    return camera is not None and authorize(caller, Right.EXPORT, camera, now_us()).allowed
