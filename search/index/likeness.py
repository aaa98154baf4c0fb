"""Finding passages that look like a given one, the likest first."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from search.index.asking import Plates, matching_ids
from search.index.matching import fits
from search.index.questions import Cursor, Found, PassageQuery
from search.index.reading import find_passages
from search.objects import TWO_WHEELERS, VEHICLES, ObjectClass

if TYPE_CHECKING:
    # LanceDB comes with it: who searches by words only need not wait for that.
    from search.index.vectors import Near, Vector, VectorReader

# What began before the time that is asked for and reaches into it, by so much at most.
_REACH_US = 3_600_000_000
_FIRST = 256
_MOST = 65_536
_GROWTH = 8
_FEW = 20_000
# Days of vectors take all of a core: what else runs in threads is not kept waiting.
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="likeness")


class Vectors(Protocol):
    """Where vectors are asked for, whoever keeps them. ``unanswered``: who was asked in vain, so
    that what they keep is not among what was found.
    """

    unanswered: Collection[str]

    async def nearest(
        self,
        kind: str,
        vector: Vector,
        *,
        start_us: int,
        end_us: int,
        limit: int,
        camera_ids: Collection[str] | None = None,
        classes: Collection[ObjectClass] | None = None,
        ids: Collection[int] | None = None,
    ) -> list[Near]:
        """See :meth:`search.index.vectors.VectorReader.nearest`."""
        ...

    async def find_many(self, kind: str, ids: Collection[int]) -> dict[int, Vector]:
        """See :meth:`search.index.vectors.VectorReader.find_many`."""
        ...


class OwnVectors:
    """Vectors on this machine's disk, asked in threads."""

    unanswered: Collection[str] = ()

    def __init__(self, reader: VectorReader) -> None:
        self._reader = reader

    async def nearest(self, kind: str, vector: Vector, **among: Any) -> list[Near]:
        """See :class:`Vectors`."""
        return await _stoppably(functools.partial(self._reader.nearest, kind, vector, **among))

    async def find_many(self, kind: str, ids: Collection[int]) -> dict[int, Vector]:
        """See :class:`Vectors`."""
        return await asyncio.to_thread(self._reader.find_many, kind, ids)


async def similar(
    connection: AsyncConnection,
    vectors: Vectors,
    query: PassageQuery,
    kind: str,
    vector: Vector,
    limit: int,
    after: Cursor | None = None,
    *,
    without: Collection[int] = (),
) -> list[Found]:
    """At most ``limit`` passages that fit ``query`` and follow ``after``, the likest first; those
    of ``without`` are left out. ``vector`` is of ``kind``, as the embedder makes them; passages
    whose vectors are of another kind are not found.

    Of what fits in all else, the 65,536 likest are looked through at most. Raises ValueError for a
    vector of another size.
    """
    wanted = _FIRST
    classes = _stored_classes(query)
    ids = await _few(connection, query)
    while True:
        near = await vectors.nearest(
            kind,
            vector,
            start_us=query.start_us - _REACH_US,
            end_us=query.end_us,
            limit=wanted,
            camera_ids=query.camera_ids,
            classes=classes,
            ids=ids,
        )
        rest = [one for one in near if one.passage_id not in without]
        if after is not None:
            rest = [one for one in rest if _cursor(one.likeness, one.passage_id) > after]
        found: list[Found] = []
        for start in range(0, len(rest), limit):
            some = rest[start : start + limit]
            rows = await find_passages(connection, [one.passage_id for one in some])
            for one in some:
                passage = rows.get(one.passage_id)
                why = None if passage is None else fits(query, passage)
                if passage is not None and why is not None:
                    cursor = _cursor(one.likeness, one.passage_id)
                    found.append(Found(passage, tuple(why), cursor, one.likeness))
            if len(found) >= limit:
                return found[:limit]
        if len(near) < wanted or wanted >= _MOST:
            return found
        wanted *= _GROWTH


async def _stoppably(ask: Callable[..., list[Near]]) -> list[Near]:
    """``ask`` in a thread of its own kind; who is cancelled waits until it has stopped, so that
    nothing runs for which nobody waits.
    """
    stop = threading.Event()
    running = _THREADS.submit(functools.partial(ask, stopped=stop.is_set))
    asking = asyncio.wrap_future(running)
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        stop.set()
        if not running.cancel():
            await asyncio.wait([asking])
        raise


async def _few(connection: AsyncConnection, query: PassageQuery) -> list[int] | None:
    """The ids of all that fits in attributes, where that is few enough to compare each; None where
    it is not, so that the likest are taken first and then held against the attributes.
    """
    plain = dataclasses.replace(query, camera_ids=None, classes=None, line=None, region=None)
    if plain == PassageQuery(query.start_us, query.end_us, include_possible=query.include_possible):
        return None
    plates = None if query.plate is None else Plates(query.plate)
    found: list[int] = []
    async for ids in matching_ids(connection, query, plates, _FEW + 1):
        found += ids
        if len(found) > _FEW:
            return None
    return found


def _cursor(likeness: float, passage_id: int) -> Cursor:
    """Grows from the likest on."""
    return -round(likeness * 1_000_000), -passage_id


def _stored_classes(query: PassageQuery) -> Collection[ObjectClass] | None:
    """The classes under which what is asked for may be stored."""
    if query.classes is None:
        return None
    wanted = set(query.classes)
    if query.include_possible:
        for group in (VEHICLES, TWO_WHEELERS):
            if wanted & group:
                wanted |= group
    return wanted
