"""The ground of the map: tiles and outlines of the county's own."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from gateway.geo.coordinates import CoordinateSystem
from gateway.settings.section import Section


class MapSettings(Section):
    """``tiles_url``: of raster tiles in the county's network, with ``{z}``, ``{x}`` and ``{y}``;
    the gateway fetches them, browsers ask the gateway alone. ``areas_file``: GeoJSON (RFC 7946) of
    outlines, drawn where there are no tiles. Both say in what they are drawn.
    """

    tiles_url: str = Field(default="", max_length=1000)
    tiles_coordinates: CoordinateSystem = CoordinateSystem.WGS84
    tiles_largest_zoom: int = Field(default=18, ge=1, le=22)
    tiles_attribution: str = Field(default="", max_length=200)
    areas_file: Path | None = None
    areas_coordinates: CoordinateSystem = CoordinateSystem.WGS84

    @field_validator("tiles_url")
    @classmethod
    def _names_a_tile(cls, url: str) -> str:
        if url == "":
            return url
        if not url.startswith(("http://", "https://")):
            raise ValueError("map.tiles_url: an address of http:// or https://")
        missing = [part for part in ("{z}", "{x}", "{y}") if part not in url]
        if missing:
            raise ValueError(f"map.tiles_url: {', '.join(missing)} is missing")
        return url
