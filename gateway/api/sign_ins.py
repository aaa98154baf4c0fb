"""Sign-ins that are open: one's own, and those of accounts that one manages."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import AccountOwner, act
from gateway.api.account_answers import SignInEntry
from gateway.api.answers import Listing
from gateway.api.errors import not_found
from gateway.api.managing import managed_account
from gateway.api.services import ServicesDep
from gateway.api.viewing import revoke_viewing
from gateway.database.account_tables import desks
from gateway.database.tables import sign_in_sessions, viewing_sessions
from gateway.identifiers import now_us
from gateway.people.authorize import Principal

router = APIRouter(prefix="/api/sessions", tags=["account"])


class CloseForm(BaseModel):
    """Whose sign-ins end; without it one's own, but for this one."""

    user_id: str | None = Field(default=None, max_length=40)


@router.get("", response_model=Listing[SignInEntry])
async def list_sign_ins(
    caller: AccountOwner, services: ServicesDep, user_id: str | None = None
) -> dict[str, Any]:
    """One's own sign-ins, or somebody's whose account one manages; newest first."""
    table = sign_in_sessions
    views = (
        sa.select(sa.func.count())
        .where(
            viewing_sessions.c.token_hash == table.c.token_hash,
            viewing_sessions.c.ended_us.is_(None),
        )
        .scalar_subquery()
    )
    async with services.reader.connect() as connection:
        owner = await _owner(connection, caller, user_id)
        rows = await connection.execute(
            sa.select(table, desks.c.name.label("desk_name"), views.label("views"))
            .select_from(table.outerjoin(desks, desks.c.id == table.c.desk_id))
            .where(table.c.user_id == owner, table.c.expires_us > now_us())
            .order_by(table.c.created_us.desc())
        )
        items = [
            {
                **{name: row[name] for name in SignInEntry.model_fields if name in row},
                "desk": {"id": row["desk_id"], "name": row["desk_name"]}
                if row["desk_id"]
                else None,
                "current": row["token_hash"] == caller.token_hash,
            }
            for row in rows.mappings()
        ]
    return {"items": items}


@router.delete("/{session_id}", status_code=204)
async def close_sign_in(
    session_id: str, caller: AccountOwner, request: Request, services: ServicesDep
) -> None:
    """End one, and what it watches."""
    table = sign_in_sessions.c
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(table.user_id, table.token_hash).where(table.id == session_id)
            )
        ).one_or_none()
        if row is None:
            raise not_found("sign-in")
        if row.user_id != caller.user_id:
            await managed_account(connection, caller, row.user_id)
    await act(
        services, request, caller, "session.revoke",
        "sign_in.close", {"token_hash": row.token_hash},
        detail={"sign_in_id": session_id, "user_id": row.user_id},
    )  # fmt: skip
    await revoke_viewing(services, token_hash=row.token_hash)


@router.post("/close", status_code=204)
async def close_sign_ins(
    body: CloseForm, caller: AccountOwner, request: Request, services: ServicesDep
) -> None:
    """End all of somebody's; of one's own all but this one."""
    async with services.reader.connect() as connection:
        owner = await _owner(connection, caller, body.user_id)
    keep = caller.token_hash if owner == caller.user_id else None
    await act(
        services, request, caller, "session.revoke_all",
        "sign_in.close_all", {"user_id": owner, "keep": keep},
        detail={"user_id": owner},
    )  # fmt: skip
    await revoke_viewing(services, user_id=owner, but_token_hash=keep)


async def _owner(connection: AsyncConnection, caller: Principal, user_id: str | None) -> str:
    if user_id is None or user_id == caller.user_id:
        return caller.user_id
    return (await managed_account(connection, caller, user_id)).id
