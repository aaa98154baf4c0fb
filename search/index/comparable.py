"""What a likeness search could not compare: passages without a vector, or with one of another kind.

Infra-red pictures and small ones have none; who changes the embedder leaves vectors of another kind
behind. They fit in all else, so that an answer without them has not looked at everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from search.index.matching import fits
from search.index.messages import StoredPassage
from search.index.questions import PassageQuery
from search.index.reading import find_passages
from search.index.tables import passage_cameras, passage_details, passage_names, passages
from search.passages import first_id_at

# As likeness has it: what began before the time that is asked for and reaches into it.
_REACH_US = 3_600_000_000
_CAMERAS_AT_ONCE = 500


async def not_comparable(
    connection: AsyncConnection, query: PassageQuery, kind: str, limit: int
) -> tuple[list[StoredPassage], bool]:
    """Passages that fit ``query`` and have no vector of ``kind``, the newest first, and whether
    there may be more. At most ``limit`` of each other kind, and of those without any, are looked
    at.
    """
    names = await connection.execute(
        sa.select(passage_names.c.number, passage_names.c.name).where(
            passage_names.c.kind == "vectors"
        )
    )
    others: list[int | None] = [None, *(row.number for row in names if row.name != kind)]
    cameras = None
    if query.camera_ids is not None:
        cameras = await _numbers(connection, list(query.camera_ids))
    ids: list[int] = []
    more = False
    for number in others:
        found = await _ids(connection, query, number, cameras, limit)
        more = more or len(found) == limit
        ids += found
    rows = await find_passages(connection, ids)
    told = [one for one in rows.values() if fits(query, one) is not None]
    return sorted(told, key=lambda one: -one.id), more


async def _numbers(connection: AsyncConnection, camera_ids: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for first in range(0, len(camera_ids), _CAMERAS_AT_ONCE):
        some = camera_ids[first : first + _CAMERAS_AT_ONCE]
        table = passage_cameras.c
        found |= set(
            await connection.scalars(sa.select(table.number).where(table.camera_id.in_(some)))
        )
    return found


async def _ids(
    connection: AsyncConnection,
    query: PassageQuery,
    number: int | None,
    cameras: set[int] | None,
    limit: int,
) -> list[int]:
    table = passage_details.c
    # By the index on both, so that it costs little where everything can be compared.
    statement = sa.select(table.id).where(
        table.vectors.is_(None) if number is None else table.vectors == number,
        table.id >= first_id_at(max(0, query.start_us - _REACH_US)),
        table.id < first_id_at(query.end_us + 999),
    )
    if cameras is not None:
        statement = statement.join(passages, passages.c.id == table.id)
        # Numbers that this application made, and perhaps more than a statement has parameters.
        among: sa.BindParameter[Any] = sa.bindparam(
            "among", sorted(cameras), expanding=True, literal_execute=True
        )
        statement = statement.where(passages.c.camera.in_(among))
    return list(await connection.scalars(statement.order_by(table.id.desc()).limit(limit)))
