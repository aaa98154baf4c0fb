"""Opening a playback session on a footage server."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import Caller, audit_records, check
from gateway.api.errors import invalid, not_found, unavailable
from gateway.api.footage_answers import PlaybackSession
from gateway.api.services import ServicesDep
from gateway.api.timeline import TIME_LIMIT_US
from gateway.api.viewing import open_viewing, overlay
from gateway.assist.lending import lent_clip
from gateway.cameras import find_cameras
from gateway.identifiers import now_us
from gateway.masks import covered_as, footage_path, mask_history
from gateway.people.authorize import Footage
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
    clip_id: Annotated[
        str | None, Field(max_length=40, description="a clip of an assist request, all of it")
    ] = None


@router.post("/api/playback", response_model=PlaybackSession)
async def open_playback(
    body: PlaybackForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Check every camera, write each into the audit log, hand out one ticket for all. Of a clip
    that is lent: its minutes and nothing else, for the reason for which they were asked for.
    """
    if body.end_us <= body.start_us:
        raise invalid(end_us="the range ends before it begins")
    camera_ids = list(dict.fromkeys(body.camera_ids))
    async with services.reader.connect() as connection:
        found = await find_cameras(connection, camera_ids, deleted=True)
        versions = {one: await mask_history(connection, one) for one in camera_ids}
        clip = None
        if body.clip_id is not None:
            clip = await lent_clip(connection, caller, body.clip_id)
            if clip is None:
                raise not_found("clip that is lent to you")
    if len(found) != len(camera_ids):
        raise not_found("camera")
    if clip is not None:
        caller = replace(caller, lent=(clip.lent,))
        if any(not clip.lent.covers(one, now_us()) for one in _footage(body)):
            raise invalid(clip_id="the clip holds other minutes: play from its start to its end")
    decisions = [check(caller, Right.PLAYBACK, found[one.camera_id], one) for one in _footage(body)]
    if clip is None:
        reason = await require_purpose(services, caller, "playback", body.purpose)
    else:
        reason = clip.reason
    servers = await services.processes.at_hand("footage")
    if not servers:
        raise unavailable("no footage server is running: try again")
    # The same camera from the same server: its index and files are warm there.
    server = servers[zlib.crc32(camera_ids[0].encode()) % len(servers)]
    # What is lent is lent as it is masked, to whomever.
    may_lift_masks = clip is None and all(decision.may_lift_masks for decision in decisions)
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
            detail={} if clip is None else clip.detail,
        ),
        process=server,
        action="playback",
        camera_ids=camera_ids,
        variant="main" if body.client.mse_h265 else "h264",
        start_us=body.start_us,
        end_us=body.end_us,
        may_lift_masks=may_lift_masks,
        clip_id=body.clip_id,
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


def _footage(body: PlaybackForm) -> list[Footage]:
    ids = dict.fromkeys(body.camera_ids)
    return [Footage(one, body.start_us, body.end_us) for one in ids]
