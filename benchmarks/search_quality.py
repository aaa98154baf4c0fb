"""How well search finds: passages, tracking and likeness on real footage, for each detector.

    python -m benchmarks.search_quality [--quick]

People who pass one by one (six of them): how many a passage was made of, how often one was split.
People who cross a campus, 60 pictures labelled by hand: HOTA, MOTA and IDF1 by TrackEval of what is
followed in those pictures, with five pictures a second looked at; peer is the ByteTrack of the
package `trackers` as it comes, with the same detections. Likeness: crops cut by the labels, each
asked for among all others, but for those of the same person within five seconds; peer is chance.

The labels' boxes were proposed by YOLO11n before they were corrected, which favours that detector
where overlaps count (HOTA, DetA). One threshold was chosen on these clips, how alike boxes must be
to be one object's, and what is noise was decided with them in view (docs/decisions/016); findings
are told from the scores that the detectors' makers show them from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers import ByteTrackTracker

from benchmarks._search_labels import (
    Labelled,
    Tracked,
    average_precision,
    passages_of_people,
    passages_of_stays,
    people_on_campus,
    people_one_by_one,
    tracking_scores,
)
from benchmarks.measure import quick_requested, report
from search.appearance.embed import Embedder, load_embedder
from search.detectors.interface import Detector
from search.detectors.loading import load_detector
from search.objects import CLASS_NUMBERS, Detections, Frame, ObjectClass, Picture
from search.tracks.tracker import PassageTracker

PICTURES_PER_SECOND = 10
LOOKED_AT_EACH = 2
APART = 5 * PICTURES_PER_SECOND
PERSON = CLASS_NUMBERS[ObjectClass.PERSON]
CAMPUS = "pedestrians_h264.mp4"
ONE_BY_ONE = "intel_one-by-one-person-detection.mp4"
_START_US = 1_760_000_000_000_000


def main() -> None:
    """Run the benchmark."""
    quick = quick_requested(__doc__)
    folder = Path(os.environ.get("GRIDSIGHT_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "footage").is_dir():
        print("no footage: set GRIDSIGHT_SHARED", file=sys.stderr)
        report("search_passages_found_percent", None, "%", n=0, better="higher")
        return
    models: list[Path | None] = [None]
    optional = [
        folder / "models" / name for name in ("yolo11n_640_qdq.onnx", "yolov8n_640_qdqall.onnx")
    ]
    models += [model for model in optional if model.is_file() and not quick]
    for model in models:
        detector = load_detector(model, threads=min(2, os.cpu_count() or 1))
        passing(detector, folder / "footage" / ONE_BY_ONE, people=3 if quick else 6)
        crossing(detector, folder / "footage" / CAMPUS)
    osnet = folder / "models" / "osnet_x0_25_msmt17.onnx"
    for embedder_model in (None, osnet) if osnet.is_file() else (None,):
        likeness(load_embedder(embedder_model, 2), folder / "footage" / CAMPUS)


def passing(detector: Detector, clip: Path, people: int) -> None:
    """People one after the other, nobody else there."""
    stays = people_one_by_one()[:people]
    until = stays[-1].last + 3 * PICTURES_PER_SECOND
    tracker = PassageTracker("clip", model=detector.name, possible=detector.possible)
    spans: dict[int, tuple[float, float]] = {}
    for number, frame in frames(clip, until):
        [found] = detector.detect([frame.picture])
        ended = tracker.update(frame, found)
        ended += tracker.finish() if number + LOOKED_AT_EACH >= until else []
        for one in ended:
            if one.object_class is ObjectClass.PERSON:
                spans[one.id] = (picture_at(one.first_us), picture_at(one.last_us))
    passed = passages_of_stays(stays, list(spans.values()))
    _report_passed("one_by_one", detector, passed.found, passed.split, passed.of_nobody, len(stays))


def crossing(detector: Detector, clip: Path) -> None:
    """Several people at once, among things that hide them."""
    truth = people_on_campus()
    tracker = PassageTracker("clip", model=detector.name, possible=detector.possible)
    peer = ByteTrackTracker(frame_rate=PICTURES_PER_SECOND / LOOKED_AT_EACH)
    ours: dict[int, list[Tracked]] = {}
    theirs: dict[int, list[Tracked]] = {}
    claimed: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for number, frame in frames(clip, max(truth) + 1):
        [found] = detector.detect([frame.picture])
        tracker.update(frame, found)
        followed = peer_boxes(peer, found)
        if number not in truth:
            continue
        height, width = frame.picture.shape[:2]
        ours[number] = [
            Tracked(
                one.passage_id,
                (
                    one.box[0] * width,
                    one.box[1] * height,
                    one.box[2] * width,
                    one.box[3] * height,
                ),
            )
            for one in tracker.current()
            if one.object_class is ObjectClass.PERSON
        ]
        theirs[number] = followed
        people = found.classes == PERSON
        claimed[number] = (found.boxes[people].astype(float), found.scores[people].astype(float))
    scores, peer_scores = tracking_scores(truth, ours), tracking_scores(truth, theirs)
    for name in ("hota", "deta", "assa", "mota", "idf1"):
        report(
            f"search_{name}_percent",
            100 * scores[name],
            "%",
            n=len(truth),
            better="higher",
            peer="trackers' ByteTrack",
            peer_value=100 * peer_scores[name],
            note=detector.name,
        )
    report(
        "search_identity_switches",
        scores["switches"],
        "",
        n=len(truth),
        peer="trackers' ByteTrack",
        peer_value=peer_scores["switches"],
        note=detector.name,
    )
    report(
        "search_person_ap50_percent",
        100 * average_precision(truth, claimed),
        "%",
        n=len(truth),
        better="higher",
        note=detector.name,
    )
    passed = passages_of_people(truth, ours)
    _report_passed("campus", detector, passed.found, passed.split, passed.of_nobody, passed.people)


def _report_passed(
    clip: str, detector: Detector, found: int, split: int, of_nobody: int, people: int
) -> None:
    report(
        f"search_{clip}_passages_found_percent",
        100 * found / people,
        "%",
        n=people,
        better="higher",
        note=detector.name,
    )
    report(f"search_{clip}_passages_split", split, "", n=people, note=detector.name)
    report(f"search_{clip}_passages_of_nobody", of_nobody, "", n=people, note=detector.name)


def peer_boxes(tracker: ByteTrackTracker, found: Detections) -> list[Tracked]:
    """What the package's tracker makes of the same persons."""
    people = found.classes == PERSON
    result = tracker.update(
        sv.Detections(
            xyxy=found.boxes[people],
            confidence=found.scores[people],
            class_id=np.zeros(int(people.sum()), int),
        )
    )
    if result.tracker_id is None:
        return []
    return [
        Tracked(int(number), (float(box[0]), float(box[1]), float(box[2]), float(box[3])))
        for number, box in zip(result.tracker_id, result.xyxy, strict=True)
        if number >= 0
    ]


def likeness(embedder: Embedder, clip: Path) -> None:
    """Whether crops of a person are more like one another than like those of others."""
    truth = people_on_campus()
    pictures = {number: frame.picture for number, frame in frames(clip, max(truth) + 1)}
    labels = [(number, one) for number in sorted(truth) for one in truth[number] if one.visible]
    crops = [cut(pictures[number], one) for number, one in labels]
    vectors = embedder.embed(crops, [ObjectClass.PERSON] * len(crops))
    people = np.array([one.person for _, one in labels])
    numbers = np.array([number for number, _ in labels])
    firsts, precisions, chances = [], [], []
    for row, similar in enumerate(vectors @ vectors.T):
        near = (people == people[row]) & (np.abs(numbers - numbers[row]) < APART)
        order = np.argsort(-similar, kind="stable")
        right = (people[order] == people[row])[~near[order]]
        if right.any():
            firsts.append(bool(right[0]))
            hits = np.cumsum(right)
            precisions.append(float((hits / np.arange(1, len(right) + 1))[right].mean()))
            chances.append(float(right.mean()))
    for name, values in (("rank1", firsts), ("map", precisions)):
        report(
            f"search_likeness_{name}_percent",
            100 * float(np.mean(values)),
            "%",
            n=len(values),
            better="higher",
            peer="chance",
            peer_value=100 * float(np.mean(chances)),
            note=f"{embedder.kind}, {len(set(people.tolist()))} people",
        )


def cut(picture: Picture, one: Labelled) -> Picture:
    """What the box shows, and nothing around it."""
    left, top, right, bottom = (max(0, round(side)) for side in one.box)
    return np.ascontiguousarray(picture[top:bottom, left:right])


def frames(clip: Path, until: int) -> Iterator[tuple[int, Frame]]:
    """Each second picture of a clip, with its number, as analysis is given them."""
    with av.open(str(clip)) as container:
        for number, decoded in enumerate(container.decode(video=0)):
            if number >= until:
                return
            if number % LOOKED_AT_EACH == 0:
                at_us = _START_US + number * 1_000_000 // PICTURES_PER_SECOND
                picture = np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
                yield number, Frame("clip", at_us, picture)


def picture_at(at_us: int) -> float:
    """The number of the picture that was taken then."""
    return (at_us - _START_US) * PICTURES_PER_SECOND / 1_000_000


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
