"""What the routes of masks and of deletion answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from gateway.masks import Mask


class Masks(BaseModel):
    """A camera's masks, in one version. Version 0: it never had any."""

    camera_id: str
    version: int
    masks: list[Mask]
    changed_us: int | None
    changed_by: Annotated[str | None, Field(description="the name of the account")]


class MaskHistory(BaseModel):
    """Every version, the newest first."""

    items: list[Masks]


class Overlay(BaseModel):
    """What the console shows on the picture while it plays, so that a photo of it names its
    viewer.
    """

    name: str
    display_name: str
    address: str
    opened_us: int


class DeletedDay(BaseModel):
    """What was deleted on one day (UTC, days since 1970) for one cause, and its footage's span."""

    day: int
    cause: str
    segments: int
    bytes: int
    first_us: int
    last_us: int


class CameraRetention(BaseModel):
    """How one camera's footage is kept. Overdue: beyond its time, and not held."""

    camera_id: str
    name: str
    area_path: list[str]
    deleted_camera: bool
    required_days: int
    kept_days: float
    oldest_us: int | None
    overdue_segments: int
    holds: int
    deleted_segments: int
    deleted_bytes: int


class DerivedRetention(BaseModel):
    """What was made from footage, and should have gone with it."""

    kind: str
    overdue: int


class RetentionDocument(BaseModel):
    """A page of cameras; ``days`` and ``derived`` speak of all that the caller may know of."""

    at_us: int
    default_days: int
    days: list[DeletedDay]
    cameras: list[CameraRetention]
    derived: list[DerivedRetention]
    next_cursor: str | None


class RetentionProof(BaseModel):
    """What the store still holds, beyond its time, of a page of cameras."""

    at_us: int
    cameras: int
    looked_at: Annotated[int, Field(description="old objects that were found in the store")]
    remaining: list[dict[str, Any]]
    ok: bool
    next_cursor: str | None
