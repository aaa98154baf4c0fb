"""Talking to a camera: who may, and by which address. The talk itself is the shard's
(:mod:`gateway.live.talk`).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import Caller, audit_records, client_address, permitted_camera
from gateway.api.errors import ApiError, unavailable
from gateway.api.services import ServicesDep
from gateway.api.viewing import open_viewing
from gateway.identifiers import now_us
from gateway.people.roles import Right
from gateway.sources.addresses import scheme_of

router = APIRouter(prefix="/api/cameras", tags=["live"])

_WITH_VOICE = ("rtsp", "gb28181")


class TalkForm(BaseModel):
    """Why, where that is asked for."""

    purpose: Purpose | None = None


class TalkAnswer(BaseModel):
    """Where the microphone's offer goes, within 30 s."""

    session_id: str
    shard: str
    url: str


@router.post("/{camera_id}/talk", response_model=TalkAnswer)
async def open_talk(
    camera_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    body: TalkForm | None = None,
) -> dict[str, Any]:
    """Decide, write it into the register, and hand out a ticket for 30 s."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.TALK, camera_id)
    if not camera.enabled:
        raise ApiError(409, "camera_disabled", "this camera is switched off in its configuration")
    if scheme_of(camera.main_url) not in _WITH_VOICE:
        raise ApiError(
            409, "unsupported", "voice goes to cameras by RTSP (ONVIF) and by GB/T 28181"
        )
    reason = await require_purpose(
        services,
        caller,
        "live",
        body.purpose if body is not None else None,
        address=client_address(request),
    )
    shard = await services.processes.shard_of(camera.id)
    if shard is None or await services.processes.http_place(shard) is None:
        raise unavailable("this camera is just being taken up by a media process: try again")
    session_id, ticket = await open_viewing(
        services,
        caller,
        audit_records(request, caller, "talk.open", cameras=[camera], reason=reason),
        process=shard,
        action="talk",
        camera_ids=[camera.id],
        variant="main",
        start_us=None,
        end_us=None,
        may_lift_masks=False,
        priority=caller.ptz_priority(camera, now_us()),
    )
    return {
        "session_id": session_id,
        "shard": shard,
        "url": f"/s/{shard}/talk?{urlencode({'ticket': ticket})}",
    }
