"""Every question is answered as somebody would who reads all passages one by one, whichever way the
index is walked, and page by page.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from search.index import asking, plan
from search.index import query as index_query
from search.index.plan import Asked, Window
from search.index.query import Line, PassageQuery, Region, search_passages, stream_passages
from search.objects import TWO_WHEELERS, VEHICLES, ObjectClass
from search.passages import Color, ColorFound, Crossing, Direction, Judged, Passage, SpeedClass
from search.plates import fold, read_pattern
from tests.search.index.conftest import Index, open_index
from tests.search.index.making import S, T, a_passage

pytestmark = pytest.mark.both_databases

CAMERAS = ("cam_a", "cam_b", "cam_c")
CLASSES = (ObjectClass.PERSON, ObjectClass.BICYCLE, ObjectClass.CAR, ObjectClass.TRUCK)
COLORS = (Color.UNKNOWN, Color.BLACK, Color.RED, Color.WHITE)
PLATES = ("鄂HA0O12", "鄂HAOO12", "鄂H88B12", "鄂HB8812", "湘A00001")

colors = st.none() | st.builds(
    ColorFound,
    st.sampled_from(COLORS),
    st.just(0.5),
    st.none() | st.sampled_from((Color.BLACK, Color.RED)),
)


@st.composite
def made_passages(draw: st.DrawFn) -> Passage:
    kind = draw(st.sampled_from(CLASSES))
    at_us = T + draw(st.integers(0, 600)) * S
    zones = draw(st.lists(st.sampled_from(("zone_1", "zone_2")), max_size=1))
    given_: dict[str, Any] = {"upper_color": draw(colors), "lower_color": draw(colors)}
    if kind in VEHICLES:
        given_ = {
            "color": draw(colors),
            "vehicle_type": draw(st.none() | st.sampled_from(("suv", "van"))),
            "plate": draw(st.none() | st.sampled_from(PLATES)),
        }
    elif kind in TWO_WHEELERS:
        given_ = {
            "upper_color": draw(colors),
            "rider": draw(st.none() | st.sampled_from(("yes", "no"))),
        }
    return a_passage(
        at_us,
        draw(st.sampled_from(CAMERAS)),
        kind,
        lasts_us=draw(st.sampled_from((1, 5, 59, 60, 61, 300, 3600))) * S,
        direction=draw(st.sampled_from(Direction)),
        speed=draw(st.sampled_from(SpeedClass)),
        possible=draw(st.sampled_from(((), (ObjectClass.VAN,), (ObjectClass.CAR,)))),
        crossings=tuple(Crossing(zone, draw(ways), at_us) for zone in zones),
        **given_,
    )


ways = st.sampled_from(("forward", "backward"))


def some_of(values: Any) -> st.SearchStrategy[Any]:
    return st.sets(st.sampled_from(values), min_size=1, max_size=2)


patterns = st.builds(
    lambda text, infix, alike: read_pattern(text, infix=infix, look_alikes=alike),
    st.sampled_from(("鄂H*", "88", "鄂HA0O12", "?A00001", "HA", "12")),
    st.booleans(),
    st.booleans(),
)
conditions: dict[str, st.SearchStrategy[Any]] = {
    "camera_ids": some_of((*CAMERAS, "cam_unknown")),
    "classes": some_of((*CLASSES, ObjectClass.VAN)),
    "colors": some_of(COLORS[1:]),
    "upper_colors": some_of(COLORS[1:]),
    "lower_colors": some_of(COLORS[1:]),
    "vehicle_types": some_of(("suv", "van", "tractor")),
    "plate": patterns,
    "rider": st.booleans(),
    "directions": some_of(tuple(Direction)),
    "speeds": some_of(tuple(SpeedClass)),
    "zone_id": st.sampled_from(("zone_1", "zone_2", "zone_none")),
    "zone_how": ways,
    "min_duration_ms": st.sampled_from((2000, 60_000, 200_000)),
    "max_duration_ms": st.sampled_from((4000, 60_000, 1_000_000)),
    "include_possible": st.booleans(),
}


@st.composite
def queries(draw: st.DrawFn) -> PassageQuery:
    start, length = draw(st.integers(-50, 400)), draw(st.integers(200, 700))
    # Few conditions at a time: of many, nothing is left to be found.
    names = draw(st.sets(st.sampled_from(sorted(conditions)), max_size=3))
    said = {name: draw(conditions[name]) for name in sorted(names)}
    if "zone_id" not in said:
        said.pop("zone_how", None)
    return PassageQuery(T + start * S, T + (start + length) * S, **said)


# Each says: does not fit, fits, or fits as far as is known.
NO, YES, MAYBE = range(3)


def color_fits(found: ColorFound | None, wanted: set[Color] | None, has_one: bool) -> int:
    if wanted is None:
        return YES
    if found is None:
        return MAYBE if has_one else NO
    if found.color in wanted:
        return YES
    return MAYBE if found.color is Color.UNKNOWN or found.second in wanted else NO


def judged_fits(found: Judged | None, wanted: Any, has_one: bool) -> int:
    if wanted is None:
        return YES
    if found is None:
        return MAYBE if has_one else NO
    return YES if found.value in wanted else NO


def plate_fits(query: PassageQuery, passage: Passage) -> int:
    if query.plate is None:
        return YES
    if passage.attributes.plate is None:
        return NO
    plate = passage.attributes.plate.value

    def like(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(like(pattern[1:], text[n:]) for n in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])

    if like(query.plate.text, plate):
        return YES
    alike = query.plate.look_alikes and like(fold(query.plate.text), fold(plate))
    return MAYBE if alike else NO


def expected(query: PassageQuery, passages: list[Passage]) -> list[tuple[int, bool]]:
    """(id, whether only possible), in the order in which they are told."""
    found = []
    for one in passages:
        about, kind = one.attributes, one.object_class
        people = kind is ObjectClass.PERSON or kind in TWO_WHEELERS
        lasts_ms = (one.last_us - one.first_us) // 1000
        if one.first_us >= query.end_us or one.last_us < query.start_us:
            continue
        if query.camera_ids is not None and one.camera_id not in query.camera_ids:
            continue
        if query.directions is not None and one.direction not in query.directions:
            continue
        if query.speeds is not None and one.speed not in query.speeds:
            continue
        if query.min_duration_ms is not None and lasts_ms < query.min_duration_ms:
            continue
        if query.max_duration_ms is not None and lasts_ms > query.max_duration_ms:
            continue
        if query.zone_id is not None and not any(
            crossing.zone_id == query.zone_id and query.zone_how in (None, crossing.how)
            for crossing in one.crossings
        ):
            continue
        of_class = YES
        if query.classes is not None and kind not in query.classes:
            of_class = MAYBE if set(one.possible_classes) & set(query.classes) else NO
        riders = None if query.rider is None else {"yes" if query.rider else "no"}
        looks = [
            of_class,
            color_fits(about.color, query.colors, kind in VEHICLES | TWO_WHEELERS),  # type: ignore[arg-type]
            color_fits(about.upper_color, query.upper_colors, people),  # type: ignore[arg-type]
            color_fits(about.lower_color, query.lower_colors, people),  # type: ignore[arg-type]
            judged_fits(about.vehicle_type, query.vehicle_types, kind in VEHICLES),
            judged_fits(about.rider, riders, kind in TWO_WHEELERS),
        ]
        plate = plate_fits(query, one)
        if NO in looks or plate == NO or (MAYBE in looks and not query.include_possible):
            continue
        found.append((plate == MAYBE, -one.id, MAYBE in looks or plate == MAYBE))
    return [(-minus_id, possible) for _, minus_id, possible in sorted(found)]


@pytest.fixture(scope="module")
def kept_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = open_index(Path(tmp_path_factory.mktemp("index")) / "rows.db")
    yield made
    made.write.dispose()


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    passages=st.lists(made_passages(), min_size=15, max_size=25),
    asked=st.lists(queries(), min_size=4, max_size=8),
    page=st.integers(2, 30),
    turns=st.lists(st.integers(0, 5), min_size=1, max_size=8),
)
def test_answers_are_those_of_reading_everything(
    kept_index: Index,
    passages: list[Passage],
    asked: list[PassageQuery],
    page: int,
    turns: list[int],
) -> None:
    kept_index.clear()
    kept_index.add(*passages)
    choices = itertools.cycle(turns)

    def any_way(question: Asked, window: Window) -> str:
        """Whichever: all lead to the same."""
        if window.long_only:
            return "long"
        return sorted({"time", *question.ways})[next(choices) % (len(question.ways) + 1)]

    async def pages(query: PassageQuery) -> list[tuple[int, bool]]:
        told: list[tuple[int, bool]] = []
        after = None
        async with kept_index.reader.connect() as connection:
            while found := await search_passages(connection, query, page, after):
                told += [(one.passage.id, one.possible) for one in found]
                after = found[-1].cursor
                if len(found) < page:
                    break
        return told

    async def ask() -> None:
        for query in asked:
            assert await pages(query) == expected(query, passages), query
        await kept_index.reader.dispose()

    with pytest.MonkeyPatch.context() as patch:
        # As if there were millions: windows of a few rows, and plates that are too many.
        patch.setattr(plan, "_LEAST_ROWS", 3.0)
        patch.setattr(asking, "PLATES_LIMIT", turns[0])
        patch.setattr(asking, "shortest_way", any_way)
        asyncio.run(ask())


async def test_answers_come_in_parts_as_they_are_found(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.index.query.CHUNK", 4)
    index.add(*(a_passage(T + n * S) for n in range(10)))
    async with index.reader.connect() as connection:
        query = PassageQuery(T, T + 60 * S)
        parts = [len(part) async for part in stream_passages(connection, query, 9)]
    assert parts == [4, 4, 1]


async def test_what_was_found_is_told_as_it_was_stored(index: Index) -> None:
    passage = a_passage(
        T + 123_456,
        object_class=ObjectClass.CAR,
        possible=(ObjectClass.TRUCK, ObjectClass.VAN),
        color=ColorFound(Color.WHITE, 0.75, Color.GREY),
        plate="鄂h·a0012",
        vehicle_type="suv",
        plate_color=Color.BLUE,
        crossings=(Crossing("zone_1", "forward", T + 1_123_456),),
        vector=[1.0, 0.0],
    )
    index.add(passage, crop_key="crops/cam_a/one.jpgs")
    async with index.reader.connect() as connection:
        (found,) = await search_passages(connection, PassageQuery(T, T + S), 10)
    told = found.passage
    assert (told.first_us, told.last_us) == (T + 123_000, T + 5_123_000)
    assert told.object_class is ObjectClass.CAR
    assert told.possible_classes == (ObjectClass.TRUCK, ObjectClass.VAN)
    assert told.attributes.color == ColorFound(Color.WHITE, 0.75, Color.GREY)
    assert told.attributes.plate == Judged("鄂HA0012", 0.75)
    assert told.attributes.vehicle_type == Judged("suv", 0.75)
    assert told.attributes.plate_color == ColorFound(Color.BLUE, 0.75)
    assert told.crossings == [Crossing("zone_1", "forward", T + 1_123_000)]
    assert told.box == passage.box
    assert (told.direction, told.speed) == (passage.direction, passage.speed)
    assert (told.model, told.vector_kind) == ("nanodet", "stripes-1")
    assert told.crop is not None
    assert (told.crop.store_key, told.crop.offset, told.crop.size_bytes) == (
        "crops/cam_a/one.jpgs", 0, 10,
    )  # fmt: skip


async def test_a_line_is_crossed_in_one_direction(index: Index) -> None:
    rightwards, leftwards = a_passage(), a_passage(path=list(reversed_path()))
    index.add(rightwards, leftwards)
    upright = ((0.5, 1.0), (0.5, 0.0))

    async def over(line: Line) -> set[int]:
        query = PassageQuery(T, T + S, camera_ids=["cam_a"], line=line)
        async with index.reader.connect() as connection:
            return {one.passage.id for one in await search_passages(connection, query, 10)}

    # Who walks up along the line has the left edge of the picture on the left hand.
    assert await over(Line(*upright, "forward")) == {rightwards.id}
    assert await over(Line(*upright, "backward")) == {leftwards.id}
    assert await over(Line(*upright)) == {rightwards.id, leftwards.id}
    assert await over(Line((0.5, 0.0), (0.5, 0.4))) == set()  # It ends above their feet.


async def test_a_region_is_entered_even_between_two_points_of_a_path(index: Index) -> None:
    passage = a_passage()  # From 0.15 to 0.75 across, at half the height.
    index.add(passage)

    async def within(*points: tuple[float, float]) -> int:
        query = PassageQuery(T, T + S, camera_ids=["cam_a"], region=Region(points))
        async with index.reader.connect() as connection:
            return len(await search_passages(connection, query, 10))

    assert await within((0.4, 0.4), (0.5, 0.4), (0.5, 0.6), (0.4, 0.6)) == 1
    assert await within((0.1, 0.4), (0.2, 0.4), (0.2, 0.6), (0.1, 0.6)) == 1
    assert await within((0.4, 0.6), (0.5, 0.6), (0.5, 0.9), (0.4, 0.9)) == 0
    assert await within((0.8, 0.4), (0.9, 0.4), (0.9, 0.6), (0.8, 0.6)) == 0


async def test_what_is_drawn_is_not_compared_on_the_loop(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(a_passage(), a_passage())
    threads: list[int] = []
    meets = index_query.meets

    def watched(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return meets(*arguments)

    monkeypatch.setattr(index_query, "meets", watched)
    region = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    query = PassageQuery(T, T + S, camera_ids=["cam_a"], region=region)
    async with index.reader.connect() as connection:
        assert len(await search_passages(connection, query, 10)) == 2
    # All that were found at once.
    assert len(threads) == 1 and threads[0] != threading.get_ident()


def test_what_is_drawn_needs_its_camera() -> None:
    with pytest.raises(ValueError, match="exactly one camera"):
        PassageQuery(T, T + S, line=Line((0, 0), (1, 1)))
    with pytest.raises(ValueError, match="exactly one camera"):
        PassageQuery(T, T + S, camera_ids=["a", "b"], line=Line((0, 0), (1, 1)))


def reversed_path() -> Iterator[Any]:
    from search.passages import PathPoint

    yield PathPoint(0, 0.7, 0.1, 0.8, 0.5)
    yield PathPoint(5000, 0.1, 0.1, 0.2, 0.5)
