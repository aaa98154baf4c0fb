"""Finding passages: the newest first, in chunks, as they are found."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from search.index.asking import Plates, matching_ids
from search.index.coverage import Uncovered, coverage
from search.index.likeness import similar
from search.index.matching import fits, is_drawn, meets
from search.index.packed_paths import unpack_ways
from search.index.questions import Cursor, Found, Line, PassageQuery, Point, Region
from search.index.reading import find_passage, find_passages, read_packed
from search.plates import PlatePattern

__all__ = [
    "Cursor",
    "Found",
    "Line",
    "PassageQuery",
    "Point",
    "Region",
    "Uncovered",
    "coverage",
    "find_passage",
    "find_passages",
    "search_passages",
    "similar",
    "stream_passages",
]

CHUNK = 50
_DRAWN = 500


async def search_passages(
    connection: AsyncConnection, query: PassageQuery, limit: int, after: Cursor | None = None
) -> list[Found]:
    """At most ``limit`` passages that fit and follow ``after`` (a :attr:`Found.cursor`), the newest
    first; of plates, those that fit to the letter before those that look alike.
    """
    found: list[Found] = []
    async for some in stream_passages(connection, query, limit, after):
        found += some
    return found


async def stream_passages(
    connection: AsyncConnection, query: PassageQuery, limit: int, after: Cursor | None = None
) -> AsyncIterator[list[Found]]:
    """As :func:`search_passages`, in parts, each as soon as it is known."""
    left = limit
    for rank, plates in enumerate(_ranks(query.plate)):
        if left <= 0:
            return
        if after is not None and rank < after[0]:
            continue
        before_id = after[1] if after is not None and rank == after[0] else None
        async for found in _walk(connection, query, plates, rank, left, before_id):
            left -= len(found)
            yield found


def _ranks(pattern: PlatePattern | None) -> list[Plates | None]:
    if pattern is None:
        return [None]
    if not pattern.look_alikes:
        return [Plates(pattern)]
    letters = dataclasses.replace(pattern, look_alikes=False)
    return [Plates(letters), Plates(pattern, without=letters)]


async def _walk(
    connection: AsyncConnection,
    query: PassageQuery,
    plates: Plates | None,
    rank: int,
    limit: int,
    before_id: int | None,
) -> AsyncIterator[list[Found]]:
    drawn = is_drawn(query)
    # What is drawn is compared row by row: most of what is read may not fit.
    wanted = max(limit, _DRAWN) if drawn else limit
    left = limit
    async for ids in matching_ids(connection, query, plates, wanted, before_id):
        for start in range(0, len(ids), wanted if drawn else CHUNK):
            some = ids[start : start + (wanted if drawn else CHUNK)]
            if drawn:
                some = await _drawn(connection, query, some)
            for at in range(0, len(some), CHUNK):
                found = (await _read(connection, query, some[at : at + CHUNK], rank))[:left]
                left -= len(found)
                if found:
                    yield found
                if left <= 0:
                    return


async def _drawn(connection: AsyncConnection, query: PassageQuery, ids: list[int]) -> list[int]:
    """Those whose paths meet what is drawn, in the same order."""
    packed = await read_packed(connection, ids)
    known = [one for one in ids if one in packed]
    # A loop that many others share waits for no geometry.
    return await asyncio.to_thread(_meeting, query, known, [packed[one] for one in known])


def _meeting(query: PassageQuery, ids: list[int], packed: list[bytes]) -> list[int]:
    return [ids[at] for at in np.flatnonzero(meets(query, unpack_ways(packed)))]


async def _read(
    connection: AsyncConnection, query: PassageQuery, ids: list[int], rank: int
) -> list[Found]:
    rows = await find_passages(connection, ids)
    found = []
    for passage_id in ids:
        passage = rows.get(passage_id)
        # What was replaced since its id was found may look otherwise now.
        why = None if passage is None else fits(query, passage)
        if passage is not None and why is not None:
            found.append(Found(passage, tuple(why), (rank, passage_id)))
    return found
