"""What the tests of uploads share: a camera that films faster than life, and what became of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recorder.lookup import segment_from_row
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import RowWriter
from recorder.segments import Segment
from recorder.spool import SpoolConfig
from recorder.stores import S3StoreConfig, Store
from recorder.tables import gaps, segments
from tests.recorder.made import SOURCE, START_US, VIDEO, picture

SECOND = 1_000_000


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for the condition."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.01)


def stored(database: sa.Engine) -> list[Segment]:
    with database.connect() as connection:
        rows = connection.execute(sa.select(segments).order_by(segments.c.start_us))
        return [segment_from_row(row) for row in rows]


def told_gaps(database: sa.Engine) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [
            (row.start_us - START_US, row.end_us and row.end_us - START_US, row.cause, row.detail)
            for row in connection.execute(sa.select(gaps).order_by(gaps.c.start_us))
        ]


class Camera:
    """Feeds made pictures into a Recorder's writer."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.number = 0

    async def begin(self) -> None:
        writer = await self.recorder.record(SOURCE)
        writer._filmed_now = False  # fed faster than life
        writer.on_run_started((VIDEO,))

    def film(self, seconds: int, size: int = 2000) -> None:
        writer = self.recorder.writer(SOURCE.id)
        assert writer is not None
        for _ in range(seconds * 10):
            writer.on_access_unit(picture(self.number, size=size))
            self.number += 1


async def make_recorder(
    folder: Path,
    rows: RowWriter,
    store: Store,
    *,
    segment_s: int = 10,
    put_timeout_s: float = 20.0,
    **spool: Any,
) -> tuple[Recorder, Camera]:
    config = RecorderConfig(
        SpoolConfig(folder / "spool", **spool), segment_s=segment_s, put_timeout_s=put_timeout_s
    )
    recorder = Recorder(config, rows, store)
    recorder.uploader._backoff.limit_s = 0.3
    await recorder.start()
    camera = Camera(recorder)
    await camera.begin()
    return recorder, camera


def assert_whole(database: sa.Engine, seconds: int) -> None:
    """All that was filmed is indexed, each second once."""
    found = stored(database)
    assert found[0].start_us == START_US
    assert found[-1].end_us == START_US + seconds * SECOND
    assert all(a.end_us == b.start_us for a, b in itertools.pairwise(found))


def s3_config(port: int, bucket: str = "footage", secret_key: str = "password12") -> S3StoreConfig:
    return S3StoreConfig(
        f"127.0.0.1:{port}", bucket, "admin", secret_key, secure=False,
        connect_timeout_s=1.0, read_timeout_s=3.0,
    )  # fmt: skip
