"""The one operator of torchvision that detectors need, where torchvision's own cannot be loaded.

PyPI's torchvision is compiled for CUDA's torch. Beside a torch without CUDA its library does not
load, and then even ``import torchvision`` fails, for want of ``torchvision::nms`` (and of its twin
for quantised boxes, which is declared here but never called).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

_declared: list[Any] = []


def declare_missing() -> None:
    """Import torchvision, with ``torchvision::nms`` for the CPU if it brings none that loads."""
    import torch

    found = importlib.util.find_spec("torchvision")
    if _declared or found is None or found.origin is None:
        return
    try:
        for library in Path(found.origin).parent.glob("_C*.so"):
            torch.ops.load_library(str(library))
    except OSError:
        pass
    if hasattr(torch.ops.torchvision, "nms"):
        return
    declaration = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        declaration.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    declaration.impl("nms", _nms, "CPU")
    _declared.append(declaration)  # it is undeclared when this is collected
    import torchvision.extension

    # Else torchvision refuses its own `nms` without asking whether there is one.
    torchvision.extension._has_ops = lambda: True


def _nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Rows of ``boxes`` [N, 4] that no surer one overlaps by more, surest first."""
    import torch

    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = scores.argsort(descending=True, stable=True)
    kept = []
    while len(left):
        surest, left = left[0], left[1:]
        kept.append(surest)
        corner = torch.maximum(boxes[surest, :2], boxes[left, :2])
        other = torch.minimum(boxes[surest, 2:], boxes[left, 2:])
        shared = (other - corner).clamp(min=0).prod(dim=1)
        left = left[shared <= iou_threshold * (areas[surest] + areas[left] - shared)]
    return torch.stack(kept) if kept else left
