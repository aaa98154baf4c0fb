"""Accounts as other people's business: who may see them, manage them, and give them rights.

An account has a home, an area of the axis ``area`` or the county. Who holds the right ``users``
there manages it, unless it holds more than they do.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import check, permitted_areas
from gateway.api.errors import ApiError, not_found
from gateway.database.tables import areas, users
from gateway.identifiers import now_us
from gateway.people.authorize import AreaPlace, Grant, Principal, authorize
from gateway.people.granting import (
    highest_priority,
    missing_rights,
    priority_of,
    rights_beyond,
)
from gateway.people.grants import grants_of
from gateway.people.roles import Right


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's account and its home; ``home`` is a place for ``authorize()``."""

    id: str
    name: str
    display_name: str
    enabled: bool
    home: AreaPlace


async def find_account(connection: AsyncConnection, user_id: str) -> Account | None:
    """The account, enabled or not; None for one that is deleted or never was."""
    statement = (
        sa.select(users.c.id, users.c.name, users.c.display_name, users.c.enabled, areas.c.path)
        .select_from(users.outerjoin(areas, areas.c.id == users.c.area_id))
        .where(users.c.id == user_id, users.c.deleted_us.is_(None))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return Account(row.id, row.name, row.display_name, row.enabled, AreaPlace(row.path or ""))


async def visible_account(
    connection: AsyncConnection, caller: Principal, user_id: str, *rights: Right
) -> Account:
    """The account, if the caller holds any of the rights at its home. 404 otherwise: that somebody
    has an account is nobody else's business.
    """
    account = await find_account(connection, user_id)
    if account is None or not any(
        authorize(caller, right, account.home, now_us()).allowed for right in rights
    ):
        raise not_found("user")
    return account


async def managed_account(connection: AsyncConnection, caller: Principal, user_id: str) -> Account:
    """The account, if the caller may manage it: set its password, disable it, end its sign-ins.

    403 ``more_than_held`` for one that holds more than the caller does.
    """
    permitted_areas(caller, Right.USERS)
    account = await visible_account(connection, caller, user_id, Right.USERS)
    held = (await grants_of(connection, [user_id], closed=True)).get(user_id, ())
    beyond = rights_beyond(caller, held, now_us())
    if beyond and user_id != caller.user_id:
        raise more_than_held(beyond, "this account holds rights that you do not hold")
    return account


def require_givable(caller: Principal, given: Grant) -> None:
    """Raises ApiError unless the caller may give this grant (to whom is another question)."""
    at_us = now_us()
    check(caller, Right.GRANT, AreaPlace(given.area_path))
    missing = missing_rights(caller, given, at_us)
    if missing:
        raise more_than_held(
            missing, "you can give only what you hold in that area, for no longer than you hold it"
        )
    highest = highest_priority(caller, given.area_path, at_us)
    if priority_of(given) > highest:
        raise ApiError(
            403,
            "more_than_held",
            f"your own priority for steering there is {highest}: give no higher one",
            {"rights": [], "ptz_priority": highest},
        )


def require_withdrawable(caller: Principal, held: Grant) -> None:
    """Raises ApiError unless the caller may take this grant away."""
    check(caller, Right.GRANT, AreaPlace(held.area_path))
    beyond = rights_beyond(caller, [held], now_us())
    if beyond:
        raise more_than_held(beyond, "this grant carries more than you hold in that area")


def more_than_held(rights: frozenset[Right], message: str) -> ApiError:
    """403; ``detail.rights`` names those that are missing."""
    return ApiError(403, "more_than_held", message, {"rights": sorted(rights)})
