"""M3U8 playlists (RFC 8216 §4): text in, variants or segments out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

LINES_LIMIT = 20_000
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')


class PlaylistError(ValueError):
    """The text is no playlist that can be followed; the message says why."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. ``sequence`` is its number; ``map_url`` the init section of fMP4, or "".

    ``broken_before``: its timestamps have no relation to those before. ``byte_range`` is (offset,
    length). ``start_us`` is when it begins, UTC, where the playlist says so.
    """

    sequence: int
    url: str
    duration_s: float
    broken_before: bool = False
    map_url: str = ""
    map_range: tuple[int, int] | None = None
    byte_range: tuple[int, int] | None = None
    start_us: int | None = None


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """Segments, oldest first. ``ended``: none will follow."""

    target_s: float
    segments: tuple[Segment, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class MasterPlaylist:
    """Variants as (bits per second, address)."""

    variants: tuple[tuple[int, str], ...]


def parse_playlist(text: str) -> MediaPlaylist | MasterPlaylist:
    """Read a playlist; addresses stay relative. Raises PlaylistError."""
    lines = [line.strip() for line in text.splitlines()[:LINES_LIMIT]]
    if not lines or not lines[0].lstrip("\ufeff").startswith("#EXTM3U"):
        raise PlaylistError("the text does not begin as a playlist does")
    if any(line.startswith("#EXT-X-STREAM-INF:") for line in lines):
        return _master(lines)
    return _media(lines)


def _master(lines: list[str]) -> MasterPlaylist:
    variants = []
    bandwidth: int | None = None
    for line in lines:
        if line.startswith("#EXT-X-STREAM-INF:"):
            bandwidth = _integer(_attributes(line).get("BANDWIDTH", "0"))
        elif line and not line.startswith("#") and bandwidth is not None:
            variants.append((bandwidth, line))
            bandwidth = None
    if not variants:
        raise PlaylistError("the playlist names no variant")
    return MasterPlaylist(tuple(variants))


def _media(lines: list[str]) -> MediaPlaylist:
    target_s, sequence, ended = 0.0, 0, False
    segments: list[Segment] = []
    duration_s: float | None = None
    broken = False
    map_url, map_range = "", None
    byte_range: tuple[int, int] | None = None
    range_end = 0
    start_us: int | None = None
    for line in lines:
        name, _, value = line.partition(":")
        match name:
            case "#EXT-X-TARGETDURATION":
                target_s = _seconds(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                sequence = _integer(value)
            case "#EXTINF":
                duration_s = _seconds(value.partition(",")[0])
            case "#EXT-X-DISCONTINUITY":
                broken = True
            case "#EXT-X-ENDLIST":
                ended = True
            case "#EXT-X-KEY" if _attributes(line).get("METHOD", "NONE") != "NONE":
                raise PlaylistError("the segments are encrypted: give an address without that")
            case "#EXT-X-MAP":
                attributes = _attributes(line)
                map_url = attributes.get("URI", "")
                given = attributes.get("BYTERANGE")
                map_range = _range(given, 0) if given else None
            case "#EXT-X-BYTERANGE":
                byte_range = _range(value, range_end)
            case "#EXT-X-PROGRAM-DATE-TIME":
                start_us = _moment(value)
            case _ if line and not line.startswith("#") and duration_s is not None:
                segments.append(
                    Segment(
                        sequence + len(segments), line, duration_s, broken, map_url, map_range,
                        byte_range, start_us,
                    )
                )  # fmt: skip
                range_end = sum(byte_range) if byte_range is not None else 0
                if start_us is not None:
                    start_us += round(duration_s * 1_000_000)
                duration_s, broken, byte_range = None, False, None
    return MediaPlaylist(target_s, tuple(segments), ended)


def _attributes(line: str) -> dict[str, str]:
    return {match[1]: match[2].strip('"') for match in _ATTRIBUTE.finditer(line.partition(":")[2])}


def _integer(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise PlaylistError(f"{text[:40]!r} is no number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise PlaylistError(f"{text[:40]!r} is no duration") from None
    if not 0 <= value < 3600:
        raise PlaylistError(f"a duration of {text[:40]} seconds")
    return value


def _range(text: str, default: int) -> tuple[int, int]:
    length, at, offset = text.partition("@")
    return (_integer(offset) if at else default), _integer(length)


def _moment(text: str) -> int | None:
    try:
        return round(datetime.fromisoformat(text.strip()).timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        return None
