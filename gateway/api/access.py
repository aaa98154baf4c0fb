"""Who asks, and may they: every route goes through here, and so through ``authorize()``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from gateway.api.errors import ApiError, not_found
from gateway.api.services import Services, ServicesDep
from gateway.audit import AuditRecord, ReasonGiven, append
from gateway.audit import act as act_and_append
from gateway.cameras import Camera, find_cameras
from gateway.identifiers import now_us
from gateway.people.areas import area_path
from gateway.people.authorize import COUNTY, AreaPlace, Decision, Place, Principal, authorize
from gateway.people.roles import Right
from gateway.people.sign_in import Lifetime, find_principal

SESSION_COOKIE = "gridsight_session"

# Pages ask these by themselves while nobody looks: that is no use of a sign-in.
_POLLED = frozenset({"/api/system"})

_MESSAGES = {
    "sign_in_required": (401, "sign in first"),
    "password_change_required": (403, "change your password first"),
    "not_allowed": (403, "you do not have this right here: ask your administrator"),
    "not_found": (404, "there is no such thing, or you may not know of it"),
}


async def find_caller(connection: HTTPConnection, services: Services) -> Principal | None:
    """Whose cookie this is; None without a valid one."""
    token = connection.cookies.get(SESSION_COOKIE)
    return await find_principal(services.reader, token) if token else None


async def _signed_in(connection: HTTPConnection, services: ServicesDep) -> Principal:
    principal = await find_caller(connection, services)
    if principal is None:
        raise ApiError(401, "sign_in_required", "sign in first")
    lifetime = Lifetime.of(services.settings.sign_in)
    if connection.url.path not in _POLLED and lifetime.is_due(
        principal.session_expires_us, now_us()
    ):
        services.used_sign_ins.add(principal.token_hash)
    return principal


async def _ready(principal: Annotated[Principal, Depends(_signed_in)]) -> Principal:
    if principal.must_change_password:
        raise ApiError(403, "password_change_required", "change your password first")
    return principal


# Signed in, though perhaps with a password that must be changed before anything else.
SignedIn = Annotated[Principal, Depends(_signed_in)]
# Signed in and free to act.
Caller = Annotated[Principal, Depends(_ready)]


def check(principal: Principal, right: Right, place: Place) -> Decision:
    """The decision, or its refusal as an ApiError."""
    decision = authorize(principal, right, place, now_us())
    if decision.refusal is not None:
        status, message = _MESSAGES[decision.refusal]
        raise ApiError(status, decision.refusal, message)
    return decision


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
    by_what: dict[str, Any] = {"service": True} if principal.kind == "service" else {}
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
    result_as: str | None = None,
    detail: dict[str, Any] | None = None,
) -> Any:
    """Run a row operation and write ``action`` into the register: both or neither, durably.

    Gives the operation's result; ``result_as`` puts it into the record's detail too.
    """
    records = audit_records(
        connection, principal, action, cameras=cameras, area=area, detail=detail
    )  # fmt: skip
    return await act_and_append(services.rows, operation, arguments, records, result_as=result_as)


def client_address(connection: HTTPConnection) -> str:
    """The address of the peer, as uvicorn knows it."""
    return connection.client.host if connection.client is not None else "unknown"
