"""What can be asked of the index, and what is answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from search.index.messages import StoredPassage
from search.objects import ObjectClass
from search.passages import Color, Direction, SpeedClass
from search.plates import PlatePattern

Point = tuple[float, float]
"""Across and down, as shares of the picture."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line drawn in the picture of the one camera of a query, from the first point to the second.

    Crossed where the middle of an object's lower edge goes over it: ``forward`` from its left to
    its right, as seen by who walks along it, ``backward`` the other way.
    """

    start: Point
    end: Point
    how: Literal["forward", "backward"] | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A polygon drawn in the picture of the one camera of a query: the middle of an object's lower
    edge was within.
    """

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class PassageQuery:
    """Which passages are looked for: those that were to be seen at some time in [``start_us``,
    ``end_us``) and fit all that is said. None is no limit of that kind.

    What is unknown of an object excludes nothing where ``include_possible``: a passage whose colour
    could not be told, or whose class may be another, is found as possible. ``line`` and ``region``
    need exactly one camera.
    """

    start_us: int
    end_us: int
    camera_ids: Collection[str] | None = None
    classes: Collection[ObjectClass] | None = None
    colors: Collection[Color] | None = None
    upper_colors: Collection[Color] | None = None
    lower_colors: Collection[Color] | None = None
    plate_colors: Collection[Color] | None = None
    vehicle_types: Collection[str] | None = None
    plate: PlatePattern | None = None
    rider: bool | None = None
    directions: Collection[Direction] | None = None
    speeds: Collection[SpeedClass] | None = None
    zone_id: str | None = None
    zone_how: Literal["forward", "backward", "inside"] | None = None
    line: Line | None = None
    region: Region | None = None
    min_duration_ms: int | None = None
    max_duration_ms: int | None = None
    include_possible: bool = True

    def __post_init__(self) -> None:
        drawn = self.line is not None or self.region is not None
        if drawn and (self.camera_ids is None or len(self.camera_ids) != 1):
            raise ValueError("a line or region is drawn in the picture of exactly one camera")
        if self.region is not None and len(self.region.points) < 3:
            raise ValueError("a region has at least three points")


Cursor = tuple[int, int]
"""Where a page goes on: opaque, of :attr:`Found.cursor`; for the same query only."""


@dataclass(frozen=True, slots=True)
class Found:
    """One answer. ``why`` names what about it is only possible: ``class``, ``color``,
    ``upper_color``, ``lower_color``, ``plate_color``, ``vehicle_type``, ``rider``, and ``plate``
    for one that looks alike; empty for one that fits. ``likeness``: 0 to 1, of searches by it.
    """

    passage: StoredPassage
    why: tuple[str, ...]
    cursor: Cursor
    likeness: float | None = None

    @property
    def possible(self) -> bool:
        """Whether it fits only as far as is known."""
        return bool(self.why)
