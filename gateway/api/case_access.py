"""Who may see a case: its members, and system administrators."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.errors import ApiError, not_found
from gateway.database.evidence_tables import case_members, cases
from gateway.database.tables import areas, users
from gateway.identifiers import now_us
from gateway.people.authorize import COUNTY, Principal, authorize
from gateway.people.roles import Right

LEAD = "lead"


def sees_every_case(caller: Principal) -> bool:
    """Whether the caller is a system administrator."""
    return authorize(caller, Right.SYSTEM, COUNTY, now_us()).allowed


def select_cases(caller: Principal) -> sa.Select[Any]:
    """The cases that the caller may see, with ``role``, ``path`` and the creator's name."""
    own = case_members.alias("own")
    statement = (
        sa.select(
            cases,
            own.c.role,
            areas.c.path.label("area_path"),
            users.c.display_name.label("creator"),
        )
        .select_from(
            cases.join(areas, areas.c.id == cases.c.area_id)
            .join(users, users.c.id == cases.c.created_by)
            .outerjoin(own, (own.c.case_id == cases.c.id) & (own.c.user_id == caller.user_id))
        )
        .order_by(cases.c.created_us.desc(), cases.c.id)
    )
    if not sees_every_case(caller):
        statement = statement.where(own.c.role.is_not(None))
    return statement


async def visible_case(connection: AsyncConnection, caller: Principal, case_id: str) -> sa.Row[Any]:
    """The case. Raises ApiError 404 for one that the caller may not know of."""
    statement = select_cases(caller).where(cases.c.id == case_id)
    row: sa.Row[Any] | None = (await connection.execute(statement)).first()
    if row is None:
        raise not_found("case")
    return row


async def joined_case(
    connection: AsyncConnection, caller: Principal, case_id: str, *, lead: bool = False
) -> sa.Row[Any]:
    """The case, if the caller is a member (its lead). Raises ApiError 404, 403."""
    row = await visible_case(connection, caller, case_id)
    if row.role is None or (lead and row.role != LEAD):
        who = "its lead" if lead else "a member of it"
        raise ApiError(403, "not_allowed", f"only {who} may do this with the case")
    return row
