"""Pictures as they come: JPEG, looked at from outside, decoded nowhere.

A picture is taken when its markers lead from SOI over a frame header of a plausible size to a scan
(ITU-T T.81 annex B). What the entropy-coded data holds is the viewer's business: browsers decode
within a sandbox.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

PICTURE_BYTES_LIMIT = 4 * 1024**2
EDGE_LIMIT = 16_384
PIXELS_LIMIT = 64_000_000
_SOI = b"\xff\xd8"
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


class PictureError(Exception):
    """It is not a picture that is taken; says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG. ``code`` is its ImageType (GA/T 1400.3), such as ``01`` for the vehicle."""

    code: str
    data: bytes
    width: int
    height: int


def read_picture(code: str, encoded: str, limit: int = PICTURE_BYTES_LIMIT) -> Picture:
    """A picture from Base64, with or without line breaks. Raises PictureError."""
    if len(encoded) > limit * 3 // 2:
        raise PictureError(f"larger than {limit} bytes")
    _, comma, rest = encoded[:64].partition(";base64,")
    if comma:
        encoded = encoded[len(encoded[:64]) - len(rest) :]
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (ValueError, binascii.Error):
        raise PictureError("not Base64") from None
    if len(data) > limit:
        raise PictureError(f"larger than {limit} bytes")
    width, height = jpeg_size(data)
    return Picture(code, data, width, height)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG. Raises PictureError for what is none."""
    if not data.startswith(_SOI):
        raise PictureError("not a JPEG")
    place, size = 2, None
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            raise PictureError("a damaged JPEG")
        mark = data[place + 1]
        if mark == 0xFF:
            place += 1
            continue
        if mark in _ALONE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4])
        if mark == _END or length < 2 or place + 2 + length > len(data):
            break
        if mark in _FRAMES:
            if length < 8:
                break
            height = int.from_bytes(data[place + 5 : place + 7])
            width = int.from_bytes(data[place + 7 : place + 9])
            size = _checked(width, height)
        elif mark == _SCAN:
            if size is None:
                break
            return size
        place += 2 + length
    raise PictureError("a damaged JPEG")


def _checked(width: int, height: int) -> tuple[int, int]:
    if not (0 < width <= EDGE_LIMIT and 0 < height <= EDGE_LIMIT):
        raise PictureError(f"{width}x{height} is no size for a picture")
    if width * height > PIXELS_LIMIT:
        raise PictureError("more pixels than any camera has")
    return width, height
