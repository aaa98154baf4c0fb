"""Which files are detectors, and what the others are told."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from search.detectors.interface import ModelRefused
from search.detectors.loading import LARGEST_BATCH, input_size, load_detector
from search.detectors.session import open_session
from search.objects import ObjectClass
from tests.search.detectors.onnx_files import (
    SIDE,
    Proposal,
    write_ended,
    write_ended_numbered,
    write_raw,
)

ONE = [Proposal(10, 20, 40, 80, {0: 0.9})]


def refusal(model: Path, **options: object) -> str:
    with pytest.raises(ModelRefused) as refused:
        load_detector(model, **({"threads": 1, "provider": "cpu"} | options))  # type: ignore[arg-type]
    return str(refused.value)


def test_the_default_is_nanodet_and_knows_no_vans() -> None:
    detector = load_detector(None, threads=1)
    assert detector.name == "nanodet_g_qdq"
    assert detector.classes == {
        ObjectClass.PERSON,
        ObjectClass.BICYCLE,
        ObjectClass.MOTORCYCLE,
        ObjectClass.CAR,
        ObjectClass.TRUCK,
        ObjectClass.BUS,
    }
    assert ObjectClass.VAN in detector.possible[ObjectClass.CAR]
    assert ObjectClass.CAR in detector.possible[ObjectClass.TRUCK]
    assert detector.batch == LARGEST_BATCH


def test_a_model_that_names_vans_tells_them_from_cars(tmp_path: Path) -> None:
    model = write_raw(tmp_path / "county.onnx", ONE, names=("行人", "面包车", "三轮车", "Tractor"))
    detector = load_detector(model, threads=1)
    assert detector.name == "county"
    assert detector.classes == {
        ObjectClass.PERSON,
        ObjectClass.VAN,
        ObjectClass.TRICYCLE,
        ObjectClass.FARM_VEHICLE,
    }
    assert detector.possible == {}


@pytest.mark.parametrize("name", ["osnet_x0_25_msmt17.onnx", "clp_det.onnx", "clp_v2_c_rec.onnx"])
def test_models_for_other_things_are_refused(shared: Path, name: str) -> None:
    said = refusal(shared / "models" / name)
    assert name in said
    assert "expected" in said


def test_what_is_no_model_is_refused(tmp_path: Path, shared: Path) -> None:
    text = tmp_path / "readme.onnx"
    text.write_text("models live here\n" * 100)
    assert "no ONNX file" in refusal(text)
    empty = tmp_path / "empty.onnx"
    empty.touch()
    assert "is empty" in refusal(empty)
    assert "is no file" in refusal(tmp_path)
    assert "cannot be read" in refusal(tmp_path / "missing.onnx")
    assert "cannot be read" in refusal(Path("nul\0byte.onnx"))
    whole = (shared / "models" / "yolo11n_640_qdq.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "cut off" in refusal(cut)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    huge = tmp_path / "huge.onnx"
    with huge.open("wb") as file:
        file.truncate(50 << 30)
    assert "too large" in refusal(huge)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 64}, "takes 64 pictures at once"),
        ({"side": 100_000}, "expected sides"),
        ({"classes": 7}, "4 class names and 11 values a cell"),
        ({"cells": 77}, "expected a detector"),
        ({"names": None}, "odd.onnx.names beside it"),
        ({"names": ("cat", "dog", "horse", "fish")}, "finds cat, dog, horse, fish"),
        ({"names": "{0: 'person', 2: 'car'}"}, "'names' cannot be read"),
        ({"names": "__import__('os').getpid()"}, "'names' cannot be read"),
        ({"names": "(" * 90_000}, "'names' cannot be read"),
        ({"names": "-" * 90_000 + "1"}, "'names' cannot be read"),
        ({"metadata": {"task": "segment"}}, "is a model for 'segment'"),
        ({"objectness": 0.5}, "looks like YOLOX"),
    ],
)
def test_unfit_models_are_told_what_is_wrong(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    assert said in refusal(write_raw(tmp_path / "odd.onnx", ONE, **options))  # type: ignore[arg-type]


def test_values_that_are_no_detectors_are_refused(tmp_path: Path) -> None:
    not_a_number = [Proposal(10, 20, 40, 80, {0: float("nan")})]
    assert "no number" in refusal(write_raw(tmp_path / "nan.onnx", not_a_number))
    too_sure = [Proposal(10, 20, 40, 80, {0: 9.0})]
    assert "expected 0 to 1" in refusal(write_raw(tmp_path / "logits.onnx", too_sure))


def test_a_model_of_several_inputs_or_flat_ones_is_refused(tmp_path: Path) -> None:
    def write(name: str, *inputs: onnx.ValueInfoProto) -> Path:
        graph = helper.make_graph(
            [helper.make_node("Identity", [inputs[0].name], ["out"])],
            "other",
            list(inputs),
            [helper.make_tensor_value_info("out", inputs[0].type.tensor_type.elem_type, None)],
        )
        opset = helper.make_opsetid("", 17)
        path = tmp_path / name
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
        return path

    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    size = helper.make_tensor_value_info("size", TensorProto.FLOAT, [1, 2])
    last = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, SIDE, SIDE, 3])
    words = helper.make_tensor_value_info("words", TensorProto.INT64, [1, 77])
    assert "expected one input" in refusal(write("two.onnx", picture, size))
    assert "expected pictures" in refusal(write("colours_last.onnx", last))
    assert "expected one input" in refusal(write("words.onnx", words))
    assert "expected a detector" in refusal(write("copies.onnx", picture))


def test_names_may_stand_in_a_file_beside_the_model(tmp_path: Path) -> None:
    model = write_raw(tmp_path / "plain.onnx", ONE, names=None)
    beside = tmp_path / "plain.onnx.names"
    beside.write_text("\ufeffperson\r\ncar\r\ntruck\r\nhorse\r\n\r\n", encoding="utf-8")
    assert load_detector(model, threads=1).classes == {
        ObjectClass.PERSON,
        ObjectClass.CAR,
        ObjectClass.TRUCK,
    }
    beside.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refusal(model)
    beside.write_text("person\n" * 100_000)
    assert "one a line" in refusal(model)


def test_eighty_unnamed_classes_are_cocos(tmp_path: Path) -> None:
    model = write_raw(tmp_path / "coco.onnx", ONE, names=None, classes=80)
    assert ObjectClass.BUS in load_detector(model, threads=1).classes


def test_threads_scores_and_providers_are_checked(tmp_path: Path) -> None:
    model = write_raw(tmp_path / "small.onnx", ONE)
    assert "between 0 and 1" in refusal(model, score=1.5)
    assert "no provider is called 'gpu'" in refusal(model, provider="gpu")
    with pytest.raises(ValueError, match="thread"):
        load_detector(model, threads=0)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "openvino"])
def test_a_provider_that_is_absent_is_named_with_what_is_there(
    tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_raw(tmp_path / "small.onnx", ONE)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    said = refusal(model, provider=provider)
    assert f"no {provider} provider, only: cpu" in said
    assert "install onnxruntime-" in said


def test_automatic_falls_back_to_the_cpu_where_a_provider_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: listed)
    model = write_raw(tmp_path / "small.onnx", ONE)
    assert load_detector(model, threads=1).provider == "cpu"
    assert "cuda" in refusal(model, provider="cuda")


def test_ultralytics_files_ask_for_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = tmp_path / "best.pt"
    model.write_bytes(b"PK")
    said = refusal(model)
    assert "install gridsight[ultralytics]" in said
    assert "format=onnx" in said


def test_loading_imports_no_torch() -> None:
    program = (
        "import sys; from search.detectors.loading import load_detector;"
        "load_detector(None, threads=1); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_model_of_any_batch_takes_many_pictures_at_once(tmp_path: Path) -> None:
    assert load_detector(write_raw(tmp_path / "a.onnx", ONE, batch="n"), threads=1).batch == (
        LARGEST_BATCH
    )
    assert load_detector(write_raw(tmp_path / "b.onnx", ONE, batch=4), threads=1).batch == 4
    assert load_detector(write_ended(tmp_path / "c.onnx", ONE, batch="n"), threads=1).batch == (
        LARGEST_BATCH
    )


def test_a_batch_is_not_believed_but_tried(tmp_path: Path) -> None:
    only_first = write_raw(tmp_path / "first.onnx", ONE, batch="n", only_first=True)
    assert load_detector(only_first, threads=1).batch == 1
    four = write_raw(tmp_path / "four.onnx", ONE, batch=4, only_first=True)
    detector = load_detector(four, threads=1)
    assert detector.batch == 1
    red = np.zeros((SIDE, SIDE, 3), np.uint8)
    red[:, :, 2] = 255
    assert [len(found) for found in detector.detect([red, red, red])] == [1, 1, 1]
    nothing_to_see = write_ended_numbered(tmp_path / "v7.onnx", np.zeros((0, 7)))
    assert load_detector(nothing_to_see, threads=1).batch == 1


def test_tensorrt_is_given_no_model_of_open_sizes(tmp_path: Path) -> None:
    session = replace(
        open_session(write_raw(tmp_path / "a.onnx", ONE, batch="n"), threads=1, provider="cpu"),
        provider="tensorrt",
    )
    with pytest.raises(ModelRefused, match="without dynamic"):
        input_size(session, tmp_path / "a.onnx")
