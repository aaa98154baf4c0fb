"""Playlists of RFC 8216."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.hls.playlist import (
    MasterPlaylist,
    MediaPlaylist,
    PlaylistError,
    parse_playlist,
)
from tests.fuzz import fuzz_playlist

LIVE = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:41
#EXT-X-MAP:URI="init.mp4",BYTERANGE="800@0"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.500+08:00
#EXTINF:1.5,
a.m4s
#EXTINF:2,title
b.m4s?x=1
#EXT-X-DISCONTINUITY
#EXT-X-BYTERANGE:100@20
#EXTINF:2.0,
c.m4s
#EXT-X-BYTERANGE:50
#EXTINF:2.0,
c.m4s
"""


def test_a_live_playlist() -> None:
    playlist = parse_playlist(LIVE)
    assert isinstance(playlist, MediaPlaylist)
    assert (playlist.target_s, playlist.ended) == (2.0, False)
    one, two, three, four = playlist.segments
    assert (one.sequence, one.url, one.duration_s, one.map_url) == (41, "a.m4s", 1.5, "init.mp4")
    assert one.map_range == (0, 800)
    assert one.start_us == 1_767_294_245_500_000
    assert two.start_us == one.start_us + 1_500_000
    assert (three.sequence, three.broken_before, three.byte_range) == (43, True, (20, 100))
    assert (four.broken_before, four.byte_range) == (False, (120, 50))


def test_a_master_playlist() -> None:
    text = '#EXTM3U\n#EXT-X-STREAM-INF:CODECS="a,b",BANDWIDTH=5\nlow\n\n'
    text += "#EXT-X-STREAM-INF:BANDWIDTH=9\nhigh\n"
    assert parse_playlist(text) == MasterPlaylist(((5, "low"), (9, "high")))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html>", "begin"),
        ("", "begin"),
        ("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=x\n", "encrypted"),
        ("#EXTM3U\n#EXTINF:abc,\n", "duration"),
        ("#EXTM3U\n#EXTINF:nan,\n", "duration"),
        ("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:-1\n", "number"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(PlaylistError, match=says):
        parse_playlist(text)


@given(st.text(max_size=300))
def test_any_text_is_taken_or_refused(text: str) -> None:
    fuzz_playlist.target(text.encode("utf-8", "replace"))
    fuzz_playlist.target(b"#EXTM3U\n#EXT" + text.encode("utf-8", "replace"))
