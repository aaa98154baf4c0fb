"""The shared vocabulary of analysis: frames, and what a detector found in them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Height × width × 3, blue, green, red: as OpenCV has it. C-contiguous."""


class ObjectClass(enum.StrEnum):
    """What can be found. The order is part of the index (see :data:`CLASS_NUMBERS`): append only.

    ``van``, ``tricycle`` and ``farm_vehicle`` come only from models that know them; of others the
    same object is a ``car`` or a ``truck``, and answers say that it may be either.
    """

    PERSON = "person"
    BICYCLE = "bicycle"
    MOTORCYCLE = "motorcycle"
    CAR = "car"
    TRUCK = "truck"
    BUS = "bus"
    VAN = "van"
    TRICYCLE = "tricycle"
    FARM_VEHICLE = "farm_vehicle"


OBJECT_CLASSES: tuple[ObjectClass, ...] = tuple(ObjectClass)
CLASS_NUMBERS: dict[ObjectClass, int] = {one: number for number, one in enumerate(OBJECT_CLASSES)}

VEHICLES = frozenset(OBJECT_CLASSES[3:])
TWO_WHEELERS = frozenset({ObjectClass.BICYCLE, ObjectClass.MOTORCYCLE})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture of one camera.

    ``at_us``: UTC microseconds of capture. ``monochrome``: infra-red or black and white; nothing
    about its colours is known.
    """

    camera_id: str
    at_us: int
    picture: Picture
    monochrome: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What was found in one picture; row n of each array is one object.

    ``boxes``: float32 [N, 4], left, top, right, bottom in pixels of the picture, clipped to it;
    ``scores``: float32 [N], 0 to 1; ``classes``: uint8 [N], numbers of :data:`CLASS_NUMBERS`.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.scores)


NO_DETECTIONS = Detections(
    np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.uint8)
)
