"""Writing the register: durable, chained records from many callers at once; and checking it.

    python -m benchmarks.audit [--quick]

Each caller waits for its record to be on the disk before it goes on, as a look at a camera does.
The peer writes the same records on the same disk, one transaction each.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from benchmarks.measure import percentile, quick_requested, report
from gateway.audit import AuditRecord, append, append_rows
from gateway.audit.checkpoints import CheckpointWriter, signing_key
from gateway.audit.verify import verify
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import load_tables
from gateway.settings import Settings
from recorder.rows import LocalRowWriter

CALLERS = 64
_SECRET = b"b" * 32


def record(number: int) -> AuditRecord:
    """A look at a camera."""
    return AuditRecord(
        "live.open",
        user_id=f"usr_{number % 600}",
        user_name="王警官",
        address="10.1.2.3",
        camera_id=f"cam_{number % 8757}",
        area_path="county/t1/v1/",
        reason="白色面包车 02:00-03:30",
        detail={"variant": "main"},
    )


async def append_from_many(rows: LocalRowWriter, total: int) -> tuple[float, list[float]]:
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


def append_one_by_one(engine: sa.Engine, total: int) -> float:
    """Records a second with a transaction each."""
    fields = ("action", "user_id", "user_name", "address", "camera_id", "area_path", "reason")
    one = record(1)
    message = {name: getattr(one, name) for name in fields} | {"detail": one.detail}
    before = time.perf_counter()
    for _ in range(total):
        with engine.begin() as connection:
            append_rows(connection, [message])
    return total / (time.perf_counter() - before)


async def run(quick: bool) -> None:
    """Write, then verify."""
    total = 6_400 if quick else 64_000
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_directory=Path(folder))
        engine = create_writer_engine(settings)
        load_tables().create_all(engine)
        rows = LocalRowWriter(engine)
        rate, waits = await append_from_many(rows, total)
        rows.close()
        peer = append_one_by_one(engine, total // 20)
        report(
            "audit_append_rate", rate, "records/s", n=total, target=2000, better="higher",
            peer="a transaction for each record", peer_value=peer,
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
        engine.dispose()


if __name__ == "__main__":
    asyncio.run(run(quick_requested(__doc__)))
