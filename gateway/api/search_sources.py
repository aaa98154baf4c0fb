"""The two places where hits come from, each the best first and a part at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.search_hits import (
    CLASS_OF_TYPE,
    Eyes,
    as_told,
    hides,
    passage_hit,
    sighting_class,
    sighting_hit,
)
from gateway.api.search_likeness import Sought
from gateway.api.search_scope import Scope
from gateway.investigations.filters import Filters
from gateway.investigations.questions import passage_query, plate_pattern
from gateway.sightings.places import SightingPlace
from gateway.sightings.search import Key, SightingQuery
from gateway.sightings.search import search as search_sightings
from search.index.matching import fits
from search.index.query import search_passages, similar
from search.index.questions import Cursor, Found, PassageQuery
from search.objects import TWO_WHEELERS, VEHICLES, ObjectClass
from search.passages import Color

Result = TypeVar("Result")
Place = TypeVar("Place")
Reading = Callable[[Callable[[AsyncConnection], Awaitable[Result]]], Awaitable[Result]]
"""Runs a query where it can be stopped."""

_FIRST = 12
_MORE = 60
# Pages of things that are hidden, or told of only roughly, do not go on for ever.
_PARTS_LIMIT = 40

Hit = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class _Source(Generic[Place]):
    """Hits, the best first, read ahead a part at a time. ``cursor``: after what was taken, and
    what is hidden between.
    """

    read: Reading[Any]
    eyes: Eyes
    scope: Scope
    filters: Filters
    start_us: int
    end_us: int
    cursor: Place | None
    _ready: list[tuple[Place, Hit]] = field(default_factory=list, init=False)
    # After what was read.
    _reached: Place | None = field(default=None, init=False)
    _parts: int = field(default=0, init=False)
    _over: bool = field(default=False, init=False)
    _cut: bool = field(default=False, init=False)

    async def head(self) -> Hit | None:
        """The best that was not taken; None when there is no more."""
        while not self._ready and not self._over:
            if self._parts >= _PARTS_LIMIT:
                # The next page goes on here.
                self._over, self._cut, self.cursor = True, True, self._reached or self.cursor
                break
            limit = _MORE if self._parts else _FIRST
            self._parts += 1
            self._over = await self._read_part(limit, self._reached or self.cursor)
        return self._ready[0][1] if self._ready else None

    def take(self) -> None:
        """The head is in the answer."""
        self.cursor, _ = self._ready.pop(0)

    @property
    def goes_on(self) -> bool:
        """Whether there may be more after what was taken."""
        return bool(self._ready) or self._cut or not self._over

    async def _read_part(self, limit: int, after: Place | None) -> bool:
        """Adds to ``_ready`` what may be told, and notes in ``_reached`` how far it read. Gives
        whether that was all.
        """
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class PassageSource(_Source[Cursor]):
    """Passages that fit, the newest first, or the likest where something is ``sought``."""

    sought: Sought | None
    vectors: Any

    async def _read_part(self, limit: int, after: Cursor | None) -> bool:
        found: list[Found] = await self.read(
            lambda connection: self._query(connection, limit, after)
        )
        for one in found:
            self._reached = one.cursor
            camera = self.scope.cameras.get(one.passage.camera_id)
            if camera is None or hides(self.eyes, one.passage):
                continue
            if self.sought is not None and self._is_unlike(one):
                return True
            passage, why = as_told(self.eyes, one.passage), one.why
            if passage is not one.passage:
                # What was found by what they may not know is not found.
                still = fits(self._question(), passage)
                if still is None:
                    continue
                why = tuple(still)
            hit = passage_hit(self.eyes, passage, camera, why, one.likeness)
            self._ready.append((one.cursor, hit))
        return len(found) < limit

    def _is_unlike(self, found: Found) -> bool:
        least = None if self.filters.like is None else self.filters.like.least
        return least is not None and (found.likeness or 0.0) < least

    def _question(self) -> PassageQuery:
        return passage_query(self.filters, self.start_us, self.end_us, self.scope.camera_ids)

    async def _query(
        self, connection: AsyncConnection, limit: int, after: Cursor | None
    ) -> list[Found]:
        query = self._question()
        if self.sought is None:
            found = await search_passages(connection, query, limit, after)
        else:
            own = self.sought.passage_id
            found = await similar(
                connection, self.vectors, query, self.sought.kind, self.sought.vector, limit,
                after, without=() if own is None else (own,),
            )  # fmt: skip
        cameras = {one.passage.camera_id for one in found} & self.scope.cameras.keys()
        await self.eyes.read(connection, [self.scope.cameras[one] for one in cameras])
        return found


@dataclass(slots=True, kw_only=True)
class SightingSource(_Source[Key]):
    """What checkpoints told of and fits, the newest first."""

    places: dict[int, SightingPlace]
    everywhere: bool

    async def _read_part(self, limit: int, after: Key | None) -> bool:
        place_ids = None if self.everywhere else list(self.places)
        query = sighting_query(self.filters, self.start_us, self.end_us, place_ids)
        if query is None:
            return True

        async def work(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            rows = await search_sightings(connection, query, limit, after)
            known = {self.places[one.place_id].camera_id for one in rows}
            cameras = [self.scope.cameras[one] for one in known if one in self.scope.cameras]
            await self.eyes.read(connection, cameras)
            return rows

        rows = await self.read(work)
        for row in rows:
            self._reached = (row.at_us, row.id)
            why = sighting_fits(self.filters, row)
            if why is None:
                continue
            place = self.places[row.place_id]
            camera = self.scope.cameras.get(place.camera_id or "")
            hit = sighting_hit(self.eyes, row, place, camera, why)
            self._ready.append((self._reached, hit))
        return len(rows) < limit


def sighting_query(
    filters: Filters, start_us: int, end_us: int, place_ids: list[int] | None
) -> SightingQuery | None:
    """The question to what checkpoints told; None where they cannot tell of such things."""
    untold = (
        filters.direction, filters.speed, filters.zone_id, filters.line, filters.region,
        filters.min_duration_s, filters.max_duration_s, filters.rider, filters.like,
    )  # fmt: skip
    if any(one not in (None, []) for one in untold):
        return None
    wanted = set(filters.classes or ObjectClass)
    kinds = set()
    if wanted & VEHICLES:
        kinds.add("vehicle")
    if wanted & TWO_WHEELERS:
        kinds.add("non_motor")
    if ObjectClass.PERSON in wanted:
        kinds.add("person")
    clothes = filters.upper_color or filters.lower_color
    if filters.color:
        kinds -= {"person"}
    if clothes:
        kinds &= {"person"}
    if filters.vehicle_type:
        kinds &= {"vehicle", "non_motor"}
    if filters.plate is not None:
        kinds -= {"person"}
    if not kinds:
        return None
    return SightingQuery(
        start_us,
        end_us,
        sorted(kinds),
        place_ids,
        plate_pattern(filters.plate),
        colors=_codes(filters.upper_color if clothes else filters.color),
        lower_colors=_codes(filters.lower_color),
        vehicle_types=filters.vehicle_type or None,
    )


def sighting_fits(filters: Filters, row: sa.Row[Any]) -> list[str] | None:
    """None: another class than is asked for. Else what of it is only possible."""
    if not filters.classes or row.kind != "vehicle":
        return []
    wanted = {str(one) for one in filters.classes}
    if row.vehicle_type in CLASS_OF_TYPE:
        return [] if sighting_class(row) in wanted else None
    return ["class"] if filters.include_possible or set(VEHICLES) <= set(filters.classes) else None


def _codes(names: Sequence[str]) -> list[int] | None:
    return [int(Color[name.upper()]) for name in names] or None
