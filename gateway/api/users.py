"""Accounts: added, changed and deleted by who administers the area that is their home."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, permitted_area, permitted_areas, visible_area
from gateway.api.errors import invalid
from gateway.api.grant_documents import GrantTerms, read_grants
from gateway.api.grants import shown_to
from gateway.api.managing import managed_account, require_givable, require_withdrawable
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.people_answers import Page, User
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import revoke_viewing
from gateway.database.tables import areas, grants, users
from gateway.identifiers import now_us
from gateway.people.areas import area_names, subtree, within
from gateway.people.authorize import Principal
from gateway.people.passwords import (
    WeakPassword,
    check_strength,
    hash_in_thread,
    one_time_password,
)
from gateway.people.roles import Right

router = APIRouter(prefix="/api/users", tags=["users"])

_TERMS = tuple(GrantTerms.model_fields)


class UserForm(BaseModel):
    """A new account. Without a password a one-time password is made and given back. Without
    ``area_id`` its home is the county.
    """

    name: str = Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")
    display_name: str | None = Field(default=None, max_length=200)
    password: str | None = Field(default=None, max_length=1000)
    area_id: str | None = Field(default=None, max_length=40)
    grants: list[GrantTerms] = Field(default=[], max_length=200)


class UserChange(BaseModel):
    """What of an account changes; absent fields stay. A password set here must be changed. Of
    ``grants`` those that the caller does not see stay too.
    """

    display_name: str | None = Field(default=None, max_length=200)
    enabled: bool | None = None
    password: str | None = Field(default=None, max_length=1000)
    reset_password: bool = False
    area_id: str | None = Field(default=None, max_length=40)
    grants: list[GrantTerms] | None = Field(default=None, max_length=200)


@router.get("", response_model=Page[User], response_model_exclude_unset=True)
async def list_users(
    caller: Caller,
    services: ServicesDep,
    query: Annotated[str, Query(max_length=200)] = "",
    area_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """The accounts that the caller manages, by name."""
    paths = permitted_areas(caller, Right.USERS)
    where = [users.c.deleted_us.is_(None), within(areas.c.path, paths)]
    if query:
        where.append(
            users.c.name.icontains(query, autoescape=True)
            | users.c.display_name.icontains(query, autoescape=True)
        )
    async with services.reader.connect() as connection:
        if area_id is not None:
            path = await visible_area(connection, caller, area_id)
            where.append(subtree(areas.c.path, path))
        total = await connection.scalar(_select(sa.func.count()).where(*where)) or 0
        key = read_cursor(cursor, 1)
        if key is not None:
            where.append(users.c.name_key > key[0])
        statement = _select(*_COLUMNS).where(*where).order_by(users.c.name_key)
        found = (await connection.execute(statement.limit(limit + 1))).all()
        page = found[:limit]
        items = await _documents(connection, caller, page)
    return {
        "items": items,
        "next_cursor": write_cursor((page[-1].name_key,)) if len(found) > limit else None,
        "total": total,
    }


@router.post("", status_code=201, response_model=User, response_model_exclude_unset=True)
async def create_user(
    body: UserForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add an account; its password must be changed at the first sign-in."""
    async with services.reader.connect() as connection:
        home = await permitted_area(connection, caller, Right.USERS, body.area_id)
        granted = await _givable(connection, caller, body.grants)
    if body.password is not None:
        _require_strong(services, body.password, body.name)
    password = body.password or one_time_password()
    user_id = await act(
        services,
        request,
        caller,
        "user.create",
        "accounts.create",
        {
            "name": body.name,
            "display_name": body.display_name or body.name,
            "password_hash": await hash_in_thread(password),
            "must_change_password": True,
            "granted": granted,
            "area_id": body.area_id,
            "granted_by": caller.user_id,
        },
        area=home,
        result_as="id",
        detail={"name": body.name, "grants": granted},
    )
    document = await _document(services, caller, user_id)
    return document if body.password else {**document, "one_time_password": password}


@router.patch("/{user_id}", response_model=User, response_model_exclude_unset=True)
async def change_user(
    user_id: str, body: UserChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Change an account. Rights that are taken away end what is being watched by them."""
    given = body.model_fields_set
    async with services.reader.connect() as connection:
        account = await managed_account(connection, caller, user_id)
        if "area_id" in given:
            await permitted_area(connection, caller, Right.USERS, body.area_id)
        granted = (
            None
            if body.grants is None
            else await _replaced(connection, caller, user_id, body.grants)
        )
    if body.password is not None:
        _require_strong(services, body.password, account.name)
    password = one_time_password() if body.reset_password else body.password
    values: dict[str, Any] = {
        "user_id": user_id,
        "display_name": body.display_name,
        "enabled": body.enabled,
        "granted": granted,
        "granted_by": caller.user_id,
    }
    if "area_id" in given:
        values["home"] = {"area_id": body.area_id}
    if password is not None:
        values["password_hash"] = await hash_in_thread(password)
    await act(
        services,
        request,
        caller,
        "user.change",
        "accounts.change",
        values,
        area=account.home.area_path,
        detail={"id": user_id, "fields": sorted(given), "grants": granted},
    )
    if body.enabled is False or password is not None:
        await revoke_viewing(services, user_id=user_id)
    services.rights_changed.set()
    answer = await _document(services, caller, user_id)
    return {**answer, "one_time_password": password} if body.reset_password else answer


@router.delete("/{user_id}", status_code=204)
async def delete_user(
    user_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Delete an account; the audit log keeps its name."""
    async with services.reader.connect() as connection:
        account = await managed_account(connection, caller, user_id)
    await act(
        services,
        request,
        caller,
        "user.delete",
        "accounts.delete",
        {"user_id": user_id},
        area=account.home.area_path,
        detail={"id": user_id, "name": account.name},
    )
    await revoke_viewing(services, user_id=user_id)
    services.rights_changed.set()


def _require_strong(services: Services, password: str, name: str) -> None:
    try:
        check_strength(password, name, services.settings.passwords)
    except WeakPassword as error:
        raise invalid(password=str(error)) from None


async def _givable(
    connection: AsyncConnection, caller: Principal, wanted: list[GrantTerms]
) -> list[dict[str, Any]]:
    """The grants as row operations take them, when the caller may give each."""
    for terms in wanted:
        path = await permitted_area(connection, caller, Right.GRANT, terms.area)
        require_givable(caller, terms.as_grant(path))
    return [terms.model_dump(mode="json") for terms in wanted]


async def _replaced(
    connection: AsyncConnection, caller: Principal, user_id: str, wanted: list[GrantTerms]
) -> list[dict[str, Any]]:
    """All grants that the user will hold: those wanted, and those that are not the caller's
    business. Each that comes or goes must be the caller's to give or take.
    """
    paths = caller.areas_with(Right.GRANT, now_us())
    held = {
        tuple(one[name] for name in _TERMS): one
        for one in await read_grants(connection, grants.c.user_id == user_id)
    }
    seen = {
        tuple(one[name] for name in _TERMS)
        for one in await read_grants(
            connection, grants.c.user_id == user_id, within(areas.c.path, paths)
        )
    }
    asked = {tuple(terms.model_dump(mode="json").values()): terms for terms in wanted}
    await _givable(connection, caller, [one for key, one in asked.items() if key not in held])
    for key in seen - asked.keys():
        terms = GrantTerms(**dict(zip(_TERMS, key, strict=True)))
        path = await permitted_area(connection, caller, Right.GRANT, terms.area)
        require_withdrawable(caller, terms.as_grant(path))
    kept = asked.keys() | (held.keys() - seen)
    return [dict(zip(_TERMS, key, strict=True)) for key in sorted(kept, key=repr)]


_COLUMNS = (
    *(
        users.c[name]
        for name in (
            "id", "name", "display_name", "enabled", "must_change_password", "created_us",
            "area_id", "name_key",
        )
    ),
    areas.c.path,
)  # fmt: skip


def _select(*columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).select_from(users.outerjoin(areas, areas.c.id == users.c.area_id))


async def _document(services: Services, caller: Principal, user_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        statement = _select(*_COLUMNS).where(users.c.id == user_id)
        found = (await connection.execute(statement)).all()
        return (await _documents(connection, caller, found))[0]


async def _documents(
    connection: AsyncConnection, caller: Principal, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    names = await area_names(connection, [row.path for row in rows if row.path is not None])
    held: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in await read_grants(
        connection, grants.c.user_id.in_([row.id for row in rows]), shown_to(caller)
    ):
        held[one["user"]["id"]].append(one)
    return [
        {
            **{name: value for name, value in row._mapping.items() if name in User.model_fields},
            "area_path": names.get(row.path, []),
            "grants": held[row.id],
        }
        for row in rows
    ]
