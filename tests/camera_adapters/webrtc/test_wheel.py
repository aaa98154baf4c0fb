"""The pacing wheel: everybody gets a turn, nobody holds the loop."""

from __future__ import annotations

import asyncio

import pytest

from camera_adapters.webrtc import wheel as module
from camera_adapters.webrtc.wheel import Wheel


class Sender:
    """Has ``bursts`` to send; notes who sent when in ``order``."""

    def __init__(self, name: str, bursts: int, order: list[str]) -> None:
        self.queued = False
        self._name = name
        self._bursts = bursts
        self._order = order

    def pump(self, now_s: float) -> bool:
        self._order.append(self._name)
        self._bursts -= 1
        return self._bursts > 0


async def all_sent(order: list[str], count: int) -> None:
    async with asyncio.timeout(10):
        while len(order) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_an_idle_wheel_serves_at_once() -> None:
    order: list[str] = []
    Wheel().wake([Sender("a", 1, order), Sender("b", 1, order)])
    assert order == ["a", "b"]


async def test_full_bursts_take_turns() -> None:
    order: list[str] = []
    Wheel().wake([Sender("big", 3, order), Sender("small", 1, order), Sender("other", 2, order)])
    assert order == ["big", "small", "other"]
    await all_sent(order, 6)
    assert order == ["big", "small", "other", "big", "other", "big"]


async def test_one_that_is_queued_is_not_queued_twice() -> None:
    order: list[str] = []
    wheel = Wheel()
    sender = Sender("a", 2, order)
    wheel.wake([sender])
    wheel.wake([sender])
    assert order == ["a"]
    assert sender.queued
    await all_sent(order, 2)
    assert not sender.queued


async def test_a_turn_ends_when_its_time_is_up_and_others_run_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN_S", 0.0)  # up after each one
    order: list[str] = []
    Wheel().wake([Sender(name, 1, order) for name in "abc"])
    asyncio.get_running_loop().call_soon(order.append, "loop")
    assert order == ["a"]
    await all_sent(order, 4)
    assert order[0] == "a"
    assert order.index("loop") < order.index("c")
    assert [one for one in order if one != "loop"] == ["a", "b", "c"]


async def test_whoever_wakes_while_others_wait_comes_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN_S", 0.0)
    order: list[str] = []
    wheel = Wheel()
    wheel.wake([Sender("a", 1, order), Sender("b", 1, order)])
    wheel.wake([Sender("late", 1, order)])
    assert order == ["a"]
    await all_sent(order, 3)
    assert order == ["a", "b", "late"]


async def test_many_wakes_in_one_turn_of_the_loop_share_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN_S", 0.0)
    order: list[str] = []
    wheel = Wheel()
    for name in "abc":
        wheel.wake([Sender(name, 1, order)])
    asyncio.get_running_loop().call_soon(order.append, "loop")
    assert order == ["a"]
    await all_sent(order, 4)
    assert order.index("loop") < order.index("c")
    wheel.wake([Sender("d", 1, order)])
    await all_sent(order, 5)
