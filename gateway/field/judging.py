"""What speaks against the place and the times that a telephone says. Pure.

Nothing of it refuses a report: whoever handles it sees what to doubt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.identifiers import US_PER_S

Flag = Literal[
    "outside",  # of the county
    "jump",  # farther from the last place than anybody travels in that time
    "no_accuracy",  # a receiver always says how sure it is; what is made up often does not
    "imprecise",  # somewhere in a circle of more than half a kilometre
    "old_fix",  # measured long before the report was made
    "far_from_grid",  # kilometres from the cell whose code was scanned
    "foreign_grid",  # the cell is none of theirs
    "unknown_grid",  # a code of no cell
    "clock",  # the telephone's clock is off by minutes
    "late",  # it was made long before it came
]

_EARTH_M = 6_371_008.8
_IMPRECISE_M = 500.0
_FAR_M = 5_000.0
# Faster than the trains that cross a county.
_FASTEST_M_PER_S = 100.0
_NO_JUMP_M = 2_000.0
_OLD_FIX_US = 600 * US_PER_S
_CLOCK_US = 120 * US_PER_S
_LATE_US = 6 * 3600 * US_PER_S
# Nobody's telephone is without a network for longer, and lasts.
_LONGEST_WAY_US = 60 * 86400 * US_PER_S


@dataclass(frozen=True, slots=True)
class Fix:
    """A place by satellite: WGS-84 degrees, metres, UTC microseconds."""

    longitude: float
    latitude: float
    accuracy_m: float | None
    at_us: int


@dataclass(frozen=True, slots=True)
class Box:
    """The county, in degrees."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, longitude: float, latitude: float) -> bool:
        """Whether it lies within."""
        return self.west <= longitude <= self.east and self.south <= latitude <= self.north


@dataclass(frozen=True, slots=True)
class Times:
    """``made_us`` is put right by ``skew_us``, which is what the telephone was behind when it sent,
    and lies neither in the future nor months ago.
    """

    made_us: int
    skew_us: int
    flags: tuple[Flag, ...]


def judge_times(made_phone_us: int, sent_phone_us: int, received_us: int) -> Times:
    """When it was made, by the telephone's clock at making and at sending."""
    skew_us = received_us - sent_phone_us
    made_us = made_phone_us + skew_us
    flags: list[Flag] = []
    # Made after it was sent, or before there was such a telephone: its clock was set in between.
    astray = not received_us - _LONGEST_WAY_US <= made_us <= received_us
    if astray:
        made_us = received_us
    if astray or abs(skew_us) > _CLOCK_US:
        flags.append("clock")
    if received_us - made_us > _LATE_US:
        flags.append("late")
    return Times(made_us, skew_us, tuple(flags))


def judge_place(
    fix: Fix,
    made_us: int,
    box: Box | None,
    before: Fix | None,
    grid: Sequence[tuple[float, float]] = (),
) -> list[Flag]:
    """``before``: where they were last. ``grid``: places that are known to be in the scanned cell,
    as (longitude, latitude).
    """
    flags: list[Flag] = []
    if box is not None and not box.holds(fix.longitude, fix.latitude):
        flags.append("outside")
    if not fix.accuracy_m or fix.accuracy_m < 0:
        flags.append("no_accuracy")
    elif fix.accuracy_m > _IMPRECISE_M:
        flags.append("imprecise")
    if made_us - fix.at_us > _OLD_FIX_US:
        flags.append("old_fix")
    if before is not None and _jumps(before, fix):
        flags.append("jump")
    if grid and "imprecise" not in flags:
        here = (fix.longitude, fix.latitude)
        if min(distance_m(here, one) for one in grid) > _FAR_M:
            flags.append("far_from_grid")
    return flags


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres on the ground between two places, each (longitude, latitude) in degrees."""
    (west, south), (east, north) = one, other
    across = math.sin(math.radians(east - west) / 2) ** 2
    along = math.sin(math.radians(north - south) / 2) ** 2
    share = along + math.cos(math.radians(south)) * math.cos(math.radians(north)) * across
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, share)))


def _jumps(before: Fix, fix: Fix) -> bool:
    far = distance_m((before.longitude, before.latitude), (fix.longitude, fix.latitude))
    slack = (before.accuracy_m or 0) + (fix.accuracy_m or 0)
    if far - slack < _NO_JUMP_M:
        return False
    seconds = abs(fix.at_us - before.at_us) / US_PER_S
    return far - slack > seconds * _FASTEST_M_PER_S
