"""Duty desks: registered browsers, who is at home there, and what the next shift must know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import (
    Caller,
    CallerInPerson,
    act,
    check,
    permitted_area,
    permitted_camera,
)
from gateway.api.account_answers import Desk, DeskItem
from gateway.api.answers import Listing
from gateway.api.cookies import DESK_COOKIE, set_cookie
from gateway.api.errors import not_found
from gateway.api.opening import desk_here
from gateway.api.services import Services, ServicesDep
from gateway.database.account_tables import desk_items, desk_people, desks
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_path, within
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.known_devices import token_hash
from gateway.people.roles import Right
from gateway.people.sign_in import new_token

router = APIRouter(tags=["desks"])

_DESK_COOKIE_S = 400 * 24 * 3600


class DeskForm(BaseModel):
    """This browser, as a duty desk of an area."""

    name: str = Field(min_length=1, max_length=200)
    area_id: str = Field(max_length=40)


class DeskChange(BaseModel):
    """What of a desk changes; absent fields stay."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    area_id: str | None = Field(default=None, max_length=40)


class ItemForm(BaseModel):
    """What the next shift must know of."""

    text: str = Field(min_length=1, max_length=2000)
    camera_id: str | None = Field(default=None, max_length=40)
    at_us: int | None = Field(default=None, ge=0, lt=2**62)


class ResolutionForm(BaseModel):
    """How an item was done with."""

    resolution: str = Field(min_length=1, max_length=2000)


@router.get("/api/desks", response_model=Listing[Desk])
async def list_desks(
    caller: Caller,
    request: Request,
    services: ServicesDep,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """The desks of areas whose accounts the caller manages, and the one that this browser is."""
    paths = caller.areas_with(Right.USERS, now_us())
    async with services.reader.connect() as connection:
        here = await desk_here(connection, request)
        mine = desks.c.id == here.id if here is not None else sa.false()
        where: list[sa.ColumnElement[bool]] = [
            desks.c.removed_us.is_(None),
            within(areas.c.path, paths) | mine,
        ]
        if area_id is not None:
            where.append(desks.c.area_id == area_id)
        found = (
            await connection.execute(
                sa.select(desks)
                .select_from(desks.outerjoin(areas, areas.c.id == desks.c.area_id))
                .where(*where)
                .order_by(desks.c.name, desks.c.id)
            )
        ).all()
        return {"items": await desk_documents(connection, services, found)}


@router.post("/api/desks", status_code=201, response_model=Desk)
async def register_desk(
    body: DeskForm,
    caller: CallerInPerson,
    request: Request,
    response: Response,
    services: ServicesDep,
) -> dict[str, Any]:
    """Make the browser that asks a duty desk."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.USERS, body.area_id)
    token = new_token()
    desk_id = await act(
        services, request, caller, "desk.create", "desks.create",
        {
            "name": body.name,
            "area_id": body.area_id,
            "token_hash": token_hash(token),
            "registered_by": caller.user_id,
        },
        area=path,
        result_as="id",
        detail={"name": body.name},
    )  # fmt: skip
    set_cookie(request, response, DESK_COOKIE, token, max_age_s=_DESK_COOKIE_S)
    async with services.reader.connect() as connection:
        row = await _desk(connection, desk_id)
        return (await desk_documents(connection, services, [row]))[0]


@router.patch("/api/desks/{desk_id}", response_model=Desk)
async def change_desk(
    desk_id: str, body: DeskChange, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Name it otherwise, or count it to another area."""
    async with services.reader.connect() as connection:
        path = await _permitted(connection, caller, desk_id, Right.USERS)
        if body.area_id is not None:
            await permitted_area(connection, caller, Right.USERS, body.area_id)
    given = body.model_dump(exclude_none=True)
    await act(
        services, request, caller, "desk.change", "desks.change",
        {"desk_id": desk_id, **given},
        area=path,
        detail={"id": desk_id, **given},
    )  # fmt: skip
    async with services.reader.connect() as connection:
        row = await _desk(connection, desk_id)
        return (await desk_documents(connection, services, [row]))[0]


@router.delete("/api/desks/{desk_id}", status_code=204)
async def remove_desk(
    desk_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """No desk any more: nobody signs in there by PIN. Its hand-overs stay."""
    async with services.reader.connect() as connection:
        path = await _permitted(connection, caller, desk_id, Right.USERS)
    await act(
        services, request, caller, "desk.delete", "desks.remove",
        {"desk_id": desk_id},
        area=path,
        detail={"id": desk_id},
    )  # fmt: skip


@router.delete("/api/desks/{desk_id}/people/{user_id}", status_code=204)
async def forget_person(
    desk_id: str, user_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """They sign in there in full the next time."""
    async with services.reader.connect() as connection:
        path = await _permitted(connection, caller, desk_id, Right.USERS)
    await act(
        services, request, caller, "desk.forget_person", "desks.forget_person",
        {"desk_id": desk_id, "user_id": user_id},
        area=path,
        detail={"id": desk_id, "user_id": user_id},
    )  # fmt: skip


@router.get("/api/desks/{desk_id}/items", response_model=Listing[DeskItem])
async def list_items(
    desk_id: str,
    caller: Caller,
    services: ServicesDep,
    only_open: Annotated[bool, Query(alias="open")] = False,
) -> dict[str, Any]:
    """What was noted there, newest first; at most the last 500."""
    opener, closer = users.alias("opener"), users.alias("closer")
    table = desk_items
    async with services.reader.connect() as connection:
        await _permitted(connection, caller, desk_id, Right.LIVE)
        statement = (
            sa.select(
                *(table.c[name] for name in DeskItem.model_fields if not name.endswith("_by")),
                opener.c.name.label("opened_by"),
                closer.c.name.label("closed_by"),
            )
            .select_from(
                table.join(opener, opener.c.id == table.c.opened_by).outerjoin(
                    closer, closer.c.id == table.c.closed_by
                )
            )
            .where(table.c.desk_id == desk_id)
            .order_by(table.c.opened_us.desc(), table.c.id)
            .limit(500)
        )
        if only_open:
            statement = statement.where(table.c.closed_us.is_(None))
        return {"items": [dict(row) for row in (await connection.execute(statement)).mappings()]}


@router.post("/api/desks/{desk_id}/items", status_code=201, response_model=DeskItem)
async def open_item(
    desk_id: str, body: ItemForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Note something for the next shift."""
    async with services.reader.connect() as connection:
        path = await _permitted(connection, caller, desk_id, Right.LIVE)
        if body.camera_id is not None:
            await permitted_camera(connection, caller, Right.LIVE, body.camera_id)
    at_us = now_us()
    item_id = await act(
        services, request, caller, "desk.item", "desk_items.open",
        {"desk_id": desk_id, "opened_by": caller.user_id, **body.model_dump()},
        area=path,
        result_as="id",
        detail={"desk_id": desk_id},
    )  # fmt: skip
    return {
        "id": item_id,
        **body.model_dump(),
        "opened_us": at_us,
        "opened_by": caller.name,
        "closed_us": None,
        "closed_by": None,
        "resolution": None,
    }


@router.post("/api/desks/{desk_id}/items/{item_id}/close", status_code=204)
async def close_item(
    desk_id: str,
    item_id: str,
    body: ResolutionForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> None:
    """Say how it was done with."""
    async with services.reader.connect() as connection:
        path = await _permitted(connection, caller, desk_id, Right.LIVE)
    await act(
        services, request, caller, "desk.item_closed", "desk_items.close",
        {
            "desk_id": desk_id,
            "item_id": item_id,
            "closed_by": caller.user_id,
            "resolution": body.resolution,
        },
        area=path,
        detail={"desk_id": desk_id, "id": item_id},
    )  # fmt: skip


async def permitted_desk(
    connection: AsyncConnection, caller: Principal, desk_id: str, right: Right
) -> tuple[sa.Row[Any], str]:
    """The desk's row and its area's path, if the caller holds the right there."""
    row = await _desk(connection, desk_id)
    path = await area_path(connection, row.area_id) or ""
    check(caller, right, AreaPlace(path))
    return row, path


async def desk_documents(
    connection: AsyncConnection, services: Services, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    """``Desk`` of each row."""
    people: dict[str, list[dict[str, str]]] = defaultdict(list)
    found = await connection.execute(
        sa.select(
            desk_people.c.desk_id,
            users.c.id.label("user_id"),
            users.c.name,
            users.c.display_name,
        )
        .join(users, users.c.id == desk_people.c.user_id)
        .where(
            desk_people.c.desk_id.in_([row.id for row in rows]),
            desk_people.c.full_sign_in_us > full_since_us(services),
            users.c.enabled,
        )
        .order_by(users.c.name_key)
    )
    for person in found.mappings():
        people[person["desk_id"]].append(
            {name: value for name, value in person.items() if name != "desk_id"}
        )
    return [
        {
            **{name: getattr(row, name) for name in Desk.model_fields if name != "people"},
            "people": people[row.id],
        }
        for row in rows
    ]


async def _permitted(
    connection: AsyncConnection, caller: Principal, desk_id: str, right: Right
) -> str:
    return (await permitted_desk(connection, caller, desk_id, right))[1]


async def _desk(connection: AsyncConnection, desk_id: str) -> sa.Row[Any]:
    row = (
        await connection.execute(
            sa.select(desks).where(desks.c.id == desk_id, desks.c.removed_us.is_(None))
        )
    ).one_or_none()
    if row is None:
        raise not_found("desk")
    return row


def full_since_us(services: Services) -> int:
    """Who has signed in at a desk in full after this may use their PIN there."""
    days = services.settings.desks.full_sign_in_days
    return now_us() - round(days * 24 * 3600 * US_PER_S)
