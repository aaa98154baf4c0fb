"""Pictures that people search by: decoded, looked at, and made comparable, in a worker.

``picture``: coded units of a camera up to an instant; ``photo``: a file that somebody uploaded.
Both are answered by what is there, each with its vector. What a decoder or model dies of here takes
down a worker of its own, and no camera's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from camera_adapters.stream import AccessUnit
from gateway.analysis.analyst import Analyst
from gateway.transcoder.wire import track_from_wire, units_from_wire
from search.appearance.photo_worker import read_photo_apart
from search.appearance.photos import PhotoRefused
from search.objects import OBJECT_CLASSES, ObjectClass, Picture
from search.sampling.decoding import PictureDecoder, Undecodable, to_picture
from search.tracks.overlap import overlap_of

OBJECTS_LIMIT = 50
_PHOTO_SIDE_LIMIT = 1920
_JPEG_QUALITY = 90
_MASKED = (40, 40, 40)
_MASK_MARGIN = 5
_MARGIN = 0.1
_PHOTO_CODES = {
    "too_large": "photo_too_large",
    "too_many_pixels": "photo_too_large",
    "too_small": "photo_too_small",
    "animated": "photo_animated",
    "damaged": "photo_damaged",
    "too_slow": "photo_damaged",
}
"""What people are told in their own language; all else is no photo."""
_OVERLAP = 0.3

Box = tuple[float, float, float, float]


def answer(analyst: Analyst, request: Mapping[str, Any]) -> dict[str, Any]:
    """The reply to ``picture`` or ``photo``; ``{type: "refused", code, message}`` where the picture
    cannot be read.
    """
    try:
        if request["type"] == "photo":
            picture = _fitting(read_photo_apart(request["data"]))
            at_us = None
        else:
            picture, at_us = _decoded(request)
    except PhotoRefused as error:
        code = _PHOTO_CODES.get(error.code, "photo_refused")
        return {"type": "refused", "code": code, "message": str(error)}
    except Undecodable as error:
        return {"type": "refused", "code": "no_picture", "message": str(error)}
    picture = _covered(picture, request.get("masks") or ())
    height, width = picture.shape[:2]
    found = objects_in(analyst, picture, request.get("box"))
    reply: dict[str, Any] = {
        "type": request["type"],
        "at_us": at_us,
        "width": width,
        "height": height,
        "objects": found,
        "vector_kind": analyst.embedder.kind,
        "vector_size": analyst.embedder.size,
    }
    reply["jpeg"] = cv2.imencode(
        ".jpg", _fitting(picture), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )[1].tobytes()
    return reply


def _covered(picture: Picture, masks: Sequence[Sequence[Sequence[float]]]) -> Picture:
    """With what lies beneath masks (corners as shares of the picture) filled in: nothing of it is
    found, compared or shown.
    """
    height, width = picture.shape[:2]
    drawn = picture if not masks else picture.copy()
    for mask in masks:
        corners = (np.asarray(mask, np.float64) * (width, height)).round().astype(np.int32)
        cv2.fillPoly(drawn, [corners], _MASKED)
        cv2.polylines(drawn, [corners], True, _MASKED, _MASK_MARGIN)
    return drawn


def objects_in(analyst: Analyst, picture: Picture, box: Sequence[float] | None) -> list[Any]:
    """``{box, class, confidence, vector}`` each, the surest first; with ``box`` (shares of the
    picture) that one alone, whatever it shows.
    """
    height, width = picture.shape[:2]
    (detections,) = analyst.detector.detect([picture])
    scale = np.array([width, height, width, height], np.float32)
    found: list[tuple[Box, ObjectClass, float]] = []
    for row in np.argsort(-detections.scores)[:OBJECTS_LIMIT]:
        left, top, right, bottom = (detections.boxes[row] / scale).tolist()
        kind = OBJECT_CLASSES[int(detections.classes[row])]
        found.append(((left, top, right, bottom), kind, float(detections.scores[row])))
    if box is not None:
        left, top, right, bottom = box
        found = [_chosen((left, top, right, bottom), found)]
    if not found:
        return []
    crops = [_cut(picture, one) for one, _, _ in found]
    vectors = analyst.embedder.embed(crops, [kind for _, kind, _ in found])
    return [
        {
            "box": [round(share, 4) for share in one],
            "class": str(kind),
            "confidence": round(confidence, 3),
            "vector": np.asarray(vector, np.float32).tobytes(),
        }
        for (one, kind, confidence), vector in zip(found, vectors, strict=True)
    ]


def _chosen(
    box: Box, found: Sequence[tuple[Box, ObjectClass, float]]
) -> tuple[Box, ObjectClass, float]:
    """What somebody drew: a detected object's class where it is one, else as people are taken."""
    best = max(found, key=lambda one: overlap_of(box, one[0]), default=None)
    if best is None or overlap_of(box, best[0]) < _OVERLAP:
        return box, ObjectClass.PERSON, 0.0
    return box, best[1], best[2]


def _cut(picture: Picture, box: Box) -> Picture:
    """As crops of passages are: with a margin of a tenth."""
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    dx, dy = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    x0, x1 = int(max(0.0, left - dx) * width), int(min(1.0, right + dx) * width)
    y0, y1 = int(max(0.0, top - dy) * height), int(min(1.0, bottom + dy) * height)
    return np.ascontiguousarray(picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])


def _fitting(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    longer = max(height, width)
    if longer <= _PHOTO_SIDE_LIMIT:
        return picture
    size = (
        max(1, width * _PHOTO_SIDE_LIMIT // longer), max(1, height * _PHOTO_SIDE_LIMIT // longer),
    )  # fmt: skip
    smaller: Picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return smaller


def _decoded(request: Mapping[str, Any]) -> tuple[Picture, int]:
    """The last picture that is not later than ``at_us``, or the last of all. Raises Undecodable."""
    units: list[AccessUnit] = units_from_wire(request["units"])
    decoder = PictureDecoder(track_from_wire(request["track"]))
    at_us = request["at_us"]
    pictures = [picture for unit in units for picture in decoder.decode(unit)]
    pictures += decoder.drain()
    chosen = [one for one in pictures if at_us is None or one[0] <= at_us] or pictures[:1]
    if not chosen:
        raise Undecodable("there is no picture at that time")
    taken_us, frame = max(chosen, key=lambda one: one[0])
    return to_picture(frame), taken_us
