"""Writes to leases: of several like processes one leads, until it gives it back or goes silent.

Times are the database's where the database has a clock of its own, so that writers on several
machines agree.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.replica_tables import leases
from gateway.identifiers import now_us
from recorder.rows import RowError, perform, row_operation

LOST = "lease_lost"


@row_operation("leases.take")
def take(connection: sa.Connection, name: str, holder: str, lasts_us: int) -> int | None:
    """Take a lease that nobody holds, or whose time is over; gives its new epoch, None where
    another holds it.
    """
    at_us = _now_us(connection)
    row = connection.execute(sa.select(leases).where(leases.c.name == name)).one_or_none()
    values = {
        "holder": holder,
        "since_us": at_us,
        "renewed_us": at_us,
        "expires_us": at_us + lasts_us,
    }
    if row is None:
        connection.execute(sa.insert(leases).values(name=name, epoch=1, **values))
        return 1
    if row.expires_us > at_us:
        return None
    epoch: int = row.epoch + 1
    connection.execute(sa.update(leases).where(leases.c.name == name).values(epoch=epoch, **values))
    return epoch


@row_operation("leases.renew")
def renew(connection: sa.Connection, name: str, epoch: int, lasts_us: int) -> bool:
    """Let it last ``lasts_us`` from now; gives whether it is still this epoch's. May be repeated.

    One whose time is over, and that nobody has taken, is this epoch's still.
    """
    at_us = _now_us(connection)
    changed = connection.execute(
        sa.update(leases)
        .where(leases.c.name == name, leases.c.epoch == epoch, leases.c.expires_us > 0)
        .values(renewed_us=at_us, expires_us=at_us + lasts_us)
    )
    return changed.rowcount == 1


@row_operation("leases.give_back")
def give_back(connection: sa.Connection, name: str, epoch: int) -> None:
    """Let the next one have it at once. May be repeated, and by who has lost it."""
    connection.execute(
        sa.update(leases).where(leases.c.name == name, leases.c.epoch == epoch).values(expires_us=0)
    )


@row_operation("leases.fenced")
def fenced(
    connection: sa.Connection, name: str, epoch: int, operation: str, arguments: dict[str, Any]
) -> Any:
    """Run an operation if the lease is this epoch's, in one transaction.

    Raises RowError ``lease_lost`` where another has taken it since, and what the operation raises.
    """
    current = connection.execute(sa.select(leases.c.epoch).where(leases.c.name == name)).scalar()
    if current != epoch:
        raise RowError(LOST, f"another leads '{name}' by now")
    return perform(connection, operation, arguments)


def _now_us(connection: sa.Connection) -> int:
    if connection.dialect.name != "postgresql":
        return now_us()
    clock = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1_000_000, sa.BigInteger)
    at_us: int = connection.execute(sa.select(clock)).scalar_one()
    return at_us
