"""Where objects stood, of many packed passages at once, as arrays: a year of a busy camera is held
against a drawn line in moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.index.packing import BEFORE_PATH, SCALE, VERSIONS, PackingError
from search.passages import PathPoint

_POINT = 5
_LONGEST_VARINT = 9


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """``places``: N×2, across and down, the middle of each box's lower edge as shares of the
    picture, one path after the other; ``path``: of each place, the number of its path; ``count``:
    how many paths there are, those without a place too.
    """

    places: NDArray[np.float64]
    path: NDArray[np.intp]
    count: int


def ways_of(paths: Sequence[Sequence[PathPoint]]) -> Ways:
    """Of paths as they are read back one by one."""
    places = [((p.left + p.right) / 2, p.bottom) for path in paths for p in path]
    lengths = [len(path) for path in paths]
    return Ways(
        np.asarray(places, np.float64).reshape(-1, 2),
        np.repeat(np.arange(len(paths)), lengths),
        len(paths),
    )


def unpack_ways(blobs: Sequence[bytes]) -> Ways:
    """Of what :func:`search.index.packing.pack` made. Raises PackingError."""
    if not blobs:
        return ways_of([])
    sizes = np.asarray([len(blob) for blob in blobs], np.intp)
    data = np.frombuffer(b"".join(blobs), np.uint8)
    if not sizes.all() or np.any(data[np.cumsum(sizes) - 1] >= 0x80):
        raise PackingError("a passage's details end too early")
    numbers, ends = _varints(data)
    # Of each blob the numbers from ``first`` on, up to the next one's.
    first = np.searchsorted(ends, np.cumsum(sizes) - sizes)
    have = np.append(first[1:], len(numbers)) - first
    if have.min() < BEFORE_PATH:
        raise PackingError("a passage's details end too early")
    if not np.isin(numbers[first], VERSIONS).all():
        raise PackingError("a passage's details are of an unknown version")
    lengths = numbers[first + BEFORE_PATH - 1]
    if np.any(lengths > (have - BEFORE_PATH) // _POINT):
        raise PackingError("a passage's details are damaged")
    path = np.repeat(np.arange(len(blobs)), lengths)
    begins = np.cumsum(lengths) - lengths
    nth = np.arange(len(path)) - begins[path]
    at = (first + BEFORE_PATH)[path] + nth * _POINT
    # Left, top, width, height: differences from the one before, the first to the box.
    zigzag = numbers[at[:, None] + np.arange(1, _POINT)]
    moved = np.where(zigzag & 1, -((zigzag + 1) >> 1), zigzag >> 1)
    along = np.cumsum(moved, axis=0)
    before = np.vstack([np.zeros((1, 4), np.int64), along])[begins]
    box = numbers[first[:, None] + np.arange(1, _POINT)]
    left, top, width, height = (along + (box - before)[path]).T
    across = (left / SCALE + (left + width) / SCALE) / 2
    return Ways(np.column_stack([across, (top + height) / SCALE]), path, len(blobs))


def _varints(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The numbers of a row of LEB128 bytes, and where each ends; the last byte ends one."""
    ends = np.flatnonzero(data < 0x80)
    starts = np.append(0, ends[:-1] + 1)
    if (ends - starts).max() >= _LONGEST_VARINT:
        raise PackingError("a passage's details are damaged")
    shift = 7 * (np.arange(len(data)) - np.repeat(starts, ends - starts + 1))
    bits = (data & 0x7F).astype(np.int64) << shift
    return np.add.reduceat(bits, starts), ends
