"""Writing the register: durable, chained records from many callers at once; and checking it.

    python -m benchmarks.audit [--quick]

Each caller waits for its record to be on the disk before it goes on, as a look at a camera does.
The first figure is of the writer's own process, the second through the control channel, as the API
and the shards write. The peer keeps the same records on the same disk, one transaction each.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from benchmarks.measure import percentile, quick_requested, report
from gateway.audit import AuditRecord, ReasonGiven, append, append_rows
from gateway.audit.checkpoints import CheckpointWriter, signing_key
from gateway.audit.reading import make_report
from gateway.audit.verify import verify
from gateway.control.channel import ControlClient, ControlServer
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import load_tables
from gateway.database.writer_process import RemoteRowWriter
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.rows import LocalRowWriter, RowWriter

CALLERS = 64
TARGET_PER_S = 2000
_SECRET = b"b" * 32


def record(number: int) -> AuditRecord:
    """A look at a camera."""
    return AuditRecord(
        "playback.open",
        user_id=f"usr_{number % 600}",
        user_name="王警官",
        address="10.1.2.3",
        camera_id=f"cam_{number % 8757}",
        area_path="county/t1/v1/",
        detail={"variant": "main", "session_id": f"ses_{number}"},
    ).because(ReasonGiven("incident", f"白色面包车 02:00-03:30 {number}", "A4208-17"))


async def append_from_many(rows: RowWriter, total: int) -> tuple[float, list[float]]:
    """Records a second, and how long each caller waited (ms)."""
    waits: list[float] = []

    async def call(share: int) -> None:
        for number in range(share):
            before = time.perf_counter()
            await append(rows, [record(number)])
            waits.append((time.perf_counter() - before) * 1000)

    before = time.perf_counter()
    await asyncio.gather(*(call(total // CALLERS) for _ in range(CALLERS)))
    return len(waits) / (time.perf_counter() - before), waits


async def append_by_channel(rows: LocalRowWriter, folder: Path, total: int) -> float:
    """Records a second through the control channel: both ends in this process, so less than real
    processes reach.
    """

    async def write(operation: str, arguments: dict[str, object]) -> object:
        return await rows.write(operation, **arguments)

    path = folder / "writer.sock"
    server = ControlServer(path, _SECRET, {"rows.write": write})
    await server.start()
    remote = RemoteRowWriter(ControlClient(path, _SECRET))
    rate, _ = await append_from_many(remote, total)
    await remote.close()
    await server.close()
    return rate


def append_one_by_one(engine: sa.Engine, total: int) -> float:
    """Records a second with a transaction each."""
    before = time.perf_counter()
    for number in range(total):
        with engine.begin() as connection:
            append_rows(connection, [record(number).to_message()])
    return total / (time.perf_counter() - before)


async def run(quick: bool) -> None:
    """Write, then verify and report."""
    total = 6_400 if quick else 64_000
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_directory=Path(folder))
        engine = create_writer_engine(settings)
        load_tables().create_all(engine)
        rows = LocalRowWriter(engine)
        rate, waits = await append_from_many(rows, total)
        by_channel = await append_by_channel(rows, settings.data_directory, total // 4)
        rows.close()
        peer = append_one_by_one(engine, total // 20)
        report(
            "audit_append_rate", rate, "records/s", n=total, target=TARGET_PER_S, better="higher",
            peer="a transaction for each record", peer_value=peer,
        )  # fmt: skip
        report(
            "audit_append_rate_by_channel", by_channel, "records/s", n=total // 4,
            target=TARGET_PER_S, better="higher",
        )  # fmt: skip
        report("audit_append_wait_p95", percentile(waits, 95), "ms", n=total, target=100)
        checkpoints = CheckpointWriter(engine, settings.data_directory, _SECRET)
        checkpoints.open()
        checkpoints.write_line()
        before = time.perf_counter()
        with engine.connect() as connection:
            found = verify(connection, settings.data_directory, signing_key(_SECRET).public_key())
        assert not found.faults
        rate = found.records / (time.perf_counter() - before)
        report("audit_verify_rate", rate, "records/s", n=found.records, better="higher")
        before = time.perf_counter()
        with engine.connect() as connection:
            made = make_report(
                connection,
                settings.accountability,
                start_us=now_us() - 3600_000_000,
                end_us=now_us(),
                utc_offset_minutes=480,
            )
        rate = made.looks / (time.perf_counter() - before)
        report("audit_report_rate", rate, "looks/s", n=made.looks, better="higher")
        engine.dispose()


if __name__ == "__main__":
    asyncio.run(run(quick_requested(__doc__)))
