"""What one sender may take: a rate of its own, and memory that all share."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.platforms.gat1400.limits import MemoryBudget, Rates


@given(st.lists(st.floats(0, 2), max_size=200))
def test_nobody_gets_more_than_their_rate(pauses_s: list[float]) -> None:
    rates = Rates(10.0, burst_s=2.0)
    now_s = allowed = 0.0
    for pause_s in pauses_s:
        now_s += pause_s
        allowed += rates.allows("a", now_s)
    assert allowed <= 20 + now_s * 10 + 1e-6
    # Another is not touched by it.
    assert rates.allows("b", now_s)


async def test_bodies_wait_for_memory_and_none_is_lost() -> None:
    budget = MemoryBudget(100)
    held = most = done = 0

    async def read(size: int) -> None:
        nonlocal held, most, done
        async with budget.hold(size):
            held += min(size, 100)
            most = max(most, held)
            await asyncio.sleep(0)
            held -= min(size, 100)
            done += 1

    sizes = [30, 60, 90, 100, 1000, 1, 50] * 10
    await asyncio.gather(*(read(size) for size in sizes))
    assert most <= 100
    assert done == len(sizes)


async def test_who_gives_up_waiting_holds_nothing() -> None:
    budget = MemoryBudget(10)
    async with budget.hold(10):
        waiting = asyncio.create_task(budget.hold(5).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5), budget.hold(10):
        pass
