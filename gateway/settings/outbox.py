"""What is sent to other systems."""

from __future__ import annotations

import ipaddress

from pydantic import Field, field_validator

from gateway.settings.section import Section


class OutboxSettings(Section):
    """``allowed_networks``: where receivers may stand beside public addresses; plain HTTP goes
    there alone. ``give_up_hours``: for so long is a delivery tried. ``keep_days``: for so long is
    what was delivered or given up listed.
    """

    allowed_networks: list[str] = Field(default=[], max_length=100)
    timeout_s: float = Field(default=15, gt=0, le=60)
    give_up_hours: float = Field(default=72, gt=0, le=720)
    keep_days: int = Field(default=30, ge=1, le=3650)

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for one in value:
            ipaddress.ip_network(one)
        return value
