"""Every segment of a package is compared with what was recorded, however long that takes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.evidence.making import Making
from gateway.evidence.source_check import CheckedReader
from gateway.footage.reader import Located
from recorder.rows import LocalRowWriter
from tests.gateway.evidence.conftest import SECOND, Desk
from tests.gateway.footage.conftest import START_US, Clip


async def test_a_job_stays_its_servers_while_what_was_made_before_is_compared(
    desk: Desk, h264: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files are there when it is taken up again, and all their footage is still to be read."""
    await desk.world.record(h264.tracks, h264.units[:300])
    job_id = await desk.order(START_US, START_US + 30 * SECOND)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Making, "_conclude", killed)
        await desk.worker.turn()

    happened: list[str] = []
    check, write = CheckedReader._check, LocalRowWriter.write

    async def noted_check(self: CheckedReader, located: Located) -> Any:
        happened.append("compared")
        return await check(self, located)

    async def noted_write(self: LocalRowWriter, operation: str, /, **arguments: Any) -> Any:
        if operation == "evidence.export_progress":
            happened.append("renewed")
        return await write(self, operation, **arguments)

    monkeypatch.setattr(CheckedReader, "_check", noted_check)
    monkeypatch.setattr(LocalRowWriter, "write", noted_write)
    monkeypatch.setattr("gateway.evidence.making._PROGRESS_INTERVAL_S", 0.0)
    assert await desk.worker.turn()
    assert (await desk.job(job_id)).state == "done"
    first = happened.index("compared")
    assert happened[first : first + 6] == ["compared", "renewed"] * 3
