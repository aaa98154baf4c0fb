"""What the routes of the storage forecast answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class ForecastStore(BaseModel):
    """The whole store: for who may know of the whole county."""

    used_bytes: int
    free_bytes: Annotated[
        int | None, Field(description="null: the store cannot tell, and retention.bytes is not set")
    ]
    bytes_per_day: int
    projected_bytes: Annotated[
        list[int], Field(description="what all will keep after 0, 1, 2, … days")
    ]


class ForecastSums(BaseModel):
    """Cameras by state. ``least_days``: the fewest that one of them keeps, or will keep."""

    cameras: int
    short: int
    empty: int
    filling: int
    used_bytes: int
    bytes_per_day: int
    least_days: float | None


class ForecastArea(ForecastSums):
    """An area with all below it."""

    area_id: str
    name: str


class CameraForecastDocument(BaseModel):
    """``reach_days``: how far back its footage will reach in the end."""

    camera_id: str
    name: str
    area_path: list[str]
    state: Literal["short", "empty", "filling", "ok"]
    cause: Literal["bytes", "space"] | None
    required_days: float
    kept_days: float
    reach_days: float
    short_from_us: int | None
    used_bytes: int
    bytes_per_day: int
    bitrate_bps: int | None
    before_bps: int | None
    risen_bytes_per_day: int


class ForecastDocument(BaseModel):
    """The newest forecast of a day: a page of cameras, the worst first. ``risen``: those whose
    bitrate rose, by what that takes. ``day`` counts the UTC days since 1970; null: none was made
    yet.
    """

    day: int | None
    at_us: int | None
    default_days: int
    full_at_us: int | None
    store: ForecastStore | None
    sums: ForecastSums
    areas: list[ForecastArea]
    risen: list[CameraForecastDocument]
    cameras: list[CameraForecastDocument]
    next_cursor: str | None


class ForecastDay(ForecastSums):
    """One day of the trend. Those of the store are null for who may not know of it."""

    day: int
    store_used_bytes: int | None
    store_free_bytes: int | None
    full_at_us: int | None


class ForecastTrend(BaseModel):
    """The days that are kept, the oldest first."""

    days: list[ForecastDay]


class CameraForecastDay(BaseModel):
    """One camera on one day."""

    day: int
    state: Literal["short", "empty", "filling", "ok"]
    required_days: float
    kept_days: float
    reach_days: float
    used_bytes: int
    bytes_per_day: int
    bitrate_bps: int | None


class CameraForecastTrend(BaseModel):
    """The days that are kept of a camera, the oldest first."""

    days: list[CameraForecastDay]
