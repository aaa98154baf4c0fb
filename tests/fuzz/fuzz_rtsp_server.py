"""Fuzz target: an RTSP client that says anything."""

from __future__ import annotations

from camera_adapters.rtsp.server import (
    Access,
    DescribeRequested,
    ServerConnection,
    SetupRequested,
)
from camera_adapters.stream import Codec, Track

_TRACKS = (
    Track("video", Codec.H264, 90000, (b"\x67\x4d\x40\x1f\x01", b"\x68\xe8\x01")),
    Track("audio", Codec.PCMA, 8000, channels=1),
)

SEEDS = [
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\nDESCRIBE rtsp://h/a RTSP/1.0\r\nCSeq: 2\r\n\r\n",
    b"SETUP rtsp://h/a/trackID=0 RTSP/1.0\r\nCSeq: 3\r\n"
    b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
    b"PLAY rtsp://h/a/ RTSP/1.0\r\nCSeq: 4\r\nRange: npt=0.000-\r\n\r\n$\x01\x00\x02ab",
    b"SETUP rtsp://h/b?token=x/trackID=1 RTSP/1.0\r\nCSeq: 3\r\n"
    b'Authorization: Digest username="u", nonce="n", uri="/", response="r", qop=auth\r\n'
    b"Transport: RTP/AVP;unicast;client_port=5000-5001, RTP/AVP/TCP\r\n\r\n",
    b"TEARDOWN rtsp://[::1]:554/a RTSP/1.0\r\nSession: 1;timeout=60\r\n"
    b"Content-Length: 3\r\n\r\nabc",
]


def _find(path: str, token: str | None, peer_address: str) -> Access | None:
    if path == "b":
        return Access("b", {"u": "p"})
    return Access(path) if path else None


def target(data: bytes) -> None:
    """Nothing may be raised, and what is owed an answer gets one."""
    connection = ServerConnection(_find, "127.0.0.1")
    middle = len(data) // 2
    for part in (data[:middle], data[middle:]):
        events = connection.receive(part)
        while events:
            following = []
            for event in events:
                if isinstance(event, DescribeRequested):
                    following += connection.answer_describe(_TRACKS)
                elif isinstance(event, SetupRequested):
                    following += connection.answer_setup(1, (7000, 7001))
            events = following
        connection.data_to_send()
