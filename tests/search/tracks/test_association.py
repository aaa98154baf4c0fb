"""Numbers as ByteTrack gives them, and who walk past each other keep theirs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from supervision import Detections
from trackers import ByteTrackTracker
from trackers.utils.iou import BaseIoU

from search.tracks import association
from search.tracks.association import NOT_TRACKED, Association

Floats = NDArray[np.float32]


def five_a_second(lost_after_s: float = 3.0) -> Association:
    return Association(usual_fps=5.0, begins_at=0.4, lost_after_s=lost_after_s)


class ByScoresToo(BaseIoU):
    """The library's tracker is to compare as ours does: it hands a measure the boxes alone."""

    def __init__(self) -> None:
        self.scores: dict[bytes, float] = {}

    def _compute(
        self, boxes_1: NDArray[np.float64], boxes_2: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        scores = np.array([self.scores[box.astype(np.float32).tobytes()] for box in boxes_2])
        return association._alikeness(boxes_1, boxes_2.astype(np.float64)) * scores


def walkers(seed: int) -> list[tuple[float, Floats, Floats]]:
    """Boxes of people who cross a picture, some missed, seen at uneven times."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 10))
    middles = rng.uniform(100, 900, (count, 2))
    speeds = rng.normal(0, 60, (count, 2))
    sizes = rng.uniform(20, 80, (count, 1)) * [1, 2.5]
    at_s, seen = 1_760_000_000.0, []
    for _ in range(40):
        step = 0.2 if rng.random() < 0.7 else float(rng.uniform(0.1, 2.5))
        at_s += step
        middles = middles + speeds * step
        boxes = np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=1)
        boxes = (boxes + rng.normal(0, 3, boxes.shape))[rng.random(count) < 0.8]
        seen.append((at_s, boxes.astype(np.float32), rng.uniform(0.26, 0.95, len(boxes))))
    return [(at_s, boxes, scores.astype(np.float32)) for at_s, boxes, scores in seen]


def agree(seed: int) -> bool:
    """Whether both give every box of these walkers to the same object; but for the first picture
    of each, which the library leaves out.
    """
    ours, measure = five_a_second(), ByScoresToo()
    library = ByteTrackTracker(
        frame_rate=5.0,
        lost_track_buffer=90,
        track_activation_threshold=0.4,
        high_conf_det_threshold=0.4,
        minimum_consecutive_frames=1,
        minimum_iou_threshold=association._LIKE_ENOUGH,
        iou=measure,
    )
    known: dict[int, int] = {}
    for at_s, boxes, scores in walkers(seed):
        numbers = ours.update(boxes, scores, at_s)
        measure.scores = {b.tobytes(): float(s) for b, s in zip(boxes, scores, strict=True)}
        found = library.update(
            Detections(xyxy=boxes, confidence=scores, class_id=np.arange(len(scores))),
            timestamp=at_s,
        )
        assert found.class_id is not None and found.tracker_id is not None
        for row, theirs in zip(found.class_id.tolist(), found.tracker_id.tolist(), strict=True):
            number = int(numbers[row])
            if theirs == NOT_TRACKED:
                if number in known:
                    return False
            elif known.setdefault(number, theirs) != theirs:
                return False
    return True


def test_objects_are_those_of_the_library() -> None:
    """With the same measure of likeness. Who was unseen for seconds may be just like enough for one
    and just not for the other, which rounds elapsed time: so it is in one crowd of forty.
    """
    assert sum(agree(seed) for seed in range(40, 80)) >= 39


def test_who_change_places_between_two_pictures_are_told_by_their_heights() -> None:
    """By overlap alone, each would be taken for the other."""
    ours = five_a_second()
    scores = np.array([0.7, 0.7], np.float32)

    def two(shorter: float, taller: float) -> Floats:
        rows = [
            [shorter - 15, 300, shorter + 15, 380],
            [taller - 15, 285, taller + 15, 385],
        ]
        return np.array(rows, np.float32)

    for picture in range(4):
        before = ours.update(two(500, 515), scores, 100 + picture / 5).tolist()
    assert ours.update(two(512, 503), scores, 100.8).tolist() == before


def test_a_doubtful_box_begins_nothing_and_continues_what_is_known() -> None:
    box, sure, doubtful = np.array([[100, 100, 150, 250]], np.float32), [0.7], [0.3]
    ours = five_a_second()
    assert ours.update(box, np.array(doubtful, np.float32), 0.2).tolist() == [NOT_TRACKED]
    [number] = ours.update(box, np.array(sure, np.float32), 0.4).tolist()
    assert ours.update(box, np.array(doubtful, np.float32), 0.6).tolist() == [number]


def test_what_is_unseen_is_looked_for_as_long_as_was_said() -> None:
    box, score = np.array([[100, 100, 150, 250]], np.float32), np.array([0.7], np.float32)
    ours = five_a_second(lost_after_s=2.0)
    [number] = ours.update(box, score, 0.0).tolist()
    ours.update(box[:0], score[:0], 1.0)
    assert ours.update(box, score, 1.9).tolist() == [number]
    assert ours.update(box, score, 4.0).tolist() != [number]
    ours.look_for(10.0)
    [number] = ours.update(box, score, 4.2).tolist()
    assert ours.update(box, score, 13.0).tolist() == [number]
