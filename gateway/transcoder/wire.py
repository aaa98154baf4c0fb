"""Tracks and access units as msgpack carries them between processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from camera_adapters.stream import AccessUnit, Codec, Track


def track_to_wire(track: Track) -> dict[str, Any]:
    """A Track as a dictionary of plain values."""
    return {
        "kind": track.kind,
        "codec": str(track.codec),
        "clock_rate": track.clock_rate,
        "parameter_sets": list(track.parameter_sets),
        "width": track.width,
        "height": track.height,
        "channels": track.channels,
        "reorder_depth": track.reorder_depth,
        "frames_per_second": track.frames_per_second,
    }


def track_from_wire(value: dict[str, Any]) -> Track:
    """The inverse of :func:`track_to_wire`. Raises KeyError, TypeError or ValueError."""
    known = {**value, "codec": Codec(value["codec"])}
    known["parameter_sets"] = tuple(bytes(item) for item in value["parameter_sets"])
    return Track(**known)


def units_to_wire(units: Iterable[AccessUnit]) -> list[list[Any]]:
    """Access units as lists of plain values."""
    return [[u.track_index, u.payload, u.pts_90k, u.dts_90k, u.keyframe, u.wall_us] for u in units]


def units_from_wire(values: Iterable[Sequence[Any]]) -> list[AccessUnit]:
    """The inverse of :func:`units_to_wire`. Raises TypeError."""
    return [AccessUnit(*value) for value in values]
