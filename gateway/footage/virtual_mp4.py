"""A plain MP4 that exists only as a table: its head in memory, its media where they were recorded.

ISO/IEC 14496-12 with one ``moov`` in front of one ``mdat``: every player opens it, its length is
known before the first byte is sent, and any part of it can be sent alone. Times of a *stretch*
(footage without a hole) follow one another as they were recorded; between stretches the file goes
on at once, and the sound is brought back to the picture.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from camera_adapters.stream import Track
from recorder.fmp4.reader import Sample
from recorder.fmp4.sample_entries import box, full_box, sample_entry
from recorder.fmp4.writer import timescale

CLOCK_90K = 90_000
_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
# The movie's own time scale: 32 bits of milliseconds are 49 days.
_MOVIE_SCALE = 1000
# Seconds from 1904 (the file format's epoch) to 1970.
_MAC_EPOCH_S = 2_082_844_800


@dataclass(slots=True)
class _TrackTable:
    """One track's sample tables, in the order of the file. Times are in the track's scale."""

    track: Track
    sizes: array[int] = field(default_factory=lambda: array("I"))
    durations: array[int] = field(default_factory=lambda: array("I"))
    compositions: array[int] = field(default_factory=lambda: array("i"))
    keyframes: array[int] = field(default_factory=lambda: array("I"))
    chunk_samples: array[int] = field(default_factory=lambda: array("I"))
    chunk_offsets: array[int] = field(default_factory=lambda: array("Q"))
    end: int = 0  # where the next sample begins, if nothing is missing

    def extend_last(self, until: int) -> None:
        """Let the last sample last until ``until``, longer or shorter."""
        if self.durations:
            change = until - self.end
            last = max(1, self.durations[-1] + change)
            self.end += last - self.durations[-1]
            self.durations[-1] = last


class Mp4Table:
    """Collects samples fragment by fragment, then gives the head.

    ``tracks``: the file's formats. Each fragment's data follow one another in ``mdat``, track by
    track as they are added; offsets are counted from there.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._tables = [_TrackTable(track) for track in tracks]
        self.data_bytes = 0
        self._stretch_90k = 0  # where the stretch begins in the file
        self._stretch_from_90k = 0  # what its first picture's decoding time is in its run
        self._begins: dict[int, int] = {}
        self._fresh = [True] * len(tracks)

    @property
    def samples(self) -> int:
        """How many samples of all tracks are in the file."""
        return sum(len(table.sizes) for table in self._tables)

    def begin_stretch(self, first_dts_90k: int) -> None:
        """What follows does not go on from what was before. ``first_dts_90k`` is the decoding time
        of its first picture in its run. The first track leads: the others follow its length.
        """
        lead = self._tables[0]
        self._stretch_90k = lead.end * CLOCK_90K // timescale(lead.track)
        self._stretch_from_90k = first_dts_90k
        self._fresh = [True] * len(self._tables)

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        """One fragment's samples of one track."""
        if not samples:
            return
        table = self._tables[index]
        track = table.track
        scale = timescale(track)
        base = (self._stretch_90k - self._stretch_from_90k) * scale // CLOCK_90K
        start = base + samples[0].dts
        if not table.sizes:
            self._begins[index] = start
            table.end = start
        elif self._fresh[index] or start > table.end:
            table.extend_last(start)
        self._fresh[index] = False
        number = len(table.sizes)
        table.chunk_offsets.append(self.data_bytes)
        table.chunk_samples.append(len(samples))
        for sample in samples:
            table.sizes.append(sample.size)
            table.durations.append(sample.duration)
            table.end += sample.duration
            self.data_bytes += sample.size
            number += 1
            if track.kind == "video":
                table.compositions.append(sample.composition_offset)
                if sample.sync:
                    table.keyframes.append(number)

    def head(self, *, skip_90k: int, duration_90k: int, creation_us: int) -> bytes:
        """``ftyp``, ``moov`` and the header of ``mdat``.

        ``skip_90k``: how much of the first stretch, from its first decoding time, comes before the
        first picture to show; an edit list leaves it out. ``duration_90k``: how long to show.
        """
        size = len(self._head(skip_90k, duration_90k, creation_us, 0))
        return self._head(skip_90k, duration_90k, creation_us, size)

    def _head(self, skip_90k: int, duration_90k: int, creation_us: int, data_start: int) -> bytes:
        created_s = (creation_us // 1_000_000 + _MAC_EPOCH_S) & 0xFFFFFFFF
        traks = [
            self._trak(index + 1, table, skip_90k, duration_90k, created_s, data_start)
            for index, table in enumerate(self._tables)
            if table.sizes
        ]
        header = struct.pack(
            ">IIIIIH10x", created_s, created_s, _MOVIE_SCALE, _movie(duration_90k), 0x10000, 0x100
        )
        moov = box(
            b"moov",
            full_box(
                b"mvhd", 0, 0, header, _UNITY_MATRIX, bytes(24), struct.pack(">I", len(traks) + 1)
            ),
            *traks,
        )
        ftyp = box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2mp41")
        mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + self.data_bytes)
        return ftyp + moov + mdat

    def _trak(
        self,
        number: int,
        table: _TrackTable,
        skip_90k: int,
        duration_90k: int,
        created_s: int,
        data_start: int,
    ) -> bytes:
        track = table.track
        video = track.kind == "video"
        scale = timescale(track)
        header = full_box(
            b"tkhd",
            0,
            3,
            struct.pack(">IIIII", created_s, created_s, number, 0, _movie(duration_90k)),
            struct.pack(">8xHHHH", 0, 0 if video else 1, 0 if video else 0x100, 0),
            _UNITY_MATRIX,
            struct.pack(">II", track.width << 16, track.height << 16),
        )
        media_duration = sum(table.durations)
        media_header = full_box(
            b"mdhd",
            1,
            0,
            struct.pack(">QQIQHH", created_s, created_s, scale, media_duration, 0x55C4, 0),
        )
        handler = full_box(
            b"hdlr", 0, 0, struct.pack(">4x4s12x", b"vide" if video else b"soun"), b"\0"
        )
        information = box(
            b"minf",
            full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4)),
            box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
            _sample_table(table, data_start),
        )
        edits = self._edits(number - 1, scale, skip_90k, duration_90k)
        return box(b"trak", header, edits, box(b"mdia", media_header, handler, information))

    def _edits(self, index: int, scale: int, skip_90k: int, duration_90k: int) -> bytes:
        """``edts``: begin at the wanted instant, with sound and picture together (§8.6.6)."""
        # A track's media time begins with its own first sample, wherever that lies.
        begin = self._begins.get(index, 0)
        media_time = skip_90k * scale // CLOCK_90K - begin
        entries = []
        empty = 0
        if media_time < 0:
            empty = -media_time * CLOCK_90K // scale
            entries.append(struct.pack(">QqHH", _movie(empty), -1, 1, 0))
            media_time = 0
        shown = max(0, duration_90k - empty)
        entries.append(struct.pack(">QqHH", _movie(shown), media_time, 1, 0))
        return box(b"edts", full_box(b"elst", 1, 0, struct.pack(">I", len(entries)), *entries))


def _movie(time_90k: int) -> int:
    return -(-time_90k * _MOVIE_SCALE // CLOCK_90K)


def _sample_table(table: _TrackTable, data_start: int) -> bytes:
    boxes = [
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry(table.track)),
        full_box(b"stts", 0, 0, _run_lengths(table.durations, ">II")),
    ]
    if any(table.compositions):
        # Version 1: offsets may be negative.
        boxes.append(full_box(b"ctts", 1, 0, _run_lengths(table.compositions, ">Ii")))
    if table.track.kind == "video" and len(table.keyframes) < len(table.sizes):
        count = struct.pack(">I", len(table.keyframes))
        boxes.append(full_box(b"stss", 0, 0, count, _big_endian(table.keyframes)))
    boxes += [
        full_box(b"stsc", 0, 0, _chunk_runs(table)),
        full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(table.sizes)), _big_endian(table.sizes)),
    ]
    offsets = array("Q", (offset + data_start for offset in table.chunk_offsets))
    count = struct.pack(">I", len(offsets))
    boxes.append(full_box(b"co64", 0, 0, count, _big_endian(offsets)))
    return box(b"stbl", *boxes)


def _run_lengths(values: array[int], form: str) -> bytes:
    """Entries of (how many, value), with their number in front."""
    packed = bytearray()
    entries = count = 0
    current: int | None = None
    for value in values:
        if value == current:
            count += 1
            continue
        if current is not None:
            packed += struct.pack(form, count, current)
            entries += 1
        current, count = value, 1
    if current is not None:
        packed += struct.pack(form, count, current)
        entries += 1
    return struct.pack(">I", entries) + bytes(packed)


def _chunk_runs(table: _TrackTable) -> bytes:
    """``stsc``: from which chunk on each has so many samples (§8.7.4)."""
    packed = bytearray()
    entries = 0
    last: int | None = None
    for number, samples in enumerate(table.chunk_samples, 1):
        if samples != last:
            packed += struct.pack(">III", number, samples, 1)
            entries += 1
            last = samples
    return struct.pack(">I", entries) + bytes(packed)


def _big_endian(values: array[int]) -> bytes:
    swapped = array(values.typecode, values)
    if sys.byteorder == "little":
        swapped.byteswap()
    return swapped.tobytes()
