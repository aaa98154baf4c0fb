"""What people say of incidents: a new one, and each kind of step."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.api.forms import Form
from gateway.api.incident_answers import OriginAnswer, Result
from gateway.identifiers import US_PER_S

Instant = Annotated[int, Field(ge=0, lt=2**62)]
Identifier = Annotated[str, Field(min_length=1, max_length=40)]
Words = Annotated[str, Field(max_length=4000)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Priority = Literal["normal", "urgent", "emergency"]

_DAY_US = 24 * 3600 * US_PER_S
# Of footage that belongs to an incident, which is held.
_FOOTAGE_LIMIT_US = 6 * 3600 * US_PER_S
Extension = Annotated[int, Field(ge=3600 * US_PER_S, le=90 * _DAY_US)]


class AttachmentForm(Form):
    """A file that was sent before, or footage, a picture's moment, a package."""

    kind: Literal["file", "footage", "snapshot", "export"]
    subject_id: Identifier
    name: str = Field(default="", max_length=300)
    start_us: Instant | None = None
    end_us: Instant | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.kind == "footage":
            if self.start_us is None or self.end_us is None or self.end_us <= self.start_us:
                raise ValueError("footage has a start and an end")
            if self.end_us - self.start_us > _FOOTAGE_LIMIT_US:
                raise ValueError("at most six hours of footage at once")
        elif self.kind == "snapshot" and self.start_us is None:
            raise ValueError("a picture has a time")
        return self


Attachments = Annotated[list[AttachmentForm], Field(max_length=20)]


class IncidentForm(Form):
    """A new incident. ``origin_id`` is of the caller's own making for calls and live views, so that
    a form that is sent twice opens one.
    """

    origin: OriginAnswer
    origin_id: str = Field(min_length=1, max_length=100)
    area_id: Identifier
    title: str = Field(min_length=1, max_length=200)
    words: Words = ""
    category_id: Identifier | None = None
    priority: Priority = "normal"
    place: str = Field(default="", max_length=300)
    longitude: Longitude | None = None
    latitude: Latitude | None = None
    camera_id: Identifier | None = None
    happened_us: Instant | None = None
    reporter_name: str = Field(default="", max_length=200)
    reporter_phone: str = Field(default="", max_length=40)
    unit_id: Identifier | None = None
    attachments: Attachments = Field(default_factory=list)


class _StepForm(Form):
    words: Words = ""
    version: int | None = Field(default=None, ge=1)
    attachments: Attachments = Field(default_factory=list)


class PlainStep(_StepForm):
    """What needs nothing but words."""

    kind: Literal[
        "accept", "reply", "answer", "return", "comment", "attach", "up", "suspend", "resume",
        "refuse", "send_back", "reopen",
    ]  # fmt: skip


class ArriveStep(_StepForm):
    """On the spot, and where that is."""

    kind: Literal["arrive"]
    longitude: Longitude | None = None
    latitude: Latitude | None = None


class HandOverStep(_StepForm):
    """To another unit."""

    kind: Literal["hand_over"]
    unit_id: Identifier


class AskStep(_StepForm):
    """For so much more time, or that the clocks stand still."""

    kind: Literal["ask"]
    what: Literal["extend", "suspend"]
    us: Extension | None = None

    @model_validator(mode="after")
    def _how_much(self) -> Self:
        if (self.what == "extend") != (self.us is not None):
            raise ValueError("more time is asked for with how much, a suspension without")
        return self


class AssignStep(_StepForm):
    """To a unit; null: to the one that is responsible for the area."""

    kind: Literal["assign"]
    unit_id: Identifier | None = None


class UrgeStep(_StepForm):
    """With a time by which they must reply, or without."""

    kind: Literal["urge"]
    reply_due_us: Instant | None = None


class ExtendStep(_StepForm):
    """So much more time to resolve it; working time where its limit is."""

    kind: Literal["extend"]
    us: Extension


class CloseStep(_StepForm):
    """What became of it."""

    kind: Literal["close"]
    result: Result


class MergeStep(_StepForm):
    """Into another one."""

    kind: Literal["merge"]
    into_id: Identifier


class SplitStep(_StepForm):
    """A part of it as an incident of its own."""

    kind: Literal["split"]
    title: str = Field(min_length=1, max_length=200)
    category_id: Identifier | None = None
    area_id: Identifier | None = None


class ChangeStep(_StepForm):
    """What it is about; absent fields stay. ``description`` is of the incident, ``words`` why."""

    kind: Literal["change"]
    title: str = Field(default="", min_length=1, max_length=200)
    description: Words = ""
    category_id: Identifier | None = None
    area_id: Identifier | None = None
    priority: Priority = "normal"
    place: str = Field(default="", max_length=300)
    longitude: Longitude | None = None
    latitude: Latitude | None = None
    happened_us: Instant | None = None
    reporter_name: str = Field(default="", max_length=200)
    reporter_phone: str = Field(default="", max_length=40)


class RateStep(_StepForm):
    """By who reported it, 5 being the best."""

    kind: Literal["rate"]
    rating: int = Field(ge=1, le=5)


StepForm = Annotated[
    PlainStep
    | ArriveStep
    | HandOverStep
    | AskStep
    | AssignStep
    | UrgeStep
    | ExtendStep
    | CloseStep
    | MergeStep
    | SplitStep
    | ChangeStep
    | RateStep,
    Field(discriminator="kind"),
]
