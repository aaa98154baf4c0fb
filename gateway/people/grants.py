"""Reading grants: of somebody who has signed in, and of those whose sessions are open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import areas, grants, users
from gateway.people.authorize import Grant, Principal
from gateway.people.roles import WHOLE_COUNTY, Role

# What :func:`held_grants` reads of a row of ``grants`` (outer) joined with ``areas``.
GRANT_COLUMNS = (
    grants.c.id.label("grant_id"),
    grants.c.role,
    grants.c.area_id,
    areas.c.path,
    grants.c.valid_from_us,
    grants.c.valid_until_us,
    grants.c.ptz_priority,
)


class _GrantRow(Protocol):
    @property
    def grant_id(self) -> Any: ...
    @property
    def role(self) -> Any: ...
    @property
    def area_id(self) -> Any: ...
    @property
    def path(self) -> Any: ...
    @property
    def valid_from_us(self) -> Any: ...
    @property
    def valid_until_us(self) -> Any: ...
    @property
    def ptz_priority(self) -> Any: ...


def held_grants(rows: Iterable[_GrantRow]) -> tuple[Grant, ...]:
    """The grants in rows of :data:`GRANT_COLUMNS`, in force or not. None comes of a row without a
    role (an outer join), nor of an area that is gone.
    """
    return tuple(
        Grant(
            Role(row.role),
            "" if row.area_id == WHOLE_COUNTY else row.path,
            row.valid_from_us,
            row.valid_until_us,
            row.ptz_priority,
            row.grant_id,
        )
        for row in rows
        if row.role is not None and (row.area_id == WHOLE_COUNTY or row.path is not None)
    )


async def grants_of(
    connection: AsyncConnection, user_ids: Collection[str], *, closed: bool = False
) -> dict[str, tuple[Grant, ...]]:
    """The grants of these users, in force or not; of one whose account is closed, only if asked."""
    statement = (
        sa.select(grants.c.user_id, *GRANT_COLUMNS)
        .select_from(
            grants.join(users, users.c.id == grants.c.user_id).outerjoin(
                areas, areas.c.id == grants.c.area_id
            )
        )
        .where(grants.c.user_id.in_(user_ids), sa.true() if closed else users.c.enabled)
    )
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in await connection.execute(statement):
        rows[row.user_id].append(row)
    return {user_id: held_grants(held) for user_id, held in rows.items()}


async def principal_of_user(
    connection: AsyncConnection, user_id: str, expires_us: int
) -> Principal | None:
    """The user with the grants of this moment, as for a session that ends at ``expires_us``; None
    when the account is closed. For deciding again, later, what a ticket once allowed.
    """
    statement = (
        sa.select(users.c.name, users.c.display_name, users.c.must_change_password, *GRANT_COLUMNS)
        .select_from(
            users.outerjoin(grants, grants.c.user_id == users.c.id).outerjoin(
                areas, areas.c.id == grants.c.area_id
            )
        )
        .where(users.c.id == user_id, users.c.enabled)
    )
    rows = (await connection.execute(statement)).all()
    if not rows:
        return None
    first = rows[0]
    return Principal(
        user_id=user_id,
        name=first.name,
        display_name=first.display_name,
        grants=held_grants(rows),
        must_change_password=first.must_change_password,
        session_expires_us=expires_us,
        token_hash="",
    )
