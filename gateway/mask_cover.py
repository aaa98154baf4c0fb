"""What masks hide of objects: whether somebody may hear of one at all, what of it may be told, and
its picture drawn over.

Everything here is told in shares of the camera's whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.masks import Polygons

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from search.index.messages import StoredPassage

Box = Sequence[float]
"""Left, top, right, bottom."""
Point = tuple[float, float]

# Of an object so much must be seen beside the masks.
MOSTLY = 0.5
# Masks are laid on crops with this share of the crop around them: crops were made smaller, and
# their edges rounded.
_AROUND = 0.03
_POINTS = 10
_GREY = (128, 128, 128)
_QUALITY = 85


def covered_shares(boxes: Sequence[Box], masks: Polygons) -> list[float]:
    """Which share of each box lies beneath the masks, 0 to 1, to about a hundredth."""
    if not masks or not boxes:
        return [0.0] * len(boxes)
    import numpy

    edges = numpy.asarray(boxes, numpy.float64)
    steps = (numpy.arange(_POINTS) + 0.5) / _POINTS
    width, height = edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]
    x = edges[:, 0, None, None] + width[:, None, None] * steps[None, None, :]
    y = edges[:, 1, None, None] + height[:, None, None] * steps[None, :, None]
    x, y = numpy.broadcast_arrays(x, y)
    covered = numpy.zeros(x.shape, bool)
    for mask in masks:
        covered |= _inside(x, y, mask)
    return [float(one) for one in covered.mean(axis=(1, 2))]


def is_hidden(box: Box, path: Sequence[Box], masks: Polygons) -> bool:
    """Whether an object is mostly beneath masks: where it is seen best, or on most of its way."""
    if not masks:
        return False
    best, *way = covered_shares([box, *path], masks)
    return best > MOSTLY or (bool(way) and sum(way) / len(way) > MOSTLY)


def touches(box: Box, masks: Polygons) -> bool:
    """Whether any of a box lies beneath a mask, exactly; a common edge alone does not."""
    return any(_area(_clipped(mask, box)) > 0 for mask in masks)


def beside_masks(passage: StoredPassage, masks: Polygons) -> StoredPassage:
    """The passage without what was read beneath masks: a plate any of whose places lies there,
    and colours of clothes whose half of the body lies mostly there. Where nobody knows the places
    of a plate, that a mask touches the vehicle anywhere on its way is enough.
    """
    if not masks:
        return passage
    found = passage.attributes
    if found.plate is not None or found.plate_color is not None:
        way = [(one.left, one.top, one.right, one.bottom) for one in passage.path]
        if any(touches(one, masks) for one in found.plate_places or (passage.box, *way)):
            found = replace(found, plate=None, plate_color=None, plate_places=())
    left, top, right, bottom = passage.box
    middle = (top + bottom) / 2
    upper, lower = covered_shares(
        [(left, top, right, middle), (left, middle, right, bottom)], masks
    )
    if upper > MOSTLY:
        found = replace(found, upper_color=None)
    if lower > MOSTLY:
        found = replace(found, lower_color=None)
    return passage if found is passage.attributes else replace(passage, attributes=found)


def draw_over(jpeg: bytes, box: Box, margin: float, masks: Polygons) -> bytes:
    """A crop as a JPEG, with what of it lies beneath masks filled in grey. It was cut out around
    ``box`` with ``margin`` of its width and height on each side, as far as the picture goes.

    Blocks: to be called in a thread. Raises ValueError for what is no JPEG.
    """
    import cv2
    import numpy

    picture = cv2.imdecode(numpy.frombuffer(jpeg, numpy.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("the crop cannot be decoded")
    height, width = picture.shape[:2]
    across, down = (box[2] - box[0]) * margin, (box[3] - box[1]) * margin
    left, top = max(0.0, box[0] - across), max(0.0, box[1] - down)
    right, bottom = min(1.0, box[2] + across), min(1.0, box[3] + down)
    scale = numpy.array([width / max(right - left, 1e-6), height / max(bottom - top, 1e-6)])
    around = max(2, round(2 * _AROUND * max(width, height)))
    for mask in masks:
        corners = (numpy.asarray(mask, numpy.float64) - (left, top)) * scale
        # Far outside of the crop nothing is to be seen, and numbers must stay small.
        points = numpy.clip(corners, -32_000, 32_000).round().astype(numpy.int32)
        cv2.fillPoly(picture, [points], _GREY)
        cv2.polylines(picture, [points], True, _GREY, around)
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError("the crop cannot be encoded")
    return encoded.tobytes()


def _clipped(mask: Sequence[Point], box: Box) -> list[Point]:
    """What of a polygon lies in a box (Sutherland and Hodgman)."""
    points = list(mask)
    for axis, edge, sign in ((0, box[0], 1), (1, box[1], 1), (0, box[2], -1), (1, box[3], -1)):
        kept: list[Point] = []
        for here, after in zip(points, points[1:] + points[:1], strict=True):
            own, its = sign * (here[axis] - edge), sign * (after[axis] - edge)
            if own >= 0:
                kept.append(here)
            if (own > 0 > its) or (own < 0 < its):
                share = own / (own - its)
                kept.append(
                    (
                        here[0] + share * (after[0] - here[0]),
                        here[1] + share * (after[1] - here[1]),
                    )
                )
        points = kept
    return points


def _area(points: Sequence[Point]) -> float:
    """To a billionth of the picture: less is an edge."""
    twice = sum(
        x1 * y2 - x2 * y1
        for (x1, y1), (x2, y2) in zip(points, [*points[1:], *points[:1]], strict=True)
    )
    return round(abs(twice) / 2, 9)


def _inside(
    x: NDArray[np.float64], y: NDArray[np.float64], mask: Sequence[tuple[float, float]]
) -> NDArray[np.bool_]:
    """The points within a polygon, by the even-odd rule."""
    import numpy

    inside = numpy.zeros(x.shape, bool)
    for (x1, y1), (x2, y2) in zip(mask, (*mask[1:], mask[0]), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        side = (x - x1) * (y2 - y1) - (x2 - x1) * (y - y1)
        inside ^= crosses & (side < 0 if y2 > y1 else side > 0)
    return inside
