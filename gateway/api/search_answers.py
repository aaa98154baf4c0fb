"""What the routes of search answer with: hits, coverage, requests, photos, trails."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs
from gateway.investigations.filters import SpeedName

RequestKind = Literal["trail", "photo", "standing"]
RequestState = Literal["waiting", "approved", "broken", "overdue", "refused", "ended", "expired"]
Why = Literal[
    "not_analysed", "lagging", "dropped", "no_footage", "failed", "expired", "undescribed",
    "not_comparable",
]  # fmt: skip
PossibleWhy = Literal[
    "class", "color", "upper_color", "lower_color", "plate_color", "vehicle_type", "rider", "plate"
]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class ColorJudged(BaseModel):
    """A colour and how sure it is, 0 to 1. ``second``: it may be that one as well."""

    value: str
    confidence: float
    second: str | None


class Judgement(BaseModel):
    """A finding and how sure it is, 0 to 1."""

    value: str
    confidence: float


class HitAttributes(BaseModel):
    """What an object looks like; null: not looked for in such an object, or not found."""

    color: Annotated[ColorJudged | None, Field(description="of a vehicle")]
    upper_color: Annotated[ColorJudged | None, Field(description="of a person's clothes")]
    lower_color: ColorJudged | None
    vehicle_type: Judgement | None
    plate: Judgement | None
    plate_color: ColorJudged | None
    rider: Annotated[Judgement | None, Field(description="of a two-wheeler: yes, no")]


class HitPoint(BaseModel):
    """Where the object stood: milliseconds after ``first_us``, its box as shares of the picture:
    left, top, right, bottom.
    """

    after_ms: int
    box: Annotated[list[Share], Field(min_length=4, max_length=4)]


class HitPosition(BaseModel):
    """Where the camera stands (WGS-84) and where it looks."""

    longitude: float
    latitude: float
    heading_deg: float | None
    view_deg: float | None


class Hit(BaseModel):
    """An object's passage through one camera's picture, or what a checkpoint told of."""

    id: Annotated[str, Field(description="of a passage; 's' and the sighting's id otherwise")]
    source: Literal["passage", "sighting"]
    camera_id: Annotated[str | None, Field(description="null: a checkpoint that is no camera")]
    camera_name: str
    area_path: Annotated[list[str], Field(description="the areas' names from the root down")]
    position: HitPosition | None
    first_us: TimeUs
    last_us: TimeUs
    best_us: TimeUs
    object_class: Annotated[str, Field(alias="class")]
    possible_classes: list[str]
    confidence: float | None
    box: Annotated[list[float] | None, Field(description="shares of the picture at best_us")]
    crop_url: Annotated[str | None, Field(description="good for an hour, for who searched")]
    withheld: Annotated[
        Literal["masked", "gone", "none"] | None, Field(description="why there is no crop_url")
    ]
    path: list[HitPoint]
    direction: str | None
    speed: SpeedName | None
    attributes: HitAttributes
    monochrome: bool
    possible: Annotated[bool, Field(description="it fits only as what it may be")]
    possible_why: list[PossibleWhy]
    likeness: Annotated[float | None, Field(description="of clothing or paint, 1 is the same")]
    playback: Annotated[bool, Field(description="whether the caller may play its camera back")]
    live: bool


class AlsoSeen(BaseModel):
    """How another camera's object may be the same one."""

    gap_s: Annotated[float, Field(description="seconds between the two passages")]
    distance_m: float | None
    earliest_s: Annotated[float, Field(description="what the way takes at the highest speed")]
    score: Annotated[float, Field(description="likeness, time and attributes together, 0 to 1")]


class Uncovered(BaseModel):
    """Minutes of a camera that the answer knows nothing of."""

    camera_id: str
    camera_name: str
    start_us: TimeUs
    end_us: TimeUs
    why: Why


class SearchLine(BaseModel):
    """The first line. ``look`` carries the purpose to further pages and crops."""

    type: Literal["search"]
    look: str
    total_cameras: int


class HitLine(BaseModel):
    """A hit; ``also_seen`` where it is asked for."""

    type: Literal["hit"]
    hit: Hit
    also_seen: AlsoSeen | None = None


class Coverage(BaseModel):
    """What was not looked at. ``left_out``: how many further stretches are not listed."""

    items: list[Uncovered]
    left_out: int
    seconds_asked: float
    seconds_indexed: float


class CoverageLine(Coverage):
    """What the search did not look at."""

    type: Literal["coverage"]


class FaultLine(BaseModel):
    """It ended before its time: what came before is not all."""

    type: Literal["error"]
    code: str
    message: str


class EndLine(BaseModel):
    """The last line."""

    type: Literal["end"]
    next_cursor: str | None


class FoundObject(BaseModel):
    """An object in a picture."""

    box: list[float]
    object_class: Annotated[str, Field(alias="class")]
    confidence: float


class SearchLook(BaseModel):
    """A picture whose objects may be searched by, for an hour."""

    look_id: str
    camera_id: str
    at_us: TimeUs
    objects: list[FoundObject]
    expires_us: TimeUs


class Named(BaseModel):
    """Somebody."""

    id: str
    name: str
    display_name: str


class RequestCase(BaseModel):
    """The case that asks."""

    id: str
    number: str
    title: str


class BreakGlass(BaseModel):
    """It was used before anybody approved."""

    at_us: TimeUs
    reason: str
    review_until_us: TimeUs
    overdue: bool
    reviewed_us: TimeUs | None
    reviewed_by: Named | None
    justified: bool | None
    note: str | None


class SearchRequest(BaseModel):
    """A request for what needs a second person. ``usable`` now; ``can``: what the caller may do."""

    id: str
    kind: RequestKind
    state: RequestState
    usable: bool
    case: RequestCase
    area_id: str
    area_path: list[str]
    reason: str
    query: dict[str, Any] | None
    created_us: TimeUs
    created_by: Named
    expires_us: TimeUs
    decided_us: TimeUs | None
    decided_by: Named | None
    decision_note: str | None
    break_glass: BreakGlass | None
    ended_us: TimeUs | None
    ended_by: Named | None
    end_note: str | None
    photos: int
    matches: int
    can: list[Literal["use", "approve", "refuse", "end", "break_glass", "review"]]


class RequestPage(BaseModel):
    """The newest first."""

    items: list[SearchRequest]
    next_cursor: str | None


class SearchPhoto(BaseModel):
    """An uploaded photo: gone with its request."""

    id: str
    request_id: str
    name: str
    width: int
    height: int
    objects: list[FoundObject]
    created_us: TimeUs
    created_by: Named
    expires_us: TimeUs
    url: str


class StandingMatch(BaseModel):
    """What a standing search found."""

    id: str
    request_id: str
    passage_id: str
    camera_id: str
    camera_name: str
    at_us: TimeUs
    found_us: TimeUs
    likeness: float | None
    alarm_id: str
    hit: Annotated[Hit | None, Field(description="null: not there any more, or masked for you")]


class MatchPage(BaseModel):
    """The newest first. ``coverage``: what it did not see while it was in force."""

    items: list[StandingMatch]
    next_cursor: str | None
    coverage: Annotated[
        Coverage | None, Field(description="null: on further pages, and of one never in force")
    ]


class TrailPoint(BaseModel):
    """A chosen passage on the way."""

    id: str
    passage_id: str
    camera_id: str
    camera_name: str
    area_path: list[str]
    position: HitPosition | None
    first_us: TimeUs
    last_us: TimeUs
    best_us: TimeUs
    object_class: Annotated[str, Field(alias="class")]
    note: str
    added_us: TimeUs
    added_by: Named
    crop_url: str | None
    withheld: Literal["masked", "gone"] | None
    playback: bool


class Trail(BaseModel):
    """A way across cameras, in the order of time; ``attached_us``: the case keeps it."""

    id: str
    case_id: str
    request_id: str
    title: str
    created_us: TimeUs
    created_by: Named
    expires_us: TimeUs | None
    attached_us: TimeUs | None
    usable: bool
    hidden_points: Annotated[int, Field(description="on cameras that the caller may not search")]
    points: list[TrailPoint]
