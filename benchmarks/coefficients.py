"""What ``gridsight plan`` reckons with and no other benchmark tells: bytes of rows, of vectors and
of crops, the overhead of footage, what an idle gateway holds in memory, what a picture costs.

    python -m benchmarks.coefficients [--quick]

The lines' names are those of ``gateway/capacity/coefficients.toml``, which keeps their figures.
PostgreSQL is measured where it is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import sqlalchemy as sa

from benchmarks import _search_footage as footage
from benchmarks import timeline
from benchmarks._coefficient_rows import PostgresqlServer, postgresql_server, sqlite_bytes
from benchmarks._gateway import running_gateway
from benchmarks._search_index_rows import DAY_US, END_US, fill, vectors_of_day
from benchmarks._search_passages import passages_of
from benchmarks.audit import record
from benchmarks.measure import quick_requested, report, resident_bytes
from gateway.analysis.analyst import JPEG_QUALITY
from gateway.audit import append_rows
from gateway.database.audit_tables import audit_log
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import load_tables, upgrade
from gateway.settings import Settings
from recorder import gop_index, tables
from recorder.rows import LocalRowWriter, metadata
from recorder.segments import new_id
from search.appearance.embed import load_embedder
from search.attributes.describe import Describer
from search.detectors.loading import load_detector
from search.index.tables import passage_crops, passage_details, passages
from search.objects import Frame
from search.pipeline import BATCH, Pipeline

_DEMO = Path(__file__).resolve().parent.parent / "gateway" / "demo" / "crossing.mp4"
_CALLERS = 64
_SETTLED_S = 5.0


def segment_rows_in_bytes(folder: Path, server: PostgresqlServer | None, rows: int) -> None:
    """Rows of segments of one minute with keyframes each 2 s and each second: what a row takes, and
    what each further fragment in its index.
    """
    init, data, entries = timeline.make_object()
    payload = timeline.GOPS * (timeline.KEYFRAME_BYTES + 49 * timeline.PICTURE_BYTES)
    report(
        "footage_overhead", 100 * (len(data) / payload - 1), "%", n=timeline.GOPS * 50,
        note="2 Mbit/s, 25 pictures/s, keyframe each 2 s, initialisation included",
    )  # fmt: skip
    sizes: dict[str, list[float]] = {"sqlite": [], "postgresql": []}
    repeated = (1, 2, 3, 5)
    for number, repeats in enumerate(repeated):
        path = folder / f"segments-{number}.db"
        engine = sa.create_engine(f"sqlite:///{path}")
        metadata.create_all(engine, tables=[tables.segments])
        engine.dispose()
        packed = gop_index.pack(entries * repeats)
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA synchronous=OFF")
        cameras = max(rows // 1440, 1)
        marks = ",".join("?" * 17)
        connection.executemany(
            f"INSERT INTO segments VALUES ({marks})",
            timeline.segment_rows(cameras, 1, len(init), len(data), packed),
        )
        connection.commit()
        written = connection.execute("SELECT count(*) FROM segments").fetchone()[0]
        connection.close()
        sizes["sqlite"].append(sqlite_bytes(path, [tables.segments]) / written)
        if server is not None:
            sizes["postgresql"].append(server.bytes_of(path, [tables.segments]) / written)
    counts = [len(entries) * repeats for repeats in repeated]
    for engine_name, found in sizes.items():
        if not found:
            continue
        # Pages hold whole rows, so that the line is only nearly straight.
        each, alone = np.polyfit(counts, found, 1)
        report(
            f"segment_row_bytes_{engine_name}", float(alone), "bytes", n=written * len(repeated),
            note="a row with its indexes, its index of fragments left out",
        )  # fmt: skip
        report(
            f"gop_entry_bytes_{engine_name}", float(each), "bytes", n=written * sum(counts),
            note=f"fitted at {', '.join(map(str, counts))} fragments",
        )  # fmt: skip


async def writes_of_a_segment(folder: Path, cameras: int) -> None:
    """How many rows a segment that enters the index changes, and how many segments a second one
    writer takes from many who wait for it. Durable, on this machine's disk.
    """
    import_module("recorder.index")
    settings = Settings(data_directory=folder)
    engine = create_writer_engine(settings)
    load_tables().create_all(engine)
    rows = LocalRowWriter(engine)
    _, data, entries = timeline.make_object()
    packed = gop_index.pack(entries)
    start_us = timeline.START_US
    minutes = 4

    def arguments(camera: int, minute: int) -> dict[str, Any]:
        source = f"cam_{camera:016d}/main"
        at_us = start_us + minute * timeline.SEGMENT_US
        segment = new_id(at_us)
        return {
            "source": {
                "id": source, "kind": "camera", "camera_id": source[:-5], "variant": "main",
            },
            "run": {
                "id": f"run-{camera}", "source_id": source, "epoch": 1, "ordinal": 1,
                "start_us": start_us, "mime": "video/mp4", "video_codec": "h264",
                "audio_codec": None, "width": 768, "height": 576, "timescales": [90000],
                "init_segment": b"x" * 700,
            },
            "segment": {
                "id": segment, "source_id": source, "run_id": f"run-{camera}", "epoch": 1,
                "ordinal": 1, "start_us": at_us, "end_us": at_us + timeline.SEGMENT_US,
                "start_90k": minute * 5_400_000, "size_bytes": len(data), "header_bytes": 700,
                "store_key": f"{source}/2026/09/01/{segment}.mp4", "sha256": bytes(32),
                "gop_index": packed, "effective_start_us": None, "effective_end_us": None,
                "state": "stored", "held": False,
            },
            "now_us": at_us,
        }  # fmt: skip

    for camera in range(cameras):
        source_id = f"cam_{camera:016d}/main"
        await rows.write("recorder.assign", source_id=source_id, owner="shard-1", now_us=start_us)
        await rows.write("recorder.add_segment", **arguments(camera, 0))
    jobs = [(camera, minute) for minute in range(1, minutes) for camera in range(cameras)]

    async def call(share: list[tuple[int, int]]) -> None:
        for camera, minute in share:
            await rows.write("recorder.add_segment", **arguments(camera, minute))

    before = time.perf_counter()
    await asyncio.gather(*(call(jobs[start::_CALLERS]) for start in range(_CALLERS)))
    rate = len(jobs) / (time.perf_counter() - before)
    rows.close()
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        changed = driver.total_changes
    engine.dispose()
    report(
        "rows_per_segment", changed / (cameras * minutes), "rows", n=cameras * minutes,
        note="inserted or changed, the camera's assignment included",
    )  # fmt: skip
    report("segments_written", rate, "segments/s", n=len(jobs), better="higher", note="SQLite")


def passage_rows_in_bytes(folder: Path, server: PostgresqlServer | None, rows: int) -> None:
    """Rows of passages with all that finds them, in PostgreSQL; and their vectors in LanceDB."""
    settings = Settings(data_directory=folder)
    engine = create_writer_engine(settings)
    upgrade(engine)
    engine.dispose()
    path = folder / "gridsight.db"
    fill(path, rows, 200)
    kept = [passages, passage_details, passage_crops]
    found = {"sqlite": sqlite_bytes(path, kept) / rows}
    if server is not None:
        found["postgresql"] = server.bytes_of(path, kept) / rows
    for name, value in found.items():
        report(f"passage_row_bytes_{name}", value, "bytes", n=rows, note="with a crop of its own")
    vectors = folder / "vectors"
    made = vectors_of_day(path, vectors, END_US - DAY_US)
    size = sum(one.stat().st_size for one in vectors.rglob("*") if one.is_file())
    report("vector_bytes", size / made, "bytes", n=made, note="512 numbers of 16 bits, LanceDB")


def audit_rows_in_bytes(folder: Path, server: PostgresqlServer | None, rows: int) -> None:
    """Records of the register, with their hashes and indexes."""
    engine = create_writer_engine(Settings(data_directory=folder))
    load_tables().create_all(engine)
    with engine.begin() as connection:
        for start in range(0, rows, 1000):
            append_rows(connection, [record(start + number).to_message() for number in range(1000)])
    engine.dispose()
    path = folder / "gridsight.db"
    found = {"sqlite": sqlite_bytes(path, [audit_log]) / rows}
    if server is not None:
        found["postgresql"] = server.bytes_of(path, [audit_log]) / rows
    for name, value in found.items():
        report(f"audit_record_bytes_{name}", value, "bytes", n=rows)


def searching(pictures: int) -> None:
    """What a picture that is looked at costs one core, and how large the crops of passages are."""
    cv2.setNumThreads(1)
    pipeline = Pipeline(load_detector(None, threads=1), Describer(1), load_embedder(None, 1))
    shared = footage.shared_footage()
    clip = shared / "pedestrians_h264.mp4" if shared is not None else _DEMO
    clip = clip if clip.is_file() else _DEMO
    seen = footage.read_pictures(clip, 640, 480)[::2]
    chosen = (seen * (1 + pictures // len(seen)))[:pictures]
    frames = [Frame("cam", number * 200_000, one) for number, one in enumerate(chosen, 1)]
    warm = [Frame("warm", number * 200_000, one) for number, one in enumerate(chosen[:40], 1)]
    passages_of(warm, pipeline)
    found = []
    began = time.process_time()
    for at in range(0, len(frames), BATCH):
        found += pipeline.add(frames[at : at + BATCH])
    found += pipeline.finish("cam")
    spent_s = time.process_time() - began
    report(
        "search_picture_cpu_s", spent_s / len(frames), "s of a core", n=len(frames),
        note="the whole pipeline, a crowd at 640x480, the detector that comes along",
    )  # fmt: skip
    sizes = [
        len(cv2.imencode(".jpg", one.crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])
        for one in found
    ]
    if sizes:
        report("crop_bytes", sum(sizes) / len(sizes), "bytes", n=len(sizes))


def idle_memory() -> None:
    """What each process of a gateway without cameras holds."""
    with running_gateway(SEARCH__ENABLED="true") as gateway:
        deadline = time.monotonic() + _SETTLED_S
        held: dict[str, int] = {}
        while time.monotonic() < deadline:
            time.sleep(0.5)
            for folder in Path("/proc").glob("[0-9]*"):
                # It may end while it is looked at.
                with contextlib.suppress(OSError):
                    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                    words = (folder / "cmdline").read_text().split("\0")
                    if parent == gateway.process.pid and "gateway.cluster.child" in words:
                        kind = words[words.index("gateway.cluster.child") + 1]
                        held[kind] = max(held.get(kind, 0), resident_bytes(int(folder.name)))
    for kind, size in sorted(held.items()):
        report(f"idle_process_mb_{kind}", size / 1e6, "MB", n=1)
    report("idle_gateway_mb", sum(held.values()) / 1e6, "MB", n=len(held), note="all of them")


def main() -> None:
    """Measure and report."""
    quick = quick_requested(__doc__)
    with (
        postgresql_server() as server,
        tempfile.TemporaryDirectory(prefix="gridsight-coefficients-") as name,
    ):
        folders = [Path(name) / part for part in ("segments", "writes", "passages", "audit")]
        for folder in folders:
            folder.mkdir()
        segment_rows_in_bytes(folders[0], server, 28_800 if quick else 57_600)
        asyncio.run(writes_of_a_segment(folders[1], 200 if quick else 1_000))
        passage_rows_in_bytes(folders[2], server, 30_000 if quick else 300_000)
        audit_rows_in_bytes(folders[3], server, 5_000 if quick else 50_000)
    searching(60 if quick else 400)
    idle_memory()


if __name__ == "__main__":
    main()
