"""Which picture is in which tile, by layout; how sharp; and which uplink nobody needs."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.floor import OnAir
from gateway.meetings.tiles import (
    UNWANTED_AFTER_MS,
    Layout,
    Placed,
    Sight,
    Tile,
    Uplinks,
    arrange,
    layer_for,
)

_CAMERAS = {Sight(one, "camera") for one in "abcdef"}


def _shown(placed: list[Placed]) -> dict[str, str]:
    return {one.slot: one.sight.participant_id for one in placed}


def _tile(slot: str, who: str | None, height_px: int = 180) -> Tile:
    return Tile(slot, who, "camera", height_px)


def test_in_the_speaker_layout_a_site_sees_the_program_whatever_it_wishes() -> None:
    program = [OnAir("a", "camera", "floor"), OnAir("c", "camera", "chair")]
    tiles = [_tile("1", "d"), _tile("2", "e", 720)]
    assert _shown(arrange(tiles, "speaker", program, _CAMERAS, "b")) == {"2": "a"}
    # The speaker, who cannot look at themselves, sees the chair.
    assert _shown(arrange(tiles, "speaker", program, _CAMERAS, "a")) == {"2": "c"}


def test_a_screen_without_a_page_shows_somebody_as_long_as_anybody_is_there() -> None:
    tiles = [_tile("picture", None, 1080)]
    others = [Sight(one, "camera") for one in "zbc"]
    alone = [OnAir("b", "camera", "speaker")]
    for program, own, seen in (
        (alone, "b", {"picture": "c"}),  # who is the program itself; z has left
        (alone, "d", {"picture": "b"}),
        ([], "d", {"picture": "b"}),
        ([OnAir("e", "camera", "chair")], "b", {"picture": "e"}),
    ):
        placed = arrange(tiles, "speaker", program, _CAMERAS, own, otherwise=others)
        assert _shown(placed) == seen
    assert arrange(tiles, "speaker", alone, {Sight("b", "camera")}, "b", otherwise=others) == []


def test_the_chairs_desk_looks_where_it_likes() -> None:
    program = [OnAir("a", "camera", "pinned")]
    tiles = [_tile("1", "d"), _tile("2", "e", 720)]
    placed = arrange(tiles, "speaker", program, _CAMERAS, "b", looks_freely=True)
    assert _shown(placed) == {"1": "d", "2": "e"}


def test_speaker_and_grid_has_the_program_large_and_the_others_as_wished() -> None:
    program = [OnAir("a", "camera", "speaker")]
    tiles = [_tile("main", None, 720), _tile("1", "a"), _tile("2", "d")]
    placed = arrange(tiles, "speaker_grid", program, _CAMERAS, "b")
    assert _shown(placed) == {"1": "a", "2": "d"}, "one picture is not sent twice"
    placed = arrange([tiles[0], tiles[2]], "speaker_grid", program, _CAMERAS, "b")
    assert _shown(placed) == {"main": "a", "2": "d"}


def test_what_is_on_everybodys_screen_takes_the_largest_tile_of_a_grid_without_it() -> None:
    program = [OnAir("a", "camera", "pinned")]
    tiles = [_tile("1", "d"), _tile("2", "e", 360)]
    assert _shown(arrange(tiles, "grid", program, _CAMERAS, "b")) == {"1": "d", "2": "a"}
    tiles = [_tile("1", "a"), _tile("2", "e", 360)]
    assert _shown(arrange(tiles, "grid", program, _CAMERAS, "b")) == {"1": "a", "2": "e"}


def test_somebody_who_merely_speaks_takes_nobodys_tile() -> None:
    program = [OnAir("a", "camera", "speaker")]
    placed = arrange([_tile("1", "d"), _tile("2", "e")], "grid", program, _CAMERAS, "b")
    assert _shown(placed) == {"1": "d", "2": "e"}


def test_beside_a_shared_screen_stands_who_speaks_to_it() -> None:
    program = [
        OnAir("a", "screen", "screen"),
        OnAir("a", "camera", "floor"),
        OnAir("c", "camera", "chair"),
    ]
    visible = _CAMERAS | {Sight("a", "screen")}
    tiles = [_tile("small", None), _tile("large", None, 1080), _tile("more", None, 90)]
    placed = arrange(tiles, "screen", program, visible, "b")
    assert {one.slot: one.sight for one in placed} == {
        "large": Sight("a", "screen"),
        "small": Sight("a", "camera"),
    }


_IDS = st.sampled_from("abcdef")
_PICTURES = st.sampled_from(["camera", "screen"])


@given(
    st.lists(
        st.builds(
            Tile, st.text("0123456789", min_size=1, max_size=2), st.none() | _IDS, _PICTURES,
            st.integers(1, 2160),
        ),
        unique_by=lambda tile: tile.slot,
        max_size=25,
    ),
    st.sampled_from(get_args(Layout)),
    st.lists(
        st.builds(OnAir, _IDS, _PICTURES, st.sampled_from(["pinned", "floor", "speaker"])),
        max_size=4,
    ),
    st.sets(st.builds(Sight, _IDS, _PICTURES)),
    _IDS,
    st.booleans(),
)  # fmt: skip
def test_nothing_is_shown_twice_nor_to_itself_nor_unseen(
    tiles: list[Tile],
    layout: Layout,
    program: list[OnAir],
    visible: set[Sight],
    own_id: str,
    looks_freely: bool,
) -> None:
    placed = arrange(tiles, layout, program, visible, own_id, looks_freely=looks_freely)
    sights = [one.sight for one in placed]
    assert len(set(sights)) == len(sights) and set(sights) <= visible
    assert own_id not in {sight.participant_id for sight in sights}
    assert len({one.slot for one in placed}) == len(placed)
    assert {one.slot for one in placed} <= {tile.slot for tile in tiles}
    on = {Sight(one.participant_id, one.picture) for one in program}
    if layout in ("speaker", "screen") and not looks_freely:
        assert set(sights) <= on
    first = next(
        (s for one in program if (s := Sight(one.participant_id, one.picture)) in visible
         and one.participant_id != own_id), None,
    )  # fmt: skip
    if tiles and first is not None and layout in ("speaker", "screen") and not looks_freely:
        assert first in sights


@pytest.mark.parametrize(
    ("height_px", "expected"), [(90, "l"), (180, "l"), (216, "l"), (240, "m"), (2160, "h")]
)
def test_a_tile_gets_the_smallest_layer_that_fills_it(height_px: int, expected: str) -> None:
    assert layer_for(height_px, {"h": 720, "l": 180, "m": 360}) == expected


def test_without_layers_there_is_none_to_choose() -> None:
    assert layer_for(180, {}) is None


def test_an_uplink_outlasts_the_turning_of_a_page_and_no_longer() -> None:
    uplinks, sight = Uplinks(), Sight("a", "camera")
    assert uplinks.update([(sight, "l"), (sight, "h")], 0) == {sight: frozenset("lh")}
    assert uplinks.update([(sight, "l")], 1000) == {sight: frozenset("lh")}
    assert uplinks.update([(sight, "l")], UNWANTED_AFTER_MS) == {sight: frozenset("l")}
    uplinks.forget("a")
    assert uplinks.update([], UNWANTED_AFTER_MS + 1) == {}
