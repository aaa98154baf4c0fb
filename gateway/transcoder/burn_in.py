"""Masks and lines of text, burnt into a decoded picture: what is under them is in no output.

A core without I/O. Everything that may show a camera's picture to somebody without the right to
lift its masks, and everything that names its viewer in the picture, goes through :func:`draw`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from gateway.transcoder.glyphs import EM, draw_line

Polygon = Sequence[tuple[float, float]]
"""Corners of a mask, (x, y) as shares of the picture's width and height: (0, 0) is its top left
corner, (1, 1) its bottom right one. The last corner joins the first; what the outline encloses by
the even-odd rule is masked, and a margin of about two pixels around it."""

_Cells = npt.NDArray[np.bool_]
_Plane = npt.NDArray[np.uint8]
_Key = tuple[tuple[tuple[float, float], ...], ...]

# A mask is laid on cells of 2×2 pixels, since colour is coded for four pixels together.
_CELL = 2
_MASK_LUMA = 40
_GREY = 128
_TEXT_LUMA = 235
# The height of a line as a share of the picture's; never so small that it cannot be read.
_LINE_SHARE = 1 / 28
_LEAST_LINE = 14


def draw(picture: VideoFrame, masks: Sequence[Polygon], lines: Sequence[str]) -> VideoFrame:
    """The picture with ``masks`` filled and ``lines`` in its lower left corner, the last lowest.

    The picture that comes back is ``yuv420p`` or ``yuvj420p``, of the same size, with the same
    ``pts`` and ``time_base``. The one given must not be used any more. Lines that are too long for
    the picture are cut at its edge.
    """
    if not masks and not lines:
        return picture
    if picture.format.name not in ("yuv420p", "yuvj420p"):
        pts, time_base = picture.pts, picture.time_base
        picture = picture.reformat(format="yuv420p")
        picture.pts = pts
        if time_base is not None:
            picture.time_base = time_base
    # The decoder still refers to what it gave out: its next pictures must not see the mask.
    picture.make_writable()
    if masks:
        _fill(picture, _key(masks))
    if lines:
        _write(picture, lines)
    return picture


def _key(masks: Sequence[Polygon]) -> _Key:
    return tuple(tuple((float(x), float(y)) for x, y in mask) for mask in masks)


def _fill(picture: VideoFrame, masks: _Key) -> None:
    cells = covered_cells(picture.width, picture.height, masks)
    _plane(picture, 0)[_covered_pixels(picture.width, picture.height, masks)] = _MASK_LUMA
    for index in (1, 2):
        _plane(picture, index)[cells] = _GREY


@functools.lru_cache(maxsize=16)
def _covered_pixels(width: int, height: int, masks: _Key) -> _Cells:
    cells = covered_cells(width, height, masks)
    return cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1)[:height, :width]


@functools.lru_cache(maxsize=64)
def covered_cells(width: int, height: int, masks: _Key) -> _Cells:
    """The cells of 2×2 pixels that masks cover, rounded outwards: (⌈height/2⌉, ⌈width/2⌉)."""
    rows, columns = -(-height // _CELL), -(-width // _CELL)
    covered = np.zeros((rows, columns), np.bool_)
    for mask in masks:
        corners = np.array(mask, np.float64) * (width / _CELL, height / _CELL)
        covered |= _inside(corners, rows, columns) | _on_outline(corners, rows, columns)
    grown = covered.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            grown |= _moved(covered, down, right)
    grown.setflags(write=False)
    return grown


def _inside(corners: npt.NDArray[np.float64], rows: int, columns: int) -> _Cells:
    """The cells whose middle lies inside, by the even-odd rule."""
    x = np.arange(columns) + 0.5
    y = np.arange(rows)[:, None] + 0.5
    inside = np.zeros((rows, columns), np.bool_)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        # Left of the edge; without a division, which edges that are nearly level would break.
        side = (x - x1) * (y2 - y1) - (x2 - x1) * (y - y1)
        inside ^= crosses & (side < 0 if y2 > y1 else side > 0)
    return inside


def _on_outline(corners: npt.NDArray[np.float64], rows: int, columns: int) -> _Cells:
    """The cells through which the outline goes: a mask may be thinner than a cell."""
    touched = np.zeros((rows, columns), np.bool_)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        steps = int(np.abs(end - start).max() * 2) + 2
        points = np.floor(np.linspace(start, end, steps)).astype(np.int64)
        inside = (points >= 0).all(axis=1) & (points < (columns, rows)).all(axis=1)
        touched[points[inside, 1], points[inside, 0]] = True
    return touched


def _moved(cells: _Cells, down: int, right: int) -> _Cells:
    moved = np.zeros_like(cells)
    rows, columns = cells.shape
    moved[max(0, down) : rows + min(0, down), max(0, right) : columns + min(0, right)] = cells[
        max(0, -down) : rows + min(0, -down), max(0, -right) : columns + min(0, -right)
    ]
    return moved


def _write(picture: VideoFrame, lines: Sequence[str]) -> None:
    luma, colours = _plane(picture, 0), [_plane(picture, index) for index in (1, 2)]
    height, width = luma.shape
    line_height = max(_LEAST_LINE, round(height * _LINE_SHARE)) & ~1
    margin = line_height // 4 & ~1
    y = height - margin - line_height * len(lines)
    for line in lines:
        letters = _letters(line, line_height)[:, : max(0, width - 2 * margin)]
        if y >= 0 and y + line_height <= height:
            box = luma[y : y + line_height, margin : margin + letters.shape[1]]
            # Letters are bright on a darkened ground: legible on snow and at night.
            dark = box.astype(np.uint16) * 3 // 8
            box[:] = dark + (_TEXT_LUMA - dark) * letters // 255
            for colour in colours:
                top, left = y // 2, margin // 2
                part = colour[top : top + line_height // 2, left : left + letters.shape[1] // 2]
                part[:] = (part.astype(np.int16) - _GREY) // 4 + _GREY
        y += line_height


@functools.lru_cache(maxsize=256)
def _letters(line: str, line_height: int) -> npt.NDArray[np.uint16]:
    """The line scaled to ``line_height``, with an even width."""
    drawn = draw_line(line)
    if drawn.shape[1] % 2:
        drawn = np.pad(drawn, ((0, 0), (0, 1)))
    if line_height != EM:
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="gray")
        scaled_width = max(2, round(drawn.shape[1] * line_height / EM) & ~1)
        scaled = frame.reformat(scaled_width, line_height, format="gray").to_ndarray()
        return scaled.astype(np.uint16)
    return drawn.astype(np.uint16)


def _plane(picture: VideoFrame, index: int) -> _Plane:
    """A plane's pixels, to be written through."""
    plane: Any = picture.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
