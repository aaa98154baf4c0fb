"""The loops of a shard: what is read first undoes nothing later, and no failure stops the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import load_settings
from gateway.shard import process
from gateway.shard.desired import Desired
from gateway.shard.process import ShardProcess

MASKS = {"cam_1": (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)}


class Part:
    """Stands for the parts that a loop steers: remembers what they were told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.derived = self

    def cover(self, masks: object) -> bool:
        self.told.append(masks)
        return False

    async def reconcile(self, sources: object) -> None:
        self.told.append(sources)


class Rows:
    """Two readings of the database: the first is slow, and is told what was true before."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = asyncio.Event()

    async def read(self) -> Desired:
        self.asked += 1
        if self.asked == 1:
            await self.go_on.wait()
            return Desired({}, {}, {})
        return Desired({}, {}, dict(MASKS))


@pytest.fixture
def shard(tmp_path: Path) -> Any:
    settings = load_settings({"data_directory": str(tmp_path)}, environment={}).settings
    return ShardProcess(settings, "shard-1")


async def test_an_earlier_reading_never_takes_masks_away_again(shard: Any) -> None:
    shard._desired, shard._shard = Rows(), Part()
    slow = asyncio.create_task(shard._reconcile())
    await asyncio.sleep(0)
    told = asyncio.create_task(shard._reconcile())
    await asyncio.sleep(0)
    shard._desired.go_on.set()
    await asyncio.gather(slow, told)
    masks = [one for one in shard._shard.told if one in ({}, MASKS)]
    assert MASKS in masks
    assert shard._shard.told[-2:] == [MASKS, {}], "masks first, then the sources"


async def test_a_part_that_fails_keeps_no_hold_from_the_spool(
    shard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "TURN_INTERVAL_S", 0)
    held = asyncio.Queue[str]()

    class Failing:
        async def turn(self) -> None:
            raise ValueError("a camera that tells nonsense")

    async def keep_held() -> None:
        held.put_nowait("told")

    shard._clocks = shard._report = Failing()
    shard._keep_held = keep_held
    turning = asyncio.create_task(shard._turn_for_ever())
    async with asyncio.timeout(20):
        await held.get()
        await held.get()
    turning.cancel()
