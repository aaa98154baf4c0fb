"""Writing fragmented MP4: one initialisation segment, then one fragment per GOP or per picture.

The recorder calls :func:`fragment_parts` once per GOP and hands the parts to one gathering write;
live viewing over MSE calls :func:`fragment` once per picture. Media time counts 90 kHz from the
run's start in both, so that any fragment can be appended after any other of its run.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain, pairwise
from operator import attrgetter

from camera_adapters.codecs.codec_string import codec_string
from camera_adapters.stream import AccessUnit, Codec, Track
from recorder.fmp4.sample_entries import box, full_box, sample_entry

__all__ = [
    "fragment",
    "fragment_parts",
    "init_segment",
    "mime_type",
    "timescale",
    "track_order",
]

_SYNC_SAMPLE = 0x02000000  # depends on no other
_OTHER_SAMPLE = 0x01010000  # depends on others, is no sync sample
_TFHD_FLAGS = 0x020020  # default-base-is-moof, default sample flags given
_TRUN_OFFSET, _TRUN_FIRST_FLAGS = 0x001, 0x004
_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION = 0x100, 0x200, 0x400, 0x800
_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

_payload_of = attrgetter("payload")


def timescale(track: Track) -> int:
    """Units per second of the track's times in the file: 90000 for video, the audio's own rate."""
    return 90000 if track.kind == "video" else track.clock_rate


def mime_type(tracks: Sequence[Track]) -> str:
    """The MIME type for ``MediaSource.isTypeSupported`` (RFC 6381). Raises CodecError."""
    main = "video" if any(track.kind == "video" for track in tracks) else "audio"
    return f'{main}/mp4; codecs="{",".join(codec_string(track) for track in tracks)}"'


def track_order(tracks: Sequence[Track]) -> list[int]:
    """Indices of ``tracks`` with video first: the order of their data in each fragment.

    So a GOP's keyframe is the first sample of its fragment, and can be read without the rest.
    """
    return sorted(range(len(tracks)), key=lambda index: tracks[index].kind != "video")


def init_segment(tracks: Sequence[Track]) -> bytes:
    """``ftyp`` and ``moov`` for these tracks; track ids are the indices plus one.

    Raises CodecError when a parameter set is broken.
    """
    return b"".join(
        (
            box(b"ftyp", b"iso6", struct.pack(">I", 0x200), b"iso6mp41"),
            box(
                b"moov",
                _movie_header(len(tracks)),
                *(_track(index + 1, track) for index, track in enumerate(tracks)),
                box(
                    b"mvex",
                    *(
                        full_box(b"trex", 0, 0, struct.pack(">5I", index + 1, 1, 0, 0, 0))
                        for index in range(len(tracks))
                    ),
                ),
            ),
        )
    )


def fragment(
    sequence_number: int,
    tracks: Sequence[Track],
    units: Sequence[Sequence[AccessUnit]],
    next_dts_90k: Sequence[int | None] | None = None,
    offset_90k: int = 0,
) -> bytes:
    """``moof`` and ``mdat`` for the units of each track (``units[i]`` belongs to ``tracks[i]``).

    ``next_dts_90k[i]`` is when the track's following unit is decoded, which gives the last sample's
    duration; None (or no list) means unknown, and the duration before it, the track's frame rate,
    or the codec's frame is taken. ``offset_90k`` is added to all times. Tracks without units are
    left out; ValueError when there are no units at all.
    """
    head, payloads, _ = fragment_parts(sequence_number, tracks, units, next_dts_90k, offset_90k)
    return b"".join((head, *payloads))


def fragment_parts(
    sequence_number: int,
    tracks: Sequence[Track],
    units: Sequence[Sequence[AccessUnit]],
    next_dts_90k: Sequence[int | None] | None = None,
    offset_90k: int = 0,
) -> tuple[bytes, list[bytes], int]:
    """As :func:`fragment`, without copying: the bytes before the samples, the samples in order,
    and the size of all together. Suited to a gathering write (``writev``).
    """
    trafs: list[list[bytes]] = []
    data_sizes: list[int] = []
    payloads: list[bytes] = []
    traf_bytes = 0
    for index in track_order(tracks) if len(tracks) > 1 else (0,):
        samples = units[index]
        if not samples:
            continue
        next_dts = next_dts_90k[index] if next_dts_90k is not None else None
        samples_payloads = list(map(_payload_of, samples))
        sizes = list(map(len, samples_payloads))
        before, entries = _track_fragment(
            index + 1, tracks[index], samples, sizes, next_dts, offset_90k
        )
        traf_bytes += len(before) + 4 + len(entries)
        trafs.append([before, entries])
        data_sizes.append(sum(sizes))
        payloads += samples_payloads
    if not trafs:
        raise ValueError("a fragment needs at least one access unit")
    moof_bytes = 8 + 16 + traf_bytes
    parts = [struct.pack(">I4sI4sII", moof_bytes, b"moof", 16, b"mfhd", 0, sequence_number)]
    data_offset = moof_bytes + 8
    for (before, entries), size in zip(trafs, data_sizes, strict=True):
        parts += (before, data_offset.to_bytes(4, "big"), entries)
        data_offset += size
    parts.append(struct.pack(">I4s", data_offset - moof_bytes, b"mdat"))
    return b"".join(parts), payloads, data_offset


def _track_fragment(
    track_id: int,
    track: Track,
    samples: Sequence[AccessUnit],
    sizes: list[int],
    next_dts_90k: int | None,
    offset_90k: int,
) -> tuple[bytes, bytes]:
    """A ``traf`` as what lies before, and what lies behind, the data offset in its ``trun``."""
    scale = timescale(track)
    times = [unit.dts_90k + offset_90k for unit in samples]
    if next_dts_90k is not None:
        times.append(max(next_dts_90k + offset_90k, times[-1]))
    if times[0] < 0:  # tfdt is unsigned; only the first pictures of a run with B-frames get here
        times = [max(time, 0) for time in times]
    if scale != 90000:
        times = [(time * scale + 45000) // 90000 for time in times]
    start = times[0]
    durations = [after - before for before, after in pairwise(times)]
    if next_dts_90k is None:
        durations.append(_last_duration(track, samples[-1], durations))

    composition = [unit.pts_90k - unit.dts_90k for unit in samples]
    flags = _TRUN_OFFSET | _TRUN_DURATION | _TRUN_SIZE
    fixed = b""
    columns: list[list[int]] = [durations, sizes]
    default_flags = _SYNC_SAMPLE
    if track.kind == "video":
        default_flags = _OTHER_SAMPLE
        keyframes = sum(unit.keyframe for unit in samples)
        if keyframes == 1 and samples[0].keyframe:
            flags |= _TRUN_FIRST_FLAGS
            fixed = _SYNC_SAMPLE.to_bytes(4, "big")
        elif keyframes:
            flags |= _TRUN_FLAGS
            columns.append([_SYNC_SAMPLE if unit.keyframe else _OTHER_SAMPLE for unit in samples])
    if any(composition):
        flags |= _TRUN_COMPOSITION
        if scale != 90000:
            composition = [value * scale // 90000 for value in composition]
        columns.append([value & 0xFFFFFFFF for value in composition])
    count = len(samples)
    entries = fixed + struct.pack(
        f">{count * len(columns)}I", *chain.from_iterable(zip(*columns, strict=True))
    )
    trun_bytes = 20 + len(entries)
    before = struct.pack(
        ">I4sI4sIIII4sIQI4sII",
        8 + 20 + 20 + trun_bytes,
        b"traf",
        20,
        b"tfhd",
        _TFHD_FLAGS,
        track_id,
        default_flags,
        20,
        b"tfdt",
        1 << 24,
        start,
        trun_bytes,
        b"trun",
        1 << 24 | flags,  # version 1: signed composition offsets
        count,
    )
    return before, entries


def _last_duration(track: Track, last: AccessUnit, durations: list[int]) -> int:
    """What the last sample probably lasts, in the track's time scale."""
    if durations:
        return durations[-1]
    if track.kind == "video":
        return round(90000 / track.frames_per_second) if track.frames_per_second > 0 else 3600
    if track.codec is Codec.AAC:
        return 1024
    if track.codec in (Codec.PCMA, Codec.PCMU):
        return max(len(last.payload) // max(track.channels, 1), 1)
    return track.clock_rate // 50  # Opus: 20 ms


def _movie_header(tracks: int) -> bytes:
    return full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">IIII", 0, 0, 90000, 0),
        struct.pack(">IH10x", 0x10000, 0x100),
        _UNITY_MATRIX,
        bytes(24),
        struct.pack(">I", tracks + 1),
    )


def _track(track_id: int, track: Track) -> bytes:
    video = track.kind == "video"
    header = full_box(
        b"tkhd",
        0,
        3,  # enabled, in movie
        struct.pack(">IIIII", 0, 0, track_id, 0, 0),
        struct.pack(">8xHHHH", 0, 0 if video else 1, 0 if video else 0x100, 0),
        _UNITY_MATRIX,
        struct.pack(">II", track.width << 16, track.height << 16),
    )
    media_header = full_box(
        b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale(track), 0, 0x55C4, 0)
    )
    handler = full_box(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"vide" if video else b"soun"), b"\0")
    information = box(
        b"minf",
        full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4)),
        box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
        box(
            b"stbl",
            full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry(track)),
            full_box(b"stts", 0, 0, bytes(4)),
            full_box(b"stsc", 0, 0, bytes(4)),
            full_box(b"stsz", 0, 0, bytes(8)),
            full_box(b"stco", 0, 0, bytes(4)),
        ),
    )
    return box(b"trak", header, box(b"mdia", media_header, handler, information))
