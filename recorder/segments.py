"""Runs and segments as values: what rows, spool files and open segments have in common."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from recorder import gop_index

SegmentState = Literal["open", "pending", "stored", "deleting"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32


def new_id(now_us: int) -> str:
    """An id of 20 characters, safe in URLs and file names: 50 bits of milliseconds, 50 of chance.

    Ids sort by time, so that rows and listings stay in order and inserts stay at the index's end.
    """
    value = (now_us // 1000) << 50 | secrets.randbits(50)
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(95, -1, -5))


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of unchanged format. ``start_us`` is the wall clock at media time zero:
    an instant is ``start_us`` plus its media time, in all segments of the run.

    ``ordinal`` grows with each run of a source, whatever the clock does. ``timescales`` are those
    of the file's tracks, in order. ``init_segment`` is ``ftyp`` and ``moov``.
    """

    id: str
    source_id: str
    epoch: int
    ordinal: int
    start_us: int
    mime: str
    video_codec: str | None
    audio_codec: str | None
    width: int
    height: int
    timescales: tuple[int, ...]
    init_segment: bytes

    def to_message(self) -> dict[str, Any]:
        """A dictionary that survives msgpack."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Run:
        """The inverse of :meth:`to_message`."""
        return cls(**{**message, "timescales": tuple(message["timescales"])})


class Fragment(NamedTuple):
    """One fragment of a segment, in wall-clock time and in the object's bytes.

    ``number`` counts from 0 in the segment. ``media_start_90k`` counts from the run's start, as
    ``tfdt`` does. A keyframe alone is the first ``keyframe_bytes`` bytes from ``offset``; 0 when
    the fragment does not start with one.
    """

    number: int
    start_us: int
    duration_us: int
    media_start_90k: int
    offset: int
    size_bytes: int
    keyframe_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment, wherever it is: ``open`` (being written) or ``pending`` (complete, not yet in
    store and index) on a shard; ``stored`` or ``deleting`` in the index.

    [``start_us``, ``end_us``) is what it holds, [``effective_start_us``, ``effective_end_us``) what
    of it counts on the timeline (None: nothing). ``start_90k`` is its first decoding time in the
    run; ``header_bytes`` is where its first fragment begins.
    """

    id: str
    source_id: str
    run_id: str
    epoch: int
    ordinal: int
    start_us: int
    end_us: int
    effective_start_us: int | None
    effective_end_us: int | None
    start_90k: int
    store_key: str
    size_bytes: int
    header_bytes: int
    sha256: bytes
    gop_index: bytes
    state: SegmentState
    held: bool

    def fragments(self) -> list[Fragment]:
        """All fragments in order. Raises GopIndexError when the index is damaged."""
        start_us, start_90k, header_bytes = self.start_us, self.start_90k, self.header_bytes
        return [
            Fragment(
                number,
                start_us + entry.start_90k * 100 // 9,
                (entry.start_90k + entry.duration_90k) * 100 // 9 - entry.start_90k * 100 // 9,
                start_90k + entry.start_90k,
                header_bytes + entry.offset,
                entry.size_bytes,
                entry.keyframe_bytes,
            )
            for number, entry in enumerate(gop_index.unpack(self.gop_index))
        ]

    def to_message(self) -> dict[str, Any]:
        """A dictionary that survives msgpack."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Segment:
        """The inverse of :meth:`to_message`."""
        return cls(**message)


def store_key(source_id: str, segment_id: str, start_us: int) -> str:
    """Where a segment's object lies: ``{source_id}/2026/11/21/{segment_id}.mp4``, by UTC day."""
    day = datetime.datetime.fromtimestamp(start_us / 1e6, datetime.UTC)
    return f"{source_id}/{day:%Y/%m/%d}/{segment_id}.mp4"


def other_key(key: str) -> str:
    """Where it lies when the key was taken over: ``….2.mp4``."""
    return key.removesuffix(".mp4") + ".2.mp4"
