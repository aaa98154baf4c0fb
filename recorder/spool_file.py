"""SpoolFile: one segment in the spool, from its first fragment until it is gone."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from camera_adapters.stream import GapCause
from recorder import gop_index
from recorder.gop_index import FragmentEntry
from recorder.segments import Segment, store_key
from recorder.spool_header import RecordedSource, SegmentHeader


class FileState(enum.Enum):
    """See :mod:`recorder.spool`."""

    OPEN = "open"
    PENDING = "pending"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class WriteFailure:
    """Why bytes did not reach the disk."""

    cause: GapCause
    detail: str


@dataclass(eq=False, slots=True)
class SpoolFile:
    """One segment in the spool.

    ``entries`` and ``written_bytes`` cover what is safely in the file; they are published by the
    writing thread after each write, entries last. ``enqueued_*`` is what was accepted.
    """

    header: SegmentHeader
    header_data: bytes
    path: Path
    thread: int
    composition_90k: int = 0
    held: bool = False
    state: FileState = FileState.OPEN
    entries: list[FragmentEntry] = field(default_factory=list)
    written_bytes: int = 0
    enqueued_bytes: int = 0
    enqueued_end_us: int = 0
    end_us: int | None = None  # set when sealed
    failure: WriteFailure | None = None
    sha256: bytes = b""
    uploading: bool = False
    retry_at: float = 0.0
    descriptor: int = -1

    @property
    def id(self) -> str:
        """The segment's id."""
        return self.header.segment_id

    @property
    def source(self) -> RecordedSource:
        """Whose footage it is."""
        return self.header.source

    @property
    def data_bytes(self) -> int:
        """Bytes of the fragments accepted so far."""
        return max(self.enqueued_bytes - len(self.header_data), 0)

    def written_end_us(self, count: int | None = None) -> int:
        """Until when the (first ``count``) written fragments go."""
        entries = self.entries if count is None else self.entries[:count]
        if not entries:
            return self.header.start_us
        last = entries[-1]
        end_90k = self.header.start_90k + last.start_90k + last.duration_90k
        return self.header.run.start_us + (end_90k + self.composition_90k) * 100 // 9

    def describe(self) -> Segment:
        """The Segment as of now: of an open one, what is safely in the file."""
        count = len(self.entries)
        entries = self.entries[:count]
        header_bytes = len(self.header_data)
        end_us = self.written_end_us(count)
        if self.end_us is not None and self.failure is None:
            end_us = self.end_us
        start_us = self.header.start_us
        return Segment(
            id=self.id,
            source_id=self.source.id,
            run_id=self.header.run.id,
            epoch=self.source.epoch,
            ordinal=self.header.run.ordinal,
            start_us=start_us,
            end_us=end_us,
            effective_start_us=start_us,
            effective_end_us=end_us,
            start_90k=self.header.start_90k,
            store_key=store_key(self.source.id, self.id, start_us),
            size_bytes=header_bytes + sum(entry.size_bytes for entry in entries),
            header_bytes=header_bytes,
            sha256=self.sha256,
            gop_index=gop_index.pack(entries),
            state="open" if self.state is FileState.OPEN else "pending",
            held=self.held,
        )
