"""The SegmentWriter: pictures in, segments of whole GOPs in the spool, gaps with causes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Track
from recorder.fmp4.recovery import recover
from recorder.intervals import merge
from recorder.segment_writer import SegmentWriter
from recorder.spool import Spool, SpoolConfig
from recorder.spool_file import SpoolFile
from recorder.spool_header import RecordedSource
from tests.recorder.made import SOUND, SOURCE, START_US, VIDEO, picture, sound

SECOND = 1_000_000


@dataclass
class Gaps:
    """Remembers what it was told."""

    told: list[tuple[object, ...]] = field(default_factory=list)

    def open_gap(
        self, source_id: str, start_us: int, cause: GapCause, detail: str,
        *, unless_open: bool = False,
    ) -> None:  # fmt: skip
        self.told.append(("open", start_us - START_US, cause))

    def close_gap(self, source_id: str, end_us: int) -> None:
        self.told.append(("close", end_us - START_US))

    def add_gap(
        self, source_id: str, start_us: int, end_us: int, cause: GapCause, detail: str
    ) -> None:
        self.told.append(("add", start_us - START_US, end_us - START_US, cause))

    def set_clock_offset(self, source_id: str, since_us: int, offset_us: int) -> None:
        self.told.append(("offset", since_us - START_US, offset_us))


class Bench:
    """A spool, a writer on it, and a monotonic clock that follows the pictures."""

    def __init__(self, folder: Path, **config: int) -> None:
        self.gaps = Gaps()
        self.pending: list[SpoolFile] = []
        self.spool = Spool(
            SpoolConfig(folder, **config),  # type: ignore[arg-type]
            on_pending=self.pending.append,
            on_lost=self.gaps.add_gap,
        )
        self.monotonic_us = 0
        self.writer = self.new_writer()

    def new_writer(
        self, source: RecordedSource = SOURCE, last_end_us: int | None = None
    ) -> SegmentWriter:
        self.writer = SegmentWriter(
            source,
            self.spool,
            self.gaps,
            segment_s=10,
            last_end_us=last_end_us,
            now_us=lambda: START_US + self.monotonic_us,
            monotonic_us=lambda: self.monotonic_us,
        )
        return self.writer

    def feed(self, units: Iterable[AccessUnit], wall_offset_us: int = 0) -> None:
        for unit in units:
            self.monotonic_us = max(self.monotonic_us, unit.pts_90k * 100 // 9)
            self.writer.on_access_unit(replace(unit, wall_us=unit.wall_us + wall_offset_us))

    async def settle(self) -> list[SpoolFile]:
        """Wait until all that was accepted is on disk; the files, oldest first."""

        def busy() -> bool:
            return self.spool.queued_bytes > 0 or any(
                file.end_us is not None and file not in self.pending
                for file in self.spool.files.values()
            )

        while busy():  # noqa: ASYNC110  # the threads tell nobody of a write
            await asyncio.sleep(0.001)
        return sorted(self.spool.files.values(), key=lambda file: file.header.start_us)

    def ranges(self) -> list[tuple[int, int]]:
        return sorted(
            (segment.start_us - START_US, segment.end_us - START_US)
            for segment in (file.describe() for file in self.spool.files.values())
        )


@pytest.fixture
async def bench(tmp_path: Path):  # type: ignore[no-untyped-def]
    bench = Bench(tmp_path / "spool")
    bench.spool.claim()
    bench.spool.start()
    yield bench
    await bench.spool.close()


def pictures(seconds: float, start: int = 0, **options: int) -> list[AccessUnit]:
    return [picture(n, **options) for n in range(start, start + round(seconds * 10))]


async def test_segments_are_cut_on_keyframes_and_abut(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(35))
    bench.writer.stop(GapCause.GATEWAY_STOPPED, "test")
    files = await bench.settle()
    ranges = bench.ranges()
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 35 * SECOND
    for (_, end), (start, _) in itertools.pairwise(ranges):
        assert end == start
        assert start % SECOND == 0  # a keyframe each second
    assert all(5 * SECOND <= end - start <= 15 * SECOND for start, end in ranges[:-1])
    total = 0
    for file in files:
        found = recover(file.path.read_bytes())
        assert found.entries == file.entries
        assert found.size_bytes == file.path.stat().st_size == file.describe().size_bytes
        assert found.end_us == file.end_us
        assert all(entry.keyframe_bytes for entry in found.entries)
        total += len(found.entries)
    assert total == 35


async def test_cuts_are_spread_over_cameras(bench: Bench) -> None:
    cuts = set()
    for number in range(20):
        source = replace(SOURCE, id=f"cam_{number}/main")
        bench.new_writer(source).on_run_started((VIDEO,))
        bench.monotonic_us = 0
        bench.feed(pictures(30))
        bench.writer.stop(GapCause.GATEWAY_STOPPED, "test")
        first = bench.spool._by_source[source.id][0]
        cuts.add((first.end_us or 0) - START_US)
    await bench.settle()
    assert len(cuts) > 4


async def test_long_gops_are_cut_into_fragments_but_segments_begin_with_keyframes(
    bench: Bench,
) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(60, gop=150))  # a keyframe each 15 s
    bench.writer.stop(GapCause.GATEWAY_STOPPED, "test")
    files = await bench.settle()
    for file in files:
        assert (file.header.start_us - START_US) % (15 * SECOND) == 0
        found = recover(file.path.read_bytes())
        assert found.entries[0].keyframe_bytes
        assert max(entry.duration_90k for entry in found.entries) <= 90_000 * 2.25 + 9_000
        assert sum(1 for entry in found.entries if entry.keyframe_bytes) >= 1
    assert bench.ranges()[-1][1] == 60 * SECOND


async def test_every_picture_a_keyframe_shares_fragments(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(8, gop=1))
    bench.writer.stop(GapCause.GATEWAY_STOPPED, "test")
    await bench.settle()
    assert bench.writer.counters.fragments == 16


async def test_the_open_segment_can_be_read_up_to_the_last_written_fragment(
    bench: Bench,
) -> None:
    bench.writer.on_run_started((VIDEO, SOUND))
    units = pictures(3.5) + [sound(n) for n in range(175)]
    bench.feed(sorted(units, key=lambda unit: (unit.dts_90k, unit.track_index)))
    await bench.settle()
    (file,) = bench.spool.files_of(SOURCE.id)
    segment = file.describe()
    assert segment.state == "open"
    assert segment.end_us == START_US + 3 * SECOND
    fragments = segment.fragments()
    assert [fragment.start_us for fragment in fragments] == [
        START_US + n * SECOND for n in range(3)
    ]
    data = await bench.spool.read(segment.id, 0, 1 << 30)
    assert len(data) == segment.size_bytes
    assert recover(data).entries == file.entries
    last = fragments[-1]
    assert await bench.spool.read(segment.id, last.offset, last.size_bytes) == data[last.offset :]


async def test_an_interruption_opens_a_gap_and_the_next_picture_closes_it(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    bench.writer.on_interrupted(Interruption(GapCause.CAMERA_OFFLINE, "no route"))
    bench.writer.on_interrupted(Interruption(GapCause.CAMERA_REFUSED, "401"))
    bench.monotonic_us = 20 * SECOND
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(2.5), wall_offset_us=20 * SECOND)
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.ranges() == [(0, 3 * SECOND), (20 * SECOND, 22_500_000)]
    assert bench.gaps.told == [
        ("open", 3 * SECOND, GapCause.CAMERA_OFFLINE),
        ("open", 3 * SECOND, GapCause.CAMERA_REFUSED),
        ("close", 20 * SECOND),
        ("open", 22_500_000, GapCause.NOT_SCHEDULED),
    ]


async def test_a_change_of_format_starts_a_new_segment_in_a_new_run(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    bench.writer.on_run_started((VIDEO, SOUND))
    bench.feed([replace(unit, pts_90k=unit.pts_90k - 270_000, dts_90k=unit.dts_90k - 270_000)
                for unit in pictures(3, start=30)])  # fmt: skip
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    files = await bench.settle()
    assert bench.ranges() == [(0, 3 * SECOND), (3 * SECOND, 6 * SECOND)]
    first, second = (file.header.run for file in files)
    assert first.id != second.id
    assert first.ordinal < second.ordinal
    assert first.timescales == (90000,)
    assert second.timescales == (90000, 8000)


async def test_pictures_before_the_first_keyframe_are_not_recorded(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO, SOUND))
    bench.feed([sound(0), *pictures(2, start=5)])
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.ranges() == [(1 * SECOND, 2_500_000)]


async def test_sound_without_pictures_does_not_fill_memory(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO, SOUND))
    bench.feed([picture(0)])
    chunk = replace(sound(0), payload=bytes(1 << 20))
    for _ in range(100):
        bench.writer.on_access_unit(chunk)
    assert bench.writer._bytes < 20 << 20


async def test_sound_alone_is_recorded(bench: Bench) -> None:
    bench.writer.on_run_started((SOUND,))
    bench.feed([replace(sound(n), track_index=0) for n in range(500)])
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    files = await bench.settle()
    assert bench.ranges()[-1][1] == 10 * SECOND
    assert all(recover(file.path.read_bytes()).entries == file.entries for file in files)


async def test_time_stamps_that_jump_start_a_new_run_at_the_same_wall_clock(
    bench: Bench,
) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    hour_90k = 3600 * 90000
    jumped = [
        replace(unit, pts_90k=unit.pts_90k + hour_90k, dts_90k=unit.dts_90k + hour_90k)
        for unit in pictures(3, start=30)
    ]
    monotonic_us = bench.monotonic_us
    for unit in jumped:
        bench.monotonic_us = monotonic_us = monotonic_us + SECOND // 10
        bench.writer.on_access_unit(unit)
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.ranges() == [(0, 3 * SECOND), (3 * SECOND, 6 * SECOND)]


async def test_formats_that_cannot_be_written_are_a_gap_not_an_exception(bench: Bench) -> None:
    broken = Track("video", Codec.H264, 90000, (b"\x67", b"\x68"))
    bench.writer.on_run_started((broken,))
    bench.feed(pictures(3))
    assert bench.gaps.told[0][2] is GapCause.BAD_MEDIA
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    await bench.settle()
    assert len(bench.spool.files) == 1


async def test_units_that_cannot_be_written_end_the_segment_only(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO, SOUND))
    bench.feed(pictures(3.5))
    bench.writer.on_access_unit(replace(sound(0), dts_90k=1 << 70))
    bench.feed(pictures(4, start=35))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.gaps.told[0] == ("open", 3 * SECOND, GapCause.BAD_MEDIA)
    assert bench.ranges() == [(0, 3 * SECOND), (4 * SECOND, 7_500_000)]


async def test_full_memory_is_a_gap_disk_slow_and_recording_goes_on_afterwards(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path / "spool", memory_bytes_limit=40_000)
    bench.spool.claim()  # not started: a disk that takes nothing
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(20, size=400))
    assert any(told[0] == "open" and told[2] is GapCause.DISK_SLOW for told in bench.gaps.told)
    assert bench.spool.queued_bytes <= 40_000
    bench.spool.start()
    await bench.settle()
    bench.feed(pictures(5, start=200, size=400))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    ranges = bench.ranges()
    assert len(ranges) == 2
    gap_start = next(told[1] for told in bench.gaps.told if told[0] == "open")
    gap_end = next(told[1] for told in bench.gaps.told if told[0] == "close" and told[1])
    assert ranges[0][1] == gap_start
    assert ranges[1] == (gap_end, 25 * SECOND)
    await bench.spool.close()


# Clocks


async def record_and_reconnect(bench: Bench, elapsed_s: int, step_s: int) -> list[tuple[int, int]]:
    """10 s of footage; ``elapsed_s`` later 10 s more from a clock that stepped meanwhile."""
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(10))
    bench.writer.on_interrupted(Interruption(GapCause.CAMERA_OFFLINE, "x"))
    start_us = bench.monotonic_us = bench.monotonic_us + elapsed_s * SECOND
    bench.writer.on_run_started((VIDEO,))
    for unit in pictures(10):
        bench.monotonic_us = start_us + unit.pts_90k * 100 // 9
        wall_us = unit.wall_us + (10 + elapsed_s + step_s) * SECOND
        bench.writer.on_access_unit(replace(unit, wall_us=wall_us))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    return bench.ranges()


async def test_a_silence_that_is_noticed_late_is_no_step_of_the_clock(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    bench.monotonic_us = 13 * SECOND
    bench.writer.on_interrupted(Interruption(GapCause.CAMERA_SILENT, "10 s without a picture"))
    bench.monotonic_us = 20 * SECOND
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(2.5), wall_offset_us=20 * SECOND)
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.ranges() == [(0, 3 * SECOND), (20 * SECOND, 22_500_000)]
    assert not [told for told in bench.gaps.told if told[0] == "offset"]


async def test_a_camera_that_begins_with_the_gop_it_had_ready_keeps_its_time(
    bench: Bench,
) -> None:
    assert merge(await record_and_reconnect(bench, elapsed_s=8, step_s=-4)) == [
        (0, 10 * SECOND),
        (14 * SECOND, 24 * SECOND),
    ]
    assert not [told for told in bench.gaps.told if told[0] == "offset"]


@pytest.mark.parametrize("step_s", [-3600, 3600])
async def test_a_stepped_clock_is_not_followed_but_told(bench: Bench, step_s: int) -> None:
    ranges = await record_and_reconnect(bench, elapsed_s=5, step_s=step_s)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ranges))
    assert abs(ranges[-1][1] - 25 * SECOND) < SECOND
    (offset,) = (told for told in bench.gaps.told if told[0] == "offset")
    assert abs(int(str(offset[2])) - step_s * SECOND) < SECOND


async def test_a_clock_that_steps_back_and_forth_never_makes_an_overlap(bench: Bench) -> None:
    elapsed_us = 0
    for step_s in (0, -3600, 0, 3600, -3600, 0):
        bench.writer.on_run_started((VIDEO,))
        for unit in pictures(4):
            bench.monotonic_us = elapsed_us + unit.pts_90k * 100 // 9
            wall_us = unit.wall_us + elapsed_us + step_s * SECOND
            bench.writer.on_access_unit(replace(unit, wall_us=wall_us))
        bench.writer.on_interrupted(Interruption(GapCause.CAMERA_OFFLINE, "x"))
        elapsed_us += 6 * SECOND
    await bench.settle()
    ranges = bench.ranges()
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ranges))
    assert len(ranges) == 6
    assert bench.writer.clock_offset_us == 0  # it was right again in the end


async def test_an_accepted_clock_is_followed_by_a_new_run(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(10))
    bench.feed(pictures(10, start=100), wall_offset_us=3600 * SECOND)
    assert abs(bench.writer.clock_offset_us - 3600 * SECOND) < SECOND
    bench.writer.accept_clock()
    bench.feed(pictures(10, start=200), wall_offset_us=3600 * SECOND)
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert merge(bench.ranges()) == [
        (0, 20 * SECOND),
        (3620 * SECOND, 3630 * SECOND),
    ]
    assert bench.writer.clock_offset_us == 0


async def test_slow_drift_is_followed_at_a_cut(bench: Bench) -> None:
    bench.writer.on_run_started((VIDEO,))
    for unit in pictures(60):
        bench.feed([unit], wall_offset_us=unit.pts_90k * 100 // 9 // 100)  # one percent fast
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    files = await bench.settle()
    assert len({file.header.run.id for file in files}) > 1
    ranges = bench.ranges()
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
    assert abs(ranges[-1][1] - 60_600_000) < 300_000
    assert not [told for told in bench.gaps.told if told[0] == "offset"]


async def test_a_replayed_gop_keeps_its_true_time(bench: Bench) -> None:
    """A writer attached anew is given the current GOP, which its predecessor recorded already."""
    bench.new_writer(last_end_us=START_US + 2 * SECOND)
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.ranges() == [(0, 3 * SECOND)]
    assert not [told for told in bench.gaps.told if told[0] == "offset"]


async def test_a_writer_that_finds_footage_of_the_future_goes_on_behind_it(bench: Bench) -> None:
    bench.new_writer(last_end_us=START_US + 3600 * SECOND)
    bench.writer.on_run_started((VIDEO,))
    bench.feed(pictures(3))
    bench.writer.stop(GapCause.NOT_SCHEDULED, "off")
    await bench.settle()
    assert bench.ranges() == [(3600 * SECOND, 3603 * SECOND)]
    assert bench.gaps.told[0] == ("offset", 3600 * SECOND, -3600 * SECOND)
