"""What runs for ever in the API goes on whatever happens: rights are withdrawn, states followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api import states, storage, sweep, withdrawal
from gateway.settings import Settings


def _withdrawing() -> Coroutine[Any, Any, None]:
    return withdrawal.withdraw_for_ever(SimpleNamespace(rights_changed=asyncio.Event()))  # type: ignore[arg-type]


def _sweeping() -> Coroutine[Any, Any, None]:
    return sweep.sweep_for_ever(None)  # type: ignore[arg-type]


def _following() -> Coroutine[Any, Any, None]:
    return states.CameraStates(None, None).run()  # type: ignore[arg-type]


def _forecasting() -> Coroutine[Any, Any, None]:
    return storage.StorageWatch(Settings(), None, None).run()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "interval", "owner", "turn", "loop"),
    [
        (withdrawal, "INTERVAL_S", withdrawal.Withdrawal, "look", _withdrawing),
        (sweep, "INTERVAL_S", sweep, "sweep", _sweeping),
        (states, "_DIRECTORY_INTERVAL_S", states.CameraStates, "_read_directory", _following),
        (storage, "INTERVAL_S", storage.StorageWatch, "look", _forecasting),
    ],
)
async def test_no_failure_ends_it(
    module: object,
    interval: str,
    owner: object,
    turn: str,
    loop: Callable[[], Coroutine[Any, Any, None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = asyncio.Queue[None]()

    async def fail(*_: object) -> None:
        turns.put_nowait(None)
        raise sa.exc.TimeoutError("all connections are taken")

    monkeypatch.setattr(module, interval, 0.001)
    monkeypatch.setattr(owner, turn, fail)
    running = asyncio.create_task(loop())
    async with asyncio.timeout(20):
        for _ in range(3):
            await turns.get()
    assert not running.done()
    running.cancel()
