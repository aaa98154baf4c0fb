"""Who is responsible for what: categories of incidents and their limits, units and their people."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, check, not_there, permitted_area
from gateway.api.answers import Listing
from gateway.api.errors import AccessRefused, ApiError
from gateway.api.forms import Form
from gateway.api.incident_answers import CategoryAnswer, LimitAnswer, Named, UnitAnswer
from gateway.api.incident_forms import Identifier
from gateway.api.services import ServicesDep
from gateway.database.incident_tables import (
    incident_categories,
    incidents,
    unit_members,
    units,
)
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_names
from gateway.people.authorize import COUNTY, Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api", tags=["incidents"])

# Whoever has to do with incidents chooses among units and categories.
_CHOOSING = frozenset(
    {Right.INCIDENTS, Right.HANDLE, Right.DISPATCH, Right.REPORT, Right.USERS, Right.CONFIGURE}
)
_YEAR_US = 366 * 24 * 3600 * US_PER_S
Limit = LimitAnswer | None


class LimitForm(Form):
    """A time from the opening on."""

    us: int = Field(ge=60 * US_PER_S, le=_YEAR_US)
    working: bool = False
    yellow_us: int = Field(default=0, ge=0, le=_YEAR_US)


class CategoryForm(Form):
    """A kind of incident; null: no limit."""

    name: str = Field(min_length=1, max_length=100)
    arrive: LimitForm | None = None
    resolve: LimitForm | None = None


class CategoryChange(Form):
    """What changes; absent fields stay."""

    name: str = Field(default="", min_length=1, max_length=100)
    position: int = Field(default=0, ge=0, le=10_000)
    arrive: LimitForm | None = None
    resolve: LimitForm | None = None
    retired: bool = False


class UnitForm(Form):
    """A unit, responsible for an area."""

    name: str = Field(min_length=1, max_length=200)
    area_id: Identifier
    parent_id: Identifier | None = None
    category_ids: Annotated[list[Identifier], Field(min_length=1, max_length=100)] | None = None
    phone: str | None = Field(default=None, max_length=40)
    member_ids: Annotated[list[Identifier], Field(max_length=500)] = Field(default_factory=list)


class UnitChange(Form):
    """What changes; absent fields stay."""

    name: str = Field(default="", min_length=1, max_length=200)
    area_id: Identifier = "-"
    parent_id: Identifier | None = None
    category_ids: Annotated[list[Identifier], Field(min_length=1, max_length=100)] | None = None
    phone: str | None = Field(default=None, max_length=40)
    member_ids: Annotated[list[Identifier], Field(max_length=500)] = Field(default_factory=list)


def may_choose(caller: Principal) -> None:
    """Raises ApiError 403 for who has nothing to do with incidents."""
    if not _CHOOSING & caller.all_rights(now_us()):
        refused = ApiError(403, "not_allowed", "you have nothing to do with incidents")
        raise AccessRefused(refused, caller, Right.INCIDENTS, COUNTY)


@router.get("/incident-categories", response_model=Listing[CategoryAnswer])
async def list_categories(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """All of them, in their order; also those that are not offered any more."""
    may_choose(caller)
    table = incident_categories
    async with services.reader.connect() as connection:
        rows = await connection.execute(sa.select(table).order_by(table.c.position, table.c.id))
        return {"items": [dict(row._mapping) for row in rows]}


@router.post("/incident-categories", status_code=201, response_model=CategoryAnswer)
async def add_category(
    body: CategoryForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """One more, for the whole county."""
    check(caller, Right.CONFIGURE, COUNTY)
    category_id = await act(
        services, request, caller, "incident_category.add", "incident_categories.put",
        {"category_id": None, "columns": body.model_dump()},
        result_as="category", detail={"name": body.name},
    )  # fmt: skip
    return await _category(services, category_id)


@router.patch("/incident-categories/{category_id}", response_model=CategoryAnswer)
async def change_category(
    category_id: str, body: CategoryChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Its name, its limits for what is opened from now on, or that it is not offered any more."""
    check(caller, Right.CONFIGURE, COUNTY)
    columns = body.model_dump(exclude_unset=True)
    if columns:
        await act(
            services, request, caller, "incident_category.change", "incident_categories.put",
            {"category_id": category_id, "columns": columns},
            detail={"category": category_id, **columns},
        )  # fmt: skip
    return await _category(services, category_id)


async def _category(services: ServicesDep, category_id: str) -> dict[str, Any]:
    table = incident_categories
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(sa.select(table).where(table.c.id == category_id))
        ).one_or_none()
    if row is None:
        raise not_there()
    return dict(row._mapping)


@router.get("/units", response_model=Listing[UnitAnswer])
async def list_units(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Every unit of the county: an incident may be handed over to any."""
    may_choose(caller)
    async with services.reader.connect() as connection:
        return {"items": await _units(connection)}


@router.post("/units", status_code=201, response_model=UnitAnswer)
async def add_unit(
    body: UnitForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """A unit of an area whose people the caller manages."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.USERS, body.area_id)
    unit_id = await act(
        services, request, caller, "unit.add", "units.put",
        {
            "unit_id": None,
            "columns": body.model_dump(exclude={"member_ids"}),
            "member_ids": body.member_ids,
        },
        area=path, result_as="unit", detail={"name": body.name, "members": body.member_ids},
    )  # fmt: skip
    return await _unit(services, unit_id)


@router.patch("/units/{unit_id}", response_model=UnitAnswer)
async def change_unit(
    unit_id: str, body: UnitChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Its name, its place, what it handles, its people."""
    path = await _own_unit(services, caller, unit_id)
    columns = body.model_dump(exclude_unset=True)
    if "area_id" in columns:
        async with services.reader.connect() as connection:
            await permitted_area(connection, caller, Right.USERS, body.area_id)
    members = columns.pop("member_ids", None)
    if columns or members is not None:
        await act(
            services, request, caller, "unit.change", "units.put",
            {"unit_id": unit_id, "columns": columns, "member_ids": members},
            area=path, detail={"unit": unit_id, **columns, "members": members},
        )  # fmt: skip
    return await _unit(services, unit_id)


@router.delete("/units/{unit_id}", status_code=204)
async def remove_unit(
    unit_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """A unit that has no incidents. 409 ``conflict`` for any other."""
    path = await _own_unit(services, caller, unit_id)
    await act(
        services, request, caller, "unit.delete", "units.delete", {"unit_id": unit_id},
        area=path, detail={"unit": unit_id},
    )  # fmt: skip


async def _own_unit(services: ServicesDep, caller: Principal, unit_id: str) -> str:
    async with services.reader.connect() as connection:
        area_id = await connection.scalar(sa.select(units.c.area_id).where(units.c.id == unit_id))
        if area_id is None:
            raise not_there()
        return await permitted_area(connection, caller, Right.USERS, area_id)


async def _unit(services: ServicesDep, unit_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        found = await _units(connection, unit_id)
    if not found:
        raise not_there()
    return found[0]


async def _units(connection: AsyncConnection, unit_id: str | None = None) -> list[dict[str, Any]]:
    statement = sa.select(units, areas.c.path).outerjoin(areas, areas.c.id == units.c.area_id)
    if unit_id is not None:
        statement = statement.where(units.c.id == unit_id)
    rows = (await connection.execute(statement.order_by(units.c.name, units.c.id))).all()
    members: dict[str, list[dict[str, Any]]] = {}
    for row in await connection.execute(
        sa.select(unit_members.c.unit_id, users.c.id, users.c.display_name, users.c.name)
        .join(users, users.c.id == unit_members.c.user_id)
        .where(unit_members.c.unit_id.in_([row.id for row in rows]))
        .order_by(users.c.display_name)
    ):
        name = row.display_name or row.name
        members.setdefault(row.unit_id, []).append(Named(id=row.id, name=name).model_dump())
    busy = await connection.execute(
        sa.select(incidents.c.unit_id, sa.func.count().label("many"))
        .where(incidents.c.closed_us.is_(None), incidents.c.unit_id.is_not(None))
        .group_by(incidents.c.unit_id)
    )
    under_way = {row.unit_id: row.many for row in busy}
    names = await area_names(connection, [row.path for row in rows if row.path])
    return [
        {
            "id": row.id,
            "name": row.name,
            "area_id": row.area_id,
            "area_names": names.get(row.path, []),
            "parent_id": row.parent_id,
            "category_ids": row.category_ids,
            "phone": row.phone,
            "members": members.get(row.id, []),
            "under_way": under_way.get(row.id, 0),
        }
        for row in rows
    ]
