"""What comes out of a detector: boxes of the picture, one for each object, in the right order."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.detectors.interface import BELIEVED, DetectionFailed, Detector
from search.detectors.loading import load_detector
from search.detectors.session import available
from search.objects import CLASS_NUMBERS, OBJECT_CLASSES, Detections, ObjectClass, Picture
from tests.search.detectors.onnx_files import (
    SIDE,
    Proposal,
    write_ended,
    write_ended_numbered,
    write_raw,
)

PERSON, CAR, TRUCK = (
    CLASS_NUMBERS[one] for one in (ObjectClass.PERSON, ObjectClass.CAR, ObjectClass.TRUCK)
)
WALKER = Proposal(10, 20, 40, 80, {0: 0.9})
LEFT_OUT = Proposal(50, 20, 80, 80, {0: 0.5, 3: 0.8})


def red(share: float, width: int = SIDE, height: int = SIDE) -> Picture:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, :, 2] = round(255 * share)
    return picture


def found(detections: Detections) -> list[tuple[ObjectClass, float]]:
    return [
        (OBJECT_CLASSES[number], round(float(score), 2))
        for number, score in zip(detections.classes, detections.scores, strict=True)
    ]


def test_scores_are_of_the_red_plane_and_horses_are_nobody(tmp_path: Path) -> None:
    detector = load_detector(write_raw(tmp_path / "m.onnx", [WALKER, LEFT_OUT]), threads=1)
    [result] = detector.detect([red(1.0)])
    assert found(result) == [(ObjectClass.PERSON, 0.9)]
    assert result.boxes.tolist() == [[10, 20, 40, 80]]
    blue = red(1.0)[:, :, ::-1].copy()
    assert len(detector.detect([blue])[0]) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"cells_last": True},
        {"cells_last": False},
        {"half": True},
        {"batch": "any"},
        {"batch": 3},
        {"side": "any", "metadata": {"imgsz": f"[{SIDE}, {SIDE}]"}},
        {"names": '["person", "car", "truck", "horse"]'},
    ],
    ids=str,
)
def test_every_layout_finds_the_same(tmp_path: Path, options: dict[str, object]) -> None:
    model = write_raw(tmp_path / "m.onnx", [WALKER, LEFT_OUT], **options)  # type: ignore[arg-type]
    pictures = [red(1.0), red(0.5), red(0.0), red(0.8)]
    results = load_detector(model, threads=1).detect(pictures)
    expected = [[0.9], [0.45], [], [0.72]]
    assert [result.scores.tolist() for result in results] == [
        pytest.approx(scores, abs=0.005) for scores in expected
    ]
    assert results[3].boxes.dtype == np.float32
    assert results[3].boxes.tolist() == [pytest.approx([10, 20, 40, 80], abs=0.1)]


def test_objectness_multiplies(tmp_path: Path) -> None:
    cells = 3 * (12 * 12 + 6 * 6 + 3 * 3)
    model = write_raw(tmp_path / "v5.onnx", [WALKER], objectness=0.5, cells=cells, cells_last=False)
    [result] = load_detector(model, threads=1).detect([red(1.0)])
    assert found(result) == [(ObjectClass.PERSON, 0.45)]


@pytest.mark.parametrize("batch", [1, "any"])
def test_models_that_choose_their_boxes_themselves(tmp_path: Path, batch: int | str) -> None:
    car = Proposal(50, 20, 90, 60, {1: 0.7})
    horse = Proposal(5, 5, 20, 20, {3: 0.9})
    model = write_ended(tmp_path / "v10.onnx", [WALKER, horse, car], batch=batch)
    results = load_detector(model, threads=1).detect([red(1.0), red(0.0), red(0.5)])
    assert [found(result) for result in results] == [
        [(ObjectClass.PERSON, 0.9), (ObjectClass.CAR, 0.7)],
        [],
        [(ObjectClass.PERSON, 0.45), (ObjectClass.CAR, 0.35)],
    ]
    assert results[0].boxes.tolist() == [[10, 20, 40, 80], [50, 20, 90, 60]]


def test_rows_that_bear_the_number_of_their_picture(tmp_path: Path) -> None:
    rows = np.array([[1, 10, 20, 40, 80, 0, 0.9], [0, 50, 20, 90, 60, 1, 0.7]])
    model = write_ended_numbered(tmp_path / "v7.onnx", rows)
    [result] = load_detector(model, threads=1).detect([red(1.0)])
    assert found(result) == [(ObjectClass.CAR, 0.7)]


def test_class_numbers_that_a_model_does_not_have_are_nothing(tmp_path: Path) -> None:
    rows = np.array([[0, 10, 20, 40, 80, 77, 0.9], [0, 10, 20, 40, 80, -3, 0.9]])
    model = write_ended_numbered(tmp_path / "v7.onnx", rows)
    assert len(load_detector(model, threads=1).detect([red(1.0)])[0]) == 0


def test_one_object_is_one_box_though_taken_for_a_car_and_a_truck(tmp_path: Path) -> None:
    proposals = [
        Proposal(10, 20, 60, 60, {1: 0.6}),
        Proposal(11, 20, 61, 60, {2: 0.7}),
        Proposal(12, 21, 60, 61, {1: 0.5}),
        Proposal(10, 20, 60, 60, {0: 0.65}),
        Proposal(50, 30, 90, 70, {1: 0.4}),
    ]
    detector = load_detector(write_raw(tmp_path / "m.onnx", proposals), threads=1)
    [result] = detector.detect([red(1.0)])
    assert found(result) == [
        (ObjectClass.TRUCK, 0.7),
        (ObjectClass.PERSON, 0.65),
        (ObjectClass.CAR, 0.4),
    ]


def test_boxes_are_clipped_to_the_picture_and_those_beside_it_left_out(tmp_path: Path) -> None:
    # A picture twice as wide as high lies in the middle, a quarter of the model's height free
    # above and below it.
    proposals = [
        Proposal(-20, 0, 30, 96, {0: 0.9}),
        Proposal(40, 2, 60, 20, {1: 0.8}),
    ]
    detector = load_detector(write_raw(tmp_path / "m.onnx", proposals), threads=1)
    [result] = detector.detect([red(1.0, 192, 96)])
    assert result.boxes.tolist() == [[0, 0, 60, 96]]


@given(width=st.integers(1, 400), height=st.integers(1, 400))
def test_a_box_comes_back_to_where_it_was(width: int, height: int) -> None:
    from search.detectors import letterbox, yolo

    form = yolo.input_form(SIDE, SIDE)
    picture = np.zeros((height, width, 3), np.uint8)
    into = np.full((1, 3, SIDE, SIDE), np.nan, np.float32)
    [placed] = letterbox.fill([picture], form, into)
    assert np.isfinite(into).all()
    inner = np.array(
        [
            [
                placed.left,
                placed.top,
                placed.left + width * placed.ratio_x,
                placed.top + height * placed.ratio_y,
            ]
        ],
        np.float32,
    )
    assert placed.boxes_back(inner)[0] == pytest.approx([0, 0, width, height], abs=0.01)


def test_models_of_any_size_are_given_pictures_as_flat_as_they_are(tmp_path: Path) -> None:
    model = write_raw(
        tmp_path / "m.onnx",
        [WALKER],
        batch="any",
        side="any",
        flexible=True,
        metadata={"imgsz": f"[{SIDE}, {SIDE}]"},
    )
    sizes = [(SIDE, SIDE), (SIDE, SIDE // 3), (2 * SIDE, 2 * SIDE), (SIDE // 3, SIDE)]
    pictures = [red(share, *size) for share, size in zip((1, 0.9, 0.8, 0.7), sizes, strict=True)]
    results = load_detector(model, threads=1).detect(pictures)
    # Scores are multiplied by the mean redness: with a margin around, it would be less.
    assert [float(result.scores[0]) for result in results] == pytest.approx(
        [0.9, 0.81, 0.72, 0.63], abs=0.01
    )
    assert results[1].boxes.tolist() == [[10, 20, 40, 32]]
    assert results[2].boxes.tolist() == [[20, 40, 80, 160]]


def test_an_empty_picture_is_an_error_and_no_pictures_are_none(tmp_path: Path) -> None:
    detector = load_detector(write_raw(tmp_path / "m.onnx", [WALKER]), threads=1)
    assert detector.detect([]) == []
    with pytest.raises(ValueError, match="nothing in it"):
        detector.detect([np.zeros((0, 10, 3), np.uint8)])


def test_what_is_no_number_is_said_and_the_model_goes_on(tmp_path: Path) -> None:
    detector = load_detector(write_raw(tmp_path / "m.onnx", [WALKER], bad_when_red=True), threads=1)
    with pytest.raises(DetectionFailed, match="no number"):
        detector.detect([red(1.0)])
    assert len(detector.detect([red(0.5)])[0]) == 1


def test_the_score_asked_for_holds(tmp_path: Path) -> None:
    model = write_raw(tmp_path / "m.onnx", [WALKER])
    assert len(load_detector(model, threads=1, score=0.95).detect([red(1.0)])[0]) == 0
    assert len(load_detector(model, threads=1, score=0.85).detect([red(1.0)])[0]) == 1


def believed(detector: Detector, picture: Picture) -> list[ObjectClass]:
    [result] = detector.detect([picture])
    return sorted(one for one, score in found(result) if score >= BELIEVED)


def shipped(shared: Path) -> list[Path | None]:
    models = shared / "models"
    return [None, models / "yolo11n_640_qdq.onnx", models / "yolov8n_640_qdqall.onnx"]


@pytest.mark.parametrize("number", range(3), ids=["nanodet", "yolo11n", "yolov8n"])
def test_a_bus_and_its_people(shared: Path, number: int) -> None:
    picture = cv2.imread(str(shared / "footage" / "bus.jpg"))
    assert picture is not None
    detector = load_detector(shipped(shared)[number], threads=1)
    people = [one for one in believed(detector, picture) if one is ObjectClass.PERSON]
    assert believed(detector, picture).count(ObjectClass.BUS) == 1
    assert len(people) in (3, 4)
    [result] = detector.detect([picture])
    bus = result.boxes[np.flatnonzero(result.classes == CLASS_NUMBERS[ObjectClass.BUS])[0]]
    assert bus == pytest.approx([17, 230, 803, 745], abs=40)


@pytest.mark.parametrize("provider", available())
def test_every_provider_that_is_installed_finds_the_same(shared: Path, provider: str) -> None:
    picture = cv2.imread(str(shared / "footage" / "bus.jpg"))
    assert picture is not None
    detector = load_detector(None, threads=1, provider=provider)
    assert detector.provider == provider
    [expected] = load_detector(None, threads=1, provider="cpu").detect([picture])
    [result] = detector.detect([picture])
    sure = expected.scores >= BELIEVED
    assert (result.scores >= BELIEVED).sum() == sure.sum()
    assert result.boxes[: sure.sum()] == pytest.approx(expected.boxes[sure], abs=6)


def test_pictures_of_several_sizes_in_one_call_are_as_if_alone(shared: Path) -> None:
    bus = cv2.imread(str(shared / "footage" / "bus.jpg"))
    assert bus is not None
    small = cv2.resize(bus, (320, 360))
    detector = load_detector(None, threads=1)
    together = detector.detect([bus, small, bus])
    for picture, result in zip([bus, small, bus], together, strict=True):
        [alone] = detector.detect([picture])
        assert result.boxes.tolist() == alone.boxes.tolist()
        assert result.scores.tolist() == alone.scores.tolist()
