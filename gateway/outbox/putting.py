"""Putting something into the outbox, as a part of the write that it tells of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError

BODY_BYTES_LIMIT = 256 * 1024
# Until the sender has its settings' say, when it first looks at it.
UNDECIDED_US = 0


def is_wanted(connection: sa.Connection, topic: str) -> bool:
    """Whether anybody is told of ``topic``: for who would otherwise put many."""
    topics = connection.scalars(
        sa.select(outbox_channels.c.topics).where(
            outbox_channels.c.enabled, outbox_channels.c.deleted_us.is_(None)
        )
    )
    return any(topic in one for one in topics)


def put(
    connection: sa.Connection,
    kind: str,
    body: dict[str, Any],
    once_key: str,
    *,
    topic: str | None = None,
    channel_ids: Sequence[str] = (),
) -> int:
    """Have it delivered by the channels of these ids, and by those that are told of ``topic``.

    For use within row operations. Once for each channel and ``once_key``, however often it is
    called; gives how many deliveries are new. A channel that is gone is passed over. Raises
    RowError ``invalid`` for a body that nobody would take.
    """
    if len(json.dumps(body, ensure_ascii=False).encode()) > BODY_BYTES_LIMIT:
        raise RowError("invalid", f"what is told to others has {BODY_BYTES_LIMIT} bytes at most")
    known = connection.execute(
        sa.select(outbox_channels.c.id, outbox_channels.c.topics, outbox_channels.c.enabled).where(
            outbox_channels.c.deleted_us.is_(None)
        )
    ).all()
    wanted = [
        one.id
        for one in known
        if one.id in channel_ids or (one.enabled and topic is not None and topic in one.topics)
    ]
    if not wanted:
        return 0
    table = outbox_deliveries
    there = set(
        connection.scalars(
            sa.select(table.c.channel_id).where(
                table.c.channel_id.in_(wanted), table.c.once_key == once_key
            )
        )
    )
    at_us = now_us()
    rows = [
        {
            "id": new_id("msg"),
            "channel_id": one,
            "once_key": once_key,
            "kind": kind,
            "body": body,
            "state": "waiting",
            "created_us": at_us,
            "give_up_us": UNDECIDED_US,
            "tries": 0,
        }
        for one in wanted
        if one not in there
    ]
    if rows:
        connection.execute(sa.insert(table), rows)
    return len(rows)
