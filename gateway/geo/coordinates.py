"""WGS-84, CGCS2000 and GCJ-02, from one to the other. Pure.

Rows hold WGS-84. CGCS2000 (GB/T 18522) differs from it by some centimetres and is taken for the
same. GCJ-02 is what public Chinese maps are drawn in: up to 700 m off, by a function of the place
that has no closed inverse; outside China it is WGS-84.
"""

from __future__ import annotations

import enum
import math

_SEMI_MAJOR_AXIS_M = 6378245.0
_ECCENTRICITY_SQUARED = 0.00669342162296594323
# A tenth of a millimetre.
_EXACT_DEG = 1e-9
_TURNS = 30


class CoordinateSystem(enum.StrEnum):
    """What a longitude and a latitude are told in."""

    WGS84 = "wgs84"
    CGCS2000 = "cgcs2000"
    GCJ02 = "gcj02"


def to_wgs84(system: CoordinateSystem, longitude: float, latitude: float) -> tuple[float, float]:
    """Longitude and latitude in degrees of WGS-84, exact to a millimetre."""
    if system is not CoordinateSystem.GCJ02 or not _is_shifted(longitude, latitude):
        return longitude, latitude
    found_longitude, found_latitude = longitude, latitude
    for _ in range(_TURNS):
        shifted = gcj02_from_wgs84(found_longitude, found_latitude)
        off = longitude - shifted[0], latitude - shifted[1]
        found_longitude += off[0]
        found_latitude += off[1]
        if abs(off[0]) < _EXACT_DEG and abs(off[1]) < _EXACT_DEG:
            break
    return found_longitude, found_latitude


def gcj02_from_wgs84(longitude: float, latitude: float) -> tuple[float, float]:
    """The place as a map in GCJ-02 shows it."""
    if not _is_shifted(longitude, latitude):
        return longitude, latitude
    east, north = longitude - 105.0, latitude - 35.0
    shift_north = _shift_north(east, north)
    shift_east = _shift_east(east, north)
    angle = math.radians(latitude)
    flatness = 1 - _ECCENTRICITY_SQUARED * math.sin(angle) ** 2
    root = math.sqrt(flatness)
    metres_north = _SEMI_MAJOR_AXIS_M * (1 - _ECCENTRICITY_SQUARED) / (flatness * root)
    metres_east = _SEMI_MAJOR_AXIS_M / root * math.cos(angle)
    return (
        longitude + math.degrees(shift_east / metres_east),
        latitude + math.degrees(shift_north / metres_north),
    )


def _is_shifted(longitude: float, latitude: float) -> bool:
    return 72.004 <= longitude <= 137.8347 and 0.8293 <= latitude <= 55.8271


def _shift_north(east: float, north: float) -> float:
    metres = -100.0 + 2.0 * east + 3.0 * north + 0.2 * north**2
    metres += 0.1 * east * north + 0.2 * math.sqrt(abs(east))
    return metres + _ripples(east) + _waves(north, (20.0, 40.0, 160.0, 320.0))


def _shift_east(east: float, north: float) -> float:
    metres = 300.0 + east + 2.0 * north + 0.1 * east**2
    metres += 0.1 * east * north + 0.1 * math.sqrt(abs(east))
    return metres + _ripples(east) + _waves(east, (20.0, 40.0, 150.0, 300.0))


def _ripples(east: float) -> float:
    turns = east * math.pi
    return (20.0 * math.sin(6.0 * turns) + 20.0 * math.sin(2.0 * turns)) * 2.0 / 3.0


def _waves(value: float, heights_m: tuple[float, float, float, float]) -> float:
    turns = value * math.pi
    one, two, three, four = heights_m
    near = one * math.sin(turns) + two * math.sin(turns / 3.0)
    far = three * math.sin(turns / 12.0) + four * math.sin(turns / 30.0)
    return (near + far) * 2.0 / 3.0
