"""Writes that belong to the cluster: which processes run, and which shard owns which source."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from camera_adapters.stream import GapCause
from gateway.cluster.unowned import place_unowned
from gateway.database.tables import processes, shards
from gateway.identifiers import now_us
from recorder.gap_rows import open_gap
from recorder.index import assign
from recorder.rows import RowError, row_operation
from recorder.tables import assignments, gaps, spans


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
    """Forget processes that are not configured any more; with ``node``, which is one of several,
    only that machine's, and those of the time when it stood alone. May be repeated.
    """
    own: sa.ColumnElement[bool] = sa.true()
    shared: sa.ColumnElement[bool] = sa.true()
    if node is not None:
        # Of a machine of several every process is named after it, but for what there is once.
        alone = processes.c.name.not_like("%.%") & (processes.c.kind != "signalling")
        own = (processes.c.node == node) | alone
        shared = (shards.c.node == node) | shards.c.name.not_like("%.%")
    connection.execute(sa.delete(processes).where(processes.c.name.not_in(names), own))
    connection.execute(sa.delete(shards).where(shards.c.name.not_in(names), shared))


@row_operation("shards.rename")
def rename_shards(connection: sa.Connection, names: dict[str, str]) -> None:
    """Shards of a machine that joined the others, or left them, keep what they had; ``names``:
    former → present. May be repeated.
    """
    for former, name in names.items():
        for column in (assignments.c.owner, assignments.c.successor, assignments.c.predecessor):
            connection.execute(
                sa.update(assignments).where(column == former).values({column.name: name})
            )


@row_operation("shards.claim")
def claim_shard(
    connection: sa.Connection, name: str, node: str, capacity_mbps: float, networks: list[str]
) -> None:
    """A shard begins on a node. If it was on another, that one may still run, frozen or cut off:
    the epochs of all that it owns are raised, so that its late rows lose. May be repeated.
    """
    here = shards.c.name == name
    facts = {"node": node, "capacity_mbps": capacity_mbps, "networks": networks}
    known = connection.execute(sa.select(shards.c.node).where(here)).scalar()
    if known is None:
        connection.execute(sa.insert(shards).values(name=name, beat=1, drained=False, **facts))
        return
    connection.execute(sa.update(shards).where(here).values(beat=shards.c.beat + 1, **facts))
    if known != node:
        connection.execute(
            sa.update(assignments)
            .where(sa.or_(assignments.c.owner == name, assignments.c.successor == name))
            .values(epoch=assignments.c.epoch + 1, since_us=now_us())
        )


@row_operation("shards.beat")
def beat_shard(connection: sa.Connection, name: str, node: str) -> bool:
    """The shard lives. False when its name has been claimed on another node since: it must end."""
    beaten = connection.execute(
        sa.update(shards)
        .where(shards.c.name == name, shards.c.node == node)
        .values(beat=shards.c.beat + 1)
    )
    return beaten.rowcount > 0


@row_operation("shards.drain")
def drain_shards(connection: sa.Connection, node: str, drained: bool) -> list[str]:
    """Have the cameras of a node's shards move elsewhere, or let them come back; gives the shards'
    names. Raises RowError ``not_found``. May be repeated.
    """
    here = shards.c.node == node
    names = connection.execute(sa.select(shards.c.name).where(here).order_by(shards.c.name))
    found = list(names.scalars())
    if not found:
        raise RowError("not_found", f"no media shard has run on {node}")
    connection.execute(sa.update(shards).where(here).values(drained=drained))
    return found


@row_operation("assignments.place")
def place(connection: sa.Connection, owners: dict[str, str | None]) -> list[str]:
    """Give each source (``"{camera_id}/main"``) to a shard, or to nobody; gives what changed.

    A change of owner raises the epoch, so that late rows of the former owner are told apart; a
    successor has its own already. May be repeated.
    """
    at_us = now_us()
    changed = place_unowned(connection, owners, at_us)
    placed = set(changed)
    for source_id, owner in owners.items():
        if source_id in placed:
            continue
        row = connection.execute(
            sa.select(assignments.c.owner, assignments.c.successor).where(
                assignments.c.source_id == source_id
            )
        ).one_or_none()
        former = "" if row is None else row.owner
        if former == (owner or ""):
            continue
        changed.append(source_id)
        if row is not None and owner is not None and row.successor == owner:
            _succeed(connection, assignments.c.source_id == source_id, owner, at_us)
        else:
            assign(connection, source_id, owner or "", at_us)
        if former and owner:
            _explain_taking_over(connection, source_id, former)
    return changed


@row_operation("assignments.begin_move")
def begin_move(connection: sa.Connection, moves: dict[str, list[str]]) -> None:
    """Name a successor of each source that has an owner and none yet; ``moves``: shard → sources.

    The epoch is the successor's from now on; the owner goes on under the one before. May be
    repeated.
    """
    for successor, source_ids in moves.items():
        connection.execute(
            sa.update(assignments)
            .where(
                assignments.c.source_id.in_(source_ids),
                assignments.c.owner != "",
                assignments.c.owner != successor,
                assignments.c.successor.is_(None),
            )
            .values(successor=successor, epoch=assignments.c.epoch + 1, since_us=now_us())
        )


@row_operation("assignments.end_move")
def end_move(
    connection: sa.Connection,
    source_ids: list[str],
    successor: str,
    succeeds: bool,
) -> None:
    """The successor owns the sources, or, where it does not succeed, they stay with their owner,
    under an epoch that is above the successor's. Only while it is their successor. May be repeated.
    """
    moving = sa.and_(assignments.c.source_id.in_(source_ids), assignments.c.successor == successor)
    if succeeds:
        _succeed(connection, moving, successor, now_us())
        return
    connection.execute(
        sa.update(assignments)
        .where(moving)
        .values(successor=None, epoch=assignments.c.epoch + 1, since_us=now_us())
    )


def _succeed(
    connection: sa.Connection, which: sa.ColumnElement[bool], successor: str, at_us: int
) -> None:
    connection.execute(
        sa.update(assignments)
        .where(which)
        .values(owner=successor, successor=None, predecessor=assignments.c.owner, since_us=at_us)
    )


def _explain_taking_over(connection: sa.Connection, source_id: str, former: str) -> None:
    """What the former owner recorded last is with it still, until it comes back."""
    last_end_us = connection.execute(
        sa.select(spans.c.end_us)
        .where(spans.c.source_id == source_id)
        .order_by(spans.c.start_us.desc())
        .limit(1)
    ).scalar()
    if last_end_us is not None:
        open_gap(
            connection,
            source_id,
            last_end_us,
            str(GapCause.HELD_ON_NODE),
            _held_by(former),
            unless_open=True,
        )


@row_operation("gaps.brought_back")
def brought_back(
    connection: sa.Connection, owners: list[str], source_ids: list[str] | None = None
) -> None:
    """These owners have stored what they held, of these sources or of all: nothing was recorded in
    what is missing still. May be repeated.
    """
    which = [
        gaps.c.cause == str(GapCause.HELD_ON_NODE),
        gaps.c.detail.in_([_held_by(owner) for owner in owners]),
    ]
    if source_ids is not None:
        which.append(gaps.c.source_id.in_(source_ids))
    connection.execute(
        sa.update(gaps)
        .where(*which)
        .values(cause=str(GapCause.GATEWAY_STOPPED), detail=f"{owners[0]} was away")
    )


def _held_by(owner: str) -> str:
    return f"{owner} is away: what it recorded last comes back with it"
