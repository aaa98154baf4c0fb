"""Signing in and out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gateway.api.access import SESSION_COOKIE, SignedIn, client_address, record
from gateway.api.answers import Session
from gateway.api.errors import ApiError, invalid
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import revoke_viewing
from gateway.audit import AuditRecord, append
from gateway.database.tables import users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.authorize import Principal
from gateway.people.passwords import (
    WeakPassword,
    check_strength,
    hash_in_thread,
    verify_in_thread,
)
from gateway.people.roles import Role
from gateway.people.sign_in import Lifetime, SignInError, TooManyAttempts, sign_in
from gateway.version import VERSION

router = APIRouter(prefix="/api/session", tags=["session"])


class Credentials(BaseModel):
    """Who signs in."""

    name: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=1000)


class PasswordChange(BaseModel):
    """The old password and the new."""

    old_password: str = Field(max_length=1000)
    new_password: str = Field(max_length=1000)


def session_of(principal: Principal) -> dict[str, Any]:
    """The Session document."""
    return {
        "user": {
            "id": principal.user_id,
            "name": principal.name,
            "display_name": principal.display_name,
        },
        "rights": sorted(principal.all_rights(now_us())),
        "system_admin": any(grant.role == Role.SYSTEM_ADMIN for grant in principal.grants),
        "must_change_password": principal.must_change_password,
        "version": VERSION,
    }


@router.post("", response_model=Session)
async def open_session(
    body: Credentials, request: Request, response: Response, services: ServicesDep
) -> dict[str, Any]:
    """Sign in; sets the session cookie."""
    address = client_address(request)
    try:
        token, principal = await sign_in(
            services.reader,
            services.rows,
            services.settings.sign_in,
            name=body.name,
            password=body.password,
            address=address,
            user_agent=request.headers.get("user-agent", ""),
        )
    except SignInError as error:
        refused = AuditRecord("session.refused", user_name=body.name, address=address)
        await append(services.rows, [refused])
        raise ApiError(401, "wrong_password", str(error)) from None
    except TooManyAttempts as error:
        raise _too_many(error.retry_after_s) from None
    await record(services, request, principal, "session.open")
    _set_cookie(request, response, token, services)
    return session_of(principal)


@router.get("", response_model=Session)
async def read_session(caller: SignedIn) -> dict[str, Any]:
    """Who is signed in."""
    return session_of(caller)


@router.delete("", status_code=204)
async def close_session(
    caller: SignedIn, request: Request, response: Response, services: ServicesDep
) -> None:
    """Sign out; what this sign-in was watching ends."""
    await services.rows.write("sign_in.close", token_hash=caller.token_hash)
    await revoke_viewing(services, token_hash=caller.token_hash)
    await record(services, request, caller, "session.close")
    response.delete_cookie(SESSION_COOKIE, path="/")


@router.post("/password", status_code=204)
async def change_password(
    body: PasswordChange, caller: SignedIn, request: Request, services: ServicesDep
) -> None:
    """Change one's own password; every other sign-in of the account ends."""
    # Who finds a screen unlocked shall not guess here what they cannot at the sign-in.
    limits = services.settings.sign_in
    retry_after_s = await services.rows.write(
        "sign_in.attempt",
        limits={f"change:{caller.user_id}": limits.attempts},
        lock_s=limits.lock_s,
    )
    if retry_after_s > 0:
        raise _too_many(retry_after_s)
    async with services.reader.connect() as connection:
        stored = await connection.scalar(
            sa.select(users.c.password_hash).where(users.c.id == caller.user_id)
        )
    if not await verify_in_thread(body.old_password, stored):
        raise invalid(old_password="this is not your password")
    if body.new_password == body.old_password:
        raise invalid(new_password="the new password is the old one")
    try:
        check_strength(body.new_password, caller.name)
    except WeakPassword as error:
        raise invalid(new_password=str(error)) from None
    await services.rows.write(
        "accounts.set_password",
        user_id=caller.user_id,
        password_hash=await hash_in_thread(body.new_password),
        must_change_password=False,
        keep_token_hash=caller.token_hash,
    )
    await record(services, request, caller, "session.password")


def _too_many(retry_after_s: int) -> ApiError:
    return ApiError(
        429,
        "too_many_attempts",
        f"too many attempts: wait {retry_after_s} s",
        {"retry_after_s": retry_after_s},
    )


def _set_cookie(request: Request, response: Response, token: str, services: Services) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        token,
        # The server ends it when it is idle; the browser keeps it over a power cut until then.
        max_age=Lifetime.of(services.settings.sign_in).longest_us // US_PER_S,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
