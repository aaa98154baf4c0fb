"""Documents of camera health."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from gateway.api.answers import TimeUs
from gateway.health.findings import Finding
from gateway.health.reading import Concern


class FindingAnswer(BaseModel):
    """What is wrong with a picture, since when, and by how much it was measured at last."""

    finding: Finding
    since_us: TimeUs
    value: float
    limit: float


class ReferenceAnswer(BaseModel):
    """How a camera should look in one light. ``by_name``: null where it was its first picture."""

    mode: Literal["day", "dim", "night"]
    at_us: TimeUs
    by_name: str | None


class HealthDay(BaseModel):
    """``day`` as ``2026-11-24``; ``expected_us``: what should be recorded, as far as it passed."""

    day: str
    recorded_us: int
    expected_us: int
    findings: list[Finding]


class CameraHealth(BaseModel):
    """How a camera stands. ``missing``: why there was no picture at the last look; ``kept_us``: of
    when the picture is that can be shown.
    """

    camera_id: str
    name: str
    number: str | None
    area_names: list[str]
    looked_us: TimeUs | None
    picture_us: TimeUs | None
    missing: str | None
    kept_us: TimeUs | None
    clock_offset_us: int | None
    findings: list[FindingAnswer]
    concerns: list[Concern]
    references: list[ReferenceAnswer]
    days: list[HealthDay]
    may_refer: bool


class HealthPage(BaseModel):
    """A page of cameras, by name; ``days``: the days that theirs are of."""

    items: list[CameraHealth]
    next_cursor: str | None
    days: list[str]


class HealthCounts(BaseModel):
    """Cameras in use, those looked at, those with nothing wrong, and those with each concern."""

    at_us: TimeUs
    cameras: int
    looked: int
    well: int
    concerns: dict[Concern, int]
