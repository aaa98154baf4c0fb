"""Control of playback (GB/T 28181-2016 Annex B)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181 import mansrtsp
from camera_adapters.gb28181.mansrtsp import MansRtspError, PlaybackControl


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"PLAY RTSP/1.0\r\nCSeq: 2\r\nScale: 2.0\r\n\r\n", PlaybackControl("PLAY", 2, 2.0)),
        (b"PLAY MANSRTSP/1.0\nCSeq:3\nRange:npt=now-\n", PlaybackControl("PLAY", 3)),
        (b"PLAY RTSP/1.0\r\nRange: npt=100-\r\n", PlaybackControl("PLAY", 0, None, 100.0)),
        (b"PLAY RTSP/1.0\r\nRange: npt=1:00:02.5-\r\n", PlaybackControl("PLAY", 0, None, 3602.5)),
        (b"PAUSE RTSP/1.0\r\nCSeq: 1\r\nPauseTime: now\r\n", PlaybackControl("PAUSE", 1)),
        (b"TEARDOWN RTSP/1.0\r\nCSeq: 9\r\n", PlaybackControl("TEARDOWN", 9)),
        (b"PLAY rtsp://a/b RTSP/1.0\r\nScale: -4\r\n", PlaybackControl("PLAY", 0, -4.0)),
    ],
)
def test_as_platforms_write_it(body: bytes, wanted: PlaybackControl) -> None:
    assert mansrtsp.parse(body) == wanted


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"DESCRIBE RTSP/1.0\r\n",
        b"PLAY RTSP/1.0\r\nScale: 0\r\n",
        b"PLAY RTSP/1.0\r\nScale: nan\r\n",
        b"PLAY RTSP/1.0\r\nScale: 1e9\r\n",
        b"PLAY RTSP/1.0\r\nRange: clock=now\r\n",
        b"PLAY RTSP/1.0\r\n" + b"x" * 5000,
    ],
)
def test_what_cannot_be_done_is_refused(body: bytes) -> None:
    with pytest.raises(MansRtspError):
        mansrtsp.parse(body)


@given(
    st.sampled_from(["PLAY", "PAUSE", "TEARDOWN"]),
    st.integers(0, 99),
    st.none() | st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0, -1.0]),
    st.none() | st.integers(0, 10**6).map(lambda n: n / 8),
)
def test_what_is_written_is_read_again(
    method: mansrtsp.Method, sequence: int, scale: float | None, from_s: float | None
) -> None:
    written = PlaybackControl(method, sequence, scale, from_s if method == "PLAY" else None)
    assert mansrtsp.parse(written.to_bytes()) == written


def test_answer_names_the_request() -> None:
    assert mansrtsp.answer(7) == b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n"
