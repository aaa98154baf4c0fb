"""Assist requests: how large, and how long."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.section import Section


class AssistSettings(Section):
    """Limits of one request: bytes of a photo as it is sent, photos, areas that are asked, hours of
    the window, and days until it ends at the latest.
    """

    photo_bytes_limit: int = Field(default=8 * 1024**2, ge=1024, le=16 * 1024**2)
    photos_limit: int = Field(default=5, ge=0, le=20)
    areas_limit: int = Field(default=100, ge=1, le=1000)
    window_hours: float = Field(default=48, gt=0, le=744)
    longest_days: float = Field(default=7, gt=0, le=90)
