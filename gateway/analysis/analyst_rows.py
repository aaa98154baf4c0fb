"""Writes of analysis on several machines: who lives, who has which camera, and what only that one
may write. Everything here may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.analysis.analysis_rows import keep, undo_live
from gateway.database.analysis_tables import analysis_owners, analysts
from gateway.database.tables import processes
from gateway.identifiers import now_us
from recorder.rows import perform, row_operation
from search.index.dictionary_rows import camera_numbers
from search.index.expiry_rows import REPLACED
from search.index.tables import passage_leftovers

_AT_ONCE = 500


@row_operation("analysts.claim")
def claim(
    connection: sa.Connection, name: str, node: str, workers: int, former: str | None = None
) -> None:
    """An analysis process begins on a node. ``former``: what it was called before; what that one
    had is its own.
    """
    if former is not None:
        known = sa.select(analysts.c.name).where(analysts.c.name == name)
        if connection.execute(known).first() is None:
            renamed = sa.update(analysts).where(analysts.c.name == former).values(name=name)
            connection.execute(renamed)
            connection.execute(
                sa.update(analysis_owners)
                .where(analysis_owners.c.owner == former)
                .values(owner=name, epoch=analysis_owners.c.epoch + 1)
            )
    changed = connection.execute(
        sa.update(analysts)
        .where(analysts.c.name == name)
        .values(node=node, workers=workers, beat=analysts.c.beat + 1)
    )
    if changed.rowcount == 0:
        connection.execute(
            sa.insert(analysts).values(name=name, node=node, workers=workers, beat=1, forgot=0)
        )


@row_operation("analysts.beat")
def beat(connection: sa.Connection, name: str) -> None:
    """It lives."""
    connection.execute(
        sa.update(analysts).where(analysts.c.name == name).values(beat=analysts.c.beat + 1)
    )


@row_operation("analysts.forgot")
def forgot(connection: sa.Connection, name: str, through: int) -> int:
    """One has deleted the vectors of leftovers up to number ``through``. What all have deleted
    counts as deleted; gives how many leftovers that were.

    An analysis process that is configured and has not registered yet may have vectors, too.
    """
    connection.execute(
        sa.update(analysts)
        .where(analysts.c.name == name, analysts.c.forgot < through)
        .values(forgot=through)
    )
    unknown = sa.select(processes.c.name).where(
        processes.c.kind == "analysis", processes.c.name.not_in(sa.select(analysts.c.name))
    )
    if connection.execute(unknown).first() is not None:
        return 0
    all_have = connection.scalar(sa.select(sa.func.min(analysts.c.forgot))) or 0
    numbers = connection.scalars(
        sa.select(passage_leftovers.c.number).where(passage_leftovers.c.number <= all_have)
    ).all()
    for at in range(0, len(numbers), _AT_ONCE):
        perform(
            connection, "passages.forget_vectors", {"numbers": list(numbers[at : at + _AT_ONCE])}
        )
    return len(numbers)


@row_operation("analysis.place")
def place(
    connection: sa.Connection, owners: Mapping[str, str], under_way_us: int
) -> dict[str, list[str]]:
    """Give cameras to analysts, or to nobody (""); gives the changed ones by who had them.

    What was under way with who had one is lost with it: it was not looked at, and what that one
    writes of the camera from now on is refused.
    """
    at_us = now_us()
    changed: dict[str, list[str]] = {}
    for camera_id, owner in owners.items():
        here = analysis_owners.c.camera_id == camera_id
        former = connection.scalar(sa.select(analysis_owners.c.owner).where(here))
        if former == owner:
            continue
        if former is None:
            connection.execute(
                sa.insert(analysis_owners).values(
                    camera_id=camera_id, owner=owner, epoch=1, since_us=at_us
                )
            )
        else:
            connection.execute(
                sa.update(analysis_owners)
                .where(here)
                .values(owner=owner, epoch=analysis_owners.c.epoch + 1, since_us=at_us)
            )
        changed.setdefault(former or "", []).append(camera_id)
    moved = [one for former, some in changed.items() if former for one in some]
    for at in range(0, len(moved), _AT_ONCE):
        undo_live(connection, under_way_us, "failed", moved[at : at + _AT_ONCE])
    return changed


@row_operation("analysis.undo_own")
def undo_own(connection: sa.Connection, owner: str, under_way_us: int, cause: str) -> None:
    """As ``analysis.undo_live``, of the cameras of one analyst."""
    mine = connection.scalars(
        sa.select(analysis_owners.c.camera_id).where(analysis_owners.c.owner == owner)
    ).all()
    for at in range(0, len(mine), _AT_ONCE):
        undo_live(connection, under_way_us, cause, mine[at : at + _AT_ONCE])


@row_operation("analysis.keep_own")
def keep_own(
    connection: sa.Connection,
    owner: str,
    epochs: Mapping[str, int],
    vectors: Mapping[str, Sequence[int]],
    items: Sequence[Mapping[str, Any]] = (),
    indexed: Sequence[Sequence[Any]] = (),
    missed: Sequence[Sequence[Any]] = (),
    progress: Mapping[str, Any] | None = None,
    replaced: Sequence[int] = (),
    anew: Sequence[Sequence[Any]] = (),
) -> dict[str, Any]:
    """As ``analysis.keep``, of those cameras that ``owner`` has under these ``epochs``. Gives
    ``goes_on``, and ``refused``: the cameras that it has no more, of which nothing was kept.

    ``vectors``, camera → ids of passages that were given one: those of refused cameras are left to
    be deleted.
    """
    asked = {one["camera_id"] for one in items} | {
        one[0] for some in (indexed, missed, anew) for one in some
    }
    table = analysis_owners.c
    has = {
        row.camera_id
        for row in connection.execute(
            sa.select(table.camera_id, table.epoch).where(
                table.owner == owner, table.camera_id.in_(asked)
            )
        )
        if epochs.get(row.camera_id) == row.epoch
    }
    refused = sorted(asked - has)
    _leave_vectors(connection, {one: vectors[one] for one in refused if vectors.get(one)})
    if progress is not None and refused:
        # A stretch is one camera's.
        return {"goes_on": False, "refused": refused}
    goes_on = keep(
        connection,
        [one for one in items if one["camera_id"] in has],
        [one for one in indexed if one[0] in has],
        [one for one in missed if one[0] in has],
        progress,
        replaced,
        [one for one in anew if one[0] in has],
    )
    return {"goes_on": goes_on, "refused": refused}


def _leave_vectors(connection: sa.Connection, vectors: Mapping[str, Sequence[int]]) -> None:
    numbers = camera_numbers(connection, list(vectors)) if vectors else {}
    for camera_id, ids in vectors.items():
        connection.execute(
            sa.insert(passage_leftovers).values(
                camera=numbers[camera_id],
                cause=REPLACED,
                first_id=min(ids),
                last_id=max(ids),
                passages=0,
                since_us=now_us(),
            )
        )
