"""What a channel is as a camera: its address by what its platform speaks, and its account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.geo.coordinates import CoordinateSystem, to_wgs84
from gateway.secrets import seal


def gb28181_url(platform_id: str, channel: str, *, sub: bool = False) -> str:
    """The address of a GB/T 28181 channel, by which its source is chosen."""
    return f"gb28181://{platform_id}/{channel}" + ("?stream=sub" if sub else "")


def camera_of_channel(
    platform: Any, channel: Mapping[str, Any], camera_id: str, password: str | None, secret: bytes
) -> dict[str, Any]:
    """The camera's columns, but for its name, number, area and whether it is recorded.

    ``platform`` is its row. Raises ValueError for a channel that has no picture.
    """
    if channel["kind"] != "camera":
        raise ValueError("this is not a camera, but what others are in")
    longitude, latitude = channel["longitude"], channel["latitude"]
    if longitude is not None and latitude is not None:
        system = CoordinateSystem(platform.options.get("coordinates", CoordinateSystem.WGS84))
        longitude, latitude = to_wgs84(system, longitude, latitude)
    columns: dict[str, Any] = {
        "id": camera_id,
        "channel": channel["code"],
        "username": None,
        "password_sealed": None,
        "transport": "auto",
        "retention_days": None,
        "retention_bytes": None,
        "enabled": True,
        # The county's own from here on: no catalogue moves a camera.
        "longitude": longitude,
        "latitude": latitude,
    }
    if platform.kind == "gb28181":
        sub = bool(platform.options.get("sub_streams"))
        return {
            **columns,
            "main_url": gb28181_url(platform.id, channel["code"]),
            "sub_url": gb28181_url(platform.id, channel["code"], sub=True) if sub else None,
        }
    main_url = channel["facts"].get("main_url")
    if platform.kind != "onvif" or not main_url:
        raise ValueError("the device gives no stream for it: refresh it, or look at its profiles")
    return {
        **columns,
        "main_url": main_url,
        "sub_url": channel["facts"].get("sub_url") or None,
        "username": platform.username,
        # A stored secret is bound to its row: the camera has its own copy.
        "password_sealed": seal(secret, password, camera_id) if password else None,
    }
