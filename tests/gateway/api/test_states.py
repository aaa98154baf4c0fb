"""Which changes of a camera's state are worth a message to every browser."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.states import is_news

LIVE: dict[str, Any] = {
    "state": "live",
    "bitrate_bps": 2_000_000,
    "frames_per_second": 25.0,
    "viewers": 1,
}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "offline"},
        {"viewers": 2},
        {"cause": "camera_offline"},
        {"bitrate_bps": 1_400_000},
        {"bitrate_bps": None},
        {"frames_per_second": 12.5},
    ],
)
def test_facts_and_great_moves_are_news(change: dict[str, Any]) -> None:
    assert is_news(LIVE, LIVE | change)


@pytest.mark.parametrize("change", [{}, {"bitrate_bps": 2_300_000}, {"frames_per_second": 24.8}])
def test_tremors_are_not(change: dict[str, Any]) -> None:
    assert not is_news(LIVE, LIVE | change)


def test_a_slow_drift_is_told_in_the_end() -> None:
    told, messages = LIVE, 0
    for bitrate in range(2_000_000, 4_000_000, 10_000):
        state = LIVE | {"bitrate_bps": bitrate}
        if is_news(told, state):
            told = state
            messages += 1
    assert 2 <= messages <= 5


def test_the_first_state_is_news() -> None:
    assert is_news(None, LIVE)
