"""Taking rows of passages out, and letting go of what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from search.index.dictionary_rows import count
from search.index.tables import (
    passage_cameras,
    passage_crop_leftovers,
    passage_crops,
    passage_crossings,
    passage_details,
    passage_looks,
    passage_plates,
    passages,
)


@dataclass(slots=True)
class Taken:
    """Rows that are gone: their ids, in order, their vectors' number, how many crops each object
    has lost, and their plates.
    """

    ids: list[int] = field(default_factory=list)
    with_vectors: int = 0
    crops: Counter[int] = field(default_factory=Counter)
    plates: set[int] = field(default_factory=set)


def take_out(connection: sa.Connection, ids: Iterable[int]) -> Taken:
    """Delete the rows of those passages that are there. The caller drops the crops then."""
    rows = connection.execute(
        sa.select(
            passages.c.id,
            passages.c.camera,
            passages.c.look,
            passages.c.plate,
            passage_details.c.crop,
            passage_details.c.vectors,
        )
        .select_from(passages.join(passage_details, passage_details.c.id == passages.c.id))
        .where(passages.c.id.in_(list(ids)))
        .order_by(passages.c.id)
    ).all()
    taken = Taken([row.id for row in rows])
    if not rows:
        return taken
    for table in (passages, passage_details, passage_crossings):
        connection.execute(sa.delete(table).where(table.c.id.in_(taken.ids)))
    count(connection, passage_cameras, Counter(row.camera for row in rows), -1)
    count(connection, passage_looks, Counter(row.look for row in rows), -1)
    taken.with_vectors = sum(row.vectors is not None for row in rows)
    taken.crops.update(row.crop for row in rows if row.crop is not None)
    taken.plates = {row.plate for row in rows if row.plate is not None}
    return taken


def drop_crops(
    connection: sa.Connection, crops: Mapping[int, int], cause: str, at_us: int, now_us: int
) -> None:
    """So many crops of these objects are wanted no more. An object of which none is becomes a
    leftover; ``at_us`` is when what it showed was seen.
    """
    if not crops:
        return
    count(connection, passage_crops, crops, -1)
    table = passage_crops.c
    empty = connection.execute(
        sa.select(passage_crops).where(table.number.in_(crops), table.passages <= 0)
    ).all()
    if not empty:
        return
    connection.execute(
        sa.delete(passage_crops).where(table.number.in_([row.number for row in empty]))
    )
    connection.execute(
        sa.insert(passage_crop_leftovers),
        [
            {
                "store_key": row.store_key,
                "camera": row.camera,
                "cause": cause,
                "size_bytes": row.size_bytes,
                "at_us": at_us,
                "since_us": now_us,
            }
            for row in empty
        ],
    )


def drop_plates(connection: sa.Connection, plates: Iterable[int]) -> None:
    """Plates of which no passage is left go with their last."""
    for plate in plates:
        left = sa.select(passages.c.id).where(passages.c.plate == plate).limit(1)
        if connection.scalar(left) is None:
            connection.execute(sa.delete(passage_plates).where(passage_plates.c.number == plate))
