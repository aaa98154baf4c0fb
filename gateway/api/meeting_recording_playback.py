"""Playing a meeting's recording back, also while it still runs."""

from __future__ import annotations

import zlib
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from gateway.api.access import Caller, audit_records
from gateway.api.errors import AccessRefused, ApiError, not_found, unavailable
from gateway.api.forms import Form
from gateway.api.meeting_recording_access import watchable
from gateway.api.meeting_recording_answers import RecordingPlayback
from gateway.api.meeting_recording_documents import recording_documents
from gateway.api.services import ServicesDep
from gateway.api.viewing import open_viewing, overlay
from gateway.identifiers import US_PER_S, now_us
from gateway.masks import footage_path
from gateway.people.roles import Right

router = APIRouter(tags=["meetings"])

_PLAYED_LIMIT = 9
# How long a running one may go on before whoever watches it opens it anew.
_RUNNING_US = 24 * 3600 * US_PER_S


class PlayForm(Form):
    """Which tracks; none: the program."""

    footage_ids: list[Annotated[str, Field(max_length=120)]] = Field(
        default_factory=list, max_length=_PLAYED_LIMIT
    )


@router.post(
    "/api/meetings/{meeting_id}/recordings/{recording_id}/playback",
    response_model=RecordingPlayback,
)
async def play_recording(
    meeting_id: str,
    recording_id: str,
    body: PlayForm,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Open a playback session on it; the look is in the register before it is answered."""
    async with services.reader.connect() as connection:
        recorded = await watchable(connection, caller, meeting_id)
        (document,) = await recording_documents(
            services, connection, caller, {meeting_id}, recording_id
        )
    if "play" not in document["can"]:
        refusal = ApiError(
            403, "not_allowed", "it was passed on to be watched when it is over, not while it runs"
        )
        raise AccessRefused(refusal, caller, Right.MEET, recorded.place)
    known = [one["footage_id"] for one in document["tracks"]]
    wanted = list(dict.fromkeys(body.footage_ids)) or [
        one["footage_id"] for one in document["tracks"] if one["kind"] == "program"
    ]
    if not wanted or set(wanted) - set(known):
        raise not_found("track")
    servers = await services.processes.at_hand("footage")
    if not servers:
        raise unavailable("no footage server is running: try again")
    server = servers[zlib.crc32(meeting_id.encode()) % len(servers)]
    start_us = document["started_us"]
    end_us = document["ended_us"] or now_us() + _RUNNING_US
    session_id, ticket = await open_viewing(
        services,
        caller,
        audit_records(
            request,
            caller,
            "meeting.play",
            area=recorded.place.area_path or None,
            start_us=start_us,
            end_us=end_us,
            detail={
                "meeting": meeting_id,
                "title": document["title"],
                "recording": recording_id,
                "tracks": wanted,
            },
        ),
        process=server,
        action="playback",
        camera_ids=wanted,
        variant="main",
        start_us=start_us,
        end_us=end_us,
        may_lift_masks=False,
    )
    return {
        "session_id": session_id,
        "server": server,
        "ticket": ticket,
        "cameras": [{"camera_id": one, "base_url": footage_path(server, one, 0)} for one in wanted],
        "overlay": overlay(request, caller),
        "start_us": start_us,
        "end_us": end_us,
    }
