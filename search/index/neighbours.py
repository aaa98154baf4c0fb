"""Also seen at: the same object, perhaps, on cameras that it can have reached.

From where and when a passage ended (or began, for where it came from) each other camera can be
reached within a time that follows from the distance and from how fast such an object goes. What was
seen there at such a time is a candidate; how likely it is the same follows from likeness, from how
well the time fits, and from colours and plate. It is a suggestion for people to judge, never a
finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from search.index.likeness import Vectors, similar
from search.index.matching import compatible_classes
from search.index.messages import StoredPassage
from search.index.query import PassageQuery, search_passages
from search.objects import TWO_WHEELERS, ObjectClass
from search.passages import Color, ColorFound
from search.plates import PlatePattern, fold

if TYPE_CHECKING:
    from search.index.vectors import Vector

_EARTH_M = 6_371_000.0
# Ways are longer than the crow's.
_DETOUR = 1.3
_S_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast objects of a kind go, metres a second: usually, and at most."""

    usual: float
    most: float


WALKING = Pace(1.3, 3.0)
CYCLING = Pace(4.5, 12.0)
DRIVING = Pace(11.0, 33.0)


def pace_of(object_class: ObjectClass) -> Pace:
    """Of people on foot, two-wheelers, and all other vehicles."""
    if object_class is ObjectClass.PERSON:
        return WALKING
    return CYCLING if object_class in TWO_WHEELERS else DRIVING


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """Where a camera is. ``longitude`` and ``latitude`` in degrees (WGS-84), None where nobody
    said; ``area_path`` are the ids of its areas from the root down, each followed by a slash.
    """

    camera_id: str
    area_path: str
    longitude: float | None = None
    latitude: float | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Another camera, how far away it is, and when it can be reached: [``from_us``, ``until_us``).
    ``measured``: by positions; else guessed from the areas, and ``least_m`` is 0 then.
    """

    camera_id: str
    least_m: float
    usual_m: float
    measured: bool
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Perhaps the same object. ``score`` is the product of the others, all 0 to 1."""

    passage: StoredPassage
    reach: Reach
    score: float
    likeness: float | None
    plausibility: float
    agreement: float


# How far apart cameras are taken to be whose positions nobody knows: by the areas that they share,
# counted from the deepest (the same village, the same township, the same county).
_GUESSES_M = (800.0, 5_000.0, 25_000.0)


def distance_m(one: CameraPlace, other: CameraPlace) -> float | None:
    """As the crow flies; None where a position is missing."""
    if (
        one.longitude is None
        or one.latitude is None
        or other.longitude is None
        or other.latitude is None
    ):
        return None
    here, there = math.radians(one.latitude), math.radians(other.latitude)
    across = math.radians(other.longitude - one.longitude)
    half = (
        math.sin((there - here) / 2) ** 2
        + math.cos(here) * math.cos(there) * math.sin(across / 2) ** 2
    )
    return 2 * _EARTH_M * math.asin(math.sqrt(min(half, 1.0)))


def reachable(
    passage: StoredPassage,
    places: Sequence[CameraPlace],
    *,
    within_us: int,
    way: Literal["after", "before"] = "after",
) -> list[Reach]:
    """The other cameras that the object can have reached within that time after it was last seen
    (or come from, before it was first seen), the nearest first. ``places`` has the passage's own
    camera, too; raises ValueError otherwise.
    """
    own = next((place for place in places if place.camera_id == passage.camera_id), None)
    if own is None:
        raise ValueError(f"where {passage.camera_id} is must be told, too")
    pace = pace_of(passage.object_class)
    found = []
    for place in places:
        if place.camera_id == own.camera_id:
            continue
        straight = distance_m(own, place)
        least = 0.0 if straight is None else straight
        usual = _guess_m(own, place) if straight is None else straight * _DETOUR
        soonest_us = round(least / pace.most * _S_US)
        if soonest_us >= within_us or (straight is None and usual / pace.most * _S_US > within_us):
            continue
        if way == "after":
            span = (passage.last_us + soonest_us, passage.last_us + within_us)
        else:
            span = (passage.first_us - within_us, passage.first_us - soonest_us)
        found.append(Reach(place.camera_id, least, usual, straight is not None, *span))
    found.sort(key=lambda reach: (reach.usual_m, reach.camera_id))
    return found


async def also_seen(
    connection: AsyncConnection,
    vectors: Vectors | None,
    passage: StoredPassage,
    reaches: Sequence[Reach],
    *,
    vector: Vector | None,
    limit: int,
    way: Literal["after", "before"] = "after",
    told: Callable[[StoredPassage], StoredPassage] = lambda one: one,
) -> list[Candidate]:
    """At most ``limit`` candidates among what :func:`reachable` gave, the likeliest first.

    ``vector`` is the passage's own, of ``passage.vector_kind``; without it, time, attributes and
    plate alone tell. ``told`` gives of a candidate what may be known of it: no more is compared.
    """
    if not reaches:
        return []
    by_camera = {reach.camera_id: reach for reach in reaches}
    query = PassageQuery(
        min(reach.from_us for reach in reaches),
        max(reach.until_us for reach in reaches),
        camera_ids=list(by_camera),
        classes=compatible_classes(passage),
    )
    likeness: dict[int, float | None] = {}
    passages: dict[int, StoredPassage] = {}
    if vectors is not None and vector is not None:
        for found in await similar(
            connection,
            vectors,
            query,
            passage.vector_kind,
            vector,
            _LOOKED_AT,
            without={passage.id},
        ):
            passages[found.passage.id] = told(found.passage)
            likeness[found.passage.id] = found.likeness
    else:
        for found in await search_passages(connection, query, _LOOKED_AT):
            passages[found.passage.id] = told(found.passage)
    plate = passage.attributes.plate
    if plate is not None:
        alike = replace(query, plate=PlatePattern(plate.value, look_alikes=True))
        for found in await search_passages(connection, alike, _LOOKED_AT):
            other = told(found.passage)
            if other.attributes.plate is not None:
                passages.setdefault(other.id, other)
    passages.pop(passage.id, None)
    candidates = [
        candidate
        for other in passages.values()
        if (candidate := _judge(passage, other, by_camera, likeness.get(other.id), way)) is not None
    ]
    candidates.sort(key=lambda one: (-one.score, one.passage.first_us))
    return candidates[:limit]


_LOOKED_AT = 1000
# Of how much likeness a passage is taken that has no vector to compare.
_UNKNOWN_LIKENESS = 0.5


def _judge(
    passage: StoredPassage,
    other: StoredPassage,
    reaches: dict[str, Reach],
    likeness: float | None,
    way: Literal["after", "before"],
) -> Candidate | None:
    reach = reaches[other.camera_id]
    seen_us = other.first_us if way == "after" else other.last_us
    if not reach.from_us <= seen_us < reach.until_us:
        return None
    took_us = seen_us - passage.last_us if way == "after" else passage.first_us - seen_us
    fits = plausibility(took_us, reach, pace_of(passage.object_class))
    same = agreement(passage, other)
    alike = _UNKNOWN_LIKENESS if likeness is None else likeness
    return Candidate(other, reach, alike * fits * same, likeness, fits, same)


def plausibility(took_us: int, reach: Reach, pace: Pace) -> float:
    """How well a time fits a way: 1 at the usual pace, less the slower or faster. Who stops on the
    way takes longer, so that longer costs less than shorter.
    """
    expected_s = max(reach.usual_m / pace.usual, 10.0)
    off = math.log(max(took_us / _S_US, 1.0) / expected_s)
    spread = 1.2 if off > 0 else 0.7
    if not reach.measured:
        spread *= 2
    return math.exp(-((off / spread) ** 2) / 2)


def agreement(one: StoredPassage, other: StoredPassage) -> float:
    """How far what is known of both agrees. Two plates that differ are hardly the same vehicle;
    colours are seen wrongly at times.
    """
    first, second = one.attributes, other.attributes
    together = 1.0
    if first.plate is not None and second.plate is not None:
        if first.plate.value == second.plate.value:
            return 1.0
        together *= 0.9 if fold(first.plate.value) == fold(second.plate.value) else 0.1
    for mine, theirs in (
        (first.color, second.color),
        (first.upper_color, second.upper_color),
        (first.lower_color, second.lower_color),
    ):
        together *= _colors_agree(mine, theirs)
    if first.vehicle_type is not None and second.vehicle_type is not None:
        together *= 1.0 if first.vehicle_type.value == second.vehicle_type.value else 0.7
    if one.object_class is not other.object_class:
        together *= 0.9
    return together


def _colors_agree(one: ColorFound | None, other: ColorFound | None) -> float:
    if one is None or other is None or Color.UNKNOWN in (one.color, other.color):
        return 0.8
    if one.color is other.color:
        return 1.0
    return 0.85 if one.color is other.second or other.color is one.second else 0.4


def _guess_m(one: CameraPlace, other: CameraPlace) -> float:
    mine, theirs = _steps(one.area_path), _steps(other.area_path)
    shared = 0
    for step, their_step in zip(mine, theirs, strict=False):
        if step != their_step:
            break
        shared += 1
    apart = max(len(mine), len(theirs)) - shared
    return _GUESSES_M[min(apart, len(_GUESSES_M) - 1)]


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step]
