"""The answer to ``/index`` and ``/keyframes``: which fragments play from when to when. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from camera_adapters.stream import Codec
from gateway.footage.reader import Located
from recorder.fmp4.writer import mime_type
from recorder.segments import Fragment, Run

INDEX_SPAN_LIMIT_US = 3_600_000_000
_G711 = {Codec.PCMA, Codec.PCMU}


@dataclass(frozen=True, slots=True)
class Range:
    """A half-open range of wall-clock time in µs."""

    start_us: int
    end_us: int

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return self.end_us <= self.start_us

    def clipped(self, other: Range) -> Range:
        """What is in both."""
        return Range(max(self.start_us, other.start_us), min(self.end_us, other.end_us))

    def meets(self, start_us: int, end_us: int) -> bool:
        """Whether some of [``start_us``, ``end_us``) is in it."""
        return start_us < self.end_us and end_us > self.start_us


def page_of(wanted: Range) -> tuple[Range, int | None]:
    """What one call answers, and where the next goes on (None: that was all)."""
    end_us = wanted.start_us + INDEX_SPAN_LIMIT_US
    if end_us >= wanted.end_us:
        return wanted, None
    return Range(wanted.start_us, end_us), end_us


def fragments_in(items: Sequence[Located], wanted: Range) -> Iterator[tuple[Located, Fragment]]:
    """The fragments that overlap the range, as far as their segments count, in order of time."""
    for item in items:
        segment = item.segment
        if segment.effective_start_us is None or segment.effective_end_us is None:
            continue
        visible = wanted.clipped(Range(segment.effective_start_us, segment.effective_end_us))
        if visible.empty:
            continue
        for fragment in item.fragments:
            end_us = fragment.start_us + fragment.duration_us
            if visible.meets(fragment.start_us, max(end_us, fragment.start_us + 1)):
                yield item, fragment


def browser_mime(run: Run) -> str:
    """The run's MIME type as browsers get it: with AAC in place of G.711."""
    return run.mime.replace("alaw", "mp4a.40.2").replace("ulaw", "mp4a.40.2")


def transcoded_mime(video_codec_string: str, run: Run) -> str:
    """The MIME type below ``/transcode``: H.264, and the sound as browsers get it."""
    codecs = browser_mime(run).split('"')[1].split(",")
    audio = [name for name in codecs if not name.startswith(("avc", "hvc", "hev"))]
    return f'video/mp4; codecs="{",".join([video_codec_string, *audio])}"'


def build_index(
    items: Sequence[Located], wanted: Range, gaps: list[dict[str, Any]], next_us: int | None
) -> dict[str, Any]:
    """The document of ``/index`` as docs/http-api.md gives it, without ``transcode``'s MIME."""
    runs: dict[str, dict[str, Any]] = {}
    numbers: dict[str, int] = {}
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "run",
            "start_us",
            "duration_us",
            "segment_id",
            "number",
            "bytes",
            "keyframe",
        )
    }
    for item, fragment in fragments_in(items, wanted):
        run = item.run
        if run.id not in runs:
            numbers[run.id] = len(runs)
            runs[run.id] = _run_document(run)
        columns["run"].append(numbers[run.id])
        columns["start_us"].append(fragment.start_us)
        columns["duration_us"].append(fragment.duration_us)
        columns["segment_id"].append(item.segment.id)
        columns["number"].append(fragment.number)
        columns["bytes"].append(fragment.size_bytes)
        columns["keyframe"].append(fragment.keyframe_bytes > 0)
    return {"runs": list(runs.values()), "fragments": columns, "gaps": gaps, "next_us": next_us}


def _run_document(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "mime": browser_mime(run),
        "width": run.width,
        "height": run.height,
        "start_us": run.start_us,
        "transcode": False,
        "has_audio": run.audio_codec is not None,
    }


def keyframes_in(items: Sequence[Located], wanted: Range, limit: int) -> list[dict[str, Any]]:
    """At most ``limit`` keyframes of the range, in order; evenly spread when there are more."""
    # A day has tens of thousands: with more segments than are asked for, one of each will do.
    if len(items) > limit:
        items = [items[index * len(items) // limit] for index in range(limit)]
    found = [
        {"us": fragment.start_us, "segment_id": item.segment.id, "number": fragment.number}
        for item, fragment in fragments_in(items, wanted)
        if fragment.keyframe_bytes
    ]
    if len(found) > limit:
        found = [found[index * len(found) // limit] for index in range(limit)]
    return found


__all__ = [
    "INDEX_SPAN_LIMIT_US",
    "Range",
    "browser_mime",
    "build_index",
    "fragments_in",
    "keyframes_in",
    "mime_type",
    "page_of",
    "transcoded_mime",
]
