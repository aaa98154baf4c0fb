"""Passages as the pipeline hands them on."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from search.objects import ObjectClass
from search.passages import (
    Attributes,
    Color,
    ColorFound,
    Direction,
    Judged,
    Passage,
    PathPoint,
    SpeedClass,
    first_id_at,
)

T = 1_790_000_000_000_000
S = 1_000_000
DAY = 86_400 * S
_numbers = itertools.count()


def a_passage(
    at_us: int = T,
    camera_id: str = "cam_a",
    object_class: ObjectClass = ObjectClass.PERSON,
    *,
    lasts_us: int = 5 * S,
    number: int | None = None,
    path: list[PathPoint] | None = None,
    vector: list[float] | None = None,
    direction: Direction = Direction.RIGHT,
    speed: SpeedClass = SpeedClass.SLOW,
    possible: tuple[ObjectClass, ...] = (),
    monochrome: bool = False,
    model: str = "nanodet",
    crossings: tuple[Any, ...] = (),
    **attributes: Any,
) -> Passage:
    """One passage. Colours are given as Color or ColorFound, what is judged as text."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, Color):
            value = ColorFound(value, 0.75)
        elif isinstance(value, str):
            value = Judged(value, 0.75)
        found[name] = value
    points = path or [
        PathPoint(0, 0.1, 0.1, 0.2, 0.5),
        PathPoint(lasts_us // 1000, 0.7, 0.1, 0.8, 0.5),
    ]
    return Passage(
        id=first_id_at(at_us) + (next(_numbers) if number is None else number) % (1 << 20),
        camera_id=camera_id,
        first_us=at_us,
        last_us=at_us + lasts_us,
        object_class=object_class,
        confidence=0.75,
        best_us=at_us + lasts_us // 2,
        box=(0.25, 0.25, 0.5, 0.75),
        crop=np.zeros((2, 2, 3), np.uint8),
        path=points,
        direction=direction,
        speed=speed,
        monochrome=monochrome,
        model=model,
        possible_classes=possible,
        crossings=list(crossings),
        attributes=Attributes(**found),
        vector_kind="stripes-1" if vector else "",
        vector=np.asarray(vector, np.float32) if vector else None,
    )
