"""What the routes of sightings answer with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs

Kind = Literal["vehicle", "non_motor", "person", "image", "clip"]


class Checkpoint(BaseModel):
    """A device or checkpoint that told of something."""

    id: str
    code: Annotated[str, Field(description="by which its platform names it")]
    name: str
    platform_id: str
    platform_name: str
    camera_id: Annotated[str | None, Field(description="the camera that it is")]
    area_path: Annotated[list[str], Field(description="the areas' names from the root down")]


class SightingPicture(BaseModel):
    """One picture. ``url`` opens it for an hour, for who searched."""

    number: int
    kind: str
    width: int
    height: int
    url: str


class SightingItem(BaseModel):
    """What passed."""

    id: str
    kind: Kind
    at_us: TimeUs
    received_us: TimeUs
    checkpoint: Checkpoint
    plate: str | None
    plate_color: str | None
    color: Annotated[str | None, Field(description="of the vehicle, or of a person's coat")]
    lower_color: Annotated[str | None, Field(description="of a person's trousers")]
    vehicle_type: str | None
    facts: Annotated[
        dict[str, Any],
        Field(description="lane, direction, speed_kmh, brand, … as far as they were told"),
    ]
    pictures: list[SightingPicture]
    withheld: Annotated[
        Literal["masked"] | None,
        Field(description="why its pictures are not shown to the caller"),
    ]
    playback: Annotated[bool, Field(description="whether the caller may play its camera back")]


class SightingPage(BaseModel):
    """The newest first."""

    items: list[SightingItem]
    next_cursor: str | None
    look: Annotated[str, Field(description="carries the purpose to further pages and pictures")]


class Checkpoints(BaseModel):
    """All of which the caller may search."""

    items: list[Checkpoint]
