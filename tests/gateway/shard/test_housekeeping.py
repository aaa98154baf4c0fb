"""Of two machines one deletes what is over; the other takes over, and the first is too late."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.cluster import lease_rows
from gateway.settings import Settings
from gateway.settings.cluster import ClusterSettings
from gateway.shard.housekeeping import LEASE, keep_house
from recorder.rows import RowError, RowWriter
from tests.gateway.kept import Kept, kept

_LEASES = ("leases.take", "leases.renew", "leases.give_back")


class Line:
    """What a machine writes, and by which epoch; nothing arrives while it is cut."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self.cut = False
        self.written: list[str] = []
        self.epochs: list[int] = []
        self.changed = asyncio.Event()

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        if self.cut:
            raise ConnectionError("cut")
        if operation == "leases.fenced":
            assert arguments["name"] == LEASE
            self.written.append(arguments["operation"])
            self.epochs.append(arguments["epoch"])
            self.changed.set()
        elif operation not in _LEASES:
            raise AssertionError(f"{operation} is written without the lease")
        return await self._rows.write(operation, **arguments)

    async def keeps_house(self) -> None:
        """Wait until it has deleted, or looked for something to delete."""
        async with asyncio.timeout(60):
            while "retention.record_deletions" not in self.written:
                self.changed.clear()
                await self.changed.wait()


def machine(folder: Path, node: str, found: Kept, line: Line) -> asyncio.Task[None]:
    """The housekeeping of a machine's first shard."""
    settings = Settings(
        data_directory=folder,
        cluster=ClusterSettings(node=node, listen_address="127.0.0.1"),
    )
    keeping = keep_house(settings, found.reader, line, found.store, f"shard-1.{node}", lasts_s=0.8)
    return asyncio.create_task(keeping)


async def test_one_of_two_machines_deletes_and_the_other_takes_over(tmp_path: Path) -> None:
    async with kept(tmp_path) as found:
        first, second = Line(found.rows), Line(found.rows)
        running = [machine(tmp_path, "node-a", found, first)]
        await first.keeps_house()
        running.append(machine(tmp_path, "node-b", found, second))
        first.cut = True
        await second.keeps_house()
        # The first deleted while it held the lease, the second only afterwards.
        assert set(first.epochs) == {1}
        assert min(second.epochs) > 1
        # What the first still had in hand is refused.
        first.cut = False
        with pytest.raises(RowError) as refused:
            await first.write(
                "leases.fenced",
                name=LEASE,
                epoch=1,
                operation="retention.record_deletions",
                arguments={"today": 1},
            )
        assert refused.value.code == lease_rows.LOST
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_a_machine_that_stands_alone_needs_no_lease(tmp_path: Path) -> None:
    async with kept(tmp_path) as found:
        written = asyncio.Queue[str]()

        class Alone:
            async def write(self, operation: str, /, **arguments: Any) -> Any:
                written.put_nowait(operation)
                return await found.rows.write(operation, **arguments)

        settings = Settings(data_directory=tmp_path)
        keeping = asyncio.create_task(
            keep_house(settings, found.reader, Alone(), found.store, "shard-1")
        )
        async with asyncio.timeout(60):
            assert not (await written.get()).startswith("leases.")
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
