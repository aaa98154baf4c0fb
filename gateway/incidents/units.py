"""Units that are responsible for areas, who belongs to them, and which one it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.incident_tables import (
    agent_seats,
    duty_shifts,
    incidents,
    unit_members,
    units,
)
from gateway.database.tables import areas, users
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

_DEPTH_LIMIT = 8


@row_operation("units.put")
def put(
    connection: sa.Connection,
    unit_id: str | None,
    columns: dict[str, Any],
    member_ids: Sequence[str] | None,
) -> str:
    """Add a unit, or change one; gives its id. ``member_ids``: all of them; None leaves them."""
    if "area_id" in columns:
        _require_area(connection, columns["area_id"])
    if columns.get("parent_id") is not None:
        find_unit(connection, columns["parent_id"])
    if unit_id is None:
        unit_id = new_id("unit")
        connection.execute(sa.insert(units).values(id=unit_id, created_us=now_us(), **columns))
    elif columns:
        changed = connection.execute(
            sa.update(units).where(units.c.id == unit_id).values(**columns)
        )
        if changed.rowcount == 0:
            raise RowError("not_found", "there is no such unit")
    else:
        find_unit(connection, unit_id)
    _refuse_circle(connection, unit_id)
    if member_ids is not None:
        known = set(connection.scalars(sa.select(users.c.id).where(users.c.id.in_(member_ids))))
        if missing := set(member_ids) - known:
            raise RowError("invalid", f"there is no person {min(missing)}")
        connection.execute(sa.delete(unit_members).where(unit_members.c.unit_id == unit_id))
        if known:
            connection.execute(
                sa.insert(unit_members),
                [{"unit_id": unit_id, "user_id": one} for one in sorted(known)],
            )
    return unit_id


@row_operation("units.delete")
def delete(connection: sa.Connection, unit_id: str) -> None:
    """Remove a unit that has handled nothing. Raises RowError ``conflict`` for any other."""
    find_unit(connection, unit_id)
    if connection.scalar(sa.select(incidents.c.id).where(incidents.c.unit_id == unit_id).limit(1)):
        raise RowError("conflict", "the unit has incidents: hand those over first")
    if connection.scalar(sa.select(units.c.id).where(units.c.parent_id == unit_id).limit(1)):
        raise RowError("conflict", "there are units below it: give them another one above first")
    connection.execute(
        sa.update(duty_shifts).where(duty_shifts.c.unit_id == unit_id).values(unit_id=None)
    )
    connection.execute(sa.delete(unit_members).where(unit_members.c.unit_id == unit_id))
    connection.execute(sa.delete(units).where(units.c.id == unit_id))


@row_operation("duty.put")
def put_shift(connection: sa.Connection, shift_id: str | None, columns: dict[str, Any]) -> str:
    """Add somebody's duty, or change it; gives its id."""
    if shift_id is None:
        shift_id = new_id("duty")
        connection.execute(sa.insert(duty_shifts).values(id=shift_id, **columns))
        return shift_id
    changed = connection.execute(
        sa.update(duty_shifts).where(duty_shifts.c.id == shift_id).values(**columns)
    )
    if changed.rowcount == 0:
        raise RowError("not_found", "there is no such duty")
    return shift_id


@row_operation("duty.delete")
def delete_shift(connection: sa.Connection, shift_id: str) -> None:
    """Take somebody off duty."""
    connection.execute(sa.delete(duty_shifts).where(duty_shifts.c.id == shift_id))


@row_operation("agents.sit")
def sit(connection: sa.Connection, user_id: str, area_id: str, state: str | None) -> None:
    """An agent takes a seat, or says what they do at it; None: leaves it."""
    connection.execute(sa.delete(agent_seats).where(agent_seats.c.user_id == user_id))
    if state is not None:
        connection.execute(
            sa.insert(agent_seats).values(
                user_id=user_id, area_id=area_id, state=state, since_us=now_us()
            )
        )


def find_unit(connection: sa.Connection, unit_id: str) -> Any:
    """Its row. Raises RowError ``not_found``."""
    row = connection.execute(sa.select(units).where(units.c.id == unit_id)).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such unit")
    return row


def responsible_unit(connection: sa.Connection, area_path: str, category_id: str) -> str | None:
    """The unit of the area, or of the nearest above it that has one for this category.

    One that names the category comes before one that takes everything; None: nobody is responsible.
    """
    ids = area_path.strip("/").split("/")
    rows = connection.execute(
        sa.select(units.c.id, units.c.area_id, units.c.category_ids)
        .where(units.c.area_id.in_(ids))
        .order_by(units.c.created_us, units.c.id)
    ).all()
    for area_id in reversed(ids):
        here = [row for row in rows if row.area_id == area_id]
        for row in here:
            if row.category_ids and category_id in row.category_ids:
                return str(row.id)
        for row in here:
            if row.category_ids is None:
                return str(row.id)
    return None


def _require_area(connection: sa.Connection, area_id: str) -> None:
    axis = connection.scalar(sa.select(areas.c.axis).where(areas.c.id == area_id))
    if axis != "area":
        raise RowError("invalid", "a unit is responsible for an area of the county's own tree")


def _refuse_circle(connection: sa.Connection, unit_id: str) -> None:
    above = unit_id
    for _ in range(_DEPTH_LIMIT):
        parent_id = find_unit(connection, above).parent_id
        if parent_id is None:
            return
        if parent_id == unit_id:
            raise RowError("invalid", "a unit cannot stand above itself")
        above = parent_id
    raise RowError("invalid", f"units stand at most {_DEPTH_LIMIT} above one another")
