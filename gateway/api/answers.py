"""What the routes answer with, as /docs and /openapi.json describe it.

A field with a default may be left out of the answer; "or null" fields are always there. Routes
whose answers have fields of the first kind are declared with ``response_model_exclude_unset``.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from gateway.api.privacy_answers import Overlay
from gateway.people.area_codes import Axis
from gateway.people.authorize import Method
from gateway.people.roles import Right

TimeUs = Annotated[int, Field(description="UTC microseconds since 1970")]
SourceStateName = Literal["live", "connecting", "offline", "refused", "idle"]

Item = TypeVar("Item")


class Failure(BaseModel):
    """A stable code, a sentence for people, and what else there is to say."""

    code: str
    message: str
    detail: dict[str, Any]


class FailureAnswer(BaseModel):
    """Every answer other than success."""

    error: Failure


class Listing(BaseModel, Generic[Item]):
    """All there is."""

    items: list[Item]


class SessionUser(BaseModel):
    """Whose session it is."""

    id: str
    name: str
    display_name: str


class DeskHere(BaseModel):
    """The duty desk at which somebody is signed in."""

    id: str
    name: str


class Session(BaseModel):
    """Who is signed in, how, and every right that is held anywhere."""

    id: str
    user: SessionUser
    rights: list[Right]
    system_admin: bool
    must_change_password: bool
    must_enrol_totp: bool
    method: Method
    desk: DeskHere | None
    kind: Literal["person", "service"]
    expires_us: TimeUs
    version: str


class CreatedArea(BaseModel):
    """An area as it was created."""

    id: str
    parent_id: str | None
    axis: Axis
    name: str
    code: str | None


class Area(CreatedArea):
    """An area; ``camera_count`` counts its whole subtree."""

    child_count: int
    camera_count: int


class FoundArea(Area):
    """An area that was searched for, and the way to it."""

    names: Annotated[list[str], Field(description="from the root down")]
    ids: Annotated[list[str], Field(description="from the topmost that the caller sees down")]


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


class LiveSession(BaseModel):
    """A live view that may be opened within 30 s. ``queue`` is null where nothing waits."""

    session_id: str
    shard: str
    variant: str
    transport: Literal["webrtc", "mse"]
    whep_url: str
    mse_url: str
    transcoded: bool
    queue: Queue | None
    overlay: Overlay


class CreatedRestream(BaseModel):
    """An address for other players. The URL is told this once."""

    id: str
    camera_id: str
    url: str
    expires_us: TimeUs
    addresses: list[str]


class Restream(BaseModel):
    """An address that was handed out and is valid."""

    id: str
    camera_id: str
    variant: str
    addresses: list[str]
    user_name: str
    created_us: TimeUs
    expires_us: TimeUs


class Restreams(BaseModel):
    """``enabled`` is the setting: whether addresses can be handed out at all."""

    enabled: bool
    items: list[Restream]


class Bookmark(BaseModel):
    """A moment, or with ``end_us`` a range."""

    id: str
    camera_id: str
    at_us: TimeUs
    end_us: TimeUs | None
    note: str
    author: str
    created_us: TimeUs


class Span(BaseModel):
    """Recorded from ``start_us`` up to ``end_us``."""

    start_us: TimeUs
    end_us: TimeUs


class Gap(Span):
    """Not recorded, and why."""

    cause: str
    detail: str


class AddedSpan(Span):
    """Footage that the gateway did not record itself: imported, fetched from the device into a gap,
    or borrowed from it by who played it.
    """

    kind: Literal["import", "backfill", "borrowed"]


class Timeline(BaseModel):
    """What there is of a range. ``first_us`` is the oldest footage of the camera at all; ``added``
    says which parts of the spans are not the gateway's own recording.
    """

    camera_id: str
    now_us: TimeUs
    spans: list[Span]
    added: list[AddedSpan]
    gaps: list[Gap]
    bookmarks: list[Bookmark]
    first_us: TimeUs | None


class DeviceRecordings(BaseModel):
    """What the camera's own device holds of a range. ``state`` says why nothing is known of it."""

    state: Literal["known", "none", "unavailable"]
    fault: str
    detail: str
    recordings: list[Span]


class RecordedDay(BaseModel):
    """How much of a day is recorded."""

    day: str
    recorded_us: int


class RecordedDays(BaseModel):
    """A calendar's days."""

    days: list[RecordedDay]


class PlaybackCamera(BaseModel):
    """Below ``base_url`` lies what may be played."""

    camera_id: str
    base_url: str


class PlaybackSession(BaseModel):
    """A playback session on a footage server, opened there with the ticket within 30 s."""

    session_id: str
    server: str
    ticket: str
    cameras: list[PlaybackCamera]
    overlay: Overlay


class KeptDocument(BaseModel):
    """A layout or a tour; ``document`` is the console's own."""

    id: str
    name: str
    shared: bool
    owner: str
    document: dict[str, Any]


class Wall(BaseModel):
    """What a screen showed last; null when it never showed anything."""

    document: dict[str, Any] | None


class AuditEntry(BaseModel):
    """A record of the register. ``area_path``: the names from the root down, at that time."""

    sequence: int
    at_us: TimeUs
    user_id: str | None
    user_name: str | None
    address: str | None
    action: str
    camera_id: str | None
    camera_name: str | None
    area_path: list[str] | None
    start_us: TimeUs | None
    end_us: TimeUs | None
    reason_code: str | None
    reason: str | None
    case_id: str | None
    detail: Any


class AuditActions(BaseModel):
    """The actions that occur in what the caller may see of the register."""

    items: list[Annotated[str, Field(description="a dotted name, such as live.open")]]


class AuditFinding(BaseModel):
    """Something for an auditor to look at, and the first records that it comes of."""

    kind: Literal[
        "blank_reason", "filler_reason", "copied_reason", "off_shift", "same_target", "refused"
    ]
    user_id: str | None
    user_name: str | None
    camera_id: str | None
    camera_name: str | None
    count: int
    first_us: TimeUs
    last_us: TimeUs
    example: str | None
    sequences: list[int]
    detail: dict[str, Any]


class AuditorsReport(BaseModel):
    """The findings of a period, by kind and then the most frequent first."""

    start_us: TimeUs
    end_us: TimeUs
    looks: int
    people: int
    findings: list[AuditFinding]
    counts: dict[str, int]


class SignedHead(BaseModel):
    """The newest record that is signed."""

    sequence: int
    at_us: TimeUs


class OutsideCopy(BaseModel):
    """A place where signatures are kept besides, and why it does not take the newest."""

    place: str
    sequence: int
    at_us: TimeUs
    error: str | None


class AuditState(BaseModel):
    """How far the register is signed."""

    records: int
    signed: SignedHead | None
    outside: list[OutsideCopy]


class AuditPage(Listing[AuditEntry]):
    """A page of the register, newest first."""

    next_cursor: int | None


class ShardFigures(BaseModel):
    """A media process; figures are null while it does not answer."""

    name: str
    up: bool
    cameras: int
    event_loop_lag_ms: float | None
    spool_bytes: int | None


class ProcessFigures(BaseModel):
    """Any process."""

    name: str
    up: bool
    event_loop_lag_ms: float | None


class Breach(BaseModel):
    """A camera whose footage will not be kept as long as it must be."""

    camera_id: str
    camera_name: str
    kept_days: float
    required_days: float


class StorageForecast(BaseModel):
    """When the storage will be full, if ever, and what will be short then."""

    full_at_us: TimeUs | None
    breaches: list[Breach]


class StorageFigures(BaseModel):
    """The store. ``free_bytes`` is null where the store cannot tell."""

    used_bytes: int
    free_bytes: int | None
    bytes_per_day: int
    real_days: float
    forecast: StorageForecast


class TranscoderFigures(BaseModel):
    """The pool of transcoders."""

    running: int
    queued: int
    limit: int
    up: bool


class SystemState(BaseModel):
    """The gateway as a whole."""

    version: str
    demo: bool
    shards: list[ShardFigures]
    processes: list[ProcessFigures]
    storage: StorageFigures
    transcoder: TranscoderFigures


class Health(BaseModel):
    """``checks`` names each process and the database: "ok", or what is wrong."""

    status: Literal["ok", "degraded"]
    checks: dict[str, str]
