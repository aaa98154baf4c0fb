"""What is packed is read back, to the precision that is told."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from search.index.packing import POINTS_LIMIT, SCALE, Packed, PackingError, pack, thin, unpack
from search.passages import PathPoint

shares = st.floats(0, 1)
confidences = st.none() | shares
boxes = st.tuples(shares, shares, shares, shares).map(
    lambda one: (min(one[0], one[2]), min(one[1], one[3]), max(one[0], one[2]), max(one[1], one[3]))
)


@st.composite
def paths(draw: st.DrawFn, most: int = 80) -> list[PathPoint]:
    times = sorted(draw(st.lists(st.integers(0, 3_600_000), max_size=most, unique=True)))
    return [PathPoint(at, *draw(boxes)) for at in times]


places = st.lists(boxes, max_size=3).map(tuple)
packed = st.builds(Packed, boxes, shares, st.tuples(*[confidences] * 7), paths(most=12), places)


@given(packed)
def test_what_is_packed_is_read_back(content: Packed) -> None:
    found = unpack(pack(content))
    assert found.box == pytest.approx(content.box, abs=1 / SCALE)
    assert found.confidence == pytest.approx(content.confidence, abs=0.0051)
    for mine, theirs in zip(content.confidences, found.confidences, strict=True):
        assert (mine is None) is (theirs is None)
        assert mine is None or theirs == pytest.approx(mine, abs=0.0051)
    assert len(found.plate_places) == len(content.plate_places)
    for place, its in zip(content.plate_places, found.plate_places, strict=True):
        assert its == pytest.approx(place, abs=1 / SCALE)
    for point, told in zip(thin(content.path), found.path, strict=True):
        assert told.after_ms == point.after_ms
        assert (told.left, told.top, told.right, told.bottom) == pytest.approx(
            (point.left, point.top, point.right, point.bottom), abs=1 / SCALE
        )


@given(paths())
def test_a_thinned_path_has_its_ends_its_order_and_no_more_points_than_the_limit(
    path: list[PathPoint],
) -> None:
    kept = thin(path)
    assert len(kept) <= POINTS_LIMIT
    assert kept[:1] == path[:1] and kept[-1:] == path[-1:]
    assert [one for one in path if one in kept] == kept


@given(paths(most=40))
def test_what_is_left_out_of_a_path_lies_near_what_is_left(path: list[PathPoint]) -> None:
    kept = thin(path)
    if len(kept) >= POINTS_LIMIT:
        return
    for point in path:
        before = max((one for one in kept if one.after_ms <= point.after_ms), key=_when)
        after = min((one for one in kept if one.after_ms >= point.after_ms), key=_when)
        took = after.after_ms - before.after_ms
        share = (point.after_ms - before.after_ms) / took if took else 0.0
        for name in ("left", "top", "right", "bottom"):
            start, end = getattr(before, name), getattr(after, name)
            assert abs(start + share * (end - start) - getattr(point, name)) <= 1 / 200 + 1e-9


def test_a_straight_walk_is_two_points() -> None:
    walk = [PathPoint(200 * n, n / 100, 0.2, n / 100 + 0.1, 0.8) for n in range(60)]
    assert thin(walk) == [walk[0], walk[-1]]


@given(packed, st.data())
def test_bytes_cut_short_are_refused(content: Packed, data: st.DataObject) -> None:
    whole = pack(content)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(PackingError):
        unpack(cut)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        unpack(data)
    except PackingError:
        return


def _when(point: PathPoint) -> int:
    return point.after_ms


def test_what_was_packed_before_places_were_known_is_still_read() -> None:
    content = Packed((0.1, 0.2, 0.3, 0.4), 0.5, (None,) * 7, [PathPoint(0, 0.1, 0.2, 0.3, 0.4)])
    data = pack(content)
    assert data[0] == 1 and unpack(data).plate_places == ()
    placed = pack(replace(content, plate_places=((0.15, 0.35, 0.2, 0.37),)))
    assert placed[0] == 2 and len(placed) <= len(data) + 9
