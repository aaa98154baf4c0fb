"""Local times of China."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181 import local_time

MIDNIGHT_US = 1_769_875_200_000_000  # 2026-02-01T00:00:00+08:00


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-01T00:00:00",
        "2026-02-01 00:00:00",
        "2026-02-01T00:00:00.000",
        "2026-02-01T00:00:00+08:00",
        "2026-01-31T16:00:00Z",
        "20260201T000000",
    ],
)
def test_time_without_a_zone_is_chinas(text: str) -> None:
    assert local_time.parse_us(text) == MIDNIGHT_US


@pytest.mark.parametrize("text", ["", "now", "2026-13-01T00:00:00", "0001-01-01T00:00:00" * 9])
def test_what_is_no_time_is_none(text: str) -> None:
    assert local_time.parse_us(text) is None


@given(st.integers(0, 4_000_000_000))
def test_what_is_written_is_read_again(at_s: int) -> None:
    assert local_time.parse_us(local_time.format_us(at_s * 1_000_000)) == at_s * 1_000_000


def test_time_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(ValueError, match="calendar"):
        local_time.format_us(10**18)
