"""The plate of one passage: looked for in its pictures until enough of them agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from search.attributes.looks import Box, Look
from search.attributes.plates.agreement import AgreedPlate, Vote, agree
from search.attributes.plates.finding import TWO_LINES, FoundPlate, PlateFinder, straighten
from search.attributes.plates.grammar import form_of
from search.attributes.plates.plate_color import plate_color
from search.attributes.plates.reading import ClpReader, PaddleReader, Reading
from search.objects import Picture
from search.passages import ColorFound

_LOOKS, _READ_LOOKS = 5, 3
"""Pictures in which a plate is looked for, and in which it is read at most."""
_LEAST_VEHICLE_PIXELS = 90
"""Of a vehicle that is less wide, no plate has characters."""
_ENOUGH = 0.8
"""The confidence at which no further picture is looked at."""
_WELL_READ_PIXELS = 90.0


@dataclass(frozen=True, slots=True)
class PlateSeen:
    """``plate`` is None where one was seen and not read. ``color`` is that of its ground.
    ``places``: where it was, of each look that tells, by the look's number, in shares of the
    vehicle's box.
    """

    plate: AgreedPlate | None
    color: ColorFound
    places: tuple[tuple[int, Box], ...]


class PlateSearch:
    """Holds the models of finding and reading; one thread at a time."""

    def __init__(self, threads: int) -> None:
        self._finder = PlateFinder(threads)
        self._first = ClpReader(threads)
        self._second = PaddleReader(threads)

    def search(self, looks: Sequence[Look]) -> PlateSeen | None:
        """What the looks, best first, say together. None where no plate is to be seen."""
        votes: list[Vote] = []
        straightened: list[tuple[Picture, float]] = []
        agreed: AgreedPlate | None = None
        place: Box | None = None
        places: list[tuple[int, Box]] = []
        lines: int | None = None
        for number, (crop, box) in enumerate(looks[:_LOOKS]):
            if (box[2] - box[0]) * crop.shape[1] < _LEAST_VEHICLE_PIXELS:
                continue
            found = self._plate_of(crop, box, place)
            if found is None:
                continue
            place = _place(found, crop, box)
            places.append((number, place))
            plate = straighten(crop, found)
            weight = float(found.score * np.clip(found.width / _WELL_READ_PIXELS, 0.3, 1))
            straightened.append((plate, weight))
            readings, lines = self._readings(plate, lines)
            votes += [Vote(reading, weight, number) for reading in readings]
            agreed = agree(votes)
            sure = agreed is not None and agreed.confidence >= _ENOUGH
            if sure or len(straightened) == _READ_LOOKS:
                break
        if not straightened:
            return None
        return PlateSeen(agreed, plate_color(straightened), tuple(places))

    def _readings(self, plate: Picture, lines: int | None) -> tuple[list[Reading], int | None]:
        """Of each reader, and how many lines the plate has, if that is known.

        ``lines``: how many it had in the look before.
        """
        if plate.shape[1] >= TWO_LINES * plate.shape[0]:
            return self._read([plate]), lines
        if lines is not None:
            return self._read([_in_one_line(plate) if lines == 2 else plate]), lines
        # It has two lines, or is seen from its side: it is what more readers read as a plate.
        readings = self._read([plate, _in_one_line(plate)])
        as_seen, joined = readings[::2], readings[1::2]
        plausible, plausible_joined = (
            sum(form_of(one.text) is not None for one in ways) for ways in (as_seen, joined)
        )
        if plausible_joined > plausible:
            return joined, 2
        return as_seen, 1 if plausible else None

    def _read(self, plates: Sequence[Picture]) -> list[Reading]:
        return [*self._first.read(plates), *self._second.read(plates)]

    def _plate_of(self, crop: Picture, box: Box, place: Box | None) -> FoundPlate | None:
        """The plate that is the vehicle's own: within its box, best in its middle.

        ``place``: where it was in the look before, in shares of the vehicle.
        """
        height, width = crop.shape[:2]
        near = None if place is None else _around(place, box)
        best: FoundPlate | None = None
        best_worth = 0.0
        for found in self._finder.find(crop, near):
            x, y = found.corners.mean(axis=0) / (width, height)
            across = (float(x) - box[0]) / max(1e-6, box[2] - box[0])
            down = (float(y) - box[1]) / max(1e-6, box[3] - box[1])
            if not (0 <= across <= 1 and 0.15 <= down <= 1.02):
                continue
            worth = found.score * float(np.exp(-(((across - 0.5) / 0.6) ** 2)))
            if worth > best_worth:
                best, best_worth = found, worth
        return best


def _place(plate: FoundPlate, crop: Picture, box: Box) -> Box:
    """Where the plate is, in shares of the vehicle's box."""
    left, top = plate.corners.min(axis=0) / (crop.shape[1], crop.shape[0])
    right, bottom = plate.corners.max(axis=0) / (crop.shape[1], crop.shape[0])
    across, down = max(1e-6, box[2] - box[0]), max(1e-6, box[3] - box[1])
    return (
        (float(left) - box[0]) / across,
        (float(top) - box[1]) / down,
        (float(right) - box[0]) / across,
        (float(bottom) - box[1]) / down,
    )


def _around(place: Box, box: Box) -> Box:
    """Shares of a crop in which the plate is, if it is about where it was on the vehicle."""
    across, down = box[2] - box[0], box[3] - box[1]
    wide, high = place[2] - place[0], place[3] - place[1]
    return (
        box[0] + (place[0] - 0.8 * wide) * across,
        box[1] + (place[1] - 2.0 * high) * down,
        box[0] + (place[2] + 0.8 * wide) * across,
        box[1] + (place[3] + 2.0 * high) * down,
    )


def _in_one_line(plate: Picture) -> Picture:
    """A plate of two lines, 440 × 220 mm: the upper line before the lower one."""
    height, width = plate.shape[:2]
    split, edge = round(height * 0.38), round(width * 0.03)
    upper = plate[height // 24 : split, round(width * 0.2) : round(width * 0.8)]
    lower = plate[split : height - height // 24, edge : width - edge]
    return np.hstack(
        [
            np.asarray(cv2.resize(upper, (60, 48), interpolation=cv2.INTER_LINEAR), np.uint8),
            np.asarray(cv2.resize(lower, (140, 48), interpolation=cv2.INTER_LINEAR), np.uint8),
        ]
    )
