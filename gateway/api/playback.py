"""Opening a playback session on a footage server."""

from __future__ import annotations

import zlib
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import Caller, audit_records, check
from gateway.api.errors import invalid, not_found, unavailable
from gateway.api.footage_answers import PlaybackSession
from gateway.api.services import ServicesDep
from gateway.api.timeline import TIME_LIMIT_US
from gateway.api.viewing import open_viewing, overlay
from gateway.cameras import find_cameras
from gateway.masks import covered_as, footage_path, mask_history
from gateway.people.roles import Right

router = APIRouter(tags=["playback"])

CAMERAS_LIMIT = 9


class PlaybackAbilities(BaseModel):
    """What the browser says that it can play."""

    mse_h265: bool = False


class PlaybackForm(BaseModel):
    """Which cameras and which range."""

    camera_ids: list[str] = Field(min_length=1, max_length=CAMERAS_LIMIT)
    start_us: int = Field(ge=0, le=TIME_LIMIT_US)
    end_us: int = Field(ge=0, le=TIME_LIMIT_US)
    client: PlaybackAbilities = PlaybackAbilities()
    purpose: Purpose | None = None


@router.post("/api/playback", response_model=PlaybackSession)
async def open_playback(
    body: PlaybackForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Check every camera, write each into the audit log, hand out one ticket for all."""
    if body.end_us <= body.start_us:
        raise invalid(end_us="the range ends before it begins")
    camera_ids = list(dict.fromkeys(body.camera_ids))
    async with services.reader.connect() as connection:
        found = await find_cameras(connection, camera_ids, deleted=True)
        versions = {one: await mask_history(connection, one) for one in camera_ids}
    if len(found) != len(camera_ids):
        raise not_found("camera")
    decisions = [check(caller, Right.PLAYBACK, found[camera_id]) for camera_id in camera_ids]
    reason = await require_purpose(services, caller, "playback", body.purpose)
    servers = await services.processes.at_hand("footage")
    if not servers:
        raise unavailable("no footage server is running: try again")
    # The same camera from the same server: its index and files are warm there.
    server = servers[zlib.crc32(camera_ids[0].encode()) % len(servers)]
    may_lift_masks = all(decision.may_lift_masks for decision in decisions)
    session_id, ticket = await open_viewing(
        services,
        caller,
        audit_records(
            request,
            caller,
            "playback.open",
            cameras=[found[camera_id] for camera_id in camera_ids],
            start_us=body.start_us,
            end_us=body.end_us,
            reason=reason,
        ),
        process=server,
        action="playback",
        camera_ids=camera_ids,
        variant="main" if body.client.mse_h265 else "h264",
        start_us=body.start_us,
        end_us=body.end_us,
        may_lift_masks=may_lift_masks,
    )
    return {
        "session_id": session_id,
        "server": server,
        "ticket": ticket,
        "cameras": [
            {
                "camera_id": camera_id,
                "base_url": footage_path(
                    server,
                    camera_id,
                    covered_as(versions[camera_id], body.start_us, body.end_us, may_lift_masks),
                ),
            }
            for camera_id in camera_ids
        ],
        "overlay": overlay(request, caller),
    }
