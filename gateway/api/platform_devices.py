"""What can be asked of a device, through signalling: its facts, its clock, a restart, a search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.access import Caller, act, check, permitted_areas, permitted_camera, record
from gateway.api.answers import Listing
from gateway.api.errors import ApiError, invalid
from gateway.api.json_lines import json_line, json_lines
from gateway.api.platform_answers import Applicant, DeviceTime, EncoderStreams, Platform, Probed
from gateway.api.platforms import permitted_platform, platform_documents
from gateway.api.reach import require_reach
from gateway.api.services import Services, ServicesDep
from gateway.control.channel import ControlError
from gateway.database.platform_tables import platform_applicants, platforms
from gateway.database.tables import areas
from gateway.people.areas import within
from gateway.people.authorize import COUNTY
from gateway.people.roles import Right
from gateway.platforms.operations import REFUSALS
from gateway.platforms.options import ServicePath

router = APIRouter(prefix="/api", tags=["devices and platforms"])


class ProbeForm(BaseModel):
    """A device to ask once."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: Literal["onvif"]
    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=80, ge=1, le=65535)
    username: str | None = Field(default=None, max_length=200)
    password: str | None = Field(default=None, max_length=200)
    service_path: ServicePath | None = None


class Target(BaseModel):
    """One device of many."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=80, ge=1, le=65535)
    service_path: ServicePath | None = None


class ProbeManyForm(BaseModel):
    """Devices that are to be asked with one account."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["onvif"]
    targets: list[Target] = Field(min_length=1, max_length=1000)
    username: str = Field(max_length=200)
    password: str = Field(max_length=200)


class DiscoveryForm(BaseModel):
    """Where to look; what is left out is as the settings say."""

    model_config = ConfigDict(extra="forbid")

    interfaces: list[Annotated[str, Field(max_length=64)]] | None = Field(None, max_length=64)
    ranges: list[Annotated[str, Field(max_length=64)]] | None = Field(None, max_length=1000)
    ports: list[Annotated[int, Field(ge=1, le=65535)]] | None = Field(None, max_length=16)
    rate_per_s: int | None = Field(None, ge=1, le=1000)


class EncoderForm(BaseModel):
    """What of a stream's settings changes."""

    model_config = ConfigDict(extra="forbid")

    variant: Literal["main", "sub"]
    codec: Literal["h264", "h265"] | None = None
    width: int | None = Field(None, ge=16, le=16384)
    height: int | None = Field(None, ge=16, le=16384)
    frames_per_second: float | None = Field(None, gt=0, le=240)
    bitrate_bps: int | None = Field(None, ge=8000, le=200_000_000)
    gop_pictures: int | None = Field(None, ge=1, le=10_000)


async def ask_device(services: Services, call: str, **arguments: Any) -> Any:
    """A call of signalling. Raises ApiError 409 with the device's refusal, 503 when signalling is
    away.
    """
    try:
        return await services.processes.client("signalling").call(call, **arguments)
    except ControlError as error:
        raise device_refusal(error) from None


def device_refusal(error: ControlError) -> ApiError:
    """What a device refused, as an answer."""
    # What a device says itself; anything else is the gateway's own trouble.
    if error.code in REFUSALS:
        return ApiError(409, error.code, str(error))
    if error.code == "invalid":
        return ApiError(422, "invalid", str(error))
    if error.code == "unknown_call":
        return ApiError(409, "unsupported", "this is switched off in the gateway's settings")
    return ApiError(503, "unavailable", "signalling could not do this: try again")


@router.post("/platforms/{platform_id}/refresh", response_model=Platform)
async def refresh(
    platform_id: str, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Fetch facts and channels now."""
    async with services.reader.connect() as connection:
        row = await permitted_platform(connection, caller, platform_id)
    await record(
        services, request, caller, "platform.refresh",
        area=row.area_path, id=platform_id, name=row.name,
    )  # fmt: skip
    await ask_device(services, "platforms.refresh", platform_id=platform_id)
    async with services.reader.connect() as connection:
        return (await platform_documents(connection, [platform_id]))[0]


@router.get("/platforms/{platform_id}/time", response_model=DeviceTime)
async def read_time(platform_id: str, caller: Caller, services: ServicesDep) -> Any:
    """Its clock, asked now."""
    async with services.reader.connect() as connection:
        await permitted_platform(connection, caller, platform_id)
    return await ask_device(services, "device.time", platform_id=platform_id)


@router.post("/platforms/{platform_id}/time", response_model=DeviceTime)
async def set_time(
    platform_id: str, caller: Caller, request: Request, services: ServicesDep
) -> Any:
    """Set its clock to ours. On record, with how far it was away, before it is done."""
    async with services.reader.connect() as connection:
        row = await permitted_platform(connection, caller, platform_id)
    before = await ask_device(services, "device.time", platform_id=platform_id)
    await record(
        services, request, caller, "platform.set_time", area=row.area_path,
        id=platform_id, name=row.name, offset_us=before["offset_us"],
    )  # fmt: skip
    await ask_device(services, "device.set_time", platform_id=platform_id)
    return await ask_device(services, "device.time", platform_id=platform_id)


@router.post("/platforms/{platform_id}/reboot", status_code=204)
async def reboot(platform_id: str, caller: Caller, request: Request, services: ServicesDep) -> None:
    """Start the device anew. On record before it is done: it may take the network with it."""
    async with services.reader.connect() as connection:
        row = await permitted_platform(connection, caller, platform_id)
    await record(
        services, request, caller, "platform.reboot",
        area=row.area_path, id=platform_id, name=row.name,
    )  # fmt: skip
    await ask_device(services, "device.reboot", platform_id=platform_id)


@router.post("/platforms/probe", response_model=Probed)
async def probe(body: ProbeForm, caller: Caller, request: Request, services: ServicesDep) -> Any:
    """Ask a device that is not known yet what it is: one try of the password."""
    permitted_areas(caller, Right.CONFIGURE)
    require_reach(caller, [body.host])
    await record(
        services, request, caller, "platform.probe", kind=body.kind, host=body.host, port=body.port
    )
    return await ask_device(services, "platforms.probe", **body.model_dump())


@router.post("/platforms/probe-many")
async def probe_many(
    body: ProbeManyForm, caller: Caller, request: Request, services: ServicesDep
) -> StreamingResponse:
    """Try one account at many devices, at one of them first: JSON lines as they answer. Which
    devices are given the password is on record before. Ends when the request is closed.
    """
    permitted_areas(caller, Right.CONFIGURE)
    require_reach(caller, [one.host for one in body.targets])
    await record(
        services, request, caller, "platform.probe_many", kind=body.kind, username=body.username,
        targets=[f"{one.host}:{one.port}" for one in body.targets],
    )  # fmt: skip
    return _lines(
        services, "platforms.probe_many",
        **body.model_dump(include={"targets", "username", "password"}),
    )  # fmt: skip


@router.post("/platforms/discovery")
async def discover(
    body: DiscoveryForm, caller: Caller, request: Request, services: ServicesDep
) -> StreamingResponse:
    """Look for devices: JSON lines as they are found. Ends when the request is closed."""
    paths = permitted_areas(caller, Right.CONFIGURE)
    require_reach(caller, body.ranges or [])
    given = body.model_dump(exclude_none=True)
    if "" not in paths and "rate_per_s" in given:
        # How fast the county's network may be searched is not a village's business.
        given["rate_per_s"] = min(given["rate_per_s"], services.settings.onvif.rate_per_s)
    await record(services, request, caller, "platform.discovery", **given)
    known = await _known_hosts(services, paths)

    def name_known(item: dict[str, Any]) -> None:
        if item["type"] == "found":
            item["known"] = known.get((item["host"], item["port"]))

    return _lines(services, "platforms.discover", name_known, **given)


@router.get("/platforms/applicants", response_model=Listing[Applicant])
async def list_applicants(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Who knocked without being known, the newest first."""
    check(caller, Right.SYSTEM, COUNTY)
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(platform_applicants).order_by(platform_applicants.c.last_us.desc())
        )
        return {"items": [dict(row) for row in rows.mappings()]}


@router.delete("/platforms/applicants/{kind}/{code}", status_code=204)
async def forget_applicant(
    kind: str, code: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Forget one; it is listed again when it knocks again."""
    check(caller, Right.SYSTEM, COUNTY)
    await act(
        services, request, caller, "platform.forget_applicant", "platforms.forget_applicant",
        {"kind": kind, "code": code}, detail={"kind": kind, "code": code},
    )  # fmt: skip


@router.get("/cameras/{camera_id}/encoder", response_model=EncoderStreams)
async def read_encoder(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What its streams are set to, asked now."""
    async with services.reader.connect() as connection:
        await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    return {"streams": await ask_device(services, "device.encoder", camera_id=camera_id)}


@router.patch("/cameras/{camera_id}/encoder", response_model=EncoderStreams)
async def set_encoder(
    camera_id: str, body: EncoderForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Change a stream's settings in the device."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    settings = body.model_dump(exclude_none=True, exclude={"variant"})
    if not settings:
        raise invalid(variant="say what shall change")
    await record(
        services, request, caller, "camera.encoder",
        cameras=[camera], variant=body.variant, **settings,
    )  # fmt: skip
    await ask_device(
        services, "device.set_encoder",
        camera_id=camera_id, variant=body.variant, settings=settings,
    )  # fmt: skip
    return {"streams": await ask_device(services, "device.encoder", camera_id=camera_id)}


async def _known_hosts(
    services: Services, paths: Sequence[str]
) -> dict[tuple[str, int | None], str]:
    """Those that the caller configures: others are nobody's business."""
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(platforms.c.host, platforms.c.port, platforms.c.id)
            .join(areas, areas.c.id == platforms.c.area_id)
            .where(
                platforms.c.kind == "onvif",
                platforms.c.deleted_us.is_(None),
                within(areas.c.path, paths),
            )
        )
        return {(row.host, row.port): row.id for row in rows}


def _lines(
    services: Services,
    call: str,
    complete: Callable[[dict[str, Any]], None] = lambda item: None,
    **arguments: Any,
) -> StreamingResponse:
    """What signalling tells, as JSON lines; what goes wrong is the last one."""
    client = services.processes.client("signalling")

    async def told() -> AsyncIterator[bytes]:
        try:
            async with client.stream(call, **arguments) as items:
                async for item in items:
                    complete(item)
                    yield json_line(item)
        except ControlError as error:
            refusal = device_refusal(error)
            yield json_line({"type": "error", "code": refusal.code, "message": str(refusal)})
        except (ConnectionError, TimeoutError):
            message = "signalling is being restarted: try again"
            yield json_line({"type": "error", "code": "unavailable", "message": message})

    return json_lines(told())
