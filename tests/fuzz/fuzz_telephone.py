"""What a telephone and its network send: descriptions, sound, keys, frames between processes."""

from __future__ import annotations

import contextlib

from gateway.meetings.telephone import call_sdp, wire
from gateway.meetings.telephone.sound import CallSound

SEEDS = [
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
    b"m=video 4002 RTP/AVP 96\r\nb=TIAS:512000\r\na=rtpmap:96 H264/90000\r\n"
    b"a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;max-fs=8160\r\n"
    b"a=rtcp-fb:* nack pli\r\na=rtcp:4009 IN IP4 10.0.0.8\r\na=content:main\r\n",
    b"\x80\x08\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x07" + bytes(160),
    b"\xb0\x65\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x07\x05\x8a\x03\x20\x00\x00\x00\x04",
    bytes(16) + b"\x01\x00\x00\x03\xc0\x08\x0b\xe4\x1c\x36\x20",
]


def target(data: bytes) -> None:
    with contextlib.suppress(call_sdp.NothingInCommon):
        agreed = call_sdp.read(data)
        call_sdp.answer(agreed, "10.0.0.1", 5000, 1)
        call_sdp.answer(agreed, "10.0.0.1", 5000, 1, 5002, 2048)
        if agreed.pictures is not None:
            agreed.pictures.to_message()
    call = CallSound("PCMA", 8, 101)
    call.receive(data)
    frame = wire.read_heard_frame(data)
    if frame is not None:
        call.hear(*frame)
    call.sound()
