"""Writes to sites: when they take calls unasked, and tests of their devices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.meeting_tables import meeting_sites, site_checks
from gateway.identifiers import US_PER_S, new_id, now_us
from recorder.rows import RowError, row_operation

# Who does not test within this was not there.
ASKED_FOR_US = 600 * US_PER_S
_KEPT_OF_A_SITE = 20


@row_operation("sites.hours")
def set_hours(
    connection: sa.Connection, area_id: str, hours: list[dict[str, Any]], user_id: str
) -> None:
    """When the site takes calls without anybody on the spot; no hours: never."""
    values = {"hours": hours, "changed_us": now_us(), "changed_by": user_id}
    changed = connection.execute(
        sa.update(meeting_sites).where(meeting_sites.c.area_id == area_id).values(**values)
    )
    if not changed.rowcount:
        connection.execute(sa.insert(meeting_sites).values(area_id=area_id, **values))


@row_operation("sites.ask_checks")
def ask_checks(
    connection: sa.Connection, area_ids: list[str], meeting_id: str | None, user_id: str
) -> int:
    """Ask these sites to test their devices; gives how many are asked anew: one that was asked
    already and has not answered is not asked twice.
    """
    at_us, table = now_us(), site_checks
    asked = set(
        connection.scalars(
            sa.select(table.c.area_id).where(
                table.c.asked_us > at_us - ASKED_FOR_US, table.c.done_us.is_(None)
            )
        )
    )
    new = [one for one in dict.fromkeys(area_ids) if one not in asked]
    if new:
        connection.execute(
            sa.insert(table),
            [
                {
                    "id": new_id("chk"), "area_id": one, "asked_us": at_us, "asked_by": user_id,
                    "meeting_id": meeting_id, "detail": {},
                }
                for one in new
            ],
        )  # fmt: skip
    return len(new)


@row_operation("sites.checked")
def checked(
    connection: sa.Connection,
    area_id: str,
    check_id: str | None,
    user_id: str,
    found: dict[str, Any],
) -> str:
    """What a test found: of one that was asked for, or made unasked; gives its id. Only the newest
    of a site are kept.
    """
    table, at_us = site_checks, now_us()
    values = {**found, "done_us": at_us, "done_by": user_id}
    if check_id is not None:
        changed = connection.execute(
            sa.update(table)
            .where(table.c.id == check_id, table.c.area_id == area_id, table.c.done_us.is_(None))
            .values(**values)
        )
        if not changed.rowcount:
            raise RowError("not_found", "nobody waits for this test any more")
    else:
        check_id = new_id("chk")
        connection.execute(sa.insert(table).values(id=check_id, area_id=area_id, **values))
    kept = (
        sa.select(table.c.id)
        .where(table.c.area_id == area_id, table.c.done_us.is_not(None))
        .order_by(table.c.done_us.desc(), table.c.id)
        .limit(_KEPT_OF_A_SITE)
    )
    connection.execute(
        sa.delete(table).where(
            table.c.area_id == area_id, table.c.done_us.is_not(None), table.c.id.not_in(kept)
        )
    )
    # What nobody answered, and nobody will.
    connection.execute(
        sa.delete(table).where(
            table.c.area_id == area_id,
            table.c.done_us.is_(None),
            table.c.asked_us < at_us - ASKED_FOR_US,
        )
    )
    return check_id
