"""Writes that belong to the cluster: which processes run, and which shard owns which source."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.tables import processes
from gateway.identifiers import now_us
from recorder.index import assign
from recorder.rows import row_operation
from recorder.tables import assignments, sources


@row_operation("processes.report")
def report_process(connection: sa.Connection, name: str, **columns: Any) -> None:
    """Say where a process is to be found now. May be repeated."""
    changed = connection.execute(
        sa.update(processes).where(processes.c.name == name).values(**columns)
    )
    if changed.rowcount == 0:
        connection.execute(sa.insert(processes).values(name=name, **columns))


@row_operation("processes.keep_only")
def keep_only(connection: sa.Connection, names: list[str], node: str | None = None) -> None:
    """Forget processes that are not configured any more; with ``node`` only that machine's. May be
    repeated.
    """
    here = sa.true() if node is None else processes.c.node == node
    connection.execute(sa.delete(processes).where(processes.c.name.not_in(names), here))


@row_operation("assignments.place")
def place(connection: sa.Connection, owners: dict[str, str | None]) -> list[str]:
    """Give each source (``"{camera_id}/main"``) to a shard, or to nobody; gives what changed.

    A change of owner raises the epoch, so that late rows of the former owner are told apart. May be
    repeated.
    """
    changed = []
    at_us = now_us()
    for source_id, owner in owners.items():
        former = connection.execute(
            sa.select(assignments.c.owner).where(assignments.c.source_id == source_id)
        ).scalar()
        if (former or "") == (owner or ""):
            continue
        changed.append(source_id)
        _ensure_source(connection, source_id, at_us)
        assign(connection, source_id, owner or "", at_us)
    return changed


def _ensure_source(connection: sa.Connection, source_id: str, at_us: int) -> None:
    known = connection.execute(sa.select(sources.c.id).where(sources.c.id == source_id))
    if known.one_or_none() is None:
        camera_id, _, name = source_id.partition("/")
        fetched = name in ("backfill", "borrowed")
        connection.execute(
            sa.insert(sources).values(
                id=source_id,
                kind=name if fetched else "camera",
                camera_id=camera_id,
                variant="main" if fetched else name,
                created_us=at_us,
            )
        )
