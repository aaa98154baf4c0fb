"""Codes that are read out by telephone, and kept so that nobody joins by what is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.codes import code_hash, new_code

SECRET = b"secret" * 6


def test_a_code_is_known_again_however_it_is_typed() -> None:
    code = new_code()
    kept = code_hash(SECRET, "mtg_1", code)
    for typed in (code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
        assert code_hash(SECRET, "mtg_1", typed) == kept


def test_what_looks_alike_is_alike() -> None:
    assert code_hash(SECRET, "m", "OIL0U-00000") == code_hash(SECRET, "m", "0110V-00000")


def test_a_code_of_one_meeting_opens_no_other() -> None:
    code = new_code()
    assert code_hash(SECRET, "mtg_1", code) != code_hash(SECRET, "mtg_2", code)
    assert code_hash(b"other" * 8, "mtg_1", code) != code_hash(SECRET, "mtg_1", code)
    assert new_code() != code


@given(st.text(max_size=60))
def test_whatever_is_typed_has_a_hash(typed: str) -> None:
    assert len(code_hash(SECRET, "mtg_1", typed)) == 64
