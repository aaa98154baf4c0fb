"""Cameras are connected to a hundred at a time, in the order of asking."""

from __future__ import annotations

import asyncio

import pytest

from camera_adapters import starting_turns as module
from camera_adapters.starting_turns import Turn, starting_turns


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    monkeypatch.setattr(module, "LONGEST_S", 60.0)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_next_begins_when_one_has_ended_and_once_only() -> None:
    turns = starting_turns(asyncio.get_running_loop())
    first, second = await turns.take(), await turns.take()
    waiting = [asyncio.create_task(turns.take()) for _ in range(3)]
    await settle()
    assert [task.done() for task in waiting] == [False, False, False]
    first.end()
    first.end()
    await settle()
    assert [task.done() for task in waiting] == [True, False, False]
    second.end()
    await settle()
    assert [task.done() for task in waiting] == [True, True, False]
    for task in waiting:
        (await task).end()
    assert not module._by_loop


async def test_who_gives_up_waiting_takes_nobody_s_turn() -> None:
    turns = starting_turns(asyncio.get_running_loop())
    held = [await turns.take(), await turns.take()]
    gone, also_gone = (asyncio.create_task(turns.take()) for _ in range(2))
    last = asyncio.create_task(turns.take())
    await settle()
    gone.cancel()
    await settle()
    # This one has been given its turn already when it goes.
    held[0].end()
    also_gone.cancel()
    await settle()
    assert isinstance(last.result(), Turn)
    for turn in (held[1], last.result()):
        turn.end()
    assert not module._by_loop


async def test_one_that_does_not_end_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.01)
    turns = starting_turns(asyncio.get_running_loop())
    for _ in range(5):
        await asyncio.wait_for(turns.take(), 30)
