"""What the routes of zones answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs
from gateway.api.operating_answers import DeviceEventAnswer
from gateway.zones.form import ZoneForm


class ZoneAnswer(ZoneForm):
    """A line or region, as it is kept."""

    id: str


class CameraZones(BaseModel):
    """A camera's zones, in one version. Version 0: it never had any."""

    camera_id: str
    version: int
    zones: list[ZoneAnswer]
    changed_us: TimeUs | None
    changed_by: Annotated[str | None, Field(description="the name of the account")]
    watched: Annotated[
        bool, Field(description="whether the camera's pictures are analysed: else nothing is told")
    ]


class Clip(BaseModel):
    """Which of the camera's footage shows it: from 10 s before to 20 s after."""

    start_us: TimeUs
    end_us: TimeUs


class ZoneEventAnswer(DeviceEventAnswer):
    """What happened in a zone."""

    zone_id: str
    zone_name: str
    clip: Clip


class ZoneEventPage(BaseModel):
    """A page of them, the newest first."""

    items: list[ZoneEventAnswer]
    next_cursor: str | None
