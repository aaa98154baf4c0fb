"""Somebody else sits down at a duty desk: by PIN, while the wall goes on playing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import SESSION_COOKIE, client_address
from gateway.api.account_answers import SwitchedSession
from gateway.api.desks import full_since_us
from gateway.api.errors import ApiError
from gateway.api.opening import desk_here, give_session, opening_of, session_of
from gateway.api.services import Services, ServicesDep
from gateway.api.taking_over import Watched, take_over, watched_under
from gateway.audit import AuditRecord, ReasonGiven, append
from gateway.database.account_tables import pins, totp_secrets
from gateway.database.tables import users
from gateway.identifiers import now_us
from gateway.people.areas import area_path
from gateway.people.grants import principal_of_user
from gateway.people.known_devices import token_hash
from gateway.people.passwords import verify_in_thread
from gateway.people.roles import AT_THE_DESK
from gateway.people.sign_in import Lifetime, find_principal, new_token
from gateway.people.totp import peppered_pin
from recorder.rows import RowError

router = APIRouter(tags=["desks"])


class SwitchForm(BaseModel):
    """Who sits down. ``purpose``: why they watch live, where it is asked and not said yet."""

    user_id: str = Field(max_length=40)
    pin: str = Field(min_length=1, max_length=40)
    purpose: Purpose | None = None


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
            since_us=full_since_us(services),
        )
        if row is None or row.pin_hash is None:
            raise RowError("full_sign_in_required", "sign in here with your password first")
        peppered = peppered_pin(services.secret, body.user_id, body.pin)
        right = await verify_in_thread(peppered, row.pin_hash)
    except RowError as error:
        if services.refused_sign_ins.is_first("pin", desk.id, body.user_id):
            await _note_wrong_pin(services, request, desk, path, body, name, error.code)
        raise
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
