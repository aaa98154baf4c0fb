"""What the routes of steering, device events and alarms answer with; see
:mod:`gateway.api.answers`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from gateway.alarms.priorities import Priority
from gateway.api.answers import TimeUs


class PtzHolder(BaseModel):
    """Who steers a camera, and until when if no command comes."""

    kind: Literal["person", "platform", "patrol"]
    id: str
    name: str
    display_name: str
    priority: int
    since_us: TimeUs
    until_us: TimeUs


class PtzPatrol(BaseModel):
    """The patrol that runs, or waits for somebody to let go."""

    id: str
    name: str
    state: Literal["running", "waiting"]
    step: int
    preset: str


class PtzHome(BaseModel):
    """Where a camera returns when nobody has held it for a while; "" is the device's own home."""

    preset: str
    after_s: int


class Ptz(BaseModel):
    """How the steering of a camera stands, for the caller."""

    camera_id: str
    supported: bool
    holder: PtzHolder | None
    own: bool
    may_steer: bool
    moving: bool
    patrol: PtzPatrol | None
    home: PtzHome | None
    priority: int
    move_timeout_ms: int
    idle_s: float


class PresetAnswer(BaseModel):
    """A place that a camera remembers."""

    token: str
    name: str


class PatrolStep(BaseModel):
    """A preset, how long it is looked at, how fast it is gone to."""

    preset: str
    dwell_s: int
    speed: float


class PatrolWindow(BaseModel):
    """Times of the week; day 1 is Monday."""

    days: list[int]
    start: str
    end: str


class PatrolAnswer(BaseModel):
    """A patrol and how it stands."""

    id: str
    camera_id: str
    name: str
    steps: list[PatrolStep]
    schedule: list[PatrolWindow]
    utc_offset_minutes: int
    state: Literal["idle", "running", "waiting"]
    started_by: str | None
    step: int | None


class DeviceEventAnswer(BaseModel):
    """What a device told."""

    id: str
    platform_id: str
    platform_name: str
    camera_id: str | None
    camera_name: str | None
    channel: str
    kind: str
    source: str
    begin_us: TimeUs
    end_us: TimeUs | None
    state: Literal["open", "ended", "pulse"]
    count: int
    detail: dict[str, Any]


class DeviceEventPage(BaseModel):
    """A page of them, the newest first."""

    items: list[DeviceEventAnswer]
    next_cursor: str | None


class AlarmAnswer(BaseModel):
    """Something that is wrong, or was. ``times``: how often it was told, or came back after it was
    over; ``last_us``: when the last time; ``again_us``: since when it is on again.
    """

    id: str
    kind: str
    priority: Priority
    state: Literal["open", "ended"]
    begin_us: TimeUs
    end_us: TimeUs | None
    area_id: str | None
    area_path: list[str]
    camera_id: str | None
    camera_name: str | None
    platform_id: str | None
    platform_name: str | None
    switch_id: str | None
    switch_name: str | None
    network: str | None
    folded_into: str | None
    folded: int
    times: int
    last_us: TimeUs
    again_us: TimeUs | None
    detail: dict[str, Any]
    acknowledged_us: TimeUs | None
    acknowledged_by: str | None
    note: str | None
    snoozed_until_us: TimeUs | None
    snoozed_by: str | None
    escalated_us: TimeUs | None
    escalated_by: str | None
    escalated_words: str | None
    silent: bool


class AlarmPage(BaseModel):
    """A page of them, the newest first; ``open``: how many want to be seen to."""

    items: list[AlarmAnswer]
    next_cursor: str | None
    open: int


class SwitchManagement(BaseModel):
    """Whether the switch itself answers."""

    reachable: bool
    at_us: TimeUs


class SwitchAnswer(BaseModel):
    """A switch, what is behind it, and how it stands."""

    id: str
    name: str
    area_id: str
    area_path: list[str]
    networks: list[str]
    camera_ids: list[str]
    management_host: str | None
    management_port: int | None
    cameras: int
    failed: int
    state: Literal["up", "down", "unknown"]
    since_us: TimeUs | None
    management: SwitchManagement | None
