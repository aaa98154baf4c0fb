"""How fast detectors are: milliseconds for a picture, with what goes before and after the model.

    python -m benchmarks.search_detectors [--quick]

Each model by one and two threads of the CPU, and on each accelerator that the installed onnxruntime
has, with all the batches it takes; peer is the model alone, without letterbox, reading and
suppression. Pictures are 768×576 of people crossing a campus, decoded beforehand.
`GRIDSIGHT_BENCH_MODELS` names further ONNX files, one after the other with `:` between.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.measure import percentile, quick_requested, report
from search.detectors.interface import Detector, ModelRefused
from search.detectors.loading import load_detector
from search.detectors.session import available, open_session
from search.objects import Picture

BATCHES = (1, 4, 8, 16)
_SIDE = 640


def main() -> None:
    """Run the benchmark."""
    seconds = 1.0 if quick_requested(__doc__) else 8.0
    shared = Path(os.environ.get("GRIDSIGHT_SHARED") or Path(__file__).parents[2] / "shared")
    pictures = campus(shared / "footage" / "pedestrians_h264.mp4")
    models: list[Path | None] = [None]
    optional = [
        shared / "models" / f"{name}.onnx" for name in ("yolo11n_640_qdq", "yolov8n_640_qdqall")
    ]
    optional += map(Path, filter(None, os.environ.get("GRIDSIGHT_BENCH_MODELS", "").split(":")))
    models += [model for model in optional if model.is_file()]
    for model in models:
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            measure(model, "cpu", threads, pictures, seconds)
        for provider in available():
            if provider != "cpu":
                measure(model, provider, 2, pictures, seconds)


def measure(
    model: Path | None, provider: str, threads: int, pictures: list[Picture], seconds: float
) -> None:
    """Every batch that the model takes, on one provider."""
    try:
        detector = load_detector(model, threads=threads, provider=provider)
    except ModelRefused as error:
        name = model.stem if model else "default"
        report("search_detector_ms_per_picture", None, "ms", n=0, note=f"{name}: {error}"[:200])
        return
    where = provider if provider != "cpu" else f"cpu, {threads} thread{'s' * (threads > 1)}"
    for batch in BATCHES:
        if batch > detector.batch and batch > 1:
            continue
        given = [pictures[number % len(pictures)] for number in range(batch)]
        spent = timed(lambda given=given: detector.detect(given), seconds)
        alone = model_alone(model, detector, provider, threads, batch, seconds / 2)
        report(
            "search_detector_ms_per_picture",
            1000 * percentile(spent, 50) / batch,
            "ms",
            n=len(spent) * batch,
            peer="the model alone",
            peer_value=None if alone is None else 1000 * alone / batch,
            note=f"{detector.name}, {where}, batch {batch}",
        )


def timed(call: object, seconds: float) -> list[float]:
    """How long each call took, for about so long altogether, after three to warm up."""
    assert callable(call)
    for _ in range(3):
        call()
    spent: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(spent) < 5:
        started = time.perf_counter()
        call()
        spent.append(time.perf_counter() - started)
    return spent


def model_alone(
    model: Path | None,
    detector: Detector,
    provider: str,
    threads: int,
    batch: int,
    seconds: float,
) -> float | None:
    """Seconds for one run of the model with an input that lies ready."""
    from importlib.resources import files

    from search.detectors.loading import DEFAULT_MODEL

    path = model or Path(str(files("search") / "models" / DEFAULT_MODEL))
    session = open_session(path, threads=threads, provider=provider)
    rows, height, width = (
        declared if isinstance(declared, int) else usual
        for declared, usual in zip(
            (session.shape[0], *session.shape[2:]), (batch, _SIDE, _SIDE), strict=True
        )
    )
    if rows != batch:
        return None
    given = np.random.default_rng(0).random((rows, 3, height, width), np.float32)
    return percentile(timed(lambda: session.run(given), seconds), 50)


def campus(clip: Path) -> list[Picture]:
    """32 pictures, or noise where the clip is not there."""
    if not clip.is_file():
        return list(np.random.default_rng(0).integers(0, 255, (4, 576, 768, 3), np.uint8))
    with av.open(str(clip)) as container:
        return [
            np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            for number, frame in zip(range(160), container.decode(video=0), strict=False)
            if number % 5 == 0
        ]


if __name__ == "__main__":
    main()
