"""A day's timeline and the first picture of a seek, over 30 days of 200 cameras.

    python -m benchmarks.timeline [--quick]

The database holds what recording so much would have left: a row a minute and camera with its packed
fragment index, merged spans, a few gaps a day. A seek is what the footage server does for it: find
the row, read the keyframe's bytes out of the object, wrap them as a fragment. Compared with opening
and walking the object's boxes, as servers without an index do.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.measure import percentile, quick_requested, report
from camera_adapters.stream import AccessUnit, Codec, Track
from recorder import gop_index, tables
from recorder.fmp4.reader import iterate_boxes, keyframe_fragment, read_layout, read_tracks
from recorder.fmp4.writer import fragment_parts, init_segment
from recorder.gop_index import FragmentEntry
from recorder.lookup import find_run, segment_at
from recorder.rows import metadata
from recorder.segments import new_id
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from recorder.timeline import timeline

DAY_US = 86_400_000_000
SEGMENT_US = 60_000_000
START_US = 1_760_000_000_000_000
GOPS = 30  # 2 s each
KEYFRAME_BYTES, PICTURE_BYTES = 60_000, 9_000  # together 2 Mbit/s at 25 fps
QUERIES = 300
SPS = b"gd\x00\x1f\xac\xb3\x01\x80$\xd0\x80\x00\x00\x03\x00\x80\x00\x00\n\x07\x8c\x194"
TRACK = Track("video", Codec.H264, 90000, (SPS, b"h\xe9pl\xb2,"), 768, 576)


def make_object() -> tuple[bytes, bytes, list[FragmentEntry]]:
    """A minute of footage: initialisation segment, the whole object, its index."""
    init = init_segment((TRACK,))
    data = [init]
    entries: list[FragmentEntry] = []
    offset = 0
    for number in range(GOPS):
        units = []
        for picture in range(50):
            size = PICTURE_BYTES if picture else KEYFRAME_BYTES
            payload = (size - 4).to_bytes(4, "big") + random.randbytes(size - 4)
            dts = (number * 50 + picture) * 3600
            units.append(AccessUnit(0, payload, dts, dts, picture == 0, 0))
        head, payloads, size = fragment_parts(
            number + 1, (TRACK,), [units], [(number + 1) * 180_000]
        )
        entries.append(
            FragmentEntry(number * 180_000, 180_000, offset, size, len(head) + KEYFRAME_BYTES)
        )
        offset += size
        data += [head, *payloads]
    return init, b"".join(data), entries


def segment_rows(
    cameras: int, days: int, init_bytes: int, size: int, packed: bytes
) -> Iterator[tuple[object, ...]]:
    """Rows in the order in which recording would have inserted them."""
    for minute in range(days * 1440):
        start = START_US + minute * SEGMENT_US
        for camera in range(cameras):
            source = f"cam_{camera:016d}/main"
            yield (
                new_id(start), source, f"run-{camera}", 1, 1, start, start + SEGMENT_US, start,
                start + SEGMENT_US, minute * 5_400_000, OBJECT_KEYS[camera % len(OBJECT_KEYS)],
                size, init_bytes, b"\0" * 32, packed, "stored", 0,
            )  # fmt: skip


OBJECT_KEYS = [f"objects/{number:03d}.mp4" for number in range(64)]


def fill(path: Path, cameras: int, days: int, init: bytes, size: int, packed: bytes) -> int:
    """Write the database; returns the number of segments."""
    engine = sa.create_engine(f"sqlite:///{path}")
    metadata.create_all(engine, tables=list(tables.TABLES))
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("DROP INDEX ix_segments_effective")
    connection.execute("BEGIN")
    end_us = START_US + days * DAY_US
    for camera in range(cameras):
        source = f"cam_{camera:016d}/main"
        connection.execute(
            "INSERT INTO sources VALUES (?, 'camera', ?, 'main', ?)", (source, source[:-5], 0)
        )
        connection.execute(
            "INSERT INTO runs VALUES (?,?,1,1,?,'video/mp4; codecs=\"avc1.64001f\"','h264',NULL,"
            "768,576,'90000',?,?)",
            (f"run-{camera}", source, START_US, init, days * 1440),
        )
        connection.execute("INSERT INTO spans VALUES (?,?,?)", (source, START_US, end_us))
        connection.executemany(
            "INSERT INTO gaps (source_id, start_us, end_us, cause, detail) VALUES (?,?,?,?,?)",
            [
                (source, START_US + n * DAY_US // 4, START_US + n * DAY_US // 4 + 5, "x", "y")
                for n in range(days * 4)
            ],
        )
    marks = ",".join("?" * 17)
    connection.executemany(
        f"INSERT INTO segments VALUES ({marks})",
        segment_rows(cameras, days, len(init), size, packed),
    )
    connection.execute(
        "CREATE INDEX ix_segments_effective ON segments "
        "(source_id, effective_start_us, effective_end_us)"
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    count = connection.execute("SELECT count(*) FROM runs").fetchone()[0] * days * 1440
    connection.close()
    return int(count)


async def timed(count: int, action: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of each run."""
    took = []
    for _ in range(count):
        started = time.perf_counter()
        await action()
        took.append((time.perf_counter() - started) * 1000)
    return took


async def measure(folder: Path, cameras: int, days: int, rows: int) -> None:
    """Query, and report."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'rows.db'}")
    store = DirectoryStore(DirectoryStoreConfig(folder))
    end_us = START_US + days * DAY_US

    def source() -> str:
        return f"cam_{random.randrange(cameras):016d}/main"

    async def one_day() -> None:
        start = START_US + random.randrange(days) * DAY_US
        async with engine.connect() as connection:
            found = await timeline(
                connection, source(), start, start + DAY_US, now_us=end_us, resolution_us=0
            )
        assert found.spans

    async def whole_history() -> None:
        async with engine.connect() as connection:
            found = await timeline(connection, source(), START_US, end_us, now_us=end_us)
        assert found.spans

    async def seek() -> None:
        at_us = random.randrange(START_US, end_us)
        async with engine.connect() as connection:
            segment = await segment_at(connection, source(), at_us)
            assert segment is not None
            run = await find_run(connection, segment.run_id)
        assert run is not None
        fragment = next(f for f in segment.fragments() if at_us < f.start_us + f.duration_us)
        prefix = await store.read(segment.store_key, fragment.offset, fragment.keyframe_bytes)
        keyframe_fragment(prefix, read_tracks(run.init_segment), 180_000)

    async def seek_by_walking() -> None:
        at_us = random.randrange(START_US, end_us)
        async with engine.connect() as connection:
            segment = await segment_at(connection, source(), at_us)
        assert segment is not None
        data = await store.read(segment.store_key, 0, segment.size_bytes)
        wanted_90k = (at_us - segment.start_us) * 9 // 100
        for found in iterate_boxes(data, 0, len(data)):
            if found.kind == b"moof":
                layout = read_layout(data[found.start :])
                last = layout.samples[-1]
                if last.dts + last.duration > wanted_90k:
                    keyframe_fragment(data[found.start :], (TRACK,), 180_000)
                    return

    for action in (one_day, seek):  # connections, statement caches
        await timed(5, action)
    day = await timed(QUERIES, one_day)
    month = await timed(QUERIES, whole_history)
    found = await timed(QUERIES, seek)
    walked = await timed(QUERIES // 5, seek_by_walking)
    note = f"{cameras} cameras x {days} days, {rows} rows, {QUERIES} queries"
    report("timeline_day_p95_ms", percentile(day, 95), "ms", n=rows, target=50.0, note=note)
    report("timeline_all_days_p95_ms", percentile(month, 95), "ms", n=rows, target=50.0, note=note)
    report(
        "seek_first_picture_p95_ms", percentile(found, 95), "ms", n=rows, target=100.0, note=note,
        peer="walking the object's boxes", peer_value=percentile(walked, 95),
    )  # fmt: skip
    await store.close()
    await engine.dispose()


def main() -> None:
    """Build, measure, clean up."""
    quick = quick_requested(__doc__)
    cameras, days = (20, 30) if quick else (200, 30)
    random.seed(1)
    folder = Path(tempfile.mkdtemp(prefix="gridsight-timeline-"))
    try:
        init, data, entries = make_object()
        (folder / "objects").mkdir()
        for key in OBJECT_KEYS:
            (folder / key).write_bytes(data)
        packed = gop_index.pack(entries)
        rows = fill(folder / "rows.db", cameras, days, init, len(data), packed)
        asyncio.run(measure(folder, cameras, days, rows))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
