"""What waits for who detects objects is bounded, and whatever is dropped of it is told."""

from __future__ import annotations

import itertools
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Track, Variant
from gateway.shard import analysis_tap
from gateway.shard.analysis_tap import AnalysisTap
from search.sampling import gop_gate

TRACKS = (Track("video", Codec.H264, 90_000),)
STEP_US = 40_000
GONE = Interruption(GapCause.CAMERA_OFFLINE, "gone")
FOR_EVER = 1 << 62
_WALL_US = 5


def unit(number: int, *, keyframe: bool = False, size: int = 10) -> AccessUnit:
    return AccessUnit(0, b"x" * size, number * 3600, number * 3600, keyframe, number * STEP_US)


def started(skipped: dict[str, Any] | None = None) -> AnalysisTap:
    tap = AnalysisTap(Variant.MAIN, skipped)
    tap.on_run_started(TRACKS)
    tap.gate.hold_open(FOR_EVER)
    return tap


async def taken(tap: AnalysisTap) -> list[dict[str, Any]]:
    """All that waits."""
    messages = []
    while tap._messages or tap._units:
        message = await tap.take()
        assert message is not None
        messages.append(message)
    return messages


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis_tap, "_WAITING_UNITS_LIMIT", 4)


async def test_what_is_dropped_before_a_new_run_is_told_before_it() -> None:
    tap = started()
    for number in range(7):
        tap.on_access_unit(unit(number, keyframe=number == 0))
    tap.on_run_started(TRACKS)
    told = await taken(tap)
    assert [one["type"] for one in told] == ["run", "skipped", "run"]
    assert told[1] == {"type": "skipped", "units": 7, "start_us": 0, "end_us": 6 * STEP_US + 1}


async def test_what_is_dropped_before_an_interruption_is_not_told_of_the_time_after() -> None:
    tap = started()
    for number in range(7):
        tap.on_access_unit(unit(number, keyframe=number == 0))
    tap.on_interrupted(GONE)
    tap.on_access_unit(unit(100))
    tap.on_access_unit(unit(101, keyframe=True))
    told = await taken(tap)
    assert [one["type"] for one in told] == ["run", "skipped", "interrupted", "skipped", "units"]
    assert told[1]["end_us"] == 6 * STEP_US + 1
    assert (told[3]["units"], told[3]["start_us"]) == (1, 100 * STEP_US)


async def test_who_changes_to_another_stream_says_what_waited_of_the_first() -> None:
    tap = started()
    for number in range(3):
        tap.on_access_unit(unit(number, keyframe=number == 0))
    tap.on_interrupted(GONE)
    given_up = tap.give_up()
    assert given_up == {"type": "skipped", "units": 3, "start_us": 0, "end_us": 2 * STEP_US + 1}
    assert (await taken(started(given_up)))[0] == given_up
    assert started().give_up() is None


async def test_what_moves_in_a_group_too_long_to_be_kept_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gop_gate, "PENDING_UNITS_LIMIT", 20)
    tap = AnalysisTap(Variant.MAIN, None)
    tap.on_run_started(TRACKS)
    for number in range(200):
        tap.on_access_unit(unit(number, keyframe=number == 0, size=500))
        await taken(tap)
    assert tap.gate.outgrown == 1
    # As long as nothing moves nothing is missed.
    tap.on_access_unit(unit(200, keyframe=True, size=500))
    assert [one["type"] for one in await taken(tap)] == ["units"]
    for number in range(201, 300):
        tap.on_access_unit(unit(number, size=500))
    for number in range(300, 330):
        tap.on_access_unit(unit(number, size=9000))
    tap.on_access_unit(unit(330, keyframe=True, size=500))
    skipped, units = await taken(tap)
    assert skipped["type"] == "skipped" and units["type"] == "units"
    assert 300 * STEP_US <= skipped["start_us"] < 310 * STEP_US
    assert skipped["end_us"] == 330 * STEP_US


@given(st.lists(st.sampled_from(["key", "next", "next", "next", "run", "interrupted", "take"])))
async def test_every_picture_is_sent_or_told_as_dropped(steps: list[str]) -> None:
    with patch.object(analysis_tap, "_SAID_LIMIT", 3):
        tap, told, handed_on = started(), [], []
        for number, step in enumerate(steps):
            match step:
                case "key" | "next":
                    tap.on_access_unit(unit(number, keyframe=step == "key"))
                    handed_on.append(number * STEP_US)
                case "run":
                    tap.on_run_started(TRACKS)
                case "interrupted":
                    tap.on_interrupted(GONE)
                case _:
                    told += await taken(tap)
        tap.on_closed()
        told += await taken(tap)
    assert await tap.take() is None
    sent = [one for message in told if message["type"] == "units" for one in message["units"]]
    skipped = [message for message in told if message["type"] == "skipped"]
    assert len(sent) + sum(one["units"] for one in skipped) == len(handed_on)
    times = {one[_WALL_US] for one in sent}
    for at_us in handed_on:
        assert at_us in times or any(one["start_us"] <= at_us < one["end_us"] for one in skipped)
    for before, after in itertools.pairwise(told):
        if before["type"] != "units" and after["type"] == "units":
            assert after["units"][0][4] or before["type"] == "interrupted"
