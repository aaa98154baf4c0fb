"""``gridsight import``: footage files of others, filed under a camera and a time. No re-encoding.

A file goes the way that a camera's stream goes: segment writer, spool, store, index; each file is a
source of its own (kind ``import``). Where the camera recorded itself, its own footage is shown; the
import fills the rest. The same command, given again, goes on where it was interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import AccessUnit, GapCause
from gateway.audit import AuditRecord, act, append
from gateway.cameras import find_cameras
from gateway.database.engine import create_reader_engine
from gateway.database.evidence_tables import holds
from gateway.footage.media_file import MediaFileError, RunStarted, duration_of, read_media_file
from gateway.identifiers import US_PER_S, now_us
from gateway.settings import Settings
from gateway.store import open_configured_store
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import RowError, RowWriter
from recorder.segment_writer import SegmentWriter
from recorder.spool import SpoolConfig, SpoolError
from recorder.spool_header import RecordedSource
from recorder.tables import spans

QUEUED_BYTES_LIMIT = 32 * 1024 * 1024
SPOOL_BYTES_LIMIT = 1024 * 1024 * 1024
STORE_PATIENCE_S = 60.0
_UNITS_AT_ONCE = 500
_DIGEST_BYTES = 1024 * 1024
_DAY_US = 24 * 3600 * US_PER_S
_ENDLESS_US = 1 << 62

Say = Callable[[str], None]


class FootageImportError(ValueError):
    """The import cannot be done, or not to its end. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file: the time that it covers, whether anything was to be done, and the
    damage at its end that broke it off.
    """

    source_id: str
    start_us: int
    end_us: int
    already_there: bool
    damage: str | None = None


def parse_start(text: str) -> int:
    """An instant with a zone, such as ``2026-11-01T08:00:00+08:00``, in UTC microseconds.

    Raises FootageImportError.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise FootageImportError(
            f"--start {text!r} is not a time: write 2026-11-01T08:00:00+08:00"
        ) from None
    if at.tzinfo is None:
        raise FootageImportError(f"--start {text!r} has no time zone: add +08:00, or Z for UTC")
    return int(at.timestamp()) * US_PER_S + at.microsecond


async def import_files(
    settings: Settings,
    rows: RowWriter,
    paths: Sequence[Path],
    *,
    camera_id: str,
    start_us: int,
    hold: bool,
    say: Say,
) -> list[Imported]:
    """Import the files one after the other, each beginning where the one before it ends.

    ``hold``: keep them until they are released, whatever the retention. Raises FootageImportError.
    """
    async with contextlib.AsyncExitStack() as stack:
        engine = create_reader_engine(settings)
        stack.push_async_callback(engine.dispose)
        retention_days = await _check_camera(engine, camera_id, settings)
        if not hold and start_us < now_us() - retention_days * _DAY_US:
            raise FootageImportError(
                f"footage of that age is deleted after {retention_days} days: "
                "give --hold to keep it until it is released"
            )
        for path in paths:
            await asyncio.to_thread(_check_file, path)
        store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        await store.check()
        done = []
        for path in paths:
            digest = await asyncio.to_thread(_digest, path, start_us)
            source_id = f"{camera_id}/import-{digest}"
            if hold:
                await _hold_meanwhile(rows, source_id, start_us)
            config = RecorderConfig(
                # One thread writes in order: whatever breaks it off, what is on disk has no hole,
                # and the next try goes on at its end.
                SpoolConfig(settings.spool_directory / f"import-{digest}", threads=1),
                segment_s=settings.recording.segment_s,
            )
            recorder = Recorder(config, rows, store)
            try:
                await recorder.start()
            except SpoolError as error:
                raise FootageImportError(f"{path}: is it being imported already? {error}") from None
            try:
                imported = await import_file(
                    recorder, engine, path,
                    source_id=source_id, camera_id=camera_id, start_us=start_us, say=say,
                )  # fmt: skip
            finally:
                await recorder.close()
            await asyncio.to_thread(_remove_empty, config.spool.directory)
            await _conclude(rows, engine, imported, path, camera_id, hold)
            if imported.damage is not None:
                raise FootageImportError(imported.damage)
            done.append(imported)
            start_us = imported.end_us
        return done


async def import_file(
    recorder: Recorder,
    engine: AsyncEngine,
    path: Path,
    *,
    source_id: str,
    camera_id: str,
    start_us: int,
    say: Say,
) -> Imported:
    """Import one file through a started Recorder. Returns when all of it, or all before the damage
    in it, is in store and index.

    Raises FootageImportError.
    """
    recorder_source = RecordedSource(source_id, "import", camera_id, "main")
    await _wait(recorder, lambda: not recorder.spool.files)  # what an earlier try left behind
    writer = await recorder.record(recorder_source)
    resume_us = await _end_of(engine, source_id)
    feeder = _Feeder(writer, start_us, resume_us)
    total_s = await asyncio.to_thread(duration_of, path)
    items = read_media_file(path)
    damage: MediaFileError | None = None
    reported = time.monotonic()
    while damage is None:
        batch, damage = await asyncio.to_thread(_take, items)
        if not batch:
            break
        for item in batch:
            feeder.take(item)
        await _wait(recorder, lambda: _has_room(recorder))
        if time.monotonic() - reported > 1.0:
            reported = time.monotonic()
            say(_progress(path, feeder.end_us - start_us, total_s))
    recorder.stop(source_id, GapCause.NOT_SCHEDULED, f"the imported file {path.name} ends here")
    await _wait(recorder, lambda: not recorder.spool.files)
    if writer.counters.dropped_fragments:
        raise FootageImportError(
            f"{path}: {writer.counters.dropped_fragments} pieces were lost on the way to the disk; "
            "make space and give the same command again"
        )
    if damage is not None:
        said = f"{damage}; imported up to {_clock(feeder.end_us)}"
        return Imported(source_id, start_us, feeder.end_us, not feeder.wrote, said)
    say(_progress(path, feeder.end_us - start_us, total_s))
    return Imported(source_id, start_us, feeder.end_us, not feeder.wrote)


class _Feeder:
    """Hands units to the writer, from the keyframe on at which an earlier import broke off."""

    def __init__(self, writer: SegmentWriter, start_us: int, resume_us: int | None) -> None:
        self._writer = writer
        self._start_us = start_us
        self._resume_us = resume_us
        self._held_back: list[AccessUnit] = []
        self._run: RunStarted | None = None
        self._run_told = False
        self._run_us = start_us
        self._lead_duration_90k = 3600
        self._last_dts: int | None = None
        self.end_us = start_us
        self.wrote = False

    def take(self, item: RunStarted | AccessUnit) -> None:
        """The next item of the file, in its order."""
        if isinstance(item, RunStarted):
            self._run, self._run_told = item, False
            self._held_back.clear()
            self._run_us = self._start_us + item.offset_90k * 100 // 9
            self._last_dts = None
            return
        unit = replace(item, wall_us=self._run_us + item.pts_90k * 100 // 9)
        if self._is_lead(unit):
            if self._last_dts is not None and unit.dts_90k > self._last_dts:
                self._lead_duration_90k = unit.dts_90k - self._last_dts
            self._last_dts = unit.dts_90k
            end_us = unit.wall_us + self._lead_duration_90k * 100 // 9
            self.end_us = max(self.end_us, end_us)
        if self._resume_us is None:
            self._give(unit)
            return
        if self._is_lead(unit) and unit.keyframe:
            self._held_back.clear()
        self._held_back.append(unit)
        if unit.wall_us >= self._resume_us:
            self._resume_us = None
            for held in self._held_back:
                self._give(held)
            self._held_back.clear()

    def _is_lead(self, unit: AccessUnit) -> bool:
        assert self._run is not None
        return self._run.tracks[unit.track_index].kind == "video"

    def _give(self, unit: AccessUnit) -> None:
        assert self._run is not None
        if not self._run_told:
            self._writer.on_run_started(self._run.tracks)
            self._run_told = True
        self._writer.on_access_unit(unit)
        self.wrote = True


def _take(
    items: Iterator[RunStarted | AccessUnit],
) -> tuple[list[RunStarted | AccessUnit], MediaFileError | None]:
    """Some items, and the damage that ends them if there is any. Blocks."""
    batch: list[RunStarted | AccessUnit] = []
    try:
        for item in islice(items, _UNITS_AT_ONCE):
            batch.append(item)  # noqa: PERF402 - what came before the damage counts
    except MediaFileError as error:
        return batch, error
    return batch, None


def _has_room(recorder: Recorder) -> bool:
    spool = recorder.spool
    return spool.queued_bytes < QUEUED_BYTES_LIMIT and spool.bytes < SPOOL_BYTES_LIMIT


async def _wait(recorder: Recorder, done: Callable[[], bool]) -> None:
    """Until ``done``; FootageImportError when the store takes nothing for a minute."""
    uploaded, since = -1, time.monotonic()
    while not done():
        status = recorder.status()
        if status.uploads.segments != uploaded:
            uploaded, since = status.uploads.segments, time.monotonic()
        elif status.trouble and time.monotonic() - since > STORE_PATIENCE_S:
            raise FootageImportError(
                f"the store does not take it: {status.trouble}; "
                "when it is back, give the same command again to go on"
            )
        await asyncio.sleep(0.02)


async def _check_camera(engine: AsyncEngine, camera_id: str, settings: Settings) -> int:
    """For how many days the camera's footage is kept. Raises FootageImportError for no camera."""
    async with engine.connect() as connection:
        found = await find_cameras(connection, [camera_id], deleted=True)
    if camera_id not in found:
        raise FootageImportError(f"there is no camera {camera_id}: see `gridsight camera list`")
    return found[camera_id].retention_days or settings.retention.days


def _check_file(path: Path) -> None:
    """All files are looked at before the first is imported."""
    try:
        first = next(read_media_file(path), None)
    except MediaFileError as error:
        raise FootageImportError(str(error)) from None
    if first is None:
        raise FootageImportError(f"{path}: there is nothing in it")


def _digest(path: Path, start_us: int) -> str:
    """Tells file and place apart from others; the same for the same command."""
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}:{start_us}:".encode())
    with path.open("rb") as opened:
        digest.update(opened.read(_DIGEST_BYTES))
        opened.seek(max(0, size - _DIGEST_BYTES))
        digest.update(opened.read(_DIGEST_BYTES))
    return digest.hexdigest()[:16]


async def _end_of(engine: AsyncEngine, source_id: str) -> int | None:
    """Until when the source is in the index."""
    statement = sa.select(sa.func.max(spans.c.end_us)).where(spans.c.source_id == source_id)
    async with engine.connect() as connection:
        end_us: int | None = (await connection.execute(statement)).scalar()
    return end_us


async def _hold_meanwhile(rows: RowWriter, source_id: str, start_us: int) -> None:
    """Hold what is being imported: a hold for people to see wants to know its end, and retention
    does not wait for that.
    """
    try:
        await rows.write(
            "recorder.add_hold",
            hold_id=source_id,
            start_us=start_us,
            end_us=_ENDLESS_US,
            source_id=source_id,
        )
    except RowError as error:
        if error.code != "conflict":  # an earlier try was broken off
            raise


async def _conclude(
    rows: RowWriter,
    engine: AsyncEngine,
    imported: Imported,
    path: Path,
    camera_id: str,
    hold: bool,
) -> None:
    there_is_any = imported.end_us > imported.start_us
    if hold and there_is_any and not await _is_held(engine, imported, camera_id):
        arguments = {
            "camera_id": camera_id,
            "start_us": imported.start_us,
            "end_us": imported.end_us,
            "reason": f"imported from {path.name}, to be kept",
            "created_by": None,
        }
        record = AuditRecord(
            "hold.place",
            camera_id=camera_id,
            start_us=imported.start_us,
            end_us=imported.end_us,
            detail={"file": path.name},
        )
        await act(rows, "evidence.hold", arguments, [record], result_as="hold")
    await rows.write("recorder.drop_hold", hold_id=imported.source_id)
    if not imported.already_there:
        record = AuditRecord(
            "footage.import",
            camera_id=camera_id,
            start_us=imported.start_us,
            end_us=imported.end_us,
            detail={"file": path.name, "source_id": imported.source_id, "held": hold},
        )
        await append(rows, [record])


async def _is_held(engine: AsyncEngine, imported: Imported, camera_id: str) -> bool:
    """Whether the same command has placed the hold before."""
    statement = sa.select(holds.c.id).where(
        holds.c.camera_id == camera_id,
        holds.c.start_us == imported.start_us,
        holds.c.end_us == imported.end_us,
        holds.c.released_us.is_(None),
    )
    async with engine.connect() as connection:
        return (await connection.execute(statement)).first() is not None


def _remove_empty(directory: Path) -> None:
    for left in (directory / ".lock",):
        left.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _progress(path: Path, done_us: int, total_s: float) -> str:
    if total_s <= 0:
        return f"{path.name}: {done_us / 1e6:.0f} s"
    share = min(100.0, done_us / 1e4 / total_s)
    return f"{path.name}: {done_us / 1e6:.0f} of {total_s:.0f} s ({share:.0f} %)"


def _clock(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / US_PER_S, UTC).isoformat(timespec="milliseconds")
