"""What the routes of masks and of deletion answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated

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
