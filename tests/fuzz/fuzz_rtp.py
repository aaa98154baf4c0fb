"""RTP: whole ingests of each codec fed with a byte string cut into packets."""

from __future__ import annotations

from camera_adapters import sdp
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.ingest import Ingest
from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.rtp.tracks import choose_tracks
from camera_adapters.stream import AccessUnit, Codec, Stream, Track, Variant
from tests.peers.parameter_sets import H264_SETS, H265_SETS

_DESCRIPTIONS = [
    b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 97\n"
    b"a=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 config=1408;sizelength=13;indexlength=3;"
    b"indexdeltalength=3\n",
    b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 sprop-max-don-diff=0\n"
    b"m=audio 0 RTP/AVP 8\n",
    b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 sprop-max-don-diff=1\n"
    b"m=audio 0 RTP/AVP 97\na=rtpmap:97 OPUS/48000/2\n",
]


def _seed(codec: Codec, sets: tuple[bytes, ...], first: bytes, other: bytes) -> bytes:
    track = Track("video", codec, 90000, sets, 768, 576)
    packetiser = TrackPacketiser(track, 0, 7, 65533, 0xFFFF_F000)
    made = b""
    for number in range(4):
        unit = (first if number % 3 == 0 else other) + bytes(range(256)) * (8 if number else 1)
        payload = len(unit).to_bytes(4, "big") + unit
        pts = number * 3600
        made += packetiser.packetise(
            AccessUnit(0, payload, pts, pts, number % 3 == 0, 0)
        ).interleaved
    return made


SEEDS = [
    _seed(Codec.H264, H264_SETS, b"\x65\x88", b"\x41\x9a"),
    _seed(Codec.H265, H265_SETS, b"\x26\x01\xaf", b"\x02\x01\xd0"),
    b"$\x02\x00\x16\x80\xe1\x00\x01\x00\x00\x00\x02\x00\x00\x00\x07\x00\x20\x00\x10\x00\x08\xaa\xbb\xcc",
]


def target(data: bytes) -> None:
    for number, description in enumerate(_DESCRIPTIONS):
        for reordering in (False, True):
            stream = Stream("fuzz", Variant.MAIN)
            ingest = Ingest(
                stream,
                choose_tracks(sdp.parse(description)),
                CameraClock(),
                reordering=reordering,
                channels=[0, 2],
            )
            _feed(ingest, data, number)
            assert stream.gop_bytes <= 2 * len(data) + 64


def _feed(ingest: Ingest, data: bytes, number: int) -> None:
    position, now_us = 0, 1_700_000_000_000_000
    while position + 4 <= len(data):
        now_us += 20_000
        for receiver in ingest.receivers:
            reached = receiver.receive_interleaved(data, position, len(data), now_us)
            position = reached
        length = data[position + 2] << 8 | data[position + 3] if position + 4 <= len(data) else 0
        packet = data[position + 4 : position + 4 + min(length, 1500)]
        ingest.receivers[number % 2].receive_packet(packet, 0, len(packet), now_us)
        ingest.receive_rtcp(number % 2, packet, now_us)
        ingest.expire(now_us)
        position += 4 + length
    for index in range(len(ingest.receivers)):
        ingest.build_receiver_report(index, 1, now_us)
    ingest.close()
