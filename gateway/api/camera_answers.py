"""What the routes of cameras answer with: a camera, its states, its devices, a test of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.analysis.hours import HoursForm
from gateway.api.answers import Listing, TimeUs
from gateway.people.area_codes import Axis
from gateway.people.roles import Right

SourceStateName = Literal["live", "connecting", "offline", "refused", "idle"]


class Queue(BaseModel):
    """A place in the transcoder's queue, from 1."""

    position: int
    length: int


class VariantState(BaseModel):
    """What one rendering of a camera does now. What is not known is left out."""

    state: SourceStateName
    since_us: TimeUs
    cause: str | None = None
    detail: Annotated[str | None, Field(description="what is wrong, as an English line")] = None
    fault: Annotated[str | None, Field(description="the same as a code")] = None
    retry_at_us: TimeUs | None = None
    queue: Annotated[
        Queue | None, Field(description="while it waits for a place in the transcoder")
    ] = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    frames_per_second: float | None = None
    bitrate_bps: int | None = None
    gop_s: float | None = None
    audio_codec: str | None = None
    has_b_frames: bool | None = None
    recording: bool
    viewers: int
    gaps: Annotated[int, Field(description="interruptions since the media process began")] = 0
    clock_offset_us: Annotated[
        int | None,
        Field(description="how far the camera's clock runs ahead of its footage's times"),
    ] = None


class CameraPlace(BaseModel):
    """Where a camera stands beside its home."""

    area_id: str
    axis: Axis
    names: Annotated[list[str], Field(description="the areas' names from the root down")]


class Camera(BaseModel):
    """A camera, without secrets. ``username`` is null for who may not configure it."""

    id: str
    name: str
    number: str | None
    area_id: str
    area_path: Annotated[list[str], Field(description="the areas' names from the root down")]
    places: list[CameraPlace]
    enabled: bool
    record: Literal["continuous", "off"]
    analysis: Annotated[
        Literal["auto", "on", "off"],
        Field(description="whether its pictures are searched; auto: while it is recorded"),
    ]
    analysis_hours: Annotated[
        HoursForm | None, Field(description="and in which hours of the week; null: always")
    ]
    transport: Literal["tcp", "udp", "auto"]
    retention_days: int | None
    retention_bytes: int | None
    main_url: str
    sub_url: str | None
    username: str | None
    has_password: bool
    masked: Annotated[bool, Field(description="whether parts of its picture are masked")]
    rights: Annotated[list[Right], Field(description="the caller's rights on this camera")]
    states: Annotated[dict[str, VariantState], Field(description="main; sub where there is one")]
    platform_id: Annotated[str | None, Field(description="the device or platform that brings it")]
    channel: Annotated[str | None, Field(description="its code there")]
    longitude: Annotated[float | None, Field(description="where it stands, degrees of WGS 84")]
    latitude: float | None
    heading_deg: Annotated[float | None, Field(description="where it looks, clockwise from north")]
    view_deg: Annotated[float | None, Field(description="the angle that it takes in")]
    capabilities: Annotated[
        list[str],
        Field(description="what can be asked of it: ptz, presets, talk, recordings, events, …"),
    ]


class CameraDevice(BaseModel):
    """A device that stands, or stood, in a camera's place."""

    from_us: TimeUs
    until_us: TimeUs | None
    main_url: str
    sub_url: str | None
    model: str | None
    serial_number: str | None
    note: str | None
    replaced_by: Annotated[str | None, Field(description="who put it there")]


class CameraPage(Listing[Camera]):
    """A page, and how many cameras all pages have."""

    next_cursor: str | None
    total: int


class TestedVideo(BaseModel):
    """The pictures that came."""

    codec: str | None
    width: int | None
    height: int | None
    frames_per_second: float | None


class CameraTestResult(BaseModel):
    """``line`` says in one sentence what was found, or what is wrong and what to do."""

    ok: bool
    code: str
    line: str
    video: TestedVideo | None = None
