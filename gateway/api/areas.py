"""The tree of areas, as far as the caller may see it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api.access import Caller, permitted_area, record
from gateway.api.answers import Area, CreatedArea, Listing
from gateway.api.errors import not_found
from gateway.api.services import ServicesDep
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.areas import within
from gateway.people.authorize import AreaPlace
from gateway.people.roles import Right

router = APIRouter(prefix="/api/areas", tags=["areas"])


class AreaForm(BaseModel):
    """An area as it is created; without ``parent_id`` it is a root."""

    parent_id: str | None = Field(default=None, max_length=40)
    name: str = Field(min_length=1, max_length=200)
    code: str | None = Field(default=None, max_length=40)
    position: int = Field(default=0, ge=0, le=1_000_000)


class AreaChange(BaseModel):
    """What of an area changes; absent fields stay."""

    parent_id: str | None = Field(default=None, max_length=40)
    name: str | None = Field(default=None, min_length=1, max_length=200)
    code: str | None = Field(default=None, max_length=40)
    position: int | None = Field(default=None, ge=0, le=1_000_000)


@router.get("", response_model=Listing[Area])
async def list_areas(
    caller: Caller, services: ServicesDep, parent_id: str | None = None
) -> dict[str, Any]:
    """The areas below ``parent_id``; without it, the topmost that the caller may see."""
    visible = caller.areas_with(None, now_us())
    below = areas.alias("below")
    child_count = (
        sa.select(sa.func.count())
        .where(below.c.parent_id == areas.c.id)
        .correlate(areas)
        .scalar_subquery()
    )
    inside = areas.alias("inside")
    camera_count = (
        sa.select(sa.func.count())
        .select_from(cameras.join(inside, inside.c.id == cameras.c.area_id))
        # The subtree, as in gateway.people.areas.subtree, with a path from the outer row.
        .where(
            cameras.c.deleted_us.is_(None),
            inside.c.path >= areas.c.path,
            inside.c.path < areas.c.path + "~",
        )
        .correlate(areas)
        .scalar_subquery()
    )
    statement = sa.select(
        areas.c.id,
        areas.c.parent_id,
        areas.c.name,
        areas.c.code,
        child_count.label("child_count"),
        camera_count.label("camera_count"),
    ).order_by(areas.c.position, areas.c.name, areas.c.id)
    if parent_id is not None:
        statement = statement.where(areas.c.parent_id == parent_id, within(areas.c.path, visible))
    elif visible == [""]:
        statement = statement.where(areas.c.parent_id.is_(None))
    else:
        statement = statement.where(areas.c.path.in_(visible))
    async with services.reader.connect() as connection:
        if parent_id is not None:
            path = await connection.scalar(sa.select(areas.c.path).where(areas.c.id == parent_id))
            if path is None or not caller.rights_at(AreaPlace(path), now_us()):
                raise not_found("area")
        rows = (await connection.execute(statement)).mappings().all()
    return {"items": [dict(row) for row in rows]}


@router.post("", status_code=201, response_model=CreatedArea)
async def create_area(
    body: AreaForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add an area below one that the caller configures."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.parent_id)
    area_id = await services.rows.write("areas.create", **body.model_dump())
    await record(services, request, caller, "area.create", area=path, id=area_id, name=body.name)
    return {"id": area_id, "parent_id": body.parent_id, "name": body.name, "code": body.code}


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
    if "parent_id" in given:
        await services.rows.write("areas.move", area_id=area_id, parent_id=given.pop("parent_id"))
    await services.rows.write("areas.change", area_id=area_id, **given)
    await record(
        services,
        request,
        caller,
        "area.change",
        area=path,
        changed=body.model_dump(exclude_unset=True),
    )


@router.delete("/{area_id}", status_code=204)
async def delete_area(
    area_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Delete an empty area."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, area_id)
    await services.rows.write("areas.delete", area_id=area_id)
    await record(services, request, caller, "area.delete", area=path)
