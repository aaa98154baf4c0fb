"""Writes to grants. Withdrawing may be repeated; adding the same grant twice gives one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.tables import areas, grants, users
from gateway.identifiers import new_id, now_us
from gateway.people.roles import COUNTY_ROLES, WHOLE_COUNTY, Role
from recorder.rows import RowError, row_operation


@row_operation("grants.add")
def add(
    connection: sa.Connection,
    user_id: str,
    role: str,
    area_id: str,
    granted_by: str | None = None,
    valid_from_us: int | None = None,
    valid_until_us: int | None = None,
    ptz_priority: int | None = None,
) -> str:
    """Give a role in an area and all below it ("*": everywhere), for a time; gives its id."""
    known = sa.select(users.c.id).where(users.c.id == user_id, users.c.deleted_us.is_(None))
    if connection.execute(known).one_or_none() is None:
        raise RowError("not_found", "there is no such user")
    require_grantable(connection, role, area_id)
    if valid_until_us is not None and valid_until_us <= max(valid_from_us or 0, now_us()):
        raise RowError("invalid", "the grant would end before it begins, or has ended already")
    given = {
        "user_id": user_id,
        "role": role,
        "area_id": area_id,
        "valid_from_us": valid_from_us,
        "valid_until_us": valid_until_us,
        "ptz_priority": ptz_priority,
    }
    same = sa.select(grants.c.id).where(
        *(grants.c[name].is_not_distinct_from(value) for name, value in given.items())
    )
    grant_id: str | None = connection.execute(same).scalar()
    if grant_id is None:
        grant_id = new_id("grant")
        connection.execute(
            sa.insert(grants).values(
                id=grant_id, created_us=now_us(), granted_by=granted_by, **given
            )
        )
    return grant_id


@row_operation("grants.withdraw")
def withdraw(connection: sa.Connection, grant_id: str) -> None:
    """Take a grant away; the last administrator's stays. What it allowed is ended by
    :mod:`gateway.api.withdrawal`.
    """
    role = connection.scalar(sa.select(grants.c.role).where(grants.c.id == grant_id))
    connection.execute(sa.delete(grants).where(grants.c.id == grant_id))
    if role == Role.SYSTEM_ADMIN.value:
        keep_an_admin(connection)


def set_grants(
    connection: sa.Connection,
    user_id: str,
    granted: list[dict[str, Any]],
    granted_by: str | None = None,
) -> None:
    """Have the user hold exactly these (``role``, ``area_id``, and what else a grant may have).

    A grant that is held already stays the row that it is.
    """
    wanted = {_terms(one): one for one in granted}
    for row in connection.execute(sa.select(grants).where(grants.c.user_id == user_id)):
        if wanted.pop(_terms(row._mapping), None) is None:
            connection.execute(sa.delete(grants).where(grants.c.id == row.id))
    for one in wanted.values():
        add(connection, user_id=user_id, granted_by=granted_by, **one)


_TERMS = ("role", "area_id", "valid_from_us", "valid_until_us", "ptz_priority")


def _terms(grant: Any) -> tuple[Any, ...]:
    return tuple(grant.get(name) for name in _TERMS)


def require_grantable(connection: sa.Connection, role: str, area_id: str) -> None:
    """Raises RowError for a role or an area that is none, or that do not go together."""
    if role not in tuple(Role):
        raise RowError("invalid", f"{role!r} is no role: there are {', '.join(Role)}")
    if area_id == WHOLE_COUNTY:
        return
    if Role(role) in COUNTY_ROLES:
        raise RowError("invalid", f"{role} is granted for the whole county ('*') only")
    known = connection.execute(sa.select(areas.c.id).where(areas.c.id == area_id))
    if known.one_or_none() is None:
        raise RowError("invalid", f"there is no area {area_id}")


def keep_an_admin(connection: sa.Connection) -> None:
    """Raises RowError when nobody would be system administrator, today and for good."""
    admin = (
        sa.select(grants.c.user_id)
        .join(users, users.c.id == grants.c.user_id)
        .where(
            grants.c.role == Role.SYSTEM_ADMIN.value,
            users.c.enabled,
            grants.c.valid_until_us.is_(None),
            sa.func.coalesce(grants.c.valid_from_us, 0) <= now_us(),
        )
        .limit(1)
    )
    if connection.execute(admin).one_or_none() is None:
        raise RowError("last_admin", "this is the last system administrator: appoint another first")
