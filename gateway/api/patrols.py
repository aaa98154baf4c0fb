"""Patrols of a camera: their configuration, and starting and stopping them by hand."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, permitted_camera
from gateway.api.answers import Listing
from gateway.api.errors import not_found
from gateway.api.operating_answers import PatrolAnswer
from gateway.api.services import Services, ServicesDep
from gateway.api.steering_states import SIGNALLING
from gateway.cameras import Camera
from gateway.control.channel import ControlError
from gateway.database.operating_tables import patrols
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api", tags=["steering"])

_SHOWN = ("id", "camera_id", "name", "steps", "schedule", "utc_offset_minutes")

Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class StepForm(BaseModel):
    """A preset, how long it is looked at, how fast it is gone to."""

    model_config = ConfigDict(extra="forbid")

    preset: str = Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")
    dwell_s: int = Field(default=10, ge=2, le=3600)
    speed: Annotated[float, Field(ge=0.05, le=1, allow_inf_nan=False)] = 0.5


class WindowForm(BaseModel):
    """Times of the week; day 1 is Monday. An end not after the start is on the next day."""

    model_config = ConfigDict(extra="forbid")

    days: list[Annotated[int, Field(ge=1, le=7)]] = Field(min_length=1, max_length=7)
    start: Clock
    end: Clock


class PatrolForm(BaseModel):
    """A patrol."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=100)
    steps: list[StepForm] = Field(min_length=2, max_length=64)
    schedule: list[WindowForm] = Field(default_factory=list, max_length=32)
    utc_offset_minutes: int = Field(default=480, ge=-14 * 60, le=14 * 60)


@router.get("/cameras/{camera_id}/patrols", response_model=Listing[PatrolAnswer])
async def list_patrols(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Its patrols, by name."""
    async with services.reader.connect() as connection:
        await permitted_camera(connection, caller, Right.LIVE, camera_id)
        rows = await connection.execute(
            sa.select(patrols)
            .where(patrols.c.camera_id == camera_id)
            .order_by(patrols.c.name, patrols.c.id)
        )
        return {"items": [_document(services, row) for row in rows]}


@router.post("/cameras/{camera_id}/patrols", status_code=201, response_model=PatrolAnswer)
async def create_patrol(
    camera_id: str, body: PatrolForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add one."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    patrol_id = await act(
        services, request, caller, "patrol.create", "patrols.create",
        {"camera_id": camera_id, "columns": body.model_dump()},
        cameras=[camera], detail={"name": body.name, "steps": len(body.steps)}, result_as="id",
    )  # fmt: skip
    return await _told(services, patrol_id)


@router.put("/patrols/{patrol_id}", response_model=PatrolAnswer)
async def change_patrol(
    patrol_id: str, body: PatrolForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Replace what it does."""
    await _act(
        services, request, caller, patrol_id, Right.CONFIGURE, "change",
        {"columns": body.model_dump()},
    )  # fmt: skip
    return await _told(services, patrol_id)


@router.delete("/patrols/{patrol_id}", status_code=204)
async def delete_patrol(
    patrol_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Remove it; it stops."""
    await _act(services, request, caller, patrol_id, Right.CONFIGURE, "delete", {})
    await _tell(services)


@router.post("/patrols/{patrol_id}/start", response_model=PatrolAnswer)
async def start_patrol(
    patrol_id: str, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Run it until it is stopped; the camera's others stop."""
    by = caller.display_name or caller.name
    await _act(services, request, caller, patrol_id, Right.PTZ, "start", {"by": by})
    return await _told(services, patrol_id)


@router.post("/patrols/{patrol_id}/stop", response_model=PatrolAnswer)
async def stop_patrol(
    patrol_id: str, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Stop it; it rests until its schedule begins again."""
    await _act(services, request, caller, patrol_id, Right.PTZ, "stop", {})
    return await _told(services, patrol_id)


async def _act(
    services: Services,
    request: Request,
    caller: Principal,
    patrol_id: str,
    right: Right,
    what: str,
    arguments: dict[str, Any],
) -> None:
    async with services.reader.connect() as connection:
        row = await _patrol(connection, patrol_id)
        camera = await _camera(connection, caller, right, row.camera_id)
    await act(
        services, request, caller, f"patrol.{what}", f"patrols.{what}",
        {"patrol_id": patrol_id, **arguments},
        cameras=[camera], detail={"id": patrol_id, "name": row.name},
    )  # fmt: skip


async def _told(services: Services, patrol_id: str) -> dict[str, Any]:
    await _tell(services)
    async with services.reader.connect() as connection:
        return _document(services, await _patrol(connection, patrol_id))


async def _tell(services: Services) -> None:
    """Have signalling look at the rows at once; it would anyway in a few seconds."""
    with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
        if await services.processes.names(SIGNALLING):
            await services.processes.client(SIGNALLING).call("ptz.reconcile")


async def _camera(
    connection: AsyncConnection, caller: Principal, right: Right, camera_id: str
) -> Camera:
    return (await permitted_camera(connection, caller, right, camera_id))[0]


async def _patrol(connection: AsyncConnection, patrol_id: str) -> sa.Row[Any]:
    found = await connection.execute(sa.select(patrols).where(patrols.c.id == patrol_id))
    row: sa.Row[Any] | None = found.one_or_none()
    if row is None:
        raise not_found("patrol")
    return row


def _document(services: Services, row: sa.Row[Any]) -> dict[str, Any]:
    running = services.steering.of(row.camera_id)["patrol"]
    mine = running is not None and running["id"] == row.id
    return {
        **{name: row._mapping[name] for name in _SHOWN},
        "state": running["state"] if mine else "idle",
        "started_by": row.started_by,
        "step": running["step"] if mine else None,
    }
