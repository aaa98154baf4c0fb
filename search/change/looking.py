"""Coded pictures of one track to looks at a region. Blocks; damaged media raise nothing here."""

from __future__ import annotations

from collections.abc import Sequence

from camera_adapters.stream import AccessUnit, Track
from search.change.region import Grid, Look
from search.sampling.decoding import PictureDecoder, Undecodable


def keyframe_looks(track: Track, keyframes: Sequence[AccessUnit], grid: Grid) -> list[Look]:
    """One look for each keyframe that can be decoded; ``wall_us`` is when it was."""
    looks: list[Look] = []
    decoder: PictureDecoder | None = None
    for unit in keyframes:
        try:
            decoder = decoder or PictureDecoder(track)
            at_us, frame = decoder.alone(unit)
            looks.append(grid.look(frame, at_us))
        except Undecodable:
            decoder = None
    return looks


def looks_between(
    track: Track,
    units: Sequence[AccessUnit],
    grid: Grid,
    *,
    after_us: int,
    before_us: int,
    every_us: int,
) -> list[Look]:
    """Looks within the two instants, at most one each ``every_us``. ``units`` are in decoding
    order, from a keyframe on.
    """
    looks: list[Look] = []
    decoder: PictureDecoder | None = None
    due_us = after_us + 1
    for unit in [*units, None]:
        try:
            if decoder is None:
                if unit is None or not unit.keyframe:
                    continue
                decoder = PictureDecoder(track)
            pictures = decoder.drain() if unit is None else decoder.decode(unit)
        except Undecodable:
            decoder = None
            continue
        for at_us, frame in pictures:
            if due_us <= at_us < before_us:
                looks.append(grid.look(frame, at_us))
                due_us = at_us + every_us
    return looks
