"""Who is on duty in the field, and where they are now. The newest position is all that is kept, and
it goes with the duty.
"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.field_tables import field_duties
from gateway.identifiers import now_us
from recorder.rows import RowError, row_operation

_own = field_duties.c


@row_operation("field.begin_duty")
def begin(connection: sa.Connection, user_id: str, area_path: str, ends_us: int) -> int:
    """They are on duty from now on; gives since when, which stays for who is already."""
    since: int | None = connection.scalar(
        sa.select(_own.since_us).where(_own.user_id == user_id, _own.ends_us > now_us())
    )
    if since is not None:
        return since
    connection.execute(sa.delete(field_duties).where(_own.user_id == user_id))
    at_us = now_us()
    connection.execute(
        sa.insert(field_duties).values(
            user_id=user_id, area_path=area_path, since_us=at_us, ends_us=ends_us
        )
    )
    return at_us


@row_operation("field.end_duty")
def end(connection: sa.Connection, user_id: str) -> None:
    """They are not; nothing of where they were is left. May be repeated."""
    connection.execute(sa.delete(field_duties).where(_own.user_id == user_id))


@row_operation("field.position")
def take_position(
    connection: sa.Connection,
    user_id: str,
    longitude: float,
    latitude: float,
    accuracy_m: float | None,
    at_us: int,
) -> None:
    """Where they are now. Raises RowError ``conflict`` for who is not on duty: nothing is kept."""
    changed = connection.execute(
        sa.update(field_duties)
        .where(_own.user_id == user_id, _own.ends_us > now_us())
        .values(longitude=longitude, latitude=latitude, accuracy_m=accuracy_m, at_us=at_us)
    )
    if not changed.rowcount:
        raise RowError("conflict", "you are not on duty: your position is not taken")


@row_operation("field.end_overdue_duties")
def end_overdue(connection: sa.Connection, at_us: int) -> None:
    """Of those who forgot. May be repeated."""
    connection.execute(sa.delete(field_duties).where(_own.ends_us <= at_us))
