"""Keeping other people's accounts in order: locks, lost telephones."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request

from gateway.api.access import CallerInPerson, act
from gateway.api.account import account_state
from gateway.api.account_answers import AccountSecurity
from gateway.api.managing import managed_account
from gateway.api.services import ServicesDep
from gateway.api.viewing import revoke_viewing
from gateway.database.account_tables import service_tokens
from gateway.database.tables import sign_in_failures, sign_in_sessions
from gateway.identifiers import now_us
from gateway.people.account_rows import name_key
from gateway.people.grants import grants_of

router = APIRouter(prefix="/api/users", tags=["users"])


@router.get("/{user_id}/security", response_model=AccountSecurity)
async def read_security(
    user_id: str, caller: CallerInPerson, services: ServicesDep
) -> dict[str, Any]:
    """How an account is kept, and whether it is locked."""
    at_us = now_us()
    failures, sessions, tokens = sign_in_failures.c, sign_in_sessions.c, service_tokens.c
    async with services.reader.connect() as connection:
        account = await managed_account(connection, caller, user_id)
        held = (await grants_of(connection, [user_id])).get(user_id, ())
        state = await account_state(
            connection, services, user_id, {one.role for one in held if one.in_force(at_us)}
        )
        locked_us = await connection.scalar(
            sa.select(sa.func.max(failures.locked_until_us)).where(
                failures.key.in_([f"name:{name_key(account.name)[:100]}", f"totp:{user_id}"])
            )
        )
        open_now = await connection.scalar(
            sa.select(sa.func.count()).where(
                sessions.user_id == user_id, sessions.expires_us > at_us
            )
        )
        valid = await connection.scalar(
            sa.select(sa.func.count()).where(
                tokens.user_id == user_id, tokens.revoked_us.is_(None), tokens.expires_us > at_us
            )
        )
    return {
        **state,
        "locked_until_us": locked_us if locked_us is not None and locked_us > at_us else None,
        "sessions": open_now,
        "tokens": valid,
    }


@router.post("/{user_id}/unlock", status_code=204)
async def unlock_user(
    user_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Count attempts from nothing again."""
    async with services.reader.connect() as connection:
        account = await managed_account(connection, caller, user_id)
    await act(
        services, request, caller, "user.unlock", "sign_in.unlock",
        {"user_id": user_id, "name_key": name_key(account.name)[:100]},
        area=account.home.area_path,
        detail={"id": user_id, "name": account.name},
    )  # fmt: skip


@router.post("/{user_id}/totp/reset", status_code=204)
async def reset_totp(
    user_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """For a lost telephone: authenticator and recovery codes are gone, every sign-in ends."""
    async with services.reader.connect() as connection:
        account = await managed_account(connection, caller, user_id)
    await act(
        services, request, caller, "user.totp_reset", "totp.remove",
        {"user_id": user_id, "end_sessions": True},
        area=account.home.area_path,
        detail={"id": user_id, "name": account.name},
    )  # fmt: skip
    await revoke_viewing(services, user_id=user_id)
