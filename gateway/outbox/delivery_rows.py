"""Writes to deliveries: what became of each try, what is sent again, what is forgotten."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import RowError, row_operation

_FIRST_WAIT_S = 5
_LONGEST_WAIT_S = 3600
_AT_ONCE = 1000

_own = outbox_deliveries.c
_channel = outbox_channels.c


@row_operation("outbox.delivered")
def delivered(connection: sa.Connection, delivery_id: str, status: int | None) -> None:
    """It has arrived. May be repeated."""
    row = _waiting(connection, delivery_id)
    if row is None:
        return
    at_us = now_us()
    connection.execute(
        sa.update(outbox_deliveries)
        .where(_own.id == delivery_id)
        .values(
            state="delivered",
            done_us=at_us,
            tried_us=at_us,
            tries=row.tries + 1,
            status=status,
            error=None,
        )
    )
    connection.execute(
        sa.update(outbox_channels)
        .where(_channel.id == row.channel_id)
        .values(delivered_us=at_us, error=None, failures=0, next_try_us=0)
    )


@row_operation("outbox.failed")
def failed(
    connection: sa.Connection,
    delivery_id: str,
    status: int | None,
    error: str,
    gone: bool,
    give_up_us: int,
    jitter: float,
) -> None:
    """It has not arrived: the channel waits, twice as long each time, up to an hour; ``jitter``
    (0 to 1) spreads those that failed together. After ``give_up_us`` past its first try it is dead
    and those behind it have their turn. ``gone``: the channel is switched off until somebody
    switches it on.
    """
    row = _waiting(connection, delivery_id)
    if row is None:
        return
    at_us = now_us()
    until_us = row.give_up_us or at_us + give_up_us
    tried: dict[str, Any] = {
        "tried_us": at_us, "tries": row.tries + 1, "status": status, "error": error[:300],
        "give_up_us": until_us,
    }  # fmt: skip
    if at_us >= until_us:
        tried |= {"state": "dead", "done_us": at_us}
    connection.execute(sa.update(outbox_deliveries).where(_own.id == delivery_id).values(**tried))
    before = connection.execute(
        sa.select(_channel.failures).where(_channel.id == row.channel_id)
    ).scalar_one()
    waits_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(before, 20)) * (0.75 + jitter / 2)
    changed: dict[str, Any] = {
        "failed_us": at_us,
        "error": error[:300],
        "failures": before + 1,
        "next_try_us": at_us + round(waits_s * US_PER_S),
    }
    if gone:
        changed["enabled"] = False
    connection.execute(
        sa.update(outbox_channels).where(_channel.id == row.channel_id).values(**changed)
    )


@row_operation("outbox.resend")
def resend(connection: sa.Connection, delivery_ids: list[str]) -> int:
    """Those of them that were given up are tried again, at once; gives how many."""
    at_us = now_us()
    rows = connection.execute(
        sa.select(_own.id, _own.channel_id)
        .join(outbox_channels, _channel.id == _own.channel_id)
        .where(_own.id.in_(delivery_ids), _own.state == "dead", _channel.deleted_us.is_(None))
    ).all()
    if not rows:
        raise RowError("not_found", "none of these was given up, or their channel is gone")
    connection.execute(
        sa.update(outbox_deliveries)
        .where(_own.id.in_([one.id for one in rows]))
        .values(state="waiting", done_us=None, give_up_us=0)
    )
    connection.execute(
        sa.update(outbox_channels)
        .where(_channel.id.in_({one.channel_id for one in rows}), _channel.next_try_us > at_us)
        .values(next_try_us=at_us)
    )
    return len(rows)


@row_operation("outbox.forget")
def forget(connection: sa.Connection, before_us: int) -> int:
    """Drop what was delivered or given up before then; gives how many."""
    over = list(
        connection.scalars(sa.select(_own.sequence).where(_own.done_us < before_us).limit(_AT_ONCE))
    )
    if over:
        connection.execute(sa.delete(outbox_deliveries).where(_own.sequence.in_(over)))
    return len(over)


def _waiting(connection: sa.Connection, delivery_id: str) -> sa.Row[Any] | None:
    return connection.execute(
        sa.select(outbox_deliveries).where(_own.id == delivery_id, _own.state == "waiting")
    ).one_or_none()
