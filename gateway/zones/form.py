"""Zones as people send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.identifiers import new_id
from search.objects import ObjectClass
from search.zones.document import DEFAULT_TIME_ZONE, POINTS_LIMIT, zone_from_document
from search.zones.zone import RuleKind, Way, ZoneKind

ZONES_LIMIT = 16

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class RuleForm(BaseModel):
    """What is watched for. Left out: ``way`` both, ``seconds`` 30 of loitering, 5 of a crowd, 60 of
    an abandoned object, ``count`` 5.
    """

    model_config = ConfigDict(extra="forbid")

    kind: RuleKind
    way: Annotated[
        Way | None,
        Field(description="over a line: forward is from its left hand to its right, as drawn"),
    ] = None
    heading_deg: Annotated[
        float | None,
        Field(
            ge=0,
            lt=360,
            allow_inf_nan=False,
            description="of wrong_way in a region: the right way, clockwise from up",
        ),
    ] = None
    seconds: Seconds | None = None
    count: Annotated[int | None, Field(ge=2, le=100)] = None
    cool_down_s: Seconds = 60


class SpanForm(BaseModel):
    """Times of the week; day 1 is Monday. An end not after the start is on the next day."""

    model_config = ConfigDict(extra="forbid")

    days: list[Annotated[int, Field(ge=1, le=7)]] = Field(min_length=1, max_length=7)
    start: Clock
    end: Clock


class ZoneForm(BaseModel):
    """A line or region. Without an ``id`` it is a new one. No ``classes``: all; no ``schedule``:
    always.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    id: str | None = Field(default=None, max_length=40, pattern=r"^zon_[0-9A-Za-z]+$")
    name: str = Field(min_length=1, max_length=100)
    kind: ZoneKind
    points: list[tuple[Share, Share]] = Field(min_length=2, max_length=POINTS_LIMIT)
    rules: list[RuleForm] = Field(default_factory=list, max_length=len(RuleKind))
    classes: list[ObjectClass] = Field(default_factory=list, max_length=len(ObjectClass))
    minimum_height: Annotated[
        Share, Field(description="objects lower than this share of the picture are left out")
    ] = 0.0
    schedule: list[SpanForm] = Field(default_factory=list, max_length=32)
    time_zone: str = Field(default=DEFAULT_TIME_ZONE, max_length=60)


def documents_of(forms: Sequence[ZoneForm], known: Sequence[str]) -> list[dict[str, Any]]:
    """What is stored: each with an id, ``known`` ones kept. Raises
    :class:`search.zones.document.ZoneRefused`.
    """
    documents: list[dict[str, Any]] = []
    taken: set[str] = set()
    for form in forms:
        document = form.model_dump(mode="json")
        document["rules"] = [rule.model_dump(mode="json", exclude_none=True) for rule in form.rules]
        # An id of another camera's zone would join what happened in both.
        keeps = form.id is not None and form.id in known and form.id not in taken
        document["id"] = form.id if keeps else new_id("zon")
        taken.add(document["id"])
        zone_from_document(document)
        documents.append(document)
    return documents
