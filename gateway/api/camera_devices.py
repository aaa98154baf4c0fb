"""Another device in a camera's place: the camera stays, with its rights, footage and bookmarks."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request

from gateway.api.access import Caller, act, permitted_camera
from gateway.api.answers import Listing
from gateway.api.camera_answers import Camera as CameraAnswer
from gateway.api.camera_answers import CameraDevice
from gateway.api.cameras import camera_document
from gateway.api.channel_addresses import require_own_channels
from gateway.api.errors import invalid
from gateway.api.services import ServicesDep
from gateway.camera_form import DeviceForm
from gateway.database.area_tables import camera_devices
from gateway.database.tables import cameras
from gateway.people.roles import Right
from gateway.secrets import seal
from gateway.sources.files import refuse_file_elsewhere

router = APIRouter(prefix="/api/cameras", tags=["cameras"])


@router.post("/{camera_id}/replace", response_model=CameraAnswer, response_model_exclude_unset=True)
async def replace_device(
    camera_id: str, body: DeviceForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Have another device take the camera's place. The old one's password is forgotten, and never
    sent to the new one.
    """
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
        await require_own_channels(
            connection, caller, [("main_url", body.main_url), ("sub_url", body.sub_url)],
            known=(camera.main_url, camera.sub_url), camera_id=camera_id,
        )  # fmt: skip
    try:
        refuse_file_elsewhere(services.settings, body.main_url, body.sub_url)
    except ValueError as error:
        raise invalid(main_url=str(error)) from None
    sealed = seal(services.secret, body.password, camera_id) if body.password else None
    columns: dict[str, Any] = {
        **body.model_dump(include={"main_url", "sub_url", "username"}),
        "password_sealed": sealed,
    }
    if body.transport is not None:
        columns["transport"] = body.transport
    device = body.model_dump(include={"model", "serial_number", "note"})
    arguments = {
        "camera_id": camera_id,
        "columns": columns,
        "device": {**device, "replaced_by": caller.name},
    }
    await act(
        services, request, caller, "camera.replace", "cameras.replace", arguments,
        cameras=[camera], detail={"from": camera.main_url, "to": body.main_url, **device},
    )  # fmt: skip
    await services.processes.configuration_changed()
    async with services.reader.connect() as connection:
        return await camera_document(connection, services, caller, camera_id)


@router.get("/{camera_id}/devices", response_model=Listing[CameraDevice])
async def list_devices(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The devices that have stood in the camera's place, newest first."""
    history = camera_devices.c
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
        rows = await connection.execute(
            sa.select(camera_devices)
            .where(history.camera_id == camera_id)
            .order_by(history.from_us.desc())
        )
        items = [{**row, "camera_id": None} for row in rows.mappings()]
        if not items:
            created = sa.select(cameras.c.created_us).where(cameras.c.id == camera_id)
            unknown = dict.fromkeys(("until_us", "model", "serial_number", "note", "replaced_by"))
            items = [{"from_us": await connection.scalar(created), **unknown}]
    # Today's addresses may have been corrected since it was put there.
    items[0] |= {"main_url": camera.main_url, "sub_url": camera.sub_url}
    return {"items": items}
