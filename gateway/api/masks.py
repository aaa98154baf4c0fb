"""Drawing masks, and what they were."""

from __future__ import annotations

import contextlib
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.access import Caller, act, check, permitted_camera
from gateway.api.errors import ApiError, not_found
from gateway.api.privacy_answers import MaskHistory, Masks
from gateway.api.services import Services, ServicesDep
from gateway.cameras import Camera, find_cameras
from gateway.control.channel import ControlError
from gateway.database.operating_tables import alarms
from gateway.identifiers import now_us
from gateway.masks import MASKS_LIMIT, Mask, MaskVersion, mask_history, masks_in_force, uncovers
from gateway.people.authorize import authorize
from gateway.people.roles import Right

router = APIRouter(prefix="/api/cameras", tags=["privacy"])

_ALARMS_LIMIT = 200
_NEVER_MASKED = {"version": 0, "masks": [], "changed_us": None, "changed_by": None}


class MasksForm(BaseModel):
    """All masks of a camera, in place of those of ``version``."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=0, le=2**31)
    masks: list[Mask] = Field(max_length=MASKS_LIMIT)


@router.get("/{camera_id}/masks", response_model=Masks)
async def read_masks(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The masks in force."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.LIVE, camera_id)
        newest = (await masks_in_force(connection, [camera.id])).get(camera.id)
    return _document(camera.id, newest)


@router.get("/{camera_id}/masks/history", response_model=MaskHistory)
async def read_history(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Every version, the newest first: who covered and uncovered what, and when."""
    async with services.reader.connect() as connection:
        camera = (await find_cameras(connection, [camera_id], deleted=True)).get(camera_id)
        if camera is None:
            raise not_found("camera")
        if not authorize(caller, Right.AUDIT, camera, now_us()).allowed:
            check(caller, Right.CONFIGURE, camera)
        versions = await mask_history(connection, camera.id)
    return {"items": [version.to_document() for version in versions]}


@router.put("/{camera_id}/masks", response_model=Masks)
async def put_masks(
    camera_id: str, body: MasksForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Replace the masks. Whoever may not see beneath masks may add some, but not take any away."""
    async with services.reader.connect() as connection:
        camera, decision = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
        newest = (await masks_in_force(connection, [camera.id])).get(camera.id)
    masks = [mask.model_dump(mode="json") for mask in body.masks]
    before = newest.masks if newest is not None else ()
    if body.version != (newest.version if newest is not None else 0):
        # What would be uncovered is judged by the version that is replaced.
        raise ApiError(409, "conflict", "somebody else has changed the masks: look at them again")
    if uncovers(before, masks) and not decision.may_lift_masks:
        raise ApiError(
            403,
            "lift_masks_required",
            "to change or take away a mask you need the right to see beneath it",
        )
    await act(
        services, request, caller, "camera.masks", "masks.put",
        {
            "camera_id": camera.id,
            "version": body.version,
            "masks": masks,
            "user_id": caller.user_id,
            "user_name": caller.name,
        },
        cameras=[camera],
        detail={
            "version": body.version + 1,
            "masks": len(masks),
            "uncovers": uncovers(before, masks),
        },
    )  # fmt: skip
    await _tell_processes(services, camera)
    async with services.reader.connect() as connection:
        newest = (await masks_in_force(connection, [camera.id])).get(camera.id)
        shown = await connection.scalars(
            sa.select(alarms.c.id)
            .where(alarms.c.camera_id == camera.id, alarms.c.end_us.is_(None))
            .order_by(alarms.c.begin_us.desc())
            .limit(_ALARMS_LIMIT)
        )
        # Whoever has them before their eyes may be told less of them now.
        services.alarm_watch.tell(list(shown))
    return _document(camera.id, newest)


async def _tell_processes(services: Services, camera: Camera) -> None:
    """Have the masks hold at once where the camera is shown; they would within seconds."""
    names = await services.processes.names("footage")
    shard = await services.processes.shard_of(camera.id)
    with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
        if shard is not None:
            await services.processes.client(shard).call("shard.reconcile")
    for name in names:
        with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
            await services.processes.client(name).call("masks.changed", camera_id=camera.id)


def _document(camera_id: str, newest: MaskVersion | None) -> dict[str, Any]:
    if newest is None:
        return {"camera_id": camera_id, **_NEVER_MASKED}
    return newest.to_document()
