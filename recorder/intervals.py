"""Half-open intervals of microseconds: the arithmetic of what covers what."""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[int, int]


def subtract(whole: Interval, parts: Iterable[Interval]) -> list[Interval]:
    """What of ``whole`` no part covers, in order."""
    start, end = whole
    pieces = []
    for part_start, part_end in sorted(parts):
        if part_end <= start or part_start >= part_end:
            continue
        if part_start >= end:
            break
        if part_start > start:
            pieces.append((start, part_start))
        start = part_end
    if start < end:
        pieces.append((start, end))
    return pieces


def longest(pieces: Iterable[Interval]) -> Interval | None:
    """The longest piece, the first of equals; None when there is none."""
    return max(pieces, key=lambda piece: piece[1] - piece[0], default=None)


def merge(parts: Iterable[Interval], tolerance_us: int = 0) -> list[Interval]:
    """The union, in order; parts closer than or at ``tolerance_us`` become one."""
    merged: list[Interval] = []
    for start, end in sorted(parts):
        if start >= end:
            continue
        if merged and start - merged[-1][1] <= tolerance_us:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
