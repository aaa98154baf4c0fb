"""Where each object is in regard to each line and region of a camera, trembling boxes or not.

An object is where its feet are: the middle of its box's lower edge. It has crossed a line, or is in
or out of a region, when it is clear of the border by a margin; until then nothing is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from search.objects import ObjectClass
from search.zones import geometry
from search.zones.zone import Point, Zone, ZoneKind

_MARGIN = 0.004
_MARGIN_HEIGHTS = 0.06
"""Clear of a border is who is as far from it as both say: share of the picture, own heights."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object in the newest picture. ``box``: left, top, right, bottom, shares of the picture."""

    id: int
    object_class: ObjectClass
    box: tuple[float, float, float, float]

    @property
    def foot(self) -> Point:
        """Where it touches the ground."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]

    @property
    def height(self) -> float:
        """As a share of the picture."""
        return self.box[3] - self.box[1]


@dataclass(slots=True)
class Stay:
    """An object that is in a region."""

    since_us: int
    entered_at: Point
    last_us: int
    last: Seen


@dataclass(slots=True)
class _Place:
    foot: Point
    pending: int = 0
    """Net crossings of a line since it was last clear of it."""
    stay: Stay | None = None


@dataclass(slots=True)
class Moves:
    """What a picture brought at one zone."""

    crossed: list[tuple[Seen, bool]] = field(default_factory=list)
    """Over a line: who, and whether forward."""
    entered: list[Seen] = field(default_factory=list)
    left: list[tuple[Seen, Stay]] = field(default_factory=list)


class Places:
    """The objects of one camera at one zone. Holds one small record for each that is followed."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._closed = (*zone.points, zone.points[0])
        self._places: dict[int, _Place] = {}

    @property
    def stays(self) -> dict[int, Stay]:
        """Who is in the region, by id."""
        return {
            number: place.stay for number, place in self._places.items() if place.stay is not None
        }

    def update(self, at_us: int, seen: Sequence[Seen]) -> Moves:
        """Take the objects of one picture."""
        moves = Moves()
        for one in seen:
            place = self._places.get(one.id)
            if self._zone.kind is ZoneKind.LINE:
                self._over_line(one, place, moves)
            else:
                self._in_region(one, place, at_us, moves)
        return moves

    def forget(self, followed: Iterable[int]) -> list[tuple[int, Stay]]:
        """Only these are still followed; gives who was in the region among the others."""
        gone = self._places.keys() - set(followed)
        ended = [(number, self._places.pop(number).stay) for number in gone]
        return [(number, stay) for number, stay in ended if stay is not None]

    def rename(self, before: int, after: int) -> None:
        """The same object goes on under another id."""
        if before in self._places:
            self._places[after] = self._places.pop(before)

    def resume(self, number: int, stay: Stay) -> None:
        """The object has been in the region for longer: it is one that was lost there."""
        mine = self._places[number].stay
        if mine is not None:
            mine.since_us, mine.entered_at = stay.since_us, stay.entered_at

    def _over_line(self, one: Seen, place: _Place | None, moves: Moves) -> None:
        foot = one.foot
        if place is None:
            self._places[one.id] = _Place(foot)
            return
        place.pending += geometry.crossings(place.foot, foot, self._zone.points)
        place.foot = foot
        if place.pending and self._clear(one, self._zone.points):
            moves.crossed.append((one, place.pending > 0))
            place.pending = 0

    def _in_region(self, one: Seen, place: _Place | None, at_us: int, moves: Moves) -> None:
        foot = one.foot
        new = place is None
        place = place or self._places.setdefault(one.id, _Place(foot))
        place.foot = foot
        inside = geometry.inside(foot, self._zone.points)
        if place.stay is not None:
            if inside or not self._clear(one, self._closed):
                place.stay.last_us, place.stay.last = at_us, one
            else:
                moves.left.append((one, place.stay))
                place.stay = None
        elif inside and (new or self._clear(one, self._closed)):
            place.stay = Stay(at_us, foot, at_us, one)
            moves.entered.append(one)

    def _clear(self, one: Seen, border: Sequence[Point]) -> bool:
        margin = max(_MARGIN, _MARGIN_HEIGHTS * one.height)
        return geometry.distance(one.foot, border) >= margin
