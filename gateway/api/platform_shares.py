"""What a platform above us is given, and the codes by which it knows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act
from gateway.api.answers import TimeUs
from gateway.api.errors import ApiError
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.platforms import permitted_platform, signalling_changed
from gateway.api.services import ServicesDep
from gateway.database.cascade_tables import platform_codes, platform_shares
from gateway.database.tables import areas, cameras
from gateway.people.areas import area_names, cameras_within
from gateway.people.authorize import Principal

# 'above_id' is the id of a platform above us; those below are given nothing.
router = APIRouter(prefix="/api/platforms/{above_id}", tags=["devices and platforms"])

PLACES_LIMIT = 2000


class SharesForm(BaseModel):
    """Exactly what it is given: areas with all below them, now and later, and single cameras."""

    model_config = ConfigDict(extra="forbid")

    area_ids: list[Annotated[str, Field(max_length=40)]] = Field(max_length=PLACES_LIMIT)
    camera_ids: list[Annotated[str, Field(max_length=40)]] = Field(max_length=PLACES_LIMIT)


class Share(BaseModel):
    """One area or camera that is given; ``area_path`` are names from the top."""

    area_id: str | None
    camera_id: str | None
    name: str
    area_path: list[str]
    shared_us: TimeUs
    shared_by: str


class Shares(BaseModel):
    """``cameras``: how many cameras that are, each counted once."""

    items: list[Share]
    cameras: int


class CodeForm(BaseModel):
    """The code that the platform above has chosen for something of ours."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["area", "camera"]
    id: str = Field(max_length=40)
    code: str = Field(pattern=r"^[0-9]{20}$")


class GivenCode(BaseModel):
    """By which code it knows something; what is not shared any more keeps its code."""

    kind: Literal["group", "area", "camera"]
    id: str
    name: str
    code: str


class GivenCodes(BaseModel):
    """A page of them, by code."""

    items: list[GivenCode]
    next_cursor: str | None


@router.get("/shares", response_model=Shares)
async def read_shares(above_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What it is given now."""
    async with services.reader.connect() as connection:
        await _permitted_above(connection, caller, above_id)
        return await _shares(connection, above_id)


@router.put("/shares", response_model=Shares)
async def put_shares(
    above_id: str, body: SharesForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Give it exactly this. What it is watching of the rest ends at once."""
    async with services.reader.connect() as connection:
        row = await _permitted_above(connection, caller, above_id)
    await act(
        services, request, caller, "platform.share", "platforms.share",
        {
            "platform_id": above_id,
            "area_ids": body.area_ids,
            "camera_ids": body.camera_ids,
            "user_id": caller.user_id,
            "user_name": caller.name,
        },
        area=row.area_path,
        result_as="changed",
        detail={
            "id": above_id,
            "name": row.name,
            "area_ids": sorted(body.area_ids),
            "camera_ids": sorted(body.camera_ids),
        },
    )  # fmt: skip
    await signalling_changed(services)
    async with services.reader.connect() as connection:
        return await _shares(connection, above_id)


@router.get("/codes", response_model=GivenCodes)
async def list_codes(
    above_id: str,
    caller: Caller,
    services: ServicesDep,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """The codes that were ever given for it. ``query`` finds code and name."""
    table = platform_codes
    name = sa.func.coalesce(areas.c.name, cameras.c.name, "")
    where = [table.c.platform_id == above_id]
    if query:
        where.append(
            table.c.code.icontains(query, autoescape=True) | name.icontains(query, autoescape=True)
        )
    key = read_cursor(cursor, 1)
    if key is not None:
        where.append(table.c.code > key[0])
    of_area = sa.and_(table.c.item_kind == "area", areas.c.id == table.c.item_id)
    of_camera = sa.and_(table.c.item_kind == "camera", cameras.c.id == table.c.item_id)
    statement = (
        sa.select(table.c.item_kind, table.c.item_id, table.c.code, name.label("name"))
        .select_from(table.outerjoin(areas, of_area).outerjoin(cameras, of_camera))
        .where(*where)
        .order_by(table.c.code)
        .limit(limit + 1)
    )
    async with services.reader.connect() as connection:
        await _permitted_above(connection, caller, above_id)
        rows = (await connection.execute(statement)).all()
    items = [
        {"kind": row.item_kind, "id": row.item_id, "name": row.name, "code": row.code}
        for row in rows[:limit]
    ]
    last = items[-1]["code"] if len(rows) > limit else None
    return {"items": items, "next_cursor": write_cursor((last,)) if last else None}


@router.put("/codes", status_code=204)
async def set_code(
    above_id: str, body: CodeForm, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Exchange the code of an area or camera for the one that the platform above has chosen."""
    async with services.reader.connect() as connection:
        row = await _permitted_above(connection, caller, above_id)
    await act(
        services, request, caller, "platform.code", "platforms.code",
        {"platform_id": above_id, "kind": body.kind, "item_id": body.id, "code": body.code},
        area=row.area_path,
        detail={"id": above_id, "name": row.name, "kind": body.kind, "of": body.id,
                "code": body.code},
    )  # fmt: skip
    await signalling_changed(services)


async def _permitted_above(
    connection: AsyncConnection, caller: Principal, platform_id: str
) -> sa.Row[Any]:
    row = await permitted_platform(connection, caller, platform_id)
    if row.direction != "above":
        raise ApiError(409, "not_above", "this platform is below us: it is given nothing")
    return row


async def _shares(connection: AsyncConnection, platform_id: str) -> dict[str, Any]:
    table = platform_shares
    home = areas.alias("home")
    rows = (
        await connection.execute(
            sa.select(
                table,
                sa.func.coalesce(areas.c.name, cameras.c.name).label("name"),
                sa.func.coalesce(areas.c.path, home.c.path).label("path"),
            )
            .select_from(
                table.outerjoin(areas, areas.c.id == table.c.area_id)
                .outerjoin(cameras, cameras.c.id == table.c.camera_id)
                .outerjoin(home, home.c.id == cameras.c.area_id)
            )
            .where(table.c.platform_id == platform_id)
            .order_by(table.c.area_id.is_(None), sa.literal_column("path"), "name")
        )
    ).all()
    names = await area_names(connection, [row.path or "" for row in rows])
    paths = [row.path for row in rows if row.area_id is not None]
    single = [row.camera_id for row in rows if row.camera_id is not None]
    shared = sa.or_(cameras_within(paths) if paths else sa.false(), cameras.c.id.in_(single))
    total = await connection.scalar(
        sa.select(sa.func.count())
        .select_from(cameras)
        .where(cameras.c.deleted_us.is_(None), shared)
    )
    return {
        "items": [
            {
                "area_id": row.area_id,
                "camera_id": row.camera_id,
                "name": row.name,
                "area_path": names.get(row.path or "", []),
                "shared_us": row.created_us,
                "shared_by": row.user_name,
            }
            for row in rows
        ],
        "cameras": total or 0,
    }
