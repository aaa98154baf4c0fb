"""Pictures of who sits in a meeting: the one of this moment, those that a roll call keeps."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import Response

from gateway.api.access import Caller, CallerInPerson, record
from gateway.api.errors import ApiError, not_found
from gateway.api.meeting_access import find_participant, led_by
from gateway.api.meeting_pictures import NoPicture, Sitter, keep_pictures, picture
from gateway.api.meeting_roll_calls import record_roll_call, require_roll_call, roll_call_of
from gateway.api.roll_call_answers import RoundStarted
from gateway.api.services import ServicesDep
from gateway.cameras import find_cameras
from gateway.database.meeting_tables import roll_call_answers
from gateway.meetings.kept import pieces
from gateway.watermark import viewer_name
from recorder.stores import StoreError

router = APIRouter(prefix="/api/meetings", tags=["meetings"])


@router.get(
    "/{meeting_id}/roll-calls/{roll_call_id}/answers/{participant_id}/snapshot.jpg",
    response_class=Response,
)
async def roll_call_picture(
    meeting_id: str,
    roll_call_id: str,
    participant_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> Response:
    """The picture that was kept of a site. Each look is on record."""
    seat = await led_by(services, caller, meeting_id)
    await require_roll_call(services, meeting_id, roll_call_id)
    table = roll_call_answers.c
    async with services.reader.connect() as connection:
        key = await connection.scalar(
            sa.select(table.snapshot_key).where(
                table.roll_call_id == roll_call_id,
                table.participant_id == participant_id,
                # Without it its days are over, and the object is about to go.
                table.snapshot_us.is_not(None),
            )
        )
    if key is None:
        raise not_found("picture")
    await record_roll_call(services, request, caller, seat, "picture", roll_call_id,
                  participant=participant_id)  # fmt: skip
    try:
        store = services.storage.store
        found = await store.stat(key)
        size = found.size_bytes if found is not None else 0
        jpeg = b"".join([piece async for piece in pieces(store, key, size)])
    except StoreError as error:
        raise ApiError(503, "unavailable", f"the store does not answer: {error}") from None
    if not jpeg:
        raise not_found("picture")
    return _jpeg(jpeg)


@router.post(
    "/{meeting_id}/roll-calls/{roll_call_id}/round", status_code=202, response_model=RoundStarted
)
async def picture_round(
    meeting_id: str,
    roll_call_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    background: BackgroundTasks,
) -> dict[str, Any]:
    """A picture of every site of the list that is connected, many at once; the board shows them as
    they come.
    """
    seat = await led_by(services, caller, meeting_id)
    if seat.meeting.shard is None or seat.meeting.state != "running":
        raise ApiError(409, "meeting_not_running", "this meeting is not running")
    board = await roll_call_of(services, meeting_id, roll_call_id)
    if board["ended_us"] is not None:
        raise ApiError(409, "roll_call_over", "this roll call is over")
    sitters = [
        Sitter(row["participant_id"], row["name"]) for row in board["rows"] if row["connected_now"]
    ]
    await record_roll_call(
        services, request, caller, seat, "picture_round", roll_call_id, sites=len(sitters)
    )
    background.add_task(
        keep_pictures, services, seat.meeting.shard, meeting_id, roll_call_id, sitters,
        viewer_name(caller.name, caller.display_name),
    )  # fmt: skip
    return {"sites": len(sitters)}


@router.get("/{meeting_id}/participants/{participant_id}/snapshot.jpg", response_class=Response)
async def sitter_picture(
    meeting_id: str,
    participant_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> Response:
    """What they send now, for who leads. Each look is on record."""
    seat = await led_by(services, caller, meeting_id)
    async with services.reader.connect() as connection:
        row = await find_participant(connection, meeting_id, participant_id)
        # Of a camera, or of its footage: a look at that camera. What was recorded outlives it.
        looked_at = [] if row.camera_id is None else [row.camera_id]
        cameras = await find_cameras(connection, looked_at, deleted=True)
    if seat.meeting.state != "running" or seat.meeting.shard is None:
        raise ApiError(409, "meeting_not_running", "this meeting is not running")
    await record(
        services, request, caller, "meeting.picture", cameras=tuple(cameras.values()),
        area=seat.place.area_path or None, meeting=meeting_id, title=seat.meeting.title,
        participant=participant_id, name=row.name,
    )  # fmt: skip
    viewer = viewer_name(caller.name, caller.display_name)
    sitter = Sitter(row.id, row.name)
    try:
        jpeg, _ = await picture(services, seat.meeting.shard, meeting_id, sitter, viewer)
    except NoPicture as error:
        raise ApiError(503, "no_picture", str(error)) from None
    return _jpeg(jpeg)


def _jpeg(content: bytes) -> Response:
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "no-store"})
