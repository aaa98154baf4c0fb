"""What was deleted, in the register: a record for each day and cause, when the day is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord, append_rows
from gateway.database.audit_tables import audit_log
from recorder.retention import DAY_US

# A gateway that stood still for longer has deleted nothing on the days before.
_LOOK_BACK_DAYS = 400


def record_days(
    connection: sa.Connection,
    action: str,
    table: sa.Table,
    sums: Mapping[str, sa.ColumnElement[Any]],
    today: int,
) -> int:
    """Write the records of ``action`` that are missing of the days before ``today`` (days since
    1970, UTC); gives how many. May be repeated.

    ``table`` has ``day``, ``cause``, ``first_us`` and ``last_us``; ``sums`` are what else a record
    says, by name.
    """
    # By time, which is indexed: it lies a day back, and not deep in the register of years.
    newest = connection.execute(
        sa.select(audit_log.c.start_us)
        .where(audit_log.c.action == action)
        .order_by(audit_log.c.at_us.desc())
        .limit(1)
    ).scalar()
    after = today - _LOOK_BACK_DAYS if newest is None else newest // DAY_US
    days = connection.execute(
        sa.select(
            table.c.day,
            table.c.cause,
            *(column.label(name) for name, column in sums.items()),
            sa.func.min(table.c.first_us).label("first_us"),
            sa.func.max(table.c.last_us).label("last_us"),
        )
        .where(table.c.day > after, table.c.day < today)
        .group_by(table.c.day, table.c.cause)
        .order_by(table.c.day, table.c.cause)
    ).mappings()
    records = [
        AuditRecord(
            action,
            start_us=row["day"] * DAY_US,
            end_us=(row["day"] + 1) * DAY_US,
            detail={name: value for name, value in row.items() if name != "day"},
        ).to_message()
        for row in days
    ]
    if records:
        append_rows(connection, records)
    return len(records)
