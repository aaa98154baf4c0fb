"""What the routes about accounts and grants answer with; see :mod:`gateway.api.answers`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import Item, Listing, TimeUs
from gateway.people.roles import Right, Role


class Page(Listing[Item]):
    """A page, and how many all pages have."""

    next_cursor: str | None
    total: int


class Person(BaseModel):
    """Somebody with an account."""

    id: str
    name: str
    display_name: str


class Grant(BaseModel):
    """A role in an area and all below it; ``area_id`` ``*`` is the whole county."""

    id: str
    user: Person
    role: Role
    area_id: str
    axis: Literal["area", "department", "police", "platform"] | None
    area_path: Annotated[list[str], Field(description="the areas' names from the root down")]
    valid_from_us: TimeUs | None
    valid_until_us: TimeUs | None
    in_force: bool
    ptz_priority: int | None
    created_us: TimeUs
    granted_by: Person | None


class User(BaseModel):
    """An account; its home is the county where ``area_id`` is null. A one-time password is told
    this once.
    """

    id: str
    name: str
    display_name: str
    enabled: bool
    must_change_password: bool
    created_us: TimeUs
    area_id: str | None
    area_path: list[str]
    grants: list[Grant]
    one_time_password: str = ""


class NamedCamera(BaseModel):
    """A camera and its home."""

    id: str
    name: str
    area_path: list[str]


class SeenCamera(BaseModel):
    """What somebody may do with a camera, and by which grants."""

    camera: NamedCamera
    rights: list[Right]
    grant_ids: list[str]


class SeenCameras(Page[SeenCamera]):
    """What a person can see. ``elsewhere`` counts cameras that they can see and who asks cannot."""

    user: Person
    grants: list[Grant]
    elsewhere: int


class Seer(BaseModel):
    """Somebody who can see a camera, and by which grants."""

    user: Person
    rights: list[Right]
    ptz_priority: int | None
    grants: list[Grant]
