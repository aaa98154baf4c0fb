"""Playing what a device keeps: fetched ahead of the player, shared, ended when nobody plays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.control.channel import ControlError
from gateway.fetching import borrowing
from gateway.fetching.borrowing import Borrowing
from tests.gateway.fetching.conftest import CAMERA, SECRET, Place, place  # noqa: F401
from tests.gateway.fetching.made import SECOND
from tests.recorder.made import START_US

END_US = START_US + 3600 * SECOND


@pytest.fixture
def lending(place: Place) -> Borrowing:  # noqa: F811
    return Borrowing(place.engine, place.maker("borrowed"), secret=SECRET, owner="shard-1")


def at(second: int) -> int:
    return START_US + second * SECOND


async def until(
    ask: Callable[[], Awaitable[dict[str, Any]]], done: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while not done(answer := await ask()):  # noqa: ASYNC110  # a player asks again and again
            await asyncio.sleep(0.01)
    return answer


async def test_what_is_played_is_fetched_from_a_little_before_it_on(
    place: Place,  # noqa: F811
    lending: Borrowing,
) -> None:
    first = await lending.borrow(CAMERA, at(100), at(120))
    assert first["state"] == "fetching"
    fetched = await until(
        lambda: lending.borrow(CAMERA, at(100), at(120)), lambda one: one["state"] == "fetched"
    )
    assert fetched["until_us"] == at(120)
    filed = await place.filed("borrowed")
    assert (filed[0][0], filed[-1][1]) == (97, 120)


async def test_the_second_viewer_finds_what_the_first_one_fetches(
    place: Place,  # noqa: F811
    lending: Borrowing,
) -> None:
    await lending.borrow(CAMERA, at(100), END_US)
    await lending.borrow(CAMERA, at(105), END_US)
    await until(
        lambda: lending.borrow(CAMERA, at(100), END_US), lambda one: one["state"] == "fetched"
    )
    assert len(place.device.played) == 1


async def test_two_who_ask_at_once_are_one_session(
    place: Place,  # noqa: F811
    lending: Borrowing,
) -> None:
    await asyncio.gather(*(lending.borrow(CAMERA, at(100), at(110)) for _ in range(5)))
    await until(
        lambda: lending.borrow(CAMERA, at(100), at(110)), lambda one: one["state"] == "fetched"
    )
    assert len(place.device.played) == 1


async def test_seeking_begins_another_stretch_that_ends_where_a_running_one_begins(
    place: Place,  # noqa: F811
    lending: Borrowing,
) -> None:
    place.device.gate.clear()
    await lending.borrow(CAMERA, at(300), END_US)
    earlier = await lending.borrow(CAMERA, at(200), END_US)
    assert earlier["end_us"] == at(297)
    place.device.gate.set()
    await lending.close()


async def test_of_many_seeks_the_one_longest_not_asked_for_gives_way(
    place: Place,  # noqa: F811
    lending: Borrowing,
) -> None:
    place.device.gate.clear()
    for second in (1000, 100, 2000, 3000):
        await lending.borrow(CAMERA, at(second), END_US)
        await asyncio.sleep(0)
    assert len(lending._running(lending._stretches[CAMERA])) == 2
    place.device.gate.set()
    await lending.close()


async def test_when_nobody_plays_any_more_the_session_ends(
    place: Place,  # noqa: F811
    lending: Borrowing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(borrowing, "IDLE_S", 0.02)
    place.device.gate.clear()
    await lending.borrow(CAMERA, at(100), END_US)
    (stretch,) = lending._stretches[CAMERA]
    watching = asyncio.create_task(lending.run())
    assert stretch.task is not None
    await asyncio.wait((stretch.task,), timeout=30)
    assert stretch.task.cancelled()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_device_that_has_nothing_there_says_so(
    place: Place,  # noqa: F811
    lending: Borrowing,
) -> None:
    place.device.holds = []
    answer = await until(
        lambda: lending.borrow(CAMERA, at(100), END_US), lambda one: one["state"] != "fetching"
    )
    assert answer["state"] == "nothing"


async def test_a_failure_is_told_and_tried_again_after_a_while(
    place: Place,  # noqa: F811
    lending: Borrowing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place.device.breaks_at_s = 99
    answer = await until(
        lambda: lending.borrow(CAMERA, at(100), at(120)), lambda one: one["state"] != "fetching"
    )
    assert (answer["state"], answer["fault"]) == ("failed", "lost")
    assert (await lending.borrow(CAMERA, at(100), at(120)))["state"] == "failed"
    monkeypatch.setattr(borrowing, "_FAILED_S", 0.0)
    place.device.breaks_at_s = None
    await until(
        lambda: lending.borrow(CAMERA, at(100), at(120)), lambda one: one["state"] == "fetched"
    )


async def test_a_camera_that_no_device_brings_is_refused(lending: Borrowing) -> None:
    with pytest.raises(ControlError) as refused:
        await lending.borrow("cam_unknown", at(100), END_US)
    assert refused.value.code == "not_found"
