"""HLS playlists of recorded footage (RFC 8216). No I/O.

One entry per few seconds, beginning with a keyframe: a byte range of the recorded object itself,
or, where the sound has to be converted, the converted fragments.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from urllib.parse import quote

from gateway.footage.playback_index import Range, fragments_in
from gateway.footage.reader import Located
from recorder.segments import Fragment

ENTRY_US = 6_000_000
HLS_SPAN_LIMIT_US = 24 * 3_600_000_000
_SEAM_US = 500_000

_Entry = list[tuple[Located, Fragment]]


def media_playlist(
    items: Sequence[Located], wanted: Range, ticket: str | None, covered: bool = False
) -> str:
    """The media playlist of the range. URIs are relative to ``…/hls/``; ``ticket`` is repeated in
    each of them, for players that keep no cookies. ``covered``: what is masked comes transcoded.
    """
    entries = _entries(items, wanted)
    longest_us = max((_duration_us(entry) for entry in entries), default=1_000_000)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{-(-longest_us // 1_000_000)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    query = f"?ticket={quote(ticket)}" if ticket else ""
    root = "../transcode" if covered else ".."
    run_id = ""
    end_us: int | None = None
    for entry in entries:
        located, first = entry[0]
        new_run = located.run.id != run_id
        if end_us is not None and (new_run or abs(first.start_us - end_us) > _SEAM_US):
            lines.append("#EXT-X-DISCONTINUITY")
        if new_run:
            run_id = located.run.id
            lines.append(f'#EXT-X-MAP:URI="{root}/runs/{quote(run_id)}/init.mp4{query}"')
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date_time(first.start_us)}")
        lines.append(f"#EXTINF:{_duration_us(entry) / 1e6:.6f},")
        lines += _resource(entry, query, root)
        end_us = entry[-1][1].start_us + entry[-1][1].duration_us
    lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _entries(items: Sequence[Located], wanted: Range) -> list[_Entry]:
    """Fragments gathered to about :data:`ENTRY_US`, without a hole inside, cut before keyframes."""
    entries: list[_Entry] = []
    for located, fragment in fragments_in(items, wanted):
        if entries and _joins(entries[-1], located, fragment):
            entries[-1].append((located, fragment))
        elif fragment.keyframe_bytes:
            entries.append([(located, fragment)])
        # What comes before the first keyframe after a hole cannot be decoded.
    return entries


def _joins(entry: _Entry, located: Located, fragment: Fragment) -> bool:
    last_located, last = entry[-1]
    if last_located is not located or fragment.number != last.number + 1:
        return False
    if abs(fragment.start_us - last.start_us - last.duration_us) > _SEAM_US:
        return False
    end_us = fragment.start_us + fragment.duration_us
    return not fragment.keyframe_bytes or end_us - entry[0][1].start_us <= ENTRY_US


def _resource(entry: _Entry, query: str, root: str) -> list[str]:
    located, first = entry[0]
    last = entry[-1][1]
    segment = f"{root}/segments/{quote(located.segment.id)}"
    if root != ".." or located.run.audio_codec in ("pcma", "pcmu"):
        return [f"{segment}/fragments/{first.number}-{last.number}.m4s{query}"]
    length = last.offset + last.size_bytes - first.offset
    return [f"#EXT-X-BYTERANGE:{length}@{first.offset}", f"{segment}/segment.mp4{query}"]


def _duration_us(entry: _Entry) -> int:
    last = entry[-1][1]
    return last.start_us + last.duration_us - entry[0][1].start_us


def _date_time(at_us: int) -> str:
    at = datetime.datetime.fromtimestamp(at_us // 1_000_000, datetime.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_us % 1_000_000 // 1000:03d}Z"
