"""One camera's detections become passages: one for each object's way through the picture.

What a passage is: from the first picture of an object to the last, through occlusions of a few
seconds, and of minutes for what stands still. Parked cars and other things that stay end once an
hour and begin anew, so that the index has a row for each hour that they were there, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.objects import CLASS_NUMBERS, OBJECT_CLASSES, Detections, Frame, ObjectClass
from search.passages import Passage
from search.tracks.association import NOT_TRACKED, Association
from search.tracks.crops import Box
from search.tracks.ongoing import Ongoing
from search.tracks.overlap import Boxes, areas, common_areas, hidden_shares, overlaps, riders
from search.tracks.returning import returned
from search.zones.places import Seen
from search.zones.watch import Happening, ZoneWatch
from search.zones.zone import Zone

BEGINS_AT_SCORE = 0.4
"""From this score on an object is believed to be there; lower ones continue known objects."""
FOLLOWED_AT_SCORE = 0.25
"""Lower ones than this do not even that: there are too many of them."""
LOST_MOVING_US = 3_000_000
"""What moves and is not seen for so long has gone (or 1.6 picture intervals, if that is more)."""
LOST_STILL_US = 120_000_000
"""What stands still is missed by detectors for longer; so long it is taken as still there."""
GAP_US = 30_000_000
"""After so long without a picture, what moved is not the same any more."""
LONG_GAP_US = 900_000_000
"""After so long without a picture, neither is what stood."""
HAND_ON_US = 60_000_000
"""A passage that lasts is handed on once by then, so that it can be found while it lasts."""
AT_MOST_US = 3_600_000_000
"""A passage ends at this age, and begins anew."""
LOOKS_BYTES = 8_000_000
"""What all crops of a camera may take in memory."""
HAPPENINGS_KEPT = 1000
"""Of what nobody asks for, the oldest is forgotten."""
OBJECTS_AT_ONCE = 100
"""More objects than this in one picture are not followed, the least sure left out."""

_SAME_THING = 0.7
"""Boxes of one kind that overlap by this much are one object, by two class names."""
_PART_OF_ANOTHER = 0.7
"""A box that lies in a surer one by this share, and is not sure by itself, is a part of that."""
_FASTEST = (1.5, 4.0, 4.0)
"""How fast people, two-wheelers, vehicles are looked for again: own heights a second."""

_PEOPLE, _TWO_WHEELERS, _VEHICLES = range(3)
_KINDS = np.full(len(OBJECT_CLASSES), _VEHICLES, np.uint8)
_KINDS[CLASS_NUMBERS[ObjectClass.PERSON]] = _PEOPLE
_KINDS[CLASS_NUMBERS[ObjectClass.BICYCLE]] = _TWO_WHEELERS
_KINDS[CLASS_NUMBERS[ObjectClass.MOTORCYCLE]] = _TWO_WHEELERS


@dataclass(frozen=True, slots=True)
class LiveBox:
    """An object in the newest picture. ``box``: left, top, right, bottom, shares of the picture."""

    passage_id: int
    object_class: ObjectClass
    box: Box
    confidence: float


class _Kind:
    """What is never taken for another kind: people, two-wheelers, vehicles. Within a kind the
    class of an object may flicker from picture to picture."""

    def __init__(self, fastest: float) -> None:
        self.fastest = fastest
        self.association = Association(
            usual_fps=5.0, begins_at=BEGINS_AT_SCORE, lost_after_s=LOST_MOVING_US / 1e6
        )
        self.ongoing: dict[int, Ongoing] = {}
        """By the association's number."""
        self.waiting: list[Ongoing] = []
        """Not in the picture, unknown to the association, and not given up."""

    def take_back(
        self, numbers: Sequence[int], rows: Mapping[int, int], boxes: Boxes, frame: Frame
    ) -> None:
        """Give each new number the lost object that it is, or a new one."""
        seen = set(rows)
        lost = [*self.waiting, *(one for n, one in self.ongoing.items() if n not in seen)]
        height, width = frame.picture.shape[:2]
        back = returned(
            lost,
            [_box(boxes[rows[number]]) for number in numbers],
            frame.picture,
            frame.at_us,
            self.fastest,
        )
        for number, one in zip(numbers, back, strict=True):
            if one is None:
                one = Ongoing(frame.at_us, width / height)
            elif one in self.waiting:
                self.waiting.remove(one)
            else:
                self.ongoing = {n: other for n, other in self.ongoing.items() if other is not one}
            self.ongoing[number] = one


class PassageTracker:
    """Follows the objects of one camera. Feed it the pictures in order of time; none of its
    methods raises for what a picture shows. Not for several threads at once.

    Memory is bounded: at most :data:`OBJECTS_AT_ONCE` objects, their paths thinned and their crops
    within :data:`LOOKS_BYTES` together.
    """

    def __init__(
        self,
        camera_id: str,
        *,
        model: str,
        possible: Mapping[ObjectClass, tuple[ObjectClass, ...]] | None = None,
        zones: Sequence[Zone] = (),
    ) -> None:
        """``model``: the detector's name, as passages tell it; ``possible``: what else an object
        of a class may be by that detector's knowledge."""
        self._camera_id = camera_id
        self._model = model
        self._possible = possible or {}
        self._zones = ZoneWatch(zones)
        self._happenings: list[Happening] = []
        self._kinds = [_Kind(fastest) for fastest in _FASTEST]
        self._last_us: int | None = None
        self._interval_us = 200_000

    def set_zones(self, zones: Sequence[Zone]) -> None:
        """Lines and zones as they are from now on."""
        self._tell(self._zones.set_zones(zones, self._last_us or 0))

    def happenings(self) -> list[Happening]:
        """What happened at lines and in zones since this was asked last, in order of time."""
        told, self._happenings = self._happenings, []
        return told

    def current(self) -> list[LiveBox]:
        """The objects of the newest picture."""
        return [
            LiveBox(one.id, one.object_class, one.box, one.score)
            for kind in self._kinds
            for one in kind.ongoing.values()
            if one.last_us == self._last_us and one.believed
        ]

    def update(self, frame: Frame, detections: Detections) -> list[Passage]:
        """Take one picture's detections; hand on the passages that ended, and those that have
        lasted a minute (``ended`` False; the same id comes again when they end).

        A picture that is not later than the one before is left out; after a step back of the clock
        by more than a second everything begins anew.
        """
        done: list[Passage] = []
        if self._last_us is not None:
            gap_us = frame.at_us - self._last_us
            if gap_us <= 0:
                if gap_us > -1_000_000:
                    return done
                done += self.finish()
            elif gap_us > GAP_US:
                done += self._after_gap(gap_us)
            else:
                self._interval_us = gap_us
        self._last_us = frame.at_us
        patience_s = max(LOST_MOVING_US, 1.6 * self._interval_us) / 1e6
        for kind in self._kinds:
            kind.association.look_for(patience_s)
        self._look_at(frame, detections)
        for kind in self._kinds:
            done += self._settle(kind, frame)
        self._watch_zones(frame)
        self._keep_within_memory()
        return done

    def finish(self) -> list[Passage]:
        """End everything that is going on: no more pictures come, or not soon."""
        done: list[Passage] = []
        for number, kind in enumerate(self._kinds):
            for one in [*kind.ongoing.values(), *kind.waiting]:
                done += self._ended(one)
            self._kinds[number] = _Kind(kind.fastest)
        self._tell(self._zones.finish(self._last_us or 0))
        self._last_us = None
        return done

    def _look_at(self, frame: Frame, detections: Detections) -> None:
        height, width = frame.picture.shape[:2]
        chosen = np.argsort(-detections.scores)[:OBJECTS_AT_ONCE]
        chosen = chosen[detections.scores[chosen] >= FOLLOWED_AT_SCORE]
        scale = np.array([width, height, width, height], np.float32)
        boxes = np.minimum(np.maximum(detections.boxes[chosen] / scale, 0), 1).astype(np.float32)
        scores = detections.scores[chosen]
        classes = detections.classes[chosen]
        hidden = hidden_shares(boxes)
        kinds = _KINDS[classes]
        people = boxes[kinds == _PEOPLE], scores[kinds == _PEOPLE]
        for number, kind in enumerate(self._kinds):
            rows = np.flatnonzero(kinds == number)
            seen = _follow(kind, frame, boxes[rows], scores[rows], classes[rows], hidden[rows])
            if number == _TWO_WHEELERS and seen:
                wheelers = np.array([one.box for one in seen], np.float32)
                for one, person in zip(seen, riders(wheelers, people[0]), strict=True):
                    if person >= 0:
                        one.ridden(frame, _box(people[0][person]), float(people[1][person]))

    def _settle(self, kind: _Kind, frame: Frame) -> list[Passage]:
        """End what has gone or grown old; hand on what lasts."""
        done: list[Passage] = []
        patience_us = max(LOST_MOVING_US, int(1.6 * self._interval_us))
        for number, one in list(kind.ongoing.items()):
            if frame.at_us - one.last_us > patience_us:
                del kind.ongoing[number]
                kind.waiting.append(one)
            elif one.last_us < frame.at_us:
                continue
            elif frame.at_us - one.first_us >= AT_MOST_US:
                done += self._ended(one)
                kind.ongoing[number] = _anew(one, frame)
                self._zones.rename(one.id, kind.ongoing[number].id)
            elif frame.at_us - one.first_us >= HAND_ON_US and not one.handed_on and one.believed:
                one.handed_on = True
                done.append(self._passage(one, ended=False))
        still_waiting: list[Ongoing] = []
        for one in kind.waiting:
            if frame.at_us - one.last_us > (LOST_STILL_US if one.still else patience_us):
                done += self._ended(one)
            else:
                still_waiting.append(one)
        kind.waiting = still_waiting
        return done

    def _watch_zones(self, frame: Frame) -> None:
        if not self._zones.watching:
            return
        everyone = self._everyone()
        seen = {one.id: one for one in everyone if one.last_us == frame.at_us and one.believed}
        height, width = frame.picture.shape[:2]
        notes, told = self._zones.update(
            frame.at_us,
            [Seen(one.id, one.object_class, one.box) for one in seen.values()],
            [one.id for one in everyone],
            width / height,
        )
        for number, crossing in notes:
            seen[number].cross(crossing)
        self._tell(told)
        # What is parked may be what was left there.
        covered = [
            one.box for one in everyone if one.object_class is ObjectClass.PERSON or not one.still
        ]
        self._tell(self._zones.look(frame.at_us, frame.picture, covered))

    def _tell(self, happenings: Sequence[Happening]) -> None:
        self._happenings += happenings
        del self._happenings[:-HAPPENINGS_KEPT]

    def _everyone(self) -> list[Ongoing]:
        return [one for kind in self._kinds for one in [*kind.ongoing.values(), *kind.waiting]]

    def _after_gap(self, gap_us: int) -> list[Passage]:
        """No picture for long: only what stood still may still be the same."""
        done: list[Passage] = []
        for number, kind in enumerate(self._kinds):
            stood: list[Ongoing] = []
            for one in [*kind.ongoing.values(), *kind.waiting]:
                if one.still and gap_us <= LONG_GAP_US:
                    one.last_us += gap_us  # nobody looked: that is no time of not being seen
                    stood.append(one)
                else:
                    done += self._ended(one)
            self._kinds[number] = _Kind(kind.fastest)
            self._kinds[number].waiting = stood
        return done

    def _ended(self, one: Ongoing) -> list[Passage]:
        return [self._passage(one, ended=True)] if one.believed else []

    def _passage(self, one: Ongoing, *, ended: bool) -> Passage:
        return one.passage(self._camera_id, self._model, self._possible, ended=ended)

    def _keep_within_memory(self) -> None:
        everyone = self._everyone()
        while sum(one.looks.pixels_bytes for one in everyone) > LOOKS_BYTES:
            largest = max(everyone, key=lambda one: one.looks.pixels_bytes)
            if not largest.looks.drop_worst():
                return


def _follow(
    kind: _Kind,
    frame: Frame,
    boxes: Boxes,
    scores: Boxes,
    classes: NDArray[np.uint8],
    hidden: Boxes,
) -> list[Ongoing]:
    """Give this picture's objects of one kind to their passages; returns those passages."""
    if not len(boxes) and not kind.ongoing:
        return []
    first, same = _merged(boxes, scores)
    numbers = kind.association.update(boxes[first] * 1000, scores[first], frame.at_us / 1e6)
    rows = {
        number: row
        for row, number in zip(first, numbers.tolist(), strict=True)
        if number != NOT_TRACKED
    }
    kind.take_back([number for number in rows if number not in kind.ongoing], rows, boxes, frame)
    seen: list[Ongoing] = []
    for number, row in rows.items():
        one = kind.ongoing[number]
        one.seen(frame, _box(boxes[row]), float(scores[row]), float(hidden[row]))
        for other in [row, *same.get(row, ())]:
            one.vote(int(classes[other]), float(scores[other]))
        seen.append(one)
    return seen


def _merged(boxes: Boxes, scores: Boxes) -> tuple[list[int], dict[int, list[int]]]:
    """The rows that are objects of their own, best first, and which rows are the same as those:
    detectors tell one vehicle as car and as truck at once. What is but a part of another is left
    out. Rows come best first."""
    if len(boxes) < 2:
        return list(range(len(boxes))), {}
    same: dict[int, list[int]] = {}
    first: list[int] = []
    alike = overlaps(boxes, boxes) >= _SAME_THING
    within = common_areas(boxes, boxes) >= _PART_OF_ANOTHER * areas(boxes)[:, None]
    for row in range(len(boxes)):
        twin = next((other for other in first if alike[row, other]), None)
        if twin is not None:
            same.setdefault(twin, []).append(row)
        elif scores[row] >= BEGINS_AT_SCORE or not within[row, first].any():
            first.append(row)
    return first, same


def _anew(one: Ongoing, frame: Frame) -> Ongoing:
    """The same object, as a passage that begins now."""
    again = Ongoing(frame.at_us, one.aspect)
    again.seen(frame, one.box, one.score, 0.0)
    again.spot, again.spot_since_us = one.spot, one.spot_since_us
    again.votes = {max(one.votes, key=lambda number: one.votes[number]): one.score}
    return again


def _box(row: Boxes) -> Box:
    left, top, right, bottom = row.tolist()
    return left, top, right, bottom
