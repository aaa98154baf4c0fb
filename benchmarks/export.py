"""Exporting recorded footage as evidence: copied, checked against what was recorded, digested
twice, synced, signed.

    python -m benchmarks.export [--quick]

One hour of 2 Mbit/s (six minutes with --quick) in a directory store, its pages dropped from the
cache where the system lets us. The peer, ffmpeg, joins the same segments into one MP4 on the same
disk, without a digest of anything.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.measure import quick_requested, report
from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.control.channel import ControlClient
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.migrate import load_tables
from gateway.database.tables import areas, cameras, grants, users
from gateway.database.writer_process import load_operations
from gateway.evidence.keys import PackageSigner, TrustedKeys
from gateway.evidence.making import Making, Workshop
from gateway.evidence.order import Order, OrderedCamera
from gateway.evidence.verify import verify_package
from gateway.footage.reader import FootageReader
from gateway.settings import Settings
from gateway.transcoder.client import TranscoderClient
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.spool import SpoolConfig
from recorder.spool_header import RecordedSource
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from recorder.tables import segments

CAMERA = "cam_1"
START_US = 1_793_491_200_000_000
FRAMES_PER_SECOND = 25
BITRATE_BPS = 2_000_000
GOP = 50
TARGET = 300
_SECRET = b"b" * 32
# Parameter sets of a real clip, so that avcC and sample entries are real too.
_SPS = b"gd\x00\x1f\xac\xb3\x01\x80$\xd0\x80\x00\x00\x03\x00\x80\x00\x00\n\x07\x8c\x194"
_PPS = b"h\xe9pl\xb2,"
_VIDEO = Track("video", Codec.H264, 90000, (_SPS, _PPS), 768, 576, frames_per_second=25.0)


class _NoShards:
    async def call(self, shard: str, name: str, /, **arguments: Any) -> Any:
        raise ConnectionError(shard)


def pictures(seconds: int) -> Iterator[AccessUnit]:
    """2 Mbit/s: a keyframe of eight pictures' size every two seconds. Content does not matter."""
    gop_bytes = BITRATE_BPS // 8 * GOP // FRAMES_PER_SECOND
    small = gop_bytes // (GOP + 7)
    noise = os.urandom(small * 8)
    for number in range(seconds * FRAMES_PER_SECOND):
        keyframe = number % GOP == 0
        body = (b"\x65" if keyframe else b"\x41") + noise[: (small * 8 if keyframe else small) - 5]
        at_90k = number * 90000 // FRAMES_PER_SECOND
        payload = len(body).to_bytes(4, "big") + body
        yield AccessUnit(0, payload, at_90k, at_90k, keyframe, START_US + at_90k * 100 // 9)


async def record(rows: LocalRowWriter, store: DirectoryStore, folder: Path, seconds: int) -> None:
    """File the footage as an import, as fast as the disk takes it."""
    recorder = Recorder(RecorderConfig(SpoolConfig(folder), segment_s=60), rows, store)
    await recorder.start()
    source = RecordedSource(f"{CAMERA}/main", "import", CAMERA, "main", 1)
    writer = await recorder.record(source)
    writer.on_run_started((_VIDEO,))
    for number, unit in enumerate(pictures(seconds)):
        writer.on_access_unit(unit)
        if number % 500 == 0:
            spool = recorder.spool
            while spool.queued_bytes > 32_000_000 or spool.bytes > 200_000_000:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    writer.on_run_started((_VIDEO,))  # seals what was open
    await recorder.uploader.drain(120)
    await recorder.close()


def populate(connection: sa.Connection) -> None:
    """A camera, and who may export it."""
    connection.execute(
        sa.insert(areas).values(id="a", name="a", path="a/", position=0, created_us=1)
    )
    connection.execute(
        sa.insert(cameras).values(
            id=CAMERA, area_id="a", name="camera", main_url="rtsp://127.0.0.1/", transport="tcp",
            record="continuous", enabled=True, created_us=1, changed_us=1,
        )
    )  # fmt: skip
    connection.execute(
        sa.insert(users).values(
            id="usr_1", name="wang", name_key="wang", display_name="wang", password_hash="-",
            must_change_password=False, enabled=True, created_us=1, password_changed_us=1,
        )
    )  # fmt: skip
    connection.execute(
        sa.insert(grants).values(
            id="grant_1", user_id="usr_1", role="investigator", area_id="a", created_us=1
        )
    )


def forget_pages(folder: Path) -> None:
    """Have the system drop the files from its cache: what is exported was recorded days ago."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


async def export(workshop: Workshop, seconds: int) -> tuple[float, float]:
    """Order and make one package of the original; gives the seconds that it took, and those of
    processors.
    """
    order = Order(
        cameras=(OrderedCamera(CAMERA, "camera", ("a",)),),
        original=True, viewing="auto", burn_time=False, burn_viewer=False, burn_masks=False,
        utc_offset_minutes=480, requester={"id": "usr_1", "name": "wang", "display_name": "wang"},
        reason={"code": "incident", "text": None, "case_id": None}, case=None,
    )  # fmt: skip
    await workshop.rows.write(
        "evidence.order_export",
        user_id="usr_1",
        case_id=None,
        camera_ids=[CAMERA],
        start_us=START_US,
        end_us=START_US + seconds * 1_000_000,
        order=asdict(order),
    )
    job = await workshop.rows.write("evidence.claim_export", process=workshop.process)
    before, cpu_before = time.perf_counter(), time.process_time()
    await Making(workshop, job).run()
    return time.perf_counter() - before, time.process_time() - cpu_before


async def join_with_ffmpeg(store: Path, keys: list[str], target: Path) -> float | None:
    """Seconds that ffmpeg takes; None where it is not installed."""
    if shutil.which("ffmpeg") is None:
        return None
    listing = target.with_suffix(".txt")
    listing.write_text("".join(f"file '{store / key}'\n" for key in keys))
    before = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "quiet", "-nostdin", "-y", "-f", "concat", "-safe", "0"),
        *("-i", str(listing), "-c", "copy", str(target)),
    )
    if await process.wait():
        return None
    os.sync()
    return time.perf_counter() - before


async def run(quick: bool) -> None:
    """Record, export, verify."""
    seconds = 360 if quick else 3600
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_directory=folder)
        load_operations()
        engine = create_writer_engine(settings)
        load_tables().create_all(engine)
        with engine.begin() as connection:
            populate(connection)
        rows = LocalRowWriter(engine)
        store = DirectoryStore(DirectoryStoreConfig(settings.store_directory))
        await record(rows, store, folder / "spool", seconds)
        reading = create_reader_engine(settings)
        async with reading.connect() as connection:
            found = await connection.execute(
                sa.select(segments.c.store_key).order_by(segments.c.start_us)
            )
            keys = list(found.scalars())
        control = ControlClient(folder / "nobody", _SECRET)
        signer = PackageSigner(_SECRET)
        workshop = Workshop(
            process="footage-1",
            engine=reading,
            rows=rows,
            reader=FootageReader(reading, store, _NoShards()),
            transcoder=TranscoderClient(control),
            signer=signer,
            folder=settings.exports_directory,
            gateway="here",
            reserve_bytes=0,
            keep_us=1 << 50,
        )
        forget_pages(settings.store_directory)
        took_s, cpu_s = await export(workshop, seconds)
        forget_pages(settings.store_directory)
        peer_s = await join_with_ffmpeg(settings.store_directory, keys, folder / "peer.mp4")
        report(
            "export_speed", seconds / took_s, "times real time", n=seconds, target=TARGET,
            better="higher", peer="ffmpeg -c copy, without digests",
            peer_value=seconds / peer_s if peer_s else None,
        )  # fmt: skip
        report("export_cpu", cpu_s / seconds * 3600, "s of CPU per hour of footage", n=seconds)
        (package,) = settings.exports_directory.iterdir()
        before = time.perf_counter()
        checked = await asyncio.to_thread(
            verify_package, package, TrustedKeys.of([signer.public_keys()[0].public_key])
        )
        assert not checked.faults, checked.faults
        rate = checked.size_bytes / (time.perf_counter() - before) / 1e6
        report("export_verify_rate", rate, "MB/s", n=checked.size_bytes, better="higher")
        rows.close()
        await store.close()
        await control.close()
        await reading.dispose()
        engine.dispose()


if __name__ == "__main__":
    asyncio.run(run(quick_requested(__doc__)))
