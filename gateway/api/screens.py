"""Big screens: listed and shown to who sees live at their area, made by who configures there.

A screen names cameras; whoever shows it sees those that they may see anyway.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, check, not_there, permitted_area, permitted_areas
from gateway.api.answers import Listing
from gateway.api.screen_forms import ScreenAnswer, ScreenChange, ScreenForm, ScreenSummary
from gateway.api.services import Services, ServicesDep
from gateway.database.screen_tables import screens
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.people.areas import area_names, within
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/screens", tags=["screens"])

_ROWS = sa.select(screens, sa.func.coalesce(areas.c.path, "").label("path")).outerjoin(
    areas, areas.c.id == screens.c.area_id
)


@router.get("", response_model=Listing[ScreenSummary])
async def list_screens(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Those of areas where the caller sees live, by name."""
    paths = permitted_areas(caller, Right.LIVE)
    async with services.reader.connect() as connection:
        statement = _ROWS.where(within(sa.func.coalesce(areas.c.path, ""), paths))
        rows = (await connection.execute(statement.order_by(screens.c.name, screens.c.id))).all()
        names = await area_names(connection, [row.path for row in rows])
    return {"items": [_summary(caller, row, names) for row in rows]}


@router.post("", status_code=201, response_model=ScreenAnswer)
async def add_screen(
    body: ScreenForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """A screen of an area that the caller configures."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
    screen_id = await act(
        services, request, caller, "screen.add", "screens.add",
        {**_columns(body), "changed_by": caller.name},
        area=path, result_as="screen", detail={"name": body.name},
    )  # fmt: skip
    return await _read(services, caller, screen_id)


@router.get("/{screen_id}", response_model=ScreenAnswer)
async def read_screen(screen_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What it shows, for who sees live there."""
    return await _read(services, caller, screen_id)


@router.put("/{screen_id}", response_model=ScreenAnswer)
async def put_screen(
    screen_id: str, body: ScreenChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Arrange it anew. 409 ``conflict`` when somebody else was faster."""
    async with services.reader.connect() as connection:
        path = (await _permitted(connection, caller, Right.CONFIGURE, screen_id)).path
        await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
    await act(
        services, request, caller, "screen.change", "screens.put",
        {
            "screen_id": screen_id,
            "version": body.version,
            "columns": {**_columns(body), "changed_by": caller.name},
        },
        area=path, detail={"screen": screen_id, "name": body.name, "version": body.version + 1},
    )  # fmt: skip
    return await _read(services, caller, screen_id)


@router.delete("/{screen_id}", status_code=204)
async def remove_screen(
    screen_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Take it down."""
    async with services.reader.connect() as connection:
        row = await _permitted(connection, caller, Right.CONFIGURE, screen_id)
    await act(
        services, request, caller, "screen.delete", "screens.delete", {"screen_id": screen_id},
        area=row.path, detail={"screen": screen_id, "name": row.name},
    )  # fmt: skip


async def _permitted(
    connection: AsyncConnection, caller: Principal, right: Right, screen_id: str
) -> sa.Row[Any]:
    row = (await connection.execute(_ROWS.where(screens.c.id == screen_id))).one_or_none()
    if row is None:
        raise not_there()
    check(caller, right, AreaPlace(row.path))
    return row


async def _read(services: Services, caller: Principal, screen_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        row = await _permitted(connection, caller, Right.LIVE, screen_id)
        names = await area_names(connection, [row.path])
    return {**_summary(caller, row, names), **row.document}


def _summary(caller: Principal, row: sa.Row[Any], names: dict[str, list[str]]) -> dict[str, Any]:
    return {
        **{
            name: getattr(row, name)
            for name in ("id", "name", "area_id", "version", "changed_us", "changed_by")
        },
        "area_names": names.get(row.path, []),
        "may_change": Right.CONFIGURE in caller.rights_at(AreaPlace(row.path), now_us()),
    }


def _columns(body: ScreenForm) -> dict[str, Any]:
    return {
        "name": body.name,
        "area_id": body.area_id,
        "document": body.model_dump(include={"scenes", "tour_s", "alarm"}),
    }
