"""What a segment says of itself: a ``uuid`` box between ``moov`` and the first fragment.

So a spool file can be recovered alone, and the index could be rebuilt from the store alone. Players
skip the box (ISO/IEC 14496-12 §11.1).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from camera_adapters.codecs import CodecError
from camera_adapters.stream import Track
from recorder.fmp4.reader import Box, Mp4Error, iterate_boxes, read_tracks
from recorder.fmp4.sample_entries import box
from recorder.fmp4.writer import mime_type, timescale
from recorder.segments import Run

_USER_TYPE = uuid.UUID("8f0c3a52-4d1e-4bb6-9a37-67726964736b").bytes
_BYTES_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class RecordedSource:
    """Whose footage it is. ``id`` is ``{camera_id}/{variant}`` for cameras; ``kind`` is camera,
    meeting, import, backfill (a device's own recording, fetched into a gap) or borrowed (the same,
    fetched because somebody plays it); ``epoch`` is that of the assignment.

    Under pressure the spool gives up footage of the lowest ``priority`` first.
    """

    id: str
    kind: str = "camera"
    camera_id: str | None = None
    variant: str | None = None
    epoch: int = 0
    priority: int = 0

    @property
    def filmed_now(self) -> bool:
        """Whether it is filmed as it is written: else it comes from long ago, in any order."""
        return self.kind in ("camera", "meeting")


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The facts at the head of a segment that its fragments do not tell."""

    segment_id: str
    source: RecordedSource
    run: Run
    start_us: int
    start_90k: int


def describe_run(
    run_id: str, source: RecordedSource, ordinal: int, start_us: int, tracks: tuple[Track, ...],
    init_segment: bytes,
) -> Run:  # fmt: skip
    """The Run of these tracks. Raises CodecError when a parameter set is broken."""
    video = next((track for track in tracks if track.kind == "video"), None)
    audio = next((track for track in tracks if track.kind == "audio"), None)
    return Run(
        id=run_id,
        source_id=source.id,
        epoch=source.epoch,
        ordinal=ordinal,
        start_us=start_us,
        mime=mime_type(tracks),
        video_codec=str(video.codec) if video else None,
        audio_codec=str(audio.codec) if audio else None,
        width=video.width if video else 0,
        height=video.height if video else 0,
        timescales=tuple(timescale(track) for track in tracks),
        init_segment=init_segment,
    )


def write_header(header: SegmentHeader) -> bytes:
    """The segment's first bytes: the run's initialisation segment and the ``uuid`` box."""
    source, run = header.source, header.run
    facts = {
        "gridsight": 1,
        "segment_id": header.segment_id,
        "start_us": header.start_us,
        "start_90k": header.start_90k,
        "run_id": run.id,
        "run_ordinal": run.ordinal,
        "run_start_us": run.start_us,
        "source_id": source.id,
        "kind": source.kind,
        "camera_id": source.camera_id,
        "variant": source.variant,
        "epoch": source.epoch,
        "priority": source.priority,
    }
    return run.init_segment + box(b"uuid", _USER_TYPE, json.dumps(facts).encode())


def read_header(data: bytes | memoryview) -> tuple[SegmentHeader, int]:
    """The header at the start of ``data`` and its size. Raises Mp4Error when damaged or cut.

    ``data`` may go on after the header, and may be cut anywhere there.
    """
    init_bytes = 0
    for found in _leading_boxes(data):
        if found.kind == b"uuid" and bytes(data[found.body : found.body + 16]) == _USER_TYPE:
            init_segment = bytes(data[:init_bytes])
            facts = bytes(data[found.body + 16 : found.end])
            return _parse(init_segment, facts), found.end
        init_bytes = found.end
    raise Mp4Error("this is no segment of the recorder: it does not say what it is")


def _leading_boxes(data: bytes | memoryview) -> Iterator[Box]:
    position = 0
    while position + 8 <= min(len(data), _BYTES_LIMIT):
        size = int.from_bytes(data[position : position + 4], "big")
        if size < 8 or position + size > len(data):
            return
        yield from iterate_boxes(data, position, position + size)
        if data[position + 4 : position + 8] == b"moof":
            return
        position += size


def _parse(init_segment: bytes, text: bytes) -> SegmentHeader:
    tracks = read_tracks(init_segment)
    try:
        facts = json.loads(text)
        if facts["gridsight"] != 1:
            raise Mp4Error(f"segment format {facts['gridsight']} is not known here")
        source = RecordedSource(
            id=_text(facts["source_id"]),
            kind=_text(facts["kind"]),
            camera_id=None if facts["camera_id"] is None else _text(facts["camera_id"]),
            variant=None if facts["variant"] is None else _text(facts["variant"]),
            epoch=_number(facts["epoch"]),
            priority=_number(facts["priority"]),
        )
        run = describe_run(
            _text(facts["run_id"]),
            source,
            _number(facts["run_ordinal"]),
            _number(facts["run_start_us"]),
            tracks,
            init_segment,
        )
        return SegmentHeader(
            _text(facts["segment_id"]),
            source,
            run,
            _number(facts["start_us"]),
            _number(facts["start_90k"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, CodecError) as error:
        if isinstance(error, Mp4Error):
            raise
        raise Mp4Error(f"the segment's description is damaged: {error!r}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text is missing")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or not -(1 << 62) < value < 1 << 62:
        raise TypeError("a number is missing")
    return value
