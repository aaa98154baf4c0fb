"""Outlines: what a county's file may hold, and what is said of one that cannot be drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.geo.coordinates import CoordinateSystem, gcj02_from_wgs84
from gateway.map.outlines import OutlinesError, outlines_of, read_outlines

RING = [[113.0, 31.0], [113.1, 31.0], [113.1, 31.1], [113.0, 31.0]]


def collection(*features: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def test_areas_and_lines_are_taken_with_their_names() -> None:
    data = collection(
        feature("Polygon", [RING], XZQMC="石坪镇", other=1),
        feature("MultiPolygon", [[RING]]),
        feature("LineString", RING, name="河"),
        feature("Point", [113.0, 31.0], name="no outline"),
        {"type": "Feature", "properties": None, "geometry": None},
    )
    found = outlines_of(data, CoordinateSystem.WGS84)["features"]
    assert [one["properties"]["name"] for one in found] == ["石坪镇", "", "河"]
    assert found[0]["geometry"] == {"type": "Polygon", "coordinates": [RING]}


def test_positions_of_gcj02_are_brought_to_where_they_are() -> None:
    shifted = [list(gcj02_from_wgs84(*one)) for one in RING]
    found = outlines_of(collection(feature("Polygon", [shifted])), CoordinateSystem.GCJ02)
    for position, meant in zip(
        found["features"][0]["geometry"]["coordinates"][0], RING, strict=True
    ):
        assert position == pytest.approx(meant, abs=1e-6)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "FeatureCollection"),
        (collection(1), "no object"),
        (collection(feature("Polygon", 7)), "no list"),
        (collection(feature("LineString", [[3_500_000.0, 38_000.0]])), "projected"),
        (collection(feature("LineString", [["113", "31"]])), "projected"),
    ],
)
def test_a_file_that_cannot_be_drawn_is_refused_and_says_why(data: bytes, why: str) -> None:
    with pytest.raises(OutlinesError, match=why):
        outlines_of(data, CoordinateSystem.WGS84)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["type", "features", "geometry", "coordinates", "properties"]), inner
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
@example({"geometry": {"type": []}})
def test_no_file_brings_it_down(document: Any) -> None:
    data = json.dumps({"features": [document]}).encode()
    try:
        found = outlines_of(data, CoordinateSystem.GCJ02)
    except OutlinesError:
        return
    assert len(found["features"]) <= 1


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert read_outlines(None, CoordinateSystem.WGS84)["features"] == []
    with pytest.raises(OSError):
        read_outlines(tmp_path / "away.json", CoordinateSystem.WGS84)
