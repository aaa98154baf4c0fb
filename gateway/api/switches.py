"""Switches: which cameras hang on which, so that one failing is one alarm."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, check, permitted_area, permitted_areas
from gateway.api.answers import Listing
from gateway.api.errors import invalid, not_found
from gateway.api.operating_answers import SwitchAnswer
from gateway.api.services import Services, ServicesDep
from gateway.cameras import find_cameras
from gateway.database.operating_tables import switches
from gateway.database.tables import areas
from gateway.people.areas import area_names, within
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/switches", tags=["alarms"])

_SHOWN = (
    "id", "name", "area_id", "networks", "camera_ids", "management_host", "management_port",
)  # fmt: skip
_CAMERAS_LIMIT = 2000


class SwitchForm(BaseModel):
    """A switch and what is behind it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=200)
    area_id: str = Field(max_length=40)
    networks: list[Annotated[str, Field(max_length=50)]] = Field(
        default_factory=list, max_length=64
    )
    camera_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        default_factory=list, max_length=_CAMERAS_LIMIT
    )
    management_host: str | None = Field(default=None, min_length=1, max_length=255)
    management_port: int | None = Field(default=None, ge=1, le=65535)

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        return [str(_network(one)) for one in networks]

    @field_validator("management_host")
    @classmethod
    def _is_host(cls, host: str | None) -> str | None:
        if host is not None and not all(one.isalnum() or one in ".-:_" for one in host):
            raise ValueError("give a host name or an address")
        return host


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text[:50]} is no network: write it as 10.1.2.0/24") from None


@router.get("", response_model=Listing[SwitchAnswer])
async def list_switches(
    caller: Caller,
    services: ServicesDep,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """Those in the caller's areas, by name."""
    paths = permitted_areas(caller, Right.CONFIGURE)
    async with services.reader.connect() as connection:
        if area_id is not None:
            paths = [await permitted_area(connection, caller, Right.CONFIGURE, area_id)]
        rows = await connection.execute(
            _select().where(within(areas.c.path, paths)).order_by(switches.c.name, switches.c.id)
        )
        return {"items": await _documents(connection, services, list(rows))}


@router.post("", status_code=201, response_model=SwitchAnswer)
async def create_switch(
    body: SwitchForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add one."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
        await _require_cameras(connection, caller, body.camera_ids)
    switch_id = await act(
        services, request, caller, "switch.create", "switches.create",
        {"columns": body.model_dump()}, area=path, detail=_told(body), result_as="id",
    )  # fmt: skip
    return await _one(services, switch_id)


@router.put("/{switch_id}", response_model=SwitchAnswer)
async def change_switch(
    switch_id: str, body: SwitchForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Replace what is known of it."""
    async with services.reader.connect() as connection:
        row = await _switch(connection, caller, switch_id)
        await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
        added = sorted(set(body.camera_ids) - set(row.camera_ids))
        await _require_cameras(connection, caller, added)
    await act(
        services, request, caller, "switch.change", "switches.change",
        {"switch_id": switch_id, "columns": body.model_dump()},
        area=row.path, detail={"id": switch_id, **_told(body)},
    )  # fmt: skip
    return await _one(services, switch_id)


@router.delete("/{switch_id}", status_code=204)
async def delete_switch(
    switch_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Remove it; its alarm ends by itself."""
    async with services.reader.connect() as connection:
        row = await _switch(connection, caller, switch_id)
    await act(
        services, request, caller, "switch.delete", "switches.delete",
        {"switch_id": switch_id}, area=row.path, detail={"id": switch_id, "name": row.name},
    )  # fmt: skip


def _told(body: SwitchForm) -> dict[str, Any]:
    return {
        "name": body.name,
        "networks": body.networks,
        "cameras": len(body.camera_ids),
        "management_host": body.management_host,
    }


async def _require_cameras(
    connection: AsyncConnection, caller: Principal, camera_ids: list[str]
) -> None:
    found = await find_cameras(connection, camera_ids, deleted=True)
    for camera_id in camera_ids:
        if camera_id not in found:
            raise invalid(camera_ids=f"there is no camera {camera_id}")
        check(caller, Right.CONFIGURE, found[camera_id])


def _select() -> sa.Select[Any]:
    return sa.select(switches, areas.c.path).join(areas, areas.c.id == switches.c.area_id)


async def _switch(connection: AsyncConnection, caller: Principal, switch_id: str) -> sa.Row[Any]:
    found = await connection.execute(_select().where(switches.c.id == switch_id))
    row: sa.Row[Any] | None = found.one_or_none()
    if row is None:
        raise not_found("switch")
    check(caller, Right.CONFIGURE, AreaPlace(row.path))
    return row


async def _one(services: Services, switch_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        rows = list(await connection.execute(_select().where(switches.c.id == switch_id)))
        if not rows:
            raise not_found("switch")
        return (await _documents(connection, services, rows))[0]


async def _documents(
    connection: AsyncConnection, services: Services, rows: list[sa.Row[Any]]
) -> list[dict[str, Any]]:
    names = await area_names(connection, [row.path for row in rows])
    watch = services.alarm_watch
    documents = []
    for row in rows:
        group = watch.topology.group(f"switch:{row.id}")
        members = group.cameras if group is not None else frozenset()
        failed, known = watch.failed(members)
        alarm = watch.is_down(row.id)
        asked = watch.management.get(row.id)
        up = "up" if known else "unknown"
        documents.append(
            {
                **{name: row._mapping[name] for name in _SHOWN},
                "area_path": names[row.path],
                "cameras": len(members),
                "failed": failed,
                "state": up if alarm is None else "down",
                "since_us": None if alarm is None else alarm.begin_us,
                "management": None
                if asked is None
                else {"reachable": asked.reachable, "at_us": asked.at_us},
            }
        )
    return documents
