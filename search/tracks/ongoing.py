"""One object while it is in the picture: votes, looks, path; and the passage that comes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from search.detectors.interface import BELIEVED
from search.objects import OBJECT_CLASSES, TWO_WHEELERS, VEHICLES, Frame, ObjectClass
from search.passages import Crossing, Passage, PathPoint, Rider, new_passage_id
from search.tracks import motion
from search.tracks.appearance import looks_of
from search.tracks.crops import Box, Look, Looks, cut, shown_crop

CROSSINGS_KEPT = 64
"""No passage has more: who walks to and fro over a line for an hour says nothing new."""
_RAW_POINTS = 3 * motion.PATH_POINTS
_SIZE_FOLLOWS_S = 0.7
_VELOCITY_OVER_MS = 600
_VELOCITY_WITHIN_S = 4.0
"""Speed is told from pictures so far apart."""
_STANDING_US, _PARKED_US = 10_000_000, 3_000_000
"""Who has not left the spot for this long counts as standing; a vehicle, as parked."""
_STILL_HEIGHTS = 0.35
"""How far a box may tremble and still stand, in own heights (or widths, the larger)."""
_POSSIBLE_SHARE = 0.25
"""A class that had this share of the votes is told as possible."""
_BELIEVED_ONCE = 0.55
"""Seen in a single picture, an object needs this score to be believed."""
_BELIEVED_UNMOVED = 0.5
"""And this on the average, if nothing but looks says that it is somebody: it never moved."""


@dataclass(slots=True, eq=False)
class Ongoing:
    """One object in the picture. Times are UTC microseconds, boxes shares of the picture."""

    first_us: int
    aspect: float
    id: int = 0
    last_us: int = 0
    box: Box = (0.0, 0.0, 0.0, 0.0)
    score: float = 0.0
    pictures: int = 0
    votes: dict[int, float] = field(default_factory=dict)
    score_sum: float = 0.0
    monochrome_pictures: int = 0
    looks: Looks = field(default_factory=Looks)
    points: list[PathPoint] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    spot: Box = (0.0, 0.0, 0.0, 0.0)
    spot_since_us: int = 0
    ridden_pictures: int = 0
    rider_look: Look | None = None
    handed_on: bool = False
    usual_size: tuple[float, float] = (0.0, 0.0)
    """Width and height, following the boxes slowly."""
    moved: bool = False
    """Has it ever been further than its own height from where it appeared?"""
    _appearance: NDArray[np.float32] | None = None
    _appearance_us: int = 0

    def __post_init__(self) -> None:
        self.id = new_passage_id(self.first_us)

    @property
    def object_class(self) -> ObjectClass:
        """What most of its pictures, weighed by score, say that it is."""
        return OBJECT_CLASSES[max(self.votes, key=lambda number: self.votes[number])]

    @property
    def still(self) -> bool:
        """Is it standing or parked?"""
        parked = self.object_class in VEHICLES
        return self.last_us - self.spot_since_us >= (_PARKED_US if parked else _STANDING_US)

    @property
    def believed(self) -> bool:
        """False for what is dropped as noise (see docs/search.md): seen once and not well, or
        hardly ever believed; and people and two-wheelers that never moved and were seldom more
        likely there than not, because stones and signposts look like people to a small model.
        """
        usual = self.score_sum / self.pictures
        if self.pictures == 1:
            return usual >= _BELIEVED_ONCE
        if self.moved or self.object_class in VEHICLES:
            return usual >= BELIEVED
        return usual >= _BELIEVED_UNMOVED

    def seen(self, frame: Frame, box: Box, score: float, hidden: float) -> None:
        """Found once more, in ``box``; ``hidden``: what share of it stands behind others."""
        elapsed_s = (frame.at_us - (self.last_us or frame.at_us)) / 1e6
        self.last_us, self.box, self.score = frame.at_us, box, score
        self.pictures += 1
        self.score_sum += score
        self.monochrome_pictures += frame.monochrome
        hidden = max(hidden, self._oddness(box, elapsed_s))
        self.looks.offer(frame.picture, frame.at_us, box, score, hidden, frame.monochrome)
        if not self.moved and self.points:
            self.moved = _heights_apart(self.points[0], box, self.aspect) > 1
        after_ms = (frame.at_us - self.first_us) // 1000
        self.points.append(PathPoint(after_ms, *box))
        if len(self.points) >= _RAW_POINTS:
            self.points = motion.thin(self.points)
        if self.pictures == 1 or _left_spot(self.spot, box):
            self.spot, self.spot_since_us = box, frame.at_us

    def _oddness(self, box: Box, elapsed_s: float) -> float:
        """0 for a box as large as usual, towards 1 for one that is not: it holds two people, or
        half of one.
        """
        width, height = box[2] - box[0], box[3] - box[1]
        usual_width, usual_height = self.usual_size
        if self.pictures == 1:
            self.usual_size = width, height
            return 0.0
        follows = 1 - math.exp(-elapsed_s / _SIZE_FOLLOWS_S)
        self.usual_size = (
            usual_width + follows * (width - usual_width),
            usual_height + follows * (height - usual_height),
        )
        taller = max(height, usual_height) / max(min(height, usual_height), 1e-6)
        wider = max(width, usual_width) / max(min(width, usual_width), 1e-6)
        # People swing their arms and legs; nobody grows by a quarter from picture to picture.
        grown = 1.1 + 0.25 * elapsed_s
        return 1 - 1 / (max(1.0, taller / grown) ** 4 * max(1.0, wider / (grown + 0.5)) ** 2)

    def vote(self, object_class: int, score: float) -> None:
        """One picture's word on what it is. Several classes may have a word in one picture."""
        self.votes[object_class] = self.votes.get(object_class, 0.0) + score

    def ridden(self, frame: Frame, person: Box, score: float) -> None:
        """In this picture, somebody sat on it."""
        self.ridden_pictures += 1
        value = score * (person[3] - person[1])
        if self.rider_look is None or value > self.rider_look.value:
            crop, inside = cut(frame.picture, person, 256)
            self.rider_look = Look(
                frame.at_us, value, crop, person, inside, score, frame.monochrome
            )

    def velocity(self) -> tuple[float, float]:
        """Shares of the picture a second, across and down, by its last pictures; 0 if unknown."""
        newest = self.points[-1]
        for point in reversed(self.points[:-1]):
            if newest.after_ms - point.after_ms >= _VELOCITY_OVER_MS:
                break
        else:
            point = self.points[0]
        seconds = (newest.after_ms - point.after_ms) / 1000
        if not 0 < seconds <= _VELOCITY_WITHIN_S:
            return 0.0, 0.0
        (x0, y0), (x1, y1) = motion.foot(point), motion.foot(newest)
        return (x1 - x0) / seconds, (y1 - y0) / seconds

    def appearance(self) -> NDArray[np.float32]:
        """Its colour stripes at its best look; computed when somebody asks."""
        best = self.looks.best
        if self._appearance is None or self._appearance_us != best.at_us:
            self._appearance = looks_of(best.crop, best.box_in_crop)
            self._appearance_us = best.at_us
        return self._appearance

    def cross(self, crossing: Crossing) -> None:
        """Note a line crossed or a zone entered."""
        if len(self.crossings) < CROSSINGS_KEPT:
            self.crossings.append(crossing)

    def passage(
        self,
        camera_id: str,
        model: str,
        possible: Mapping[ObjectClass, tuple[ObjectClass, ...]],
        *,
        ended: bool,
    ) -> Passage:
        """What is known of it by now, as the index takes it."""
        object_class, best = self.object_class, self.looks.best
        votes = sum(self.votes.values())
        flickering = (
            OBJECT_CLASSES[number]
            for number, vote in sorted(self.votes.items(), key=lambda item: -item[1])
            if vote >= _POSSIBLE_SHARE * votes
        )
        others = dict.fromkeys([*flickering, *possible.get(object_class, ())])
        others.pop(object_class, None)
        path = motion.thin(self.points)
        rider = None
        if object_class in TWO_WHEELERS:
            rider = Rider(
                min(1.0, self.ridden_pictures / self.pictures),
                self.rider_look.crop if self.rider_look else None,
            )
        return Passage(
            id=self.id,
            camera_id=camera_id,
            first_us=self.first_us,
            last_us=self.last_us,
            object_class=object_class,
            confidence=min(1.0, self.score_sum / self.pictures),
            best_us=best.at_us,
            box=best.box,
            crop=shown_crop(best),
            path=path,
            direction=motion.direction(self.points, self.aspect),
            speed=motion.speed(path, self.aspect),
            monochrome=self.monochrome_pictures * 2 > self.pictures,
            model=model,
            possible_classes=tuple(others),
            ended=ended,
            evidence=self.looks.evidence(),
            rider=rider,
            crossings=list(self.crossings),
        )


def _heights_apart(start: PathPoint, box: Box, aspect: float) -> float:
    height = max(start.bottom - start.top, box[3] - box[1], 1e-6)
    across = (box[0] + box[2] - start.left - start.right) / 2 * aspect
    return math.hypot(across, box[3] - start.bottom) / height


def _left_spot(spot: Box, box: Box) -> bool:
    reach = _STILL_HEIGHTS * max(spot[3] - spot[1], spot[2] - spot[0])
    across = (box[0] + box[2] - spot[0] - spot[2]) / 2
    down = (box[1] + box[3] - spot[1] - spot[3]) / 2
    return abs(across) > reach or abs(down) > reach
