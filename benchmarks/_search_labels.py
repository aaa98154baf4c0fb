"""Labelled footage for ``benchmarks.search_quality``: who is where, by hand; and how findings are
held against it.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from trackeval.metrics import CLEAR, HOTA, Identity

_LABELS = Path(__file__).resolve().parent / "labels"
SAME_OBJECT = 0.5
"""From this share of what two boxes cover together, they are of one object."""

Boxes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A person in one picture. ``box``: left, top, right, bottom in pixels. ``visible`` False:
    more than half hidden, so that to find it is no merit and to miss it no fault."""

    person: int
    box: tuple[float, float, float, float]
    visible: bool


@dataclass(frozen=True, slots=True)
class Stay:
    """A person's way through a clip in which nobody else is: first and last picture."""

    person: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tracked:
    """A finding in one picture, by the number of what was followed."""

    number: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Passed:
    """How passages answer to people: how many people, of how many a passage was made that covers
    half of their time, how many passages too many were made of them, and how many of nobody."""

    people: int
    found: int
    split: int
    of_nobody: int


def people_on_campus() -> dict[int, list[Labelled]]:
    """60 pictures of ``pedestrians_h264.mp4``, by their number."""
    pictures: dict[int, list[Labelled]] = defaultdict(list)
    for row in _rows("pedestrians_people.csv"):
        left, top, right, bottom = (float(row[side]) for side in ("left", "top", "right", "bottom"))
        one = Labelled(int(row["person"]), (left, top, right, bottom), row["visible"] == "1")
        pictures[int(row["picture"])].append(one)
    return dict(pictures)


def people_one_by_one() -> list[Stay]:
    """Who passes in ``intel_one-by-one-person-detection.mp4``."""
    return [
        Stay(int(row["person"]), int(row["first"]), int(row["last"]))
        for row in _rows("one_by_one_people.csv")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    with (_LABELS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def overlaps(some: Boxes, others: Boxes) -> Boxes:
    """Intersection over union, [len(some), len(others)]."""
    corner = np.maximum(some[:, None, :2], others[None, :, :2])
    other = np.minimum(some[:, None, 2:], others[None, :, 2:])
    shared = np.clip(other - corner, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (some, others)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def tracking_scores(
    truth: Mapping[int, Sequence[Labelled]], found: Mapping[int, Sequence[Tracked]]
) -> dict[str, float]:
    """HOTA, MOTA, IDF1 (shares) and the number of switches between identities."""
    data = _for_trackeval(truth, found)
    hota = HOTA().eval_sequence(data)
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    return {
        "hota": float(np.mean(hota["HOTA"])),
        "deta": float(np.mean(hota["DetA"])),
        "assa": float(np.mean(hota["AssA"])),
        "mota": float(clear["MOTA"]),
        "idf1": float(identity["IDF1"]),
        "switches": float(clear["IDSW"]),
    }


def _for_trackeval(
    truth: Mapping[int, Sequence[Labelled]], found: Mapping[int, Sequence[Tracked]]
) -> dict[str, object]:
    numbers: dict[int, int] = {}
    people: dict[int, int] = {}
    truth_ids, found_ids, similar = [], [], []
    for picture in sorted(truth):
        kept = _without_hidden(truth[picture], found.get(picture, ()))
        seen = [one for one in truth[picture] if one.visible]
        truth_ids.append(
            np.array([people.setdefault(one.person, len(people)) for one in seen], int)
        )
        found_ids.append(
            np.array([numbers.setdefault(one.number, len(numbers)) for one in kept], int)
        )
        similar.append(overlaps(_stack(seen), _stack(kept)))
    return {
        "num_timesteps": len(truth),
        "num_gt_ids": len(people),
        "num_tracker_ids": len(numbers),
        "num_gt_dets": sum(map(len, truth_ids)),
        "num_tracker_dets": sum(map(len, found_ids)),
        "gt_ids": truth_ids,
        "tracker_ids": found_ids,
        "similarity_scores": similar,
    }


def _without_hidden(truth: Sequence[Labelled], found: Sequence[Tracked]) -> list[Tracked]:
    """Leave out what was found of the mostly hidden, as MOTChallenge does."""
    similar = overlaps(_stack(truth), _stack(found))
    similar[similar < SAME_OBJECT] = 0
    rows, columns = linear_sum_assignment(-similar)
    hidden = {
        column
        for row, column in zip(rows, columns, strict=True)
        if similar[row, column] and not truth[row].visible
    }
    return [one for number, one in enumerate(found) if number not in hidden]


def average_precision(
    truth: Mapping[int, Sequence[Labelled]], found: Mapping[int, tuple[Boxes, Boxes]]
) -> float:
    """Of persons, at an overlap of a half (AP50), over all labelled pictures.

    ``found``: boxes [N, 4] and scores [N] by picture.
    """
    claims: list[tuple[float, bool]] = []
    for picture, labels in truth.items():
        boxes, scores = found[picture]
        similar = overlaps(boxes, _stack(labels))
        taken: set[int] = set()
        for row in np.argsort(-scores, kind="stable"):
            best = next(
                (
                    column
                    for column in np.argsort(-similar[row], kind="stable")
                    if similar[row, column] >= SAME_OBJECT and column not in taken
                ),
                None,
            )
            if best is not None:
                taken.add(int(best))
                if not labels[int(best)].visible:
                    continue
            claims.append((float(scores[row]), best is not None))
    total = sum(one.visible for labels in truth.values() for one in labels)
    claims.sort(key=lambda claim: -claim[0])
    hits = np.cumsum([right for _, right in claims])
    precision = hits / np.arange(1, len(claims) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(hits, prepend=0)
    return float((envelope * steps).sum() / total)


def passages_of_stays(stays: Sequence[Stay], passages: Sequence[tuple[float, float]]) -> Passed:
    """``passages``: first and last picture of each, while nobody else is there."""
    by_stay: dict[int, list[tuple[float, float]]] = defaultdict(list)
    of_nobody = 0
    for first, last in passages:
        shared = [min(last, stay.last) - max(first, stay.first) for stay in stays]
        best = int(np.argmax(shared))
        if shared[best] < 0:
            of_nobody += 1
        else:
            by_stay[best].append((first, last))
    found = sum(
        _covered(stay, by_stay[number]) >= 0.5 * (stay.last - stay.first)
        for number, stay in enumerate(stays)
    )
    split = sum(len(pieces) - 1 for pieces in by_stay.values() if pieces)
    return Passed(len(stays), found, split, of_nobody)


def _covered(stay: Stay, pieces: Sequence[tuple[float, float]]) -> float:
    covered, until = 0.0, float(stay.first)
    for first, last in sorted(pieces):
        begin, end = max(first, until), min(last, stay.last)
        covered += max(0.0, end - begin)
        until = max(until, end)
    return covered


def passages_of_people(
    truth: Mapping[int, Sequence[Labelled]], found: Mapping[int, Sequence[Tracked]]
) -> Passed:
    """People that walk among others: a passage is of whom it covers in most of its pictures."""
    matches: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    seen: dict[int, int] = defaultdict(int)
    for picture, labels in truth.items():
        tracked = found.get(picture, ())
        similar = overlaps(_stack(labels), _stack(tracked))
        similar[similar < SAME_OBJECT] = 0
        for one in labels:
            seen[one.person] += one.visible
        for claim in tracked:
            matches[claim.number][0] += 0
        for row, column in zip(*linear_sum_assignment(-similar), strict=True):
            if similar[row, column]:
                matches[tracked[column].number][labels[row].person] += 1
    owners = {
        number: max(people, key=lambda person: people[person]) for number, people in matches.items()
    }
    covered: dict[int, int] = defaultdict(int)
    pieces: dict[int, int] = defaultdict(int)
    of_nobody = 0
    for number, person in owners.items():
        if person == 0 or not matches[number][person]:
            of_nobody += 1
            continue
        pieces[person] += 1
        covered[person] += matches[number][person]
    found_people = sum(covered[person] >= 0.5 * count for person, count in seen.items())
    return Passed(len(seen), found_people, sum(count - 1 for count in pieces.values()), of_nobody)


def _stack(rows: Sequence[Labelled] | Sequence[Tracked]) -> Boxes:
    return np.array([one.box for one in rows], float).reshape(-1, 4)
