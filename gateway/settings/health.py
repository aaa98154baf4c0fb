"""How often cameras are looked at, and by whose days."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.section import Section


class HealthSettings(Section):
    """``per_second``: of all cameras together, so many are looked at at most. A camera that may be
    unwell is looked at again sooner than after ``every_minutes``.
    """

    enabled: bool = True
    every_minutes: float = Field(default=30.0, ge=1, le=1440)
    per_second: float = Field(default=5.0, gt=0, le=100)
    utc_offset_minutes: int = Field(default=480, ge=-14 * 60, le=14 * 60)
    least_recorded_percent: float = Field(default=95.0, ge=0, le=100)
