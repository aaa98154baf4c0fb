"""Signing in and out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gateway.api.access import (
    SESSION_COOKIE,
    SignedIn,
    SignedInPerson,
    act,
    client_address,
    record,
)
from gateway.api.answers import Session
from gateway.api.errors import ApiError, invalid
from gateway.api.opening import give_session, opening_of, session_of
from gateway.api.services import Services, ServicesDep
from gateway.api.taking_over import leave_to
from gateway.api.viewing import revoke_viewing
from gateway.audit import AuditRecord, append
from gateway.database.account_tables import password_history
from gateway.database.tables import sign_in_sessions, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.authorize import Principal
from gateway.people.passwords import (
    WeakPassword,
    check_strength,
    hash_in_thread,
    is_any_of,
    verify_in_thread,
)
from gateway.people.sign_in import (
    SignInError,
    TooManyAttempts,
    count_attempt,
    new_token,
    sign_in,
    token_hash,
)

router = APIRouter(prefix="/api/session", tags=["session"])

_FRESH_US = 10 * 60 * US_PER_S


class Credentials(BaseModel):
    """Who signs in. ``code``: of the authenticator, or a recovery code."""

    name: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=1000)
    code: str | None = Field(default=None, max_length=40)


class PasswordChange(BaseModel):
    """The old password and the new."""

    old_password: str = Field(max_length=1000)
    new_password: str = Field(max_length=1000)


@router.post("", response_model=Session)
async def open_session(
    body: Credentials, request: Request, response: Response, services: ServicesDep
) -> dict[str, Any]:
    """Sign in; sets the session cookie. The session that the browser held before ends."""
    opening = await opening_of(request, services)
    try:
        token, principal = await sign_in(
            services.reader,
            services.rows,
            services.settings,
            services.secret,
            name=body.name,
            password=body.password,
            code=body.code,
            opening=opening,
        )
    except SignInError as error:
        # Asking for the code is half of a sign-in that goes well.
        if error.code != "code_required":
            await _note_refusal(services, request, body.name, error.code)
        raise ApiError(401, error.code, str(error)) from None
    except TooManyAttempts:
        if services.refused_sign_ins.is_first("sign_in", opening.address, body.name):
            await _note_refusal(services, request, body.name, "too_many_attempts")
        raise
    if opening.replaces is not None:
        await leave_to(services, request, opening.replaces, principal)
    give_session(request, response, services, token, known_name=principal.name)
    return await session_of(services, principal)


@router.get("", response_model=Session)
async def read_session(caller: SignedIn, services: ServicesDep) -> dict[str, Any]:
    """Who is signed in."""
    return await session_of(services, caller)


@router.delete("", status_code=204)
async def close_session(
    caller: SignedInPerson, request: Request, response: Response, services: ServicesDep
) -> None:
    """Sign out; what this sign-in was watching ends."""
    await act(
        services, request, caller, "session.close",
        "sign_in.close", {"token_hash": caller.token_hash},
    )  # fmt: skip
    await revoke_viewing(services, token_hash=caller.token_hash)
    response.delete_cookie(SESSION_COOKIE, path="/")


@router.post("/password", status_code=204)
async def change_password(
    body: PasswordChange,
    caller: SignedInPerson,
    request: Request,
    response: Response,
    services: ServicesDep,
) -> None:
    """Change one's own password; every other sign-in of the account ends, and this one goes on
    under a new token.
    """
    await require_password(services, request, caller, body.old_password, field="old_password")
    if body.new_password == body.old_password:
        raise invalid(new_password="the new password is the old one")
    await require_good_password(services, caller.user_id, caller.name, body.new_password)
    await act(
        services, request, caller, "session.password",
        "accounts.set_password",
        {
            "user_id": caller.user_id,
            "password_hash": await hash_in_thread(body.new_password),
            "must_change_password": False,
            "keep_token_hash": caller.token_hash,
        },
    )  # fmt: skip
    token = new_token()
    await services.rows.write(
        "sign_in.renew", token_hash=caller.token_hash, new_token_hash=token_hash(token)
    )
    give_session(request, response, services, token)


async def require_password(
    services: Services,
    request: Request,
    caller: Principal,
    password: str,
    *,
    field: str = "password",
) -> None:
    """Raises ApiError or TooManyAttempts unless it is the caller's. Who has no password has just
    come from the identity provider.
    """
    async with services.reader.connect() as connection:
        stored = await connection.scalar(
            sa.select(users.c.password_hash).where(users.c.id == caller.user_id)
        )
    if not stored:
        await _require_fresh(services, caller)
        return
    wrong = invalid(**{field: "this is not your password"})
    await require_secret(services, request, caller, password, stored, "wrong_password", wrong)


async def require_secret(
    services: Services,
    request: Request,
    caller: Principal,
    given: str,
    stored: str | None,
    why: str,
    wrong: ApiError,
) -> None:
    """Raises ``wrong`` unless ``stored`` is the hash of what was given, and puts ``why`` into the
    register. Raises TooManyAttempts: who finds a screen unlocked shall not guess here what they
    cannot at the sign-in.
    """
    limits = services.settings.sign_in
    key = f"change:{caller.user_id}"
    await count_attempt(services.rows, limits, {key: limits.attempts})
    if not await verify_in_thread(given, stored):
        await record(services, request, caller, "session.refused", why=why)
        raise wrong
    await services.rows.write("sign_in.forgive", forget=[key], give_back=[])


async def _require_fresh(services: Services, caller: Principal) -> None:
    """Raises ApiError unless the sign-in is a few minutes old."""
    async with services.reader.connect() as connection:
        created_us = await connection.scalar(
            sa.select(sign_in_sessions.c.created_us).where(
                sign_in_sessions.c.token_hash == caller.token_hash
            )
        )
    if caller.method != "oidc" or (created_us or 0) < now_us() - _FRESH_US:
        raise ApiError(
            403, "full_sign_in_required", "sign in at the identity provider again, then at once"
        )


async def require_good_password(services: Services, user_id: str, name: str, password: str) -> None:
    """Raises ApiError for a password that the rules refuse, or that was in use lately."""
    rules = services.settings.passwords
    try:
        check_strength(password, name, rules)
    except WeakPassword as error:
        raise invalid(new_password=str(error)) from None
    if rules.history == 0:
        return
    table = password_history
    earlier = (
        sa.select(table.c.password_hash)
        .where(table.c.user_id == user_id)
        .order_by(table.c.replaced_us.desc())
        .limit(rules.history)
    )
    async with services.reader.connect() as connection:
        known = list(await connection.scalars(earlier))
    if await is_any_of(password, known):
        raise invalid(new_password="this password was in use before: choose another")


async def _note_refusal(services: Services, request: Request, name: str, why: str) -> None:
    refused = AuditRecord(
        "session.refused",
        user_name=name,
        address=client_address(request),
        detail={"why": why},
    )
    await append(services.rows, [refused])
