"""A channel as a camera: where it stands, told in what its platform says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.geo.coordinates import gcj02_from_wgs84
from gateway.platforms.taking_over import camera_of_channel

CODE = "42088100001320000001"


def camera(
    options: dict[str, Any], longitude: float | None, latitude: float | None
) -> dict[str, Any]:
    platform = SimpleNamespace(id="plf_1", kind="gb28181", options=options)
    place = {"longitude": longitude, "latitude": latitude}
    channel: dict[str, Any] = {"kind": "camera", "code": CODE, "facts": {}, **place}
    return camera_of_channel(platform, channel, "cam_1", None, b"secret")


def test_a_catalogue_in_gcj02_gives_cameras_in_wgs84() -> None:
    made = camera({"coordinates": "gcj02"}, *gcj02_from_wgs84(113.2, 31.1))
    assert (made["longitude"], made["latitude"]) == pytest.approx((113.2, 31.1), abs=1e-7)


@pytest.mark.parametrize("options", [{}, {"coordinates": "wgs84"}, {"coordinates": "cgcs2000"}])
def test_others_are_taken_as_they_are(options: dict[str, Any]) -> None:
    made = camera(options, 113.2, 31.1)
    assert (made["longitude"], made["latitude"]) == (113.2, 31.1)


def test_without_a_position_there_is_none() -> None:
    assert camera({"coordinates": "gcj02"}, None, None)["longitude"] is None
