"""The vocabulary of what devices tell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.device_events import (
    DETAIL_CHARACTERS_LIMIT,
    DETAIL_ENTRIES_LIMIT,
    bounded_detail,
)


@given(st.dictionaries(st.text(max_size=400), st.text(max_size=400), max_size=40))
def test_what_a_device_adds_is_bounded_and_printable(pairs: dict[str, str]) -> None:
    kept = bounded_detail(pairs)
    assert len(kept) <= DETAIL_ENTRIES_LIMIT
    for text in (*kept, *kept.values()):
        assert len(text) <= DETAIL_CHARACTERS_LIMIT
        assert text.isprintable()


def test_short_entries_are_kept_as_they_are() -> None:
    assert bounded_detail({"规则": "东门越界", "region": "1"}) == {
        "规则": "东门越界",
        "region": "1",
    }
