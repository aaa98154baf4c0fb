"""What the routes of devices and platforms answer with; see :mod:`gateway.api.answers`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from gateway.api.answers import TimeUs

StateName = Literal["connecting", "online", "offline", "refused", "disabled"]


class PlatformState(BaseModel):
    """How it stands, as signalling last said."""

    state: StateName
    since_us: TimeUs
    fault: str
    detail: str
    host: str | None
    port: int | None
    transport: str | None
    expires_us: TimeUs | None
    seen_us: TimeUs | None
    facts: dict[str, Any]
    catalog: dict[str, Any]


class ChannelCounts(BaseModel):
    """Of those that are cameras, not groups: all, those that are on, not there any more, and taken
    over.
    """

    total: int
    on: int
    gone: int
    taken: int


class Platform(BaseModel):
    """A device or another platform; never its password."""

    id: str
    kind: str
    direction: Literal["below", "above"]
    name: str
    code: str | None
    area_id: str
    area_name: str
    host: str | None
    port: int | None
    username: str | None
    has_password: bool
    enabled: bool
    options: dict[str, Any]
    created_us: TimeUs
    state: PlatformState
    channels: ChannelCounts


class PlatformPage(BaseModel):
    """One page of them, by name."""

    items: list[Platform]
    next_cursor: str | None
    total: int


class Channel(BaseModel):
    """A channel as the other side describes it; ``children`` counts those directly beneath."""

    code: str
    parent_code: str | None
    kind: str
    name: str
    status: str
    civil_code: str | None
    longitude: float | None
    latitude: float | None
    facts: dict[str, Any]
    seen_us: TimeUs
    gone_us: TimeUs | None
    camera_id: str | None
    children: int


class ChannelPage(BaseModel):
    """One page of channels, groups first, by name."""

    items: list[Channel]
    next_cursor: str | None
    total: int


class ProbedChannel(BaseModel):
    """A channel of a device that is not a platform yet."""

    code: str
    parent_code: str | None
    kind: str
    name: str
    status: str
    facts: dict[str, Any]


class Probed(BaseModel):
    """What a device that is not known yet says of itself."""

    facts: dict[str, Any]
    channels: list[ProbedChannel]


class Applicant(BaseModel):
    """Who knocked without being known."""

    kind: str
    code: str
    host: str
    port: int
    transport: str
    first_us: TimeUs
    last_us: TimeUs
    attempts: int
    knows_password: bool
    detail: str


class DeviceTime(BaseModel):
    """A device's clock, when it was asked."""

    device_us: TimeUs
    offset_us: int
    zone: str
    source: str


class EncoderStreams(BaseModel):
    """What each stream of a camera is set to."""

    streams: list[dict[str, Any]]
