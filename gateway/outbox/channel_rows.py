"""Writes to channels: how other systems are told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.identifiers import now_us
from gateway.outbox.putting import put
from recorder.rows import RowError, row_operation

_own = outbox_channels.c


@row_operation("outbox_channels.add")
def add(connection: sa.Connection, columns: dict[str, Any]) -> None:
    """One more. Raises RowError ``name_taken``."""
    _require_free_name(connection, columns["name"], columns["id"])
    connection.execute(
        sa.insert(outbox_channels).values(created_us=now_us(), failures=0, next_try_us=0, **columns)
    )


@row_operation("outbox_channels.change")
def change(connection: sa.Connection, channel_id: str, columns: dict[str, Any]) -> None:
    """Give it these columns; what waits for it is tried at once. Raises RowError ``not_found``,
    ``name_taken``.
    """
    _require(connection, channel_id)
    if "name" in columns:
        _require_free_name(connection, columns["name"], channel_id)
    connection.execute(
        sa.update(outbox_channels)
        .where(_own.id == channel_id)
        .values(next_try_us=0, failures=0, **columns)
    )


@row_operation("outbox_channels.remove")
def remove(connection: sa.Connection, channel_id: str) -> None:
    """It is told of nothing any more, and what waits for it is given up. Raises RowError
    ``not_found``.
    """
    _require(connection, channel_id)
    at_us = now_us()
    connection.execute(
        sa.update(outbox_channels)
        .where(_own.id == channel_id)
        .values(deleted_us=at_us, enabled=False)
    )
    connection.execute(
        sa.update(outbox_deliveries)
        .where(outbox_deliveries.c.channel_id == channel_id, outbox_deliveries.c.state == "waiting")
        .values(state="dead", done_us=at_us, error="the channel was removed")
    )


@row_operation("outbox_channels.rotate")
def rotate(
    connection: sa.Connection, channel_id: str, secret_sealed: str, old_until_us: int
) -> None:
    """Another secret; the one before signs beside it until then. Raises RowError ``not_found``."""
    before = _require(connection, channel_id)
    connection.execute(
        sa.update(outbox_channels)
        .where(_own.id == channel_id)
        .values(
            secret_sealed=secret_sealed,
            old_secret_sealed=before.secret_sealed,
            old_secret_until_us=old_until_us,
        )
    )


@row_operation("outbox_channels.test")
def test(connection: sa.Connection, channel_id: str, once_key: str, body: dict[str, Any]) -> None:
    """Have a trial message delivered, at once. Raises RowError ``not_found``."""
    _require(connection, channel_id)
    put(connection, "test", body, once_key, channel_ids=(channel_id,))
    connection.execute(
        sa.update(outbox_channels).where(_own.id == channel_id).values(next_try_us=0)
    )


def _require(connection: sa.Connection, channel_id: str) -> sa.Row[Any]:
    row = connection.execute(
        sa.select(outbox_channels).where(_own.id == channel_id, _own.deleted_us.is_(None))
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such channel")
    return row


def _require_free_name(connection: sa.Connection, name: str, channel_id: str) -> None:
    taken = connection.scalar(
        sa.select(_own.id).where(
            _own.name == name, _own.id != channel_id, _own.deleted_us.is_(None)
        )
    )
    if taken is not None:
        raise RowError("name_taken", "another channel has this name: choose another")
