"""Steering a camera: commands, the lock, presets. Priority is judged in signalling, by
:mod:`gateway.platforms.ptz`; who may at all, here.
"""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from gateway.api.access import Caller, act, client_address, permitted_camera
from gateway.api.answers import Listing
from gateway.api.errors import ApiError, invalid, unavailable
from gateway.api.operating_answers import PresetAnswer, Ptz
from gateway.api.platform_devices import device_refusal
from gateway.api.services import Services, ServicesDep
from gateway.api.steering_states import SIGNALLING
from gateway.cameras import Camera
from gateway.control.channel import ControlError
from gateway.database.operating_tables import preset_names, ptz_homes
from gateway.database.platform_tables import platform_channels, platform_states
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.people.authorize import Place, Principal
from gateway.people.roles import Right
from gateway.platforms.operations import SteerAction, SteerCommand
from gateway.platforms.ptz import Holder

router = APIRouter(prefix="/api/cameras", tags=["steering"])

HIGHEST_PRIORITY = 100

Speed = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Token = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
TokenText = Annotated[str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$")]


class Command(BaseModel):
    """One command; docs/http-api.md says what each action reads."""

    model_config = ConfigDict(extra="forbid")

    action: SteerAction
    pan: Speed = 0.0
    tilt: Speed = 0.0
    zoom: Speed = 0.0
    speed: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    preset: TokenText = ""
    number: int = Field(default=0, ge=0, le=255)
    on: bool = True


class TakeForm(BaseModel):
    """For how long it is held without commands; 0: as after any command."""

    model_config = ConfigDict(extra="forbid")

    for_s: int = Field(default=0, ge=0, le=3600)


class HomeForm(BaseModel):
    """Where it returns; None: nowhere, "": the device's own home."""

    model_config = ConfigDict(extra="forbid")

    preset: TokenText | None
    after_s: int = Field(default=60, ge=10, le=86_400)


class PresetForm(BaseModel):
    """What people call it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=100)


@router.get("/{camera_id}/ptz", response_model=Ptz)
async def read_ptz(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Who steers it, and whether the caller may."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.LIVE, camera_id)
        facts = await steering_facts(connection, camera_id)
    return ptz_document(services, caller, camera, facts, services.steering.of(camera_id))


@router.post("/{camera_id}/ptz", response_model=Ptz)
async def steer(
    camera_id: str, body: Command, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Send a command, taking the camera if need be. That it is held is on record before."""
    if body.action == "goto_preset" and not body.preset:
        raise invalid(preset="say which preset")
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.PTZ, camera_id)
    # What the answer says beside it is read after it is on its way.
    state = await ask_steering(
        services,
        "ptz.command",
        camera_id=camera_id,
        holder=holder_of(caller, request, camera).to_message(),
        command=SteerCommand(**body.model_dump()).to_message(),
    )
    async with services.reader.connect() as connection:
        facts = await steering_facts(connection, camera_id)
    return ptz_document(services, caller, camera, facts, state)


@router.post("/{camera_id}/ptz/take", response_model=Ptz)
async def take(
    camera_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    body: TakeForm | None = None,
) -> dict[str, Any]:
    """Hold it without moving it."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.PTZ, camera_id)
        facts = await steering_facts(connection, camera_id)
    state = await ask_steering(
        services,
        "ptz.take",
        camera_id=camera_id,
        holder=holder_of(caller, request, camera).to_message(),
        hold_s=body.for_s if body is not None else 0,
    )
    return ptz_document(services, caller, camera, facts, state)


@router.delete("/{camera_id}/ptz", response_model=Ptz)
async def release(
    camera_id: str, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Stop it and let go; or have another let go, by priority or as who configures it."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.PTZ, camera_id)
        facts = await steering_facts(connection, camera_id)
    holder = holder_of(caller, request, camera)
    message = holder.to_message()
    if Right.CONFIGURE in caller.rights_at(camera, now_us()):
        message["priority"] = HIGHEST_PRIORITY + 1
    state = await ask_steering(services, "ptz.release", camera_id=camera_id, holder=message)
    return ptz_document(services, caller, camera, facts, state)


@router.put("/{camera_id}/ptz/home", response_model=Ptz)
async def set_home(
    camera_id: str, body: HomeForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Say where it returns when nobody has held it for a while."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    await act(
        services, request, caller, "ptz.home", "ptz.home",
        {"camera_id": camera_id, **body.model_dump()},
        cameras=[camera], detail=body.model_dump(),
    )  # fmt: skip
    async with services.reader.connect() as connection:
        facts = await steering_facts(connection, camera_id)
    return ptz_document(services, caller, camera, facts, services.steering.of(camera_id))


@router.get("/{camera_id}/presets", response_model=Listing[PresetAnswer])
async def list_presets(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The device's, under the names that people gave them."""
    async with services.reader.connect() as connection:
        await permitted_camera(connection, caller, Right.LIVE, camera_id)
        rows = await connection.execute(
            sa.select(preset_names.c.token, preset_names.c.name).where(
                preset_names.c.camera_id == camera_id
            )
        )
        names = {row.token: row.name for row in rows}
    try:
        found = await ask_steering(services, "device.presets", camera_id=camera_id)
    except ApiError as error:
        # Many devices keep presets and cannot tell which.
        if error.code != "unsupported" or not names:
            raise
        found = []
    listed = {one["token"]: names.get(one["token"]) or one["name"] for one in found}
    if not found:
        listed = names
    return {"items": [{"token": token, "name": name} for token, name in listed.items()]}


@router.post("/{camera_id}/presets", status_code=201, response_model=PresetAnswer)
async def add_preset(
    camera_id: str, body: PresetForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Remember where it looks now."""
    return await _set_preset(services, request, caller, camera_id, None, body.name)


@router.put("/{camera_id}/presets/{token}", response_model=PresetAnswer)
async def set_preset(
    camera_id: str,
    token: Token,
    body: PresetForm,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Remember where it looks now in place of what was there."""
    return await _set_preset(services, request, caller, camera_id, token, body.name)


@router.patch("/{camera_id}/presets/{token}", response_model=PresetAnswer)
async def rename_preset(
    camera_id: str,
    token: Token,
    body: PresetForm,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Call it otherwise; nothing moves."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.PTZ, camera_id)
    await _name(services, request, caller, camera, "preset.rename", token, body.name)
    return {"token": token, "name": body.name}


@router.delete("/{camera_id}/presets/{token}", status_code=204)
async def remove_preset(
    camera_id: str, token: Token, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Forget one."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.PTZ, camera_id)
    await ask_steering(
        services,
        "ptz.remove_preset",
        camera_id=camera_id,
        holder=holder_of(caller, request, camera).to_message(),
        token=token,
    )
    await act(
        services, request, caller, "preset.remove", "presets.forget",
        {"camera_id": camera_id, "token": token}, cameras=[camera], detail={"token": token},
    )  # fmt: skip


async def _set_preset(
    services: Services,
    request: Request,
    caller: Principal,
    camera_id: str,
    token: str | None,
    name: str,
) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.PTZ, camera_id)
    preset = await ask_steering(
        services,
        "ptz.set_preset",
        camera_id=camera_id,
        holder=holder_of(caller, request, camera).to_message(),
        token=token,
        name=name,
    )
    await _name(services, request, caller, camera, "preset.set", preset["token"], name)
    return {"token": preset["token"], "name": name}


async def _name(
    services: Services,
    request: Request,
    caller: Principal,
    camera: Camera,
    action: str,
    token: str,
    name: str,
) -> None:
    await act(
        services, request, caller, action, "presets.name",
        {"camera_id": camera.id, "token": token, "name": name},
        cameras=[camera], detail={"token": token, "name": name},
    )  # fmt: skip


def holder_of(caller: Principal, connection: HTTPConnection, place: Place) -> Holder:
    """The caller as who steers there."""
    return Holder(
        "person",
        caller.user_id,
        caller.name,
        caller.display_name,
        caller.ptz_priority(place, now_us()),
        user_id=caller.user_id,
        address=client_address(connection),
        token_hash=caller.token_hash,
    )


async def ask_steering(services: Services, call: str, **arguments: Any) -> Any:
    """A call of signalling about one camera. Raises ApiError: 409 with what the device refuses or
    ``ptz_held``, 503 when signalling is away.
    """
    if not await services.processes.names(SIGNALLING):
        raise unavailable("signalling is just being started: try again")
    try:
        return await services.processes.client(SIGNALLING).call(call, **arguments)
    except ControlError as error:
        if error.code == "ptz_held":
            holder = shown_holder(services.steering.of(arguments["camera_id"])["holder"])
            raise ApiError(409, "ptz_held", str(error), {"holder": holder}) from None
        raise device_refusal(error) from None


async def steering_facts(connection: AsyncConnection, camera_id: str) -> dict[str, Any]:
    """``supported`` and ``home`` of Ptz."""
    row = (
        await connection.execute(
            sa.select(
                cameras.c.platform_id,
                platform_channels.c.facts.label("channel_facts"),
                platform_states.c.facts.label("platform_facts"),
                ptz_homes.c.preset,
                ptz_homes.c.after_s,
            )
            .select_from(
                cameras.outerjoin(
                    platform_channels,
                    (platform_channels.c.platform_id == cameras.c.platform_id)
                    & (platform_channels.c.code == cameras.c.channel),
                )
                .outerjoin(platform_states, platform_states.c.platform_id == cameras.c.platform_id)
                .outerjoin(ptz_homes, ptz_homes.c.camera_id == cameras.c.id)
            )
            .where(cameras.c.id == camera_id)
        )
    ).one()
    home = None if row.preset is None else {"preset": row.preset, "after_s": row.after_s}
    supported = row.platform_id is not None and can_be_steered(
        row.channel_facts or {}, row.platform_facts or {}
    )
    return {"supported": supported, "home": home}


def can_be_steered(channel: dict[str, Any], platform: dict[str, Any]) -> bool:
    """By what a device says of itself; one that says nothing may be tried.

    ``ptz_type`` as in GB/T 28181-2016 annex A: 3 is a camera that does not move.
    """
    if "ptz_type" in channel:
        return str(channel["ptz_type"]) != "3"
    for facts in (channel, platform):
        if facts.get("capabilities"):
            return "ptz" in facts["capabilities"]
    return True


def shown_holder(holder: dict[str, Any] | None) -> dict[str, Any] | None:
    """The Holder document: nobody's address or sign-in."""
    if holder is None:
        return None
    names = ("kind", "id", "name", "display_name", "priority", "since_us", "until_us")
    return {name: holder[name] for name in names}


def steering_document(caller: Principal, place: Place, state: dict[str, Any]) -> dict[str, Any]:
    """What changes of Ptz, for the caller."""
    holder = state["holder"]
    at_us = now_us()
    priority = caller.ptz_priority(place, at_us)
    own = holder is not None and (holder["kind"], holder["id"]) == ("person", caller.user_id)
    free = holder is None or own or priority > holder["priority"]
    return {
        "holder": shown_holder(holder),
        "own": own,
        "may_steer": free and Right.PTZ in caller.rights_at(place, at_us),
        "moving": state["moving"],
        "patrol": state["patrol"],
        "priority": priority,
    }


def ptz_document(
    services: Services,
    caller: Principal,
    camera: Camera,
    facts: dict[str, Any],
    state: dict[str, Any],
) -> dict[str, Any]:
    """The Ptz document."""
    settings = services.settings.steering
    return {
        "camera_id": camera.id,
        **facts,
        **steering_document(caller, camera, state),
        "move_timeout_ms": round(settings.move_timeout_s * 1000),
        "idle_s": settings.idle_s,
    }
