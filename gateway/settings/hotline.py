"""The reference adapter to a hotline or another system that gives out work orders."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from gateway.geo.coordinates import CoordinateSystem
from gateway.settings.outpost import OutpostSettings, is_safe_to_ask


class HotlineAdapterSettings(OutpostSettings):
    """``gridsight hotline-adapter``, between a hotline and the gateway.

    ``token`` is the gateway's, of an account that is an agent; ``webhook_secret`` of the channel by
    which the gateway tells the adapter. ``hotline_url`` is where feedback goes; both sides sign
    with ``hotline_secret``, the hotline as ``hotline_id``. ``categories``: the hotline's types by
    the gateway's names. ``fallback_area_code``: where an order goes whose own code is not known.
    ``coordinates``: what the hotline tells places in.
    """

    section = "hotline_adapter"

    port: int = Field(default=8444, ge=0, le=65535)
    token: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    hotline_url: str = Field(default="", pattern=r"^(https?://[^\s]+)?$", max_length=500)
    hotline_id: str = Field(default="12345", min_length=1, max_length=100)
    hotline_secret: SecretStr | None = None
    categories: dict[str, str] = Field(default={}, max_length=1000)
    fallback_area_code: str = Field(default="", max_length=40)
    coordinates: CoordinateSystem = CoordinateSystem.WGS84

    @model_validator(mode="after")
    def _hotline_is_safe(self) -> Self:
        if not is_safe_to_ask(self.hotline_url):
            raise ValueError("hotline_adapter.hotline_url: https:// to another machine")
        return self
