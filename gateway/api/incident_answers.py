"""What the routes of incidents answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs

State = Literal["open", "assigned", "accepted", "arrived", "answered", "closed", "merged"]
LightAnswer = Literal["green", "yellow", "red", "paused"]
OriginAnswer = Literal["alarm", "search", "live", "call", "field", "external"]
Result = Literal["settled", "unfounded", "passed_on", "not_possible"]


class Named(BaseModel):
    """Something by its id, with the name that it has now."""

    id: str
    name: str


class LimitAnswer(BaseModel):
    """``us`` of time, of working time where ``working`` (a working day has 24 hours); the light
    turns yellow ``yellow_us`` before its end.
    """

    us: int
    working: bool
    yellow_us: int


class CategoryAnswer(BaseModel):
    """A kind of incident, and how long it may take."""

    id: str
    name: str
    position: int
    arrive: LimitAnswer | None
    resolve: LimitAnswer | None
    retired: bool


class AskedAnswer(BaseModel):
    """What the unit has asked for."""

    what: Literal["extend", "suspend"]
    us: int | None
    words: str
    name: str
    at_us: TimeUs


class IncidentAnswer(BaseModel):
    """An incident. Of who reported it, the telephone is told to who handles or dispatches it."""

    id: str
    number: str
    version: int
    changed_us: TimeUs
    origin: OriginAnswer
    origin_id: str
    state: State
    light: LightAnswer
    title: str
    words: str
    category: Named
    priority: Literal["normal", "urgent", "emergency"]
    area_id: str
    area_names: list[str]
    place: str
    longitude: float | None
    latitude: float | None
    camera_id: str | None
    happened_us: TimeUs | None
    reporter_name: str
    reporter_phone: str | None
    opened_us: TimeUs
    opened_name: str
    unit: Named | None
    handler_name: str | None
    assigned_us: TimeUs | None
    accepted_us: TimeUs | None
    arrived_us: TimeUs | None
    answered_us: TimeUs | None
    closed_us: TimeUs | None
    result: Result | None
    result_words: str | None
    rating: int | None
    feedback: str | None
    suspended: bool
    extended_us: int
    asked: AskedAnswer | None
    reply_due_us: TimeUs | None
    urges: int
    arrive_due_us: TimeUs | None
    resolve_due_us: TimeUs | None
    yellow_us: TimeUs | None
    red_us: TimeUs | None
    arrived_late: bool | None
    resolved_late: bool | None
    merged_into: str | None
    split_from: str | None
    steps: Annotated[list[str], Field(description="the kinds of steps that the caller may take")]


class IncidentPage(BaseModel):
    """A page. ``looked_back_to_us``: not all was looked at; the cursor goes on from there."""

    items: list[IncidentAnswer]
    next_cursor: str | None
    looked_back_to_us: TimeUs | None
    lights: Annotated[
        dict[LightAnswer, int] | None, Field(description="of all under way there; first page only")
    ]


class StepAnswer(BaseModel):
    """A line of the history. Without ``by_name`` it is the gateway's own."""

    at_us: TimeUs
    kind: str
    by_name: str
    unit: Named | None
    words: str
    detail: dict[str, Any]


class AttachmentAnswer(BaseModel):
    """What belongs to it: a file (``/api/attachments/{subject_id}/…``), footage or a picture of a
    camera, a package. ``may_look``: whether the caller may look at that footage.
    """

    id: str
    kind: Literal["file", "footage", "snapshot", "export"]
    subject_id: str
    name: str
    media_type: str | None
    has_thumbnail: bool
    start_us: TimeUs | None
    end_us: TimeUs | None
    at_us: TimeUs
    by_name: str
    may_look: bool


class IncidentDetail(IncidentAnswer):
    """With everything that was done and belongs to it."""

    history: list[StepAnswer]
    attachments: list[AttachmentAnswer]
    merged: Annotated[list[Named], Field(description="those that were merged into it")]


class TakenAnswer(BaseModel):
    """A step was taken. ``incident_id``: of the one that was split off."""

    version: int
    incident_id: str | None


class UnitAnswer(BaseModel):
    """A unit. ``category_ids`` null: everything that no other unit of its area has."""

    id: str
    name: str
    area_id: str
    area_names: list[str]
    parent_id: str | None
    category_ids: list[str] | None
    phone: str | None
    members: list[Named]
    under_way: int


class ShiftAnswer(BaseModel):
    """Somebody's duty."""

    id: str
    area_id: str
    area_names: list[str]
    unit: Named | None
    user: Named
    post: Literal["leader", "agent", "handler"]
    start_us: TimeUs
    end_us: TimeUs
    phone: str
    note: str


class SeatAnswer(BaseModel):
    """An agent at a seat."""

    user: Named
    area_id: str
    area_names: list[str]
    state: Literal["ready", "talking", "writing", "away"]
    since_us: TimeUs


class StatisticsRow(BaseModel):
    """Of an area, category or unit: what was opened and closed in the time, and what is under way
    now. ``on_time`` of those closed; the averages are of wall-clock time, null of none.
    """

    id: str
    name: str
    opened: int
    closed: int
    on_time: int
    average_arrive_us: int | None
    average_resolve_us: int | None
    average_rating: float | None
    under_way: int
    red: int
