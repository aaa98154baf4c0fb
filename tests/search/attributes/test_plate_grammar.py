"""What may stand on a Chinese plate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.attributes.plates.agreement import UNREAD, Vote, agree
from search.attributes.plates.grammar import ALPHABET, FORMS, form_of
from search.attributes.plates.reading import Reading


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("鄂H12345", "ordinary"),
        ("鄂H1A2B3", "ordinary"),
        ("鄂H1234学", "suffixed"),
        ("鄂H1234警", "suffixed"),
        ("鄂H1234挂", "suffixed"),
        ("粤Z1234港", "suffixed"),
        ("粤Z1234澳", "suffixed"),
        ("沪A1234领", "suffixed"),
        ("鄂HD12345", "new_energy_small"),
        ("鄂H12345F", "new_energy_large"),
        ("114578使", "embassy"),
        ("鄂H1234", None),
        ("H123456", None),
        ("鄂H123456", None),
        ("鄂112345", None),
        ("鄂HI2345", None),
        ("", None),
    ],
)
def test_forms_of_plates(text: str, form: str | None) -> None:
    assert form_of(text) == form


def test_every_character_of_the_trained_reader_is_in_the_alphabet() -> None:
    from search.attributes.plates import reading

    known = (reading._MODELS / "clp_dict.txt").read_text(encoding="utf-8").split()
    assert set(known) == set(ALPHABET)


def _reading(text: str, sure: float = 1.0, reader: str = "clp") -> Reading:
    characters = np.zeros((len(text), len(ALPHABET)), np.float32)
    for row, character in zip(characters, text, strict=True):
        row[ALPHABET.index(character)] = sure
    return Reading(characters, reader)


def _votes(*texts: str, reader: str = "clp") -> list[Vote]:
    return [Vote(_reading(text, reader=reader), 1.0, picture) for picture, text in enumerate(texts)]


def test_one_reading_is_no_plate_however_sure_it_is() -> None:
    assert agree(_votes("鄂H12345")) is None


def test_one_picture_that_both_readers_read_alike_is_a_doubtful_plate() -> None:
    votes = [Vote(_reading("鄂H12345", reader=one), 1.0, 0) for one in ("clp", "ppocr")]
    agreed = agree(votes)
    assert agreed is not None
    assert (agreed.text, agreed.pictures) == ("鄂H12345", 1)
    assert agreed.confidence <= 0.6


def test_one_picture_that_they_read_differently_is_none() -> None:
    one, other = _reading("鄂H12345"), _reading("鄂H12346", reader="ppocr")
    assert agree([Vote(one, 1.0, 0), Vote(other, 1.0, 0)]) is None


def test_pictures_that_agree_outvote_one_that_does_not() -> None:
    agreed = agree(_votes("鄂H12345", "鄂H12345", "鄂H12845", "鄂H12345"))
    assert agreed is not None
    assert agreed.text == "鄂H12345"
    unanimous = agree(_votes("鄂H12345", "鄂H12345", "鄂H12345", "鄂H12345"))
    assert unanimous is not None
    assert unanimous.confidence > agreed.confidence


def test_more_pictures_make_it_surer() -> None:
    sure = [agree(_votes(*["鄂H12345"] * count)) for count in (2, 3, 5)]
    confidences = [one.confidence for one in sure if one is not None]
    assert confidences == sorted(set(confidences))
    assert len(confidences) == 3


def test_the_one_character_on_which_they_disagree_is_said_to_be_unread() -> None:
    agreed = agree(_votes("鄂H12345", "鄂H12845", "鄂H12345", "鄂H12845"))
    assert agreed is not None
    assert agreed.text == f"鄂H12{UNREAD}45"
    assert agreed.confidence < 0.8


def test_pictures_that_say_different_things_say_nothing() -> None:
    assert agree(_votes("鄂H12345", "湘A98761", "京B55555", "川C70707")) is None


def test_what_no_plate_says_is_not_believed() -> None:
    assert agree(_votes("1234567", "1234567", "1234567")) is None


def test_a_character_that_may_not_stand_there_gives_way_to_one_that_may() -> None:
    # A two-line trailer's 挂 is read as 桂 by who knows provinces best.
    doubtful = _reading("鄂H1234桂")
    doubtful.characters[6, ALPHABET.index("挂")] = 0.9
    doubtful.characters[6, ALPHABET.index("桂")] = 0.1
    agreed = agree([Vote(doubtful, 1.0, picture) for picture in range(4)])
    assert agreed is not None
    assert agreed.text == "鄂H1234挂"


@pytest.mark.parametrize("text", ["HELL012", "1234567", "XXH1234"])
def test_other_writing_is_no_plate_with_a_character_unread(text: str) -> None:
    assert agree(_votes(text, text, text)) is None


@given(
    st.lists(
        st.tuples(st.text(ALPHABET, max_size=9), st.floats(0, 1), st.integers(0, 4)), max_size=10
    )
)
def test_whatever_is_read_a_plate_has_a_form_and_a_confidence(
    heard: list[tuple[str, float, int]],
) -> None:
    agreed = agree([Vote(_reading(text), weight, picture) for text, weight, picture in heard])
    if agreed is not None:
        assert 0.5 <= agreed.confidence <= 1
        assert agreed.text.count(UNREAD) <= 1
        form = next(one for one in FORMS if one.name == agreed.form)
        for row, character in zip(form.mask, agreed.text, strict=True):
            assert character == UNREAD or row[ALPHABET.index(character)]
