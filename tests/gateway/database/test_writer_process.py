"""The writer as a process of its own, killed in the middle of its work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cluster.interface import ProcessSpec
from gateway.cluster.supervisor import LocalSupervisor
from gateway.database.engine import create_reader_engine
from gateway.database.tables import processes
from gateway.database.writer_process import RemoteRowWriter
from gateway.settings import LogSettings, Settings
from recorder.rows import RowError

WRITER_ALONE = [ProcessSpec("writer", "writer", 0)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_directory=tmp_path, log=LogSettings(level="warning"))


@pytest.fixture
async def rows(settings: Settings) -> AsyncIterator[RemoteRowWriter]:
    writer = RemoteRowWriter.from_settings(settings)
    yield writer
    await writer.close()


async def report(rows: RemoteRowWriter, name: str) -> None:
    await rows.write(
        "processes.report",
        name=name,
        kind="shard",
        node="here",
        process_id=1,
        http_address=None,
        http_port=None,
        started_us=1,
    )


async def report_when_it_is_back(rows: RemoteRowWriter, name: str) -> None:
    async with asyncio.timeout(60):
        while True:
            # Who calls waits for a writer for some seconds; a busy machine may need more.
            with contextlib.suppress(ConnectionError):
                return await report(rows, name)


async def names(settings: Settings) -> set[str]:
    engine = create_reader_engine(settings)
    async with engine.connect() as connection:
        found = set(await connection.scalars(sa.select(processes.c.name)))
    await engine.dispose()
    return found


async def test_writes_are_there_when_they_are_answered(
    settings: Settings, rows: RemoteRowWriter
) -> None:
    supervisor = LocalSupervisor(settings, None, WRITER_ALONE)
    await supervisor.start()
    try:
        await asyncio.gather(*(report(rows, f"shard-{number}") for number in range(50)))
        assert len(await names(settings)) == 50
        with pytest.raises(RowError) as caught:
            await rows.write("nothing.known")
        assert caught.value.code == "unknown_operation"
    finally:
        await supervisor.stop()


async def test_readers_cannot_write(settings: Settings, rows: RemoteRowWriter) -> None:
    supervisor = LocalSupervisor(settings, None, WRITER_ALONE)
    await supervisor.start()
    try:
        engine = create_reader_engine(settings)
        async with engine.connect() as connection:
            with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
                await connection.execute(sa.delete(processes))
        await engine.dispose()
    finally:
        await supervisor.stop()


async def test_what_was_answered_survives_kill_9_and_the_writer_comes_back(
    settings: Settings, rows: RemoteRowWriter
) -> None:
    supervisor = LocalSupervisor(settings, None, WRITER_ALONE)
    await supervisor.start()
    answered: set[str] = set()
    try:
        for round_number in range(3):
            before = len(answered)

            async def write_many(prefix: str) -> None:
                for number in range(1000):
                    try:
                        await report(rows, f"{prefix}-{number}")
                    except ConnectionError:
                        return
                    answered.add(f"{prefix}-{number}")

            writing = [
                asyncio.create_task(write_many(f"{round_number}.{task}")) for task in range(8)
            ]
            while len(answered) < before + 40:  # noqa: ASYNC110
                await asyncio.sleep(0)
            process_id = supervisor.status()[0].process_id
            assert process_id is not None
            os.kill(process_id, signal.SIGKILL)
            await asyncio.gather(*writing)
            assert answered <= await names(settings)
            await report_when_it_is_back(rows, f"after-{round_number}")
        assert supervisor.status()[0].restarts == 3
    finally:
        await supervisor.stop()


async def test_a_second_supervisor_on_the_same_data_is_refused(settings: Settings) -> None:
    from gateway.cluster.interface import StartError

    first = LocalSupervisor(settings, None, WRITER_ALONE)
    await first.start()
    try:
        with pytest.raises(StartError, match="already runs"):
            await LocalSupervisor(settings, None, WRITER_ALONE).start()
    finally:
        await first.stop()


async def test_children_die_with_a_killed_supervisor(settings: Settings) -> None:
    program = (
        "import asyncio, sys\n"
        "from gateway.settings import Settings\n"
        "from gateway.cluster.supervisor import LocalSupervisor\n"
        "from gateway.cluster.interface import ProcessSpec\n"
        "async def main():\n"
        "    settings = Settings.from_json(sys.argv[1])\n"
        "    one = LocalSupervisor(settings, None, [ProcessSpec('writer', 'writer', 0)])\n"
        "    await one.start()\n"
        "    print(one.status()[0].process_id, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, settings.to_json(), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    line = b""
    while not line.strip().isdigit():  # log lines come before it
        line = await supervisor.stdout.readline()
        assert line
    child = int(line)
    supervisor.kill()
    await supervisor.wait()
    try:
        descriptor = os.pidfd_open(child)
    except ProcessLookupError:
        pass
    else:
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, gone.set)
        await asyncio.wait_for(gone.wait(), 30)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
    # Its name is free again for the next one.
    second = LocalSupervisor(settings, None, WRITER_ALONE)
    await second.start()
    await second.stop()
