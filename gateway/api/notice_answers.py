"""What the routes of notices answer with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs
from gateway.api.attachments import FileAnswer

NoticeState = Literal["coming", "current", "over", "withdrawn"]
NoticePriority = Literal["normal", "important", "emergency"]


class NoticeAreaAnswer(BaseModel):
    """An area that it went to, with all below it."""

    area_id: str
    name: str


class NoticeSummary(BaseModel):
    """``addressed``: the caller is asked to read it. ``managed``: the caller publishes in all its
    areas. ``publisher_area``: names from the root down; none for the county.
    """

    id: str
    state: NoticeState
    priority: NoticePriority
    title: str
    publisher: str
    publisher_area: list[str]
    areas: list[NoticeAreaAnswer]
    from_us: TimeUs
    until_us: TimeUs
    created_us: TimeUs
    addressed: bool
    read_us: TimeUs | None
    managed: bool


class Notice(NoticeSummary):
    """The whole notice; its words are text."""

    words: str
    files: list[FileAnswer]
    withdrawn_us: TimeUs | None
    withdrawn_by: str | None
    withdrawal_note: str | None


class NoticePage(BaseModel):
    """Notices, the newest first."""

    items: list[NoticeSummary]
    next_cursor: str | None


class EmergencySite(BaseModel):
    """A site that the caller sits for: since when its screen shows it, and when it confirmed."""

    area_id: str
    shown_us: TimeUs | None
    confirmed_us: TimeUs | None


class Emergency(NoticeSummary):
    """An emergency that holds now."""

    words: str
    sites: list[EmergencySite]


class CurrentNotices(BaseModel):
    """How many wait to be read by the caller, and the emergencies that they may see."""

    unread: int
    emergencies: list[Emergency]


class NoticeSite(BaseModel):
    """The screen of an office; nulls until it shows it, until somebody confirms there."""

    shown_us: TimeUs | None
    confirmed_us: TimeUs | None
    confirmed_by: str | None


class NoticeAreaCoverage(BaseModel):
    """The people of one area, not of those below it; ``site`` is null where there is no screen."""

    area_id: str
    name: str
    area_path: Annotated[list[str], Field(description="the areas' names from the root down")]
    people: int
    read: int
    first_read_us: TimeUs | None
    last_read_us: TimeUs | None
    site: NoticeSite | None


class NoticeCoverage(BaseModel):
    """How far it has come; who stands in two areas is counted once in the whole."""

    people: int
    read: int
    sites: int
    confirmed: int
    areas: list[NoticeAreaCoverage]


class NoticeReader(BaseModel):
    """Somebody who is asked to read it."""

    id: str
    name: str
    read_us: TimeUs | None


class PublishableArea(BaseModel):
    """An area to which the caller may publish."""

    id: str
    parent_id: str | None
    name: str
