"""What happens at a camera's lines and in its regions, by the rules that an operator set.

Each happening is told once: an object's crossing as a pulse, what lasts as a begin and its end.
Ends always come: when it is over, when the zone's hours are over, when the zone is changed or
nobody looks any more.
"""

from __future__ import annotations

import enum
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from search.objects import ObjectClass, Picture
from search.passages import Crossing
from search.zones import geometry
from search.zones.left_things import Box, LeftThing, LeftThings
from search.zones.places import Places, Seen, Stay
from search.zones.zone import Rule, RuleKind, Way, Zone, ZoneKind

RESUMED_WITHIN_US = 10_000_000
"""Who was lost in a region and is found there within this time, under another id, is the same."""
CROWD_OVER_US = 5_000_000
"""A crowd is over when it was smaller for so long."""

_WRONG_BY_DEG = 120.0
_WRONG_HEIGHTS = 1.0
"""Who has gone so far in a region, in own heights, has a heading."""


class State(enum.StrEnum):
    """``BEGIN`` and ``END`` frame what lasts and have the same happening id; ``PULSE`` is over."""

    BEGIN = "begin"
    END = "end"
    PULSE = "pulse"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a rule asks for. ``passage_id``: the object's, None for a crowd or a thing.
    ``box``: where, as shares of the picture. ``detail``: short words (``way``, ``count``).
    """

    id: str
    zone_id: str
    kind: RuleKind
    state: State
    at_us: int
    passage_id: int | None = None
    object_class: ObjectClass | None = None
    box: tuple[float, float, float, float] | None = None
    detail: dict[str, str] = field(default_factory=dict)


class ZoneWatch:
    """Applies the zones of one camera. Feed it in order of time; bounded by who is followed."""

    def __init__(self, zones: Sequence[Zone] = ()) -> None:
        self._zones = {zone.id: _Watched(zone) for zone in zones}

    @property
    def watching(self) -> bool:
        """Is there any zone? Where none is, nothing ever happens."""
        return bool(self._zones)

    def set_zones(self, zones: Sequence[Zone], at_us: int) -> list[Happening]:
        """The zones from now on; gives the ends of what lasted in those that went or changed."""
        ended: list[Happening] = []
        kept: dict[str, _Watched] = {}
        for zone in zones:
            known = self._zones.pop(zone.id, None)
            if known is not None and known.zone == zone:
                kept[zone.id] = known
            else:
                if known is not None:
                    ended += known.finish(at_us)
                kept[zone.id] = _Watched(zone)
        for watched in self._zones.values():
            ended += watched.finish(at_us)
        self._zones = kept
        return ended

    def update(
        self, at_us: int, seen: Sequence[Seen], followed: Sequence[int], aspect: float
    ) -> tuple[list[tuple[int, Crossing]], list[Happening]]:
        """Take one picture: the objects in it, and the ids of all that are still followed, seen or
        not. Gives what to note in their passages (at all times and for all objects), and what
        happened (by the rules). ``aspect``: the picture's width / height.
        """
        notes: list[tuple[int, Crossing]] = []
        happened: list[Happening] = []
        for watched in self._zones.values():
            more, told = watched.update(at_us, seen, followed, aspect)
            notes += more
            happened += told
        return notes, happened

    def look(self, at_us: int, picture: Picture, covered: Sequence[Box]) -> list[Happening]:
        """Take the picture itself, for things that were left; ``covered``: where people and what
        moves are in it. Nearly free where no zone asks for that, or it looked a second ago.
        """
        return [
            one for watched in self._zones.values() for one in watched.look(at_us, picture, covered)
        ]

    def rename(self, before: int, after: int) -> None:
        """An object goes on under another id."""
        for watched in self._zones.values():
            watched.rename(before, after)

    def finish(self, at_us: int) -> list[Happening]:
        """No more pictures, or not soon: everything that lasts is over."""
        return [one for watched in self._zones.values() for one in watched.finish(at_us)]


@dataclass(slots=True)
class _Open:
    happening: Happening
    rule: Rule


@dataclass(slots=True)
class _Crowd:
    since_us: int
    last_us: int


class _Watched:
    """One zone."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self._places = Places(zone)
        self._open: dict[tuple[int, int | None], _Open] = {}
        """By the rule's place in the zone, and whom it is about."""
        self._quiet_until_us: dict[tuple[int, int | None], int] = {}
        self._lost: list[tuple[int, int, Stay]] = []
        """Who was lost in the region: when, id, stay."""
        self._things = {
            number: LeftThings(zone.points, rule.seconds)
            for number, rule in enumerate(zone.rules)
            if rule.kind is RuleKind.ABANDONED_OBJECT
        }
        self._crowds: dict[int, _Crowd] = {}
        """By the rule's place in the zone: of those that are large enough now."""

    def update(
        self, at_us: int, seen: Sequence[Seen], followed: Sequence[int], aspect: float
    ) -> tuple[list[tuple[int, Crossing]], list[Happening]]:
        self._lost += [(at_us, *gone) for gone in self._places.forget(followed)]
        moves = self._places.update(at_us, seen)
        notes = [
            (one.id, Crossing(self.zone.id, "forward" if forward else "backward", at_us))
            for one, forward in moves.crossed
        ]
        notes += [(one.id, Crossing(self.zone.id, "inside", at_us)) for one in moves.entered]
        told: list[Happening] = []
        for one in moves.entered:
            self._resume(one)
        for one, _ in moves.left:
            told += self._end_of(one.id, at_us)
        told += self._give_up_lost(at_us)
        if not self.zone.schedule.holds(at_us):
            return notes, told + self._end_all(at_us)
        for number, rule in enumerate(self.zone.rules):
            match rule.kind:
                case RuleKind.LINE_CROSSING | RuleKind.WRONG_WAY:
                    told += self._ways(number, rule, moves.crossed, at_us)
                    if rule.kind is RuleKind.WRONG_WAY and self.zone.kind is ZoneKind.REGION:
                        told += self._headings(number, rule, seen, at_us, aspect)
                case RuleKind.INTRUSION | RuleKind.LOITERING:
                    told += self._staying(number, rule, at_us)
                case RuleKind.CROWD:
                    told += self._crowd(number, rule, at_us)
                case RuleKind.ABANDONED_OBJECT:
                    pass  # of pictures, not of objects: see look()
        self._forget_quiet(at_us)
        return notes, told

    def look(self, at_us: int, picture: Picture, covered: Sequence[Box]) -> list[Happening]:
        told: list[Happening] = []
        for number, things in self._things.items():
            rule = self.zone.rules[number]
            new, gone = things.update(at_us, picture, covered)
            for thing in gone:
                key = (number, _thing_key(thing))
                told += self._end(key, at_us) if key in self._open else []
            if not self.zone.schedule.holds(at_us):
                continue
            for thing in new:
                if self._is_quiet((number, None), at_us):
                    continue
                begin = replace(
                    self._happening(rule, State.BEGIN, at_us, None),
                    box=thing.box,
                    detail={"since_us": str(thing.since_us)},
                )
                self._open[number, _thing_key(thing)] = _Open(begin, rule)
                self._quiet_until_us[number, None] = at_us + round(rule.cool_down_s * 1e6)
                told.append(begin)
        return told

    def rename(self, before: int, after: int) -> None:
        self._places.rename(before, after)
        for key in [key for key in self._open if key[1] == before]:
            self._open[key[0], after] = self._open.pop(key)
        for key in [key for key in self._quiet_until_us if key[1] == before]:
            self._quiet_until_us[key[0], after] = self._quiet_until_us.pop(key)

    def finish(self, at_us: int) -> list[Happening]:
        self._places = Places(self.zone)
        self._lost = []
        self._crowds.clear()
        return self._end_all(at_us)

    def _matches(self, one: Seen) -> bool:
        return (
            not self.zone.classes or one.object_class in self.zone.classes
        ) and one.height >= self.zone.minimum_height

    def _ways(
        self, number: int, rule: Rule, crossed: Sequence[tuple[Seen, bool]], at_us: int
    ) -> list[Happening]:
        told: list[Happening] = []
        for one, forward in crossed:
            way = Way.FORWARD if forward else Way.BACKWARD
            if rule.way in (Way.BOTH, way) and self._matches(one):
                told += self._pulse(number, rule, one, at_us, {"way": str(way)})
        return told

    def _headings(
        self, number: int, rule: Rule, seen: Sequence[Seen], at_us: int, aspect: float
    ) -> list[Happening]:
        told: list[Happening] = []
        stays = self._places.stays
        for one in seen:
            stay = stays.get(one.id)
            if stay is None or not self._matches(one):
                continue
            across = (one.foot[0] - stay.entered_at[0]) * aspect
            down = one.foot[1] - stay.entered_at[1]
            if math.hypot(across, down) < _WRONG_HEIGHTS * one.height:
                continue
            heading = math.degrees(math.atan2(across, -down)) % 360
            stay.entered_at = one.foot
            if geometry.degrees_apart(heading, rule.heading_deg) > _WRONG_BY_DEG:
                told += self._pulse(number, rule, one, at_us, {"heading_deg": f"{heading:.0f}"})
        return told

    def _staying(self, number: int, rule: Rule, at_us: int) -> list[Happening]:
        told: list[Happening] = []
        for about, stay in self._places.stays.items():
            key = (number, about)
            if key in self._open or self._is_quiet(key, at_us) or not self._matches(stay.last):
                continue
            if at_us - stay.since_us < rule.seconds * 1e6:
                continue
            begin = self._happening(rule, State.BEGIN, at_us, stay.last)
            self._open[key] = _Open(begin, rule)
            told.append(begin)
        return told

    def _crowd(self, number: int, rule: Rule, at_us: int) -> list[Happening]:
        inside = sum(self._matches(stay.last) for stay in self._places.stays.values())
        key = (number, None)
        if inside >= rule.count:
            crowd = self._crowds.setdefault(number, _Crowd(at_us, at_us))
            crowd.last_us = at_us
            if key in self._open or self._is_quiet(key, at_us):
                return []
            if at_us - crowd.since_us < rule.seconds * 1e6:
                return []
            begin = self._happening(rule, State.BEGIN, at_us, None, {"count": str(inside)})
            self._open[key] = _Open(begin, rule)
            return [begin]
        known = self._crowds.get(number)
        if known is None or (key in self._open and at_us - known.last_us < CROWD_OVER_US):
            return []
        del self._crowds[number]
        return self._end(key, at_us) if key in self._open else []

    def _pulse(
        self, number: int, rule: Rule, one: Seen, at_us: int, detail: dict[str, str]
    ) -> list[Happening]:
        key = (number, one.id)
        if self._is_quiet(key, at_us):
            return []
        self._quiet_until_us[key] = at_us + round(rule.cool_down_s * 1e6)
        return [self._happening(rule, State.PULSE, at_us, one, detail)]

    def _happening(
        self,
        rule: Rule,
        state: State,
        at_us: int,
        one: Seen | None,
        detail: dict[str, str] | None = None,
    ) -> Happening:
        return Happening(
            secrets.token_hex(8),
            self.zone.id,
            rule.kind,
            state,
            at_us,
            one.id if one else None,
            one.object_class if one else None,
            one.box if one else None,
            detail or {},
        )

    def _resume(self, one: Seen) -> None:
        """Somebody new in the region may be who was lost there a moment ago."""
        for lost in sorted(self._lost, key=lambda lost: lost[1] != one.id):
            _, before, stay = lost
            if before == one.id or (
                stay.last.object_class is one.object_class and _near(stay.last, one)
            ):
                self._lost.remove(lost)
                self._places.resume(one.id, stay)
                for key in [key for key in self._open if key[1] == before]:
                    self._open[key[0], one.id] = self._open.pop(key)
                return

    def _give_up_lost(self, at_us: int) -> list[Happening]:
        told: list[Happening] = []
        waiting: list[tuple[int, int, Stay]] = []
        for since_us, about, stay in self._lost:
            if at_us - since_us > RESUMED_WITHIN_US:
                told += self._end_of(about, stay.last_us)
            else:
                waiting.append((since_us, about, stay))
        self._lost = waiting
        return told

    def _end_of(self, about: int, at_us: int) -> list[Happening]:
        keys = [key for key in self._open if key[1] == about]
        return [one for key in keys for one in self._end(key, at_us)]

    def _end_all(self, at_us: int) -> list[Happening]:
        return [one for key in list(self._open) for one in self._end(key, at_us)]

    def _end(self, key: tuple[int, int | None], at_us: int) -> list[Happening]:
        open_ = self._open.pop(key)
        begin = open_.happening
        self._quiet_until_us[key] = at_us + round(open_.rule.cool_down_s * 1e6)
        return [replace(begin, state=State.END, at_us=max(at_us, begin.at_us))]

    def _is_quiet(self, key: tuple[int, int | None], at_us: int) -> bool:
        return at_us < self._quiet_until_us.get(key, 0)

    def _forget_quiet(self, at_us: int) -> None:
        if len(self._quiet_until_us) > 64:
            self._quiet_until_us = {
                key: until for key, until in self._quiet_until_us.items() if until > at_us
            }


def _thing_key(thing: LeftThing) -> int:
    """Not the id of any passage: those are positive."""
    return -thing.since_us - round(thing.box[0] * 1000)


def _near(before: Seen, after: Seen) -> bool:
    far = math.hypot(after.foot[0] - before.foot[0], after.foot[1] - before.foot[1])
    return far <= 1.5 * max(before.height, after.height)
