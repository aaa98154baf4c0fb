"""Sources that nobody has, placed together: a county that is switched on brings ten thousand, and
whoever else writes waits meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from recorder.tables import assignments, sources

_AT_ONCE = 500


def place_unowned(
    connection: sa.Connection, owners: Mapping[str, str | None], at_us: int
) -> list[str]:
    """Give those sources that nobody has to their owners; gives which that were.

    Part of ``assignments.place``, which has the rest.
    """
    wanted = [source_id for source_id, owner in owners.items() if owner]
    found: dict[str, str] = {}
    for some in _batches(wanted):
        here = assignments.c.source_id.in_(some)
        rows = connection.execute(
            sa.select(assignments.c.source_id, assignments.c.owner).where(here)
        )
        found.update({row.source_id: row.owner for row in rows})
    new = [source_id for source_id in wanted if source_id not in found]
    left = [source_id for source_id in wanted if found.get(source_id) == ""]
    _register(connection, new + left, at_us)
    if new:
        columns = {"epoch": 1, "since_us": at_us}
        rows_of_new = [{"source_id": one, "owner": owners[one], **columns} for one in new]
        connection.execute(sa.insert(assignments), rows_of_new)
    if left:
        connection.execute(
            sa.update(assignments)
            .where(assignments.c.source_id == sa.bindparam("placed"))
            .values(
                owner=sa.bindparam("to"),
                epoch=assignments.c.epoch + 1,
                since_us=at_us,
                successor=None,
                predecessor=None,
            ),
            [{"placed": one, "to": owners[one]} for one in left],
        )
    return new + left


def _register(connection: sa.Connection, source_ids: Sequence[str], at_us: int) -> None:
    known: set[str] = set()
    for some in _batches(source_ids):
        ids = sa.select(sources.c.id).where(sources.c.id.in_(some))
        known.update(connection.execute(ids).scalars())
    rows = [_source(one, at_us) for one in source_ids if one not in known]
    if rows:
        connection.execute(sa.insert(sources), rows)


def _batches(identifiers: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(identifiers), _AT_ONCE):
        yield identifiers[first : first + _AT_ONCE]


def _source(source_id: str, at_us: int) -> dict[str, Any]:
    camera_id, _, name = source_id.partition("/")
    fetched = name in ("backfill", "borrowed")
    return {
        "id": source_id,
        "kind": name if fetched else "camera",
        "camera_id": camera_id,
        "variant": "main" if fetched else name,
        "created_us": at_us,
    }
