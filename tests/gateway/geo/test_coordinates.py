"""Coordinate systems: there and back again, and as far apart as they are known to be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.geo.coordinates import CoordinateSystem, gcj02_from_wgs84, to_wgs84

IN_CHINA = st.tuples(st.floats(73.5, 135.0), st.floats(18.0, 53.5))


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    north = (one[1] - other[1]) * 111_320
    east = (one[0] - other[0]) * 111_320 * math.cos(math.radians(one[1]))
    return math.hypot(north, east)


@given(IN_CHINA)
def test_what_is_shifted_and_brought_back_is_where_it_was(place: tuple[float, float]) -> None:
    back = to_wgs84(CoordinateSystem.GCJ02, *gcj02_from_wgs84(*place))
    assert metres_between(back, place) < 0.001


@given(IN_CHINA)
def test_the_shift_is_hundreds_of_metres(place: tuple[float, float]) -> None:
    assert 20 < metres_between(gcj02_from_wgs84(*place), place) < 1200


def test_known_places_lie_where_public_maps_show_them() -> None:
    # The centre of Tian'anmen Square, by a receiver and on public maps.
    assert gcj02_from_wgs84(116.397, 39.909) == pytest.approx((116.4032435, 39.9104034), abs=1e-6)
    assert gcj02_from_wgs84(113.2, 31.1) == pytest.approx((113.2059952, 31.0978352), abs=1e-6)


@given(st.floats(-180, 71), st.floats(-90, 90))
def test_outside_china_nothing_is_shifted(longitude: float, latitude: float) -> None:
    assert gcj02_from_wgs84(longitude, latitude) == (longitude, latitude)
    assert to_wgs84(CoordinateSystem.GCJ02, longitude, latitude) == (longitude, latitude)


@given(IN_CHINA)
def test_cgcs2000_is_taken_for_the_same(place: tuple[float, float]) -> None:
    assert to_wgs84(CoordinateSystem.CGCS2000, *place) == place
