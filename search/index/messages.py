"""A passage as the message that ``passages.add`` takes, and as it is read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.index.packing import Packed, pack
from search.objects import CLASS_NUMBERS, OBJECT_CLASSES, ObjectClass
from search.passages import (
    Attributes,
    ColorFound,
    Crossing,
    Direction,
    Passage,
    PathPoint,
    SpeedClass,
)
from search.plates import written

PLATE_LIMIT = 15
NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class CropPlace:
    """Where a crop lies in the store."""

    store_key: str
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as the index has it: as :class:`search.passages.Passage`, times to a millisecond,
    places to 1/4096 of the picture, confidences to a percent, the path thinned.
    """

    id: int
    camera_id: str
    first_us: int
    last_us: int
    best_us: int
    object_class: ObjectClass
    possible_classes: tuple[ObjectClass, ...]
    confidence: float
    box: tuple[float, float, float, float]
    path: list[PathPoint]
    direction: Direction
    speed: SpeedClass
    monochrome: bool
    attributes: Attributes
    crossings: list[Crossing]
    model: str
    vector_kind: str
    crop: CropPlace | None


def to_message(
    passage: Passage, crop_key: str | None, crop_offset: int = 0, crop_bytes: int = 0
) -> dict[str, Any]:
    """What ``passages.add`` takes of one passage, for msgpack. Its crop lies already at these bytes
    of the object ``crop_key`` (None: it has none), and its vector, if it has one, in its table.

    Raises ValueError for a passage whose id is not of its time, or that ends before it begins.
    """
    if passage.id >> 20 != passage.first_us // 1000:
        raise ValueError(f"passage {passage.id} did not begin at {passage.first_us}")
    if passage.last_us < passage.first_us:
        raise ValueError(f"passage {passage.id} ends before it begins")
    found = passage.attributes
    plate = written(found.plate.value)[:PLATE_LIMIT] if found.plate is not None else ""
    colors = (found.color, found.upper_color, found.lower_color, found.plate_color)
    judged = (found.vehicle_type, found.plate if plate else None, found.rider)
    confidences = [None if one is None else one.confidence for one in (*colors, *judged)]
    packed = Packed(
        passage.box,
        passage.confidence,
        tuple(confidences),  # type: ignore[arg-type]
        passage.path,
        found.plate_places,
    )
    return {
        "id": passage.id,
        "camera_id": passage.camera_id,
        "lasts_ms": (passage.last_us - passage.first_us) // 1000,
        "best_ms": max((passage.best_us - passage.first_us) // 1000, 0),
        "look": [
            CLASS_NUMBERS[passage.object_class],
            class_mask(passage.possible_classes),
            passage.monochrome,
            *(number for one in colors for number in _color(one)),
            None if found.rider is None else found.rider.value == "yes",
        ],
        "vehicle_type": None if found.vehicle_type is None else found.vehicle_type.value,
        "motion": motion_number(passage.direction, passage.speed),
        "plate": plate or None,
        "packed": pack(packed),
        "crossings": [
            [one.zone_id, one.how, max((one.at_us - passage.first_us) // 1000, 0)]
            for one in passage.crossings
        ],
        "model": passage.model,
        "vector_kind": passage.vector_kind if passage.vector is not None else None,
        "crop_key": crop_key,
        "crop_offset": crop_offset,
        "crop_bytes": crop_bytes,
    }


def class_mask(classes: Sequence[ObjectClass]) -> int:
    """Bit n stands for class number n."""
    return sum(1 << number for number in {CLASS_NUMBERS[one] for one in classes})


def classes_of(mask: int) -> tuple[ObjectClass, ...]:
    """The inverse of :func:`class_mask`, in the order of their numbers."""
    return tuple(one for number, one in enumerate(OBJECT_CLASSES) if mask >> number & 1)


def motion_number(direction: Direction, speed: SpeedClass) -> int:
    """Both in one column."""
    return int(direction) | int(speed) << 4


def read_motion(number: int) -> tuple[Direction, SpeedClass]:
    """The inverse of :func:`motion_number`."""
    return Direction(number & 15), SpeedClass(number >> 4)


def _color(found: ColorFound | None) -> tuple[int | None, int | None]:
    if found is None:
        return None, None
    return int(found.color), None if found.second is None else int(found.second)
