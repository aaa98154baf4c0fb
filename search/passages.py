"""A passage: one object's way through one camera's picture, from first seen to last.

It is what the index has a row of. Tracking begins and ends it (:mod:`search.tracks`), attributes
and appearance describe it; crop in the store, then vector, then row is the order of keeping it.
"""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from search.objects import ObjectClass, Picture

_RANDOM_BITS = 20


class Direction(enum.IntEnum):
    """Where an object went in the picture, by eighths clockwise; append only."""

    STAYED = 0
    UP = 1
    UP_RIGHT = 2
    RIGHT = 3
    DOWN_RIGHT = 4
    DOWN = 5
    DOWN_LEFT = 6
    LEFT = 7
    UP_LEFT = 8


class SpeedClass(enum.IntEnum):
    """How fast, in own heights a second: there is no metre in a picture. Append only."""

    STILL = 0
    SLOW = 1
    MEDIUM = 2
    FAST = 3


class Color(enum.IntEnum):
    """Colours that people name; the same numbers as GA/T 1400's ColorType, whose sightings are
    searched by them too. ``UNKNOWN``: infra-red, monochrome, too dark to tell.
    """

    UNKNOWN = 0
    BLACK = 1
    WHITE = 2
    GREY = 3
    RED = 4
    BLUE = 5
    YELLOW = 6
    ORANGE = 7
    BROWN = 8
    GREEN = 9
    PURPLE = 10
    CYAN = 11
    PINK = 12


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding and how sure it is, 0 to 1."""

    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ColorFound:
    """A colour and how sure it is, 0 to 1. Of two near each other, ``second`` is the other."""

    color: Color
    confidence: float
    second: Color | None = None


@dataclass(frozen=True, slots=True)
class PathPoint:
    """Where an object stood: milliseconds after ``first_us``, and its box as shares of the picture
    (0 to 1): left, top, right, bottom.
    """

    after_ms: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """A line or zone of the camera that the object crossed or was in. ``how``: ``forward``,
    ``backward`` (lines), ``inside`` (zones)."""

    zone_id: str
    how: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an object looks like. None: not looked for in such an object, or not found."""

    color: ColorFound | None = None
    """Of a vehicle's body."""
    upper_color: ColorFound | None = None
    """Of a person's clothes, or a rider's."""
    lower_color: ColorFound | None = None
    vehicle_type: Judged | None = None
    plate: Judged | None = None
    plate_places: tuple[tuple[float, float, float, float], ...] = ()
    """Where in the picture the plate was when it was read, as shares: up to three boxes. Empty:
    there is no plate, or nobody knows where it was."""
    plate_color: ColorFound | None = None
    rider: Judged | None = None
    """Of a two-wheeler: ``yes``, ``no``."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """One more good look at an object: cut out at full resolution with a margin of a tenth, for
    what needs several pictures or every pixel (plates). ``box``: the object in the crop, as shares
    of the crop; ``in_picture``: the same in the whole picture, as shares of that.
    """

    at_us: int
    crop: Picture
    box: tuple[float, float, float, float]
    confidence: float
    in_picture: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rider:
    """Of a two-wheeler: in which share (0 to 1) of its pictures a person sat on it, and that person
    cut out of the best of them (None where nobody did).
    """

    share: float
    crop: Picture | None


@dataclass(slots=True, eq=False)
class Passage:
    """One object's way through the picture.

    ``box`` is where the object is in the picture of ``best_us``, as shares of the picture.
    ``crop`` is cut out of that picture with a margin of a tenth, at most 256 pixels wide or high;
    masks are drawn when it is shown, not here. ``monochrome``: its pictures had no colour, so that
    none of its attributes tells one. ``possible_classes``: what else it may be by this model's
    knowledge.
    """

    id: int
    camera_id: str
    first_us: int
    last_us: int
    object_class: ObjectClass
    confidence: float
    best_us: int
    box: tuple[float, float, float, float]
    crop: Picture
    path: list[PathPoint]
    direction: Direction
    speed: SpeedClass
    monochrome: bool
    model: str
    possible_classes: tuple[ObjectClass, ...] = ()
    ended: bool = True
    """False: handed on while it lasts (after a minute, so that it can be found); the same id comes
    once more when it ends, and replaces this."""
    evidence: list[Evidence] = field(default_factory=list)
    """Up to five, spread over the passage, best first; never stored."""
    rider: Rider | None = None
    """Of bicycles and motorcycles; None for all else."""
    crossings: list[Crossing] = field(default_factory=list)
    attributes: Attributes = field(default_factory=Attributes)
    undescribed: bool = False
    """Nobody could tell what it looks like: ``attributes`` say nothing, not that there is none."""
    vector_kind: str = ""
    vector: NDArray[np.float32] | None = None


def new_passage_id(first_us: int) -> int:
    """An id that sorts by time: milliseconds since 1970, then 20 random bits; 61 bits in all."""
    return (first_us // 1000 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)


def first_id_at(at_us: int) -> int:
    """The smallest id of a passage that began in that millisecond or later."""
    return at_us // 1000 << _RANDOM_BITS


def began_us(passage_id: int) -> int:
    """When the passage of that id began, to the millisecond."""
    return (passage_id >> _RANDOM_BITS) * 1000
