"""Accepting that a camera's clock is off; see :mod:`gateway.shard.clock_watch`."""

from __future__ import annotations

from fastapi import APIRouter, Request

from gateway.api.access import Caller, permitted_camera, record
from gateway.api.errors import ApiError, unavailable
from gateway.api.services import ServicesDep
from gateway.control.channel import ControlError
from gateway.people.roles import Right

router = APIRouter(prefix="/api/cameras", tags=["cameras"])


@router.post("/{camera_id}/clock/accept", status_code=204)
async def accept_clock(
    camera_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """The camera's clock is known to be off by what its state says: a new run begins."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    shard = await services.processes.shard_of(camera.id)
    if shard is None:
        raise unavailable("this camera is just being taken up by a media process: try again")
    states = services.states.of(camera.id)
    offset_us = next(
        (one["clock_offset_us"] for one in states.values() if "clock_offset_us" in one), 0
    )
    # Before it happens: an acceptance that the register does not know of must not be.
    await record(
        services, request, caller, "camera.accept_clock", cameras=[camera], offset_us=offset_us
    )
    try:
        await services.processes.client(shard).call("clock.accept", camera_id=camera.id)
    except ControlError as error:
        if error.code == "conflict":
            raise ApiError(409, "conflict", str(error)) from None
        raise
