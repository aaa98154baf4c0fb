"""Plates as people look for them, where a character could not be read."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from search.index.asking import _fits
from search.index.tables import passage_plates
from search.plates import PatternError, fold, matches, read_pattern, written


def test_a_character_that_was_not_read_keeps_its_place() -> None:
    assert written("鄂h·12?45") == "鄂H12?45"
    assert written("?·-?") == ""


@pytest.mark.parametrize(
    ("wanted", "infix", "found"),
    [
        ("鄂H12345", False, True),
        ("鄂H12845", False, True),
        ("鄂H12346", False, False),
        ("12345", True, True),
        ("12999", True, False),
        ("鄂H12?45", False, True),
        ("鄂H*45", False, True),
        ("鄂H12345678", False, False),
    ],
)
def test_who_lets_look_alikes_count_finds_it_by_any_character(
    wanted: str, infix: bool, found: bool
) -> None:
    pattern = read_pattern(wanted, infix=infix, look_alikes=True)
    assert matches(pattern, "鄂H12?45") is found


def test_to_the_letter_it_is_found_by_what_was_read_alone() -> None:
    assert not matches(read_pattern("鄂H12345"), "鄂H12?45")
    assert matches(read_pattern("鄂H12?45"), "鄂H12?45")
    assert matches(read_pattern("H12", infix=True), "鄂H12?45")


def test_a_pattern_of_nothing_is_none() -> None:
    with pytest.raises(PatternError):
        read_pattern("???")


@given(
    st.lists(st.text("鄂H0O8B1?", min_size=1, max_size=8), min_size=1, max_size=6, unique=True),
    st.text("鄂H0O8B1?*", min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_the_database_finds_the_plates_that_fit(
    texts: list[str], wanted: str, infix: bool, look_alikes: bool
) -> None:
    try:
        pattern = read_pattern(wanted, infix=infix, look_alikes=look_alikes)
    except PatternError:
        return
    plates = [plate for plate in map(written, texts) if plate]
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        passage_plates.create(connection)
        for number, plate in enumerate(dict.fromkeys(plates)):
            connection.execute(
                passage_plates.insert().values(number=number, plate=plate, folded=fold(plate))
            )
        found = connection.scalars(sa.select(passage_plates.c.plate).where(_fits(pattern)))
        assert set(found) == {plate for plate in plates if matches(pattern, plate)}
    engine.dispose()
