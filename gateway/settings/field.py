"""What comes from the field."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from gateway.settings.listening import IceServer
from gateway.settings.outpost import OutpostSettings
from gateway.settings.section import Section


class FieldSettings(Section):
    """``county``: its westernmost and easternmost longitude, southernmost and northernmost
    latitude, WGS-84; without it, the box around all cameras with some room. What was begun and not
    finished is given up after ``upload_days``. ``address``: of the phone page, as telephones know
    it: it stands in the codes of grid cells. Who forgets to end the duty is taken off it after
    ``duty_hours``. ``ice_servers``: by which telephones reach the media processes when they are
    live from the scene; without any, ``webrtc.ice_servers``.
    """

    address: str = Field(default="", pattern=r"^(https?://[^\s\"'<>]+/)?$", max_length=200)

    west: float | None = Field(default=None, ge=-180, le=180)
    south: float | None = Field(default=None, ge=-90, le=90)
    east: float | None = Field(default=None, ge=-180, le=180)
    north: float | None = Field(default=None, ge=-90, le=90)
    upload_days: float = Field(default=7, gt=0, le=90)
    duty_hours: float = Field(default=12, gt=0, le=24)
    ice_servers: list[IceServer] = Field(default=[])

    @model_validator(mode="after")
    def _is_a_box(self) -> Self:
        sides = (self.west, self.south, self.east, self.north)
        if any(one is None for one in sides) and any(one is not None for one in sides):
            raise ValueError("field: give west, south, east and north, or none of them")
        if None not in (self.west, self.east) and self.west >= self.east:  # type: ignore[operator]
            raise ValueError("field: west is not west of east")
        if None not in (self.south, self.north) and self.south >= self.north:  # type: ignore[operator]
            raise ValueError("field: south is not south of north")
        return self


class FieldGatewaySettings(OutpostSettings):
    """``gridsight field-gateway``, between telephones and the gateway."""

    section = "field_gateway"

    port: int = Field(default=8443, ge=0, le=65535)
    requests_per_minute: int = Field(default=600, ge=10, le=100_000)
    sign_ins_per_minute: int = Field(default=20, ge=1, le=1000)
    requests_at_once: int = Field(default=200, ge=1, le=10_000)
