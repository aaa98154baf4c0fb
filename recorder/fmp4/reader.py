"""Reading our own fragmented MP4: formats, samples, keyframes.

Everything here takes bytes that may be damaged, and raises :class:`Mp4Error` then, nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from camera_adapters.codecs import CodecError, aac, h264, h265
from camera_adapters.stream import AccessUnit, Codec, Track
from recorder.fmp4.writer import fragment, timescale


class Mp4Error(ValueError):
    """The bytes are not what the recorder writes, or are damaged or cut."""


class Box(NamedTuple):
    """One box: ``data[body:end]`` is its payload, ``data[start:end]`` all of it."""

    kind: bytes
    start: int
    body: int
    end: int


class Sample(NamedTuple):
    """One sample: ``fragment[offset : offset + size]``; times are in the track's scale."""

    track_id: int
    offset: int
    size: int
    dts: int
    duration: int
    composition_offset: int
    sync: bool


@dataclass(frozen=True, slots=True)
class FragmentLayout:
    """Where a fragment's samples lie. ``mdat`` begins at ``moof_bytes``, ends at ``size_bytes``."""

    samples: list[Sample]
    moof_bytes: int
    size_bytes: int


def iterate_boxes(data: bytes | memoryview, start: int, end: int) -> Iterator[Box]:
    """The boxes that fill ``data[start:end]`` exactly; Mp4Error when they do not."""
    while start < end:
        if end - start < 8:
            raise Mp4Error("a box header is cut")
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            if end - start < 16:
                raise Mp4Error("a box header is cut")
            (size,) = struct.unpack_from(">Q", data, start + 8)
            body = start + 16
        if size < body - start or size > end - start:
            raise Mp4Error(f"box {kind!r} of {size} bytes does not fit")
        yield Box(kind, start, body, start + size)
        start += size


def read_tracks(init_segment: bytes) -> tuple[Track, ...]:
    """The Tracks that :func:`~recorder.fmp4.writer.init_segment` was given, in order.

    ``reorder_depth`` and ``frames_per_second`` are what the parameter sets declare.
    """
    try:
        moov = _child(init_segment, 0, len(init_segment), b"moov")
        tracks = tuple(
            _read_track(init_segment, box)
            for box in iterate_boxes(init_segment, moov.body, moov.end)
            if box.kind == b"trak"
        )
    except (struct.error, IndexError, CodecError) as error:
        raise Mp4Error(f"the initialisation segment is damaged: {error}") from error
    if not tracks:
        raise Mp4Error("the initialisation segment has no tracks")
    return tracks


def _child(data: bytes | memoryview, start: int, end: int, *path: bytes) -> Box:
    found = Box(b"", start, start, end)
    for kind in path:
        for box in iterate_boxes(data, found.body, found.end):
            if box.kind == kind:
                found = box
                break
        else:
            raise Mp4Error(f"there is no {kind.decode('latin-1')} box")
    return found


def _read_track(data: bytes, trak: Box) -> Track:
    media = _child(data, trak.body, trak.end, b"mdia")
    (scale,) = struct.unpack_from(
        ">I", data, _child(data, media.body, media.end, b"mdhd").body + 12
    )
    stsd = _child(data, media.body, media.end, b"minf", b"stbl", b"stsd")
    entry = next(iterate_boxes(data, stsd.body + 8, stsd.end), None)
    if entry is None:
        raise Mp4Error("a track has no sample entry")
    if entry.kind == b"avc1":
        avcc = _child(data, entry.body + 78, entry.end, b"avcC")
        return _h264_track(data[avcc.body : avcc.end])
    if entry.kind == b"hvc1":
        hvcc = _child(data, entry.body + 78, entry.end, b"hvcC")
        return _h265_track(data[hvcc.body : hvcc.end])
    (channels,) = struct.unpack_from(">H", data, entry.body + 16)
    if entry.kind == b"mp4a":
        esds = _child(data, entry.body + 28, entry.end, b"esds")
        return aac.track_from_audio_specific_config(_decoder_specific(data, esds))
    simple = {b"Opus": Codec.OPUS, b"alaw": Codec.PCMA, b"ulaw": Codec.PCMU}.get(entry.kind)
    if simple is None:
        raise Mp4Error(f"sample entry {entry.kind!r} is not one that the recorder writes")
    return Track(kind="audio", codec=simple, clock_rate=scale, channels=channels)


def _h264_track(record: bytes) -> Track:
    sequence_sets, at = _parameter_sets(record, 6, record[5] & 0x1F)
    picture_sets, _ = _parameter_sets(record, at + 1, record[at])
    track = h264.track_from_parameter_sets(sequence_sets[0], picture_sets[0])
    return _with_parameter_sets(track, sequence_sets + picture_sets)


def _h265_track(record: bytes) -> Track:
    units: list[bytes] = []
    at = 23
    for _ in range(record[22]):
        (count,) = struct.unpack_from(">H", record, at + 1)
        found, at = _parameter_sets(record, at + 3, count)
        units += found
    by_type = {(unit[0] >> 1) & 0x3F: unit for unit in reversed(units)}
    missing = {h265.NAL_VPS, h265.NAL_SPS, h265.NAL_PPS} - by_type.keys()
    if missing:
        raise Mp4Error("hvcC lacks a parameter set")
    track = h265.track_from_parameter_sets(
        by_type[h265.NAL_VPS], by_type[h265.NAL_SPS], by_type[h265.NAL_PPS]
    )
    return _with_parameter_sets(track, units)


def _with_parameter_sets(track: Track, units: list[bytes]) -> Track:
    return Track(
        track.kind,
        track.codec,
        track.clock_rate,
        tuple(units),
        track.width,
        track.height,
        track.channels,
        track.reorder_depth,
        track.frames_per_second,
    )


def _parameter_sets(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    units = []
    for _ in range(count):
        (size,) = struct.unpack_from(">H", record, at)
        unit = record[at + 2 : at + 2 + size]
        if len(unit) != size or not size:
            raise Mp4Error("a parameter set is cut")
        units.append(unit)
        at += 2 + size
    return units, at


def _decoder_specific(data: bytes, esds: Box) -> bytes:
    """The AudioSpecificConfig: descriptors 3, 4, 5 inside one another (ISO/IEC 14496-1 §8.3)."""
    at = esds.body + 4
    for tag, skip in ((3, 3), (4, 13), (5, 0)):
        if at >= esds.end or data[at] != tag:
            raise Mp4Error("esds is damaged")
        at += 1
        size = 0
        for _ in range(4):
            byte = data[at]
            at += 1
            size = size << 7 | byte & 0x7F
            if byte < 0x80:
                break
        if size > esds.end - at:
            raise Mp4Error("a descriptor is cut")
        if tag == 5:
            return bytes(data[at : at + size])
        at += skip
    raise Mp4Error("esds is damaged")


def read_layout(data: bytes | memoryview) -> FragmentLayout:
    """Where the samples of the fragment at the start of ``data`` lie.

    Only ``moof`` and the header of ``mdat`` need be there: a keyframe's prefix is enough. Raises
    Mp4Error when the boxes are cut or the samples do not fill ``mdat`` exactly.
    """
    try:
        moof_bytes, kind = struct.unpack_from(">I4s", data, 0)
        if kind != b"moof" or moof_bytes < 8 or moof_bytes + 8 > len(data):
            raise Mp4Error("this is not the start of a fragment")
        mdat_bytes, kind = struct.unpack_from(">I4s", data, moof_bytes)
        if kind != b"mdat" or mdat_bytes < 8:
            raise Mp4Error("no mdat follows the moof")
        samples: list[Sample] = []
        expected = moof_bytes + 8
        for box in iterate_boxes(data, 8, moof_bytes):
            if box.kind == b"traf":
                expected = _read_traf(data, box, samples, expected)
    except struct.error as error:
        raise Mp4Error(f"the fragment is damaged: {error}") from error
    if not samples or expected != moof_bytes + mdat_bytes:
        raise Mp4Error("the samples do not fill the mdat")
    return FragmentLayout(samples, moof_bytes, moof_bytes + mdat_bytes)


def _read_traf(data: bytes | memoryview, traf: Box, samples: list[Sample], expected: int) -> int:
    """Append the samples of one ``traf``; returns where they end."""
    track_id = default_flags = dts = 0
    for box in iterate_boxes(data, traf.body, traf.end):
        body = box.body
        if box.kind == b"tfhd":
            flags, track_id = struct.unpack_from(">II", data, body)
            if flags & 0xFFFFFF != 0x020020:
                raise Mp4Error("tfhd has other flags than the recorder writes")
            (default_flags,) = struct.unpack_from(">I", data, body + 8)
        elif box.kind == b"tfdt":
            (dts,) = struct.unpack_from(">Q", data, body + 4)
        elif box.kind == b"trun":
            version_flags, count, offset = struct.unpack_from(">III", data, body)
            flags = version_flags & 0xFFFFFF
            if flags & ~0xF05 or flags & 0x301 != 0x301 or offset != expected:
                raise Mp4Error("trun is not one that the recorder writes")
            body += 12
            first_flags = default_flags
            if flags & 0x004:
                (first_flags,) = struct.unpack_from(">I", data, body)
                body += 4
            columns = 2 + bool(flags & 0x400) + bool(flags & 0x800)
            if box.end - body != 4 * columns * count:
                raise Mp4Error("trun has another size than its samples need")
            values = struct.unpack_from(f">{columns * count}I", data, body)
            for number in range(count):
                at = number * columns
                duration, size = values[at], values[at + 1]
                sample_flags = first_flags if number == 0 else default_flags
                if flags & 0x400:
                    sample_flags = values[at + 2]
                composition = values[at + columns - 1] if flags & 0x800 else 0
                if composition >= 1 << 31:
                    composition -= 1 << 32
                samples.append(
                    Sample(
                        track_id, offset, size, dts, duration, composition,
                        not sample_flags & 0x010000,
                    )
                )  # fmt: skip
                offset += size
                dts += duration
            expected = offset
    return expected


def read_units(
    data: bytes | memoryview, tracks: Sequence[Track], run_start_us: int = 0
) -> list[AccessUnit]:
    """The access units of the fragment at the start of ``data``, by track, in decoding order.

    Samples that are not all there (a keyframe's prefix was read) are left out.
    """
    units = []
    for sample in read_layout(data).samples:
        index = sample.track_id - 1
        if not 0 <= index < len(tracks):
            raise Mp4Error(f"track {sample.track_id} is not in the initialisation segment")
        if sample.offset + sample.size > len(data):
            continue
        scale = timescale(tracks[index])
        dts, pts = sample.dts, sample.dts + sample.composition_offset
        if scale != 90000:
            dts = (dts * 90000 + scale // 2) // scale
            pts = (pts * 90000 + scale // 2) // scale
        payload = bytes(data[sample.offset : sample.offset + sample.size])
        wall_us = run_start_us + pts * 100 // 9
        units.append(AccessUnit(index, payload, pts, dts, sample.sync, wall_us))
    return units


def keyframe_fragment(
    prefix: bytes, tracks: Sequence[Track], duration_90k: int, sequence_number: int = 1
) -> bytes:
    """A fragment of the keyframe alone, from the fragment's first ``keyframe_bytes`` bytes.

    It lasts ``duration_90k``. Raises Mp4Error when the prefix does not hold a keyframe.
    """
    keyframe = next((unit for unit in read_units(prefix, tracks)), None)
    if keyframe is None or not keyframe.keyframe:
        raise Mp4Error("the bytes do not hold a keyframe")
    units: list[list[AccessUnit]] = [[] for _ in tracks]
    units[keyframe.track_index].append(keyframe)
    ends: list[int | None] = [keyframe.dts_90k + duration_90k] * len(tracks)
    return fragment(sequence_number, tracks, units, ends)
