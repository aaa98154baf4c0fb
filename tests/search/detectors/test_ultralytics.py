"""Models of Ultralytics' own kinds, in an environment that has them: `make test-extras`."""

from __future__ import annotations

import random
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from search.detectors.classes import COCO
from search.detectors.interface import BELIEVED, Detector, ModelRefused
from search.detectors.loading import load_detector
from search.objects import CLASS_NUMBERS, ObjectClass

pytestmark = pytest.mark.extras

PERSON, BUS = CLASS_NUMBERS[ObjectClass.PERSON], CLASS_NUMBERS[ObjectClass.BUS]


@pytest.fixture(scope="module")
def yolo11n(shared: Path) -> Detector:
    return load_detector(shared / "models" / "yolo11n.pt", threads=2, provider="cpu")


def test_a_bus_and_its_people(shared: Path, yolo11n: Detector) -> None:
    picture = cv2.imread(str(shared / "footage" / "bus.jpg"))
    assert picture is not None
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    as_is, turned = yolo11n.detect([picture, mirrored])
    for result in (as_is, turned):
        sure = result.classes[result.scores >= BELIEVED].tolist()
        assert sorted(sure) == [PERSON] * 4 + [BUS]
    bus = as_is.boxes[as_is.classes == BUS][0]
    assert bus == pytest.approx([17, 230, 803, 740], abs=30)
    assert turned.boxes[turned.classes == BUS][0] == pytest.approx(
        [810 - bus[2], bus[1], 810 - bus[0], bus[3]], abs=30
    )


def test_people_who_cross_a_campus(pedestrians_h264: Path, yolo11n: Detector) -> None:
    with av.open(str(pedestrians_h264)) as container:
        pictures = [
            frame.to_ndarray(format="bgr24")
            for number, frame in zip(range(60), container.decode(video=0), strict=False)
            if number % 12 == 0
        ]
    results = yolo11n.detect(pictures)
    assert len(results) == 5
    assert all(
        3 <= (result.classes[result.scores >= BELIEVED] == PERSON).sum() <= 9 for result in results
    )


def test_the_weights_and_their_onnx_export_find_the_same(shared: Path, yolo11n: Detector) -> None:
    picture = cv2.imread(str(shared / "footage" / "bus.jpg"))
    assert picture is not None
    exported = load_detector(shared / "models" / "yolo11n_640_qdq.onnx", threads=2, provider="cpu")
    [one], [other] = yolo11n.detect([picture]), exported.detect([picture])
    assert yolo11n.classes == exported.classes
    for result in (one, other):
        assert (result.classes[0:1].size, result.scores.dtype) == (1, np.float32)
    people = [
        result.boxes[(result.classes == PERSON) & (result.scores > 0.8)] for result in (one, other)
    ]
    assert np.sort(people[0][:, 0]) == pytest.approx(np.sort(people[1][:, 0]), abs=12)


@pytest.mark.parametrize(
    ("options", "batch"),
    [
        ({"dynamic": True}, 16),
        ({"dynamic": True, "half": True}, 16),
        ({"batch": 4}, 4),
        ({"nms": True}, 1),
        ({"nms": True, "dynamic": True}, 1),  # it looks at the first of a batch alone
    ],
    ids=str,
)
def test_every_kind_of_export_finds_what_the_weights_find(
    shared: Path, tmp_path: Path, yolo11n: Detector, options: dict[str, object], batch: int
) -> None:
    from search.detectors.torchvision_operator import declare_missing

    declare_missing()
    from ultralytics import YOLO

    weights = tmp_path / "yolo11n.pt"
    weights.write_bytes((shared / "models" / "yolo11n.pt").read_bytes())
    exported = YOLO(str(weights)).export(format="onnx", simplify=False, opset=17, **options)
    detector = load_detector(Path(exported), threads=2, provider="cpu")
    assert detector.batch == batch
    picture = cv2.imread(str(shared / "footage" / "bus.jpg"))
    assert picture is not None
    pictures = [picture, np.ascontiguousarray(picture[:, ::-1]), picture[:700].copy()]
    for expected, result in zip(yolo11n.detect(pictures), detector.detect(pictures), strict=True):
        sure = expected.scores >= 0.6
        assert sure.sum() >= 3
        for box, number in zip(expected.boxes[sure], expected.classes[sure], strict=True):
            same = result.boxes[(result.classes == number) & (result.scores >= BELIEVED)]
            assert np.abs(same - box).max(axis=1).min() < 40


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    from search.detectors.torchvision_operator import declare_missing

    declare_missing()
    from ultralytics import YOLO

    whole = YOLO("yolo11n.yaml")
    whole.model.names = dict(enumerate(COCO))
    path = tmp_path / "untrained.pt"
    whole.save(str(path))
    detector = load_detector(path, threads=1, provider="cpu", score=0.5)
    assert detector.name == "untrained"
    assert len(detector.detect([np.zeros((200, 300, 3), np.uint8)])) == 1

    whole.model.names = dict.fromkeys(range(80), "cat")
    whole.save(str(path))
    with pytest.raises(ModelRefused, match="finds cat, cat"):
        load_detector(path, threads=1, provider="cpu")

    next(whole.model.parameters()).data.fill_(float("nan"))
    whole.save(str(path))
    with pytest.raises(ModelRefused, match="no numbers"):
        load_detector(path, threads=1, provider="cpu")

    other = YOLO("yolo11n-cls.yaml")
    other.save(str(path))
    with pytest.raises(ModelRefused, match="'classify'"):
        load_detector(path, threads=1, provider="cpu")


def test_what_is_no_model_is_refused(tmp_path: Path, shared: Path) -> None:
    for name, data in (
        ("text.pt", b"weights live elsewhere\n"),
        ("cut.pt", (shared / "models" / "yolo11n.pt").read_bytes()[:100_000]),
        ("plates.pt", (shared / "models" / "clp_det.onnx").read_bytes()),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ModelRefused, match="cannot load it"):
            load_detector(path, threads=1, provider="cpu")
    with pytest.raises(ModelRefused, match="cannot be read"):
        load_detector(tmp_path / "missing.pt", threads=1, provider="cpu")


def test_an_engine_needs_cuda_and_a_pt_knows_no_openvino(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "m.engine"
    path.write_bytes(b"\x00" * 100)
    expected = "does not begin as an engine" if torch.cuda.is_available() else "needs CUDA"
    with pytest.raises(ModelRefused, match=expected):
        load_detector(path, threads=1)
    with pytest.raises(ModelRefused, match="does not run on 'openvino'"):
        load_detector(tmp_path / "m.pt", threads=1, provider="openvino")


def test_the_declared_operator_chooses_as_opencv_does() -> None:
    import torch

    from search.detectors.torchvision_operator import _nms

    chance = random.Random(8)
    for _ in range(50):
        corners = [
            [chance.randrange(80), chance.randrange(80)] for _ in range(chance.randrange(40))
        ]
        boxes = [[x, y, chance.randrange(5, 40), chance.randrange(5, 40)] for x, y in corners]
        scores = chance.sample(range(1, 1000), len(boxes))
        shares = [score / 1000 for score in scores]
        expected = cv2.dnn.NMSBoxes(boxes, shares, 0.0, 0.5) if boxes else []
        edges = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes]).reshape(-1, 4)
        kept = _nms(edges.float(), torch.tensor(shares), 0.5)
        assert kept.tolist() == [int(row) for row in expected]
