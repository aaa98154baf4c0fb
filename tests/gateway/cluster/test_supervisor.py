"""The supervisor: a process that cannot be started or recorded now is tried again."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.cluster import kept_process
from gateway.cluster.interface import ProcessSpec
from gateway.cluster.supervisor import LocalSupervisor
from gateway.control.channel import ControlError
from gateway.settings import Settings, load_settings

WRITER = [ProcessSpec("writer", "writer", 0)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"data_directory": str(tmp_path)}, environment={}).settings


async def test_a_machine_without_memory_for_a_process_is_asked_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_start = asyncio.create_subprocess_exec
    refused = 0

    async def start(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return await really_start(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    running = LocalSupervisor(settings, None, WRITER)
    await running.start()
    (status,) = running.status()
    await running.stop()
    assert refused == 2
    assert (status.state, status.restarts) == ("running", 2)


async def test_where_a_process_answers_is_recorded_once_the_writer_can(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rows:
        """A writer whose disk is full twice."""

        def __init__(self) -> None:
            self.written: list[tuple[str, Any]] = []
            self.failures = 2

        async def write(self, operation: str, /, **arguments: Any) -> None:
            if self.failures:
                self.failures -= 1
                raise ControlError("failed", "rows.write: OperationalError")
            self.written.append((operation, arguments["http_port"]))

    monkeypatch.setattr(kept_process, "RECORD_AGAIN_S", 0)
    rows = Rows()
    running = LocalSupervisor(settings, rows, [ProcessSpec("shard", "shard-1", 0)])
    (child,) = running._children
    child.process = SimpleNamespace(pid=1)  # type: ignore[assignment]
    child.http_port = 8123
    await child.record(0)
    assert rows.written == [("processes.report", 8123)]
