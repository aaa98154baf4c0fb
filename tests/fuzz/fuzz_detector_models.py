"""Detector models: whole ONNX files, damaged ones, and what their metadata say."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from search.detectors.interface import ModelRefused
from search.detectors.loading import load_detector
from search.detectors.yolo import names_of, side_of
from tests.search.detectors.onnx_files import Proposal, write_ended, write_raw

_FOLDER = tempfile.TemporaryDirectory(prefix="gridsight-fuzz-")
_MODEL = Path(_FOLDER.name) / "fuzzed.onnx"
_WALKER = [Proposal(10, 20, 40, 80, {0: 0.9})]

SEEDS = [
    write_raw(_MODEL, _WALKER, side=64, cells=84).read_bytes(),
    write_ended(_MODEL, _WALKER, batch="any", rows=4).read_bytes(),
    b"{0: 'person', 1: 'car'}",
    b'["person", "van"]',
    b"[640, 480]",
]


def target(data: bytes) -> None:
    text = data.decode("latin-1")
    side_of({"imgsz": text})
    with contextlib.suppress(ModelRefused):
        names_of({"names": text}, _MODEL)
    _MODEL.write_bytes(data)
    try:
        detector = load_detector(_MODEL, threads=1, provider="cpu")
    except ModelRefused:
        return
    assert detector.classes
