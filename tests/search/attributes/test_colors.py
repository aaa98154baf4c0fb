"""Names of colours, and how sure of them one may be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from search.attributes.color_judging import ColorSeen, judge_color, light_of
from search.attributes.color_names import NAMES, shares_of_names
from search.passages import Color


def _called(red: int, green: int, blue: int) -> Color:
    pixel = np.array([[blue, green, red]], np.uint8)
    return Color(int(shares_of_names(pixel, np.ones(1, np.float32)).argmax()))


@pytest.mark.parametrize(
    ("rgb", "color"),
    [
        ((12, 12, 12), Color.BLACK),
        ((245, 245, 245), Color.WHITE),
        ((128, 128, 128), Color.GREY),
        ((200, 20, 30), Color.RED),
        ((110, 20, 25), Color.RED),
        ((20, 60, 200), Color.BLUE),
        ((70, 90, 125), Color.BLUE),  # denim
        ((120, 180, 230), Color.BLUE),
        ((245, 215, 20), Color.YELLOW),
        ((240, 130, 20), Color.ORANGE),
        ((120, 65, 10), Color.ORANGE),  # the same in the shade
        ((100, 60, 30), Color.BROWN),
        ((190, 150, 110), Color.BROWN),
        ((30, 140, 50), Color.GREEN),
        ((85, 95, 45), Color.GREEN),
        ((110, 40, 140), Color.PURPLE),
        ((40, 190, 200), Color.CYAN),
        ((245, 160, 180), Color.PINK),
    ],
)
def test_colors_have_the_names_that_people_give_them(
    rgb: tuple[int, int, int], color: Color
) -> None:
    assert _called(*rgb) is color


@given(
    st.integers(1, 40).flatmap(
        lambda count: st.tuples(
            arrays.arrays(np.uint8, (count, 3)),
            arrays.arrays(np.float32, count, elements=st.floats(0, 1, width=32)),
        )
    )
)
def test_shares_are_shares(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, weights = drawn
    shares = shares_of_names(pixels, weights)
    assert shares.shape == (NAMES,)
    assert (shares >= -1e-6).all()
    assert shares[Color.UNKNOWN] == 0
    assert float(shares.sum()) == pytest.approx(1 if weights.sum() > 0 else 0, abs=1e-3)


def _seen(weight: float = 1.0, **shares: float) -> ColorSeen:
    held = np.zeros(NAMES, np.float32)
    for name, share in shares.items():
        held[Color[name]] = share
    return ColorSeen(held, weight)


def test_a_color_of_every_picture_is_surer_than_one_of_half_of_them() -> None:
    always = judge_color([_seen(RED=0.7, GREY=0.3)] * 4)
    sometimes = judge_color([_seen(RED=0.9, GREY=0.1), _seen(RED=0.45, GREY=0.55)] * 2)
    assert always.color is sometimes.color is Color.RED
    assert always.confidence > sometimes.confidence


def test_the_other_of_two_colors_is_named() -> None:
    found = judge_color([_seen(ORANGE=0.55, RED=0.45)])
    assert (found.color, found.second) == (Color.ORANGE, Color.RED)
    assert judge_color([_seen(ORANGE=0.95, RED=0.05)]).second is None


def test_small_and_dim_pictures_make_it_less_sure() -> None:
    assert (
        judge_color([_seen(0.2, RED=1.0)]).confidence
        < judge_color([_seen(1.0, RED=1.0)]).confidence
    )


def test_what_nothing_speaks_for_is_unknown() -> None:
    assert judge_color([]).color is Color.UNKNOWN
    assert judge_color([_seen(0.0, RED=1.0)]) == judge_color([])
    assert judge_color([_seen()]).confidence == 0


@given(
    st.lists(
        st.tuples(
            arrays.arrays(np.float32, NAMES, elements=st.floats(0, 1, width=32)), st.floats(0, 1)
        ),
        max_size=6,
    )
)
def test_a_confidence_is_a_share(seen: list[tuple[np.ndarray, float]]) -> None:
    found = judge_color([ColorSeen(shares, weight) for shares, weight in seen])
    assert 0 <= found.confidence < 1
    assert found.second is not found.color


def test_there_is_no_light_in_a_dark_crop() -> None:
    assert light_of(np.full((50, 20, 3), 25, np.uint8)) == 0
    assert light_of(np.full((50, 20, 3), 200, np.uint8)) == 1
