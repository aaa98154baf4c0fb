"""RTSP: the message parser, and a client in the midst of a session, on whatever a camera sends."""

from __future__ import annotations

import contextlib

from camera_adapters.http_authentication import Credentials, parse_challenges
from camera_adapters.rtsp.client import Described, RtspClient, SetUp
from camera_adapters.rtsp.messages import MessageError, MessageParser, Response
from camera_adapters.rtsp.url import parse_camera_url

_SDP = (
    b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n"
    b"m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
)
_RTP = bytes.fromhex("24000014 80e00001 00000002 00000007 65888010 00010203".replace(" ", ""))
SEEDS = [
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n"
    b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://10.0.0.1/x/\r\nContent-Length: "
    + str(len(_SDP)).encode()
    + b"\r\n\r\n"
    + _SDP
    + b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 7;timeout=60\r\n"
    b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
    b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;interleaved=2-3\r\n\r\n" + _RTP * 3,
    b'RTSP/1.0 401 Unauthorized\nCSeq: 1\nWWW-Authenticate: Digest realm="a", nonce="b", '
    b'qop="auth", algorithm=SHA-256, stale=true\nWWW-Authenticate: Basic realm="c"\n\n',
    b"OPTIONS rtsp://x/y RTSP/1.0\r\nCSeq: 9\r\n\r\n$\x01\x00\x04abcd" + _RTP,
    b"rtsp://us%65r:p@ss@[::1]:8554/a?b=c",
]


def target(data: bytes) -> None:
    parser = MessageParser()
    with contextlib.suppress(MessageError):
        for start in range(0, len(data), 37):
            for message in parser.receive(data[start : start + 37]):
                if isinstance(message, Response):
                    parse_challenges(message.headers.get_all("WWW-Authenticate"))
    with contextlib.suppress(ValueError):
        parse_camera_url(data.decode("latin-1"))
    client = RtspClient("rtsp://127.0.0.1/x", Credentials("user", "secret"))
    client.start()
    for start in range(0, len(data), 61):
        client.receive(data[start : start + 61], 0)
        for event in client.events():
            if isinstance(event, Described):
                client.setup()
            elif isinstance(event, SetUp):
                for transport in event.transports:
                    client.connect_channel(transport, _take, lambda packet, now_us: None)
                client.play()
        client.data_to_send()


def _take(data: bytes, position: int, end: int, arrival_us: int) -> int:
    following = position + 4 + int.from_bytes(data[position + 2 : position + 4], "big")
    return following if following <= end else position
