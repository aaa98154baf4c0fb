"""What the routes of recorded footage answer with: timelines, bookmarks, playback sessions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from gateway.api.answers import TimeUs
from gateway.api.privacy_answers import Overlay


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
