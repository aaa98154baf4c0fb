"""Footage made for tests: a synthetic camera whose pictures are NAL units of the right shape."""

from __future__ import annotations

from camera_adapters.stream import AccessUnit, Codec, Track
from recorder.fmp4.writer import fragment, init_segment
from recorder.spool_header import RecordedSource, SegmentHeader, describe_run, write_header

# Parameter sets of a real 768x576 clip, so that codec strings and avcC are real too.
SPS = b"gd\x00\x1f\xac\xb3\x01\x80$\xd0\x80\x00\x00\x03\x00\x80\x00\x00\n\x07\x8c\x194"
PPS = b"h\xe9pl\xb2,"
VIDEO = Track("video", Codec.H264, 90000, (SPS, PPS), 768, 576, frames_per_second=10.0)
SOUND = Track("audio", Codec.PCMA, 8000, channels=1)
SOURCE = RecordedSource("cam_1/main", "camera", "cam_1", "main", epoch=1)
START_US = 1_760_000_000_000_000


def picture(number: int, *, gop: int = 10, step_90k: int = 9000, size: int = 200) -> AccessUnit:
    """The ``number``-th picture of a camera that began to film at START_US."""
    keyframe = number % gop == 0
    body = bytes((0x65 if keyframe else 0x41,)) + number.to_bytes(4, "big") * (size // 4)
    time_90k = number * step_90k
    return AccessUnit(
        0,
        len(body).to_bytes(4, "big") + body,
        time_90k,
        time_90k,
        keyframe,
        START_US + time_90k * 100 // 9,
    )


def sound(number: int) -> AccessUnit:
    """The ``number``-th 20 ms of sound."""
    time_90k = number * 1800
    return AccessUnit(
        1, bytes([number % 256]) * 160, time_90k, time_90k, True, START_US + time_90k * 100 // 9
    )


def segment_bytes(
    gops: int = 3, *, tracks: tuple[Track, ...] = (VIDEO,), gop: int = 10, size: int = 200
) -> tuple[bytes, list[int]]:
    """A whole segment, and where its header and each of its fragments end."""
    run = describe_run("run1", SOURCE, 1, START_US, tracks, init_segment(tracks))
    data = write_header(SegmentHeader("segment1", SOURCE, run, START_US, 0))
    ends = [len(data)]
    for number in range(gops):
        units = [[picture(n, size=size) for n in range(number * gop, (number + 1) * gop)]]
        following: list[int | None] = [(number + 1) * gop * 9000]
        if len(tracks) > 1:
            units.append([sound(n) for n in range(number * gop * 5, (number + 1) * gop * 5)])
            following.append((number + 1) * gop * 5 * 1800)
        data += fragment(number + 1, tracks, units, following)
        ends.append(len(data))
    return data, ends
