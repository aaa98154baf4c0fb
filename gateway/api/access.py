"""Who asks, and may they: every route goes through here, and so through ``authorize()``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from gateway.api.errors import AccessRefused, ApiError, not_found
from gateway.api.services import Services, ServicesDep
from gateway.audit import AuditRecord, ReasonGiven, append
from gateway.audit import act as act_and_append
from gateway.cameras import Camera, find_cameras
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_path
from gateway.people.authorize import (
    COUNTY,
    AreaPlace,
    Decision,
    Footage,
    Place,
    Principal,
    authorize,
)
from gateway.people.roles import Right
from gateway.people.service_tokens import TokenRefused, find_service
from gateway.people.sign_in import Lifetime, find_principal

SESSION_COOKIE = "gridsight_session"

# How often it is noted that a token is in use, and from where.
_TOKEN_NOTED_US = 60 * US_PER_S

# Pages ask these by themselves while nobody looks: that is no use of a sign-in.
_POLLED = frozenset({"/api/system"})

_MESSAGES = {
    "sign_in_required": (401, "sign in first"),
    "password_change_required": (403, "change your password first"),
    "totp_enrolment_required": (403, "your role asks for an authenticator: set one up first"),
    "full_sign_in_required": (403, "a PIN does not carry this: sign in with your password"),
    "token_refused": (401, "this token opens nothing: ask for another where you got it"),
    "not_allowed": (403, "you do not have this right here: ask your administrator"),
    "not_found": (404, "there is no such thing, or you may not know of it"),
}


async def find_caller(connection: HTTPConnection, services: Services) -> Principal | None:
    """Whose cookie or token this is; None without a valid one.

    A request that shows a token is that token's, whatever cookie comes with it.
    """
    token = bearer_token(connection)
    if token is not None:
        return await _find_service(connection, services, token)
    cookie = connection.cookies.get(SESSION_COOKIE)
    if not cookie:
        return None
    principal = await find_principal(services.reader, cookie, services.settings)
    if principal is None:
        await _note_refused(connection, services, "a sign-in that has ended or never was")
    return principal


def bearer_token(connection: HTTPConnection) -> str | None:
    """What ``Authorization: Bearer`` carries (RFC 6750 §2.1); None for any other."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _find_service(
    connection: HTTPConnection, services: Services, token: str
) -> Principal | None:
    address = client_address(connection)
    try:
        principal, used_us = await find_service(services.reader, token, address)
    except TokenRefused as refusal:
        await _note_refused(connection, services, str(refusal), refusal.token_id)
        return None
    if now_us() - (used_us or 0) > _TOKEN_NOTED_US:
        await services.rows.write("tokens.used", token_id=principal.session_id, address=address)
    return principal


async def _note_refused(
    connection: HTTPConnection, services: Services, why: str, token_id: str | None = None
) -> None:
    address = client_address(connection)
    # A flood of forged ones must not flood the register.
    if services.refused_sign_ins.is_first(address, token_id, why):
        detail = {"why": why, "token_id": token_id}
        await append(services.rows, [AuditRecord("token.refused", address=address, detail=detail)])


async def _signed_in(connection: HTTPConnection, services: ServicesDep) -> Principal:
    principal = await find_caller(connection, services)
    if principal is None:
        code = "sign_in_required" if bearer_token(connection) is None else "token_refused"
        raise _refused(code)
    lifetime = Lifetime.of(services.settings.sign_in)
    if (
        principal.kind == "person"
        and connection.url.path not in _POLLED
        and lifetime.is_due(principal.session_expires_us, now_us())
    ):
        services.used_sign_ins.add(principal.token_hash)
    return principal


async def _person(principal: Annotated[Principal, Depends(_signed_in)]) -> Principal:
    if principal.kind != "person":
        raise ApiError(403, "not_allowed", "a token has no account page and signs nothing")
    return principal


async def _own_account(principal: Annotated[Principal, Depends(_person)]) -> Principal:
    if principal.must_change_password:
        raise _refused("password_change_required")
    return principal


async def _ready(principal: Annotated[Principal, Depends(_signed_in)]) -> Principal:
    if principal.must_change_password:
        raise _refused("password_change_required")
    if principal.must_enrol_totp:
        raise _refused("totp_enrolment_required")
    return principal


async def _ready_person(
    principal: Annotated[Principal, Depends(_ready)],
    _: Annotated[Principal, Depends(_person)],
) -> Principal:
    return principal


def _refused(code: str) -> ApiError:
    status, message = _MESSAGES[code]
    return ApiError(status, code, message)


# Signed in, though perhaps with a password that must be changed before anything else.
SignedIn = Annotated[Principal, Depends(_signed_in)]
# Signed in and free to act, by cookie or token.
Caller = Annotated[Principal, Depends(_ready)]
# A person, not a token; perhaps with a password that must be changed before anything else.
SignedInPerson = Annotated[Principal, Depends(_person)]
# A person who may tend their own account, and perhaps must before anything else.
AccountOwner = Annotated[Principal, Depends(_own_account)]
# A person, free to act.
CallerInPerson = Annotated[Principal, Depends(_ready_person)]


def check(
    principal: Principal, right: Right, place: Place, footage: Footage | None = None
) -> Decision:
    """The decision, or its refusal as an ApiError. ``footage``: minutes that may be lent."""
    decision = authorize(principal, right, place, now_us(), footage)
    if decision.refusal is not None:
        refused = _refused(decision.refusal)
        raise AccessRefused(refused, principal, right, place)
    return decision


def not_there() -> ApiError:
    """404, said alike of what is not there and of what the caller may not know of."""
    return _refused("not_found")


def check_visible(principal: Principal, place: Place) -> None:
    """Raises ApiError 404 where the principal holds no right at all."""
    if not principal.rights_at(place, now_us()):
        raise AccessRefused(_refused("not_found"), principal, None, place)


def permitted_areas(principal: Principal, right: Right) -> list[str]:
    """The topmost area paths in which the right is held. Raises ApiError 403 for none."""
    paths = principal.areas_with(right, now_us())
    if not paths:
        refused = ApiError(403, "not_allowed", f"you hold the right '{right}' nowhere")
        raise AccessRefused(refused, principal, right, COUNTY)
    return paths


def permitted_by_any(principal: Principal, rights: Sequence[Right]) -> list[str]:
    """As :func:`permitted_areas`, of the first of these rights that is held anywhere."""
    for right in rights:
        if principal.areas_with(right, now_us()):
            return permitted_areas(principal, right)
    return permitted_areas(principal, rights[0])


def require_person(principal: Principal) -> None:
    """Raises ApiError for a token: there is nobody to answer for it."""
    if principal.kind != "person":
        raise ApiError(403, "not_allowed", "a token may not do this: it is for people who sign in")


def require_full_sign_in(principal: Principal) -> None:
    """Raises ApiError for who came by PIN: a few digits open no lasting way in."""
    if principal.desk_session is not None:
        raise _refused("full_sign_in_required")


async def permitted_camera(
    connection: AsyncConnection,
    principal: Principal,
    right: Right,
    camera_id: str,
    *,
    deleted: bool = False,
) -> tuple[Camera, Decision]:
    """The camera, if the principal holds the right there. ``deleted``: also for its footage."""
    camera = (await find_cameras(connection, [camera_id], deleted=deleted)).get(camera_id)
    if camera is None:
        raise not_found("camera")
    return camera, check(principal, right, camera)


async def permitted_area(
    connection: AsyncConnection, principal: Principal, right: Right, area_id: str | None
) -> str:
    """The path of the area (of the county for None), if the principal holds the right there."""
    if area_id is None:
        check(principal, right, COUNTY)
        return ""
    path = await area_path(connection, area_id)
    if path is None:
        raise not_found("area")
    check(principal, right, AreaPlace(path))
    return path


async def visible_area(connection: AsyncConnection, principal: Principal, area_id: str) -> str:
    """The path of the area, if the principal holds any right there. Raises ApiError 404."""
    path = await area_path(connection, area_id)
    if path is None:
        raise not_found("area")
    check_visible(principal, AreaPlace(path))
    return path


def audit_records(
    connection: HTTPConnection,
    principal: Principal,
    action: str,
    *,
    cameras: Sequence[Camera] = (),
    start_us: int | None = None,
    end_us: int | None = None,
    reason: ReasonGiven | None = None,
    area: str | None = None,
    detail: dict[str, Any] | None = None,
) -> list[AuditRecord]:
    """One record for each camera, or one without a camera."""
    by_what: dict[str, Any] = {}
    if principal.kind == "service":
        by_what = {"service": True, "token_id": principal.session_id}
    if principal.desk_session is not None:
        by_what = {"desk_session": principal.desk_session}
    common = AuditRecord(
        action,
        user_id=principal.user_id,
        user_name=principal.name,
        address=client_address(connection),
        area_path=area,
        start_us=start_us,
        end_us=end_us,
        detail={**by_what, **(detail or {})},
    ).because(reason or ReasonGiven())
    return [
        replace(common, camera_id=camera.id, area_path=camera.area_path) for camera in cameras
    ] or [common]


async def record(
    services: Services,
    connection: HTTPConnection,
    principal: Principal,
    action: str,
    *,
    cameras: Sequence[Camera] = (),
    area: str | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
    reason: ReasonGiven | None = None,
    **detail: Any,
) -> None:
    """Append to the register; returns when it is durable."""
    records = audit_records(
        connection, principal, action,
        cameras=cameras, area=area, start_us=start_us, end_us=end_us, reason=reason, detail=detail,
    )  # fmt: skip
    await append(services.rows, records)


async def act(
    services: Services,
    connection: HTTPConnection,
    principal: Principal,
    action: str,
    operation: str,
    arguments: dict[str, Any],
    *,
    cameras: Sequence[Camera] = (),
    area: str | None = None,
    reason: ReasonGiven | None = None,
    result_as: str | None = None,
    detail: dict[str, Any] | None = None,
) -> Any:
    """Run a row operation and write ``action`` into the register: both or neither, durably.

    Gives the operation's result; ``result_as`` puts it into the record's detail too.
    """
    records = audit_records(
        connection, principal, action, cameras=cameras, area=area, reason=reason, detail=detail
    )
    return await act_and_append(services.rows, operation, arguments, records, result_as=result_as)


def client_address(connection: HTTPConnection) -> str:
    """The address of the peer, as uvicorn knows it."""
    return connection.client.host if connection.client is not None else "unknown"
