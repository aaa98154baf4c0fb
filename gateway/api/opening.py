"""What is common to every way of signing in: from where, in whose place, and the cookies."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from gateway.api.access import SESSION_COOKIE, client_address
from gateway.api.cookies import DESK_COOKIE, DEVICE_COOKIE, set_cookie
from gateway.api.errors import ApiError
from gateway.api.services import Services
from gateway.database.account_tables import desks
from gateway.identifiers import US_PER_S, now_us
from gateway.people.account_rows import name_key
from gateway.people.authorize import Principal
from gateway.people.known_devices import LIFETIME_S, device_of, new_device
from gateway.people.roles import Role
from gateway.people.sign_in import Lifetime, Opening, TooManyAttempts, token_hash
from gateway.version import VERSION

_USER_AGENT_LENGTH = 300


async def desk_here(
    connection: AsyncConnection, request: HTTPConnection
) -> sa.Row[tuple[Any, ...]] | None:
    """The row of the desk that this browser is; None for any other."""
    cookie = request.cookies.get(DESK_COOKIE)
    if not cookie:
        return None
    statement = sa.select(desks).where(
        desks.c.token_hash == token_hash(cookie), desks.c.removed_us.is_(None)
    )
    return (await connection.execute(statement)).one_or_none()


async def opening_of(request: Request, services: Services) -> Opening:
    """From where this request would open a session."""
    async with services.reader.connect() as connection:
        desk = await desk_here(connection, request)
    held = request.cookies.get(SESSION_COOKIE)
    return Opening(
        address=client_address(request),
        user_agent=request.headers.get("user-agent", "")[:_USER_AGENT_LENGTH],
        device=request.cookies.get(DEVICE_COOKIE),
        replaces=token_hash(held) if held else None,
        desk_id=desk.id if desk is not None else None,
    )


def give_session(
    request: Request,
    response: Response,
    services: Services,
    token: str,
    *,
    known_name: str | None = None,
) -> None:
    """Set the session's cookie; with a name, also that of a browser that is known to it."""
    longest_us = Lifetime.of(services.settings.sign_in).longest_us
    # The server ends it when it is idle; the browser keeps it over a power cut until then.
    set_cookie(request, response, SESSION_COOKIE, token, max_age_s=longest_us // US_PER_S)
    if known_name is None:
        return
    key = name_key(known_name)[:100]
    device = request.cookies.get(DEVICE_COOKIE)
    if device is None or device_of(services.secret, device, key) is None:
        device = new_device(services.secret, key)
    set_cookie(request, response, DEVICE_COOKIE, device, max_age_s=LIFETIME_S, path="/api/session")


async def session_of(services: Services, principal: Principal) -> dict[str, Any]:
    """The Session document."""
    desk = None
    if principal.desk_id is not None:
        statement = sa.select(desks.c.id, desks.c.name).where(
            desks.c.id == principal.desk_id, desks.c.removed_us.is_(None)
        )
        async with services.reader.connect() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        desk = dict(row) if row is not None else None
    return {
        "id": principal.session_id,
        "user": {
            "id": principal.user_id,
            "name": principal.name,
            "display_name": principal.display_name,
        },
        "rights": sorted(principal.all_rights(now_us())),
        "system_admin": any(
            grant.role == Role.SYSTEM_ADMIN and grant.in_force(now_us())
            for grant in principal.grants
        )
        and principal.scopes is None,
        "must_change_password": principal.must_change_password,
        "must_enrol_totp": principal.must_enrol_totp,
        "method": principal.method,
        "desk": desk,
        "kind": principal.kind,
        "expires_us": principal.session_expires_us,
        "version": VERSION,
    }


def too_many(error: TooManyAttempts) -> ApiError:
    """429, and when to come again."""
    detail = {"retry_after_s": error.retry_after_s}
    return ApiError(429, "too_many_attempts", str(error), detail)
