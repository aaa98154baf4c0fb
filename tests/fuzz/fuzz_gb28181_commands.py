"""What stands inside other messages: steering bytes, playback control, session descriptions."""

from __future__ import annotations

import contextlib

from camera_adapters.gb28181 import mansrtsp, session_description, steering
from camera_adapters.gb28181.mansrtsp import MansRtspError
from camera_adapters.gb28181.session_description import SessionDescriptionError
from camera_adapters.gb28181.steering import SteeringError

SEEDS = [
    b"A50F01081E1E1009",
    bytes.fromhex("A50F018200010038"),
    b"PLAY RTSP/1.0\r\nCSeq: 2\r\nScale: 2.0\r\nRange: npt=1:00:02.5-\r\n\r\n",
    b"PAUSE MANSRTSP/1.0\nCSeq: 1\nPauseTime: now\n",
    b"v=0\r\no=34020000002000000001 0 0 IN IP4 192.168.1.20\r\ns=Download\r\n"
    b"u=34020000001320000001:255\r\nc=IN IP4 192.168.1.21/127\r\nt=1700000000 1700000600\r\n"
    b"m=video 6000 TCP/RTP/AVP 96 98 97\r\na=recvonly\r\na=rtpmap:96 PS/90000\r\n"
    b"a=setup:passive\r\na=connection:new\r\na=downloadspeed:4\r\na=filesize:99\r\n"
    b"y=1402000001\r\nf=v/2/5/25/1/4000a/1/8/1\r\n",
]


def target(data: bytes) -> None:
    with contextlib.suppress(MansRtspError):
        mansrtsp.parse(mansrtsp.parse(data).to_bytes())
    with contextlib.suppress(SessionDescriptionError):
        session_description.parse(session_description.parse(data).to_bytes())
    for text in (data.decode("latin-1"), data.hex()):
        try:
            command = steering.decode(text)
        except SteeringError:
            continue
        with contextlib.suppress(SteeringError):
            steering.decode(steering.encode(command))
