"""Recovering a cut segment: everything up to its last whole fragment.

A process that was killed leaves a fragment cut short; a power loss may, on some file systems, also
leave zeros where pictures were not written yet. So a fragment counts as whole when its boxes are
whole and NAL units fill its video samples exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.codecs import CodecError
from camera_adapters.codecs.nal import iterate_nal_units
from camera_adapters.stream import Codec, Track
from recorder.fmp4.reader import FragmentLayout, Mp4Error, Sample, read_layout, read_tracks
from recorder.fmp4.writer import timescale
from recorder.gop_index import FragmentEntry
from recorder.spool_header import SegmentHeader, read_header

_FRAMED = (Codec.H264, Codec.H265)


@dataclass(frozen=True, slots=True)
class RecoveredSegment:
    """What is whole of a segment. The file is to be cut to ``size_bytes``.

    ``composition_90k`` is by how much the first picture's presentation follows its decoding.
    """

    header: SegmentHeader
    header_bytes: int
    entries: list[FragmentEntry]
    composition_90k: int
    size_bytes: int

    @property
    def end_us(self) -> int:
        """Where the last whole fragment ends, by the run's clock."""
        if not self.entries:
            return self.header.start_us
        last = self.entries[-1]
        end_90k = self.header.start_90k + last.start_90k + last.duration_90k
        return self.header.run.start_us + (end_90k + self.composition_90k) * 100 // 9


def recover(data: bytes | memoryview) -> RecoveredSegment:
    """Find the whole fragments of a segment that may be cut anywhere.

    Raises Mp4Error when not even its header is whole: then nothing of it can be played.
    """
    view = memoryview(data)
    header, header_bytes = read_header(view)
    tracks = read_tracks(header.run.init_segment)
    lead = next((n for n, track in enumerate(tracks) if track.kind == "video"), 0)
    entries: list[FragmentEntry] = []
    composition_90k = 0
    position = header_bytes
    while position < len(view):
        rest = view[position:]
        try:
            layout = read_layout(rest)
            _require_whole(rest, layout, tracks)
            entry, composition = _entry(layout, tracks, lead, header.start_90k)
        except Mp4Error:
            break
        if not entries:
            composition_90k = composition
        entries.append(entry._replace(offset=position - header_bytes))
        position += layout.size_bytes
    return RecoveredSegment(header, header_bytes, entries, composition_90k, position)


def _require_whole(data: memoryview, layout: FragmentLayout, tracks: tuple[Track, ...]) -> None:
    if layout.size_bytes > len(data):
        raise Mp4Error("the fragment is cut")
    for sample in layout.samples:
        if not 0 < sample.track_id <= len(tracks):
            raise Mp4Error("a sample belongs to no track")
        if tracks[sample.track_id - 1].codec in _FRAMED:
            payload = bytes(data[sample.offset : sample.offset + sample.size])
            try:
                if any(len(unit) == 0 for unit in iterate_nal_units(payload)):
                    raise Mp4Error("a picture holds zeros")
            except CodecError as error:
                raise Mp4Error(str(error)) from error


def _entry(
    layout: FragmentLayout, tracks: tuple[Track, ...], lead: int, start_90k: int
) -> tuple[FragmentEntry, int]:
    """The fragment's index entry (offset 0) and its first picture's composition offset."""
    samples = [sample for sample in layout.samples if sample.track_id == lead + 1]
    if not samples:
        raise Mp4Error("the fragment lacks its main track")
    first, last = samples[0], samples[-1]
    scale = timescale(tracks[lead])
    begin = _in_90k(first.dts, scale) - start_90k
    end = _in_90k(last.dts + last.duration, scale) - start_90k
    if begin < 0:
        raise Mp4Error("the fragment lies before its segment")
    keyframe_bytes = _keyframe_bytes(layout, first) if tracks[lead].kind == "video" else 0
    entry = FragmentEntry(begin, end - begin, 0, layout.size_bytes, keyframe_bytes)
    return entry, _in_90k(first.composition_offset, scale)


def _keyframe_bytes(layout: FragmentLayout, first: Sample) -> int:
    if not first.sync or first.offset != layout.moof_bytes + 8:
        return 0
    return first.offset + first.size


def _in_90k(value: int, scale: int) -> int:
    return value if scale == 90000 else (value * 90000 + scale // 2) // scale
