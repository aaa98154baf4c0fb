"""The trees of areas, as far as the caller may see them."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from gateway.api.access import Caller, act, permitted_area, visible_area
from gateway.api.answers import Area, CreatedArea, FoundArea, Listing
from gateway.api.services import ServicesDep
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.people.area_codes import Axis
from gateway.people.area_tree import read_children, read_roots, search_areas
from gateway.people.roles import Right

router = APIRouter(prefix="/api/areas", tags=["areas"])

_NAME = r"^[^\x00-\x1f/\\]+$"


class AreaForm(BaseModel):
    """An area as it is created; without ``parent_id`` it is a root, of the axis ``area`` unless
    another is given. Children stand on their parent's axis.
    """

    parent_id: str | None = Field(default=None, max_length=40)
    axis: Axis | None = None
    name: str = Field(min_length=1, max_length=200, pattern=_NAME)
    code: str | None = Field(default=None, max_length=40)
    position: int = Field(default=0, ge=0, le=1_000_000)


class AreaChange(BaseModel):
    """What of an area changes; absent fields stay. The code "" takes it away."""

    parent_id: str | None = Field(default=None, max_length=40)
    name: str | None = Field(default=None, min_length=1, max_length=200, pattern=_NAME)
    code: str | None = Field(default=None, max_length=40)
    position: int | None = Field(default=None, ge=0, le=1_000_000)


@router.get("", response_model=Listing[Area])
async def list_areas(
    caller: Caller,
    services: ServicesDep,
    parent_id: Annotated[str | None, Query(max_length=40)] = None,
    axis: Axis = "area",
) -> dict[str, Any]:
    """The areas below ``parent_id``; without it, the axis' topmost that the caller may see."""
    visible = caller.areas_with(None, now_us())
    async with services.reader.connect() as connection:
        if parent_id is None:
            return {"items": await read_roots(connection, visible, axis)}
        await visible_area(connection, caller, parent_id)
        return {"items": await read_children(connection, visible, parent_id)}


@router.get("/search", response_model=Listing[FoundArea])
async def find_areas(
    caller: Caller,
    services: ServicesDep,
    query: Annotated[str, Query(min_length=1, max_length=100)],
    axis: Axis | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """Areas by name, pinyin, its initials, and code; best first."""
    visible = caller.areas_with(None, now_us())
    async with services.reader.connect() as connection:
        return {"items": await search_areas(connection, visible, query, axis, limit)}


@router.post("", status_code=201, response_model=CreatedArea)
async def create_area(
    body: AreaForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add an area below one that the caller configures."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.parent_id)
    area_id = await act(
        services, request, caller, "area.create", "areas.create", body.model_dump(),
        area=path, result_as="id", detail={"name": body.name, "code": body.code},
    )  # fmt: skip
    async with services.reader.connect() as connection:
        (axis,) = (
            await connection.execute(sa.select(areas.c.axis).where(areas.c.id == area_id))
        ).one()
    return {"id": area_id, "axis": axis, **body.model_dump(include={"parent_id", "name", "code"})}


@router.patch("/{area_id}", status_code=204)
async def change_area(
    area_id: str, body: AreaChange, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Rename, reorder, or move an area; a move needs the right at both ends."""
    given = body.model_dump(exclude_unset=True)
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, area_id)
        if "parent_id" in given:
            await permitted_area(connection, caller, Right.CONFIGURE, body.parent_id)
    arguments = {"area_id": area_id, "given": given}
    await act(
        services, request, caller, "area.change", "areas.edit", arguments,
        area=path, detail={"changed": given},
    )  # fmt: skip


@router.delete("/{area_id}", status_code=204)
async def delete_area(
    area_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Delete an empty area."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, area_id)
    await act(
        services, request, caller, "area.delete", "areas.delete", {"area_id": area_id}, area=path
    )
