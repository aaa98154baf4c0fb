"""Where the same object may have been seen too: within reach, in time, and alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from search.index.likeness import OwnVectors
from search.index.messages import StoredPassage
from search.index.neighbours import (
    WALKING,
    CameraPlace,
    Candidate,
    Reach,
    agreement,
    also_seen,
    distance_m,
    plausibility,
    reachable,
)
from search.index.query import PassageQuery, search_passages
from search.index.vectors import VectorItem, VectorReader, VectorWriter
from search.objects import ObjectClass
from search.passages import Attributes, Color, ColorFound, Judged, Passage
from tests.search.index.conftest import Index
from tests.search.index.making import S, T, a_passage

# Along a road that goes east: a hundredth of a degree is 955 m there.
OWN = CameraPlace("cam_a", "county/town/village/", 112.60, 31.17)
NEAR = CameraPlace("cam_b", "county/town/other/", 112.61, 31.17)
FAR = CameraPlace("cam_c", "county/elsewhere/far/", 112.80, 31.17)
UNKNOWN = CameraPlace("cam_d", "county/town/village/")
PLACES = [OWN, NEAR, FAR, UNKNOWN]

degrees = st.builds(
    lambda longitude, latitude: CameraPlace("cam_x", "", longitude, latitude),
    st.floats(-180, 180), st.floats(-90, 90),
)  # fmt: skip


async def stored(index: Index, passage: Passage) -> StoredPassage:
    index.add(passage)
    async with index.reader.connect() as connection:
        query = PassageQuery(passage.first_us, passage.first_us + 1)
        found = await search_passages(connection, query, 100)
    return next(one.passage for one in found if one.passage.id == passage.id)


def test_distances_are_those_of_the_map() -> None:
    assert distance_m(OWN, NEAR) == pytest.approx(951.5, abs=1)
    beijing = CameraPlace("cam_x", "", 116.40, 39.90)
    shanghai = CameraPlace("cam_y", "", 121.47, 31.23)
    assert distance_m(beijing, shanghai) == pytest.approx(1_067_000, rel=0.005)
    assert distance_m(OWN, UNKNOWN) is None


@given(degrees, degrees)
def test_distances_are_the_same_there_and_back(one: CameraPlace, other: CameraPlace) -> None:
    there, back = distance_m(one, other), distance_m(other, one)
    assert there is not None and there == pytest.approx(back)
    assert 0 <= there <= 20_020_000


async def test_who_walks_reaches_what_is_near_and_not_what_is_far(index: Index) -> None:
    walker = await stored(index, a_passage())
    found = {one.camera_id: one for one in reachable(walker, PLACES, within_us=1800 * S)}
    assert set(found) == {"cam_b", "cam_d"}
    near = found["cam_b"]
    assert near.measured and near.from_us - walker.last_us == pytest.approx(317 * S, abs=S)
    assert near.until_us == walker.last_us + 1800 * S
    # Nobody knows how near it is, so that nothing is too soon.
    assert not found["cam_d"].measured and found["cam_d"].from_us == walker.last_us


async def test_who_drives_reaches_further(index: Index) -> None:
    car = await stored(index, a_passage(object_class=ObjectClass.CAR))
    found = reachable(car, PLACES, within_us=1800 * S)
    assert [one.camera_id for one in found] == ["cam_d", "cam_b", "cam_c"]
    far = found[-1]
    assert far.from_us - car.last_us == pytest.approx(19_030 / 33 * S, rel=0.01)


async def test_where_it_came_from_is_asked_backwards(index: Index) -> None:
    walker = await stored(index, a_passage())
    found = reachable(walker, [OWN, NEAR], within_us=1800 * S, way="before")
    assert found[0].until_us - walker.first_us == pytest.approx(-317 * S, abs=S)
    assert found[0].from_us == walker.first_us - 1800 * S


async def test_the_own_camera_must_be_among_the_places(index: Index) -> None:
    walker = await stored(index, a_passage())
    with pytest.raises(ValueError, match="cam_a"):
        reachable(walker, [NEAR], within_us=S)


def test_the_usual_pace_is_the_most_plausible() -> None:
    reach = Reach("cam_b", 1000.0, 1300.0, True, 0, 1 << 60)
    usual = plausibility(1000 * S, reach, WALKING)
    assert usual == pytest.approx(1.0)
    slower, faster = plausibility(2000 * S, reach, WALKING), plausibility(500 * S, reach, WALKING)
    assert usual > slower > faster > 0


async def test_what_is_known_of_both_tells_them_apart(index: Index) -> None:
    one = await stored(index, a_passage(object_class=ObjectClass.CAR))

    def looks(**about: object) -> StoredPassage:
        return replace(one, attributes=Attributes(**about))  # type: ignore[arg-type]

    white, red = ColorFound(Color.WHITE, 1.0), ColorFound(Color.RED, 1.0)
    plate, other = Judged("鄂HA0O12", 1.0), Judged("鄂H77777", 1.0)
    alike = Judged("鄂HAO012", 1.0)
    assert (
        agreement(looks(color=white), looks(color=white))
        > agreement(looks(color=white), looks())
        > agreement(looks(color=white), looks(color=red))
    )
    same_plate = agreement(looks(plate=plate, color=white), looks(plate=plate, color=red))
    assert same_plate == 1.0  # A plate tells more than a colour at night.
    assert agreement(looks(plate=plate), looks(plate=alike)) > 5 * agreement(
        looks(plate=plate), looks(plate=other)
    )


async def test_candidates_are_the_alike_ones_that_can_be_the_same(
    index: Index, tmp_path: Path
) -> None:
    def unit(*numbers: float) -> np.ndarray:
        vector = np.asarray([*numbers, 0.1], np.float32)
        return vector / np.linalg.norm(vector)

    start = a_passage(upper_color=Color.RED, vector=[1.0])
    usual_us = round(951.5 * 1.3 / 1.3 * S)
    same, too_soon, other, much_later = (
        a_passage(T + 5 * S + after_us, "cam_b", upper_color=color)
        for after_us, color in (
            (usual_us, Color.RED),
            (60 * S, Color.RED),
            (usual_us + 30 * S, Color.GREEN),
            (2 * usual_us, Color.RED),
        )
    )
    walker = await stored(index, start)
    index.add(same, too_soon, other, much_later)
    writer = VectorWriter(tmp_path / "vectors")
    likes = (
        (same, unit(1, 0.1)),
        (too_soon, unit(1, 0)),
        (other, unit(0, 1)),
        (much_later, unit(1, 0.1)),
    )
    writer.add(
        "stripes-1",
        [VectorItem(one.id, one.camera_id, one.object_class, like) for one, like in likes],
    )
    writer.close()
    reader = OwnVectors(VectorReader(tmp_path / "vectors"))
    reaches = reachable(walker, PLACES, within_us=7200 * S)

    async def candidates(vector: np.ndarray | None) -> list[Candidate]:
        async with index.reader.connect() as connection:
            return await also_seen(connection, reader, walker, reaches, vector=vector, limit=10)

    found = await candidates(unit(1, 0))
    assert [one.passage.id for one in found] == [same.id, much_later.id, other.id]
    assert found[0].likeness == pytest.approx(0.99, abs=0.01)
    assert all(
        one.score == pytest.approx((one.likeness or 0) * one.plausibility * one.agreement)
        for one in found
    )
    # Without a vector, time and colours tell.
    assert [one.passage.id for one in await candidates(None)] == [
        same.id, much_later.id, other.id,
    ]  # fmt: skip


async def test_the_same_plate_is_found_however_unlike_it_looks(index: Index) -> None:
    car = await stored(
        index, a_passage(object_class=ObjectClass.CAR, plate="鄂HA0012", color=Color.WHITE)
    )
    again = a_passage(T + 120 * S, "cam_b", ObjectClass.TRUCK, plate="鄂HAO012")
    index.add(again)
    async with index.reader.connect() as connection:
        found = await also_seen(
            connection, None, car, reachable(car, PLACES, within_us=600 * S), vector=None, limit=5
        )
    assert [one.passage.id for one in found] == [again.id]
