"""Outlines of areas from a GeoJSON file (RFC 7946), checked and brought to WGS-84."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.geo.coordinates import CoordinateSystem, to_wgs84

BYTES_LIMIT = 32 * 1024 * 1024
POINTS_LIMIT = 500_000
# How deep the positions of each kind lie (RFC 7946 §3.1).
_DEPTHS = {"LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
_NAMES = ("name", "NAME", "Name", "名称", "xzqmc", "XZQMC")
_EMPTY: dict[str, Any] = {"type": "FeatureCollection", "features": []}


class OutlinesError(ValueError):
    """The file cannot be drawn; the message says what to do."""


def read_outlines(path: Path | None, system: CoordinateSystem) -> dict[str, Any]:
    """A FeatureCollection of lines and areas, each with ``properties.name`` (may be empty); an
    empty one without a file. Raises OutlinesError, OSError. Reads the disk.
    """
    if path is None:
        return _EMPTY
    with path.open("rb") as file:
        data = file.read(BYTES_LIMIT + 1)
    if len(data) > BYTES_LIMIT:
        raise OutlinesError(f"map.areas_file has more than {BYTES_LIMIT >> 20} MiB: simplify it")
    return outlines_of(data, system)


def outlines_of(data: bytes, system: CoordinateSystem) -> dict[str, Any]:
    """As :func:`read_outlines`, of a file's content. Raises OutlinesError."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise OutlinesError(f"map.areas_file is not JSON: {error}") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise OutlinesError("map.areas_file is not a GeoJSON FeatureCollection")
    budget = [POINTS_LIMIT]
    found = [_feature(one, system, budget) for one in features]
    return {"type": "FeatureCollection", "features": [one for one in found if one is not None]}


def _feature(feature: Any, system: CoordinateSystem, budget: list[int]) -> dict[str, Any] | None:
    if not isinstance(feature, dict):
        raise OutlinesError("map.areas_file: a feature is no object")
    geometry, properties = feature.get("geometry"), feature.get("properties")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or not isinstance(kind, str) or kind not in _DEPTHS:
        return None  # points and what is new have no outline
    coordinates = _converted(geometry.get("coordinates"), _DEPTHS[kind], system, budget)
    known = properties if isinstance(properties, dict) else {}
    name = next((known[one] for one in _NAMES if isinstance(known.get(one), str)), "")
    return {
        "type": "Feature",
        "properties": {"name": name[:100]},
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def _converted(value: Any, depth: int, system: CoordinateSystem, budget: list[int]) -> list[Any]:
    if not isinstance(value, list):
        raise OutlinesError("map.areas_file: coordinates are no list")
    if depth > 0:
        return [_converted(one, depth - 1, system, budget) for one in value]
    budget[0] -= 1
    if budget[0] < 0:
        raise OutlinesError(f"map.areas_file has more than {POINTS_LIMIT:,} points: simplify it")
    return _position(value, system)


def _position(value: Sequence[Any], system: CoordinateSystem) -> list[float]:
    numbers = [one for one in value[:2] if isinstance(one, int | float)]
    if len(numbers) < 2 or not (abs(numbers[0]) <= 180 and abs(numbers[1]) <= 90):
        raise OutlinesError(
            "map.areas_file: a position is no longitude and latitude in degrees "
            f"({str(value)[:60]}); convert projected coordinates first"
        )
    longitude, latitude = to_wgs84(system, float(numbers[0]), float(numbers[1]))
    # A tenth of a metre: a county's outlines in a third of the bytes.
    return [round(longitude, 6), round(latitude, 6)]
