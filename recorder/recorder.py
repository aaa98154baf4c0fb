"""Recorder: everything a media shard needs to record its cameras, in one object.

recorder = Recorder(config, rows, store)
await recorder.start()
writer = await recorder.record(RecordedSource(id="cam_1/main", camera_id="cam_1", ...))
stream.attach(writer)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from camera_adapters.stream import GapCause
from recorder.gap_log import RowGapLog
from recorder.hold_rows import HeldRange
from recorder.recovery import RecoveryReport, recover_files
from recorder.rows import RowWriter
from recorder.segment_writer import SegmentWriter
from recorder.segments import Run, Segment
from recorder.source_openings import SourceOpenings
from recorder.spool import Spool, SpoolConfig
from recorder.spool_file import FileState, SpoolFile
from recorder.spool_header import RecordedSource
from recorder.stores import Store
from recorder.upload import UploadCounters, Uploader

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """``segment_s``: 60, or 300 for large sites. See SpoolConfig for the rest of the limits."""

    spool: SpoolConfig
    segment_s: int = 60
    upload_concurrency: int = 4
    put_timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """For metrics and the console. ``oldest_pending_us``: where the oldest whole segment that
    waits for the store ends, None when none waits. ``trouble`` is empty when the store takes all.
    """

    spool_bytes: int
    spool_bytes_limit: int
    queued_bytes: int
    open_segments: int
    pending_segments: int
    oldest_pending_us: int | None
    uploads: UploadCounters
    trouble: str


class Recorder:
    """Spool, uploader and gap log of one process. Use it on one event loop."""

    def __init__(self, config: RecorderConfig, rows: RowWriter, store: Store) -> None:
        self.config = config
        self.gaps = RowGapLog(rows)
        self.spool = Spool(config.spool, on_pending=self._pending, on_lost=self.gaps.add_gap)
        self.uploader = Uploader(
            self.spool,
            store,
            rows,
            concurrency=config.upload_concurrency,
            put_timeout_s=config.put_timeout_s,
        )
        self._openings = SourceOpenings(rows)
        self._writers: dict[str, SegmentWriter] = {}
        self._copies: list[SegmentWriter] = []

    async def start(self) -> RecoveryReport:
        """Claim the spool, recover what an earlier process left, start uploading.

        Raises SpoolError when the spool cannot be used.
        """
        await asyncio.to_thread(self.spool.claim)
        self.gaps.start()
        self.spool.start()
        files, report = await asyncio.to_thread(recover_files, self.spool)
        for file in files:
            self.spool.adopt(file)
        if report.recovered or report.unreadable:
            _log.info(
                "spool recovered",
                segments=len(report.recovered),
                cut_bytes=report.cut_bytes,
                unreadable=report.unreadable,
            )
        self.uploader.start()
        return report

    async def close(self, *, detail: str = "the gateway was stopped") -> None:
        """Stop the writers, put everything that was accepted on disk, and release the spool.

        What is not uploaded yet waits in the spool for the next start.
        """
        for writer in list(self._writers.values()):
            writer.stop(GapCause.GATEWAY_STOPPED, detail)
        self._writers.clear()
        for copy in self._copies:
            self.end_copy(copy)
        await self._openings.close()
        await self.uploader.close()
        await self.gaps.close()
        await self.spool.close()

    @property
    def recorded_ids(self) -> set[str]:
        """The sources that are being recorded."""
        return set(self._writers)

    async def record(self, source: RecordedSource) -> SegmentWriter:
        """A writer for the source, going on where its footage ends; ends an earlier writer.

        The time since then becomes a gap ``gateway_stopped``, unless one is open already. When the
        index is out of reach, recording starts all the same.
        """
        earlier = self._writers.get(source.id)
        if earlier is not None:
            self.stop(source.id, GapCause.NOT_SCHEDULED, "recording was set up anew")
        last_end_us, last_ordinal = None, 0
        try:
            known = await self._openings.open(source)
            last_end_us, last_ordinal = known["last_end_us"], known["last_ordinal"] or 0
        except (ConnectionError, TimeoutError) as error:
            _log.warning("recording starts without its index", source=source.id, error=str(error))
        for file in self.spool.files_of(source.id):
            last_end_us = max(last_end_us or 0, file.enqueued_end_us)
            last_ordinal = max(last_ordinal, file.header.run.ordinal)
        self.gaps.speak_under(source.id, source.epoch)
        writer = SegmentWriter(
            source,
            self.spool,
            self.gaps,
            segment_s=self.config.segment_s,
            last_end_us=last_end_us,
            last_ordinal=last_ordinal,
        )
        if last_end_us is not None and earlier is None:
            writer.explain_start("the gateway was not running")
        self._writers[source.id] = writer
        return writer

    async def copy(self, source: RecordedSource) -> SegmentWriter:
        """A writer for one stretch of footage from elsewhere, filed under its own times, wherever
        other footage of the source stands; what is missing in it is nobody's gap. End it by
        :meth:`end_copy`; the next stretch needs a new one. Raises ConnectionError, TimeoutError.
        """
        known = await self._openings.open(source)
        last_ordinal = known["last_ordinal"] or 0
        for file in self.spool.files_of(source.id):
            last_ordinal = max(last_ordinal, file.header.run.ordinal)
        writer = SegmentWriter(
            source,
            self.spool,
            _NoGaps(),
            segment_s=self.config.segment_s,
            last_ordinal=last_ordinal,
        )
        self._copies.append(writer)
        return writer

    def end_copy(self, writer: SegmentWriter) -> None:
        """What was gathered is written, and the stretch is over. May be called twice."""
        self._copies = [one for one in self._copies if one is not writer]
        writer.stop(GapCause.NOT_SCHEDULED, "the stretch is over")

    def stop(self, source_id: str, cause: GapCause, detail: str) -> None:
        """End recording a source, for this reason. Unknown sources are ignored."""
        writer = self._writers.pop(source_id, None)
        if writer is not None:
            writer.stop(cause, detail)

    def writer(self, source_id: str) -> SegmentWriter | None:
        """The source's writer, while it is being recorded."""
        return self._writers.get(source_id)

    def accept_clock(self, source_id: str) -> None:
        """An operator trusts the source's clock although it stepped: a new run follows it."""
        writer = self._writers.get(source_id)
        if writer is not None:
            writer.accept_clock()
        self.gaps.accept_clock(source_id, time.time_ns() // 1000)

    def keep(self, held: Sequence[HeldRange]) -> None:
        """What of the spool may not be given up, however full it gets: what these ranges meet.

        Call it again and again: files that were opened meanwhile are looked at then.
        """
        for file in self.spool.files.values():
            source, header = file.source, file.header
            file.held = any(
                one.meets(source.id, source.camera_id, header.start_us, file.enqueued_end_us)
                for one in held
            )

    def open_segments(self, source_id: str) -> list[tuple[Segment, Run]]:
        """Segments that are not in the index yet, oldest first: open, and on their way."""
        return [(file.describe(), file.header.run) for file in self.spool.files_of(source_id)]

    async def read_open(self, segment_id: str, offset: int, length: int) -> bytes:
        """Bytes of a segment that :meth:`open_segments` told of.

        Raises SegmentGone when it went into store and index meanwhile: look for its row.
        """
        return await self.spool.read(segment_id, offset, length)

    def status(self) -> RecorderStatus:
        """How it is doing."""
        files = self.spool.files.values()
        pending = [file.enqueued_end_us for file in files if file.state is FileState.PENDING]
        return RecorderStatus(
            spool_bytes=self.spool.bytes,
            spool_bytes_limit=self.spool.config.bytes_limit,
            queued_bytes=self.spool.queued_bytes,
            open_segments=sum(file.state is FileState.OPEN for file in files),
            pending_segments=len(pending),
            oldest_pending_us=min(pending, default=None),
            uploads=self.uploader.counters,
            trouble=self.uploader.counters.trouble,
        )

    def _pending(self, file: SpoolFile) -> None:
        self.uploader.add(file)


class _NoGaps:
    """See GapLog; of footage from elsewhere nothing is missing here."""

    def open_gap(
        self,
        source_id: str,
        start_us: int,
        cause: GapCause,
        detail: str,
        *,
        unless_open: bool = False,
    ) -> None:
        """Not told."""

    def close_gap(self, source_id: str, end_us: int) -> None:
        """Not told."""

    def add_gap(
        self, source_id: str, start_us: int, end_us: int, cause: GapCause, detail: str
    ) -> None:
        """Not told."""

    def set_clock_offset(self, source_id: str, since_us: int, offset_us: int) -> None:
        """Not told."""
