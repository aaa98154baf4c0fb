"""What is measured of one picture of a camera, and what is remembered of it. Pure; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

WIDTH = 640
"""Pictures are looked at in this width: wider ones are scaled down."""

Mode = Literal["day", "dim", "night"]
"""In which light: what is right by day is not by night, which is infrared."""

# Tiles of 20 pixels in 16:9.
_COLUMNS, _ROWS = 32, 18
# Small pictures that are kept for comparison: one pixel is a hundredth of the width.
THUMB_WIDTH, THUMB_HEIGHT = 96, 54
# Single pixels, as they are: their noise is that of this moment.
_SAMPLES_ACROSS, _SAMPLES_DOWN = 64, 36
_GREY_CHROMA = 6.0
_DIM_LUMA = 60.0
_CLIPPED_DARK, _CLIPPED_BRIGHT = 20.0, 235.0
_QUIETEST_SHARE = 0.3
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)


class NotAPicture(ValueError):
    """These bytes are no JPEG that can be decoded."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one picture. ``bright``: what all but its 2 % brightest pixels are below. ``sharpness``:
    steepness of fine edges by that of coarse ones, 0.25 where nothing is sharp. ``noise``: standard
    deviation where the picture is flat. ``tint``: by how much nine tenths of it are off grey in the
    same direction. ``red`` and ``blue``: the middle of Cr and Cb, from 0. ``thumb``: grey, small.
    ``deviations``: of each tile. ``samples``: single pixels; ``sampled_texture``: of their tiles.
    """

    mode: Mode
    bright: float
    sharpness: float
    noise: float
    tint: float
    red: float
    blue: float
    thumb: Bytes
    deviations: Floats
    samples: Bytes
    sampled_texture: Floats


@dataclass(frozen=True, slots=True)
class Reference:
    """A camera as it should look in one light."""

    mode: Mode
    sharpness: float
    noise: float
    red: float
    blue: float
    thumb: Bytes
    deviations: Floats

    @classmethod
    def of(cls, seen: Measures) -> Self:
        """This picture is as it should be."""
        return cls(
            seen.mode, seen.sharpness, seen.noise, seen.red, seen.blue, seen.thumb, seen.deviations
        )

    def to_message(self) -> dict[str, Any]:
        """Something that survives msgpack and fits a row: numbers, and two byte strings."""
        return {
            "numbers": {
                "sharpness": self.sharpness, "noise": self.noise,
                "red": self.red, "blue": self.blue,
            },
            "thumb": self.thumb.tobytes(),
            "deviations": np.clip(self.deviations, 0, 255).astype(np.uint8).tobytes(),
        }  # fmt: skip

    @classmethod
    def from_row(cls, mode: Mode, numbers: dict[str, float], thumb: bytes, tiles: bytes) -> Self:
        """The inverse of :meth:`to_message`."""
        return cls(
            mode,
            numbers["sharpness"],
            numbers["noise"],
            numbers["red"],
            numbers["blue"],
            np.frombuffer(thumb, np.uint8).reshape(THUMB_HEIGHT, THUMB_WIDTH),
            np.frombuffer(tiles, np.uint8).reshape(_ROWS, _COLUMNS).astype(np.float32),
        )


def measure_jpeg(jpeg: bytes) -> Measures:
    """Of a JPEG. Raises NotAPicture."""
    try:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None or min(picture.shape[:2]) < 16:
        raise NotAPicture("this is no JPEG")
    return measure(np.asarray(picture, np.uint8))


def measure(picture: Bytes) -> Measures:
    """Of a picture in blue, green and red."""
    size = (WIDTH, WIDTH * 9 // 16)
    if picture.shape[1::-1] != size:
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    fine = luma.astype(np.float32)
    tiles = _tiles(fine)
    deviations = tiles.std(axis=2)
    small = cv2.resize(picture, (THUMB_WIDTH, THUMB_HEIGHT), interpolation=cv2.INTER_AREA)
    chroma = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb), np.float32)[:, :, 1:] - 128
    red, blue = (float(np.median(chroma[:, :, index])) for index in (0, 1))
    rows, columns = _sampled(luma.shape[0], _SAMPLES_DOWN), _sampled(WIDTH, _SAMPLES_ACROSS)
    textures = deviations[
        np.ix_(rows * _ROWS // luma.shape[0], columns * _COLUMNS // luma.shape[1])
    ]
    return Measures(
        mode=_mode(chroma, float(fine.mean())),
        bright=float(np.percentile(luma, 98)),
        sharpness=_sharpness(fine),
        noise=_noise(fine, tiles.mean(axis=2)),
        tint=_tint(chroma, red, blue),
        red=red,
        blue=blue,
        thumb=np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8),
        deviations=deviations,
        samples=np.ascontiguousarray(luma[np.ix_(rows, columns)]),
        sampled_texture=textures,
    )


def samples_from(kept: bytes) -> Bytes | None:
    """``Measures.samples`` as they were kept; None where they are of another size."""
    if len(kept) != _SAMPLES_ACROSS * _SAMPLES_DOWN:
        return None
    return np.frombuffer(kept, np.uint8).reshape(_SAMPLES_DOWN, _SAMPLES_ACROSS)


def _sampled(length: int, count: int) -> NDArray[np.intp]:
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)


def _tiles(luma: Floats) -> Floats:
    """Rows and columns of tiles, each with its pixels."""
    high, wide = luma.shape[0] // _ROWS, luma.shape[1] // _COLUMNS
    cut = luma[: high * _ROWS, : wide * _COLUMNS].reshape(_ROWS, high, _COLUMNS, wide)
    return cut.swapaxes(1, 2).reshape(_ROWS, _COLUMNS, high * wide)


def _mode(chroma: Floats, luma: float) -> Mode:
    strongest = float(np.percentile(np.abs(chroma).max(axis=2), 95))
    if strongest < _GREY_CHROMA:
        return "night"
    return "dim" if luma < _DIM_LUMA else "day"


def _sharpness(luma: Floats) -> float:
    coarse = cv2.resize(luma, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    steep = _steepest(np.asarray(coarse, np.float32))
    return _steepest(luma) / steep if steep > 1 else 0.0


def _steepest(luma: Floats) -> float:
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.125)
    return float(np.percentile(cv2.magnitude(across, down), 97))


def _noise(luma: Floats, means: Floats) -> float:
    """After J. Immerkær, 1996, in the tiles that have the least of it and are not clipped."""
    rough = np.abs(cv2.filter2D(luma, cv2.CV_32F, _IMMERKAER))
    each = _tiles(np.asarray(rough, np.float32)).mean(axis=2) * float(np.sqrt(np.pi / 2)) / 6
    seen = each[(means > _CLIPPED_DARK) & (means < _CLIPPED_BRIGHT)]
    if seen.size == 0:
        return 0.0
    quiet = np.sort(seen)[: max(1, round(seen.size * _QUIETEST_SHARE))]
    return float(np.median(quiet))


def _tint(chroma: Floats, red: float, blue: float) -> float:
    length = float(np.hypot(red, blue))
    if length < 1:
        return 0.0
    along = (chroma[:, :, 0] * red + chroma[:, :, 1] * blue) / length
    return float(np.percentile(along, 10))
