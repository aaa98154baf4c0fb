"""Telling whether a picture hides its left half, as the masks of these tests have it."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import numpy.typing as npt

LEFT_HALF: dict[str, Any] = {
    "name": "bedroom window",
    "points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
}
# How far a lossy codec may stray from a plain colour; no street is as plain.
_TOLERANCE = 12


def decode(media: bytes, media_format: str | None = None) -> list[npt.NDArray[np.uint8]]:
    """The pictures of a file, as luma: one at least, or what is said of all says nothing."""
    with av.open(io.BytesIO(media), format=media_format) as opened:
        pictures = [frame.to_ndarray(format="gray") for frame in opened.decode(video=0)]
    assert pictures, "there is no picture"
    return pictures


def hides_left_half(picture: npt.NDArray[np.uint8]) -> bool:
    """Whether nothing is to be seen on the left (but for letters at its foot), and all on the
    right.
    """
    height, width = picture.shape
    left = picture[: height * 3 // 4, : width // 2].astype(np.int16)
    right = picture[: height * 3 // 4, width * 9 // 16 :]
    hidden = bool((np.abs(left - np.median(left)) < _TOLERANCE).all())
    assert right.std() > 10, "there is nothing on the right either"
    return hidden
