"""Accounts and their grants."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api.access import Caller, check, record
from gateway.api.answers import Listing, User
from gateway.api.errors import invalid, not_found
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import revoke_viewing
from gateway.database.tables import grants, users
from gateway.people.authorize import COUNTY
from gateway.people.passwords import (
    WeakPassword,
    check_strength,
    hash_in_thread,
    one_time_password,
)
from gateway.people.roles import Right, Role

router = APIRouter(prefix="/api/users", tags=["users"])


class GrantForm(BaseModel):
    """A role in an area and all below it; ``*`` is the whole county."""

    role: Role
    area_id: str = Field(max_length=40)


class UserForm(BaseModel):
    """A new account. Without a password a one-time password is made and given back."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")
    display_name: str | None = Field(default=None, max_length=200)
    password: str | None = Field(default=None, max_length=1000)
    grants: list[GrantForm] = Field(default=[], max_length=200)


class UserChange(BaseModel):
    """What of an account changes; absent fields stay. A password set here must be changed."""

    display_name: str | None = Field(default=None, max_length=200)
    enabled: bool | None = None
    password: str | None = Field(default=None, max_length=1000)
    reset_password: bool = False
    grants: list[GrantForm] | None = Field(default=None, max_length=200)


@router.get("", response_model=Listing[User], response_model_exclude_unset=True)
async def list_users(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """All accounts."""
    check(caller, Right.USERS, COUNTY)
    return {"items": await _documents(services)}


@router.post("", status_code=201, response_model=User, response_model_exclude_unset=True)
async def create_user(
    body: UserForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add an account; its password must be changed at the first sign-in."""
    check(caller, Right.USERS, COUNTY)
    if body.password is not None:
        _require_strong(body.password, body.name)
    password = body.password or one_time_password()
    user_id = await services.rows.write(
        "accounts.create",
        name=body.name,
        display_name=body.display_name or body.name,
        password_hash=await hash_in_thread(password),
        must_change_password=True,
        granted=[grant.model_dump(mode="json") for grant in body.grants],
    )
    await record(
        services,
        request,
        caller,
        "user.create",
        id=user_id,
        name=body.name,
        grants=[grant.model_dump(mode="json") for grant in body.grants],
    )
    document = await _document(services, user_id)
    return document if body.password else {**document, "one_time_password": password}


@router.patch("/{user_id}", response_model=User, response_model_exclude_unset=True)
async def change_user(
    user_id: str, body: UserChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Change an account. Rights that are taken away end what is being watched by them."""
    check(caller, Right.USERS, COUNTY)
    document = await _document(services, user_id)
    granted = (
        None if body.grants is None else [grant.model_dump(mode="json") for grant in body.grants]
    )
    if body.password is not None:
        _require_strong(body.password, document["name"])
    password = one_time_password() if body.reset_password else body.password
    await services.rows.write(
        "accounts.change",
        user_id=user_id,
        display_name=body.display_name,
        enabled=body.enabled,
        granted=granted,
    )
    if password is not None:
        await services.rows.write(
            "accounts.set_password",
            user_id=user_id,
            password_hash=await hash_in_thread(password),
            must_change_password=True,
        )
    if body.enabled is False or granted is not None or password is not None:
        await revoke_viewing(services, user_id=user_id)
    changed = sorted(body.model_fields_set)
    await record(
        services, request, caller, "user.change", id=user_id, fields=changed, grants=granted
    )
    answer = await _document(services, user_id)
    return {**answer, "one_time_password": password} if body.reset_password else answer


@router.delete("/{user_id}", status_code=204)
async def delete_user(
    user_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Delete an account; the audit log keeps its name."""
    check(caller, Right.USERS, COUNTY)
    document = await _document(services, user_id)
    await services.rows.write("accounts.delete", user_id=user_id)
    await revoke_viewing(services, user_id=user_id)
    await record(services, request, caller, "user.delete", id=user_id, name=document["name"])


def _require_strong(password: str, name: str) -> None:
    try:
        check_strength(password, name)
    except WeakPassword as error:
        raise invalid(password=str(error)) from None


async def _document(services: Services, user_id: str) -> dict[str, Any]:
    found = await _documents(services, user_id)
    if not found:
        raise not_found("user")
    return found[0]


async def _documents(services: Services, user_id: str | None = None) -> list[dict[str, Any]]:
    statement = sa.select(
        users.c.id,
        users.c.name,
        users.c.display_name,
        users.c.enabled,
        users.c.must_change_password,
        users.c.created_us,
    ).where(users.c.deleted_us.is_(None))
    granted = sa.select(grants)
    if user_id is not None:
        statement = statement.where(users.c.id == user_id)
        granted = granted.where(grants.c.user_id == user_id)
    held: dict[str, list[dict[str, str]]] = defaultdict(list)
    async with services.reader.connect() as connection:
        for row in await connection.execute(granted.order_by(grants.c.role, grants.c.area_id)):
            held[row.user_id].append({"role": row.role, "area_id": row.area_id})
        rows = (await connection.execute(statement.order_by(users.c.name_key))).mappings().all()
    return [{**row, "grants": held[row["id"]]} for row in rows]
