"""Thousands of sources that begin at once are a few writes, and none waits for a lost index."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from recorder.rows import LocalRowWriter
from recorder.source_openings import SourceOpenings
from recorder.spool_header import RecordedSource
from tests.recorder.made import SOURCE


class Counted:
    """A writer that counts, and can be out of reach."""

    def __init__(self, rows: LocalRowWriter) -> None:
        self.rows = rows
        self.writes = 0
        self.lost = False

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        self.writes += 1
        if self.lost:
            await asyncio.sleep(0)
            raise ConnectionError("the writer is away")
        return await self.rows.write(operation, **arguments)


def camera(number: int) -> RecordedSource:
    return replace(SOURCE, id=f"cam_{number}/main", camera_id=f"cam_{number}")


async def test_many_go_with_a_few_writes_and_each_gets_its_own_answer(
    rows: LocalRowWriter,
) -> None:
    counted = Counted(rows)
    openings = SourceOpenings(counted)
    count = 600
    answers = await asyncio.gather(*(openings.open(camera(number)) for number in range(count)))
    assert answers == [{"last_end_us": None, "last_ordinal": None}] * count
    assert counted.writes <= 4
    # The same source twice among those that wait is one row, and two answers.
    twice = await asyncio.gather(openings.open(camera(1)), openings.open(camera(1)))
    assert len(twice) == 2


async def test_who_asks_while_the_index_is_out_of_reach_is_told_so_and_the_next_is_not(
    rows: LocalRowWriter,
) -> None:
    counted = Counted(rows)
    openings = SourceOpenings(counted)
    counted.lost = True
    asked = (openings.open(camera(number)) for number in range(600))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ConnectionError}
    assert counted.writes == 1
    counted.lost = False
    assert (await openings.open(camera(1)))["last_ordinal"] is None


async def test_closing_leaves_nobody_waiting(rows: LocalRowWriter) -> None:
    openings = SourceOpenings(Counted(rows))
    asked = asyncio.create_task(openings.open(camera(1)))
    await asyncio.sleep(0)
    await openings.close()
    with pytest.raises(ConnectionError):
        await asked
