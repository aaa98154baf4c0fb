"""Fuzz target: playlists."""

from __future__ import annotations

import contextlib

from camera_adapters.hls.playlist import PlaylistError, parse_playlist

SEEDS = [
    b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"a,b\"\nx.m3u8\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"i.mp4\"\n"
    b"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXTINF:2.0,\n#EXT-X-BYTERANGE:5@6\na.ts\n",
]  # fmt: skip


def target(data: bytes) -> None:
    """Must raise nothing: PlaylistError is how it refuses."""
    with contextlib.suppress(PlaylistError):
        parse_playlist(data.decode("utf-8", "replace"))
