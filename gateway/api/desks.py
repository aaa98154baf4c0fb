"""Duty desks: registered browsers, the quick switch by PIN, and what the next shift must know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import (
    SESSION_COOKIE,
    Caller,
    CallerInPerson,
    act,
    check,
    client_address,
    permitted_area,
    permitted_camera,
)
from gateway.api.account_answers import Desk, DeskItem, SwitchedSession
from gateway.api.answers import Listing
from gateway.api.cookies import DESK_COOKIE, set_cookie
from gateway.api.errors import ApiError, not_found, unavailable
from gateway.api.opening import desk_here, give_session, opening_of, session_of
from gateway.api.services import Services, ServicesDep
from gateway.api.taking_over import Watched, take_over, watched_under
from gateway.audit import AuditRecord, ReasonGiven, append
from gateway.database.account_tables import desk_items, desk_people, desks, pins, totp_secrets
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_path, within
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.grants import principal_of_user
from gateway.people.known_devices import token_hash
from gateway.people.passwords import TooBusy, verify_in_thread
from gateway.people.roles import AT_THE_DESK, Right
from gateway.people.sign_in import Lifetime, find_principal, new_token
from gateway.people.totp import peppered_pin
from recorder.rows import RowError

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


class SwitchForm(BaseModel):
    """Who sits down. ``purpose``: why they watch live, where it is asked and not said yet."""

    user_id: str = Field(max_length=40)
    pin: str = Field(min_length=1, max_length=40)
    purpose: Purpose | None = None


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


@router.post("/api/desk/switch", response_model=SwitchedSession)
async def switch(
    body: SwitchForm, request: Request, response: Response, services: ServicesDep
) -> dict[str, Any]:
    """Somebody else sits down at the desk: by PIN, while the wall goes on playing."""
    async with services.reader.connect() as connection:
        desk = await desk_here(connection, request)
        if desk is None:
            raise ApiError(403, "no_desk", "this browser is no duty desk: sign in with a password")
        path = await area_path(connection, desk.area_id) or ""
    await _require_pin(services, request, desk, path, body)
    lifetime = Lifetime.of(services.settings.sign_in)
    expires_us = now_us() + lifetime.idle_us
    token = new_token()
    async with services.reader.connect() as connection:
        known = await principal_of_user(connection, body.user_id, expires_us)
        enrolled = await connection.scalar(
            sa.select(totp_secrets.c.confirmed_us).where(totp_secrets.c.user_id == body.user_id)
        )
    asking = set(services.settings.sign_in.totp_roles)
    if (
        known is None
        or known.must_change_password
        or (enrolled is None and any(one.role in asking for one in known.grants))
    ):
        raise ApiError(403, "full_sign_in_required", "sign in here with your password first")
    successor = replace(
        known,
        token_hash=token_hash(token),
        scopes=AT_THE_DESK,
        desk_session=desk.id,
        desk_id=desk.id,
        method="pin",
    )
    opening = await opening_of(request, services)
    watched = Watched((), (), {})
    if opening.replaces is not None:
        watched = await watched_under(services, opening.replaces, successor)
    reason = ReasonGiven()
    if watched.kept or body.purpose is not None:
        reason = await require_purpose(
            services, successor, "live", body.purpose, address=opening.address
        )
    before = await find_principal(services.reader, request.cookies.get(SESSION_COOKIE, ""))
    record = AuditRecord(
        "session.open",
        user_id=successor.user_id,
        user_name=successor.name,
        address=opening.address,
        area_path=path,
        detail={
            "method": "pin",
            "desk_session": desk.id,
            "taken_over_from": before.user_id if before is not None else None,
        },
    )
    await services.rows.write(
        "sign_in.open",
        user_id=successor.user_id,
        token_hash=successor.token_hash,
        expires_us=expires_us,
        address=opening.address,
        user_agent=opening.user_agent,
        forgive=[],
        method="pin",
        desk_id=desk.id,
        replaces=opening.replaces,
        records=[record.to_message()],
    )
    kept, ended = await take_over(services, request, watched, successor, reason)
    principal = await find_principal(services.reader, token, services.settings)
    if principal is None:
        raise ApiError(401, "sign_in_required", "the account was changed meanwhile")
    give_session(request, response, services, token)
    return {
        **await session_of(services, principal),
        "kept": kept,
        "ended": ended,
    }


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
            desk_people.c.full_sign_in_us > _since_us(services),
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


def _since_us(services: Services) -> int:
    days = services.settings.desks.full_sign_in_days
    return now_us() - round(days * 24 * 3600 * US_PER_S)


async def _require_pin(
    services: Services, request: Request, desk: sa.Row[Any], path: str, body: SwitchForm
) -> None:
    """Raises ApiError unless it is the PIN of somebody who is at home at this desk."""
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(users.c.name, pins.c.pin_hash)
                .select_from(users.outerjoin(pins, pins.c.user_id == users.c.id))
                .where(users.c.id == body.user_id, users.c.enabled)
            )
        ).one_or_none()
    name = row.name if row is not None else None
    try:
        left = await services.rows.write(
            "desks.pin_attempt",
            desk_id=desk.id,
            user_id=body.user_id,
            limit=services.settings.desks.wrong_pins,
            since_us=_since_us(services),
        )
        if row is None or row.pin_hash is None:
            raise RowError("full_sign_in_required", "sign in here with your password first")
        peppered = peppered_pin(services.secret, body.user_id, body.pin)
        right = await verify_in_thread(peppered, row.pin_hash)
    except RowError as error:
        if services.refused_tokens.is_first("pin", desk.id, body.user_id):
            await _note_wrong_pin(services, request, desk, path, body, name, error.code)
        raise
    except TooBusy as error:
        raise unavailable(str(error)) from None
    if not right:
        await _note_wrong_pin(services, request, desk, path, body, name, "wrong_pin")
        raise ApiError(401, "wrong_pin", "the PIN is wrong", {"attempts_left": left})
    await services.rows.write("desks.pin_right", desk_id=desk.id, user_id=body.user_id)


async def _note_wrong_pin(
    services: Services,
    request: Request,
    desk: sa.Row[Any],
    path: str,
    body: SwitchForm,
    user_name: str | None,
    why: str,
) -> None:
    refused = AuditRecord(
        "session.refused",
        user_id=body.user_id if user_name is not None else None,
        user_name=user_name,
        address=client_address(request),
        area_path=path,
        detail={"why": why, "desk_session": desk.id},
    )
    await append(services.rows, [refused])
