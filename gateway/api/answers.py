"""What the routes answer with, as /docs and /openapi.json describe it.

A field with a default may be left out of the answer; "or null" fields are always there. Routes
whose answers have fields of the first kind are declared with ``response_model_exclude_unset``.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from gateway.people.area_codes import Axis
from gateway.people.authorize import Method
from gateway.people.roles import Right

TimeUs = Annotated[int, Field(description="UTC microseconds since 1970")]

Item = TypeVar("Item")


class Failure(BaseModel):
    """A stable code, a sentence for people, and what else there is to say."""

    code: str
    message: str
    detail: dict[str, Any]


class FailureAnswer(BaseModel):
    """Every answer other than success."""

    error: Failure


class Listing(BaseModel, Generic[Item]):
    """All there is."""

    items: list[Item]


class SessionUser(BaseModel):
    """Whose session it is."""

    id: str
    name: str
    display_name: str


class DeskHere(BaseModel):
    """The duty desk at which somebody is signed in."""

    id: str
    name: str


class Session(BaseModel):
    """Who is signed in, how, and every right that is held anywhere."""

    id: str
    user: SessionUser
    rights: list[Right]
    system_admin: bool
    must_change_password: bool
    must_enrol_totp: bool
    method: Method
    desk: DeskHere | None
    kind: Literal["person", "service"]
    expires_us: TimeUs
    version: str


class CreatedArea(BaseModel):
    """An area as it was created."""

    id: str
    parent_id: str | None
    axis: Axis
    name: str
    code: str | None


class Area(CreatedArea):
    """An area; ``camera_count`` counts its whole subtree."""

    child_count: int
    camera_count: int


class FoundArea(Area):
    """An area that was searched for, and the way to it."""

    names: Annotated[list[str], Field(description="from the root down")]
    ids: Annotated[list[str], Field(description="from the topmost that the caller sees down")]


class KeptDocument(BaseModel):
    """A layout or a tour; ``document`` is the console's own."""

    id: str
    name: str
    shared: bool
    owner: str
    document: dict[str, Any]


class Wall(BaseModel):
    """What a screen showed last; null when it never showed anything."""

    document: dict[str, Any] | None
