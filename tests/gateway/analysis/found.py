"""Passages as a worker tells of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gateway.analysis.analyst import passage_message
from search.objects import ObjectClass
from search.passages import Direction, Passage, PathPoint, SpeedClass, new_passage_id

START_US = 1_800_000_000_000_000
SECOND = 1_000_000


def found(
    camera_id: str = "cam_1",
    at_s: float = 0,
    lasts_s: float = 2,
    *,
    object_class: ObjectClass = ObjectClass.PERSON,
    left: float = 0.1,
) -> dict[str, Any]:
    """Somebody who walked by."""
    first_us = START_US + round(at_s * SECOND)
    last_us = first_us + round(lasts_s * SECOND)
    passage = Passage(
        id=new_passage_id(first_us), camera_id=camera_id, first_us=first_us, last_us=last_us,
        object_class=object_class, confidence=0.8, best_us=first_us,
        box=(left, 0.1, left + 0.1, 0.4), crop=np.full((40, 20, 3), 90, np.uint8),
        path=[
            PathPoint(after_ms, left, 0.1, left + 0.1, 0.4)
            for after_ms in (0, round(lasts_s * 1000))
        ],
        direction=Direction.LEFT, speed=SpeedClass.SLOW, monochrome=False, model="model",
        vector_kind="stripes", vector=np.array([0.6, 0.8], np.float32),
    )  # fmt: skip
    return passage_message(passage)
