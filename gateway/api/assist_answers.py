"""What the routes of assist requests answer with; see :mod:`gateway.api.answers`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs

AssistState = Literal["waiting", "open", "refused", "closed", "expired"]
AssistAnswerState = Literal["asked", "seen", "not_seen", "missing"]
AssistOutcome = Literal["found", "not_found", "withdrawn"]


class AssistCase(BaseModel):
    """The case for which it is asked."""

    id: str
    number: str
    title: str


class AssistCounts(BaseModel):
    """How many areas answered what; ``asked``: nothing yet."""

    asked: int
    seen: int
    not_seen: int
    missing: int


class AssistOwnArea(BaseModel):
    """An area in which the caller plays back, and so answers."""

    area_id: str
    name: str
    state: AssistAnswerState
    reminded_us: TimeUs | None


class AssistSummary(BaseModel):
    """``managed``: all of it is the caller's to see; to others case, counts, outcome are null."""

    id: str
    state: AssistState
    title: str
    case: AssistCase | None
    start_us: TimeUs
    end_us: TimeUs
    deadline_us: TimeUs
    created_us: TimeUs
    created_by: str
    outcome: AssistOutcome | None
    counts: AssistCounts | None
    own: list[AssistOwnArea]
    managed: bool
    can: list[Literal["approve", "refuse", "remind", "extend", "close"]]


class AssistPhoto(BaseModel):
    """A photo, readable while its request waits or is open."""

    id: str
    name: str
    width: int
    height: int
    url: str


class AssistClip(BaseModel):
    """Minutes that a clerk attached. ``lent``: the caller plays them by ``clip_id``."""

    id: str
    camera_id: str
    camera_name: str
    start_us: TimeUs
    end_us: TimeUs
    note: str
    created_us: TimeUs
    created_by: str
    lent: bool = False


class AssistMissing(BaseModel):
    """What of a camera's window was not recorded, and why."""

    camera_id: str
    camera_name: str
    start_us: TimeUs
    end_us: TimeUs
    cause: str


class AssistArea(BaseModel):
    """One area's answer. ``looked_us`` of ``whole_us`` were really played: the window of each of
    its ``cameras``.
    """

    area_id: str
    name: str
    area_path: Annotated[list[str], Field(description="the areas' names from the root down")]
    state: AssistAnswerState
    answered_us: TimeUs | None
    answered_by: str | None
    note: str | None
    missing: list[AssistMissing]
    reminded_us: TimeUs | None
    cameras: int
    cameras_looked: int
    looked_us: int
    whole_us: int
    looked_by: list[str]
    clips: list[AssistClip]


class AssistStep(BaseModel):
    """One step of its history; ``by`` is null for its deadline or its case."""

    at_us: TimeUs
    by: str | None
    kind: str
    area_id: str | None
    area_name: str | None
    words: str | None
    detail: dict[str, Any]


class AssistRequest(AssistSummary):
    """The whole request, as far as it is the caller's to see."""

    words: str
    plate: str
    photos: list[AssistPhoto]
    decided_us: TimeUs | None
    decided_by: str | None
    decision_note: str | None
    ended_us: TimeUs | None
    ended_by: str | None
    result: str | None
    areas: list[AssistArea]
    steps: list[AssistStep]


class AssistPage(BaseModel):
    """Requests, the newest first; ``unanswered``: how many of the caller's areas are waited for."""

    items: list[AssistSummary]
    next_cursor: str | None
    unanswered: int


class AskableArea(BaseModel):
    """An area that may be asked, whoever plays back there."""

    id: str
    parent_id: str | None
    name: str
    cameras: int


class AskableAreas(BaseModel):
    """All areas, and how much one request may ask."""

    items: list[AskableArea]
    areas_limit: int
    photos_limit: int
    photo_bytes_limit: int
    window_limit_us: int
    longest_us: int


class AssistCamera(BaseModel):
    """A camera of the area: what of the window is recorded, missing, and was played."""

    id: str
    name: str
    recorded_us: int
    gaps: list[AssistMissing]
    looked: list[tuple[int, int]]
    looked_us: int


class AssistWork(BaseModel):
    """What the clerks of one area look through."""

    cameras: list[AssistCamera]
