"""Small ONNX models that behave as detectors do: how red a picture is, so sure are their findings.

Each proposes given boxes. Its scores are multiplied by the mean of the picture's red plane, so that
what comes out of a batch tells which picture it came from, and in which order the planes went in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 96
CELLS = 12 * 12 + 6 * 6 + 3 * 3
NAMES = ("person", "car", "truck", "horse")


@dataclass(frozen=True)
class Proposal:
    """A box in pixels of the model's input, with its scores by class."""

    left: float
    top: float
    right: float
    bottom: float
    scores: dict[int, float]


def write_raw(
    path: Path,
    proposals: Sequence[Proposal],
    *,
    classes: int = len(NAMES),
    names: object = NAMES,
    batch: int | str = 1,
    side: int | str = SIDE,
    cells: int = CELLS,
    cells_last: bool = True,
    objectness: float | None = None,
    half: bool = False,
    bad_when_red: bool = False,
    only_first: bool = False,
    flexible: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A model with one row per cell. ``names`` None: it does not name its classes;
    ``only_first``: of a batch it looks at the first picture, and finds nothing in the others;
    ``flexible``: it has as many cells as the picture is large."""
    boxes = np.zeros((1, 4, cells), np.float32)
    boxes[0, :2] = SIDE - 1
    scores = np.zeros((1, classes, cells), np.float32)
    for number, one in enumerate(proposals):
        boxes[0, :, number] = (
            (one.left + one.right) / 2,
            (one.top + one.bottom) / 2,
            one.right - one.left,
            one.bottom - one.top,
        )
        for column, score in one.scores.items():
            scores[0, column, number] = score
    nodes = [*_redness(half, bad_when_red)]
    if only_first:
        nodes[-1].output[0] = "every"
        nodes += [
            helper.make_node("Slice", ["every", "zero", "one", "zero"], ["first_red"]),
            helper.make_node("Mul", ["every", "naught"], ["no_red"]),
            helper.make_node("Slice", ["no_red", "one", "many", "zero"], ["others"]),
            helper.make_node("Concat", ["first_red", "others"], ["red"], axis=0),
        ]
    parts = ["boxes_out", "scores_out"]
    constants = {"boxes": boxes, "scores": scores}
    nodes += [
        helper.make_node("Add", ["boxes", "nothing"], ["boxes_out"]),
        helper.make_node("Mul", ["scores", "red"], ["scores_out"]),
    ]
    if objectness is not None:
        constants["objectness"] = np.full((1, 1, cells), objectness, np.float32)
        nodes.append(helper.make_node("Add", ["objectness", "nothing"], ["objectness_out"]))
        parts.insert(1, "objectness_out")
    nodes.append(helper.make_node("Concat", parts, ["joined"], axis=1))
    if flexible:
        constants["part"] = np.array([cells / SIDE / SIDE], np.float32)
        nodes += [
            helper.make_node("Shape", ["images"], ["sides"], start=2, end=4),
            helper.make_node("ReduceProd", ["sides"], ["pixels"], keepdims=1),
            helper.make_node("Cast", ["pixels"], ["area"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["area", "part"], ["cells_wanted"]),
            helper.make_node("Round", ["cells_wanted"], ["cells_round"]),
            helper.make_node("Cast", ["cells_round"], ["until"], to=TensorProto.INT64),
            helper.make_node("Slice", ["joined", "zero", "until", "two"], ["cut"]),
        ]
        constants["two"] = np.array([2], np.int64)
    order = [0, 1, 2] if cells_last else [0, 2, 1]
    nodes.append(
        helper.make_node("Transpose", ["cut" if flexible else "joined"], ["output0"], perm=order)
    )
    return _write(path, nodes, constants, batch, side, half, names, metadata)


def write_ended(
    path: Path,
    proposals: Sequence[Proposal],
    *,
    names: object = NAMES,
    batch: int | str = 1,
    rows: int = 20,
) -> Path:
    """A model that has chosen its boxes itself: [pictures, rows, 6]."""
    values = np.zeros((1, rows, 6), np.float32)
    for number, one in enumerate(proposals):
        column, score = max(one.scores.items(), key=lambda item: item[1])
        values[0, number] = (one.left, one.top, one.right, one.bottom, score, column)
    nodes = [
        *_redness(half=False, bad_when_red=False),
        helper.make_node("Add", ["boxes", "nothing"], ["boxes_out"]),
        helper.make_node("Mul", ["scores", "red"], ["scores_out"]),
        helper.make_node("Add", ["classes", "nothing"], ["classes_out"]),
        helper.make_node("Concat", ["boxes_out", "scores_out", "classes_out"], ["output0"], axis=2),
    ]
    constants = {"boxes": values[..., :4], "scores": values[..., 4:5], "classes": values[..., 5:]}
    return _write(path, nodes, constants, batch, SIDE, False, names, None)


def write_ended_numbered(path: Path, rows: np.ndarray, *, names: object = NAMES) -> Path:
    """A model whose rows [any, 7] begin with the number of the picture, as YOLOv7's do."""
    nodes = [
        *_redness(half=False, bad_when_red=False),
        helper.make_node("ReduceSum", ["nothing"], ["nothing_at_all"], keepdims=0),
        helper.make_node("Add", ["rows", "nothing_at_all"], ["output0"]),
    ]
    return _write(path, nodes, {"rows": rows.astype(np.float32)}, "batch", SIDE, False, names, None)


def _redness(half: bool, bad_when_red: bool) -> list[onnx.NodeProto]:
    """``red`` [pictures, 1, 1], and ``nothing``, zeros of that shape.

    ``bad_when_red``: what is no number for a picture that is red all over.
    """
    nodes = [helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT)]
    nodes += [
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["means", "zero", "one", "one"], ["first"]),
        helper.make_node("Reshape", ["first", "column"], ["redness"]),
        helper.make_node("Mul", ["redness", "naught"], ["nothing"]),
    ]
    if bad_when_red:
        nodes += [
            helper.make_node("Sub", ["limit", "redness"], ["below"]),
            helper.make_node("Sqrt", ["below"], ["root"]),
            helper.make_node("Add", ["root", "redness"], ["red"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["redness"], ["red"]))
    return nodes


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    batch: int | str,
    side: int | str,
    half: bool,
    names: object,
    metadata: dict[str, str] | None,
) -> Path:
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    if half:
        nodes = [*nodes, helper.make_node("Cast", ["output0"], ["output"], to=kind)]
    fixed = {
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "many": np.array([1 << 30], np.int64),
        "column": np.array([-1, 1, 1], np.int64),
        "naught": np.zeros(1, np.float32),
        "limit": np.full(1, 0.9, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("images", kind, [batch, 3, side, side])],
        [helper.make_tensor_value_info("output" if half else "output0", kind, None)],
        [numpy_helper.from_array(value, name) for name, value in (fixed | constants).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    told = dict(metadata or {})
    if names is not None:
        told["names"] = names if isinstance(names, str) else repr(dict(enumerate(names)))
    helper.set_model_props(model, told)
    onnx.save(model, str(path))
    return path
