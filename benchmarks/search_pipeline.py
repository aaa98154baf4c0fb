"""What stands around the detector: what it costs, and what the motion gate lets through.

The gate's thresholds were chosen on synthetic scenes and on the first 30 s of the pedestrians; it
is measured on the rest of that clip, each walker alone, and on the people who come one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2

from benchmarks import _search_footage as footage
from benchmarks._search_passages import (
    MOVING_FPS,
    every_frame,
    gated_frames,
    missed,
    passages_of,
)
from benchmarks.measure import quick_requested, report
from search.appearance.embed import load_embedder
from search.attributes.describe import Describer
from search.detectors.interface import Detector
from search.detectors.loading import load_detector
from search.objects import Frame, Picture
from search.passages import Passage
from search.pipeline import BATCH, Pipeline
from search.sampling.sampler import FrameSampler

FPS = 10
_DEMO = Path(__file__).resolve().parent.parent / "gateway" / "demo" / "crossing.mp4"
# People come and go in the clip of one by one: pictures in which somebody is.
ONE_BY_ONE = ((60, 200), (225, 455), (500, 705), (740, 870), (920, 1210), (1230, 1365))


def main() -> None:
    """Run all of it."""
    quick = quick_requested(__doc__)
    cv2.setNumThreads(1)
    detector = load_detector(None, threads=1)
    describer = Describer(1)

    def pipeline() -> Pipeline:
        return Pipeline(detector, describer, load_embedder(None, 1))

    clip = _clip("pedestrians_h264.mp4") or _DEMO
    crowd = footage.read_pictures(clip, 640, 480)
    throughput(detector, pipeline(), crowd, 120 if quick else 400)
    plate = footage.plate_of(footage.read_pictures(clip, 640, 360)[::9])
    still_scene(plate, 60 if quick else 300)
    for name, scene in held_open(plate, 24 if quick else 120):
        holding(name, scene)
    encoders = (footage.VARIABLE,) if quick else footage.ENCODERS
    for encoder in encoders:
        # Drawn anew for each: a quarter of an hour of pictures does not stay in memory.
        walkers = quiet_walkers(crowd, pipeline(), 3 if quick else 12, 50 if quick else 80)
        gate_quality("walkers", footage.encode(walkers, FPS, encoder), encoder, pipeline)
    people = _clip("intel_one-by-one-person-detection.mp4")
    if people is not None and not quick:
        pictures = footage.read_pictures(people, 640, 360)
        quiet = footage.pieces_apart(pictures, ONE_BY_ONE, 180 * FPS)
        coded = footage.encode(quiet, FPS, footage.VARIABLE)
        gate_quality("one_by_one", coded, footage.VARIABLE, pipeline)


def throughput(detector: Detector, pipeline: Pipeline, pictures: list[Picture], count: int) -> None:
    """The whole pipeline against the bare detector, on the same frames, in turns."""
    step = FPS // round(MOVING_FPS)
    chosen = (pictures * (1 + count * step // len(pictures)))[: count * step : step]
    frames = [Frame("cam", number * 200_000, one) for number, one in enumerate(chosen, 1)]
    bare_s = whole_s = 0.0
    # What is loaded at the first passage is loaded.
    passages_of([replace(frame, camera_id="warm") for frame in frames[: 5 * BATCH]], pipeline)
    for at in range(0, len(frames), BATCH):
        began = time.process_time()
        detector.detect(chosen[at : at + BATCH])
        bare_s += time.process_time() - began
        began = time.process_time()
        pipeline.add(frames[at : at + BATCH])
        whole_s += time.process_time() - began
    began = time.process_time()
    pipeline.finish("cam")
    whole_s += time.process_time() - began
    report(
        "search_pipeline_share_of_bare_detector",
        100 * bare_s / whole_s,
        "%",
        n=len(frames),
        target=85,
        better="higher",
        note=f"{detector.name}, {len(frames) / whole_s:.1f} pictures/s of a crowd, one thread",
    )


def still_scene(plate: Picture, seconds: int) -> None:
    """Decode and gate of a scene in which nothing happens: 640×360, 25 a second, keyframe each 2 s.
    The first 20 s, in which the gate learns, are not counted.
    """
    import numpy as np

    rng = np.random.default_rng(1)
    learning = 20 * 25
    pictures = (footage.with_noise(plate, 1.5, rng) for _ in range(learning + seconds * 25))
    track, units = footage.encode(pictures, 25, footage.VARIABLE)
    sampler = FrameSampler("cam")
    sampler.start((track,))
    for unit in units[:learning]:
        sampler.push(unit)
    began = time.process_time()
    passed = sum(len(sampler.push(unit)) for unit in units[learning:])
    spent_s = time.process_time() - began
    report(
        "search_gate_cpu_percent_still",
        100 * spent_s / seconds,
        "% of a core",
        n=seconds,
        target=0.3,
        note=f"{passed} pictures passed in {seconds} s",
    )


def held_open(plate: Picture, seconds: int) -> Iterator[tuple[str, footage.Coded]]:
    """Scenes without a passage that try to hold the gate open."""
    fps, count = 12, seconds * 12
    scenes = {
        "night_noise": footage.night(plate, count),
        "rain": footage.rain(plate, count),
        "trees": footage.trees(plate, count, fps),
        "headlights": footage.headlights(plate, count, fps),
        "clouds": footage.clouds(plate, count, fps),
    }
    for name, pictures in scenes.items():
        yield name, footage.encode(pictures, fps, footage.VARIABLE)


def holding(name: str, coded: footage.Coded) -> None:
    """Which share of the ungated pipeline's detector runs a scene costs, once it is known."""
    _, units = coded
    middle_us = units[len(units) // 2].wall_us
    frames = gated_frames(coded, FrameSampler("cam"))
    seconds = (units[-1].wall_us - middle_us) / 1e6
    late = sum(frame.at_us >= middle_us for frame in frames)
    report(
        f"search_gate_runs_percent_{name}",
        100 * late / (seconds * MOVING_FPS),
        "% of ungated detector runs",
        n=round(seconds),
        target=15,
        note="second half; synthetic",
    )


def quiet_walkers(
    pictures: list[Picture], pipeline: Pipeline, count: int, still_s: float
) -> Iterator[Picture]:
    """Walkers of the crowd, one at a time, from the part of the clip that chose nothing."""
    rest = pictures[30 * FPS :] if len(pictures) > 60 * FPS else pictures
    frames = [Frame("cam", n * 1_000_000 // FPS, rest[n]) for n in range(0, len(rest), 2)]
    walkers = [one for one in passages_of(frames, pipeline) if _is_walker(one)]
    yield from footage.walkers_one_by_one(
        rest, footage.plate_of(rest[::7]), walkers[:count], FPS, still_s
    )


def _is_walker(passage: Passage) -> bool:
    seconds = (passage.last_us - passage.first_us) / 1e6
    return passage.object_class == "person" and 3 < seconds < 14 and len(passage.path) > 5


def gate_quality(
    name: str, coded: footage.Coded, encoder: footage.Encoder, pipeline: Callable[[], Pipeline]
) -> None:
    """What the gate costs in passages, and saves in detector runs."""
    sampler = FrameSampler("cam")
    gated = gated_frames(coded, sampler)
    found = passages_of(gated, pipeline())
    ungated = list(every_frame(coded))
    truth = passages_of(ungated, pipeline())
    lost = missed(truth, found)
    note = f"{encoder.name}; {len(ungated) / MOVING_FPS:.0f} s, {_busy_percent(truth, ungated):.0f}"
    note += f" % of the time with a passage; decoded {sampler.counters.decoded} of {len(coded[1])}"
    report(
        f"search_gate_passages_percent_{name}",
        100 * (1 - len(lost) / len(truth)) if truth else None,
        "% of the ungated pipeline's",
        n=len(truth),
        target=95,
        better="higher",
        note=note,
    )
    report(
        f"search_gate_runs_percent_{name}",
        100 * len(gated) / len(ungated),
        "% of ungated detector runs",
        n=len(ungated),
        target=15,
        note=encoder.name,
    )


def _busy_percent(passages: list[Passage], frames: list[Frame]) -> float:
    """At which share of the frames something was passing that came and went."""
    span_us = frames[-1].at_us - frames[0].at_us
    passing = [one for one in passages if one.last_us - one.first_us < span_us / 4]
    busy = sum(any(one.first_us <= f.at_us <= one.last_us for one in passing) for f in frames)
    return 100 * busy / len(frames)


def _clip(name: str) -> Path | None:
    folder = footage.shared_footage()
    return folder / name if folder is not None and (folder / name).is_file() else None


if __name__ == "__main__":
    main()
