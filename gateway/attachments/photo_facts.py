"""Where and when a photo says that it was taken (Exif 2.32 §4.6.6). What cannot be right is not
believed; none of it is proof.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_GPS = 0x8825
_EXIF = 0x8769
_TAKEN = 0x9003
_TAKEN_OFFSET = 0x9011


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """WGS-84 degrees; UTC microseconds, only where the photo names its time zone."""

    longitude: float | None = None
    latitude: float | None = None
    taken_us: int | None = None


def read_facts(data: bytes) -> PhotoFacts:
    """What a photo that could be read says of itself; nothing where it says nothing usable."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            exif = image.getexif()
            return facts_of(dict(exif.get_ifd(_GPS)), dict(exif.get_ifd(_EXIF)))
    except Exception:  # whatever a reader throws at damaged metadata: the picture is whole
        return PhotoFacts()


def facts_of(gps: dict[int, Any], exif: dict[int, Any]) -> PhotoFacts:
    """From the two directories of tags."""
    latitude = _degrees(gps.get(2), gps.get(1), b"S", 90)
    longitude = _degrees(gps.get(4), gps.get(3), b"W", 180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        latitude = longitude = None
    return PhotoFacts(longitude, latitude, _taken_us(exif.get(_TAKEN), exif.get(_TAKEN_OFFSET)))


def _degrees(parts: Any, reference: Any, negative: bytes, limit: float) -> float | None:
    try:
        degrees, minutes, seconds = (float(one) for one in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value) or not 0 <= value <= limit:
        return None
    text = reference.encode() if isinstance(reference, str) else reference
    return -value if isinstance(text, bytes) and text[:1] == negative else value


def _taken_us(text: Any, offset: Any) -> int | None:
    if not isinstance(text, str) or not isinstance(offset, str):
        return None
    try:
        taken = datetime.strptime(text.strip("\0 ") + offset.strip("\0 "), "%Y:%m:%d %H:%M:%S%z")
        return round(taken.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None
