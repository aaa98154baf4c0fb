"""One's own account: authenticator, recovery codes, PIN, identities."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import AccountOwner, CallerInPerson, act, record, require_full_sign_in
from gateway.api.account_answers import AccountState, RecoveryCodes, TotpEnrolment
from gateway.api.errors import ApiError, invalid
from gateway.api.services import Services, ServicesDep
from gateway.api.session import require_password
from gateway.api.viewing import revoke_viewing
from gateway.database.account_tables import identities, pins, recovery_codes, totp_secrets
from gateway.database.tables import users
from gateway.identifiers import now_us
from gateway.people.authorize import Principal
from gateway.people.passwords import WeakPassword, hash_in_thread
from gateway.people.roles import Role
from gateway.people.sign_in import count_attempt
from gateway.people.totp import (
    check_pin,
    enrol,
    looks_like_recovery_code,
    matching_step,
    new_recovery_codes,
    peppered_pin,
    recovery_code_hash,
)
from gateway.secrets import seal, unseal
from recorder.rows import RowError

router = APIRouter(prefix="/api/account", tags=["account"])

# Empty from who has none: see require_password().
Password = Field(default="", max_length=1000)
Code = Field(min_length=1, max_length=40)


class PasswordForm(BaseModel):
    """One's own password, asked for again."""

    password: str = Password


class CodeForm(BaseModel):
    """A code of the authenticator."""

    code: str = Code


class BothForm(BaseModel):
    """One's own password, and a code of the authenticator or a recovery code."""

    password: str = Password
    code: str = Code


class PinForm(BaseModel):
    """One's own password, and the PIN to have from now on."""

    password: str = Password
    pin: str = Field(min_length=1, max_length=40)


@router.get("", response_model=AccountState)
async def read_account(caller: AccountOwner, services: ServicesDep) -> dict[str, Any]:
    """How one's own account is kept."""
    async with services.reader.connect() as connection:
        return await account_state(
            connection, services, caller.user_id, {one.role for one in caller.grants}
        )


@router.post("/totp", response_model=TotpEnrolment)
async def begin_totp(
    body: PasswordForm, caller: AccountOwner, request: Request, services: ServicesDep
) -> dict[str, str]:
    """A new secret for an authenticator. Nothing changes before a first code has confirmed it."""
    require_full_sign_in(caller)
    await require_password(services, request, caller, body.password)
    made = enrol(caller.name)
    sealed = seal(services.secret, made.secret, f"totp:{caller.user_id}")
    await services.rows.write("totp.begin", user_id=caller.user_id, secret_sealed=sealed)
    return {"secret": made.secret, "url": made.url, "qr_svg": made.qr_svg}


@router.post("/totp/confirm", response_model=RecoveryCodes)
async def confirm_totp(
    body: CodeForm, caller: AccountOwner, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """From now on sign-ins ask for a code. Every other sign-in of the account ends."""
    sealed = await _sealed_secret(services, caller, confirmed=False)
    if sealed is None:
        raise ApiError(409, "conflict", "begin the enrolment first")
    await _count_code(services, caller)
    step = matching_step(_opened(services, caller, sealed), body.code, now_us())
    if step is None:
        raise invalid(code="the code is wrong: is the telephone's clock right?")
    codes = new_recovery_codes()
    await act(
        services, request, caller, "account.totp", "totp.confirm",
        {
            "user_id": caller.user_id,
            "secret_sealed": sealed,
            "step": step,
            "recovery_code_hashes": _hashes(services, caller, codes),
            "token_hash": caller.token_hash,
        },
    )  # fmt: skip
    await _forgive_codes(services, caller)
    await revoke_viewing(services, user_id=caller.user_id, but_token_hash=caller.token_hash)
    return {"recovery_codes": codes}


@router.post("/totp/remove", status_code=204)
async def remove_totp(
    body: BothForm, caller: AccountOwner, request: Request, services: ServicesDep
) -> None:
    """No code is asked for any more."""
    await _require_both(services, request, caller, body)
    await act(
        services, request, caller, "account.totp_removed",
        "totp.remove", {"user_id": caller.user_id},
    )  # fmt: skip


@router.post("/recovery-codes", response_model=RecoveryCodes)
async def replace_recovery_codes(
    body: BothForm, caller: AccountOwner, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """New recovery codes; the old ones are good for nothing any more."""
    await _require_both(services, request, caller, body)
    codes = new_recovery_codes()
    await act(
        services, request, caller, "account.recovery_codes", "recovery_codes.replace",
        {
            "user_id": caller.user_id,
            "recovery_code_hashes": _hashes(services, caller, codes),
        },
    )  # fmt: skip
    return {"recovery_codes": codes}


@router.put("/pin", status_code=204)
async def set_pin(
    body: PinForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """The PIN for duty desks."""
    require_full_sign_in(caller)
    await require_password(services, request, caller, body.password)
    try:
        check_pin(body.pin)
    except WeakPassword as error:
        raise invalid(pin=str(error)) from None
    peppered = peppered_pin(services.secret, caller.user_id, body.pin)
    await act(
        services, request, caller, "account.pin", "pins.set",
        {"user_id": caller.user_id, "pin_hash": await hash_in_thread(peppered)},
    )  # fmt: skip


@router.delete("/pin", status_code=204)
async def remove_pin(caller: CallerInPerson, request: Request, services: ServicesDep) -> None:
    """No PIN any more."""
    await act(
        services, request, caller, "account.pin_removed",
        "pins.set", {"user_id": caller.user_id, "pin_hash": None},
    )  # fmt: skip


@router.delete("/identities/{identity_id}", status_code=204)
async def unlink_identity(
    identity_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """An identity of the identity provider opens this account no more."""
    require_full_sign_in(caller)
    await act(
        services, request, caller, "account.identity_removed", "identities.unlink",
        {"user_id": caller.user_id, "identity_id": identity_id},
        detail={"identity_id": identity_id},
    )  # fmt: skip


async def account_state(
    connection: AsyncConnection, services: Services, user_id: str, roles: set[Role]
) -> dict[str, Any]:
    """``AccountState``, for who asks about themselves or manages the account."""
    totp = (
        await connection.execute(
            sa.select(totp_secrets.c.confirmed_us).where(totp_secrets.c.user_id == user_id)
        )
    ).scalar_one_or_none()
    left = await connection.scalar(
        sa.select(sa.func.count()).where(
            recovery_codes.c.user_id == user_id, recovery_codes.c.used_us.is_(None)
        )
    )
    pin_us = await connection.scalar(sa.select(pins.c.changed_us).where(pins.c.user_id == user_id))
    linked = await connection.execute(
        sa.select(identities.c.id, identities.c.issuer, identities.c.name, identities.c.linked_us)
        .where(identities.c.user_id == user_id)
        .order_by(identities.c.linked_us)
    )
    password_us = await connection.scalar(
        sa.select(users.c.password_changed_us).where(users.c.id == user_id)
    )
    return {
        "totp": {
            "enrolled": totp is not None,
            "since_us": totp,
            "recovery_codes_left": left,
            "required": bool(roles & set(services.settings.sign_in.totp_roles)),
        },
        "pin": {"set": pin_us is not None, "changed_us": pin_us},
        "identities": [dict(row) for row in linked.mappings()],
        "password_changed_us": password_us,
    }


async def _require_both(
    services: Services, request: Request, caller: Principal, body: BothForm
) -> None:
    """Raises ApiError or TooManyAttempts unless both are right; the code is used up."""
    require_full_sign_in(caller)
    await require_password(services, request, caller, body.password)
    sealed = await _sealed_secret(services, caller, confirmed=True)
    if sealed is None:
        raise ApiError(409, "conflict", "there is no authenticator")
    await _count_code(services, caller)
    used: dict[str, Any]
    if looks_like_recovery_code(body.code):
        digest = recovery_code_hash(services.secret, caller.user_id, body.code)
        used = {"recovery_code_hash": digest}
    else:
        step = matching_step(_opened(services, caller, sealed), body.code, now_us())
        if step is None:
            await record(services, request, caller, "session.refused", why="wrong_code")
            raise invalid(code="the code is wrong: is the telephone's clock right?")
        used = {"step": step}
    try:
        await services.rows.write("totp.use", user_id=caller.user_id, **used)
    except RowError as error:
        await record(services, request, caller, "session.refused", why=error.code)
        raise invalid(code=str(error)) from None
    await _forgive_codes(services, caller)


async def _count_code(services: Services, caller: Principal) -> None:
    limits = services.settings.sign_in
    await count_attempt(services.rows, limits, {f"totp:{caller.user_id}": limits.attempts})


async def _forgive_codes(services: Services, caller: Principal) -> None:
    await services.rows.write("sign_in.forgive", forget=[f"totp:{caller.user_id}"], give_back=[])


async def _sealed_secret(services: Services, caller: Principal, *, confirmed: bool) -> str | None:
    table = totp_secrets.c
    is_confirmed = table.confirmed_us.is_not(None) if confirmed else table.confirmed_us.is_(None)
    async with services.reader.connect() as connection:
        found: str | None = await connection.scalar(
            sa.select(table.secret_sealed).where(table.user_id == caller.user_id, is_confirmed)
        )
    return found


def _opened(services: Services, caller: Principal, sealed: str) -> str:
    return unseal(services.secret, sealed, f"totp:{caller.user_id}")


def _hashes(services: Services, caller: Principal, codes: list[str]) -> list[str]:
    return [recovery_code_hash(services.secret, caller.user_id, code) for code in codes]
