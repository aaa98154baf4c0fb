"""When something was left in a region, and when it was taken, from recorded footage."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from gateway.control.channel import ControlError
from gateway.footage import change
from gateway.footage.change import ChangeSearches
from tests.gateway.footage.conftest import CAMERA, START_US, World
from tests.search.left_and_taken import LEFT_S, REGION, TAKEN_S, left_and_taken


@pytest.fixture(scope="module")
def day() -> Any:
    return left_and_taken()


@pytest.fixture
async def searches(world: World) -> AsyncIterator[ChangeSearches]:
    found = ChangeSearches(world.server.reader)
    yield found
    await found.close()


async def lines_of(
    searches: ChangeSearches, start_s: float = 0, end_s: float = 72, points: Any = REGION
) -> list[dict[str, Any]]:
    start_us, end_us = (START_US + round(one * 1e6) for one in (start_s, end_s))
    found = searches.find(CAMERA, start_us, end_us, points)
    return [line async for line in found]


def moments_of(lines: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    return [
        (line["kind"], (line["at_us"] - START_US) / 1e6, (line["after_us"] - START_US) / 1e6)
        for line in lines
        if line["type"] == "moment"
    ]


async def test_a_bag_is_left_and_taken(world: World, searches: ChangeSearches, day: Any) -> None:
    track, units = day
    await world.record((track,), units)
    lines = await lines_of(searches)
    (left, left_s, _), (taken, taken_s, gone_s) = moments_of(lines)
    assert (left, taken) == ("appeared", "gone")
    assert abs(left_s - LEFT_S) <= 0.3
    # Its taker comes in front of it a second before it is gone.
    assert TAKEN_S - 1.5 <= taken_s <= TAKEN_S + 0.3
    assert TAKEN_S <= gone_s <= TAKEN_S + 4
    assert [line["done_us"] for line in lines if line["type"] == "progress"][-1] <= (
        START_US + 72_000_000
    )
    assert lines[-1] == {"type": "end", "looks": 36}


async def test_what_there_is_no_footage_of_is_said(
    world: World, searches: ChangeSearches, day: Any
) -> None:
    track, units = day
    await world.record((track,), units[:200])
    lines = await lines_of(searches, -10, 40)
    gaps = [line for line in lines if line["type"] == "gap"]
    assert sum(gap["end_us"] - gap["start_us"] for gap in gaps) == 30_000_000
    assert {gap["start_us"] for gap in gaps} == {START_US - 10_000_000, START_US + 20_000_000}


async def test_what_cannot_be_read_is_said_and_the_rest_is_searched(
    world: World, searches: ChangeSearches, day: Any
) -> None:
    track, units = day
    await world.record((track,), units)
    items = await world.server.reader.between(CAMERA, "main", START_US, START_US + 72_000_000)
    (world.settings.store_directory / items[1].segment.store_key).unlink()
    lines = await lines_of(searches)
    (gap,) = [line for line in lines if line["type"] == "gap"]
    assert gap["cause"] == "unreadable"
    assert gap["start_us"] == items[1].segment.effective_start_us
    assert [kind for kind, _, _ in moments_of(lines)] == ["appeared", "gone"]


async def test_a_decoder_that_dies_is_started_again(
    world: World, searches: ChangeSearches, day: Any
) -> None:
    track, units = day
    await world.record((track,), units)
    with pytest.raises(change.FootageUnreadable):
        await searches._run(os._exit, 3)
    assert len(moments_of(await lines_of(searches))) == 2


async def test_who_goes_away_ends_the_search(
    world: World, searches: ChangeSearches, day: Any
) -> None:
    track, units = day
    await world.record((track,), units)
    for _ in range(change.AT_ONCE + 1):
        found = searches.find(CAMERA, START_US, START_US + 72_000_000, REGION)
        async with aclosing(found) as lines:  # type: ignore[type-var]
            assert (await anext(lines))["type"] == "progress"
    assert not searches._turns.locked()


@pytest.mark.parametrize(
    ("end_s", "points"),
    [(0, REGION), (9e6, REGION), (10, [[0, 0], [1, 1]]), (10, [[0, 0], [1], [2, 2]]), (10, [1])],
)
async def test_what_makes_no_sense_is_refused(
    searches: ChangeSearches, end_s: float, points: Any
) -> None:
    with pytest.raises(ControlError) as refused:
        await lines_of(searches, 0, end_s, points)
    assert refused.value.code == "invalid"


def _half_an_answer(answering: Path) -> None:
    """In a process of the pool: what one leaves that is killed while it writes its answer."""
    answers = sys._getframe(1).f_locals["result_queue"]._writer
    os.write(answers.fileno(), struct.pack("!i", 1000) + b"half")
    answering.touch()
    signal.pause()


def test_a_process_killed_within_its_answer_holds_up_nothing(tmp_path: Path) -> None:
    processes = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    answering = tmp_path / "answering"
    processes.submit(_half_an_answer, answering)
    while not answering.exists():
        time.sleep(0.01)
    ending = threading.Thread(target=change._end, args=(processes,), daemon=True)
    ending.start()
    ending.join(60)
    assert not ending.is_alive()
