"""The spool: one process's, never in the way of the loop, readable while it grows."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from camera_adapters.stream import GapCause
from recorder import spool_disk
from recorder.recovery import recover_files
from recorder.spool import SegmentGone, Spool, SpoolConfig, SpoolError
from tests.recorder.made import SOURCE, VIDEO, picture, segment_bytes
from tests.recorder.test_segment_writer import SECOND, Bench, pictures


async def test_a_spool_belongs_to_one_process(tmp_path: Path) -> None:
    first = Bench(tmp_path).spool
    first.claim()
    second = Bench(tmp_path).spool
    with pytest.raises(SpoolError, match="in use by another process"):
        second.claim()
    await first.close()
    second.claim()
    await second.close()


async def test_a_spool_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolError, match="cannot be used"):
        Bench(tmp_path / "file" / "spool").spool.claim()


async def test_what_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.spool.claim()
    bench.spool.start()
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    (file,) = await bench.settle()
    assert await bench.spool.read(file.id, 4, 4) == b"ftyp"
    bench.spool.remove(file)
    with pytest.raises(SegmentGone):
        await bench.spool.read(file.id, 0, 10)
    assert bench.spool.bytes == 0
    await bench.spool.close()
    assert not file.path.exists()


async def test_a_stalled_disk_never_holds_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.segment_writer._RETRY_US", 0)
    stalled, resume = threading.Event(), threading.Event()
    write = spool_disk.write_all

    def stall(descriptor: int, buffers: list[bytes], size: int) -> None:
        stalled.set()
        resume.wait(60)
        write(descriptor, buffers, size)

    monkeypatch.setattr(spool_disk, "write_all", stall)
    bench = Bench(tmp_path, memory_bytes_limit=100_000)
    bench.spool.claim()
    bench.spool.start()
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(2))
    await asyncio.to_thread(stalled.wait, 30)
    bench.feed(pictures(40, start=20, size=2000))  # returns, though nothing is written
    assert bench.spool.queued_bytes <= 100_000
    assert next(told[2] for told in bench.gaps.told if told[0] == "open") is GapCause.DISK_SLOW
    resume.set()
    await bench.settle()
    bench.feed(pictures(4, start=420, size=400))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.ranges()[0][0] == 0
    assert bench.ranges()[-1][1] == 46 * SECOND
    await bench.spool.close()


async def test_a_disk_that_fails_loses_what_it_lost_and_says_from_when_to_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.segment_writer._RETRY_US", 0)
    failing = threading.Event()
    write = spool_disk.write_all

    def fail(descriptor: int, buffers: list[bytes], size: int) -> None:
        if failing.is_set():
            os.write(descriptor, b"torn")
            raise OSError(5, "Input/output error")
        write(descriptor, buffers, size)

    monkeypatch.setattr(spool_disk, "write_all", fail)
    bench = Bench(tmp_path)
    bench.spool.claim()
    bench.spool.start()
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3.1))
    await bench.settle()
    failing.set()
    bench.feed(pictures(1, start=31))
    await bench.settle()
    failing.clear()
    bench.feed(pictures(3, start=41))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    files = await bench.settle()
    assert bench.ranges() == [(0, 3 * SECOND), (5 * SECOND, 7_100_000)]
    assert ("add", 3 * SECOND, 4 * SECOND, GapCause.DISK_SLOW) in bench.gaps.told
    assert ("open", 4 * SECOND, GapCause.DISK_SLOW) in bench.gaps.told
    assert ("close", 5 * SECOND) in bench.gaps.told
    assert files[0].path.stat().st_size == files[0].describe().size_bytes
    assert bench.spool.bytes == sum(file.path.stat().st_size for file in files)
    await bench.spool.close()


async def test_more_buffers_than_one_gathering_write_takes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.spool.claim()
    bench.spool.start()
    bench.writer.on_run_started((VIDEO,))
    bench.feed(picture(n, gop=3000, step_90k=60) for n in range(2800))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    (file,) = await bench.settle()
    assert file.entries
    assert file.path.stat().st_size == file.describe().size_bytes
    await bench.spool.close()


def test_a_damaged_file_is_set_aside_and_harms_no_other(tmp_path: Path) -> None:
    whole, _ = segment_bytes(2)
    (tmp_path / "a.mp4").write_bytes(b"\0" * 5000)
    (tmp_path / "b.mp4").write_bytes(whole)
    (tmp_path / "c.mp4").write_bytes(whole[:100])
    found = Spool(SpoolConfig(tmp_path), on_pending=lambda _: None, on_lost=lambda *_: None)
    files, report = recover_files(found)
    assert [file.source for file in files] == [SOURCE]
    assert (report.unreadable, report.recovered, report.empty) == (["a.mp4"], ["b.mp4"], ["c.mp4"])
    assert (tmp_path / "unreadable" / "a.mp4").exists()


def test_what_a_kill_left_behind_the_last_whole_fragment_is_cut_off(tmp_path: Path) -> None:
    whole, ends = segment_bytes(2)
    path = tmp_path / "a.mp4"
    path.write_bytes(whole[:-10])
    found = Spool(SpoolConfig(tmp_path), on_pending=lambda _: None, on_lost=lambda *_: None)
    (file,), report = recover_files(found)
    assert path.read_bytes() == whole[: ends[1]]
    assert file.describe().size_bytes == ends[1]
    assert report.cut_bytes == len(whole) - 10 - ends[1]


async def test_bytes_are_synced_at_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    monkeypatch.setattr(spool_disk, "sync_file_system", lambda _folder: synced.set())
    bench = Bench(tmp_path, fsync_interval_s=0)
    object.__setattr__(bench.spool.config, "fsync_interval_s", 0.01)
    bench.spool.claim()
    bench.spool.start()
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(2))
    began = time.monotonic()
    assert await asyncio.to_thread(synced.wait, 30), time.monotonic() - began
    await bench.spool.close()
