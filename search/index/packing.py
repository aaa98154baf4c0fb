"""A passage's box, path and confidences as few bytes, and its look as the key of a dictionary.

Coordinates are kept to 1/4096 of the picture and confidences to a percent. A path of many points is
thinned (:func:`thin`): what is left shows its way to within 1/200 of the picture.

Layout, version 1: version, then unsigned varints (LEB128): left, top, width, height of the box;
confidence; those of colour, upper, lower, plate colour, vehicle type, plate and rider as percent
plus one (0: none was given); number of points; of each the milliseconds since the one before and
the zigzag differences of left, top, width and height to the one before (the first: to the box).
Version 2 has at its end the number of places where the plate was read (one to three), and of each
left, top, width and height.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from search.passages import PathPoint

VERSIONS = _PLACELESS, _PLACED = 1, 2
SCALE = 4096
POINTS_LIMIT = 48
_TOLERANCE = 1 / 200
_CONFIDENCES = 7
# Version, box, confidence, the others, and how many points come.
BEFORE_PATH = 1 + 4 + 1 + _CONFIDENCES + 1
PLACES_LIMIT = 3

Box = tuple[float, float, float, float]
Confidences = tuple[
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
]
"""Of colour, upper, lower and plate colour, vehicle type, plate, rider."""


class PackingError(ValueError):
    """The bytes are not what this module packs."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What one blob holds. ``box``, the points and the plate's places are shares of the picture; of
    the latter at most :data:`PLACES_LIMIT`.
    """

    box: Box
    confidence: float
    confidences: Confidences
    path: list[PathPoint]
    plate_places: tuple[Box, ...] = ()


def pack(content: Packed) -> bytes:
    """Bytes of :class:`Packed`. What lies outside the picture is moved to its edge."""
    places = content.plate_places[:PLACES_LIMIT]
    out = bytearray([_PLACED if places else _PLACELESS])
    before = _corners(*content.box)
    for number in before:
        _put(out, number)
    _put(out, _percent(content.confidence))
    for one in content.confidences:
        _put(out, 0 if one is None else _percent(one) + 1)
    path = thin(content.path)
    _put(out, len(path))
    after_ms = 0
    for point in path:
        _put(out, max(point.after_ms - after_ms, 0))
        after_ms = max(point.after_ms, after_ms)
        here = _corners(point.left, point.top, point.right, point.bottom)
        for number, last in zip(here, before, strict=True):
            difference = number - last
            _put(out, difference << 1 if difference >= 0 else (-difference << 1) - 1)
        before = here
    if places:
        _put(out, len(places))
        for place in places:
            for number in _corners(*place):
                _put(out, number)
    return bytes(out)


def unpack(data: bytes) -> Packed:
    """The inverse of :func:`pack`, to the precision told above. Raises PackingError."""
    if not data or data[0] not in VERSIONS:
        raise PackingError("a passage's details are of an unknown version")
    numbers = _numbers(data)
    before = (next(numbers), next(numbers), next(numbers), next(numbers))
    box = _shares(before)
    confidence = next(numbers) / 100
    given = [next(numbers) for _ in range(_CONFIDENCES)]
    confidences = cast("Confidences", tuple(None if one == 0 else (one - 1) / 100 for one in given))
    count = next(numbers)
    if count > len(data):
        raise PackingError("a passage's details are damaged")
    path = []
    after_ms = 0
    for _ in range(count):
        after_ms += next(numbers)
        moved = [next(numbers) for _ in range(4)]
        before = cast(
            "tuple[int, int, int, int]",
            tuple(
                last + (one >> 1 if not one & 1 else -(one + 1 >> 1))
                for last, one in zip(before, moved, strict=True)
            ),
        )
        path.append(PathPoint(after_ms, *_shares(before)))
    if data[0] == _PLACELESS:
        return Packed(box, confidence, confidences, path)
    count = next(numbers)
    if count > PLACES_LIMIT:
        raise PackingError("a passage's details are damaged")
    places = tuple(
        _shares((next(numbers), next(numbers), next(numbers), next(numbers))) for _ in range(count)
    )
    return Packed(box, confidence, confidences, path, places)


def thin(path: Sequence[PathPoint]) -> list[PathPoint]:
    """The fewest points, in order, whose straight connections stay within 1/200 of the picture of
    each point left out, when it was there; first and last always, and at most
    :data:`POINTS_LIMIT`, the most telling ones then.
    """
    if len(path) <= 2:
        return list(path)
    # Ramer–Douglas–Peucker over time; what deviates most is split first, so that the limit cuts
    # the finest detail.
    kept = {0, len(path) - 1}
    open_parts = [(_worst(path, 0, len(path) - 1), 0, len(path) - 1)]
    while open_parts and len(kept) < POINTS_LIMIT:
        part = max(open_parts)
        open_parts.remove(part)
        (deviation, at), start, end = part
        if deviation <= _TOLERANCE:
            break
        kept.add(at)
        for first, last in ((start, at), (at, end)):
            if last - first > 1:
                open_parts.append((_worst(path, first, last), first, last))
    return [path[number] for number in sorted(kept)]


def look_code(columns: Sequence[int | bool | None], vehicle_type: int | None) -> bytes:
    """A look's key: of its columns in the order of :data:`LOOK_COLUMNS`, ``possible`` in two bytes,
    and of the number of its vehicle type.
    """
    values = dict(zip(LOOK_COLUMNS, columns, strict=True))
    possible = values.pop("possible") or 0
    code = bytes(255 if value is None else int(value) for value in values.values())
    return code + possible.to_bytes(2) + (vehicle_type or 0).to_bytes(2)


LOOK_COLUMNS = (
    "object_class",
    "possible",
    "monochrome",
    "color",
    "color_second",
    "upper_color",
    "upper_color_second",
    "lower_color",
    "lower_color_second",
    "plate_color",
    "plate_color_second",
    "rider",
)
"""The columns of ``passage_looks`` that a message carries as they are."""


def _worst(path: Sequence[PathPoint], start: int, end: int) -> tuple[float, int]:
    """(how far, which) of the point between two that strays most from their straight connection."""
    first, last = path[start], path[end]
    took = last.after_ms - first.after_ms
    worst = (-1.0, start)
    for number in range(start + 1, end):
        point = path[number]
        share = (point.after_ms - first.after_ms) / took if took else 0.0
        strays = max(
            abs(point.left - first.left - share * (last.left - first.left)),
            abs(point.top - first.top - share * (last.top - first.top)),
            abs(point.right - first.right - share * (last.right - first.right)),
            abs(point.bottom - first.bottom - share * (last.bottom - first.bottom)),
        )
        worst = max(worst, (strays, number))
    return worst


def _corners(left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    x, y = _place(left), _place(top)
    return x, y, max(_place(right) - x, 0), max(_place(bottom) - y, 0)


def _shares(box: tuple[int, int, int, int]) -> Box:
    x, y, width, height = box
    return x / SCALE, y / SCALE, (x + width) / SCALE, (y + height) / SCALE


def _place(share: float) -> int:
    return round(min(max(share, 0.0), 1.0) * SCALE)


def _percent(confidence: float) -> int:
    return round(min(max(confidence, 0.0), 1.0) * 100)


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _numbers(data: bytes) -> Iterator[int]:
    number = shift = 0
    for one in data[1:]:
        number |= (one & 0x7F) << shift
        shift += 7
        if one < 0x80:
            yield number
            number = shift = 0
        elif shift > 63:
            break
    raise PackingError("a passage's details end too early")
