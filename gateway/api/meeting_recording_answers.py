"""What the routes of meetings' recordings answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs
from gateway.api.footage_answers import Gap, PlaybackSession, Span

TrackKind = Literal["program", "microphone", "camera", "screen"]
RenderState = Literal["queued", "running", "done", "failed"]
RenderLayout = Literal["speaker", "beside"]


class RecordedTrack(BaseModel):
    """One track: the program, or what one participant sent."""

    footage_id: Annotated[str, Field(description="under which it is played back")]
    kind: TrackKind
    participant_id: str | None
    name: str | None


class RecordedTrackTimeline(RecordedTrack):
    """The same with what is recorded of it, and what is missing and why."""

    spans: list[Span]
    gaps: list[Gap]


class RecordingHold(BaseModel):
    """Nothing of it is deleted."""

    since_us: TimeUs
    by: str
    reason: str


class Render(BaseModel):
    """The one MP4 that is made of it: ``done_us`` of ``total_us`` are in it."""

    state: RenderState
    layout: RenderLayout | None
    done_us: int
    total_us: int
    bytes: int | None
    sha256: str | None
    message: str | None


class CameraInRecording(BaseModel):
    """A camera of the gateway that was in the meeting meanwhile."""

    camera_id: str
    name: str
    may_export: Annotated[
        bool, Field(description="where false, the caller has neither `render` nor `download`")
    ]


class MeetingRecordingAnswer(BaseModel):
    """One time for which a meeting was recorded."""

    id: str
    meeting_id: str
    title: str
    started_us: TimeUs
    started_by: str | None
    ended_us: TimeUs | None
    tracks: list[RecordedTrack]
    held: RecordingHold | None
    expires_us: TimeUs | None
    render: Render | None
    can: Annotated[
        list[Literal["play", "render", "download", "hold", "pass"]],
        Field(description="what the caller may do"),
    ]
    cameras: Annotated[list[CameraInRecording], Field(description="for who leads")]


class Chapter(Span):
    """Who was on the program, and why."""

    participant_id: str
    name: str
    kind: Literal["camera", "screen"]
    why: str


class MeetingRecordingDetail(MeetingRecordingAnswer):
    """The same with its time line."""

    tracks: list[RecordedTrackTimeline]  # type: ignore[assignment]
    chapters: list[Chapter]


class MeetingRecordingPage(BaseModel):
    """Recordings, the newest first."""

    items: list[MeetingRecordingAnswer]
    next_cursor: str | None


class RecordingPlayback(PlaybackSession):
    """A playback session of a recording, from when to when."""

    start_us: TimeUs
    end_us: TimeUs


class MeetingPass(BaseModel):
    """An area, with all below it, may watch until then."""

    id: str
    meeting_id: str
    area_id: str
    area_path: list[str]
    live: bool
    reason: str
    created_us: TimeUs
    created_by: str
    expires_us: TimeUs
    revoked_us: TimeUs | None
