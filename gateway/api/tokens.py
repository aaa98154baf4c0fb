"""Service tokens: how other platforms come in."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, field_validator

from gateway.api.access import CallerInPerson, act, permitted_areas
from gateway.api.account_answers import ServiceToken
from gateway.api.answers import Listing
from gateway.api.errors import not_found
from gateway.api.managing import managed_account
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import revoke_viewing
from gateway.database.account_tables import service_tokens
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import within
from gateway.people.known_devices import token_hash
from gateway.people.roles import Right
from gateway.people.service_tokens import network, new_service_token

router = APIRouter(prefix="/api/tokens", tags=["tokens"])

DAYS_LIMIT = 366


class TokenForm(BaseModel):
    """A new token. ``addresses``: networks it may come from; empty: any."""

    user_id: str = Field(max_length=40)
    name: str = Field(min_length=1, max_length=200)
    scopes: list[Right] = Field(min_length=1, max_length=len(Right))
    expires_in_days: int = Field(ge=1, le=DAYS_LIMIT)
    addresses: list[str] = Field(default=[], max_length=50)

    @field_validator("addresses")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        return [network(one) for one in value]


@router.get("", response_model=Listing[ServiceToken], response_model_exclude_unset=True)
async def list_tokens(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """The valid and expired tokens of the accounts that the caller manages, newest first."""
    paths = permitted_areas(caller, Right.USERS)
    return {"items": await _documents(services, within(areas.c.path, paths))}


@router.post("", status_code=201, response_model=ServiceToken, response_model_exclude_unset=True)
async def create_token(
    body: TokenForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """A token for an account that the caller manages; told this once."""
    async with services.reader.connect() as connection:
        account = await managed_account(connection, caller, body.user_id)
    token = new_service_token()
    scopes = sorted({one.value for one in body.scopes})
    expires_us = now_us() + body.expires_in_days * 24 * 3600 * US_PER_S
    token_id = await act(
        services, request, caller, "token.create", "tokens.create",
        {
            "user_id": account.id,
            "token_hash": token_hash(token),
            "name": body.name,
            "scopes": scopes,
            "addresses": body.addresses,
            "expires_us": expires_us,
            "created_by": caller.user_id,
        },
        area=account.home.area_path,
        result_as="id",
        detail={
            "name": body.name,
            "user_id": account.id,
            "scopes": scopes,
            "addresses": body.addresses,
            "expires_us": expires_us,
        },
    )  # fmt: skip
    documents = await _documents(services, service_tokens.c.id == token_id)
    return {**documents[0], "token": token}


@router.delete("/{token_id}", status_code=204)
async def revoke_token(
    token_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Withdraw it; what it watches ends."""
    permitted_areas(caller, Right.USERS)
    table = service_tokens.c
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(table.user_id, table.token_hash, table.name).where(
                    table.id == token_id, table.revoked_us.is_(None)
                )
            )
        ).one_or_none()
        if row is None:
            raise not_found("token")
        account = await managed_account(connection, caller, row.user_id)
    await act(
        services, request, caller, "token.revoke",
        "tokens.revoke", {"token_id": token_id},
        area=account.home.area_path,
        detail={"id": token_id, "name": row.name, "user_id": row.user_id},
    )  # fmt: skip
    await revoke_viewing(services, token_hash=row.token_hash)


async def _documents(services: Services, *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    table = service_tokens
    names = [name for name in ServiceToken.model_fields if name in table.c]
    statement = (
        sa.select(*(table.c[name] for name in names), users.c.name.label("user_name"))
        .select_from(
            table.join(users, users.c.id == table.c.user_id).outerjoin(
                areas, areas.c.id == users.c.area_id
            )
        )
        .where(table.c.revoked_us.is_(None), users.c.deleted_us.is_(None), *where)
        .order_by(table.c.created_us.desc(), table.c.id)
    )
    async with services.reader.connect() as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]
