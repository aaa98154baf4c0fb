"""Who sees an incident, and which steps they may take with it.

It is seen by who holds ``incidents`` where it is, by the people of the unit that has it, and by who
reported it. What is done to it is by the unit or by who dispatches there: see docs/incidents.md.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import check, not_there
from gateway.attachments.subjects import seen_by
from gateway.database.incident_tables import incidents
from gateway.identifiers import now_us
from gateway.incidents.dispatching import DISPATCHING
from gateway.incidents.handling import HANDLING
from gateway.incidents.reading import Scope, own_units
from gateway.incidents.steps import STEPS
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right

SUBJECT = "incident"
# Who may be given something to do: the people of units, and workers in the field.
_TASKED = frozenset({Right.HANDLE, Right.REPORT})


async def scope_of(connection: AsyncConnection, caller: Principal) -> Scope:
    """What the caller may see."""
    at_us = now_us()
    tasked = bool(_TASKED & caller.all_rights(at_us))
    return Scope(
        tuple(caller.areas_with(Right.INCIDENTS, at_us)),
        await own_units(connection, caller.user_id) if tasked else (),
        caller.user_id,
    )


async def find_incident(
    connection: AsyncConnection, caller: Principal, incident_id: str
) -> tuple[dict[str, Any], Scope]:
    """The row, and what its finder may see. Raises ApiError 404 where it is not seen."""
    scope = await scope_of(connection, caller)
    row = (
        await connection.execute(
            sa.select(incidents).where(incidents.c.id == incident_id, scope.condition())
        )
    ).one_or_none()
    if row is None:
        raise not_there()
    return dict(row._mapping), scope


def steps_open_to(caller: Principal, row: dict[str, Any], scope: Scope) -> list[str]:
    """The kinds of steps that the caller may take with it as it is now."""
    allowed: set[str] = set()
    tells = caller.user_id == row["reporter_user_id"]
    if row["unit_id"] in scope.unit_ids:
        allowed |= HANDLING
    if dispatches(caller, row["area_path"]):
        allowed |= DISPATCHING
    if allowed or tells:
        allowed |= {"comment", "attach"}
    if tells:
        allowed.add("rate")
    if row["rating"] is not None:
        allowed.discard("rate")
    return sorted(kind for kind in allowed if row["state"] in STEPS[kind][0])


def dispatches(caller: Principal, area_path: str) -> bool:
    """Whether the caller gives out incidents there."""
    return Right.DISPATCH in caller.rights_at(AreaPlace(area_path), now_us())


def require_dispatch(caller: Principal, area_path: str) -> None:
    """Raises ApiError 403, or 404 where they may know of nothing."""
    check(caller, Right.DISPATCH, AreaPlace(area_path))


async def _sight(connection: AsyncConnection, principal: Principal, subject_id: str) -> str | None:
    scope = await scope_of(connection, principal)
    path: str | None = await connection.scalar(
        sa.select(incidents.c.area_path).where(incidents.c.id == subject_id, scope.condition())
    )
    return path


seen_by(SUBJECT, _sight)
