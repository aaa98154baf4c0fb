"""SegmentWriter: the Sink that records a Stream into the spool.

Pictures are gathered per fragment: a GOP, or 2 s where GOPs are longer. A fragment is built with a
few calls to ``struct`` and handed to the spool's threads as a list of buffers; no payload is copied
here. Segments are cut on keyframes only, about every ``segment_s``, not all cameras at once.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from camera_adapters.stream import AccessUnit, GapCause, Interruption, Track
from recorder.fmp4.writer import fragment_parts, init_segment
from recorder.gop_index import FragmentEntry
from recorder.segments import Run, new_id
from recorder.source_clock import SourceClock
from recorder.spool import Spool
from recorder.spool_file import FileState, SpoolFile, WriteFailure
from recorder.spool_header import RecordedSource, SegmentHeader, describe_run, write_header

_log = structlog.get_logger(__name__)

_FRAGMENT_90K = 180_000  # 2 s
_FRAGMENT_SLACK_90K = 22_500  # GOPs of 2 s and a little stay whole
_SHORTEST_FRAGMENT_90K = 45_000  # keyframes closer than this share a fragment
_HOLE_90K = 900_000  # time stamps that jump further than 10 s end the run
_FRAGMENT_BYTES_LIMIT = 16 << 20
_RETRY_US = 2_000_000  # after the disk failed
_NEVER = -(1 << 62)


class GapLog(Protocol):
    """Where gaps and clock offsets are told. Returns at once; keeps the order per source."""

    def open_gap(
        self,
        source_id: str,
        start_us: int,
        cause: GapCause,
        detail: str,
        *,
        unless_open: bool = False,
    ) -> None:
        """Nothing comes from ``start_us`` on. ``unless_open``: an open gap stays as it is."""

    def close_gap(self, source_id: str, end_us: int) -> None:
        """Footage comes from ``end_us`` on."""

    def add_gap(
        self, source_id: str, start_us: int, end_us: int, cause: GapCause, detail: str
    ) -> None:
        """Footage is missing in this range."""

    def set_clock_offset(self, source_id: str, since_us: int, offset_us: int) -> None:
        """The source's clock stepped."""


@dataclass(slots=True)
class WriterCounters:
    """What was done since the start; ``last_end_us`` is until when footage was accepted."""

    segments: int = 0
    fragments: int = 0
    bytes: int = 0
    dropped_fragments: int = 0
    last_end_us: int | None = None
    gop_90k: int = 0


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000


def _now_us() -> int:
    return time.time_ns() // 1000


class SegmentWriter:
    """Records one source. Attach it to the Stream; call :meth:`stop` when recording shall end.

    ``last_end_us`` and ``last_ordinal`` are where earlier footage of the source stands. Times of
    gaps are those of the footage. Never raises into the Stream for a disk, a codec or a clock.
    """

    def __init__(
        self,
        source: RecordedSource,
        spool: Spool,
        gaps: GapLog,
        *,
        segment_s: int = 60,
        last_end_us: int | None = None,
        last_ordinal: int = 0,
        now_us: Callable[[], int] = _now_us,
        monotonic_us: Callable[[], int] = _monotonic_us,
    ) -> None:
        self.source = source
        self.counters = WriterCounters(last_end_us=last_end_us)
        self.stopped = False
        self._spool = spool
        self._gaps = gaps
        self._segment_us = segment_s * 1_000_000
        self._stagger_us = zlib.crc32(source.id.encode()) % self._segment_us
        self._now_us = now_us
        self._monotonic_us = monotonic_us
        self._clock = SourceClock(last_end_us)
        self._filmed_now = source.filmed_now
        self._told_offset_us = 0
        self._last_ordinal = last_ordinal
        # A picture's time, and when it arrived
        self._known_us = 0
        self._known_monotonic_us = 0
        # The format
        self._tracks: tuple[Track, ...] = ()
        self._init_segment = b""
        self._lead = -1
        self._audio_only = False
        # The run and the segment
        self._run: Run | None = None
        self._file: SpoolFile | None = None
        self._boundary_us = 0
        self._sequence_number = 0
        self._segment_start_90k = 0
        self._accepted = False  # an operator trusts the clock; the next run will
        self._refused_until_us = _NEVER
        self._gap_open = False
        # The fragment being gathered
        self._units: list[list[AccessUnit]] = []
        self._gathering = False
        self._bytes = 0
        self._last_dts = 0
        self._key_cut_90k = 0
        self._cut_90k = 0

    # The Sink

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See :class:`~camera_adapters.stream.Sink`."""
        self._end_segment(None)
        self._run = None
        self._tracks = tracks
        self._lead = next((n for n, track in enumerate(tracks) if track.kind == "video"), 0)
        self._audio_only = bool(tracks) and tracks[self._lead].kind != "video"
        self._units = [[] for _ in tracks]
        try:
            self._init_segment = init_segment(tracks)
        except Exception as error:
            self._lead = -1  # nothing of this run can be recorded
            self._bad_media(f"the formats cannot be recorded: {error}")

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See :class:`~camera_adapters.stream.Sink`. The hot path: a few comparisons a picture."""
        if unit.track_index == self._lead:
            dts = unit.dts_90k
            if self._gathering:
                if not 0 <= dts - self._last_dts <= _HOLE_90K:
                    self._hole(unit)
                elif (
                    (dts >= self._key_cut_90k and (unit.keyframe or self._audio_only))
                    or dts >= self._cut_90k
                    or self._bytes > _FRAGMENT_BYTES_LIMIT
                ):
                    self._cut(unit)
            if not self._gathering and not (
                (unit.keyframe or self._audio_only) and self._begin(unit)
            ):
                return
            self._last_dts = dts
        elif not self._gathering or self._bytes > _FRAGMENT_BYTES_LIMIT:
            return
        self._units[unit.track_index].append(unit)
        self._bytes += len(unit.payload)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See :class:`~camera_adapters.stream.Sink`."""
        self._end_segment(None)
        self._run = None
        self._open_gap(interruption.cause, interruption.detail)

    def on_closed(self) -> None:
        """See :class:`~camera_adapters.stream.Sink`."""
        self.stop(GapCause.NOT_SCHEDULED, "the stream was closed")

    # Its owner

    def stop(self, cause: GapCause, detail: str) -> None:
        """End recording: what was gathered is written, the segment sealed. May be called twice."""
        if self.stopped:
            return
        self.stopped = True
        self._end_segment(None)
        self._run = None
        self._lead = -1
        self._open_gap(cause, detail)

    def accept_clock(self) -> None:
        """An operator trusts the source's clock: from the next keyframe on it is followed."""
        self._accepted = True
        self._boundary_us = 0

    def explain_start(self, detail: str) -> None:
        """Say that from the end of earlier footage on until now nobody recorded."""
        start_us = self._clock.last_end_us
        if start_us is not None:
            self._gap_open = True
            self._gaps.open_gap(
                self.source.id, start_us, GapCause.GATEWAY_STOPPED, detail, unless_open=True
            )

    @property
    def clock_offset_us(self) -> int:
        """How far the source's clock runs ahead of its footage's times; 0 when it is followed."""
        return self._clock.offset_us

    @property
    def recording(self) -> bool:
        """Whether a segment is being written, without trouble."""
        return self._file is not None and self._file.failure is None

    # Cutting

    def _begin(self, unit: AccessUnit) -> bool:
        """Start gathering a fragment at ``unit``; opens a segment when there is none."""
        if self._file is None and not self._open_segment(unit):
            return False
        dts = unit.dts_90k
        self._gathering = True
        self._key_cut_90k = dts + (_FRAGMENT_90K if self._audio_only else _SHORTEST_FRAGMENT_90K)
        self._cut_90k = dts + _FRAGMENT_90K + _FRAGMENT_SLACK_90K
        return True

    def _cut(self, unit: AccessUnit) -> None:
        """End the fragment before ``unit``, and the segment when it is time."""
        if not self._flush(unit):
            return
        run, file = self._run, self._file
        if run is None or file is None:
            return
        if unit.keyframe or self._audio_only:
            filed_us = run.start_us + unit.pts_90k * 100 // 9
            drifted = self._clock.observe(unit.wall_us, filed_us)
            self._tell_offset(filed_us)
            if filed_us >= self._boundary_us:
                end_us: int | None = filed_us
                if self._accepted:
                    self._run = end_us = None
                elif drifted:
                    end_us = self._clock.follow_drift(filed_us)
                    self._run = self._new_run(unit, end_us)
                self._seal(end_us)
        self._begin(unit)

    def _hole(self, unit: AccessUnit) -> None:
        """The time stamps jumped: end the run, say what is missing if the wall clock jumped too."""
        self._flush(None)
        end_us = self._clock.last_end_us
        self._seal(None)
        self._run = None
        if end_us is not None and unit.wall_us - self._clock.offset_us - end_us > 1_000_000:
            self._open_gap(GapCause.CAMERA_SILENT, "no picture came, though the camera was there")

    def _flush(self, following: AccessUnit | None) -> bool:
        """Hand the gathered fragment to the spool. False when it was lost and the segment ended."""
        if not self._gathering:
            return self._file is not None
        self._gathering = False
        units = self._units
        self._units = [[] for _ in self._tracks]
        self._bytes = 0
        file, run = self._file, self._run
        lead = units[self._lead]
        if file is None or run is None or not lead:
            return False
        first, last = lead[0], lead[-1]
        next_dts: list[int | None] | None = None
        if following is not None:
            end_90k = following.dts_90k
            next_dts = [None] * len(self._tracks)
            next_dts[self._lead] = end_90k
        else:
            end_90k = last.dts_90k + self._usual_duration(lead)
        self._sequence_number += 1
        try:
            head, buffers, size = fragment_parts(
                self._sequence_number, self._tracks, units, next_dts
            )
        except Exception as error:
            self._lose(f"the pictures cannot be written: {error}", GapCause.BAD_MEDIA)
            return False
        entry = FragmentEntry(
            first.dts_90k - self._segment_start_90k,
            end_90k - first.dts_90k,
            file.data_bytes,
            size,
            len(head) + len(buffers[0]) if first.keyframe and not self._audio_only else 0,
        )
        refusal = self._refusal(file, size)
        if refusal is not None:
            self._lose(refusal.detail, refusal.cause)
            return False
        end_us = run.start_us + (end_90k + file.composition_90k) * 100 // 9
        buffers.insert(0, head)
        self._spool.append(file, buffers, size, entry, end_us)
        self._note_end(end_us, arrived=following is not None)
        counters = self.counters
        counters.fragments += 1
        counters.bytes += size
        counters.last_end_us = end_us
        if first.keyframe:
            counters.gop_90k = 0
        counters.gop_90k += end_90k - first.dts_90k
        if self._gap_open:
            self._gap_open = False
            self._gaps.close_gap(self.source.id, file.header.start_us)
        return True

    def _note_end(self, end_us: int, *, arrived: bool) -> None:
        """Footage goes until ``end_us``. ``arrived``: the picture from then arrived just now.

        Else that may be long ago (a silent camera is noticed late), and is counted from the last
        picture whose arrival is known.
        """
        if not self._filmed_now:
            self._clock.note_end(end_us, None)
            return
        if arrived:
            self._known_us, self._known_monotonic_us = end_us, self._monotonic_us()
        self._clock.note_end(end_us, self._known_monotonic_us + end_us - self._known_us)

    def _usual_duration(self, lead: list[AccessUnit]) -> int:
        if len(lead) > 1:
            return max(lead[-1].dts_90k - lead[-2].dts_90k, 1)
        rate = self._tracks[self._lead].frames_per_second
        return round(90000 / rate) if rate > 0 else 3600

    def _refusal(self, file: SpoolFile, size: int) -> WriteFailure | None:
        if file.failure is not None:
            return file.failure
        if not self._spool.has_memory_for(size):
            return WriteFailure(
                GapCause.DISK_SLOW, "the spool's disk is slower than the cameras; memory is full"
            )
        return self._spool.make_room(size)

    # Segments and runs

    def _open_segment(self, unit: AccessUnit) -> bool:
        """Open a segment at this keyframe, and a run if there is none. False: not now."""
        if self._monotonic_us() < self._refused_until_us:
            return False
        run = self._run
        if run is None:
            if self._accepted:
                self._accepted = False
                self._clock.accept()
            start_us = self._clock.begin_run(unit.wall_us, self._monotonic_us())
            self._tell_offset(start_us)
            try:
                run = self._new_run(unit, start_us)
            except Exception as error:
                self._lead = -1
                self._bad_media(f"the formats cannot be recorded: {error}")
                return False
            self._run = run
            self._known_us, self._known_monotonic_us = start_us, self._monotonic_us()
        start_us = run.start_us + unit.pts_90k * 100 // 9
        header = SegmentHeader(new_id(start_us), self.source, run, start_us, unit.dts_90k)
        self._file = self._spool.open_file(
            header, write_header(header), unit.pts_90k - unit.dts_90k
        )
        self._segment_start_90k = unit.dts_90k
        self._sequence_number = 0
        self.counters.segments += 1
        # The first cut comes half a segment from here at the earliest: no tiny segments.
        earliest_us = start_us + self._segment_us // 2
        periods = (earliest_us - self._stagger_us) // self._segment_us + 1
        self._boundary_us = periods * self._segment_us + self._stagger_us
        return True

    def _new_run(self, unit: AccessUnit, filed_us: int) -> Run:
        now_us = self._now_us()
        self._last_ordinal = max(self._last_ordinal + 1, now_us)
        return describe_run(
            new_id(now_us),
            self.source,
            self._last_ordinal,
            filed_us - unit.pts_90k * 100 // 9,
            self._tracks,
            self._init_segment,
        )

    def _end_segment(self, following: AccessUnit | None) -> None:
        self._flush(following)
        self._seal(None)

    def _seal(self, end_us: int | None) -> None:
        file, self._file = self._file, None
        self._gathering = False
        if file is not None and file.state is FileState.OPEN:
            if file.enqueued_bytes:
                self._spool.seal(file, end_us)
            else:
                self._spool.remove(file)
                self.counters.segments -= 1

    # Trouble

    def _lose(self, detail: str, cause: GapCause) -> None:
        """A fragment is lost: end the segment; the next keyframe may start another."""
        self.counters.dropped_fragments += 1
        file = self._file
        if not self._gap_open:
            _log.warning("footage lost", source=self.source.id, cause=str(cause), detail=detail)
        if cause is not GapCause.BAD_MEDIA:
            self._refused_until_us = self._monotonic_us() + _RETRY_US
        start_us = file.enqueued_end_us if file is not None else None
        self._seal(None)
        self._open_gap(cause, detail, start_us)

    def _bad_media(self, detail: str) -> None:
        _log.warning("cannot record", source=self.source.id, detail=detail)
        self._open_gap(GapCause.BAD_MEDIA, detail)

    def _open_gap(self, cause: GapCause, detail: str, start_us: int | None = None) -> None:
        if start_us is None:
            start_us = self._clock.last_end_us if not self._gap_open else None
        if start_us is None:
            start_us = max(self._now_us(), self._clock.last_end_us or 0)
        self._gap_open = True
        self._gaps.open_gap(self.source.id, start_us, cause, detail)

    def _tell_offset(self, since_us: int) -> None:
        offset_us = self._clock.offset_us
        if abs(offset_us - self._told_offset_us) > 1_000_000 or (
            offset_us == 0 and self._told_offset_us != 0
        ):
            self._told_offset_us = offset_us
            _log.warning("the source's clock stepped", source=self.source.id, offset_us=offset_us)
            self._gaps.set_clock_offset(self.source.id, since_us, offset_us)
