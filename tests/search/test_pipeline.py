"""Several cameras through one detector: what it fails at is left out, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search.appearance.stripes import StripesEmbedder
from search.detectors.interface import DetectionFailed
from search.objects import CLASS_NUMBERS, Detections, Frame, ObjectClass, Picture
from search.passages import Attributes, Passage
from search.pipeline import BATCH, Pipeline

SECOND = 1_000_000
PERSON = CLASS_NUMBERS[ObjectClass.PERSON]


class Walker:
    """Finds somebody walking to the right; fails at white pictures."""

    name = "walker"
    classes = frozenset({ObjectClass.PERSON})
    score = 0.4
    provider = "cpu"
    batch = 1
    possible: Mapping[ObjectClass, tuple[ObjectClass, ...]] = {}

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._seen: dict[int, int] = {}

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        self.asked.append(len(pictures))
        if any(picture[0, 0, 0] == 255 for picture in pictures):
            raise DetectionFailed("no white pictures")
        return [self._found(int(picture[0, 0, 0])) for picture in pictures]

    @staticmethod
    def _found(step: int) -> Detections:
        left = 20.0 + step * 4
        return Detections(
            np.array([[left, 40, left + 40, 140]], np.float32),
            np.array([0.9], np.float32),
            np.array([PERSON], np.uint8),
        )


class Describer:
    """Fails at every second passage."""

    def __init__(self) -> None:
        self.described = 0

    def describe(self, passage: Passage) -> Attributes:
        self.described += 1
        if self.described % 2 == 0:
            raise ValueError("no idea")
        return Attributes()


def frame(camera_id: str, number: int, grey: int | None = None) -> Frame:
    value = number if grey is None else grey
    picture = np.full((200, 320, 3), value, np.uint8)
    return Frame(camera_id, 1_800_000_000_000_000 + number * SECOND // 5, picture)


def pipeline(detector: Walker | None = None) -> tuple[Pipeline, Walker]:
    chosen = detector or Walker()
    describer: Any = Describer()
    return Pipeline(chosen, describer, StripesEmbedder()), chosen


def test_cameras_share_the_detector_and_not_their_objects() -> None:
    made, detector = pipeline()
    frames = [frame(one, number) for number in range(20) for one in ("a", "b")]
    assert made.add(frames) == []
    assert max(detector.asked) == BATCH and made.detected == 40
    assert len(made.current("a")) == len(made.current("b")) == 1
    (passage,) = made.finish("a")
    assert passage.camera_id == "a" and passage.object_class is ObjectClass.PERSON
    assert passage.model == "walker"
    assert made.current("a") == [] and len(made.current("b")) == 1


def test_pictures_at_which_the_detector_fails_are_left_out_and_told() -> None:
    made, _ = pipeline()
    made.add([frame("a", n, 255 if n in (3, 4) else None) for n in range(20)])
    at_us = [frame("a", n).at_us for n in (3, 4)]
    assert made.faults == [("a", at_us[0]), ("a", at_us[1])]
    assert "no white pictures" in made.fault and made.detected == 18
    assert len(made.finish("a")) == 1


def test_what_cannot_be_described_is_kept_all_the_same() -> None:
    made, _ = pipeline()
    for camera_id in ("a", "b"):
        made.add([frame(camera_id, number) for number in range(20)])
    found = made.finish("a") + made.finish("b")
    assert len(found) == 2 and made.undescribed == 1
    assert [one.undescribed for one in found] == [False, True]


def test_a_camera_that_is_forgotten_leaves_nothing() -> None:
    made, _ = pipeline()
    made.add([frame("a", number) for number in range(20)])
    made.forget("a")
    assert made.current("a") == [] and made.finish("a") == [] and made.newest_us("a") is None
